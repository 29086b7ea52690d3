"""Real Asterisk and real SIP callers for the integration tests.

Takes the product's own files of deploy/asterisk; gives `AsteriskServer`, `Caller`, `OperatorPhone` and stand-ins
for the bot (`BotPeer`, `Registrar`). May import the standard library, aiohttp, ivrbot.media and ivrbot.errors.
"""
