"""Every story ends as it says, with the bank in the state it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivrbot.config import PROJECT_ROOT
from ivrbot.language.readings import near_topics
from ivrbot.model.speech import Language
from ivrbot.nlu.embedded import EmbeddedNlu
from tests.scenario.runner import core, load_stories, play, sms_of
from tests.unit.nlu_engines import classifier, encoder_path

STORIES = load_stories(Path(__file__).parent)
SHORT = 4
"""Sentences of so few words ("потеряла карту") are everybody's."""


def test_there_are_stories_enough() -> None:
    assert len(STORIES) >= 80
    assert len({name for name, _ in STORIES}) == len(STORIES)


def test_no_story_is_training_data() -> None:
    """A story that the bot has learnt by heart shows nothing."""
    learnt: set[str] = set()
    for path in (PROJECT_ROOT / "nlu_data").glob("*/*.yml"):
        lines = path.read_text("utf-8").splitlines()
        learnt |= {line.strip().removeprefix("- ").strip().lower() for line in lines}
    said = {text.lower() for _, story in STORIES for turn in story["turns"] for text in spoken(turn)}
    sentences = {text for text in said if len(text.split()) > SHORT}
    assert not sentences & learnt


def spoken(turn: Any) -> list[str]:
    """What a turn may be: one sentence, or several of which one is doubtful to any classifier."""
    return turn["user"] if isinstance(turn["user"], list) else [str(turn["user"])]


async def said_in(turn: Any, nlu: EmbeddedNlu, language: Language) -> str:
    """A turn's sentence; of several the first that this classifier finds near two topics."""
    texts = spoken(turn)
    for text in texts:
        if len(texts) == 1 or near_topics(await nlu.parse(text, language)) is not None:
            return text
    raise AssertionError(f"none of {texts} is doubtful")


async def check_story(story: Any, data_dir: Path, nlu: EmbeddedNlu) -> None:
    language: Language = story.get("language", "ru")
    turns = [await said_in(turn, nlu, language) for turn in story["turns"]]
    codes = sms_of(story, data_dir)
    async with core(data_dir, nlu, sms=codes.settings) as built:
        played = await play(built, story["caller"], turns, language, instead=codes.in_place_of)
        customer = await built.parts.bank.bank.show(story.get("bank_caller", story["caller"]))  # type: ignore[attr-defined]
    for index, turn in enumerate(story["turns"]):
        if "bot" in turn:
            assert played.responses[index + 1] == list(turn["bot"]), f"after {turn['user']!r}"
    end = played.end
    assert end is not None
    found: dict[str, Any] = {
        "disposition": end.disposition.value,
        "reason": end.reason,
        "topic": end.topic,
        "escalated_to": end.escalated_to,
        "priority": end.dossier.priority if end.dossier else None,
    }
    assert {key: found[key] for key in story["end"]} == dict(story["end"])
    cards = {card["last4"]: card["status"] for card in customer[0]["cards"]} if customer else {}
    for last4, status in story.get("cards", {}).items():
        assert cards[last4] == status
    if customer:
        assert len(customer[0]["claims"]) == story.get("claims", 0)
        assert customer[0]["services"] == story.get("services", [])
    if "facts" in story:
        assert end.dossier is not None
        assert list(end.dossier.facts_used) == story["facts"]
    if "messages" in story:
        assert len(codes.texts()) == story["messages"]
    for text in story.get("said", ()):
        assert any(text in line for line in played.lines), f"nobody said {text!r}"


@pytest.mark.parametrize(("name", "story"), STORIES, ids=[name for name, _ in STORIES])
async def test_story(name: str, story: Any, tmp_path: Path) -> None:
    await check_story(story, tmp_path, EmbeddedNlu(classifier(None)))


@pytest.mark.models
@pytest.mark.parametrize(("name", "story"), STORIES, ids=[name for name, _ in STORIES])
async def test_story_with_sentence_embeddings(name: str, story: Any, tmp_path: Path) -> None:
    await check_story(story, tmp_path, EmbeddedNlu(classifier(encoder_path())))
