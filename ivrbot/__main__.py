"""`python -m ivrbot`."""

from ivrbot.cli.main import main

main()
