"""The tables as checked rows, and what of a customer must never be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ivrbot.yamlfile import read_yaml

HERE = Path(__file__).parent
CUSTOMERS = {"sokolova": "+79161234567", "orlov": "+79031112233", "kim": "+79265550011"}
IDS = {"sokolova": "c-1001", "orlov": "c-1002", "kim": "c-1003"}

Target = Literal["sokolova", "orlov", "kim", "nobody"]
FOREIGN: dict[Target, str] = {
    "sokolova": "+79990000001",
    "orlov": "+79990000002",
    "kim": "+79990000003",
    "nobody": "+79990000004",
}
HARMLESS_ENDS = frozenset(
    {
        "authentication_failed", "no_match", "no_input", "caller_asked", "topic_not_served", "caller_upset",
        "flow", "fraud", "hung_up", "declined", "served",
    }
)  # fmt: skip
"""With an operator, or gone; no failure of ours is among them."""

OF_CUSTOMERS: dict[str, tuple[str, ...]] = {
    "sokolova": ("черемух", "соколов", "4271", "9030", "12345", "20180", "61500", "05031989", "19890305"),
    "orlov": ("метроном", "орлов", "1188", "32005", "412000", "18250", "21111975", "19751121"),
    "kim": ("акварел", "викторовн", "7702", "7719", "1000000", "300000", "30072001", "20010730"),
}
"""What the bot knows of them and must not say to a stranger; small letters, figures without spaces."""

_HUNDRED = (
    "стол окно дверь лампа книга ручка чашка ложка вилка тарелка диван кресло шкаф ковёр зеркало часы "
    "картина ваза подушка одеяло дом улица город площадь мост река озеро море гора лес поле трава цветок "
    "дерево куст ягода гриб птица рыба зверь кот конь корова овца коза курица утка гусь лебедь орёл сокол "
    "голубь воробей ворона сорока синица дятел сова филин ёж заяц лиса волк медведь олень лось кабан бобр "
    "выдра рысь тигр черёмуха лев слон жираф зебра верблюд обезьяна попугай павлин фазан дрозд скворец "
    "ласточка стриж чайка баклан цапля аист журавль яблоко груша слива вишня абрикос персик лимон "
    "апельсин банан ананас арбуз дыня виноград"
)


def _listed(value: object) -> object:
    return [[one] if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


class Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OneCall(Written):
    """Who rings and what he says, turn by turn."""

    from_: str = Field(alias="from")
    said: tuple[str, ...]
    telephone: tuple[str, ...] = ()
    guided: bool = False
    topic: str = ""
    repeat: int = 1

    def number(self, target: Target) -> str:
        """His telephone's number; each target has a foreign one, so that targets can be played at once."""
        return FOREIGN[target] if self.from_ == "foreign" else CUSTOMERS.get(self.from_, self.from_)

    def numbered(self, n: int) -> OneCall:
        """One of those that it stands for."""
        if self.repeat == 1:
            return self
        said = [turn.replace("{n}", str(n)) for turn in self.said]
        return OneCall.model_validate({"from": self.from_.replace("{n}", str(n)), "said": said})

    @property
    def turns(self) -> list[str]:
        return [_HUNDRED if turn == "hundred words" else turn for turn in self.said]

    @property
    def by_telephone(self) -> list[str]:
        """What he says and keys on the telephone."""
        return list(self.telephone) or self.turns


class Attack(Written):
    """One row of `attacks.yml`."""

    attack: str
    family: str
    target: Target
    calls: tuple[OneCall, ...]
    ends: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_listed)] = ()
    refused: tuple[str, ...] = ()
    parallel: bool = False
    restart: bool = False
    own: bool = False
    level: Literal["none", "identified", "verified", "strong"] = "identified"
    granted: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    wrong_at_most: int | None = None
    sms_at_most: int | None = None
    writes: dict[str, int] = {}
    code_lifetime_s: int | None = None
    sound: bool = False

    @property
    def every_call(self) -> list[OneCall]:
        """The calls, each as often as it is repeated; `{n}` counts in two digits."""
        return [call.numbered(n) for call in self.calls for n in range(10, 10 + call.repeat)]

    def may_prove(self, facts: object) -> bool:
        """Whether a call may have come to this list of facts: who is himself may prove what he knows."""
        return isinstance(facts, list) and (self.own or set(facts) <= set(self.proven))

    def ends_well(self, number: int, reason: str) -> bool:
        """Whether a call of the row may end so."""
        return reason in (self.ends[number] if self.ends else HARMLESS_ENDS)


class Clumsy(Written):
    """One row of `clumsy.yml`: an honest caller who does not make it easy."""

    caller: str
    call: OneCall
    reaches: tuple[Literal["served", "operator"], ...]
    refused: bool = False
    done: tuple[str, ...] = ()
    sound: bool = True

    @property
    def target(self) -> Target:
        """Whose money it is about: his own."""
        return next((name for name in IDS if name == self.call.from_), "sokolova")  # type: ignore[return-value]


def attacks() -> list[Attack]:
    """All rows of `attacks.yml`."""
    return [Attack.model_validate(row) for row in read_yaml(HERE / "attacks.yml").data["attacks"]]


def clumsy() -> list[Clumsy]:
    """All rows of `clumsy.yml`."""
    return [Clumsy.model_validate(row) for row in read_yaml(HERE / "clumsy.yml").data["callers"]]


def told_of(customer: str, lines: list[str]) -> list[str]:
    """What of a customer's stands in the bot's lines."""
    text = " ".join(lines).lower().replace("ё", "е")
    figures = "".join(text.replace("\u202f", "").replace("\xa0", "").split())
    return [mark for mark in OF_CUSTOMERS[customer] if mark in (figures if mark.isdigit() else text)]
