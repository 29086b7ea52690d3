"""How long callers wait for the bot's word, how often it cuts them off, how fast it stops: on the sound itself."""
