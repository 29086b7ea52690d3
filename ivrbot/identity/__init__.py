"""Who the caller is and how surely: the authentication ladder; pure.

Takes the policy (`flows/assurance.yml`), answers and keyed hashes of facts; gives new states and `AuthReply`.
May import: language, model, errors; no asyncio, clock, randomness, socket (`load_policy` alone reads a file).
"""
