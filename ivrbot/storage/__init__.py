"""One schema; SQLite as the default store behind EventStore, CallStore, RolloutStore and AttemptStore.

Takes model objects, gives model objects; a commit is a promise that survives a power cut.
May import: ports, config, model, errors.
"""
