"""Conditions of flow steps: a small, total language over slots.

    slots.already_blocked
    slots.card is null and not slots.confirmed
    slots.topic = "goodbye" or slots.amount_minor >= 100000

Follows the predicates of Rasa's flow files (`slots.name`, `is null`, `and`, `or`, `not`, comparisons). Parsed
once; evaluation cannot fail: comparing what cannot be compared is false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ivrbot.model.dialogue import Value

MAX_TOKENS = 100

Slots = Mapping[str, Value]
Test = Callable[[Slots], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<op><=|>=|!=|=|<|>|\(|\))|(?P<text>\"[^\"]*\"|'[^']*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_][\w.]*))"
)


class ConditionError(ValueError):
    """The text is not a condition; the message says where it stops making sense."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition.

    Attributes:
        text: as written.
        slots: names of all slots it reads.
    """

    text: str
    slots: frozenset[str]
    _test: Test

    def holds(self, slots: Slots) -> bool:
        """Whether it is true of these slots; a missing slot is null."""
        return self._test(slots)


def parse_condition(text: str) -> Condition:
    """Parse a condition.

    Raises:
        ConditionError: it is not one.
    """
    parser = _Parser(_tokens(text))
    test = parser.either()
    if parser.rest:
        raise ConditionError(f"unexpected {parser.rest[0]!r}")
    return Condition(text, frozenset(parser.slots), test)


def parse_value(text: object) -> Callable[[Slots], Value]:
    """The right-hand side of a `set_slots`: a literal, or `slots.name` to copy another slot."""
    if isinstance(text, str) and text.startswith("slots."):
        name = text.removeprefix("slots.")
        return lambda slots: slots.get(name)
    if text is None or isinstance(text, str | int | bool):
        return lambda _slots: text
    raise ConditionError(f"{text!r} is neither text, a whole number, true, false, null nor slots.NAME")


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConditionError(f"cannot read {text[position:].strip()[:20]!r}")
        tokens.append(match.group().strip())
        position = match.end()
    if not tokens:
        raise ConditionError("is empty")
    if len(tokens) > MAX_TOKENS:
        raise ConditionError(f"is longer than {MAX_TOKENS} words and signs")
    return tokens


class _Parser:
    """Recursive descent: either := both (or both)*; both := one (and one)*; one := not one | ( either ) | test."""

    def __init__(self, tokens: list[str]) -> None:
        self.rest = tokens
        self.slots: set[str] = set()

    def either(self) -> Test:
        tests = [self.both()]
        while self._accept("or"):
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else lambda slots: any(test(slots) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self._accept("and"):
            tests.append(self.one())
        return tests[0] if len(tests) == 1 else lambda slots: all(test(slots) for test in tests)

    def one(self) -> Test:
        if self._accept("not"):
            inner = self.one()
            return lambda slots: not inner(slots)
        if self._accept("("):
            inner = self.either()
            if not self._accept(")"):
                raise ConditionError("a closing bracket is missing")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        left = self._operand()
        if self._accept("is"):
            wanted = not self._accept("not")
            if not self._accept("null"):
                raise ConditionError("`is` goes with `null` or `not null` only")
            return lambda slots: (left(slots) is None) == wanted
        for operator in ("<=", ">=", "!=", "=", "<", ">"):
            if self._accept(operator):
                right = self._operand()
                return lambda slots: _compare(operator, left(slots), right(slots))
        return lambda slots: bool(left(slots))

    def _operand(self) -> Callable[[Slots], Value]:
        if not self.rest:
            raise ConditionError("ends too early")
        token = self.rest.pop(0)
        if token[0] in "\"'":
            literal: Value = token[1:-1]
        elif token.lstrip("-").isdigit():
            literal = int(token)
        elif token in {"true", "false", "null"}:
            literal = {"true": True, "false": False, "null": None}[token]
        elif token.startswith("slots.") and token.removeprefix("slots.").isidentifier():
            name = token.removeprefix("slots.")
            self.slots.add(name)
            return lambda slots: slots.get(name)
        else:
            raise ConditionError(f"{token!r} is not a value: write slots.NAME, a number or a quoted text")
        return lambda _slots: literal

    def _accept(self, token: str) -> bool:
        if self.rest and self.rest[0] == token:
            self.rest.pop(0)
            return True
        return False


def _compare(operator: str, left: Value, right: Value) -> bool:
    if operator == "=":
        return left == right
    if operator == "!=":
        return left != right
    if not isinstance(left, int) or not isinstance(right, int):
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
