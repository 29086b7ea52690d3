"""`ivrbot nlu labels`: what operators corrected, for a person to review."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ivrbot import app
from ivrbot.analytics.labels import as_rasa
from ivrbot.cli.console import json_option, language_option, print_json, quiet_settings, run_async
from ivrbot.model.speech import Language
from ivrbot.storage.labels import LabelBook


@click.command("labels")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2000-01-01",
    show_default=True,
    help="Given on this day (UTC) or later.",
)
@language_option
@json_option
@run_async
async def labels(since: datetime, lang: Language, as_json: bool) -> None:
    """Corrections of topics by operators, in Rasa's format; nothing is trained on them by itself."""
    settings = quiet_settings()
    async with app.store_of(settings, app.MAIN_DATABASE) as store:
        given = await LabelBook(store).since(since.replace(tzinfo=UTC))
    if as_json:
        print_json(
            [
                {
                    "call_id": label.call_id,
                    "at": label.at.isoformat(timespec="seconds"),
                    "who": label.who,
                    "language": label.language,
                    "text": label.text,
                    "heard": label.heard,
                    "confidence": label.confidence,
                    "topic": label.topic,
                }
                for label in given
                if label.language == lang
            ]
        )
        return
    click.echo(as_rasa(given, lang), nl=False)
    click.echo(f"{sum(label.language == lang for label in given)} corrections", err=True)
