"""How a call ends: a goodbye, a hand-over to an operator with a dossier, a call-back, or the caller has hung up.

Takes the call as it stands, gives a `CallEnd`. Whatever fails on the way, the caller goes to an operator.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import replace
from typing import Final

from ivrbot import metrics
from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.call.dossier_context import DossierContext, gather_context, slots_for_operator
from ivrbot.call.handover import AGREED, CallbackOffer, Meanwhile, Talk, Wish
from ivrbot.call.holding import holding
from ivrbot.call.running import RunningCall
from ivrbot.call.scoring import ask_score, may_ask
from ivrbot.call.understanding import not_understood
from ivrbot.errors import EngineError, LegClosed, StorageError
from ivrbot.escalation.dossier import seal
from ivrbot.escalation.policy import Handover, hand_over
from ivrbot.model.bank import BankOperation, BankRequest
from ivrbot.model.call import AssuranceLevel, CallEnd, CallOutcome, Disposition, Dossier, EscalationReason
from ivrbot.model.dialogue import Collect, Hangup, Say, Transfer, UserTurn
from ivrbot.model.events import EventType
from ivrbot.model.operators import CallbackAsked

log = logging.getLogger(__name__)

APOLOGY_S: Final = 5.0
HAND_OVER_S: Final = 5.0


class CallEnding:
    """Ends one call.

    Args:
        call: as it stands.
    """

    def __init__(self, call: RunningCall) -> None:
        self._call = call
        self._promised: CallEnd | None = None

    async def goodbye(self, act: Hangup) -> CallEnd:
        """The bot has said its last words: the outcome for the PBX, and a score where it is asked.

        Raises:
            EngineError: the last words cannot be spoken.
            LegClosed: the caller is gone.
        """
        call = self._call
        await call.channel.finish()
        try:
            outcome = CallOutcome("hangup", topic=call.state.topic)
            await call.parts.calls.save_outcome(call.registration.call_id, outcome)
        except StorageError as error:
            log.error("the outcome could not be stored: %s", error.code)
        disposition = Disposition.RESOLVED if act.resolved else Disposition.FAILED
        served = call.served or call.state.served
        emergency = self._is_emergency()
        if act.resolved and not emergency and await call.voice.may_ask_consent():
            await call.voice.ask_consent(self._patient_talk(), call.state.language)
            await call.channel.finish()
        asked = may_ask(call.registration.gateway, served=served and act.resolved, emergency=emergency)
        if asked and call.parts.ask_score:
            await ask_score(self._talk())
            await call.channel.finish()
        return CallEnd(disposition, "served" if served else "declined", call.state.topic)

    def abandoned(self) -> CallEnd:
        """The caller has hung up; who has got what he rang for may."""
        if self._call.settled:
            return CallEnd(Disposition.RESOLVED, "served", self._call.state.topic)
        return CallEnd(Disposition.ABANDONED, "hung_up", self._call.state.topic)

    async def transfer(self, act: Transfer, *, serve_meanwhile: bool = True) -> CallEnd | Meanwhile:
        """Hand the caller over, or promise him a call-back where he prefers that.

        Args:
            act: the hand-over.
            serve_meanwhile: he may be served by the bot while his place in the queue is kept.

        Returns:
            `Meanwhile`: he wants the bot until it is his turn; nothing has been handed over yet.

        Raises:
            EngineError: what was said last cannot be spoken to its end.
            LegClosed: the caller is gone.
        """
        call = self._call
        reason = EscalationReason(act.reason)
        branches = {name: branch.model_dump() for name, branch in call.parts.flow_set.branches.branches.items()}
        handover = hand_over(reason, call.state.topic, branches, act.queue)
        priority = max(handover.priority, act.priority)
        asked = await self._offer_callback(reason, handover.queue, priority, serve_meanwhile)
        if isinstance(asked, Meanwhile):
            return asked
        dossier = await self._dossier(reason, handover, priority)
        if asked is not None and (promised := await self._promise(dossier, asked)):
            return promised
        outcome = await self._deliver(dossier)
        call.emit(
            EventType.ESCALATED,
            {
                "reason": reason.value,
                "queue": outcome.queue,
                "topic": dossier.topic,
                "dossier": dossier.dossier_id,
            },
        )
        metrics.ESCALATIONS.labels(reason.value, outcome.queue).inc()
        await call.channel.finish()
        return CallEnd(Disposition.ESCALATED, reason.value, call.state.topic, outcome.queue, dossier)

    async def rescue(self, reason: EscalationReason) -> CallEnd:
        """Hand over after a failure; the apology is best effort, the transfer is not. Never raises.

        Whoever will be called back, and only has not heard it to its end, is not transferred as well.
        """
        if self._promised is not None:
            return self._promised
        try:
            try:
                async with asyncio.timeout(APOLOGY_S):
                    await self._call.say_afresh(Say("utter_apology"))
            except (EngineError, KeyError, TimeoutError):
                log.info("the apology could not be spoken")
            return await self._rescued(reason)
        except LegClosed:
            return self.abandoned()
        except Exception:  # nothing more can be done for the caller from here
            log.exception("hand-over failed; the PBX goes on with its default queue")
            return CallEnd(Disposition.FAILED, reason.value, self._call.state.topic)

    async def _rescued(self, reason: EscalationReason) -> CallEnd:
        """Hand over without a question; to the place that was kept for him where there is one and no emergency."""
        call, act = self._call, Transfer(reason)
        if call.state.held is not None and not self._is_emergency():
            act, topic = call.state.held
            call.state = replace(call.state, topic=topic)
        end = await self.transfer(act, serve_meanwhile=False)
        if not isinstance(end, CallEnd):
            raise TypeError(f"{end!r} is no end")
        return end

    def _is_emergency(self) -> bool:
        """Whether what he is being served with belongs to a branch that waits for nobody."""
        branches = self._call.parts.flow_set.branches
        branch = branches.branches.get(branches.branch_of(self._call.state.topic) or "")
        return branch is not None and branch.emergency

    async def _deliver(self, dossier: Dossier) -> CallOutcome:
        """To the queue; a desk that fails or hangs holds nobody up."""
        try:
            async with asyncio.timeout(HAND_OVER_S):
                return await self._call.parts.operators.transfer(self._call.registration, dossier)
        except StorageError as error:
            log.error("dossier could not be stored: %s", error.code)
        except TimeoutError:
            log.error("dossier could not be stored within %.0f s", HAND_OVER_S)
        return CallOutcome("transfer", dossier.queue, dossier.topic, dossier.dossier_id, dossier.priority)

    # --- call-backs -----------------------------------------------------------------------------------

    async def _offer_callback(
        self, reason: EscalationReason, queue: str, priority: int, serve_meanwhile: bool
    ) -> CallbackAsked | Meanwhile | None:
        """Tell the wait and ask whether he would be called back, where there is anything to choose."""
        call = self._call
        if call.state.held is not None:
            return None  # he has chosen before

        async def hold() -> bool:
            return await call.parts.operators.hold_place(call.registration, queue)

        offer = CallbackOffer(call.parts.operators, call.parts.waiting, call.parts.now)
        may_hold = hold if serve_meanwhile else None
        wish = Wish(reason, queue, priority, call.state.language, call.registration.caller, may_hold)
        return await offer.ask(wish, self._patient_talk())

    def _talk(self) -> Talk:
        """The call for whoever asks beside the dialogue."""
        call = self._call
        written = call.parts.flow_set.responses[call.state.language]
        return Talk(
            has=lambda response: response in written, say=call.say_afresh, listen=self._hear_choice, emit=call.emit
        )

    def _patient_talk(self) -> Talk:
        """The same, with a caller who may ask for time."""
        return holding(self._talk(), self._call.state.language)

    async def _hear_choice(self, collect: Collect, completes: Completes) -> Heard:
        call = self._call
        heard = await call.channel.listen(collect, completes)
        while isinstance(heard, Spoken) and heard.before_question:
            heard = await call.channel.listen(collect, completes)
        match heard:
            case Silence():
                call.transcript.silence()
            case Unclear():
                call.transcript.unclear()
            case Keyed():
                call.transcript.keys(heard.digits, collect)
            case Spoken():
                turn = UserTurn(heard.hypotheses, not_understood(heard.hypotheses[0].text), heard.over_prompt)
                call.transcript.caller(turn, heard, collect, call.state.language)
        return heard

    async def _promise(self, dossier: Dossier, asked: CallbackAsked) -> CallEnd | None:
        """Keep the promise of a call-back before it is spoken; None: it could not be kept, he is transferred."""
        call = self._call
        try:
            async with asyncio.timeout(HAND_OVER_S):
                await call.parts.operators.promise_callback(call.registration, dossier, asked)
        except (StorageError, TimeoutError):
            log.error("a call-back could not be stored")
            return None
        self._promised = CallEnd(Disposition.ESCALATED, "callback", call.state.topic, dossier=dossier)
        due_at = asked.due_at.isoformat(timespec="seconds")
        call.emit(
            EventType.CALLBACK_ASKED,
            {"queue": dossier.queue, "topic": dossier.topic, "dossier": dossier.dossier_id, "due_at": due_at},
        )
        try:
            await call.say_afresh(Say(AGREED))
            await call.channel.finish()
        except (EngineError, LegClosed):
            log.info("the caller did not hear that he will be called back")
        return self._promised

    # --- what the operator sees -----------------------------------------------------------------------

    async def _dossier(self, reason: EscalationReason, handover: Handover, priority: int) -> Dossier:
        call, ladder = self._call, self._call.ladder.state
        claims = None
        if ladder.customer_id and call.ladder.allows(BankOperation.LIST_CLAIMS.value):
            claims = BankRequest(
                BankOperation.LIST_CLAIMS,
                ladder.customer_id,
                level=ladder.level,
                facts_used=ladder.proofs,
                call_id=call.registration.call_id,
            )
        context: DossierContext = await gather_context(
            call.parts.bank, call.parts.history, call.registration, claims
        )
        heard = slots_for_operator(call.state.slots, call.parts.flow_set.domain.slots, call.sure)
        slots = {name: call.transcript.masked(value, call.state.language) for name, value in heard.items()}
        dossier = Dossier(
            dossier_id=uuid.uuid4().hex,
            call_id=call.registration.call_id,
            created_at=call.parts.now(),
            queue=handover.queue,
            reason=reason,
            topic=call.state.topic,
            language=call.state.language,
            priority=priority,
            caller=call.registration.caller,
            customer_id=ladder.customer_id or "",
            customer_name=call.ladder.customer_name if ladder.level is not AssuranceLevel.NONE else "",
            level=ladder.level,
            facts_used=ladder.proofs,
            slots=slots,
            tried=tuple(call.tried),
            transcript=call.transcript.lines(),
            suggestion=handover.suggestion,
            confidence={name: call.sure.of(name) for name in slots},
            contacts=context.contacts,
            claims=context.claims,
        )
        return seal(dossier)
