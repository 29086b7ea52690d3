"""Pages and documents for product owners: certificates of promotions in HTML and JSON.

Takes what `rollout` has worked out, gives text; asks no store and no clock.
May import rollout, analytics, ports, config, model, errors.
"""
