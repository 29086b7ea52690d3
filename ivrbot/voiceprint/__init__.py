"""Voiceprint: sound of a voice in, speaker embeddings and verdicts out. Off unless the bank switches it on.

Biometric data: neither sound nor embedding is ever logged; sound is not kept at all.
May import: language, stats, media, ports, config, model, errors; not identity, dialogue or any other engine.
"""
