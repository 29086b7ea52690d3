"""Wire protocols as pure parsers and serialisers.

Takes bytes in any pieces, gives messages, and back; no I/O. May import: model, errors.
"""
