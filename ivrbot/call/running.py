"""One call while it runs: what has been said, done and proven, for both of its halves.

`session` holds the conversation, `ending` closes it. Both say things, emit events and look at the same facts:
those stand here, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ivrbot import metrics, tracing
from ivrbot.call.alarms import spraying_alarm
from ivrbot.call.authentication import Authenticator, CustomerLocks
from ivrbot.call.banking import BankDeadlines
from ivrbot.call.beside import inside
from ivrbot.call.channel import Channel
from ivrbot.call.code_words import KnownCodeWords
from ivrbot.call.dossier_context import History, SlotConfidence
from ivrbot.call.measuring import CallMeasure
from ivrbot.call.router import Router
from ivrbot.call.transcript import Emit, Transcriber
from ivrbot.call.voice import CallVoice, Voices
from ivrbot.config import OperatorSettings
from ivrbot.dialogue.engine import Dialogue
from ivrbot.dialogue.responses import render
from ivrbot.dialogue.schema import FlowSet
from ivrbot.dialogue.state import DialogueState
from ivrbot.errors import EngineError
from ivrbot.identity.policy import Policy
from ivrbot.model.attempts import Tally
from ivrbot.model.call import CallRegistration
from ivrbot.model.dialogue import CallBank, Collect, DialogueAct, DialogueInput, Keys, Say
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Language
from ivrbot.ports import AttemptStore, Bank, CallStore, NluEngine, OperatorQueue, RefusalLog, SmsGateway
from ivrbot.tracing import Tracing

RECORDED: Final = "utter_greeting_recorded"
"""Who hears this and stays has consented."""
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
    sms: SmsGateway | None = None
    voices: Voices | None = None
    inside: NluEngine | None = None
    """Understands, within this process, words that were no secret although one was asked for."""
    refusals: RefusalLog | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """How a call stood when a turn began, to go back to when the turn turns out not to have been over.

    Attributes:
        lines: of the transcript.
        heard_topic: see `RunningCall.settled`; so `told_topic`.
    """

    state: DialogueState
    lines: int
    confirmation: str
    served: bool
    asked_for_more: bool
    told_topic: str
    heard_topic: str


class RunningCall:
    """What a call has come to.

    Args:
        parts: shared by all sessions.
        registration: who rings.
        language: of the first words.
        channel: sound or text.
        emit: the recorder's entrance for this call.

    Attributes:
        state: of the dialogue; the session replaces it step by step.
        transcript: masked.
        code_words: that nobody may read, wherever they are said.
        ladder: how surely the caller is known.
        voice: his, where voices are compared.
        tried: operations and how they went, for the operator.
        sure: how surely each slot was heard.
        confirmation: the question that he last answered with yes, and how; "" when he did not, or it was acted on.
        served: a topic was brought to its end.
        asked_for_more: the question on the table is whether there is anything else.
    """

    def __init__(
        self, parts: CallParts, registration: CallRegistration, language: Language, channel: Channel, emit: Emit
    ) -> None:
        self.parts = parts
        self.registration = registration
        self.channel = channel
        self._emit = emit
        self.state = DialogueState(language)
        self.code_words = KnownCodeWords(parts.bank, parts.fact_key, parts.deadlines)
        self.transcript = Transcriber(channel, emit, self.code_words, self.today())
        self.voice = CallVoice(parts.voices, registration.call_id, self.emit, parts.now)
        self.voice.listen_to(channel)
        self.ladder = Authenticator(
            bank=parts.bank,
            attempts=parts.attempts,
            policy=parts.policy,
            key=parts.fact_key,
            locks=parts.locks,
            call_id=registration.call_id,
            caller=registration.caller,
            now=parts.now,
            sms=parts.sms,
            alarm=self._alarm,
            meaning=inside(parts.inside),
            voice=self.voice,
        )
        self.measure = CallMeasure(parts.tracing.call(registration.call_id, registration.gateway))
        self.tried: list[str] = []
        self.sure = SlotConfidence()
        self.confirmation = ""
        self.served = False
        self.asked_for_more = False
        self._told_topic = self._heard_topic = ""

    async def _alarm(self, window: Tally) -> None:
        """This call has noticed an attack on all customers: the fraud desk is told."""
        rules, now = self.parts.policy.spraying, self.parts.now()
        dossier = spraying_alarm(
            self.registration.call_id,
            self.state.language,
            window,
            window_s=rules.window_s,
            hold_s=rules.hold_s,
            at=now,
        )
        await self.parts.operators.alarm(dossier)

    def today(self) -> date:
        """The day at the bank."""
        return (self.parts.now().astimezone(UTC) + BANK_OFFSET).date()

    def emit(self, kind: EventType, data: dict[str, JsonValue]) -> None:
        """Record an event of this moment of the call."""
        self._emit(kind, self.channel.now_ms(), data)

    def engine_failed(self, engine: str, error: EngineError) -> None:
        """Count and record an engine's failure."""
        metrics.ENGINE_FAILURES.labels(engine, error.code).inc()
        self.emit(EventType.ENGINE_FAILED, {"engine": engine, "code": error.code})

    def prepare(self, said: Sequence[tuple[Say, Language]]) -> None:
        """Have the sound of sentences ready that will probably be said; what was ready before is dropped."""
        self.channel.prepare([render(self.parts.flow_set, act, language) for act, language in said])

    async def say(self, act: Say) -> None:
        """Speak a response, in the words and the language of the call.

        Raises:
            EngineError: it cannot be spoken.
            LegClosed: the caller is gone.
        """
        utterance = render(self.parts.flow_set, act, self.state.language)
        if act.response == RECORDED:
            by = "bot" if self.channel.tape.start() else "pbx"
            self.emit(EventType.RECORDING_STARTED, {"by": by, "consent": "announced"})
        self.transcript.bot(utterance, act.response)
        with self.measure.step("tts"):
            await self.channel.say(utterance, interruptible=act.interruptible)

    async def say_afresh(self, act: Say) -> None:
        """The same; whatever the caller has cut short before is over."""
        self.channel.speak_in(self.state.language)
        await self.say(act)

    def answered(self, act: DialogueAct, input_: DialogueInput) -> None:
        """Keep which question he answered with yes, for the log of what is done upon it."""
        spec = self.parts.flow_set.domain.slots.get(act.slot) if isinstance(act, Collect) else None
        if spec is None or spec.kind != "yes_no" or not isinstance(act, Collect):
            return
        yes = self.state.slots.get(act.slot) is True
        self.confirmation = f"{act.slot} {'by keys' if isinstance(input_, Keys) else 'in words'}" if yes else ""

    def for_bank(self, act: CallBank) -> CallBank:
        """A request without secrets among what the caller said in his own words."""
        slots, language = self.parts.flow_set.domain.slots, self.state.language
        said = {
            name: self.transcript.masked(value, language)
            for name, value in act.arguments.items()
            if isinstance(value, str) and name in slots and slots[name].kind == "words"
        }
        return replace(act, arguments={**act.arguments, **said}) if said else act

    # --- going back ---------------------------------------------------------------------------------

    def remember(self) -> Memory:
        """How everything stands that a turn may change without an effect."""
        return Memory(
            self.state,
            self.transcript.length,
            self.confirmation,
            self.served,
            self.asked_for_more,
            self._told_topic,
            self._heard_topic,
        )

    def go_back(self, to: Memory) -> None:
        """The turn was not over: what was said and thought since is taken back, what was done stands."""
        self.state = to.state
        self.transcript.take_back(to.lines)
        self.confirmation, self.served, self.asked_for_more = to.confirmation, to.served, to.asked_for_more
        self._told_topic, self._heard_topic = to.told_topic, to.heard_topic

    # --- whether he has got what he rang for ----------------------------------------------------------

    def new_topic(self) -> None:
        """He rings for something that he has not got yet."""
        self._told_topic = self._heard_topic = ""

    def serves(self) -> None:
        """The topic on the table has just been served; he hears it next."""
        self.served, self._told_topic = True, self.state.topic

    def asks(self, collect: Collect) -> None:
        """A question is put: he has heard everything before it."""
        self.asked_for_more = collect.slot == "topic"
        if self.state.served and not self.served:
            self.serves()
        self._heard_topic = self._told_topic  # what is asked now comes on top

    @property
    def settled(self) -> bool:
        """Whether he may hang up and has got what he rang for, whatever is asked or offered besides."""
        return self.served and (self.asked_for_more or self.state.topic == self._heard_topic)
