"""What one caller says, turn by turn: heard, understood while he still pauses, and taken up again when he goes on.

Takes questions, gives dialogue inputs, and does the engine's steps. An early reading that answers the question is
understood and answered in private (`foresight`); the sound of that answer is made ready. Words that follow upon a
turn that seemed over are understood together with it, as long as that needs no effect but those already had
(`late_words`): then the call goes back to where it stood before the turn, and answers once.
"""

from __future__ import annotations

import asyncio
from typing import Final

from ivrbot import metrics
from ivrbot.call.channel import Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.call.foresight import Foresight, probably_said
from ivrbot.call.late_words import LATE_MS, MOST_PIECES, Taken, goes_on, is_effect, joined
from ivrbot.call.running import RunningCall
from ivrbot.call.understanding import Understanding, not_understood
from ivrbot.dialogue.engine import Dialogue
from ivrbot.dialogue.reading import answers_question
from ivrbot.dialogue.state import Result
from ivrbot.errors import EngineError, IvrbotError
from ivrbot.language.commands import universal
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import (
    Collect,
    DialogueAct,
    DialogueInput,
    Keys,
    NoInput,
    NoMatch,
    Say,
    UserTurn,
)
from ivrbot.model.events import TAKEN_UP, EventType
from ivrbot.model.speech import Hypothesis, Language

GOES_ON_S: Final = 3.0
"""So long the rest of a turn is waited for that is being spoken when its beginning has been read."""


MOST_ASKED_AGAIN: Final = 2
"""A question is put again so often in a row because words cut it short that were no answer; then they are one."""


class Escalate(IvrbotError):
    """Leaves the conversation towards an operator."""

    code = "escalate"

    def __init__(self, reason: EscalationReason) -> None:
        self.reason = reason
        super().__init__(reason.value)


class Listening:
    """The caller's side of one call.

    Args:
        call: as it stands.
        dialogue: the engine.

    Attributes:
        answered: the question that the last input belongs to; not always the one that was asked last.
    """

    def __init__(self, call: RunningCall, dialogue: Dialogue) -> None:
        self._call = call
        self._channel = call.channel
        self._dialogue = dialogue
        self._understanding = Understanding(call.parts.nlu)
        self._foresight = Foresight(dialogue)
        self._asr_failures = 0
        self._put_back: Heard | None = None
        self._taken: Taken | None = None
        self._again: list[tuple[DialogueAct, DialogueInput]] = []
        self._asked_again = 0
        self._words_lost = False
        self.answered: Collect | None = None

    # --- steps --------------------------------------------------------------------------------------

    def step(self, input_: DialogueInput) -> Result:
        """The engine's step upon an input, prepared or not."""
        call = self._call
        with call.measure.step("dialogue"):
            result = self._foresight.step(call.state, input_)
        if self._foresight.missed:
            call.prepare(())
        if self._taken is not None and isinstance(input_, UserTurn):
            self._taken.failures = result[0].failures
        return result

    def known_reply(self, act: DialogueAct) -> DialogueInput | None:
        """The reply that an act got before the caller went on with his turn; None: it has to be done."""
        known = next((reply for done, reply in self._again if done == act), None)
        if known is not None:
            self.has_done(act, known)
        return known

    def has_done(self, act: DialogueAct, reply: DialogueInput) -> None:
        """Something was done upon the turn under way."""
        if self._taken is not None:
            self._taken.done.append((act, reply))

    # --- turns --------------------------------------------------------------------------------------

    async def next_input(self, collect: Collect) -> DialogueInput | None:
        """The caller's next turn.

        Returns:
            None when the question has to be put again: late words have cut it short, and are no answer to it.

        Raises:
            LegClosed: the caller is gone.
            Escalate: the recogniser or the understanding has failed too often.
        """
        call = self._call
        call.asks(collect)
        call.measure.listens()
        self._foresight.forget()
        self._understanding.forget()
        self._words_lost = False
        call.prepare(())  # what was ready has been said, or was not wanted
        try:
            heard = await self._rest_of(await self._hear(collect), collect)
        except EngineError as error:
            return await self._without_ears(error)
        call.measure.heard(heard)
        if isinstance(heard, Spoken | Unclear):
            self._asr_failures = 0
        input_ = await self._meant(heard, collect)
        self._asked_again = self._asked_again + 1 if input_ is None else 0
        if self._asked_again <= MOST_ASKED_AGAIN:
            return input_
        call.transcript.unclear()
        self.answered, self._asked_again = collect, 0
        return NoMatch()

    async def _meant(self, heard: Heard, collect: Collect) -> DialogueInput | None:
        """An answer, the rest of the turn before, or nothing (None) because it cannot be an answer."""
        taken, self._taken, self._again = self._taken, None, []
        language = self._call.state.language
        if isinstance(heard, Spoken):
            if taken is not None and taken.may_go_on_with(heard, language):
                return await self._late(taken, heard, collect)
            if heard.before_question and universal(heard.hypotheses[0].text, language) is None:
                return None
        return await self._input(heard, collect)

    async def _hear(self, collect: Collect) -> Heard:
        if self._put_back is not None:
            heard, self._put_back = self._put_back, None
            return heard

        async def completes(text: str) -> bool:
            return await self._completes(text, collect)

        return await self._channel.listen(collect, completes)

    async def _completes(self, text: str, collect: Collect) -> bool:
        """Whether an early reading answers the question; if it does, the answer is made ready."""
        call = self._call
        state = call.state
        nlu = await self._understanding.early(text, collect, state.language)
        served = bool(state.topic) or state.held is not None
        if not answers_question(call.parts.flow_set, collect, text, nlu, state.language, after_service=served):
            return False
        if state is call.state and state.waiting in {"collect", "fact"}:
            result = self._foresight.look(UserTurn((Hypothesis(text),), nlu), state)
            call.prepare(probably_said(self._dialogue, result, call.ladder.likely))
        return True

    async def _rest_of(self, heard: Heard, collect: Collect) -> Heard:
        """With what the caller is adding at this very moment, before anything is done upon the beginning."""
        for _ in range(1, MOST_PIECES):
            if not isinstance(heard, Spoken) or not self._channel.goes_on:
                break
            more = await self._added(heard, collect)
            if more is None:
                break
            self._tell(heard, more, "before_answer")
            heard = joined(heard, more)
        return heard

    async def _added(self, heard: Spoken, collect: Collect) -> Spoken | None:
        """The words that he is adding; anything else is kept for the next question, noise is nothing."""
        try:
            async with asyncio.timeout(GOES_ON_S):
                more = await self._hear(collect)
        except TimeoutError:
            self._words_lost = True  # he is still speaking, or they are still being read
            return None
        except EngineError as error:
            self._call.engine_failed("asr", error)  # what he said first was read
            self._words_lost = True
            return None
        if isinstance(more, Spoken) and goes_on(heard, more):
            return more
        if isinstance(more, Spoken | Keyed):
            self._put_back = more
        return None

    async def _late(self, taken: Taken, heard: Spoken, collect: Collect) -> DialogueInput | None:
        """Words right behind a turn: with it one turn, else one of their own, if they can be an answer."""
        call = self._call
        whole = joined(taken.heard, heard)
        turn = await self._turn(whole, taken.collect, taken.before.state.language)
        if not taken.leads_the_same_way(self._dialogue, turn):
            own = not heard.before_question and not collect.secret
            self._tell(taken.heard, heard, "own_turn" if own else "asked_again")
            return await self._input(heard, collect) if own else None
        self._tell(taken.heard, heard, TAKEN_UP)
        call.go_back(taken.before)
        self._again = taken.done
        return self._take(turn, whole, taken.collect, taken.pieces + 1)

    async def second_thoughts(self) -> DialogueInput | None:
        """What the caller adds before something is done that cannot be undone: "да ... нет, не эту".

        Waits until he would have gone on, if he spoke. If he does, or did while his first words were being
        understood, the call goes back to where it stood before his turn, and all his words are one: they may mean
        the same, the contrary, or nothing; then he is asked again, as he is when the recogniser failed on them.
        Keys that he presses then are his answer, whatever he has said.

        Returns:
            None when he has added nothing.

        Raises:
            LegClosed: the caller is gone while he speaks.
            Escalate: the understanding has failed too often.
        """
        call, taken = self._call, self._taken
        if taken is None or not taken.heard.ended_ms or taken.pieces >= MOST_PIECES:
            return None
        if any(is_effect(act, reply) for act, reply in taken.done):
            return None
        adds = isinstance(self._put_back, Keyed) or await self._channel.give_time(taken.heard.ended_ms + LATE_MS)
        more = await self._added(taken.heard, taken.collect) if adds else None
        keyed = self._put_back if more is None and isinstance(self._put_back, Keyed) else None
        if more is None and keyed is None and not self._words_lost:
            return None
        call.go_back(taken.before)
        self._taken = None
        if keyed is not None:
            self._put_back = None
            return await self._input(keyed, taken.collect)
        if more is None:  # nobody knows what he added: it may have been a no
            return await self._input(Unclear(), taken.collect)
        if universal(more.hypotheses[0].text, call.state.language) is not None:
            self._tell(taken.heard, more, "own_turn")
            return await self._input(more, taken.collect)
        whole = joined(taken.heard, more)
        turn = await self._turn(whole, taken.collect, call.state.language)
        self._tell(taken.heard, more, TAKEN_UP)
        return self._take(turn, whole, taken.collect, taken.pieces + 1)

    async def _input(self, heard: Heard, collect: Collect) -> DialogueInput:
        self.answered = collect
        transcript = self._call.transcript
        match heard:
            case Silence():
                transcript.silence()
                return NoInput()
            case Unclear():
                transcript.unclear()
                return NoMatch()
            case Keyed():
                transcript.keys(heard.digits, collect)
                return Keys(heard.digits)
            case Spoken():
                turn = await self._turn(heard, collect, self._call.state.language)
                return self._take(turn, heard, collect, 1)

    def _take(self, turn: UserTurn, heard: Spoken, collect: Collect, pieces: int) -> UserTurn:
        """A turn is over, as far as anybody can know."""
        call = self._call
        self.answered = collect
        self._taken = Taken(collect, heard, call.remember(), pieces=pieces)
        call.transcript.caller(turn, heard, collect, call.state.language)
        return turn

    def _tell(self, first: Spoken, then: Spoken, result: str) -> None:
        metrics.TURNS_RESUMED.labels(result).inc()
        self._call.emit(EventType.TURN_RESUMED, {"result": result, "pause_ms": then.began_ms - first.ended_ms})

    async def understand(self, heard: Spoken, collect: Collect) -> UserTurn:
        """What words mean that were heard elsewhere, as an answer to a question.

        Raises:
            Escalate: the understanding has failed too often.
        """
        return await self._turn(heard, collect, self._call.state.language)

    async def _turn(self, heard: Spoken, collect: Collect, language: Language) -> UserTurn:
        """A turn with its meaning; the first time that it fails, words that need no understanding still count."""
        call, hypotheses = self._call, heard.hypotheses
        try:
            with call.measure.step("nlu", call.parts.nlu.name):
                nlu = await self._understanding.of_hypotheses(hypotheses, collect, language)
        except EngineError as error:
            call.engine_failed("nlu", error)
            if self._understanding.failures > 1:
                raise Escalate(EscalationReason.NLU_FAILURE) from error
            nlu = not_understood(hypotheses[0].text)
        await call.code_words.settled()
        return UserTurn(hypotheses, nlu, heard.over_prompt)

    async def _without_ears(self, error: EngineError) -> DialogueInput | None:
        """The recogniser failed: once more with keys, then an operator."""
        call = self._call
        call.engine_failed("asr", error)
        self._asr_failures += 1
        collect = call.state.collect
        if self._asr_failures > 1 or collect is None:
            raise Escalate(EscalationReason.ASR_FAILURE)
        # The menu's keys mean something else in the middle of a topic: there the question is asked again.
        says = [Say("utter_no_match"), *call.state.asked]
        self._channel.speak_in(call.state.language)
        for say in [Say("utter_use_keys")] if collect.slot == "topic" else says:
            await call.say(say)
        return await self.next_input(collect)
