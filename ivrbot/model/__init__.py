"""Frozen data that crosses ports: audio, speech, dialogue, call, events, experiment.

Takes nothing, gives types only. May import: errors.
"""
