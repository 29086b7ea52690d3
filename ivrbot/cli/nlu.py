"""`ivrbot nlu`: train, parse, evaluate."""

from __future__ import annotations

from pathlib import Path

import click

from ivrbot import app
from ivrbot.cli.console import json_option, language_option, print_json, quiet_settings, run_async
from ivrbot.config import Settings
from ivrbot.model.speech import Language, NluResult
from ivrbot.nlu.embedded import load_encoder
from ivrbot.nlu.encoder import ENCODER_FILE
from ivrbot.nlu.evaluate import engine_from_rows, evaluate, read_rows
from ivrbot.ports import NluEngine

engine_option = click.option(
    "--engine",
    type=click.Choice(["embedded", "rasa"]),
    default=None,
    help="Instead of the one of the settings; rasa is asked alone, without the embedded one behind it.",
)


@click.group()
def nlu() -> None:
    """Understand a text; evaluate on a file."""


@nlu.command()
@json_option
@run_async
async def train(as_json: bool) -> None:
    """Check the training data and train once, as `serve` does at every start."""
    engine = await app.train_nlu(quiet_settings())
    intents = engine.intents
    await engine.close()
    if as_json:
        print_json({"engine": engine.name, "intents": list(intents)})
    else:
        click.echo(f"{engine.name}: {len(intents)} intents", err=True)


@nlu.command()
@click.argument("text")
@language_option
@engine_option
@json_option
@run_async
async def parse(text: str, lang: Language, engine: str | None, as_json: bool) -> None:
    """What a text means."""
    understanding = await _engine(quiet_settings(), engine)
    try:
        result = await understanding.parse(text, lang)
    finally:
        await understanding.close()
    if as_json:
        print_json(rasa_shape(result))
    else:
        click.echo(f"{result.intent} ({result.confidence:.2f})")


@nlu.command("eval")
@click.argument("file", type=click.Path(path_type=Path))
@language_option
@click.option(
    "--train", "train_file", type=click.Path(path_type=Path), default=None, help="Train on this file first."
)
@engine_option
@json_option
@run_async
async def evaluate_file(
    file: Path, lang: Language, train_file: Path | None, engine: str | None, as_json: bool
) -> None:
    """Accuracy on `intent<TAB>text` lines."""
    settings = quiet_settings()
    rows = read_rows(file)
    understanding: NluEngine
    if train_file is None:
        understanding = await _engine(settings, engine)
    elif engine == "rasa":
        raise click.UsageError("--train trains the embedded classifier; a Rasa server is trained by `make rasa`")
    else:
        encoder = load_encoder(settings.models_dir / ENCODER_FILE)
        understanding = engine_from_rows(read_rows(train_file), lang, encoder)
    try:
        report = await evaluate(rows, understanding, lang)
    finally:
        await understanding.close()
    if as_json:
        print_json(report.as_json())
    else:
        click.echo(f"n={report.n} accuracy={report.accuracy:.3f} macro_f1={report.macro_f1:.3f}")


async def _engine(settings: Settings, name: str | None) -> NluEngine:
    """The engine named, else that of the settings."""
    if name is None:
        return await app.open_nlu(settings)
    return await app.train_nlu(settings) if name == "embedded" else app.rasa_nlu(settings)


def rasa_shape(result: NluResult) -> dict[str, object]:
    """The answer of Rasa's `/model/parse`."""
    return {
        "text": result.text,
        "intent": {"name": result.intent, "confidence": result.confidence},
        "entities": [
            {"entity": e.name, "value": e.value, "start": e.start, "end": e.end} for e in result.entities
        ],
        "intent_ranking": [{"name": score.name, "confidence": score.confidence} for score in result.ranking],
    }
