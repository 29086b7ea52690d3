"""Which caller meets the bot: the plan, the draw, branch states and their audited changes.

Takes rollout.yaml, branch states and a caller; gives an Assignment, and state changes with their audit rows.
May import: analytics and everything below it.
"""
