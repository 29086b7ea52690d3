"""The bot's side of a gateway: a door that lets legs in and sinks that remember what came."""

from __future__ import annotations

from ivrbot.errors import LegRefused
from ivrbot.model.audio import Frame
from ivrbot.model.call import CallId
from ivrbot.ports import Leg, MediaSink


class RecordingSink:
    """Remembers everything in order; plays what it is given."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.frames: list[Frame] = []
        self.keys: list[str] = []
        self.happened: list[Frame | str] = []
        """Frames and keys as they came."""
        self.causes: list[str] = []
        self.to_play: list[Frame] = []
        self.asked = 0

    def on_frame(self, frame: Frame) -> None:
        assert not self.causes, "sound after the end"
        self.frames.append(frame)
        self.happened.append(frame)

    def on_key(self, key: str) -> None:
        assert not self.causes, "a key after the end"
        self.keys.append(key)
        self.happened.append(key)

    def on_closed(self, cause: str) -> None:
        self.causes.append(cause)

    def next_frame(self) -> Frame | None:
        self.asked += 1
        return self.to_play.pop(0) if self.to_play else None

    @property
    def heard(self) -> bytes:
        """All sound that came."""
        return b"".join(self.frames)


class RecordingDoor:
    """Admits everybody but the call ids told to refuse."""

    def __init__(self) -> None:
        self.refused: set[CallId] = set()
        self.sinks: list[RecordingSink] = []
        self.asked: list[CallId] = []

    def admit(self, leg: Leg) -> MediaSink:
        self.asked.append(leg.call_id)
        if leg.call_id in self.refused:
            raise LegRefused("told to refuse")
        sink = RecordingSink(leg)
        self.sinks.append(sink)
        return sink
