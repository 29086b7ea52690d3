"""Every port of ivrbot: the architecture on one page.

The call (`ivrbot.call`) knows these Protocols only; `ivrbot.app` is the one place that names what is behind
them. Units: sound is 8 kHz PCM16 mono; durations are milliseconds; money is minor units; times are aware UTC.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from ivrbot.model.attempts import Reserved, Tally
from ivrbot.model.audio import Frame, Pcm
from ivrbot.model.bank import BankAnswer, BankRequest, Customer, FactHashes, Refused
from ivrbot.model.call import CallId, CallOutcome, CallRegistration, Dossier
from ivrbot.model.dialogue import Utterance
from ivrbot.model.events import CallEvent
from ivrbot.model.evidence import Freshness, ShadowEvidence, UnitRows
from ivrbot.model.experiment import BranchState, Exposure
from ivrbot.model.operators import Callback, CallbackAsked, CallbackResult, QueueState
from ivrbot.model.speech import Expect, Language, NluResult, Partial, Transcript
from ivrbot.model.voiceprint import VoiceSample, VoiceTemplate

# --- media ------------------------------------------------------------------------------------------


class Leg(Protocol):
    """One media connection, held by a gateway. Methods return at once."""

    @property
    def call_id(self) -> CallId:
        """The call that the leg belongs to."""
        ...

    @property
    def dropped(self) -> Mapping[str, int]:
        """Frames of 20 ms left out by policy so far, by side ("inbound", "outbound")."""
        ...

    def close(self) -> None:
        """End the leg politely (the PBX goes on with its dialplan). Idempotent."""
        ...

    def notify(self, message: dict[str, object]) -> None:
        """Tell the other side's screen something (live transcript); gateways without a screen ignore it."""
        ...


class MediaSink(Protocol):
    """What a gateway drives for each leg. Called on the event loop; methods return at once and never raise."""

    def on_frame(self, frame: Frame) -> None:
        """20 ms of the caller's sound arrived."""
        ...

    def on_key(self, key: str) -> None:
        """The caller pressed one of 0-9, *, #."""
        ...

    def on_closed(self, cause: str) -> None:
        """The leg is gone ("hangup", "timeout", "protocol_error", ...). Called exactly once."""
        ...

    def next_frame(self) -> Frame | None:
        """The 20 ms to play now; None means silence. Asked once per 20 ms by a clock that does not drift."""
        ...


class CallDoor(Protocol):
    """Decides whether a leg may come in."""

    def admit(self, leg: Leg) -> MediaSink:
        """Take the leg.

        Raises:
            LegRefused: unknown, reused or overdue call id, or no room.
        """
        ...


class RecordingFile(Protocol):
    """The sound of one call on its way to a disk. Methods return at once and never raise."""

    def write(self, at_ms: int, stereo: bytes) -> None:
        """Lay 8 kHz PCM16 (caller left, bot right) down at a moment; dropped when too much waits."""
        ...

    def silence_caller(self, from_ms: int, to_ms: int) -> None:
        """Make what the caller said in between silence, for good; never dropped."""
        ...

    def close(self) -> None:
        """The recording is whole. Idempotent."""
        ...


class Recordings(Protocol):
    """Where the sound of calls is kept."""

    def open(self, call_id: CallId) -> RecordingFile | None:
        """Begin a recording; None when calls are not recorded, or cannot be just now."""
        ...


# --- speech and language ----------------------------------------------------------------------------


class AsrStream(Protocol):
    """One utterance being recognised."""

    def feed(self, pcm: Pcm) -> None:
        """Add sound; never blocks. Bounded: beyond the engine's limit the oldest is dropped and counted."""
        ...

    async def decode(self) -> Transcript:
        """Reading of everything fed so far. May be called again after more was fed (speculative decoding).

        Raises:
            EngineError: the engine failed.
        """
        ...

    def close(self) -> None:
        """Give everything back. Idempotent; pending decodes are dropped."""
        ...


@runtime_checkable
class Guessing(Protocol):
    """What a stream may have besides, when it can read an utterance in its middle without harm to the rest."""

    def may_guess(self) -> bool:
        """Whether a guess made now keeps nobody waiting and is worth its processor time."""
        ...

    async def guess(self) -> Transcript:
        """Reading of everything fed so far; `decode` without new sound goes on from it.

        Raises:
            EngineError: the engine failed.
        """
        ...


class AsrEngine(Protocol):
    """Speech to text. Models run outside the event loop."""

    @property
    def name(self) -> str:
        """Name for events and metrics ("whisper", "vosk", "sherpa")."""
        ...

    async def start(self) -> None:
        """Load and warm up.

        Raises:
            EngineUnavailable: library or model is missing or damaged; says how to get it.
        """
        ...

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> AsrStream:
        """Begin an utterance; `on_partial` is called on the event loop."""
        ...

    async def close(self) -> None:
        """Free models and workers."""
        ...


class NluEngine(Protocol):
    """Text to meaning."""

    @property
    def name(self) -> str:
        """Name for events and metrics ("embedded", "rasa")."""
        ...

    async def parse(self, text: str, language: Language) -> NluResult:
        """Understand one text; blank text gives out_of_scope with confidence 0.

        Raises:
            EngineError: the engine failed or was too slow.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class TtsEngine(Protocol):
    """Text to speech, live."""

    @property
    def name(self) -> str:
        """Name for events and metrics ("rhvoice", "pyttsx3")."""
        ...

    async def start(self) -> None:
        """Load and warm up.

        Raises:
            EngineUnavailable: library or voice is missing; says how to get it.
        """
        ...

    def languages(self) -> frozenset[Language]:
        """Languages that it speaks intelligibly."""
        ...

    def stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
        """Speak; gives 8 kHz PCM16 as it is made.

        Raises:
            EngineError: no sound could be made.
        """
        ...

    async def close(self) -> None:
        """Free workers."""
        ...


class Voice(Protocol):
    """The bot's mouth: recorded prompts and fragments first, a live engine for the rest."""

    def speak(self, utterance: Utterance) -> AsyncIterator[Pcm]:
        """Sound of the utterance, phrase by phrase.

        Raises:
            EngineError: some piece has neither a recording nor an engine fit to speak it.
        """
        ...

    def can_speak(self, utterance: Utterance) -> bool:
        """Whether `speak` has a way for every piece."""
        ...


class VoiceprintEngine(Protocol):
    """Sound of a voice to a speaker embedding. Off unless the bank switches it on."""

    @property
    def model(self) -> str:
        """Hash of the model in use; goes into every sample and template."""
        ...

    async def start(self) -> None:
        """Load and warm up.

        Raises:
            EngineUnavailable: library or model is missing or damaged; says how to get it.
        """
        ...

    async def sample(self, pcm: Pcm) -> VoiceSample:
        """Embed the speech in some sound of one caller; silence in it is left out.

        Raises:
            EngineError: the engine failed, or there is no speech in it.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


# --- the bank ---------------------------------------------------------------------------------------


class Bank(Protocol):
    """The bank's back end."""

    async def find_customer(self, phone: str) -> Customer | None:
        """Customer of an E.164 number.

        Raises:
            BankUnavailable: not reachable.
        """
        ...

    async def find_by_name(self, names: Sequence[str], born: Sequence[str]) -> tuple[Customer, ...]:
        """Customers who have one of the names and one of the birth dates: for callers without their telephone.

        Args:
            names: canonical readings of the full name, see `FactHashes`.
            born: ISO dates.

        Raises:
            BankUnavailable: not reachable.
        """
        ...

    async def fact_hashes(self, customer_id: str) -> FactHashes:
        """Keyed hashes of what the customer knows.

        Raises:
            BankUnavailable: not reachable.
        """
        ...

    async def execute(self, request: BankRequest) -> BankAnswer:
        """Do it.

        Raises:
            BankUnavailable: nothing happened.
            BankRejected: refused.
            BankOutcomeUnknown: a write may have happened; repeat only with the same idempotency key.
        """
        ...

    async def close(self) -> None:
        """Free connections."""
        ...


class SmsGateway(Protocol):
    """Sends short messages to customers. Texts hold one-time codes: no implementation may log or count them."""

    async def send(self, number: str, text: str) -> None:
        """Hand one message over for delivery.

        Args:
            number: E.164.
            text: at most 160 characters of one-time code and what it is for.

        Raises:
            SmsUnavailable: not handed over, or not known whether it was.
        """
        ...

    async def close(self) -> None:
        """Free connections."""
        ...


class RefusalLog(Protocol):
    """Where requests are noted that never reach the bank."""

    async def note_refusal(self, refused: Refused) -> None:
        """The ladder has refused. Failure is logged, never raised."""
        ...


# --- operators and the PBX --------------------------------------------------------------------------


class PbxControl(Protocol):
    """Side channel to the PBX; what is set there survives the bot's death."""

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Set a channel variable. Failure is logged and counted, never raised."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class OperatorQueue(Protocol):
    """Where dossiers go."""

    async def announce(self, registration: CallRegistration, topic: str, queue: str) -> None:
        """The topic is known; should the bot die now, the operator knows it too. Never raises."""
        ...

    async def transfer(self, registration: CallRegistration, dossier: Dossier) -> CallOutcome:
        """Hand over: the dossier is stored and shown before the operator answers.

        Raises:
            StorageError: the dossier could not be stored (the call is transferred all the same).
        """
        ...

    async def state(self, queue: str) -> QueueState | None:
        """How a queue stands; None when that is not known now. Never raises, and never takes a second."""
        ...

    async def hold_place(self, registration: CallRegistration, queue: str) -> bool:
        """Keep the caller's place in a queue from now on, while the bot serves him; his transfer takes it up.

        Returns:
            False: places are not kept there, and none may be promised. Never raises.
        """
        ...

    async def promise_callback(
        self, registration: CallRegistration, dossier: Dossier, asked: CallbackAsked
    ) -> None:
        """Keep the dossier and the caller's wish; the call then ends instead of being transferred.

        Raises:
            StorageError: not kept: nothing may be promised.
        """
        ...

    async def alarm(self, dossier: Dossier) -> None:
        """Show operators something that no caller waits with. Failure is logged, never raised."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


# --- storage ----------------------------------------------------------------------------------------


class EventStore(Protocol):
    """Append-only events."""

    async def append(self, events: Sequence[CallEvent]) -> None:
        """Store a group in one transaction; a repeated (call_id, seq) is ignored.

        Raises:
            StorageUnavailable: nothing was stored.
        """
        ...

    async def of_call(self, call_id: CallId) -> tuple[CallEvent, ...]:
        """All events of a call in order."""
        ...


class CallStore(Protocol):
    """Calls, dossiers, outcomes."""

    async def register(self, registration: CallRegistration, at: datetime) -> None:
        """Raises StorageConflict for a call id seen before."""
        ...

    async def save_dossier(self, dossier: Dossier) -> None:
        """Store a dossier."""
        ...

    async def dossier(self, dossier_id: str) -> Dossier | None:
        """A stored dossier."""
        ...

    async def save_outcome(self, call_id: CallId, outcome: CallOutcome) -> None:
        """Store what the PBX is to do."""
        ...

    async def outcome(self, call_id: CallId) -> CallOutcome | None:
        """What the PBX is to do, None when the bot did not say."""
        ...


class CallbackStore(Protocol):
    """Callers who asked to be called back. All times are the caller's clock."""

    async def add(self, callback: Callback, number: str) -> None:
        """Store a call-back and, in an erasable row of its own, the number; the same id twice is one."""
        ...

    async def due(self, now: datetime, limit: int) -> tuple[Callback, ...]:
        """Open ones whose time has come, oldest first."""
        ...

    async def claim(self, callback_id: str, now: datetime, until: datetime) -> tuple[Callback, str] | None:
        """Take an open, due one to dial it: it and its number; None when another process was faster.

        The attempt counts from now on, whatever happens to this process. After `until` nobody will report it.
        """
        ...

    async def close_attempt(
        self, callback_id: str, try_no: int, result: CallbackResult, *, again_at: datetime | None, most: int
    ) -> Callback | None:
        """Note how an attempt ended.

        Args:
            callback_id: of the call-back.
            try_no: `Callback.tries` as claimed; a report about another try than the one under way changes nothing.
            result: how it ended.
            again_at: when to dial again; None: never.
            most: rung so often, it is given up whatever `again_at` says.

        Returns:
            As it stands now; None when nothing was changed.
        """
        ...

    async def overdue(self, now: datetime) -> tuple[Callback, ...]:
        """Attempts that nobody can report any more."""
        ...

    async def put_off(self, callback_id: str, until: datetime) -> None:
        """Dial an open one later."""
        ...


class RolloutStore(Protocol):
    """Branch states and exposures."""

    async def states(self) -> dict[str, BranchState]:
        """State of every branch that has one."""
        ...

    async def change_state(self, state: BranchState, who: str, why: str, at: datetime) -> None:
        """Write a branch's new state and its audit row in one transaction."""
        ...

    async def expose(self, exposure: Exposure) -> BranchState | None:
        """Store an exposure and read the branch's state again in the same transaction.

        Returns:
            The state in force; the caller compares `killed`, `share` and `epoch` with what he drew from.

        Raises:
            StorageUnavailable: not stored: the call goes to an operator, not exposed.
        """
        ...


class EvidenceSource(Protocol):
    """What the rollout controller reads; both arms measured alike."""

    async def unit_rows(
        self, branch: str, epoch: int, *, kpis: Sequence[str], window_days: int, now: datetime
    ) -> UnitRows:
        """First exposures of an epoch with the values of the KPIs named.

        Raises:
            StorageError: the data could not be read: no verdict.
        """
        ...

    async def freshness(self, branch: str) -> Freshness:
        """How new each arm's data is.

        Raises:
            StorageError: not known.
        """
        ...

    async def shadow(self, branch: str, since: datetime) -> ShadowEvidence:
        """What shadow calls showed since a moment.

        Raises:
            StorageError: not known.
        """
        ...


class AttemptStore(Protocol):
    """Failed authentications, across calls, numbers and restarts."""

    async def failures_since(self, subject: str, since: datetime) -> int:
        """Failures of a subject ("customer:<id>", "number:<keyed hash>") since a moment."""
        ...

    async def add_failure(self, subject: str, call_id: CallId, at: datetime) -> None:
        """Remember a failure."""
        ...

    async def reserve(self, subjects: Sequence[str], call_id: CallId, at: datetime, since: datetime) -> Reserved:
        """Count the failures of subjects since a moment and add one of each, in one step for all processes.

        An answer is judged only after its failure was reserved: then no number of calls at once, in whatever
        processes, gets more guesses than the limit. What was no failure is released; what a process that died
        leaves behind counts.
        """
        ...

    async def release(self, rows: Sequence[int]) -> None:
        """Take reserved failures back."""
        ...

    async def tally(self, subject: str, since: datetime, before: datetime) -> Tally:
        """Failures of a subject from a moment on and before another, and in how many calls."""
        ...

    async def raise_once(self, subject: str, call_id: CallId, at: datetime, since: datetime) -> bool:
        """Remember an alarm unless there is one since a moment, in one step; whether it is a new one."""
        ...


class VoiceprintStore(Protocol):
    """Consents, and encrypted samples and templates of voices."""

    async def consent(self, customer_id: str) -> bool | None:
        """The customer's last word on whether his voice may be kept; None when he was never asked."""
        ...

    async def record_consent(
        self, customer_id: str, agreed: bool, at: datetime, *, call_id: str = "", reference: str = ""
    ) -> None:
        """Keep his word; a withdrawal erases key, samples and template at once.

        Args:
            customer_id: who said it.
            agreed: yes, or no (also: not any more).
            at: aware UTC.
            call_id: of the call in which he said it, "" when it was not in a call.
            reference: of the paper on which it stands, "" when there is none.
        """
        ...

    async def samples(self, customer_id: str) -> tuple[VoiceSample, ...]:
        """Of an enrolment that is not finished, decrypted, oldest first.

        Raises:
            StorageDamaged: they do not open.
        """
        ...

    async def add_sample(self, customer_id: str, call_id: str, sample: VoiceSample, at: datetime) -> None:
        """Encrypt and keep the sample of a call, in place of one of the same call.

        Raises:
            StorageConflict: there is no consent in force.
        """
        ...

    async def template(self, customer_id: str) -> VoiceTemplate | None:
        """The template, decrypted; None when there is none or its key was destroyed.

        Raises:
            StorageDamaged: it does not open.
        """
        ...

    async def save(self, template: VoiceTemplate) -> None:
        """Encrypt and keep it in place of the one before; the samples it was made of are erased.

        Raises:
            StorageConflict: there is no consent in force.
        """
        ...

    async def erase(self, customer_id: str) -> bool:
        """Destroy the customer's key, samples, template and consents; False when there was nothing."""
        ...
