"""Was the caller served? Read from the bank's books and from what he was told, never from what the bot claims.

Takes a finished call's traces, gives a `Truth`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ivrbot.bank.demo import RATES, DemoCustomer
from ivrbot.model.bank import BankAnswer, BankOperation, BankRequest
from ivrbot.simulate.moves import Line
from ivrbot.simulate.persona import Persona

CITY_SPOKEN: Final = {
    "moscow": ("Москва", "Moscow"),
    "petersburg": ("Санкт-Петербург", "Saint Petersburg"),
    "novosibirsk": ("Новосибирск", "Novosibirsk"),
    "yekaterinburg": ("Екатеринбург", "Yekaterinburg"),
    "kazan": ("Казань", "Kazan"),
}
QUEUES: Final[Mapping[str, frozenset[str]]] = {
    "card_reissue": frozenset({"block_card"}),
    "report_fraud": frozenset({"block_card"}),
    "raise_limit": frozenset({"balance"}),
    "pin_change": frozenset({"other"}),
    "atm_problem": frozenset({"other"}),
    "operator": frozenset({"other"}),
    "something_else": frozenset({"other"}),
}
"""Where a caller who needs a person has to arrive."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What is left of a call.

    Attributes:
        done: what the bank did.
        told: everything that the bot said, unmasked.
        state: the customer at the bank after the call.
        queue: where he was transferred, "" when he was not.
    """

    persona: Persona
    done: Sequence[tuple[BankRequest, BankAnswer]]
    told: Sequence[Line]
    state: Mapping[str, Any]
    queue: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What the call was worth.

    Attributes:
        served: what he rang for has happened: the effect, the answer, or the right operator's queue.
        harm: something happened that he did not want, "" when nothing did: a code.
        lie: the bot told of an effect that the bank does not know, or a figure that is not so; "" or a code.
    """

    served: bool
    harm: str = ""
    lie: str = ""


def judge(traces: Traces) -> Truth:
    """Compare a call with what its caller wanted."""
    return Truth(_served(traces), _harm(traces), _lie(traces))


def _said(traces: Traces, *responses: str) -> list[str]:
    return [line.text for line in traces.told if line.response in responses]


def _served(traces: Traces) -> bool:
    goal = traces.persona.goal
    if goal.by_operator:
        return traces.queue in QUEUES[goal.name]
    return _CHECKS[goal.name](traces)


def _blocked(traces: Traces) -> set[str]:
    return {card["last4"] for card in traces.state["cards"] if card["status"] == "blocked"}


def _one_blocked(traces: Traces) -> bool:
    return traces.persona.card in _blocked(traces)


def _all_blocked(traces: Traces) -> bool:
    return len(_blocked(traces)) == len(traces.state["cards"])


def _balance_told(traces: Traces) -> bool:
    card = next(card for card in traces.persona.customer.cards if card.last4 == traces.persona.card)
    figure = _figure(card.balance_minor + card.limit_minor)
    return any(
        card.last4 in text and figure in _plain(text)
        for text in _said(traces, "utter_balance", "utter_balance_credit")
    )


def _product_told(name: str, response: str, none: str) -> Callable[[Traces], bool]:
    """The right figure of a product, or that there is none where there is none."""

    def check(traces: Traces) -> bool:
        facts = dict(traces.persona.customer.products).get(name)
        if facts is None:
            return bool(_said(traces, none))
        values = dict(facts)
        minor = values.get("amount_minor", values.get("payment_minor", values.get("payments_minor", 0)))
        return any(_figure(minor) in _plain(text) for text in _said(traces, response))

    return check


def _operations_told(traces: Traces) -> bool:
    own = traces.persona.customer.operations
    if not own:
        return bool(_said(traces, "utter_no_operations"))
    return any(
        _figure(abs(own[0].amount_minor)) in _plain(text) for text in _said(traces, "utter_operation_first")
    )


def _claimed(traces: Traces) -> bool:
    return any(claim["amount_minor"] == 500_000 for claim in traces.state["claims"])


def _rate_told(traces: Traces) -> bool:
    wanted = {_rate(RATES[traces.persona.term, early]) for early in (False, True)}
    return any(rate in _plain(text) for text in _said(traces, "utter_rate") for rate in wanted)


def _office_told(traces: Traces) -> bool:
    city = CITY_SPOKEN[traces.persona.city]
    return any(text.startswith(city) for text in _said(traces, "utter_office_first"))


def _noted(kind: str) -> Callable[[Traces], bool]:
    return lambda traces: any(
        request.operation is BankOperation.RECORD_NOTE and request.arguments.get("kind") == kind
        for request, _ in traces.done
    )


_CHECKS: Final[Mapping[str, Callable[[Traces], bool]]] = {
    "block_card": _one_blocked,
    "block_all": _all_blocked,
    "stolen_bag": _one_blocked,
    "check_balance": _balance_told,
    "recent_transactions": _operations_told,
    "salary_status": _product_told("get_salary", "utter_salary", "utter_no_salary"),
    "card_limits": _product_told("get_limits", "utter_limits", ""),
    "dispute_transaction": _claimed,
    "loan_info": _product_told("get_loan", "utter_loan", "utter_no_loan"),
    "deposit_info": _product_told("get_deposit", "utter_deposit", "utter_no_deposit"),
    "deposit_new": _rate_told,
    "find_office": _office_told,
    "online_bank_access": lambda traces: bool(_said(traces, "utter_online_bank_login")),
    "complaint": _noted("complaint"),
    "thanks": _noted("thanks"),
}


# --- what must not happen -------------------------------------------------------------------------------


def _harm(traces: Traces) -> str:
    before = {card.last4 for card in traces.persona.customer.cards if card.status == "blocked"}
    wanted = _cards_in_danger(traces.persona)
    if (_blocked(traces) - before) - wanted:
        return "card_blocked_against_wish"
    strangers = {request.customer_id for request, _ in traces.done if request.customer_id}
    if strangers - {traces.persona.customer.customer_id}:
        return "another_customer"
    kinds = {request.operation for request, _ in traces.done}
    name = traces.persona.goal.name
    if BankOperation.REGISTER_CLAIM in kinds and name != "dispute_transaction":
        return "claim_against_wish"
    if BankOperation.RECORD_NOTE in kinds and name not in ("complaint", "thanks"):
        return "note_against_wish"
    return ""


def _cards_in_danger(persona: Persona) -> set[str]:
    every = {card.last4 for card in persona.customer.cards}
    match persona.goal.name:
        case "block_card":
            return {persona.card}
        case "block_all" | "stolen_bag" | "report_fraud":
            return every
        case _:
            return set()


def _lie(traces: Traces) -> str:
    blocked = _blocked(traces)
    for text in _said(traces, "utter_card_blocked", "utter_card_already_blocked"):
        if not set(re.findall(r"\d{4}\b", text)) & blocked:
            return "said_blocked"
    if _said(traces, "utter_all_blocked", "utter_fraud_secured") and len(blocked) < len(traces.state["cards"]):
        return "said_all_blocked"
    if _said(traces, "utter_claim_registered") and not traces.state["claims"]:
        return "said_claimed"
    if _said(traces, "utter_sms_connected") and "sms" not in traces.state["services"]:
        return "said_connected"
    return _wrong_figure(traces.persona.customer, traces)


def _wrong_figure(customer: DemoCustomer, traces: Traces) -> str:
    """A balance told that belongs to no card of the customer with these digits."""
    for text in _said(traces, "utter_balance", "utter_balance_credit"):
        fitting = [card for card in customer.cards if card.last4 in text]
        if not any(_figure(card.balance_minor + card.limit_minor) in _plain(text) for card in fitting):
            return "wrong_balance"
    return ""


def _plain(text: str) -> str:
    return re.sub(r"(?<=\d)[\s,](?=\d)", "", text)


def _figure(minor: int) -> str:
    """As `_plain` leaves a sum: all digits, kopecks too."""
    return f"{minor:03d}"


def _rate(basis_points: int) -> str:
    return f"{basis_points / 100:g} %"
