"""Speech recognition engines behind `ports.AsrEngine`.

Takes 8 kHz sound of one utterance, gives partial and final readings; models run in worker threads.
May import media, language, ports, config, metrics, model and errors; no other engine.
"""
