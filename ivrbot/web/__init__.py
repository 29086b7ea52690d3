"""The web: HTTP API for PBXs and machines, pages for people (softphone, desk, live calls), live streams.

Takes requests, gives answers from the parts handed in; owns no data. May import everything but app and cli.
"""
