"""What one call does with the caller's voice: keeps his turns in memory, asks consent, enrols, compares.

Takes his turns as they end, gives verdicts for the ladder, and events without anything biometric in them. Sound is
never written anywhere; it is dropped when the call is over. Whatever fails here costs the caller nothing but the
convenience: he is asked for a one-time code.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ivrbot import metrics
from ivrbot.call.channel import Channel, Heard, Keyed, Spoken
from ivrbot.call.handover import Talk
from ivrbot.errors import EngineError, LegClosed, StorageConflict, StorageError
from ivrbot.identity.voices import compare, doubt_about, enrolled
from ivrbot.language.answers import parse_yes_no
from ivrbot.language.codes import parse_digits
from ivrbot.model.audio import Pcm, duration_ms
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import Collect, Say
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Language
from ivrbot.model.voiceprint import VoiceComparison, VoiceDoubt, VoiceSample, VoiceThresholds, VoiceVerdict
from ivrbot.ports import VoiceprintEngine, VoiceprintStore

log = logging.getLogger(__name__)

ASK: Final = "utter_ask_voice_consent"
AGREED: Final = "utter_voice_consent_given"
DECLINED: Final = "utter_voice_consent_declined"
TEXTS: Final = frozenset({ASK, AGREED, DECLINED})
"""Responses of flows/<lang>.yml that are spoken here."""

KEPT_MS: Final = 60_000
"""Of the caller's speech in memory; of more, the oldest turn goes."""
CHALLENGE_DIGITS: Final = 6
"""Said in about three seconds: fewer are too short to be compared by themselves."""
CHALLENGES: Final = 2
COMPARE_S: Final = 4.0
"""Nobody waits longer for a comparison: a one-time code is quicker."""
ENROL_S: Final = 15.0
ANSWER_MS: Final = 6000
YES_KEY: Final = "1"
NO_KEY: Final = "2"
MODEL_SHOWN: Final = 12
"""Characters of a model's hash in events."""


@dataclass(frozen=True, slots=True)
class Voices:
    """What the calls of a process share; where voices are not compared there is none.

    Attributes:
        engine: started.
        store: consents and templates.
        thresholds: of the settings.
    """

    engine: VoiceprintEngine
    store: VoiceprintStore
    thresholds: VoiceThresholds


class CallVoice:
    """One caller's voice, for one call.

    Args:
        voices: shared by all calls; None: nothing is kept, compared or asked.
        call_id: of the call.
        emit: the recorder's entrance.
        now: aware UTC clock.
    """

    def __init__(
        self,
        voices: Voices | None,
        call_id: CallId,
        emit: Callable[[EventType, dict[str, JsonValue]], None],
        now: Callable[[], datetime],
    ) -> None:
        self._voices = voices
        self._call_id = call_id
        self._emit = emit
        self._now = now
        self._turns: deque[Pcm] = deque()
        self._kept_ms = 0
        self._turns_heard = 0
        self._turns_before = 0
        self._digits = ""
        self._challenges = 0
        self._strong_as = ""
        self._has_sound = False

    def listen_to(self, channel: Channel) -> None:
        """Take the turns of a channel from now on, where voices are compared and the channel has sound."""
        self._has_sound = self._voices is not None and channel.share_turns(self.hear)

    def hear(self, turn: Pcm) -> None:
        """A turn of the caller has ended in which nothing of the bot's own voice can be."""
        self._turns.append(turn)
        self._turns_heard += 1
        self._kept_ms += duration_ms(turn)
        while self._kept_ms > KEPT_MS and len(self._turns) > 1:
            self._kept_ms -= duration_ms(self._turns.popleft())

    def became_strong(self, customer_id: str) -> None:
        """He has keyed the code that was sent to this customer: the voice of this call is worth keeping."""
        self._strong_as = customer_id

    def drop(self) -> None:
        """Forget all sound. Idempotent."""
        self._turns.clear()
        self._kept_ms = 0

    # --- comparing ------------------------------------------------------------------------------------

    async def can_compare(self, customer_id: str) -> bool:
        """Whether this customer's voice may be asked for: kept with his consent, by the model in use."""
        voices = self._voices
        if voices is None or not self._has_sound:
            return False
        try:
            template = await voices.store.template(customer_id)
            agreed = template is not None and await voices.store.consent(customer_id) is True
        except StorageError as error:
            log.warning("a voice cannot be compared: %s", error.code)
            return False
        return agreed and template is not None and template.model == voices.engine.model

    def challenge(self) -> str:
        """Digits that he is to repeat, never the same twice: what was recorded of him before cannot know them."""
        digits = "".join(secrets.SystemRandom().sample("0123456789", CHALLENGE_DIGITS))
        while digits == self._digits:
            digits = "".join(secrets.SystemRandom().sample("0123456789", CHALLENGE_DIGITS))
        self._digits, self._turns_before = digits, self._turns_heard
        self._challenges += 1
        return digits

    async def judge(
        self, customer_id: str, answers: Sequence[str], *, keyed: bool, language: Language, declined: bool = False
    ) -> VoiceVerdict | None:
        """What his answer to the challenge is worth.

        Args:
            customer_id: whom he says he is.
            answers: readings of what he said, best first.
            keyed: he pressed keys instead: a hand has no voice.
            language: of the call.
            declined: he will or can not.

        Returns:
            A verdict for the ladder; None when he is to repeat other digits.
        """
        if keyed or declined:
            doubt = VoiceDoubt.KEYED if keyed else VoiceDoubt.DECLINED
            return self._noted(VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=doubt))
        if not self._repeated(answers, language):
            if self._challenges < CHALLENGES:
                return None
            return self._noted(VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.WRONG_DIGITS))
        return self._noted(await self._compared(customer_id))

    def _repeated(self, answers: Sequence[str], language: Language) -> bool:
        """Whether the digits were said, in a turn whose sound is here."""
        said = any(parse_digits(answer, language, CHALLENGE_DIGITS) == self._digits for answer in answers)
        return bool(self._digits) and said and self._turns_heard > self._turns_before

    async def _compared(self, customer_id: str) -> VoiceComparison:
        voices = self._voices
        assert voices is not None
        try:
            async with asyncio.timeout(COMPARE_S):
                template = await voices.store.template(customer_id)
                answer = await voices.engine.sample(self._since(self._turns_before))
                sample = await voices.engine.sample(self._since(0))
        except (EngineError, TimeoutError) as error:
            code = error.code if isinstance(error, EngineError) else "engine_timeout"
            metrics.ENGINE_FAILURES.labels("voiceprint", code).inc()
            return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.ENGINE_FAILED)
        except StorageError as error:
            log.warning("a voice could not be compared: %s", error.code)
            return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.STORE_FAILED)
        return compare(sample, template, voices.thresholds, answer)

    def _since(self, turn: int) -> Pcm:
        """The sound of the turns after the first so many of the call, as far as it is kept."""
        wanted = min(len(self._turns), self._turns_heard - turn)
        return Pcm(b"".join(list(self._turns)[len(self._turns) - wanted :]))

    def _noted(self, done: VoiceComparison) -> VoiceVerdict:
        model = self._voices.engine.model if self._voices is not None else ""
        doubt = done.doubt.value if done.doubt else ""
        metrics.VOICE_VERDICTS.labels(done.verdict.value, doubt).inc()
        self._emit(
            EventType.VOICE_COMPARED,
            {
                "verdict": done.verdict.value,
                "score": None if done.score is None else round(done.score, 2),
                "doubt": doubt,
                "model": model[:MODEL_SHOWN],
            },
        )
        return done.verdict

    # --- consent --------------------------------------------------------------------------------------

    async def may_ask_consent(self) -> bool:
        """Whether he is to be asked now: once in his life, and only after he has proven who he is."""
        if self._voices is None or not self._strong_as or not self._turns:
            return False
        try:
            return await self._voices.store.consent(self._strong_as) is None
        except StorageError as error:
            log.warning("consent is not asked: %s", error.code)
            return False

    async def ask_consent(self, talk: Talk, language: Language) -> None:
        """Ask whether his voice may be kept; neither yes nor no is no consent, and he is asked another time.

        Args:
            talk: the call.
            language: of the call.
        """
        voices = self._voices
        if voices is None or not all(talk.has(text) for text in TEXTS):
            return
        try:
            await talk.say(Say(ASK, interruptible=False))  # what one agrees to must have been heard
            heard = await talk.listen(
                Collect("confirm", Expect.YES_NO, max_digits=1, timeout_ms=ANSWER_MS), _never
            )
            agreed = _agreed(heard, language)
            told = {True: "yes", False: "no", None: "none"}[agreed]
            if agreed is not None:
                await voices.store.record_consent(self._strong_as, agreed, self._now(), call_id=self._call_id)
            self._emit(EventType.VOICE_CONSENT, {"answer": told})
            await talk.say(Say(AGREED if agreed else DECLINED))
        except StorageError as error:
            log.error("a consent could not be kept: %s", error.code)
        except (LegClosed, EngineError):
            log.info("consent was not asked to the end")

    # --- enrolling ------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """After the caller is gone: keep a sample where he has agreed, and forget the sound. Never raises."""
        try:
            if self._voices is not None and self._strong_as and self._turns:
                async with asyncio.timeout(ENROL_S):
                    await self._enrol(self._voices, self._strong_as)
        except EngineError as error:
            metrics.ENGINE_FAILURES.labels("voiceprint", error.code).inc()
        except StorageConflict:
            log.info("the consent was withdrawn meanwhile: nothing is kept")
        except (StorageError, TimeoutError) as error:
            log.warning("a voice was not enrolled: %s", type(error).__name__)
        except Exception:  # the call is over: nothing of it may fail on this
            log.exception("a voice was not enrolled")
        finally:
            self.drop()

    async def _enrol(self, voices: Voices, customer_id: str) -> None:
        if await voices.store.consent(customer_id) is not True:
            return
        template = await voices.store.template(customer_id)
        if template is not None and template.model == voices.engine.model:
            return
        sample = await voices.engine.sample(self._since(0))
        doubt = doubt_about(sample, voices.thresholds)
        done = False
        if doubt is None:
            await voices.store.add_sample(customer_id, self._call_id, sample, self._now())
            done = await self._made(voices, customer_id)
        told: dict[str, JsonValue] = {
            "kept": doubt is None,
            "done": done,
            "doubt": doubt.value if doubt else "",
            "speech_ms": sample.speech_ms,
            "model": sample.model[:MODEL_SHOWN],
        }
        self._emit(EventType.VOICE_ENROLLED, told)

    async def _made(self, voices: Voices, customer_id: str) -> bool:
        """Whether the samples now make a template."""
        samples: tuple[VoiceSample, ...] = await voices.store.samples(customer_id)
        template = enrolled(customer_id, samples, voices.thresholds, self._now())
        if template is not None:
            await voices.store.save(template)
        return template is not None


def _agreed(heard: Heard, language: Language) -> bool | None:
    """Yes only when it was said or keyed plainly; by every reading, or the best one."""
    if isinstance(heard, Keyed):
        return {YES_KEY: True, NO_KEY: False}.get(heard.digits)
    if isinstance(heard, Spoken):
        return parse_yes_no(heard.hypotheses[0].text, language)
    return None


async def _never(_text: str) -> bool:
    """An answer to this is not cut short."""
    return False
