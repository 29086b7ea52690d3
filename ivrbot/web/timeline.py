"""A call's events as the lines of its timeline: who said what, and what happened in between, in words.

Takes events in order and the page's words, gives `Line`s. Pure. What events hold is masked already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from ivrbot.model.events import CallEvent, EventType, as_talked
from ivrbot.web.saying import Say

Who = Literal["bot", "caller", "operator", "mark"]
SLOW_GAP_MS: Final = 700
"""A pause from which on a caller feels that he waits (the goal for 95 of 100 answers)."""
UNSURE: Final = 0.6
FRAME_MS: Final = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One thing of a call.

    Attributes:
        seq: of its event.
        t_ms: since the call began.
        who: whose words they are, or "mark" for what happened.
        text: words said, or what happened.
        kind: type of the event.
        tone: "" plain, "good", "bad", "warn", "info": for the colour.
        details: further facts.
        tags: short remarks with their tone, shown as badges.
        gap_ms: pause before the bot's words, where it was measured.
        dossier: id of the dossier that was handed over, "" else.
    """

    seq: int
    t_ms: int
    who: Who
    text: str
    kind: str
    tone: str = ""
    details: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    gap_ms: int | None = None
    dossier: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The page's language.

    Attributes:
        t: texts by key.
        labels: names for codes, by kind.
        say: numbers and times.
    """

    t: Mapping[str, str]
    labels: Mapping[str, Mapping[str, str]]
    say: Say

    def text(self, key: str, **values: object) -> str:
        """A text with its values filled in."""
        return self.t[key].format(**values)

    def name(self, kind: str, code: object) -> str:
        """Name of a code; the code itself where it has none."""
        word = str(code or "")
        return self.labels[kind].get(word, word)

    def meant(self, intent: str) -> str:
        """Name of a topic or of an act of conversation."""
        return self.labels["topics"].get(intent) or self.name("acts", intent)

    def words(self, text: str) -> str:
        """What was said; masks in words."""
        if text == "[?]":
            return self.t["unclear"]
        return self.t["hidden"] if text.startswith("[") and text.endswith("]") and " " not in text else text


def timeline(events: Sequence[CallEvent], words: Words) -> list[Line]:
    """Lines of a call, in the order of its events; requests to the bank and their answers become one line.

    Args:
        events: of one call, by number.
        words: of the page.
    """
    lines: list[Line] = []
    for event in as_talked(events):
        if event.type is EventType.RESPONSE_GAP:
            _put_gap(lines, event)
        elif event.type is EventType.BANK_REPLIED and _answered(lines, event, words):
            continue
        elif teller := _TELLERS.get(event.type):
            lines.append(teller(event, words))
    return lines


def _put_gap(lines: list[Line], event: CallEvent) -> None:
    """The measured pause goes to the first words of the bot since the caller's last ones."""
    gap_ms = _whole(event, "gap_ms")
    for at in range(len(lines) - 1, -1, -1):
        if lines[at].who == "caller":
            break
        if lines[at].who == "bot" and (at == 0 or lines[at - 1].who != "bot"):
            lines[at] = replace(lines[at], gap_ms=gap_ms)
            return


def _answered(lines: list[Line], event: CallEvent, words: Words) -> bool:
    """Put the bank's answer into the line of its request; whether there was one."""
    action = str(event.data.get("action") or "")
    for at in range(len(lines) - 1, max(len(lines) - 6, -1), -1):
        if lines[at].kind == EventType.BANK_REQUESTED.value and action in lines[at].details[:1]:
            status = str(event.data.get("status") or "")
            after = words.say.seconds(event.t_ms - lines[at].t_ms)
            facts = [words.text("event_bank_replied", status=words.name("bank_status", status))]
            facts.append(words.text("event_after", time=after))
            facts += _bank_facts(event, words)
            tone = "good" if status == "ok" else "bad"
            lines[at] = replace(lines[at], details=tuple(facts), tone=tone)
            return True
    return False


def _bank_facts(event: CallEvent, words: Words) -> list[str]:
    facts = []
    if reference := event.data.get("reference"):
        facts.append(words.text("event_reference", reference=reference))
    if event.data.get("served"):
        facts.append(words.t["event_served"])
    return facts


# --- one teller per type ------------------------------------------------------------------------------


def _mark(event: CallEvent, text: str, tone: str = "", *details: str, dossier: str = "") -> Line:
    told = tuple(detail for detail in details if detail)
    return Line(event.seq, event.t_ms, "mark", text, event.type.value, tone, told, dossier=dossier)


def _bot_said(event: CallEvent, words: Words) -> Line:
    return Line(event.seq, event.t_ms, "bot", words.words(str(event.data.get("text") or "")), event.type.value)


def _caller_said(event: CallEvent, words: Words) -> Line:
    tags: list[tuple[str, str]] = []
    details = []
    if intent := str(event.data.get("intent") or ""):
        sure = event.data.get("intent_confidence")
        unsure = isinstance(sure, int | float) and sure < UNSURE
        details.append(words.text("call_meant", intent=words.meant(intent)))
        if isinstance(sure, int | float):
            details.append(words.text("call_sure", share=words.say.share(round(float(sure), 2))))
        tags += [(words.labels["terms"]["no_match"], "warn")] if intent == "out_of_scope" and unsure else []
    if asr_ms := _whole(event, "asr_ms"):
        details.append(words.text("call_heard_in", time=words.say.seconds(asr_ms)))
    if event.data.get("over_prompt"):
        tags.append((words.t["call_over_prompt"], "info"))
    text = words.words(str(event.data.get("text") or ""))
    return Line(event.seq, event.t_ms, "caller", text, event.type.value, "", tuple(details), tuple(tags))


def _keys(event: CallEvent, words: Words) -> Line:
    text = str(event.data.get("text") or "")
    key = words.t["call_keys" if text == "[keys]" else "call_key"]
    return Line(event.seq, event.t_ms, "caller", words.words(text), event.type.value, "", (), ((key, "quiet"),))


def _registered(event: CallEvent, words: Words) -> Line:
    called = event.data.get("called")
    return _mark(
        event,
        words.t["event_call_registered"],
        "",
        words.name("gateways", event.data.get("gateway")),
        words.text("event_called", called=called) if called else "",
        words.t["event_withheld"] if event.data.get("withheld") else "",
    )


def _started(event: CallEvent, words: Words) -> Line:
    language = words.name("languages", event.data.get("language"))
    return _mark(
        event, words.t["event_call_started"], "", language, words.name("gateways", event.data.get("gateway"))
    )


def _topic(event: CallEvent, words: Words) -> Line:
    topic = words.name("topics", event.data.get("topic"))
    return _mark(
        event,
        words.text("event_topic_stated", topic=topic),
        "info",
        words.name("branches", event.data.get("branch")),
    )


def _assigned(event: CallEvent, words: Words) -> Line:
    data = event.data
    stage = f"{words.t['col_stage']}: {words.name('stages', data.get('stage'))}"
    return _mark(
        event,
        words.text("event_assigned", route=words.name("routes", data.get("route"))),
        "info",
        words.name("draws", data.get("reason")),
        words.name("branches", data.get("branch")),
        stage,
    )


def _authentication(event: CallEvent, words: Words) -> Line:
    data, status = event.data, str(event.data.get("status") or "")
    facts, second = data.get("facts"), data.get("second")
    names = ", ".join(words.name("facts", fact) for fact in facts) if isinstance(facts, list) else ""
    failures = _whole(event, "failures")
    tone = {"granted": "good", "refused": "bad", "wrong": "warn", "unclear": "warn"}.get(status, "")
    return _mark(
        event,
        words.text("event_authentication", status=words.name("auth_status", status)),
        tone,
        words.text("event_for", operation=words.name("operations", data.get("operation"))),
        words.name("levels", data.get("level")),
        f"{words.t['facts']} {names}" if names else "",
        ", ".join(words.name("second_factors", one) for one in second) if isinstance(second, list) else "",
        words.name("refusals", data.get("reason")) if data.get("reason") else "",
        words.text("event_failures", n=failures) if failures else "",
    )


def _voice(event: CallEvent, words: Words) -> Line:
    data = event.data
    if event.type is EventType.VOICE_COMPARED:
        verdict = str(data.get("verdict") or "")
        tone = {"accept": "good", "flag": "bad"}.get(verdict, "")
        said = words.text("event_voice_compared", verdict=words.name("voice_verdicts", verdict))
    elif event.type is EventType.VOICE_CONSENT:
        tone, said = "", words.text("event_voice_consent", answer=words.name("consents", data.get("answer")))
    else:
        tone, said = "", words.t["event_voice_kept" if data.get("kept") else "event_voice_enrolled"]
    score = data.get("score")
    return _mark(
        event,
        said,
        tone,
        words.text("event_voice_score", score=words.say.likeness(score)) if isinstance(score, int | float) else "",
        words.name("voice_doubts", data.get("doubt")) if data.get("doubt") else "",
        words.t["event_voice_done"] if data.get("done") else "",
    )


def _bank_requested(event: CallEvent, words: Words) -> Line:
    action = str(event.data.get("action") or "")
    name = words.name("operations", action.removeprefix("bank_"))
    line = _mark(event, words.text("event_bank_requested", action=name), "info")
    return replace(line, details=(action,))  # until its answer takes the place


def _bank_replied(event: CallEvent, words: Words) -> Line:
    status = str(event.data.get("status") or "")
    text = words.text("event_bank_replied", status=words.name("bank_status", status))
    return _mark(event, text, "good" if status == "ok" else "bad", *_bank_facts(event, words))


def _engine_failed(event: CallEvent, words: Words) -> Line:
    engine = words.name("engines", event.data.get("engine"))
    return _mark(event, words.text("event_engine_failed", engine=engine), "bad", str(event.data.get("code") or ""))


def _escalated(event: CallEvent, words: Words) -> Line:
    data = event.data
    return _mark(
        event,
        words.text("event_escalated", reason=words.name("reasons", data.get("reason"))),
        "warn",
        f"{words.t['col_queue']}: {words.name('queues', data.get('queue'))}" if data.get("queue") else "",
        dossier=str(data.get("dossier") or ""),
    )


def _wait_told(event: CallEvent, words: Words) -> Line:
    data, say = event.data, words.say
    wait_s, waiting, operators = data.get("wait_s"), data.get("waiting"), data.get("operators")
    return _mark(
        event,
        words.t["event_wait_told"],
        "",
        "" if data.get("open", True) else words.t["event_wait_closed"],
        words.text("event_wait_s", time=say.clock(float(wait_s))) if isinstance(wait_s, int | float) else "",
        words.text("event_wait_queue", waiting=waiting, operators=operators) if waiting is not None else "",
    )


def _callback(event: CallEvent, words: Words) -> Line:
    data = event.data
    if event.type is EventType.CALLBACK_DIALLED:
        return _mark(event, words.text("event_callback_dialled", n=data.get("try", "")), "info")
    if event.type is EventType.CALLBACK_ENDED:
        result = words.name("callback_results", data.get("result"))
        return _mark(event, words.text("event_callback_ended", result=result), "info")
    dossier = str(data.get("dossier") or "")
    return _mark(
        event, words.t["event_callback_asked"], "info", words.name("queues", data.get("queue")), dossier=dossier
    )


def _score(event: CallEvent, words: Words) -> Line:
    if event.type is EventType.SCORE_ASKED:
        return _mark(event, words.t["event_score_asked"])
    return _mark(event, words.text("event_call_scored", score=event.data.get("score", "")), "info")


def _ended(event: CallEvent, words: Words) -> Line:
    data = event.data
    disposition = str(data.get("disposition") or "")
    return _mark(
        event,
        words.text("event_call_ended", disposition=words.name("dispositions", disposition)),
        {"resolved": "good", "failed": "bad"}.get(disposition, "warn"),
        words.name("reasons", data.get("reason")),
    )


def _operator_said(event: CallEvent, words: Words) -> Line:
    who: Who = "caller" if event.data.get("by") == "caller" else "operator"
    return Line(event.seq, event.t_ms, who, words.words(str(event.data.get("text") or "")), event.type.value)


def _dropped(event: CallEvent, words: Words) -> Line:
    frames = _whole(event, "inbound") + _whole(event, "outbound")
    lost = words.text("event_dropped", time=words.say.seconds(frames * FRAME_MS))
    return _mark(event, words.t["event_frames_dropped"], "warn", lost)


def _recorded(event: CallEvent, words: Words) -> Line:
    if event.type is EventType.RECORDING_STARTED:
        return _mark(event, words.t["event_recording_started"])
    hidden_ms = _whole(event, "hidden_ms")
    details = (
        words.say.clock(_whole(event, "audio_ms") / 1000),
        words.text("event_hidden", time=words.say.seconds(hidden_ms)),
    )
    return _mark(event, words.t["event_recording_ended"], "", *details[: 2 if hidden_ms else 1])


def _plain(tone: str) -> Callable[[CallEvent, Words], Line]:
    return lambda event, words: _mark(event, words.t[f"event_{event.type.value}"], tone)


def _whole(event: CallEvent, name: str) -> int:
    value = event.data.get(name)
    return int(value) if isinstance(value, int | float) else 0


_TELLERS: Final[Mapping[EventType, Callable[[CallEvent, Words], Line]]] = {
    EventType.CALL_REGISTERED: _registered,
    EventType.CALL_STARTED: _started,
    EventType.BOT_SAID: _bot_said,
    EventType.CALLER_SAID: _caller_said,
    EventType.KEYS_PRESSED: _keys,
    EventType.NO_INPUT: _plain("warn"),
    EventType.NO_MATCH: _plain("warn"),
    EventType.BARGE_IN: _plain("info"),
    EventType.FALSE_BARGE_IN: _plain("warn"),
    EventType.TURN_RESUMED: _plain("info"),
    EventType.TOPIC_STATED: _topic,
    EventType.ASSIGNED: _assigned,
    EventType.AUTHENTICATION: _authentication,
    EventType.VOICE_COMPARED: _voice,
    EventType.VOICE_CONSENT: _voice,
    EventType.VOICE_ENROLLED: _voice,
    EventType.BANK_REQUESTED: _bank_requested,
    EventType.BANK_REPLIED: _bank_replied,
    EventType.ENGINE_FAILED: _engine_failed,
    EventType.ESCALATED: _escalated,
    EventType.FRAMES_DROPPED: _dropped,
    EventType.RECORDING_STARTED: _recorded,
    EventType.RECORDING_ENDED: _recorded,
    EventType.OPERATOR_SAID: _operator_said,
    EventType.WAIT_TOLD: _wait_told,
    EventType.CALLBACK_ASKED: _callback,
    EventType.CALLBACK_DIALLED: _callback,
    EventType.CALLBACK_ENDED: _callback,
    EventType.SCORE_ASKED: _score,
    EventType.CALL_SCORED: _score,
    EventType.CALL_ENDED: _ended,
}
"""Response gaps are no lines of their own."""
