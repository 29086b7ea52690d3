"""Who rings and what for: goals, temper, knowledge, manner, drawn with a seed.

Takes a seed and a number, gives a `Persona`; customers are the demo bank's. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from ivrbot.bank.demo import CUSTOMERS, OFFICES, DemoCustomer
from ivrbot.model.speech import Language

Temper = Literal["calm", "angry", "hurried", "confused"]
Manner = Literal[
    "over_answers", "corrects", "digresses", "goes_silent", "hangs_up", "asks_operator", "negates", "vague", "keys"
]

ANNA, PYOTR, MARIA = (customer.customer_id for customer in CUSTOMERS)
EVERYBODY: Final = (ANNA, PYOTR, MARIA)
WOMEN: Final = frozenset({ANNA, MARIA})


@dataclass(frozen=True, slots=True)
class Goal:
    """What a caller wants.

    Attributes:
        name: of the goal; several goals may be one topic.
        topic: as in `flows/branches.yml`; "" is nothing that the bank's line serves.
        weight: how often it is drawn.
        customers: who can have it.
        by_operator: only a person can serve it, so the right thing is to hand over.
        emergency: the caller is in no mood for anything else.
        foreign: rung from a telephone that the bank does not know.
    """

    name: str
    topic: str
    weight: int
    customers: tuple[str, ...] = EVERYBODY
    by_operator: bool = False
    emergency: bool = False
    foreign: bool = False


GOALS: Final[dict[str, Goal]] = {
    goal.name: goal
    for goal in (
        Goal("block_card", "block_card", 14, emergency=True),
        Goal("block_all", "block_card", 3, (ANNA, PYOTR), emergency=True),
        Goal("stolen_bag", "block_card", 4, emergency=True, foreign=True),
        Goal("card_reissue", "card_reissue", 3, by_operator=True),
        Goal("report_fraud", "report_fraud", 4, (ANNA, PYOTR), by_operator=True, emergency=True),
        Goal("check_balance", "check_balance", 16),
        Goal("recent_transactions", "recent_transactions", 7),
        Goal("salary_status", "salary_status", 7),
        Goal("card_limits", "card_limits", 4),
        Goal("raise_limit", "card_limits", 2, by_operator=True),
        Goal("dispute_transaction", "dispute_transaction", 6, (ANNA,)),
        Goal("loan_info", "loan_info", 5),
        Goal("deposit_info", "deposit_info", 3, (MARIA,)),
        Goal("deposit_new", "deposit_info", 3),
        Goal("find_office", "find_office", 5),
        Goal("online_bank_access", "online_bank_access", 4),
        Goal("complaint", "complaint", 3),
        Goal("thanks", "thanks", 2),
        Goal("pin_change", "pin_change", 2, by_operator=True),
        Goal("atm_problem", "atm_problem", 2, by_operator=True),
        Goal("operator", "operator", 5, by_operator=True),
        Goal("something_else", "", 4, by_operator=True),
    )
}

_TEMPERS: Final[dict[Temper, int]] = {"calm": 5, "hurried": 2, "confused": 2, "angry": 1}
_PATIENCE: Final[dict[Temper, tuple[int, int]]] = {
    "calm": (4, 7),
    "confused": (3, 6),
    "hurried": (2, 4),
    "angry": (2, 3),
}
_MANNERS: Final[dict[Manner, float]] = {
    "over_answers": 0.15,
    "corrects": 0.10,
    "digresses": 0.10,
    "goes_silent": 0.07,
    "hangs_up": 0.03,
    "asks_operator": 0.03,
    "negates": 0.06,
    "vague": 0.12,
    "keys": 0.20,
}
FACTS: Final = ("last_four", "code_word", "date_of_birth", "full_name")


@dataclass(frozen=True, slots=True)
class Persona:
    """One caller.

    Attributes:
        number: of the simulated call.
        phone: that he rings from, E.164.
        language: that he speaks.
        line_language: of the line's first words.
        unknown: facts that he has forgotten.
        wrong: facts that he gives wrongly the first time.
        manners: habits that show in this call.
        patience: how many times something may go wrong before he asks for a person or leaves.
        card: last four digits of the card that he means.
        noise: share of his words that the recogniser gets wrong.
        harsh: even "yes" and "no" may be lost.
        seed: of everything that he says.
    """

    number: int
    goal: Goal
    customer: DemoCustomer
    phone: str
    language: Language
    line_language: Language
    temper: Temper
    unknown: frozenset[str]
    wrong: frozenset[str]
    manners: frozenset[Manner]
    patience: int
    card: str
    city: str
    term: str
    noise: float
    harsh: bool
    seed: str

    @property
    def woman(self) -> bool:
        """Russian verbs of the past want to know."""
        return self.customer.customer_id in WOMEN

    @property
    def foreign(self) -> bool:
        """The bank does not know the number that he rings from."""
        return self.phone != self.customer.phone

    @property
    def can_prove_himself(self) -> bool:
        """He knows enough to be verified without a wrong answer."""
        return len(self.unknown | self.wrong) <= 1


def draw(
    seed: int,
    number: int,
    *,
    goals: Iterable[str] = GOALS,
    languages: tuple[Language, ...] = ("ru", "ru", "ru", "ru", "en"),
    noise: float | None = None,
) -> Persona:
    """The caller of a number; the same for the same seed, however many ring beside him.

    Args:
        seed: of the simulation.
        number: of the call.
        goals: names to draw from.
        languages: to draw from, repeated by weight.
        noise: share of words misheard; None draws one.
    """
    key = f"{seed}:{number}"
    rng = random.Random(key)
    choice = [GOALS[name] for name in goals]
    goal = rng.choices(choice, [one.weight for one in choice])[0]
    customer_id = rng.choice(goal.customers)
    customer = next(one for one in CUSTOMERS if one.customer_id == customer_id)
    temper = rng.choices(list(_TEMPERS), list(_TEMPERS.values()))[0]
    language = rng.choice(languages)
    other: Language = "en" if language == "ru" else "ru"
    foreign = goal.foreign or rng.random() < 0.08
    return Persona(
        number=number,
        goal=goal,
        customer=customer,
        phone=f"+7999{rng.randrange(10**7):07d}" if foreign else customer.phone,
        language=language,
        line_language=other if rng.random() < 0.08 else language,
        temper=temper,
        unknown=frozenset(fact for fact in FACTS[:2] if rng.random() < (0.25 if fact == "code_word" else 0.08)),
        wrong=frozenset(fact for fact in FACTS if rng.random() < 0.05),
        manners=frozenset(manner for manner, chance in _MANNERS.items() if rng.random() < chance),
        patience=rng.randint(*_PATIENCE[temper]),
        card=rng.choice(customer.cards).last4,
        city=rng.choice(OFFICES).city,
        term=rng.choice(("three_months", "half_year", "one_year")),
        noise=rng.choice((0.0, 0.0, 0.05, 0.10, 0.20)) if noise is None else noise,
        harsh=rng.random() < 0.1 and noise != 0.0,
        seed=key,
    )
