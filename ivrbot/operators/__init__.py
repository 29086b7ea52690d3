"""Where escalated calls go: dossiers stored, the PBX told, operators' screens informed.

Takes dossiers, gives call outcomes. May import language, media, ports, config, model and errors.
"""
