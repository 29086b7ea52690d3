"""The product's peers as bots behind the same door: the same gateway, recogniser, classifier and recorded prompts.

Their programs run in the environment that `build` makes; nothing of the product imports them.
"""
