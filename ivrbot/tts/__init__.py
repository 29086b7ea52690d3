"""The bot's voice: recorded prompts and fragments first, live engines (RHVoice, pyttsx3) for the rest.

Takes text or utterances, gives 8 kHz PCM16; speech libraries run in processes of their own.
May import: language, media, ports, config, model, errors.
"""
