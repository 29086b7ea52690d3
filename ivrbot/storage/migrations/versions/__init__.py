"""One step a file: `m0001_baseline.py` and so on, each after the one before it.

Takes nothing, gives `upgrade()` to Alembic. A step never changes once it is released.
May import: SQLAlchemy, Alembic; never the tables of `ivrbot.storage`, which go on changing.
"""
