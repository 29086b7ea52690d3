"""A simulated caller: hears what the bot says, answers with his goal in mind, loses patience.

Takes lines (response and text), gives moves. He knows nothing of the bot's insides: only what a person on the
telephone would hear. Pure; chance comes from the persona's seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from ivrbot.bank.demo import DemoOperation
from ivrbot.model.speech import Language
from ivrbot.simulate import spoken, words_en, words_ru
from ivrbot.simulate.grammar import say
from ivrbot.simulate.moves import HangUp, Line, Move, Press, Quiet, Words
from ivrbot.simulate.persona import Manner, Persona

DELIVERS: Final[dict[str, frozenset[str]]] = {
    "block_card": frozenset({"utter_card_blocked", "utter_card_already_blocked", "utter_all_blocked"}),
    "block_all": frozenset({"utter_all_blocked"}),
    "stolen_bag": frozenset({"utter_card_blocked", "utter_card_already_blocked", "utter_all_blocked"}),
    "check_balance": frozenset({"utter_balance", "utter_balance_credit"}),
    "recent_transactions": frozenset({"utter_operation_first", "utter_no_operations"}),
    "salary_status": frozenset({"utter_salary", "utter_no_salary"}),
    "card_limits": frozenset({"utter_limits"}),
    "dispute_transaction": frozenset({"utter_claim_registered", "utter_claim_known"}),
    "loan_info": frozenset({"utter_loan", "utter_no_loan"}),
    "deposit_info": frozenset({"utter_deposit"}),
    "deposit_new": frozenset({"utter_rate"}),
    "find_office": frozenset({"utter_office_first"}),
    "online_bank_access": frozenset({"utter_online_bank_login"}),
    "complaint": frozenset({"utter_complaint_recorded"}),
    "thanks": frozenset({"utter_thanks_recorded"}),
}
"""What a caller takes for his wish fulfilled when he hears it."""

TROUBLE: Final = frozenset(
    {
        "utter_no_match",
        "utter_fact_wrong",
        "utter_fact_unclear",
        "utter_card_not_found",
        "utter_operation_not_found",
    }
)
"""Costs patience."""
DISPUTED: Final = DemoOperation("4271", 1, -500_000, "", "online")
"""The payment that Anna does not know."""
FITS: Final[dict[str, frozenset[str]]] = {
    "utter_ask_confirm_block": frozenset({"block_card", "block_all", "stolen_bag", "report_fraud"}),
    "utter_ask_confirm_all": frozenset({"block_card", "block_all", "stolen_bag", "report_fraud"}),
    "utter_ask_confirm_fraud": frozenset({"block_card", "block_all", "stolen_bag", "report_fraud"}),
    "utter_ask_block_other": frozenset({"block_card", "block_all", "stolen_bag", "report_fraud"}),
    "utter_ask_block_others": frozenset({"block_card", "block_all", "stolen_bag", "report_fraud"}),
    "utter_ask_dispute": frozenset({"dispute_transaction"}),
    "utter_ask_ordinal": frozenset({"dispute_transaction"}),
    "utter_ask_confirm_dispute": frozenset({"dispute_transaction"}),
    "utter_ask_deposit_wish": frozenset({"deposit_info", "deposit_new"}),
    "utter_ask_term": frozenset({"deposit_new"}),
    "utter_ask_withdrawals": frozenset({"deposit_new"}),
    "utter_ask_city": frozenset({"find_office"}),
    "utter_ask_complaint": frozenset({"complaint"}),
    "utter_ask_thanks": frozenset({"thanks"}),
}
"""Questions that show to whom they are put that he was understood, or not."""
OPENING: Final = frozenset({"utter_ask_topic", "utter_ask_topic_keys", "utter_use_keys"})
MENU_KEYS: Final = {
    "block_card": "1",
    "check_balance": "2",
    "dispute_transaction": "3",
    "loan_info": "4",
    "deposit_info": "5",
}


class Caller:
    """One person on the telephone.

    Attributes:
        satisfied: he has heard what he rang for.
        asked_person: he has asked for an operator.
        turns: moves made so far but silence.
    """

    def __init__(self, persona: Persona) -> None:
        self._who = persona
        self._rng = random.Random(f"{persona.seed}:words")
        self._left: set[Manner] = set(persona.manners)
        self._patience = persona.patience
        self._language: Language = persona.language
        self._words = words_ru if persona.language == "ru" else words_en
        self._last_question = ""
        self._wrong = set(persona.wrong)
        self._restated = 0
        self._tried_card = ""
        self._names_kind = len(persona.customer.cards) > 1 and self._rng.random() < 0.4
        self._disputed_at = 0
        self._misheard = False
        self._answers = self._table()
        self.satisfied = False
        self.asked_person = False
        self.turns = 0

    def answer(self, heard: Sequence[Line]) -> Move:
        """What he does when the bot has finished; `heard` is everything since his last move."""
        told = [line for line in heard if line.response in DELIVERS.get(self._who.goal.name, ())]
        if any(self._is_his(line) for line in told):
            self.satisfied = True
        self._misheard |= bool(told)  # until he says so, he has heard of another card or term
        self._misheard &= not self.satisfied
        asked = [line for line in heard if line.response in self._answers]
        question, text = (asked[-1].response, asked[-1].text) if asked else (self._last_question, "")
        for at, name in enumerate(("first", "second", "third")):
            if any(line.response == f"utter_operation_{name}" and _is_disputed(line.text) for line in heard):
                self._disputed_at = at
        self._note_trouble(heard, question)
        move = self._moved_by_temper(question) or self._habit(question) or self._reply(question, text)
        self._last_question = question
        self.turns += not isinstance(move, Quiet)
        return move

    def _is_his(self, line: Line) -> bool:
        """Whether a figure is that of the card or the term he means; where it is masked he takes it for his."""
        if self._who.goal.name == "deposit_new":
            return re.search(rf"\b{self._words.TERMS[self._who.term]}\b", line.text) is not None
        digits = re.findall(r"\b\d{4}\b", line.text)
        return self._who.goal.name != "check_balance" or not digits or self._who.card in digits

    # --- temper -------------------------------------------------------------------------------------------

    def _note_trouble(self, heard: Sequence[Line], question: str) -> None:
        if question and question == self._last_question and question not in OPENING:
            self._patience -= 1
        self._patience -= sum(line.response in TROUBLE for line in heard)

    def _moved_by_temper(self, question: str) -> Move | None:
        """Out of patience: a person, or goodbye."""
        if self._patience > 0 or self.satisfied or question in ("utter_wait_or_callback",):
            return None
        if self.asked_person or self._rng.random() < 0.3:
            return HangUp()
        self.asked_person = True
        if self._who.temper == "angry" and self._rng.random() < 0.5:
            return Words(f"{self._say('upset')} {self._say('ask_person')}")
        return Words(self._say("ask_person"))

    def _habit(self, question: str) -> Move | None:
        """Something that people do in calls beside answering."""
        if question in OPENING or not question:
            return None
        later = self._rng.random() < 0.5
        if self._took("goes_silent", later):
            return Quiet()
        if self._took("hangs_up", later and not self.satisfied):
            return HangUp()
        if self._took("asks_operator", later and not self.satisfied):
            self.asked_person = True
            return Words(self._say("ask_person"))
        if self._took("digresses", later and not self._who.goal.emergency):
            kind = self._rng.choice(("what", "wait", "robot", "side_topic"))
            return Words(self._say(kind))
        return None

    def _took(self, manner: Manner, now: bool) -> bool:
        if now and manner in self._left:
            self._left.discard(manner)
            return True
        return False

    # --- answers ------------------------------------------------------------------------------------------

    def _reply(self, question: str, text: str) -> Move:
        if self._who.goal.name not in FITS.get(question, (self._who.goal.name,)):
            return self._misunderstood()
        answer = self._answers.get(question)
        if answer is None:
            return Words(self._goal_sentence()) if not self.satisfied else Words(self._say("no_more"))
        return answer(text)

    def _misunderstood(self) -> Move:
        """A question that has nothing to do with what he rang for."""
        self._patience -= 1
        if self._restated > 1:
            return self._to_person()
        self._restated += 1
        if self._who.temper == "confused" and self._rng.random() < 0.15:
            return Words(self._say("yes_plain"))  # lost, he says yes to anything
        return Words(f"{self._say('not_this')} {self._goal_sentence()}")

    def _table(self) -> dict[str, Callable[[str], Move]]:
        def words(kind: str) -> Callable[[str], Move]:
            return lambda _text: Words(self._say(kind))

        def wish(kind: str, wanted: bool) -> Callable[[str], Move]:
            return words(kind if wanted else "no")

        goal = self._who.goal.name
        return {
            "utter_ask_topic": self._topic,
            "utter_ask_topic_keys": self._topic,
            "utter_use_keys": self._topic,
            "utter_ask_more": self._more,
            "utter_ask_fact_last_four": lambda _text: self._fact("last_four"),
            "utter_ask_fact_code_word": lambda _text: self._fact("code_word"),
            "utter_ask_fact_date_of_birth": lambda _text: self._fact("date_of_birth"),
            "utter_ask_fact_full_name": lambda _text: self._fact("full_name"),
            "utter_ask_fact_name_and_birth": lambda _text: self._name_and_birth(),
            "utter_ask_fact_phone": lambda _text: self._phone(),
            "utter_ask_card": lambda _text: self._which_card(),
            "utter_ask_card_for_balance": lambda _text: self._which_card(),
            "utter_ask_card_of_two": lambda _text: self._which_card(),
            "utter_ask_confirm_block": self._confirm_card,
            "utter_ask_another_card": lambda _text: self._another_card(),
            "utter_ask_block_other": wish("yes_plain", goal in ("block_all", "stolen_bag")),
            "utter_ask_block_others": wish("yes_plain", goal in ("block_all", "stolen_bag")),
            "utter_ask_wants_reissues": lambda _text: Words(self._say(self._rng.choice(("yes_plain", "no")))),
            "utter_ask_wants_reissue": lambda _text: Words(self._say(self._rng.choice(("yes_plain", "no")))),
            "utter_ask_confirm_all": self._confirm_all,
            "utter_ask_confirm_fraud": self._confirm_all,
            "utter_ask_connect_salary_sms": lambda _text: Words(self._say(self._rng.choice(("yes_plain", "no")))),
            "utter_ask_more_operations": words("no"),
            "utter_ask_change_limits": wish("yes_plain", goal == "raise_limit"),
            "utter_ask_limit_kind": lambda _text: Press("1"),
            "utter_ask_new_limit_minor": lambda _text: Press("150000#"),
            "utter_ask_confirm_limit": words("yes_plain"),
            "utter_ask_fact_one_time_code": lambda _text: self._to_person(),  # he has no telephone to look at
            "utter_ask_dispute": words("sum"),
            "utter_ask_ordinal": lambda text: Words(self._say("ordinal")),
            "utter_ask_confirm_dispute": self._confirm_dispute,
            "utter_ask_to_operator": words("no"),
            "utter_ask_open_deposit": words("no"),
            "utter_ask_deposit_wish": words("new" if goal == "deposit_new" else "own"),
            "utter_ask_term": words("term"),
            "utter_ask_withdrawals": lambda _text: Words(self._say(self._rng.choice(("yes_plain", "no")))),
            "utter_ask_city": words("city"),
            "utter_ask_check_sms": wish("yes_plain", self._rng.random() < 0.5),
            "utter_ask_connect_sms": words("yes_plain"),
            "utter_ask_complaint": words("grievance"),
            "utter_ask_thanks": words("praise"),
            "utter_wait_or_callback": lambda _text: Press("2"),
            "utter_closed_callback": lambda _text: Press("2"),
            "utter_nobody_callback": lambda _text: Press("2"),
        }

    def _topic(self, _text: str) -> Move:
        first = not self._last_question
        if first and self._who.language != self._who.line_language:
            self._last_question = "language"
            if self._rng.random() < 0.5 or self._who.language == "ru":
                return Press("9")
            return Words(self._say("english"))
        if not first and self._last_question in OPENING:
            self._restated += 1
        if self._restated > 2:
            return HangUp() if self.asked_person else self._to_person()
        key = MENU_KEYS.get(self._who.goal.name)
        if _text.count(",") > 4 and key and (self._restated or "keys" in self._who.manners):
            return Press(key)
        if "vague" in self._left:
            self._left.discard("vague")
            return Words(self._opened(self._line(self._words.VAGUE)))
        return Words(self._opened(self._goal_sentence()) if not self._restated else self._goal_sentence())

    def _to_person(self) -> Move:
        self.asked_person = True
        return Words(self._say("ask_person"))

    def _opened(self, sentence: str) -> str:
        return f"{self._line(self._words.OPENERS[self._who.temper])} {sentence}".strip()

    def _goal_sentence(self) -> str:
        said = self._line(self._words.TOPICS[self._who.goal.name])
        if (
            "negates" in self._left
            and not self._who.goal.topic.startswith("block")
            and not self._who.goal.emergency
        ):
            self._left.discard("negates")
            negated = self._line(self._words.NEGATED)
            said = f"{negated} {said}" if self._rng.random() < 0.6 else f"{said} {negated}"
        if "over_answers" in self._left and self._who.goal.customers:
            self._left.discard("over_answers")
            said = f"{said} {self._more_than_asked()}"
        return said

    def _more_than_asked(self) -> str:
        """Facts that nobody has asked for yet."""
        name = self._who.goal.name
        if name in ("block_card", "check_balance", "stolen_bag"):
            return self._say(self._rng.choice(("card", "name", "kind")))
        if name == "dispute_transaction":
            return self._say("sum")
        if name == "find_office":
            return self._say("city")
        if name == "deposit_new":
            return self._say("term")
        return self._say("name")

    def _more(self, _text: str) -> Move:
        if self.satisfied:
            return HangUp() if self._rng.random() < 0.25 else Words(self._say("no_more"))
        self._restated += 1
        if self._restated > 2:
            return HangUp() if self.asked_person else self._to_person()
        other = "that_term" if self._who.goal.name == "deposit_new" else "that_card"
        return Words(self._say(other) if self._misheard else self._goal_sentence())

    def _fact(self, fact: str) -> Move:
        if fact in self._who.unknown:
            return Words(self._say("unable"))
        wrong = fact in self._wrong
        self._wrong.discard(fact)
        if fact == "last_four":
            digits = self._other_digits() if wrong else self._who.card
            if "keys" in self._who.manners:
                return Press(digits)
            return Words(self._say("card", card=spoken.digits_in_words(digits, self._language, self._rng)))
        if fact == "date_of_birth":
            born = date.fromisoformat(self._who.customer.born) + timedelta(days=31 if wrong else 0)
            if "keys" in self._who.manners:
                return Press(f"{born:%d%m%Y}")
            return Words(self._say("date", date=spoken.date_in_words(born, self._language, self._rng)))
        if fact == "full_name":
            return Words(self._say("name", name=self._name(wrong=wrong)))
        return Words(self._say("code_word", word=self._code_word(wrong=wrong)))

    def _name_and_birth(self) -> Move:
        """Both, or the name alone: not everybody remembers the second half of a question."""
        name = self._name(wrong="full_name" in self._wrong)
        if self._rng.random() < 0.25:
            self._wrong.discard("full_name")
            return Words(self._say("name", name=name))
        born = date.fromisoformat(self._who.customer.born)
        born += timedelta(days=31 if "date_of_birth" in self._wrong else 0)
        self._wrong -= {"full_name", "date_of_birth"}
        said = spoken.date_in_words(born, self._language, self._rng)
        return Words(self._say("name_and_birth", name=name, date=said))

    def _other_digits(self) -> str:
        digits = list(self._who.card)
        at = self._rng.randrange(4)
        digits[at] = str((int(digits[at]) + self._rng.randint(1, 9)) % 10)
        return "".join(digits)

    def _name(self, *, wrong: bool) -> str:
        own = [parts for language, parts in self._who.customer.names if language == self._language]
        first, patronymic, surname = self._rng.choice(own)
        if wrong:
            return first
        forms = [f"{surname} {first} {patronymic}"] * 3 + [f"{first} {patronymic} {surname}"]
        return self._rng.choice(forms).lower()

    def _code_word(self, *, wrong: bool) -> str:
        if wrong:
            return {"ru": "ромашка", "en": "sunflower"}[self._language]
        return self._rng.choice(
            [word for language, word in self._who.customer.code_words if language == self._language]
        )

    def _phone(self) -> Move:
        if self._who.goal.name == "stolen_bag" and self._rng.random() < 0.5:
            return Words(self._say("no_phone"))
        return Press(self._who.customer.phone[1:] + "#")

    def _which_card(self) -> Move:
        if self._who.goal.name == "block_all":
            return Words(self._say("all_cards"))
        if self._took("corrects", len(self._who.customer.cards) > 1):
            other = next(card.last4 for card in self._who.customer.cards if card.last4 != self._who.card)
            return Words(self._say("card", card=spoken.digits_in_words(other, self._language, self._rng)))
        return Words(self._say(self._rng.choice(("card", "card", "kind"))))

    def _confirm_card(self, text: str) -> Move:
        named = re.findall(r"\d{4}", text)
        if named and self._who.card not in named:
            return Words(self._say("not_that_card"))
        return Words(self._say("yes"))

    def _confirm_all(self, _text: str) -> Move:
        if self._who.goal.name == "block_card" and len(self._who.customer.cards) > 1:
            return Words(self._say("only_this_card"))
        return Words(self._say("yes"))

    def _another_card(self) -> Move:
        if self.satisfied or self._who.goal.topic != "block_card":
            return Words(self._say("no"))
        return Words(self._say("card"))

    def _confirm_dispute(self, text: str) -> Move:
        return Words(self._say("yes_plain" if _is_disputed(text) or "***" in text else "no"))

    # --- words --------------------------------------------------------------------------------------------

    def _say(self, kind: str, **values: str) -> str:
        return self._line(self._words.SAY[kind], **values)

    def _line(self, lines: Sequence[str], **values: str) -> str:
        return say(self._rng.choice(lines), self._rng, {**self._values(), **values})

    def _values(self) -> dict[str, str]:
        card = next(card for card in self._who.customer.cards if card.last4 == self._who.card)
        nominative, accusative, prepositional = self._words.KINDS[card.kind]
        named = self._names_kind
        return {
            "a": "а" if self._who.woman else "",
            "sya": "ась" if self._who.woman else "ся",
            "which": nominative,
            "kind": accusative if named else "",
            "kind_on": prepositional if named else "",
            "card": spoken.digits_in_words(self._who.card, self._language, self._rng),
            "sum": spoken.sum_in_words(-DISPUTED.amount_minor, self._language, self._rng),
            "city": self._words.CITIES[self._who.city],
            "city_name": self._rng.choice(self._words.CITY_NAMES[self._who.city]),
            "term": self._words.TERMS[self._who.term],
            "ordinal": self._words.ORDINALS[self._disputed_at],
            "name": self._name(wrong=False),
        }


def _is_disputed(text: str) -> bool:
    return str(-DISPUTED.amount_minor) in re.sub(r"[\s,]", "", text)
