"""Callers who must not get in (`attacks.yml`) and callers who must (`clumsy.yml`), as data.

Takes the YAML tables, gives checked rows and what every row has to keep to; how they are played stands in
`tests/integration/test_attack_calls*.py`.
"""
