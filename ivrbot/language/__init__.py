"""Spoken language as values and back, Russian and English; pure.

Takes recogniser text (or values to be said), gives digits, money, dates, phones, yes/no, keys (or fragments).
May import: model, errors, num2words, phonenumbers; no clock, randomness, socket or asyncio.
"""
