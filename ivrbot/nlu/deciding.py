"""From a ranking to an intent: the negation guard and the least confidence, the same for every engine.

Takes scores best first, gives the intent and its confidence. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from ivrbot.model.speech import OUT_OF_SCOPE, Language
from ivrbot.nlu.guard import is_asserted, is_negated

EMERGENCY_AT_LEAST: Final = 0.5
"""Least share of block_card and report_fraud together for blocking a card: cross-validated on the training data,
it takes away a fifth of the false blockings and 1.5 % of the true ones, who are asked."""

_BLOCKING: Final = "block_card"
_EMERGENCIES: Final = (_BLOCKING, "report_fraud")


def decide_intent(
    text: str, language: Language, scores: Mapping[str, float], reject_below: float
) -> tuple[str, float]:
    """The intent that may be believed.

    Args:
        text: the caller's words.
        language: of the text.
        scores: confidence per intent, best first, adding up to 1; not empty.
        reject_below: least confidence that an intent needs; out_of_scope needs none.

    Returns:
        Intent and confidence; out_of_scope when everything likely is refused by the text or too unsure.
    """
    refused = 0.0
    for name, score in scores.items():
        share = score / max(1.0 - refused, 1e-9)
        # After a refusal only a topic that the text names itself may step in ("не блокируйте, перевыпустите").
        if refused and not is_asserted(text, language, name):
            continue
        if not is_negated(text, language, name):
            if name == OUT_OF_SCOPE or (share >= reject_below and _surely(name, scores, refused)):
                return name, min(share, 1.0)
            break
        refused += score
    top = next(iter(scores.values()))
    return OUT_OF_SCOPE, refused + scores.get(OUT_OF_SCOPE, 0.0) if refused else 1.0 - top


def _surely(name: str, scores: Mapping[str, float], refused: float) -> bool:
    """A card is not blocked on a mere guess; fraud counts for it, as both end with the card secured."""
    if name != _BLOCKING:
        return True
    emergency = sum(scores.get(intent, 0.0) for intent in _EMERGENCIES)
    return emergency >= EMERGENCY_AT_LEAST * (1.0 - refused)


def with_scope_of(rest: Mapping[str, float], whole: Mapping[str, float]) -> dict[str, float]:
    """The whole turn's shares, with the share of out_of_scope that the rest without the refusal has.

    A refusal by itself is out of scope, so that a turn that holds one looks so; whether the wish beside it is in
    scope, only the rest can say.
    """
    inside = 1.0 - whole.get(OUT_OF_SCOPE, 0.0)
    scale = (1.0 - rest.get(OUT_OF_SCOPE, 0.0)) / max(inside, 1e-9)
    return {name: rest.get(name, 0.0) if name == OUT_OF_SCOPE else share * scale for name, share in whole.items()}


def together(readings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Geometric mean of several rankings of one turn: what all of them hold likely, likeliest first.

    Args:
        readings: confidence per intent, the same intents in each, above 0; at least one.

    Returns:
        Confidences that add up to 1.
    """
    logs = {
        name: sum(math.log(max(each[name], 1e-9)) for each in readings) / len(readings) for name in readings[0]
    }
    top = max(logs.values())
    shares = {name: math.exp(value - top) for name, value in logs.items()}
    total = sum(shares.values())
    return {name: shares[name] / total for name in sorted(shares, key=lambda name: -shares[name])}
