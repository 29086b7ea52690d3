"""Whatever comes in, the engine goes on, ends with a person or a goodbye, and changes nothing without leave."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.dialogue.engine import Dialogue
from ivrbot.dialogue.loader import load_flows
from ivrbot.dialogue.responses import render
from ivrbot.dialogue.state import DialogueState
from ivrbot.model.bank import Fact
from ivrbot.model.dialogue import (
    Authenticate,
    AuthReply,
    BankReply,
    CallBank,
    Collect,
    DialogueAct,
    DialogueInput,
    Hangup,
    Keys,
    NoInput,
    NoMatch,
    Route,
    Routed,
    Say,
    Transfer,
    TransferFailed,
    UserTurn,
)
from ivrbot.model.speech import LANGUAGES, Hypothesis, NluResult

FLOWS = load_flows(Path(__file__).parents[2] / "flows")
ENGINE = Dialogue(FLOWS)
WRITES = {name for name, spec in FLOWS.domain.actions.items() if spec.write}
TOPICS = sorted(topic for branch in FLOWS.branches.branches.values() for topic in branch.topics)
INTENTS = [*TOPICS, "affirm", "deny", "repeat", "help", "wait", "cancel", "goodbye", "greet", "out_of_scope", "?"]
FACTS = [fact.value for fact in Fact] + ["phone"]

texts = st.one_of(
    st.text(min_size=1, max_size=30),
    st.sampled_from(
        [
            "да",
            "нет",
            "нет, 9030",
            "да, девять ноль три ноль",
            "4271",
            "назад",
            "отмена",
            "повторите",
            "подождите",
            "помощь",
            "оператор",
            "yes",
            "no",
            "back",
            "cancel",
        ]
    ),
)
turns = st.builds(
    lambda text, intent, confidence: UserTurn((Hypothesis(text),), NluResult(text, intent, confidence)),
    texts,
    st.sampled_from(INTENTS),
    st.floats(0, 1),
)
keys = st.text("0123456789*#", min_size=1, max_size=8).map(Keys)
caller = st.one_of(turns, turns, keys, st.just(NoInput()), st.just(NoMatch()))
cards = st.sampled_from(["4271", "9030"])


def reply_to(act: DialogueAct, draw: st.DataObject) -> DialogueInput:
    if isinstance(act, Collect):
        return draw.draw(caller)
    if isinstance(act, Route):
        return Routed(draw.draw(st.sampled_from([True, True, True, False])), draw.draw(st.text(max_size=5)))
    if isinstance(act, Authenticate):
        status = draw.draw(st.sampled_from(["granted", "granted", "ask", "wrong", "unclear", "refused"]))
        fact = draw.draw(st.sampled_from(FACTS)) if status in {"ask", "wrong", "unclear"} else ""
        slots = draw.draw(st.one_of(st.just({}), cards.map(lambda card: {"card": card})))
        return AuthReply(status, fact, slots)  # type: ignore[arg-type]
    if isinstance(act, CallBank):
        status = draw.draw(st.sampled_from(["ok", "ok", "ok", "rejected", "unavailable", "unknown"]))
        values = {
            "card_known": draw.draw(st.booleans()),
            "only_card": draw.draw(st.one_of(st.none(), cards)),
            "already_blocked": draw.draw(st.booleans()),
            "reference": "123456",
            "balance_minor": draw.draw(st.integers(-(10**9), 10**9)),
        }
        return BankReply(act.action, status, values)  # type: ignore[arg-type]
    assert isinstance(act, Transfer)
    return TransferFailed("nobody took it")


class Witness:
    """Looks at every step as an auditor would."""

    def __init__(self) -> None:
        self.granted: set[str] = set()
        self.asked: Authenticate | None = None
        self.confirmed = False
        self.failures = 0

    def saw_input(self, state: DialogueState, input_: DialogueInput) -> None:
        if isinstance(input_, AuthReply) and input_.status == "granted" and self.asked is not None:
            self.granted.add(self.asked.operation)
        self.failures = self.failures + 1 if isinstance(input_, NoInput | NoMatch) else 0
        answers_confirm = state.waiting == "collect" and state.collect is not None
        if answers_confirm and state.collect is not None and state.collect.slot == "confirm_block":
            self.confirmed = isinstance(input_, UserTurn | Keys)

    def saw_acts(self, acts: tuple[DialogueAct, ...]) -> None:
        assert acts
        assert all(isinstance(act, Say) for act in acts[:-1])
        last = acts[-1]
        assert not isinstance(last, Say)
        if self.failures >= 2:
            assert isinstance(last, Transfer)
        if isinstance(last, Authenticate):
            self.asked = last
        if isinstance(last, CallBank) and last.action in WRITES:
            assert last.action.removeprefix("bank_") in self.granted
            assert self.confirmed
            self.confirmed = False


@settings(max_examples=300, deadline=None)
@given(
    st.data(),
    st.sampled_from(LANGUAGES),
    st.sampled_from(["speech", "keys", "external"]),
    st.sampled_from(["", "", "block_card", "check_balance", "no such topic"]),
)
def test_any_sequence_ends_well(data: st.DataObject, language: str, front: str, topic: str) -> None:
    witness = Witness()
    state, acts = ENGINE.start(language, front, topic)  # type: ignore[arg-type]
    witness.saw_acts(acts)
    for _ in range(40):
        for act in acts:
            if isinstance(act, Say):
                render(FLOWS, act, state.language)
        if isinstance(acts[-1], Hangup):
            return
        input_ = reply_to(acts[-1], data)
        witness.saw_input(state, input_)
        state, acts = ENGINE.step(state, input_)
        witness.saw_acts(acts)
        if isinstance(input_, TransferFailed):
            assert isinstance(acts[-1], Transfer)
            return


@settings(max_examples=100, deadline=None)
@given(st.data(), st.lists(caller, max_size=15))
def test_two_failures_in_a_row_always_lead_to_an_operator(
    data: st.DataObject, before: list[DialogueInput]
) -> None:
    state, acts = ENGINE.start("ru", "speech")
    for input_ in before:
        while not isinstance(acts[-1], Collect | Transfer | Hangup):
            state, acts = ENGINE.step(state, reply_to(acts[-1], data))
        if not isinstance(acts[-1], Collect):
            return
        state, acts = ENGINE.step(state, input_)
    if isinstance(acts[-1], Collect):
        state, acts = ENGINE.step(state, data.draw(st.sampled_from([NoInput(), NoMatch()])))
        assert isinstance(acts[-1], Collect | Transfer)
        if isinstance(acts[-1], Collect):
            state, acts = ENGINE.step(state, data.draw(st.sampled_from([NoInput(), NoMatch()])))
        assert isinstance(acts[-1], Transfer)
