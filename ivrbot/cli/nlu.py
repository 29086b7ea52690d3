"""`ivrbot nlu`: train, parse, evaluate, list what is understood, compare the languages."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ivrbot import engines
from ivrbot.cli.console import INVALID, json_option, language_option, print_json, quiet_settings, run_async
from ivrbot.cli.nlu_labels import labels
from ivrbot.cli.nlu_topics import as_markdown, understood
from ivrbot.config import Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.model.speech import Language, NluResult
from ivrbot.nlu.data import load_training_data
from ivrbot.nlu.embedded import load_encoder
from ivrbot.nlu.encoder import ENCODER_FILE
from ivrbot.nlu.evaluate import confusion_table, engine_from_rows, evaluate, read_rows
from ivrbot.nlu.parity import MAX_RATIO, intent_counts
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
    engine = await engines.train_nlu(quiet_settings())
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
        for line in confusion_table(report):
            click.echo(line)


@nlu.command("list")
@click.option("--markdown", is_flag=True, help="The page docs/reference/understanding.md.")
@json_option
@run_async
async def list_understood(markdown: bool, as_json: bool) -> None:
    """What the bot understands and what happens then."""
    settings = quiet_settings()
    entries = understood(load_training_data(settings.nlu_data_dir), load_flows(settings.flows_dir).branches)
    if as_json:
        print_json([entry.as_json() for entry in entries])
    elif markdown:
        click.echo(as_markdown(entries), nl=False)
    else:
        for entry in entries:
            place = f" ({entry.branch})" if entry.branch else ""
            click.echo(f"{entry.intent}: {entry.outcome}{place}")
            for language, examples in entry.examples.items():
                click.echo(f"  {language}: {'; '.join(examples)}")


@nlu.command()
@json_option
@run_async
async def parity(as_json: bool) -> None:
    """Whether every language has every intent, in roughly equal numbers."""
    rows = intent_counts(load_training_data(quiet_settings().nlu_data_dir))
    uneven = [row for row in rows if not row.balanced]
    if as_json:
        fields = [
            {"intent": row.intent, **row.counts, "ratio": row.ratio, "balanced": row.balanced} for row in rows
        ]
        print_json({"ok": not uneven, "max_ratio": MAX_RATIO, "intents": fields})
    else:
        for row in rows:
            counts = "  ".join(f"{language} {count:>4}" for language, count in row.counts.items())
            click.echo(f"{row.intent:<22} {counts}{'' if row.balanced else '  out of balance'}")
    if uneven:
        sys.exit(INVALID)


nlu.add_command(labels)


async def _engine(settings: Settings, name: str | None) -> NluEngine:
    """The engine named, else that of the settings."""
    if name is None:
        return await engines.open_nlu(settings)
    return await engines.train_nlu(settings) if name == "embedded" else engines.rasa_nlu(settings)


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
