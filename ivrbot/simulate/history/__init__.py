"""Histories of many simulated calls, made at the level of what calls leave behind.

Takes shapes of real simulated calls, a plan and a seed; gives events, exposures, queue rows and contacts in a
store, with decisions made by the real controller day by day. May import everything below the command line.
"""
