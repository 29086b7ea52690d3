"""What numbers mean: confidence sequences, weighting, sample-ratio mismatch, waiting lines, sample sizes.

Takes scalars and numpy arrays, gives scalars, arrays and frozen results; no clock, no randomness, no I/O.
May import model and errors.
"""
