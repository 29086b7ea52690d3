"""What is in force and who may change it: standing, proposals, audit, and the controller's loop.

Takes decisions and people's wishes, gives branch states, each with a row in the audit.
May import: judging, planning.
"""
