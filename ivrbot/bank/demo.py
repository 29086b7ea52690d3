"""The demo bank's customers, offices and rates: all invented, the same after every reset.

Gives frozen records; money in kopecks, dates relative to today so that "yesterday" stays yesterday.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ivrbot.model.speech import Language

CURRENCY = "RUB"

HIGHEST_LIMITS_MINOR: Final = {"payments": 50_000_000, "cash": 30_000_000}
"""The highest daily limits that customers may set themselves, by kind."""


@dataclass(frozen=True, slots=True)
class DemoCard:
    """A card; `balance_minor` is the account's: of a credit card, minus what is owed.

    Attributes:
        reference: of the blocking, when `status` is "blocked".
        limit_minor: of a credit card, else 0.
    """

    last4: str
    kind: Literal["salary debit", "debit", "credit", "virtual"]
    balance_minor: int
    limit_minor: int = 0
    status: Literal["active", "blocked"] = "active"
    reference: str = ""


@dataclass(frozen=True, slots=True)
class DemoOperation:
    """Something that happened on a card; negative amounts were spent.

    Attributes:
        category: what kind of thing it was, out of the list that `flows/domain.yml` can speak.
    """

    last4: str
    days_ago: int
    amount_minor: int
    merchant: str
    category: Literal["salary", "online", "groceries"]


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    """Everything about one customer; the secrets leave this module only as hashes.

    Attributes:
        names: spellings by language, in the order name, patronymic, surname.
        code_words: accepted expressions by language.
        products: values of further reads by operation name; `*_in_days` and `*_days_ago` count from today and
            `on_day` is the next such day of a month.
    """

    customer_id: str
    phone: str
    name: str
    born: str
    names: tuple[tuple[Language, tuple[str, ...]], ...]
    code_words: tuple[tuple[Language, str], ...]
    cards: tuple[DemoCard, ...]
    operations: tuple[DemoOperation, ...] = ()
    products: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    services: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without secrets."""
        return f"DemoCustomer({self.customer_id!r})"


CUSTOMERS = (
    DemoCustomer(
        customer_id="c-1001",
        phone="+79161234567",
        name="Анна Сергеевна Соколова",
        born="1989-03-05",
        names=(
            ("ru", ("Анна", "Сергеевна", "Соколова")),
            ("en", ("Anna", "Sergeevna", "Sokolova")),
            ("en", ("Anna", "Sergeyevna", "Sokolova")),
        ),
        code_words=(("ru", "черёмуха"), ("en", "cherry tree")),
        cards=(
            DemoCard("4271", "salary debit", 1_234_567),
            DemoCard("9030", "credit", -2_018_040, limit_minor=15_000_000),
        ),
        operations=(
            DemoOperation("4271", 1, 6_150_000, "Зарплата", "salary"),
            DemoOperation("4271", 1, -500_000, "ONLINE MARKET 24", "online"),
            DemoOperation("4271", 2, -124_350, "Продукты у дома", "groceries"),
        ),
        products=(
            ("get_salary", (("amount_minor", 6_150_000), ("came_days_ago", 1))),
            ("get_limits", (("payments_minor", 20_000_000), ("cash_minor", 10_000_000))),
        ),
    ),
    DemoCustomer(
        customer_id="c-1002",
        phone="+79031112233",
        name="Пётр Ильич Орлов",
        born="1975-11-21",
        names=(
            ("ru", ("Пётр", "Ильич", "Орлов")),
            ("en", ("Pyotr", "Ilyich", "Orlov")),
            ("en", ("Petr", "Ilich", "Orlov")),
            ("en", ("Peter", "Ilyich", "Orlov")),
        ),
        code_words=(("ru", "метроном"), ("en", "metronome")),
        cards=(DemoCard("1188", "debit", 32_005),),
        products=(
            ("get_loan", (("owed_minor", 41_200_000), ("payment_minor", 1_825_000), ("on_day", 10))),
            ("get_limits", (("payments_minor", 10_000_000), ("cash_minor", 5_000_000))),
        ),
    ),
    DemoCustomer(
        customer_id="c-1003",
        phone="+79265550011",
        name="Мария Викторовна Ким",
        born="2001-07-30",
        names=(
            ("ru", ("Мария", "Викторовна", "Ким")),
            ("en", ("Maria", "Viktorovna", "Kim")),
            ("en", ("Mariya", "Viktorovna", "Kim")),
            ("en", ("Mary", "Viktorovna", "Kim")),
        ),
        code_words=(("ru", "акварель"), ("en", "water colour"), ("en", "water color"), ("en", "watercolor")),
        cards=(
            DemoCard("7702", "debit", 100_000_000, status="blocked", reference="704118"),
            DemoCard("7719", "virtual", 15_000),
        ),
        products=(
            ("get_deposit", (("amount_minor", 30_000_000), ("rate_basis_points", 1550), ("ends_in_days", 40))),
            ("get_limits", (("payments_minor", 30_000_000), ("cash_minor", 15_000_000))),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class DemoOffice:
    """An office; the names are those that `flows/domain.yml` can hear and speak."""

    office: str
    city: str
    street: str


OFFICES = (
    DemoOffice("moscow_tverskaya", "moscow", "tverskaya"),
    DemoOffice("moscow_profsoyuznaya", "moscow", "profsoyuznaya"),
    DemoOffice("moscow_arbat", "moscow", "arbat"),
    DemoOffice("petersburg_nevsky", "petersburg", "nevsky"),
    DemoOffice("petersburg_sadovaya", "petersburg", "sadovaya"),
    DemoOffice("novosibirsk_lenina", "novosibirsk", "lenina"),
    DemoOffice("yekaterinburg_malysheva", "yekaterinburg", "malysheva"),
    DemoOffice("kazan_baumana", "kazan", "baumana"),
)

RATES: dict[tuple[str, bool], int] = {
    ("three_months", False): 1600,
    ("three_months", True): 1250,
    ("half_year", False): 1550,
    ("half_year", True): 1200,
    ("one_year", False): 1475,
    ("one_year", True): 1150,
}
"""Basis points a year, by term and by whether money may be taken out before its end."""
