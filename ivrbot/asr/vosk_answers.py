"""What Vosk answers, in a process or from a server: JSON texts turned into hypotheses. Pure.

Source: Vosk API 0.3.45 (vosk_api.h): results with words, with alternatives, partials.
"""

from __future__ import annotations

import json
import math

from ivrbot.asr.streaming import join_words
from ivrbot.model.speech import Hypothesis


def hypotheses_of(answer: str) -> tuple[Hypothesis, ...]:
    """Readings of a result of the library, best first, without blanks.

    Without alternatives the confidence is the mean over the words; with them it is the reading's share among all
    (softmax of the library's scores), which compares readings and does not say whether any is right.
    """
    result = json.loads(answer)
    if "alternatives" not in result:
        words = [word.get("conf", 1.0) for word in result.get("result", ())]
        text = spoken(result.get("text", ""))
        confidence = sum(words) / len(words) if words else 1.0
        return (Hypothesis(text, round(min(1.0, confidence), 3)),) if text else ()
    found = [(spoken(one.get("text", "")), float(one.get("confidence", 0.0))) for one in result["alternatives"]]
    top = max((score for _, score in found), default=0.0)
    weights = [(text, math.exp(score - top)) for text, score in found if text]
    total = sum(weight for _, weight in weights) or 1.0
    return tuple(Hypothesis(text, round(weight / total, 3)) for text, weight in weights)


def spoken(text: str) -> str:
    """Without the mark for words outside a grammar."""
    return join_words(word for word in text.split() if word != "[unk]")
