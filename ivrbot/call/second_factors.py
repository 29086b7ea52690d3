"""What makes level strong in one call: a one-time code that is keyed, or the voice that repeats digits.

Takes what was said or keyed, gives what the ladder makes of it; on top of `Proving`, whose facts come first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ivrbot.call.beside import beside
from ivrbot.call.one_time_codes import Sending
from ivrbot.call.proving import Proving
from ivrbot.identity import ladder
from ivrbot.identity.facts import declines, readings
from ivrbot.identity.policy import SecondFactor
from ivrbot.identity.state import Attempt, CodeOutcome, Refusal
from ivrbot.language.resending import wants_resend
from ivrbot.model.bank import Fact
from ivrbot.model.dialogue import Authenticate, AuthReply
from ivrbot.model.speech import Language
from ivrbot.model.voiceprint import VoiceVerdict

CODE: Final = SecondFactor.ONE_TIME_CODE.value
VOICE: Final = SecondFactor.VOICE.value
DIGITS: Final = "voice_digits"
"""Variable of the question that is answered by voice."""
AGAIN: Final = "utter_fact_unclear"
RESEND_KEY: Final = "*"
CODE_SENT: Final = "utter_code_sent"
CODE_SENT_AGAIN: Final = "utter_code_sent_again"
CODE_OVER: Final = "utter_code_over"
CODE_BY_KEYS: Final = "utter_code_by_keys"


class SecondFactors(Proving):
    """The second factors of one call; `Authenticator` is the whole of it."""

    # --- one-time codes -----------------------------------------------------------------------------

    async def _code_answered(self, act: Authenticate, language: Language) -> AuthReply:
        """Keys are the code; words are a wish for another one, a "cannot", or digits that were not to be said."""
        again = AuthReply("ask", CODE)
        if act.keyed and act.answers[0] == RESEND_KEY:
            return await self._send_code(act.operation, again, language, CODE_SENT_AGAIN)
        if act.keyed:
            return await self._code_keyed(act)
        if any(wants_resend(text, language) for text in act.answers[:1]):
            return await self._send_code(act.operation, again, language, CODE_SENT_AGAIN)
        attempt = Attempt(declined=declines(act.answers, language))
        self.state, reply = ladder.answer(self.state, self._policy, act.operation, CODE, attempt)
        return replace(reply, say=CODE_BY_KEYS) if reply.fact == CODE else reply

    async def _code_keyed(self, act: Authenticate) -> AuthReply:
        customer_id, purpose = self.state.customer_id or "", self.state.purpose
        async with self._locks.of(f"customer:{customer_id}"), self._counter.judging(customer_id) as judged:
            judged.guessed = False
            self.state = replace(self.state, counts=judged.before)
            # Who is locked out has nothing compared any more.
            blocked = ladder.is_blocked(self.state, self._policy)
            outcome = CodeOutcome.OVER if blocked else self._codes.keyed(customer_id, purpose, act.answers[0])
            self.state, reply = ladder.code_keyed(self.state, self._policy, act.operation, outcome)
            judged.failed = outcome is CodeOutcome.WRONG
        return replace(reply, say=CODE_OVER) if outcome is CodeOutcome.OVER and reply.fact == CODE else reply

    async def _send_code(
        self, operation: str, reply: AuthReply, language: Language, say: str = CODE_SENT
    ) -> AuthReply:
        """Send a code, then ask for it; where none can be sent, an operator goes on."""
        sending = await self._codes.send(
            self.state.customer_id or "",
            self._phone,
            self.state.purpose,
            operation=operation,
            details=self._details,
            language=language,
        )
        if sending is Sending.SENT:
            return replace(reply, say=reply.say or say)
        reason = Refusal.CODE_NOT_SENT if sending is Sending.FAILED else Refusal.CODES_USED_UP
        self.state, refused = ladder.refuse(self.state, reason)
        return refused

    # --- beside the question ------------------------------------------------------------------------

    async def _no_answer(self, act: Authenticate, language: Language) -> AuthReply | None:
        """Something else said where there is nothing to compare it with yet; None: it may be the answer."""
        today = self._now().date()
        answers = self._number_in(act, language) or readings(
            Fact.DATE_OF_BIRTH, act.answers, act.keyed, language, today
        )
        if act.keyed or answers or declines(act.answers, language) or wants_resend(act.answers[0], language):
            return None
        said = await beside(act, language, self._meaning)
        return self._beside(act, said) if said is not None else None

    # --- voice --------------------------------------------------------------------------------------

    async def _voice_answered(self, act: Authenticate, language: Language) -> AuthReply:
        """The digits were repeated, or not; whatever the voice is worth, the ladder says what it opens."""
        # Who is locked out has nothing compared any more.
        self.state = replace(self.state, counts=await self._counter.counts(self.state.customer_id))
        verdict: VoiceVerdict | None = VoiceVerdict.INDETERMINATE
        if not ladder.is_blocked(self.state, self._policy):
            verdict = await self._voice.judge(
                self.state.customer_id or "",
                act.answers,
                keyed=act.keyed,
                declined=declines(act.answers, language),
                language=language,
            )
        if verdict is None:
            return AuthReply("ask", VOICE, say=AGAIN)
        self.state, reply = ladder.voice_compared(self.state, self._policy, act.operation, verdict)
        return reply
