"""What a plan would do: simulated runs, days to a decision, operators needed.

Takes a plan and assumptions, gives distributions. May import: governing, judging, planning.
"""
