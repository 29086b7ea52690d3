"""What the caller does: answers, other topics, remarks, keys, and what is no answer at all. Pure.

The order decides: words that work everywhere, then an answer to the open question, then remarks beside the matter,
then another topic; what is left was not understood, and twice in a row (once, when the caller is beside himself)
that is a person's business.
"""

from __future__ import annotations

from dataclasses import replace

from ivrbot.dialogue.commanding import Commander
from ivrbot.dialogue.filling import NO_TOPIC
from ivrbot.dialogue.questions import ONE_TIME_CODE
from ivrbot.dialogue.reading import (
    TOPIC_CHANGE_CONFIDENCE,
    command_in,
    command_meant,
    read_keys,
    read_slot,
    read_topic,
    resembled_option,
    resembles_operator,
    volunteered,
)
from ivrbot.dialogue.schema import SlotSpec, Step
from ivrbot.dialogue.state import DialogueState, Result
from ivrbot.dialogue.two_topics import FIRST, QUESTION, SECOND, Pair, chosen, is_emergency, keyed, worth_asking
from ivrbot.language.answers import parse_yes_no
from ivrbot.language.asides import asks_how_long, asks_why, is_question, preferred_fact
from ivrbot.language.commands import Universal, ends_asking_for_operator
from ivrbot.language.readings import CLEAR_FROM
from ivrbot.language.remarks import (
    asks_about_bot,
    is_unsure,
    is_upset,
    thanks_somebody,
    wants_number_again,
    wished_language,
)
from ivrbot.language.resending import wants_resend
from ivrbot.language.tokens import words
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import Authenticate, Keys, Say, UserTurn
from ivrbot.model.speech import Language, NluResult

MAX_UPSET_TURNS = 2

SHORT_THANKS = 5
"""After a service, thanks of so many words are a goodbye; more is somebody who is to be thanked."""


class Listener(Commander):
    """The listening half of the engine."""

    def _user_turn(self, state: DialogueState, turn: UserTurn) -> Result:
        if (command := command_in(turn, state.language)) is not None:
            return self._command(state, command)
        if (kept := self._returned(state, turn)) is not None:
            return kept
        spec = None if state.waiting == "fact" else self._set.domain.slots[self._step_at(state).name]
        if spec is None or spec.kind != "words":  # a complaint may be as angry as it likes
            upset = is_upset(turn.text, state.language)
            state = replace(state, upset=state.upset + upset)
            if upset and ends_asking_for_operator(turn.text, state.language):
                return self._command(state, Universal.OPERATOR)
        if spec is None:
            return self._fact_turn(state, turn)
        if spec.kind != "topic":
            return self._answer_turn(state, turn, spec)
        return self._between_turn(state, turn, state.between) if state.between else self._topic_turn(state, turn)

    def _fact_turn(self, state: DialogueState, turn: UserTurn) -> Result:
        """A secret was asked for: its answer goes to the ladder unread, everything else is handled here."""
        if state.fact == ONE_TIME_CODE and wants_resend(turn.text, state.language):
            return self._answered(state, turn)  # "it has not come" is no other topic
        return self._answered(state, turn)

    def _answered(self, state: DialogueState, turn: UserTurn) -> Result:
        """To the ladder, which compares before anybody asks what else it may mean."""
        answers = tuple(hypothesis.text for hypothesis in turn.hypotheses)
        text, language = turn.text, state.language
        wish = preferred_fact(text, language)
        beside = is_question(text, language) or self._is_remark(state, text) or resembles_operator(turn, language)
        act = Authenticate(state.operation, state.fact, answers, beside=beside, wish=wish)
        return replace(state, waiting="auth", aside=turn), (act,)

    def _is_remark(self, state: DialogueState, text: str) -> bool:
        language = state.language
        return (
            asks_about_bot(text, language)
            or asks_how_long(text, language)
            or asks_why(text, language)
            or is_upset(text, language)
            or wished_language(text, language) is not None
            or (wants_number_again(text, language) and state.slots.get("reference") is not None)
        )

    def _beside(self, state: DialogueState, said: UserTurn | None, meaning: NluResult | None) -> Result:
        """It was not the secret: it is answered, and the secret asked for again."""
        if said is None or meaning is None:
            return self._failure(state, "utter_fact_unclear", EscalationReason.NO_MATCH)
        turn = replace(said, nlu=meaning)
        if asks_why(turn.text, state.language):
            return self._ask_again(state, [Say("utter_about_facts")])
        if (aside := self._remark(state, turn)) is not None:
            return aside
        if (command := command_meant(turn)) is not None:
            return self._command(state, command)
        if (digression := self._other_topic(state, turn)) is not None:
            return digression
        return self._not_understood(state, turn)

    def _answer_turn(self, state: DialogueState, turn: UserTurn, spec: SlotSpec) -> Result:
        step = self._step_at(state)
        value = read_slot(spec, turn, state.language, state.today)
        if spec.kind == "words" and (aside := self._not_for_the_record(state, turn)) is not None:
            return aside
        if spec.kind == "yes_no":
            # "а сколько на кредитной?" names another card as well, but asks something else.
            if value is None and (digression := self._other_topic(state, turn)) is not None:
                return digression
            value, state = self._correction(state, turn, value)
        if value is not None:
            return self._fill(state, step.name, value, self._also_said(state, turn, step))
        if (accepted := self._accepted(state, turn, step)) is not None:
            return accepted
        if (aside := self._remark(state, turn)) is not None:
            return aside
        if (command := command_meant(turn)) is not None:
            return self._command(state, command)
        if (digression := self._other_topic(state, turn)) is not None:
            return digression
        return self._unanswered(state, turn, step, spec)

    def _unanswered(self, state: DialogueState, turn: UserTurn, step: Step, spec: SlotSpec) -> Result:
        """It was neither an answer nor anything else that is known: perhaps its words are only misheard."""
        if is_unsure(turn.text, state.language):
            return self._unsure(state, step)
        if (garbled := resembled_option(spec, turn, state.language)) is not None:
            return self._fill(state, step.name, garbled)
        return self._not_understood(state, turn)

    def _topic_turn(self, state: DialogueState, turn: UserTurn) -> Result:
        intent, after_service = turn.nlu.intent, bool(state.topic) or state.held is not None
        if asks_about_bot(turn.text, state.language) and intent == "operator":
            return self._ask_again(state, [Say("utter_about_bot")])  # "are you a person?" is no wish for one
        if intent == "operator":
            return self._command(state, Universal.OPERATOR)
        if after_service and (again := self._for_another(state, turn)) is not None:
            return again
        if after_service and self._wants_no_more(turn, state.language):
            return self._fill(state, "topic", NO_TOPIC)
        if (aside := self._remark(state, turn)) is not None and turn.nlu.confidence < TOPIC_CHANGE_CONFIDENCE:
            return aside
        if (stated := self._stated(state, turn)) is not None:
            return stated
        if aside is not None:
            return aside
        if intent in {"greet", "affirm"} and state.failures == 0 and not state.upset:
            return self._ask_again(replace(state, failures=1), [Say("utter_ask_topic")], repeat_question=False)
        if (command := command_meant(turn)) is not None:
            return self._command(state, command)
        return self._not_understood(state, turn)

    def _stated(self, state: DialogueState, turn: UserTurn) -> Result | None:
        """The topic that was stated, or a question between two; None when nothing was."""
        half_heard = turn.nlu.confidence < TOPIC_CHANGE_CONFIDENCE and resembles_operator(turn, state.language)
        pair = worth_asking(self._set, turn)
        # Whoever is beside himself is asked nothing that can be spared.
        if pair is not None and (asked := state.collect) is not None and not state.upset and not half_heard:
            question = Say(QUESTION, {FIRST: pair[0], SECOND: pair[1]})
            state = replace(state, between=pair, unclear=turn, failures=0)
            return self._put(state, question, asked, [], "collect", hint=False)
        if (topic := read_topic(turn, self._set.branches)) is None:
            return None
        # Half understood and sounding like "operator": he is asked for, whatever the rest was taken for.
        if half_heard:
            return self._command(state, Universal.OPERATOR)
        return self._fill(self._with_volunteered(state, turn, topic), "topic", topic)

    def _between_turn(self, state: DialogueState, turn: UserTurn, pair: Pair) -> Result:
        """One of the two, another clear topic, or a person: it is not asked twice."""
        intent = turn.nlu.intent
        if (topic := chosen(self._set, turn, pair, state.language)) is not None:
            return self._settled(state, turn, topic)
        if intent == "operator" and not asks_about_bot(turn.text, state.language):
            return self._command(state, Universal.OPERATOR)
        if state.topic and self._wants_no_more(turn, state.language):
            return self._fill(state, "topic", NO_TOPIC)
        if (aside := self._remark(state, turn)) is not None:
            return aside
        if (other := read_topic(turn, self._set.branches)) is not None and (
            turn.nlu.confidence >= CLEAR_FROM or is_emergency(self._set, other)
        ):
            return self._settled(state, turn, other)
        if (command := command_meant(turn)) is not None:
            return self._command(state, command)
        return self._transfer(state, [Say("utter_transfer")], self._shortened(state, EscalationReason.NO_MATCH))

    def _settled(self, state: DialogueState, turn: UserTurn, topic: str) -> Result:
        """Go on with the topic, and with what the unclear turn said besides."""
        fresh: frozenset[str] = frozenset()
        for said in (state.unclear, turn):
            if said is not None:
                state = self._with_volunteered(state, said, topic)
                fresh |= state.fresh
        return self._fill(replace(state, fresh=fresh), "topic", topic)

    def _for_another(self, state: DialogueState, turn: UserTurn) -> Result | None:
        """After a service, no topic but another of the things that it was about: "нет, девять ноль три ноль"."""
        entry = self._set.branches.topic(state.topic)
        if entry is None or not entry.flow or not self._names_no_topic(turn, state.language):
            return None
        specs = self._set.domain.slots
        wanted = [name for name in self._asked_in[entry.flow] if specs[name].kind in {"digits", "choice"}]
        found = volunteered(self._set.domain, turn, state.language, state.today, wanted)
        if not any(self._differs(state, name, value) for name, value in found.items()):
            return None
        return self._fill(self._with_volunteered(state, turn, state.topic), "topic", state.topic)

    def _names_no_topic(self, turn: UserTurn, language: Language) -> bool:
        """Whether no topic was stated; "no, the other card" hardly states one, whatever it was taken for."""
        if read_topic(turn, self._set.branches) is None:
            return True
        short = len(words(turn.text, language)) <= SHORT_THANKS
        unsure = turn.nlu.confidence < TOPIC_CHANGE_CONFIDENCE
        return short and unsure and parse_yes_no(turn.text, language) is False

    def _wants_no_more(self, turn: UserTurn, language: Language) -> bool:
        intent = turn.nlu.intent
        short = len(words(turn.text, language)) <= SHORT_THANKS
        if intent == "thanks":
            return short and not thanks_somebody(turn.text, language)
        if intent in {"deny", "goodbye", "cancel"}:
            return True
        return (
            short and read_topic(turn, self._set.branches) is None and parse_yes_no(turn.text, language) is False
        )

    # --- beside the matter --------------------------------------------------------------------------

    def _remark(self, state: DialogueState, turn: UserTurn) -> Result | None:
        """Anger, another language, the number again, the bot itself; None when it is none of these."""
        language, text = state.language, turn.text
        if state.upset >= MAX_UPSET_TURNS and is_upset(text, language) and not self._urgent(state):
            return self._transfer(state, [Say("utter_transfer")], EscalationReason.CALLER_UPSET)
        if wants_number_again(text, language) and state.slots.get("reference") is not None:
            return self._ask_again(state, [self._say(state, "utter_reference_again")])
        if asks_about_bot(text, language):
            return self._ask_again(state, [Say("utter_about_bot")])
        if asks_how_long(text, language):
            return self._ask_again(state, [Say("utter_about_time")])
        if (other := wished_language(text, language)) is not None:
            return self._ask_again(replace(state, language=other, failures=0), [])
        return None

    def _not_for_the_record(self, state: DialogueState, turn: UserTurn) -> Result | None:
        """While free words are recorded: only what is plainly no account."""
        if len(words(turn.text, state.language)) > SHORT_THANKS:
            return self._not_this(state, turn)
        if (aside := self._remark(state, turn)) is not None:
            return aside
        if is_unsure(turn.text, state.language):
            return self._unsure(state, self._step_at(state))
        command = command_meant(turn)
        if command is None and turn.nlu.intent == "deny":
            command = Universal.CANCEL
        return self._command(state, command) if command is not None else None

    def _not_this(self, state: DialogueState, turn: UserTurn) -> Result | None:
        """Free words that begin with a no and go on with another topic: he was misunderstood, it is no account."""
        began = " ".join(words(turn.text, state.language)[:2])
        if parse_yes_no(began, state.language) is not False:
            return None
        return self._other_topic(state, turn)

    def _unsure(self, state: DialogueState, step: Step) -> Result:
        """Go the flow's other way when the caller does not know, else to an operator."""
        if not step.unsure:
            return self._transfer(state, [Say("utter_transfer")], self._shortened(state, EscalationReason.FLOW))
        return self._run(self._go(replace(state, failures=0, collect=None), step.unsure), [])

    def _other_topic(self, state: DialogueState, turn: UserTurn) -> Result | None:
        """Another topic in the middle: it is served first, then the open question comes back."""
        topic = read_topic(turn, self._set.branches)
        if not topic or topic == state.topic or turn.nlu.confidence < TOPIC_CHANGE_CONFIDENCE:
            return None
        if topic == "operator":
            # No topic of its own here: the one on the table goes with him. "Are you a person?" is no wish for one.
            about_bot = asks_about_bot(turn.text, state.language)
            return None if about_bot else self._command(state, Universal.OPERATOR)
        state = self._with_volunteered(self._interrupted(state), turn, topic)
        return self._route(replace(state, topic=topic, failures=0, times_asked=0), [])

    def _not_understood(self, state: DialogueState, turn: UserTurn) -> Result:
        """Reprompt, unless it sounds like the one word that must never be missed."""
        if resembles_operator(turn, state.language):
            return self._command(state, Universal.OPERATOR)
        return self._failure(state, "utter_no_match", EscalationReason.NO_MATCH)

    # --- keys and commands --------------------------------------------------------------------------

    def _keys(self, state: DialogueState, keys: Keys) -> Result:
        digits = keys.digits.removesuffix("#")
        if digits == "0":
            return self._command(state, Universal.OPERATOR)
        if digits == "*" and state.fact != ONE_TIME_CODE:  # there it asks for another code
            return self._command(state, Universal.REPEAT)
        if state.waiting == "fact":
            answer = Authenticate(state.operation, state.fact, (digits,), keyed=True)
            return replace(state, waiting="auth"), (answer,)
        step = self._step_at(state)
        spec = self._set.domain.slots[step.name]
        if spec.kind == "topic" and digits == self._set.branches.language_key and not state.topic:
            other: Language = "en" if state.language == "ru" else "ru"
            return self._ask_again(replace(state, language=other, failures=0), [])
        if state.between and (topic := keyed(digits, state.between)) is not None:
            return self._fill(state, "topic", topic)
        for name in (step.name, *step.accepts) if not state.between else ():
            value = read_keys(self._set.domain.slots[name], digits, self._set.branches)
            if value is not None:
                return self._fill(state, name, value)
        return self._failure(state, "utter_no_match", EscalationReason.NO_MATCH)
