"""A real PostgreSQL for tests: takes it from the system or from Debian, gives a server of its own, without root.

`PostgresServer` starts in some seconds on a loopback port; `database()` gives an empty, migrated database.
May import: the product.
"""
