"""One call from the first word to its end: drives the dialogue engine over a channel.

Takes a registration and a channel, gives a `CallEnd`; on the way it asks the router, the ladder and the bank, and
keeps the masked transcript and emits events. Whatever fails, the caller goes to an operator with a dossier.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ivrbot import metrics, tracing
from ivrbot.call.authentication import Authenticator, CustomerLocks
from ivrbot.call.banking import BankDeadlines, run_bank_act, within
from ivrbot.call.channel import Channel, Completes, Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.call.dossier_context import DossierContext, History, SlotConfidence, gather_context
from ivrbot.call.handover import AGREED, CallbackOffer, Talk, Wish
from ivrbot.call.measuring import CallMeasure
from ivrbot.call.router import Router
from ivrbot.call.scoring import ask_score, may_ask
from ivrbot.call.transcript import Emit, Transcriber
from ivrbot.call.understanding import Understanding, not_understood
from ivrbot.config import OperatorSettings
from ivrbot.dialogue.engine import Dialogue
from ivrbot.dialogue.reading import answers_question
from ivrbot.dialogue.responses import render
from ivrbot.dialogue.schema import FlowSet
from ivrbot.dialogue.state import DialogueState
from ivrbot.errors import (
    BankError,
    EngineError,
    IvrbotError,
    LegClosed,
    StorageError,
)
from ivrbot.escalation.dossier import seal
from ivrbot.escalation.policy import hand_over
from ivrbot.identity.policy import Policy
from ivrbot.logs import call_id_var
from ivrbot.model.bank import BankOperation
from ivrbot.model.call import (
    AssuranceLevel,
    CallEnd,
    CallOutcome,
    CallRegistration,
    Disposition,
    Dossier,
    EscalationReason,
)
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
    UserTurn,
)
from ivrbot.model.events import EventType
from ivrbot.model.operators import CallbackAsked
from ivrbot.model.speech import Hypothesis, Language, NluResult
from ivrbot.ports import AttemptStore, Bank, CallStore, NluEngine, OperatorQueue
from ivrbot.tracing import Tracing

log = logging.getLogger(__name__)

APOLOGY_S: Final = 5.0
RECORDED: Final = "utter_greeting_recorded"
"""Who hears this and stays has consented."""
HAND_OVER_S: Final = 5.0
BANK_OFFSET: Final = timedelta(hours=3)
"""Moscow time: "yesterday" is the bank's."""


@dataclass(frozen=True, slots=True)
class CallParts:
    """What every session of a process shares."""

    flow_set: FlowSet
    dialogue: Dialogue
    nlu: NluEngine
    bank: Bank
    attempts: AttemptStore
    policy: Policy
    fact_key: bytes
    locks: CustomerLocks
    operators: OperatorQueue
    calls: CallStore
    router: Router
    deadlines: BankDeadlines
    max_call_s: int
    front: str
    now: Callable[[], datetime]
    waiting: OperatorSettings = field(default_factory=OperatorSettings)
    history: History | None = None
    ask_score: bool = True
    tracing: Tracing = tracing.OFF


class CallSession:
    """One call.

    Args:
        parts: shared by all sessions.
        registration: who rings.
        language: of the first words.
        channel: sound or text.
        emit: the recorder's entrance for this call.
        topic: already chosen in a menu in front of us, or "".
        front: "speech", "keys" or "external"; "" takes the one of the settings.
    """

    def __init__(
        self,
        parts: CallParts,
        registration: CallRegistration,
        language: Language,
        channel: Channel,
        emit: Emit,
        topic: str = "",
        front: str = "",
    ) -> None:
        self._parts = parts
        self._front = front or parts.front
        self._call = registration
        self._channel = channel
        self._emit = emit
        self._topic = topic
        self._state = DialogueState(language)
        self._transcript = Transcriber(channel, emit, _day_at_the_bank(parts.now()))
        self._ladder = Authenticator(
            bank=parts.bank,
            attempts=parts.attempts,
            policy=parts.policy,
            key=parts.fact_key,
            locks=parts.locks,
            call_id=registration.call_id,
            caller=registration.caller,
            now=parts.now,
        )
        self._tried: list[str] = []
        self._sure = SlotConfidence()
        self._served = False
        self._told_topic = self._served_topic = ""
        self._asked_for_more = False
        self._asr_failures = 0
        self._understanding = Understanding(parts.nlu)
        self._measure = CallMeasure(parts.tracing.call(registration.call_id, registration.gateway))
        self._dialogue = parts.dialogue.of_recorded_call() if channel.tape.ready else parts.dialogue

    async def run(self) -> CallEnd:
        """Hold the conversation. Never raises but for cancellation; the leg is closed at the end."""
        token = call_id_var.set(self._call.call_id)
        try:
            return await self._run()
        finally:
            call_id_var.reset(token)

    async def _run(self) -> CallEnd:
        self._emit(EventType.CALL_STARTED, 0, {"language": self._state.language, "gateway": self._call.gateway})
        try:
            async with asyncio.timeout(self._parts.max_call_s):
                end = await self._converse()
        except LegClosed:
            end = self._abandoned()
        except TimeoutError:
            end = await self._rescue(EscalationReason.TIME_LIMIT)
        except EngineError as error:
            metrics.ENGINE_FAILURES.labels("tts", error.code).inc()
            end = await self._rescue(EscalationReason.TTS_FAILURE)
        except _Escalate as escalate:
            end = await self._rescue(escalate.reason)
        except BankError:
            end = await self._rescue(EscalationReason.BANK_UNAVAILABLE)
        except StorageError:
            end = await self._rescue(EscalationReason.STORAGE_FAILURE)
        except Exception:  # the call boundary: whatever it was, the caller must reach a person
            log.exception("call failed")
            end = await self._rescue(EscalationReason.INTERNAL_ERROR)
        finally:
            self._channel.close()
        metrics.CALLS.labels(end.disposition.value).inc()
        self._measure.end(end.disposition.value, end.reason)
        self._emit(
            EventType.CALL_ENDED,
            self._channel.now_ms(),
            {
                "disposition": end.disposition.value,
                "reason": end.reason,
                "topic": end.topic,
                "escalated_to": end.escalated_to,
                "dossier": end.dossier.dossier_id if end.dossier else "",
            },
        )
        return end

    # --- the conversation ---------------------------------------------------------------------------

    async def _converse(self) -> CallEnd:
        front = self._front
        if self._topic:
            front = "external"  # nothing is asked: he is exposed to neither front
        elif front == "auto":
            front = await self._parts.router.front(self._call)
        front = "external" if front == "external_ivr" else front
        self._state, acts = self._dialogue.start(
            self._state.language, front, self._topic, _day_at_the_bank(self._parts.now())
        )
        while True:
            self._channel.speak_in(self._state.language)
            last = acts[-1]
            # From the first word of a secret's question on: who knows it answers before it has been asked in full.
            self._channel.tape.pause(isinstance(last, Collect) and last.secret)
            for act in acts[:-1]:
                assert isinstance(act, Say)
                await self._say(act)
            if isinstance(last, Transfer):
                return await self._transfer(last)
            if isinstance(last, Hangup):
                return await self._goodbye(last)
            input_ = await self._input(last)
            before = self._state.slots
            with self._measure.step("dialogue"):
                self._state, acts = self._dialogue.step(self._state, input_)
            self._sure.note(before, self._state.slots, input_)

    async def _input(self, act: DialogueAct) -> DialogueInput:
        match act:
            case Collect():
                return await self._listen(act)
            case Route():
                return await self._route(act)
            case Authenticate():
                return await self._authenticate(act)
            case CallBank():
                return await self._ask_bank(act)
            case _:
                raise TypeError(f"{act!r} ends no step")

    async def _say(self, act: Say) -> None:
        utterance = render(self._parts.flow_set, act, self._state.language)
        if act.response == RECORDED:
            by = "bot" if self._channel.tape.start() else "pbx"
            self._emit(EventType.RECORDING_STARTED, self._channel.now_ms(), {"by": by, "consent": "announced"})
        self._transcript.bot(utterance, act.response)
        with self._measure.step("tts"):
            await self._channel.say(utterance, interruptible=act.interruptible)

    async def _listen(self, collect: Collect) -> DialogueInput:
        async def completes(text: str) -> bool:
            nlu = await self._understanding.meaning(text, collect, self._state.language)
            return answers_question(self._parts.flow_set, collect, text, nlu, self._state.language)

        self._asked_for_more = collect.slot == "topic"
        if self._state.served and not self._served:
            self._served, self._told_topic = True, self._state.topic
        self._served_topic = self._told_topic  # he has heard the result: what is asked now comes on top
        self._measure.listens()
        try:
            heard = await self._channel.listen(collect, completes)
        except EngineError as error:
            return await self._without_ears(error)
        self._measure.heard(heard)
        if isinstance(heard, Spoken | Unclear):
            self._asr_failures = 0
        return await self._understood(heard, collect)

    async def _without_ears(self, error: EngineError) -> DialogueInput:
        """The recogniser failed: once more with keys, then an operator."""
        self._engine_failed("asr", error)
        self._asr_failures += 1
        collect = self._state.collect
        if self._asr_failures > 1 or collect is None:
            raise _Escalate(EscalationReason.ASR_FAILURE)
        # The menu's keys mean something else in the middle of a topic: there the question is asked again.
        says = [Say("utter_no_match"), *self._state.asked]
        self._channel.speak_in(self._state.language)
        for say in [Say("utter_use_keys")] if collect.slot == "topic" else says:
            await self._say(say)
        return await self._listen(collect)

    def _engine_failed(self, engine: str, error: EngineError) -> None:
        metrics.ENGINE_FAILURES.labels(engine, error.code).inc()
        self._emit(EventType.ENGINE_FAILED, self._channel.now_ms(), {"engine": engine, "code": error.code})

    async def _understood(self, heard: Heard, collect: Collect) -> DialogueInput:
        match heard:
            case Silence():
                self._transcript.silence()
                return NoInput()
            case Unclear():
                self._transcript.unclear()
                return NoMatch()
            case Keyed():
                self._transcript.keys(heard.digits, collect)
                return Keys(heard.digits)
            case Spoken():
                nlu = await self._understand(heard.hypotheses, collect)
                turn = UserTurn(heard.hypotheses, nlu, heard.over_prompt)
                self._transcript.caller(turn, heard, collect, self._state.language)
                return turn

    async def _understand(self, hypotheses: tuple[Hypothesis, ...], collect: Collect) -> NluResult:
        """Meaning of a turn; the first time that it fails, words that need no understanding still count."""
        try:
            with self._measure.step("nlu", self._parts.nlu.name):
                return await self._understanding.of_hypotheses(hypotheses, collect, self._state.language)
        except EngineError as error:
            self._engine_failed("nlu", error)
            if self._understanding.failures > 1:
                raise _Escalate(EscalationReason.NLU_FAILURE) from error
            return not_understood(hypotheses[0].text)

    # --- what others decide -------------------------------------------------------------------------

    async def _route(self, act: Route) -> Routed:
        branch = self._parts.flow_set.branches.branch_of(act.topic) or ""
        self._told_topic = self._served_topic = ""
        self._emit(EventType.TOPIC_STATED, self._channel.now_ms(), {"topic": act.topic, "branch": branch})
        await self._parts.operators.announce(self._call, act.topic, branch)
        routing = await self._parts.router.route(self._call, act.topic)
        drawn = routing.assignment
        self._emit(
            EventType.ASSIGNED,
            self._channel.now_ms(),
            {
                "branch": branch,
                "route": "bot" if routing.to_bot else "operator",
                "arm": drawn.arm.value if drawn and drawn.arm else None,
                "stage": drawn.stage if drawn else "",
                "reason": routing.reason,
            },
        )
        return Routed(routing.to_bot, routing.reason)

    async def _authenticate(self, act: Authenticate) -> AuthReply:
        work = self._ladder.run(act, self._state.language)
        self._asked_for_more = False
        with self._measure.step("authentication", operation=act.operation):
            reply = await within(work, self._parts.deadlines, self._say_checking)
        state = self._ladder.state
        self._emit(
            EventType.AUTHENTICATION,
            self._channel.now_ms(),
            {
                "operation": act.operation,
                "status": reply.status,
                "level": state.level.value,
                "facts": [fact.value for fact in state.facts],
                "failures": state.failures,
            },
        )
        return reply

    async def _ask_bank(self, act: CallBank) -> BankReply:
        spec = self._parts.flow_set.domain.actions[act.action]
        operation = BankOperation(spec.operation or act.action.removeprefix("bank_"))
        if not self._ladder.allows(operation.value):
            if spec.optional:
                return BankReply(act.action, "rejected")
            raise _Escalate(EscalationReason.AUTHENTICATION_FAILED)
        self._asked_for_more = False
        self._emit(EventType.BANK_REQUESTED, self._channel.now_ms(), {"action": act.action})
        try:
            with self._measure.step("bank", action=act.action):
                reply = await run_bank_act(
                    self._parts.bank,
                    act,
                    operation=operation,
                    write=spec.write,
                    call_id=self._call.call_id,
                    ladder=self._ladder.state,
                    deadlines=self._parts.deadlines,
                    on_slow=self._say_checking,
                )
        except BaseException:
            # The time limit, or a surprise: the operator must know that it may have happened.
            self._tried.append(f"{act.action}:unknown")
            raise
        reference = str(reply.values.get("reference") or "")
        served = spec.serves and reply.status == "ok"
        self._emit(
            EventType.BANK_REPLIED,
            self._channel.now_ms(),
            {"action": act.action, "status": reply.status, "reference": reference, "served": served},
        )
        if spec.write or reply.status != "ok":
            self._tried.append(":".join(part for part in (act.action, reply.status, reference) if part))
        if served:
            self._served, self._told_topic = True, self._state.topic
        return reply

    async def _say_checking(self) -> None:
        try:
            self._channel.speak_in(self._state.language)  # whatever the caller has cut short is over
            await self._say(Say("utter_checking"))
        except (LegClosed, EngineError):
            log.info("nobody hears that we are checking")

    # --- endings ------------------------------------------------------------------------------------

    async def _goodbye(self, act: Hangup) -> CallEnd:
        await self._channel.finish()
        try:
            outcome = CallOutcome("hangup", topic=self._state.topic)
            await self._parts.calls.save_outcome(self._call.call_id, outcome)
        except StorageError as error:
            log.error("the outcome could not be stored: %s", error.code)
        disposition = Disposition.RESOLVED if act.resolved else Disposition.FAILED
        served = self._served or self._state.served
        branches = self._parts.flow_set.branches
        branch = branches.branches.get(branches.branch_of(self._state.topic) or "")
        emergency = branch is not None and branch.emergency
        asked = may_ask(self._call.gateway, served=served and act.resolved, emergency=emergency)
        if asked and self._parts.ask_score:
            await ask_score(self._talk())
            await self._channel.finish()
        return CallEnd(disposition, "served" if served else "declined", self._state.topic)

    def _abandoned(self) -> CallEnd:
        """Who has got what he rang for may hang up, whatever is asked or offered besides."""
        settled = self._asked_for_more or self._state.topic == self._served_topic
        if self._served and settled:
            return CallEnd(Disposition.RESOLVED, "served", self._state.topic)
        return CallEnd(Disposition.ABANDONED, "hung_up", self._state.topic)

    async def _transfer(self, act: Transfer) -> CallEnd:
        reason = EscalationReason(act.reason)
        branches = {name: branch.model_dump() for name, branch in self._parts.flow_set.branches.branches.items()}
        handover = hand_over(reason, self._state.topic, branches, act.queue)
        priority = max(handover.priority, act.priority)
        asked = await self._offer_callback(reason, handover.queue, priority)
        verified = self._ladder.allows(BankOperation.LIST_CLAIMS.value)
        customer_id = (self._ladder.state.customer_id or "") if verified else ""
        context = await gather_context(self._parts.bank, self._parts.history, self._call, customer_id)
        dossier = self._dossier(reason, handover.queue, priority, handover.suggestion, context)
        if asked is not None and await self._promise(dossier, asked):
            return CallEnd(Disposition.ESCALATED, "callback", self._state.topic, dossier=dossier)
        outcome = CallOutcome("transfer", handover.queue, dossier.topic, dossier.dossier_id, dossier.priority)
        try:
            async with asyncio.timeout(HAND_OVER_S):
                outcome = await self._parts.operators.transfer(self._call, dossier)
        except StorageError as error:
            log.error("dossier could not be stored: %s", error.code)
        except TimeoutError:
            log.error("dossier could not be stored within %.0f s", HAND_OVER_S)
        self._emit(
            EventType.ESCALATED,
            self._channel.now_ms(),
            {
                "reason": reason.value,
                "queue": outcome.queue,
                "topic": dossier.topic,
                "dossier": dossier.dossier_id,
            },
        )
        metrics.ESCALATIONS.labels(reason.value, outcome.queue).inc()
        await self._channel.finish()
        return CallEnd(Disposition.ESCALATED, reason.value, self._state.topic, outcome.queue, dossier)

    async def _offer_callback(self, reason: EscalationReason, queue: str, priority: int) -> CallbackAsked | None:
        """Tell the wait and ask whether he would be called back, where there is anything to choose."""
        offer = CallbackOffer(self._parts.operators, self._parts.waiting, self._parts.now)
        wish = Wish(reason, queue, priority, self._state.language, self._call.caller)
        return await offer.ask(wish, self._talk())

    def _talk(self) -> Talk:
        """The call for whoever asks beside the dialogue."""
        language = self._state.language

        async def say(act: Say) -> None:
            self._channel.speak_in(language)
            await self._say(act)

        return Talk(
            has=lambda response: response in self._parts.flow_set.responses[language],
            say=say,
            listen=self._hear_choice,
            emit=lambda kind, data: self._emit(kind, self._channel.now_ms(), data),
        )

    async def _hear_choice(self, collect: Collect, completes: Completes) -> Heard:
        heard = await self._channel.listen(collect, completes)
        match heard:
            case Silence():
                self._transcript.silence()
            case Unclear():
                self._transcript.unclear()
            case Keyed():
                self._transcript.keys(heard.digits, collect)
            case Spoken():
                turn = UserTurn(heard.hypotheses, not_understood(heard.hypotheses[0].text), heard.over_prompt)
                self._transcript.caller(turn, heard, collect, self._state.language)
        return heard

    async def _promise(self, dossier: Dossier, asked: CallbackAsked) -> bool:
        """Keep the promise of a call-back before it is spoken; False: it could not be kept, he is transferred."""
        try:
            async with asyncio.timeout(HAND_OVER_S):
                await self._parts.operators.promise_callback(self._call, dossier, asked)
        except (StorageError, TimeoutError):
            log.error("a call-back could not be stored")
            return False
        due_at = asked.due_at.isoformat(timespec="seconds")
        self._emit(
            EventType.CALLBACK_ASKED,
            self._channel.now_ms(),
            {"queue": dossier.queue, "topic": dossier.topic, "dossier": dossier.dossier_id, "due_at": due_at},
        )
        try:
            self._channel.speak_in(self._state.language)
            await self._say(Say(AGREED))
            await self._channel.finish()
        except (EngineError, LegClosed):
            log.info("the caller did not hear that he will be called back")
        return True

    async def _rescue(self, reason: EscalationReason) -> CallEnd:
        """Hand over after a failure; the apology is best effort, the transfer is not."""
        try:
            try:
                self._channel.speak_in(self._state.language)
                async with asyncio.timeout(APOLOGY_S):
                    await self._say(Say("utter_apology"))
            except (EngineError, KeyError, TimeoutError):
                log.info("the apology could not be spoken")
            return await self._transfer(Transfer(reason))
        except LegClosed:
            return self._abandoned()
        except Exception:  # nothing more can be done for the caller from here
            log.exception("hand-over failed; the PBX goes on with its default queue")
            return CallEnd(Disposition.FAILED, reason.value, self._state.topic)

    def _dossier(
        self, reason: EscalationReason, queue: str, priority: int, suggestion: str, context: DossierContext
    ) -> Dossier:
        ladder = self._ladder.state
        known = {name: str(value) for name, value in self._state.slots.items() if isinstance(value, str | bool)}
        slots = {name: value for name, value in known.items() if name != "topic"}
        dossier = Dossier(
            dossier_id=uuid.uuid4().hex,
            call_id=self._call.call_id,
            created_at=self._parts.now(),
            queue=queue,  # type: ignore[arg-type]
            reason=reason,
            topic=self._state.topic,
            language=self._state.language,
            priority=priority,
            caller=self._call.caller,
            customer_id=ladder.customer_id or "",
            customer_name=self._ladder.customer_name if ladder.level is not AssuranceLevel.NONE else "",
            level=ladder.level,
            facts_used=tuple(fact.value for fact in ladder.facts),
            slots=slots,
            tried=tuple(self._tried),
            transcript=self._transcript.lines(),
            suggestion=suggestion,
            confidence={name: self._sure.of(name) for name in slots},
            contacts=context.contacts,
            claims=context.claims,
        )
        return seal(dossier)


def _day_at_the_bank(now: datetime) -> date:
    return (now.astimezone(UTC) + BANK_OFFSET).date()


class _Escalate(IvrbotError):
    """Leaves the conversation towards an operator."""

    code = "escalate"

    def __init__(self, reason: EscalationReason) -> None:
        self.reason = reason
        super().__init__(reason.value)
