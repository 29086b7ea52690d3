"""ivrbot answers a bank's phone line and hands each menu branch to the bot step by step."""
