"""The plan: which branches are handed over, in which steps, judged by what.

Takes `rollout.yaml`, gives a frozen `Plan` or every problem with its line. Pure; imports no other part of rollout.
"""
