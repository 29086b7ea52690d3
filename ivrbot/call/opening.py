"""A recorded caller's opening, understood as a call would have been: turn by turn, until the topic is stated.

Takes the caller's sound, gives what the bot would have made of it, by the voice activity, endpointing, classifier
and dialogue of a call. Only the bot's own words are missing, so every turn is judged as the first answer to the
open question: the caller did not hear our reprompts, and two turns without a topic are no reason to give him up.
Nor did he hear a question between two near topics: the likelier counts, unless a later turn is clear.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ivrbot.call.hearing import ENDPOINTING
from ivrbot.call.understanding import Understanding
from ivrbot.dialogue.engine import Dialogue
from ivrbot.language.commands import Universal, universal
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Frame, Pcm, silence
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import Collect, Route, Transfer, UserTurn
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
    likely: Opening | None = None
    for turn in turns_of(pcm):
        hypotheses = tuple(one for one in (await reads(turn.sound)).hypotheses if one.text.strip())
        until_ms = turn.end_ms
        if not hypotheses:
            continue  # a cough, or a word that nobody could make out
        number += 1
        judged = await _judged(hypotheses, nlu, dialogue, language)
        if judged is not None:
            opening = Opening(judged.topic, judged.confidence, judged.asked, number, until_ms)
            if judged.clear:
                return opening
            likely = likely or opening
        if number >= max_turns:
            break
    return likely or Opening("", 0.0, asked_for_person=False, turns=number, until_ms=until_ms)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A turn's topic; `clear` is false where the bot would have asked which of two is meant."""

    topic: str
    confidence: float
    asked: bool
    clear: bool = True


async def _judged(
    hypotheses: tuple[Hypothesis, ...], nlu: NluEngine, dialogue: Dialogue, language: Language
) -> _Judged | None:
    """What a turn states; None when the open question stays open.

    The topic counts all readings of the recogniser, as in a call.
    """
    state, question = dialogue.start(language, "speech")
    assert isinstance(question[-1], Collect)  # the open question of every front
    meaning = await Understanding(nlu).of_hypotheses(hypotheses, question[-1], language)
    state, acts = dialogue.step(state, UserTurn(hypotheses, meaning))
    asked = any(asks_for_person(one.text, language) for one in hypotheses)
    match acts[-1]:
        case Route(topic):
            return _Judged(topic, meaning.confidence, asked)
        case Transfer(reason) if reason == EscalationReason.CALLER_ASKED:
            return _Judged("operator", meaning.confidence, asked=True)
        case _ if state.between is not None:
            return _Judged(meaning.ranking[0].name, meaning.ranking[0].confidence, asked, clear=False)
        case _:
            return None


def asks_for_person(text: str, language: Language) -> bool:
    """Whether any clause of a sentence asks for an operator ("..., соедините с оператором")."""
    clauses = (clause for clause in _CLAUSES.split(text) if clause.strip())
    return any(universal(clause, language) is Universal.OPERATOR for clause in clauses)
