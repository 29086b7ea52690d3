"""Has Asterisk connect an operator with a caller who asked to be called back.

Takes a call-back and its number, gives an AMI action Originate into the contexts of extensions_ivrbot.conf: a
Local channel waits in the operators' queue, and only when an operator has answered is the caller dialled. The
dialplan reports how it ended over the HTTP API.
"""

from __future__ import annotations

import re
from typing import Final

from ivrbot.model.operators import Callback
from ivrbot.telephony.asterisk import AmiControl

OPERATOR_CONTEXT: Final = "ivrbot-callback-operator"
CALLER_CONTEXT: Final = "ivrbot-callback-caller"

_QUEUE = re.compile(r"[a-z_]{1,40}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_WORD = re.compile(r"[A-Za-z0-9_-]{0,80}")


class AsteriskCallbacks:
    """Places call-backs over an AMI account that has the class "originate".

    Args:
        ami: the connection; its `run` is somebody else's task.
    """

    def __init__(self, ami: AmiControl) -> None:
        self._ami = ami

    async def place(self, callback: Callback, number: str, *, queue_s: int, ring_s: int) -> bool:
        """Begin an attempt.

        Args:
            callback: claimed.
            number: E.164.
            queue_s: the longest that the queue is waited in.
            ring_s: the longest that the caller's telephone rings.

        Returns:
            False when Asterisk is not there, refuses, or the call-back could not be written as an action.
        """
        fields = originate_fields(callback, number, queue_s=queue_s, ring_s=ring_s)
        return fields is not None and await self._ami.act("Originate", fields)


def originate_fields(
    callback: Callback, number: str, *, queue_s: int, ring_s: int
) -> tuple[tuple[str, str], ...] | None:
    """Fields of the action; None when a value could be anything but one word.

    Args:
        callback: claimed.
        number: E.164.
        queue_s: timeout for the operator, seconds.
        ring_s: timeout for the caller, seconds.
    """
    words = (callback.callback_id, callback.call_id, callback.topic, callback.dossier_id)
    if not (_QUEUE.fullmatch(callback.queue) and _NUMBER.fullmatch(number)):
        return None
    if not all(_WORD.fullmatch(word) for word in words):
        return None
    # Two underscores: the operator's channel, which the queue makes, inherits what its headers are written from.
    variables = {
        "__BOT_CALL_ID": callback.call_id,
        "__BOT_TOPIC": callback.topic,
        "__BOT_DOSSIER": callback.dossier_id,
        "__BOT_REASON": "callback",
        "IVRBOT_CALLBACK": callback.callback_id,
        "IVRBOT_CALLBACK_TRY": str(callback.tries),
        "IVRBOT_CALLBACK_NUMBER": number,
        "IVRBOT_CALLBACK_RING_S": str(ring_s),
    }
    return (
        ("Channel", f"Local/{callback.queue}@{OPERATOR_CONTEXT}/n"),
        ("Context", CALLER_CONTEXT),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", str(queue_s * 1000)),
        ("Async", "true"),
        *(("Variable", f"{name}={value}") for name, value in variables.items()),
    )
