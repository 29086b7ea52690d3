"""Short messages to customers, behind the `SmsGateway` port: dropped as files, or handed to an HTTP service.

Takes a number and a text that may hold a one-time code; neither is ever logged.
May import: language, ports, config, model, errors; not identity, dialogue or any other engine.
"""
