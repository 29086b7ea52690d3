"""The command line: one file per command group; `main` gathers them.

Takes arguments, prints results on standard output (JSON with --json) and everything else on standard error. Exit
codes: 0 done, 1 the thing asked for failed, 2 wrong usage or invalid files, 3 something outside is missing.
"""
