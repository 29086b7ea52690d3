"""When a call goes to an operator: where to, how soon, and with what dossier; pure.

Takes reason, topic, the table of branches and the parts of the call; gives a `Handover` and a masked `Dossier`.
May import: language, logs (masking), model, errors; no asyncio, clock, randomness, socket.
"""
