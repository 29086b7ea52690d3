"""One call from the first word to its end: drives the dialogue engine over a channel.

Takes a registration and a channel, gives a `CallEnd`; on the way it asks the router, the ladder and the bank, and
keeps the masked transcript and emits events. Whatever fails, the caller goes to an operator with a dossier.
"""

from __future__ import annotations

import asyncio
import logging

from ivrbot import metrics
from ivrbot.call.banking import NOT_ALLOWED, run_bank_act, within
from ivrbot.call.channel import Channel
from ivrbot.call.dossier_context import asked_for
from ivrbot.call.ending import CallEnding
from ivrbot.call.handover import PLACE_KEPT, Meanwhile
from ivrbot.call.listening import Escalate, Listening
from ivrbot.call.running import CallParts, RunningCall
from ivrbot.call.transcript import Emit
from ivrbot.errors import (
    BankError,
    EngineError,
    LegClosed,
    StorageError,
)
from ivrbot.identity.policy import SecondFactor
from ivrbot.logs import call_id_var
from ivrbot.model.bank import BankOperation, Refused
from ivrbot.model.call import CallEnd, CallRegistration, EscalationReason
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
from ivrbot.model.speech import Language

log = logging.getLogger(__name__)


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
        self._topic = topic
        self._channel = channel
        self._emit_at = emit
        self._call = RunningCall(parts, registration, language, channel, emit)
        self._ending = CallEnding(self._call)
        self._dialogue = parts.dialogue.of_recorded_call() if channel.tape.ready else parts.dialogue
        self._listening = Listening(self._call, self._dialogue)

    async def run(self) -> CallEnd:
        """Hold the conversation. Never raises but for cancellation; the leg is closed at the end."""
        token = call_id_var.set(self._call.registration.call_id)
        try:
            return await self._run()
        finally:
            call_id_var.reset(token)

    async def _run(self) -> CallEnd:
        call, ending = self._call, self._ending
        started = {"language": call.state.language, "gateway": call.registration.gateway}
        self._emit_at(EventType.CALL_STARTED, 0, {**started})
        call.code_words.watch_number(call.registration.caller)
        try:
            async with asyncio.timeout(self._parts.max_call_s):
                end = await self._converse()
        except LegClosed:
            end = ending.abandoned()
        except TimeoutError:
            end = await ending.rescue(EscalationReason.TIME_LIMIT)
        except EngineError as error:
            metrics.ENGINE_FAILURES.labels("tts", error.code).inc()
            end = await ending.rescue(EscalationReason.TTS_FAILURE)
        except Escalate as escalate:
            end = await ending.rescue(escalate.reason)
        except BankError:
            end = await ending.rescue(EscalationReason.BANK_UNAVAILABLE)
        except StorageError:
            end = await ending.rescue(EscalationReason.STORAGE_FAILURE)
        except Exception:  # the call boundary: whatever it was, the caller must reach a person
            log.exception("call failed")
            end = await ending.rescue(EscalationReason.INTERNAL_ERROR)
        finally:
            self._channel.close()
            await call.code_words.close()
        await call.voice.finish()
        metrics.CALLS.labels(end.disposition.value).inc()
        call.measure.end(end.disposition.value, end.reason)
        call.emit(
            EventType.CALL_ENDED,
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
        call = self._call
        call.state, acts = self._dialogue.start(
            call.state.language, await self._front_in_force(), self._topic, call.today()
        )
        while True:
            self._channel.speak_in(call.state.language)
            last = acts[-1]
            if await self._is_his_turn(last):
                says = acts[:-2]  # all but the question
                call.state, acts = self._dialogue.called(call.state)
                acts, last = (*says, *acts), acts[-1]
            # From the first word of a secret's question on: who knows it answers before it has been asked in full.
            # Until it has been judged: who hears nothing for a while says it again.
            judged = isinstance(last, Authenticate) and not last.begin
            self._channel.tape.pause(judged or (isinstance(last, Collect) and last.secret))
            for act in acts[:-1]:
                assert isinstance(act, Say)
                await call.say(act)
            if isinstance(last, Transfer):
                end = await self._ending.transfer(last)
                if isinstance(end, CallEnd):
                    return end
                acts = await self._serve_meanwhile(end, last)
                continue
            if isinstance(last, Hangup):
                return await self._ending.goodbye(last)
            input_ = await self._input(last)
            if input_ is None:
                continue  # what was said is said again
            before = call.state.slots
            call.state, acts = self._listening.step(input_)
            question = (
                self._listening.answered if isinstance(input_, UserTurn | Keys | NoInput | NoMatch) else None
            )
            asked = asked_for(question.slot, self._parts.flow_set.domain.slots) if question else ()
            call.sure.note(before, call.state.slots, input_, asked)
            if question is not None:
                call.answered(question, input_)

    async def _is_his_turn(self, last: DialogueAct) -> bool:
        """Whether, between two topics, an operator is free for a caller whose place in the queue is kept."""
        held = self._call.state.held
        if held is None or not isinstance(last, Collect) or last.slot != "topic":
            return False
        queue = await self._parts.operators.state(held[0].queue)
        return queue is not None and queue.free > 0

    async def _serve_meanwhile(self, wanted: Meanwhile, transfer: Transfer) -> tuple[DialogueAct, ...]:
        """His place in the queue is kept: go on with him, at once with what he said when that is a topic."""
        call = self._call
        await call.say_afresh(Say(PLACE_KEPT))
        call.state, acts = self._dialogue.meanwhile(call.state, transfer)
        collect = acts[-1]
        if wanted.heard is None or not isinstance(collect, Collect):
            return acts
        turn = await self._listening.understand(wanted.heard, collect)
        if self._parts.flow_set.branches.branch_of(turn.nlu.intent) is None:
            return acts
        call.state, acts = self._dialogue.step(call.state, turn)
        return acts

    async def _front_in_force(self) -> str:
        if self._topic:
            return "external"  # nothing is asked: he is exposed to neither front
        front = self._front
        if front == "auto":
            front = await self._parts.router.front(self._call.registration)
        return "external" if front == "external_ivr" else front

    async def _input(self, act: DialogueAct) -> DialogueInput | None:
        """What comes of an act; None: nothing that can be used, all is to be said again."""
        if isinstance(act, Collect):
            return await self._listening.next_input(act)
        if isinstance(act, CallBank) and self._parts.flow_set.domain.actions[act.action].write:
            more = await self._listening.second_thoughts()
            if more is not None:
                return more
        reply = self._listening.known_reply(act)
        if reply is None:
            reply = await self._decided(act)
            self._listening.has_done(act, reply)
        elif isinstance(act, Route):
            self._call.new_topic()
        return reply

    async def _decided(self, act: DialogueAct) -> DialogueInput:
        match act:
            case Route():
                return await self._route(act)
            case Authenticate():
                return await self._authenticate(act)
            case CallBank():
                return await self._ask_bank(act)
            case _:
                raise TypeError(f"{act!r} ends no step")

    # --- what others decide -------------------------------------------------------------------------

    async def _route(self, act: Route) -> Routed:
        call = self._call
        branch = self._parts.flow_set.branches.branch_of(act.topic) or ""
        call.new_topic()
        call.emit(EventType.TOPIC_STATED, {"topic": act.topic, "branch": branch})
        with call.measure.step("route"):
            # side by side: the exposure is stored when both are done, and nothing is said before
            _, routing = await asyncio.gather(
                self._parts.operators.announce(call.registration, act.topic, branch),
                self._parts.router.route(call.registration, act.topic),
            )
        drawn = routing.assignment
        call.emit(
            EventType.ASSIGNED,
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
        call = self._call
        work = call.ladder.run(act, call.state.language)
        call.asked_for_more = False
        with call.measure.step("authentication", operation=act.operation):
            reply = await within(work, self._parts.deadlines, self._say_checking)
        state = call.ladder.state
        call.code_words.watch_account(state)
        if SecondFactor.ONE_TIME_CODE in state.second and state.customer_id:
            call.voice.became_strong(state.customer_id)
        refusal = state.refusal.value if reply.status == "refused" and state.refusal else ""
        call.emit(
            EventType.AUTHENTICATION,
            call.ladder.decision(act.operation, reply),
        )
        if refusal:
            call.tried.append(f"authenticate_{act.operation}:{refusal}")
            await self._refused(act.operation, refusal)
        return reply

    async def _refused(self, operation: str, why: str) -> None:
        """Note what the bank was never asked for."""
        if self._parts.refusals is not None:
            state = self._call.ladder.state
            facts = state.proofs
            who, call_id = state.customer_id or "", self._call.registration.call_id
            await self._parts.refusals.note_refusal(Refused(operation, who, state.level, facts, call_id, why))

    async def _ask_bank(self, act: CallBank) -> BankReply:
        call = self._call
        spec = self._parts.flow_set.domain.actions[act.action]
        operation = BankOperation(spec.operation or act.action.removeprefix("bank_"))
        if not call.ladder.allows(operation.value, act.arguments):
            if spec.optional:
                return BankReply(act.action, "rejected")
            await self._refused(operation.value, NOT_ALLOWED)
            raise Escalate(EscalationReason.AUTHENTICATION_FAILED)
        call.asked_for_more = False
        act = call.for_bank(act)
        call.emit(EventType.BANK_REQUESTED, {"action": act.action})
        try:
            with call.measure.step("bank", action=act.action):
                reply = await run_bank_act(
                    self._parts.bank,
                    act,
                    operation=operation,
                    write=spec.write,
                    call_id=call.registration.call_id,
                    ladder=call.ladder.state,
                    deadlines=self._parts.deadlines,
                    on_slow=self._say_checking,
                    confirmation=call.confirmation if spec.write else "",
                )
        except BaseException:
            # The time limit, or a surprise: the operator must know that it may have happened.
            call.tried.append(f"{act.action}:unknown")
            raise
        finally:
            call.ladder.used(operation.value)
        reference = str(reply.values.get("reference") or "")
        served = spec.serves and reply.status == "ok"
        call.emit(
            EventType.BANK_REPLIED,
            {"action": act.action, "status": reply.status, "reference": reference, "served": served},
        )
        if spec.write or reply.status != "ok":
            call.tried.append(":".join(part for part in (act.action, reply.status, reference) if part))
        if served:
            call.serves()
        if spec.write:
            call.confirmation = ""
        return reply

    async def _say_checking(self) -> None:
        try:
            await self._call.say_afresh(Say("utter_checking"))  # whatever the caller has cut short is over
        except (LegClosed, EngineError):
            log.info("nobody hears that we are checking")
