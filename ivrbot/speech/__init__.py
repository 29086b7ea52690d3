"""Hearing: voice activity, endpointing, and the caller's sound cut into turns.

Takes 20 ms frames, gives speech events and the sound that belongs to each turn; no clock, no asyncio.
May import model, media, ports, config, metrics, language and errors.
"""
