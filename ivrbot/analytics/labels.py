"""What a caller said and what it was really about: an operator's correction as an example for a person to review.

Takes a call's events and the operator's word, gives a label; and labels as Rasa's training format. Pure. Nothing
is ever trained on labels by itself: somebody reads them, and what is good goes into nlu_data by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ivrbot.escalation.dossier import mask, one_line
from ivrbot.language.masking import mask_codes
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.label import Label
from ivrbot.model.shadow import CallDisposition
from ivrbot.model.speech import LANGUAGES, Language

MAX_TEXT_CHARS: Final = 300

_HEAD: Final = """version: "3.1"

# Corrections by operators ({language}), for a person to review: text as heard by a machine, masked, topic as an
# operator named it. Keep what a caller would say, mend what was misheard, drop what names anybody; then move it to
# nlu_data/{language}. Do not take a text that is in a test file: what is tested must not be taught.

nlu:
"""


@dataclass(frozen=True, slots=True)
class StatedTopic:
    """The words with which a caller stated his topic, and how the bot took them.

    Attributes:
        heard: the topic that the bot went by, "" when it made out none.
        confidence: of the intent, 0..1.
    """

    text: str
    heard: str
    confidence: float


def stated_topic(events: Iterable[CallEvent]) -> StatedTopic | None:
    """The first topic stated in words; None for one that was keyed, or when nothing was said.

    Args:
        events: of one call, in order.
    """
    words: StatedTopic | None = None
    for event in events:
        if event.type is EventType.CALLER_SAID and "intent" in event.data:
            confidence = event.data.get("intent_confidence")
            sure = float(confidence) if isinstance(confidence, int | float) else 0.0
            words = StatedTopic(str(event.data.get("text", "")), "", sure)
        elif event.type is EventType.KEYS_PRESSED:
            words = None
        elif event.type is EventType.TOPIC_STATED:
            heard = str(event.data.get("topic", ""))
            return StatedTopic(words.text, heard, words.confidence) if words else None
    return words


def label_of(events: Sequence[CallEvent], said: CallDisposition) -> Label | None:
    """The label that a disposition gives; None when the operator agrees with the bot, or there are no words.

    Args:
        events: of the call, in order.
        said: the operator's word on it.
    """
    words = stated_topic(events)
    if words is None or said.topic == words.heard:
        return None
    language = _language(events)
    text = one_line(mask_codes(mask(words.text), language), MAX_TEXT_CHARS)
    if not text or text.startswith("["):
        return None
    return Label(said.call_id, said.at, said.who, language, text, words.heard, words.confidence, said.topic)


def _language(events: Sequence[CallEvent]) -> Language:
    for event in events:
        if event.type is EventType.CALL_STARTED:
            for language in LANGUAGES:
                if event.data.get("language") == language:
                    return language
    return "ru"


def as_rasa(labels: Iterable[Label], language: Language) -> str:
    """Labels of one language as a training file, by topic, each text once; "" when there are none."""
    topics: dict[str, list[str]] = {}
    for label in labels:
        if label.language == language:
            # square brackets mean an entity there, and what is masked was one
            text = label.text.replace("[", "").replace("]", "")
            examples = topics.setdefault(label.topic, [])
            if text not in examples:
                examples.append(text)
    if not topics:
        return ""
    body = "".join(
        f"- intent: {topic}\n  examples: |\n" + "".join(f"    - {text}\n" for text in sorted(examples))
        for topic, examples in sorted(topics.items())
    )
    return _HEAD.format(language=language) + body
