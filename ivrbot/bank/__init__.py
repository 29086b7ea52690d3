"""The bank's back end behind the `Bank` port; the simulator is a demo bank in a SQLite file of its own.

Takes `BankRequest`s of customers, gives `BankAnswer`s or a `BankError`; facts leave only as keyed hashes.
May import: language, ports, model, errors; not identity, dialogue or any other engine.
"""
