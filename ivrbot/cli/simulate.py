"""`ivrbot simulate`: synthetic callers with goals; what they really got is compared with what the bot claims."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import click

from ivrbot.cli.console import INVALID, fail, json_option, print_json, quiet_settings, run_async
from ivrbot.config import Settings
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.simulate.outcome import Outcome
from ivrbot.simulate.persona import GOALS, Persona, draw
from ivrbot.simulate.summary import Summary


@click.command()
@click.option("--calls", type=click.IntRange(1, 1_000_000), required=True, help="How many callers ring.")
@click.option("--concurrency", type=click.IntRange(1, 200), default=4, show_default=True, help="So many at once.")
@click.option("--seed", type=int, default=None, help="The same seed, the same callers; without it they are new.")
@click.option("--text", is_flag=True, help="Without sound: the whole core in this process, waiting for nothing.")
@click.option("--goal", "goals", multiple=True, type=click.Choice(sorted(GOALS)), help="These goals only.")
@click.option("--lang", type=click.Choice(LANGUAGES), default=None, help="Callers of one language only.")
@click.option("--noise", type=click.FloatRange(0, 1), default=None, help="Share of words misheard; for all alike.")
@click.option(
    "--to", "address", default="", metavar="HOST:PORT", help="Gateway (AudioSocket) of a running server."
)
@click.option("--api", default="", metavar="URL", help="Web address of that server.")
@click.option("--show", type=click.Choice(["none", "wrong", "all"]), default="none", help="Print conversations.")
@json_option
@run_async
async def simulate(
    calls: int,
    concurrency: int,
    seed: int | None,
    text: bool,
    goals: tuple[str, ...],
    lang: Language | None,
    noise: float | None,
    address: str,
    api: str,
    show: str,
    as_json: bool,
) -> None:
    """Let synthetic callers ring, in sound through the running gateway or (--text) without.

    Each has a goal, a temper, habits and facts that he knows, has forgotten or gets wrong. Afterwards what he was
    told and what the bank did is compared with what the bot claims.
    """
    if text and (address or api):
        fail(INVALID, "--to and --api are for calls in sound; leave out --text")
    settings = quiet_settings()
    languages: tuple[Language, ...] = (lang,) if lang else ("ru", "ru", "ru", "ru", "en")
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    personas = [
        draw(seed, number, goals=goals or GOALS, languages=languages, noise=noise) for number in range(calls)
    ]
    summary, began_cpu_s = Summary(), time.process_time()
    async with aclosing(_calls(settings, personas, concurrency, text, address, api)) as outcomes:
        async for outcome in outcomes:
            summary.add(outcome)
            if not as_json and (show == "all" or (show == "wrong" and _wrong(outcome))):
                _print_talk(outcome)
    document = summary.document(cpu_s=time.process_time() - began_cpu_s, through="text" if text else "audiosocket")
    document["seed"] = seed
    if as_json:
        print_json(document)
    else:
        _print_summary(document)


def _calls(
    settings: Settings, personas: list[Persona], concurrency: int, text: bool, address: str, api: str
) -> AsyncGenerator[Outcome, None]:
    if text:
        return _in_text(settings, personas, concurrency)
    from ivrbot.simulate.sound import in_sound

    return in_sound(settings, personas, concurrency=concurrency, address=address, api=api)


async def _in_text(settings: Settings, personas: list[Persona], concurrency: int) -> AsyncGenerator[Outcome, None]:
    from ivrbot.simulate.calls import many, open_world

    async with open_world(settings) as world, aclosing(many(world, personas, concurrency=concurrency)) as outcomes:
        async for outcome in outcomes:
            yield outcome


def _wrong(outcome: Outcome) -> bool:
    return outcome.false_success or bool(outcome.truth.harm or outcome.truth.lie)


def _print_talk(outcome: Outcome) -> None:
    who = outcome.persona
    habits = " ".join(sorted(who.manners))
    click.echo(f"--- {who.number}: {who.goal.name}, {who.temper} {who.language} {habits}".rstrip())
    for speaker, words in outcome.talk:
        click.echo(f"  {speaker}: {words}")
    served = "served" if outcome.truth.served else "not served"
    marks = " ".join(filter(None, (outcome.truth.harm, outcome.truth.lie)))
    target = f" -> {outcome.queue}" if outcome.queue else ""
    click.echo(f"  == {outcome.disposition.value} ({outcome.reason}){target}; {served} {marks}".rstrip())


def _print_summary(document: dict[str, Any]) -> None:
    gaps = document["response_gap_ms"]
    click.echo(
        f"{document['calls']} calls, {document['served']} served; the bot says: {document['resolved']} resolved, "
        f"{document['escalated']} escalated, {document['abandoned']} abandoned, {document['failed']} failed"
    )
    click.echo(f"said to be resolved, but not served: {document['false_success']}")
    for title, counts in (("done against the caller's wish", "harm"), ("told, but not true", "lies")):
        what = ", ".join(f"{name} {count}" for name, count in document[counts].items())
        click.echo(f"{title}: {what or 'nothing'}")
    click.echo(f"response gap p50 {gaps['p50']} ms, p95 {gaps['p95']} ms; {document['cpu_s']} s of processor")
    for name, row in document["per_goal"].items():
        click.echo(
            f"  {name:20} {row['calls']:6} calls {row['served']:6} served {row['false_success']:4} false, "
            f"turns {row['turns_p50']}, solved after {row['solved_s_p50']} s"
        )
    click.echo(f"the same callers again: --seed {document['seed']}")
