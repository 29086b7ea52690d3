"""Call events in, streams and numbers out: the recorder is the only writer of events.

Takes events from calls, gives them to the store, to live pages and (KPI names) to the rollout.
May import: ports, config, logs, metrics, model, errors and the pure layers above them.
"""
