"""One call: session, turn taking, playout, and the router that sends it to the bot or to operators.

Takes legs and registrations, gives sound, dossiers and events. May import everything below it (dialogue, speech,
identity, escalation, rollout, analytics, ports); never a concrete engine.
"""
