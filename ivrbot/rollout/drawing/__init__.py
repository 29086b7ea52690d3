"""Which arm a caller falls into: eligibility, the keyed draw, the route.

Takes a caller and the branch states in force, gives an `Assignment`. May import: governing, planning.
"""
