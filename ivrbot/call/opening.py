"""A recorded caller's opening, understood as a call would have been: turn by turn, until the topic is stated.

Takes the caller's sound, gives what the bot would have made of it, by the voice activity, endpointing, classifier
and dialogue of a call. Only the bot's own words are missing, so every turn is judged as the first answer to the
open question: the caller did not hear our reprompts, and two turns without a topic are no reason to give him up.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ivrbot.call.hearing import ENDPOINTING
from ivrbot.dialogue.engine import Dialogue
from ivrbot.language.commands import Universal, universal
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Frame, Pcm, silence
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import Route, Transfer, UserTurn
from ivrbot.model.speech import Hypothesis, Language, Transcript
from ivrbot.ports import NluEngine
from ivrbot.speech.ear import Ear
from ivrbot.speech.endpointing import Endpointer, MaxLength, TurnEnded
from ivrbot.speech.vad import VoiceActivity

MAX_TURNS: Final = 6
"""Turns of the caller after which no topic is expected any more."""

_AFTER_MS: Final = 2_000
"""Silence put after a recording, in which its last turn ends."""

_CLAUSES: Final = re.compile(r"[,.;:!?]+")


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of the caller.

    Attributes:
        sound: 8 kHz, with its pre-roll.
        end_ms: where it ends in the recording.
    """

    sound: Pcm
    end_ms: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What the bot would have understood.

    Attributes:
        topic: "" when none was stated within the turns looked at.
        confidence: of the topic, 0..1.
        asked_for_person: the turn that ended it is, or has in it, a request for a person.
        turns: utterances read.
        until_ms: how far into the recording it went.
    """

    topic: str
    confidence: float
    asked_for_person: bool
    turns: int
    until_ms: int


Reads = Callable[[Pcm], Awaitable[Transcript]]


def turns_of(pcm: Pcm) -> Iterator[Turn]:
    """Cut one party's sound into utterances, as an ear in a call does."""
    activity, ear = VoiceActivity(), Ear(Endpointer(ENDPOINTING))
    sound = bytearray()
    padded = pcm + silence(_AFTER_MS)
    for start in range(0, len(padded) - FRAME_BYTES + 1, FRAME_BYTES):
        frame = Frame(Pcm(padded[start : start + FRAME_BYTES]))
        heard = ear.feed(frame, activity.feed(frame))
        sound += heard.sound
        if any(isinstance(event, TurnEnded | MaxLength) for event in heard.events):
            yield Turn(Pcm(bytes(sound)), min(start + FRAME_BYTES, len(pcm)) // FRAME_BYTES * FRAME_MS)
            sound.clear()


async def hear_opening(
    pcm: Pcm, reads: Reads, nlu: NluEngine, dialogue: Dialogue, language: Language, max_turns: int = MAX_TURNS
) -> Opening:
    """Listen until a topic is stated, a person is asked for, or the turns are used up.

    Args:
        pcm: the caller's channel, 8 kHz.
        reads: recognises one utterance.
        nlu: understands it.
        dialogue: decides what it does at the open question.
        language: spoken by the caller.
        max_turns: most utterances to read.

    Raises:
        EngineError: recogniser or understanding failed.
    """
    number, until_ms = 0, 0
    for turn in turns_of(pcm):
        hypotheses = tuple(one for one in (await reads(turn.sound)).hypotheses if one.text.strip())
        until_ms = turn.end_ms
        if not hypotheses:
            continue  # a cough, or a word that nobody could make out
        number += 1
        opening = await _judged(hypotheses, nlu, dialogue, language)
        if opening is not None:
            topic, confidence, asked = opening
            return Opening(topic, confidence, asked, number, until_ms)
        if number >= max_turns:
            break
    return Opening("", 0.0, asked_for_person=False, turns=number, until_ms=until_ms)


async def _judged(
    hypotheses: tuple[Hypothesis, ...], nlu: NluEngine, dialogue: Dialogue, language: Language
) -> tuple[str, float, bool] | None:
    """Topic, confidence and whether a person is asked for; None when the open question stays open."""
    state, _ = dialogue.start(language, "speech")
    meaning = await nlu.parse(hypotheses[0].text, language)
    _, acts = dialogue.step(state, UserTurn(hypotheses, meaning))
    match acts[-1]:
        case Route(topic):
            return topic, meaning.confidence, asks_for_person(hypotheses[0].text, language)
        case Transfer(reason) if reason == EscalationReason.CALLER_ASKED:
            return "operator", meaning.confidence, True
        case _:
            return None


def asks_for_person(text: str, language: Language) -> bool:
    """Whether any clause of a sentence asks for an operator ("..., соедините с оператором")."""
    clauses = (clause for clause in _CLAUSES.split(text) if clause.strip())
    return any(universal(clause, language) is Universal.OPERATOR for clause in clauses)
