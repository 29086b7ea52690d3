"""From rows to a decision: evidence, guardrails, verdict, and one sentence that says why.

Takes what both arms showed, gives a `Decision`. Pure; may import: planning.
"""
