"""Simulated callers: people with goals who ring the product, and histories of many such calls.

Takes settings and a seed, gives how calls went, measured against what each caller really wanted.
May import everything below the command line; nothing of the product imports it.
"""
