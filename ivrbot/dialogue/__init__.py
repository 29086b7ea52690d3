"""The dialogue: flow files, their checks, and a pure engine that walks them.

Takes `DialogueInput`s, gives `DialogueAct`s. May import language, ports, config, model, errors; no clock, no I/O
(the loader reads the files of `flows/` once, at start).
"""
