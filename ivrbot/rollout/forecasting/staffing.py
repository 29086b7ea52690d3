"""What the operators' queue feels of the bot: now, and if the branch were rolled back.

Takes calls by hour of the week, handling times, the bot's share and the operators on duty; gives service level,
mean wait and operators needed as numbers and one plain sentence. Also the spillover: the bot takes calls out of
the operators' queue, so callers of the human arm wait less than they would without any bot, and a comparison of
the arms flatters the operators by that much. What is not known is said to be unknown, never filled in. Pure.

Source: Erlang C, see `ivrbot.stats.erlang`. It supposes that nobody hangs up, so it exaggerates an overload.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ivrbot.model.events import JsonValue
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.stats.erlang import agents_needed, mean_wait_s, service_level

HOURS: Final = 168
"""Hours of a week; the first is Monday from 0:00 to 1:00."""

Agents = int | tuple[int, ...] | None
"""Operators on duty: always as many, by hour of the week, or not known."""


@dataclass(frozen=True, slots=True)
class Target:
    """The promise to callers: `share` of them served within `within_s` seconds."""

    share: float = 0.8
    within_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Workload:
    """What is known of a branch.

    Attributes:
        calls: float[168], mean calls an hour to the branch in both arms together; None: not known.
        handle_s: mean handling time of an operator (talk, hold, after-work); None: not known.
        bot_share: of calls, those that go to the bot, 0..1 (realised, not nominal).
        returned: of the bot's calls, those that end with an operator, 0..1.
        handle_returned_s: mean handling time of those; None: as the others.
        agents: operators of this queue.
        target: the promise.
    """

    calls: tuple[float, ...] | None
    handle_s: float | None
    bot_share: float = 0.0
    returned: float = 0.0
    handle_returned_s: float | None = None
    agents: Agents = None
    target: Target = Target()

    def __post_init__(self) -> None:
        for name in ("bot_share", "returned"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1]")
        for name, column in (("calls", self.calls), ("agents", self.agents)):
            if isinstance(column, tuple) and len(column) != HOURS:
                raise ValueError(f"{name} must have {HOURS} hours")

    @property
    def known(self) -> bool:
        """Whether there is anything to compute from."""
        return self.calls is not None and any(self.calls) and self.handle_s is not None

    def agents_at(self, hour: int) -> int | None:
        """Operators in an hour of the week."""
        return self.agents[hour] if isinstance(self.agents, tuple) else self.agents


@dataclass(frozen=True, slots=True)
class Feel:
    """What callers meet.

    Attributes:
        calls_per_hour: for operators, in the busiest hour.
        agents: on duty in that hour, None: not known.
        agents_needed: to keep the promise in that hour.
        service_level: share served within the promised time, over all calls of the week; None: not known.
        wait_s: mean wait over all calls of the week; None: not known, infinite: some queue grows without end.
        overloaded_hours: hours of the week in which it does.
    """

    calls_per_hour: float
    agents: int | None
    agents_needed: int
    service_level: float | None
    wait_s: float | None
    overloaded_hours: int

    def as_json(self) -> dict[str, JsonValue]:
        """JSON-able; an endless wait is null, which `overloaded_hours` explains."""
        endless = self.wait_s is not None and math.isinf(self.wait_s)
        return {
            "calls_per_hour": round(self.calls_per_hour, 2),
            "agents": self.agents,
            "agents_needed": self.agents_needed,
            "service_level": None if self.service_level is None else round(self.service_level, 4),
            "wait_s": None if self.wait_s is None or endless else round(self.wait_s, 2),
            "overloaded_hours": self.overloaded_hours,
        }


@dataclass(frozen=True, slots=True)
class Outlook:
    """Both queues side by side.

    Attributes:
        now: with the bot taking its share; None: not known.
        rolled_back: with every call at the operators, which is also the queue without any bot; None: not known.
    """

    target: Target
    now: Feel | None = None
    rolled_back: Feel | None = None

    @property
    def spillover_s(self) -> float | None:
        """Seconds that the human arm waits less thanks to the bot; None: not known, or endless without it."""
        if (
            self.now is None
            or self.rolled_back is None
            or self.now.wait_s is None
            or self.rolled_back.wait_s is None
        ):
            return None
        difference = self.rolled_back.wait_s - self.now.wait_s
        return difference if math.isfinite(difference) else None

    def as_json(self) -> dict[str, JsonValue]:
        """Numbers and sentences, as certificates and pages take them."""
        sentences: dict[str, JsonValue] = {
            f"sentence_{language}": sentence(self, language) for language in LANGUAGES
        }
        spillovers: dict[str, JsonValue] = {
            f"spillover_{language}": spillover(self, language) for language in LANGUAGES
        }
        seconds = self.spillover_s
        return {
            "target": {"share": self.target.share, "within_s": self.target.within_s},
            "now": self.now.as_json() if self.now else None,
            "rolled_back": self.rolled_back.as_json() if self.rolled_back else None,
            "spillover_s": None if seconds is None else round(seconds, 2),
            **sentences,
            **spillovers,
        }


def weekly_profile(arrivals: Iterable[datetime], timezone: str, weeks: float) -> tuple[float, ...]:
    """Mean calls an hour by hour of the week.

    Args:
        arrivals: aware times, one per call.
        timezone: IANA name, whose wall clock counts.
        weeks: length of the time they come from, > 0.
    """
    if not weeks > 0:
        raise ValueError("weeks must be positive")
    zone = ZoneInfo(timezone)
    counts = [0] * HOURS
    for at in arrivals:
        local = at.astimezone(zone)
        counts[local.weekday() * 24 + local.hour] += 1
    return tuple(count / weeks for count in counts)


def outlook(workload: Workload) -> Outlook:
    """Compute both queues."""
    handle_s, calls = workload.handle_s, workload.calls
    if not workload.known or handle_s is None or calls is None:
        return Outlook(workload.target)
    human, back = 1.0 - workload.bot_share, workload.bot_share * workload.returned
    handle_back_s = handle_s if workload.handle_returned_s is None else workload.handle_returned_s
    left = human + back
    mixed_s = (human * handle_s + back * handle_back_s) / left if left else handle_s
    return Outlook(
        workload.target,
        now=_feel(workload, tuple(rate * left for rate in calls), mixed_s),
        rolled_back=_feel(workload, calls, handle_s),
    )


def _feel(workload: Workload, rates: tuple[float, ...], handle_s: float) -> Feel:
    target = workload.target
    busiest = max(range(HOURS), key=rates.__getitem__)
    level, wait_s, overloaded = 0.0, 0.0, 0
    for hour, rate in enumerate(rates):
        agents = workload.agents_at(hour)
        if agents is None or not rate:
            continue
        own_wait_s = mean_wait_s(agents, rate, handle_s)
        overloaded += math.isinf(own_wait_s)
        wait_s += rate * own_wait_s
        level += rate * service_level(agents, rate, handle_s, target.within_s)
    total, known = sum(rates), workload.agents is not None
    return Feel(
        calls_per_hour=rates[busiest],
        agents=workload.agents_at(busiest),
        agents_needed=agents_needed(rates[busiest], handle_s, target.share, target.within_s),
        service_level=(level / total if total else 1.0) if known else None,
        wait_s=(wait_s / total if total else 0.0) if known else None,
        overloaded_hours=overloaded,
    )


# --- sentences ----------------------------------------------------------------------------------------

_NOT_KNOWN: Final = {
    "en": "What a rollback would do to the operators' queue is not known: no calls an hour, or no handling times.",
    "ru": "Что откат сделает с очередью операторов, неизвестно: нет числа звонков в час или времени обработки.",
}
_CALLS: Final = {
    "en": "If the branch is rolled back, operators take {after} calls in the busiest hour instead of {before}",
    "ru": "После отката операторы в час пик примут звонков: {after} вместо {before}",
}
_NEEDED: Final = {
    "en": "{after} operators are needed then to serve {share} of callers within {within} s (now {before})",
    "ru": "чтобы обслужить {share} за {within} с, нужно операторов: {after} (сейчас {before})",
}
_AGENTS_NOT_KNOWN: Final = {
    "en": "how long callers would wait is not known, because the number of operators is not known",
    "ru": "сколько будут ждать клиенты, неизвестно: неизвестно число операторов",
}
_LEVEL: Final = {
    "en": "over the week {after} of callers are served within {within} s (now {before})",
    "ru": "за неделю обслужено за {within} с: {after} (сейчас {before})",
}
_WAIT: Final = {
    "en": "the mean wait is {after} s (now {before} s)",
    "ru": "среднее ожидание {after} с (сейчас {before} с)",
}
_OVERLOAD: Final = {
    "en": "with the operators on duty the queue grows without end in {after} hours of the week (now in {before})",
    "ru": "при нынешней смене очередь растёт без конца, часов в неделю: {after} (сейчас {before})",
}
_SPILLOVER: Final = {
    "en": (
        "The bot relieves the operators as well: their callers wait {now} s on average, without it {without} s "
        "(Erlang C). Compared with a time without the bot, the operators' arm looks better by about {gain} s of "
        "wait."
    ),
    "ru": (
        "Робот разгружает и операторов: их клиенты ждут в среднем {now} с, без него ждали бы {without} с "
        "(Эрланг C). Поэтому по сравнению с временем без робота группа операторов выглядит лучше примерно на "
        "{gain} с ожидания."
    ),
}
_NO_RELIEF: Final = {
    "en": (
        "The bot does not relieve the operators: their callers wait {now} s on average, without it {without} s "
        "(Erlang C)."
    ),
    "ru": (
        "Робот не разгружает операторов: их клиенты ждут в среднем {now} с, без него ждали бы {without} с "
        "(Эрланг C)."
    ),
}
_SPILLOVER_ENDLESS: Final = {
    "en": (
        "The bot relieves the operators as well: without it their queue would grow without end in {hours} hours "
        "of the week (Erlang C), so the operators' arm looks better than operators alone would."
    ),
    "ru": (
        "Робот разгружает и операторов: без него их очередь росла бы без конца, часов в неделю: {hours} (Эрланг "
        "C), поэтому группа операторов выглядит лучше, чем операторы без робота."
    ),
}
_SPILLOVER_NOT_KNOWN: Final = {
    "en": "How much the bot shortens the operators' queue is not known.",
    "ru": "Насколько робот сокращает очередь операторов, неизвестно.",
}


def sentence(outlook: Outlook, language: Language) -> str:
    """What the queue would feel of a rollback, in words."""
    now, after, target = outlook.now, outlook.rolled_back, outlook.target
    if now is None or after is None:
        return _NOT_KNOWN[language]
    within = f"{target.within_s:.0f}"
    parts = [_CALLS[language].format(after=f"{after.calls_per_hour:.0f}", before=f"{now.calls_per_hour:.0f}")]
    if after.service_level is None or now.service_level is None:
        parts.append(_AGENTS_NOT_KNOWN[language])
    else:
        levels = {
            "after": _percent(after.service_level, language),
            "before": _percent(now.service_level, language),
        }
        parts.append(_LEVEL[language].format(within=within, **levels))
        parts.append(_waits(now, after, language))
    share = _percent(target.share, language)
    needed = {"after": after.agents_needed, "before": now.agents_needed}
    parts.append(_NEEDED[language].format(share=share, within=within, **needed))
    return "; ".join(parts) + "."


def spillover(outlook: Outlook, language: Language) -> str:
    """How much better off the human arm is for the bot's relief, in words."""
    now, without = outlook.now, outlook.rolled_back
    if now is None or without is None or now.wait_s is None or without.wait_s is None:
        return _SPILLOVER_NOT_KNOWN[language]
    gain = outlook.spillover_s
    if gain is None:
        return _SPILLOVER_ENDLESS[language].format(hours=without.overloaded_hours)
    seconds = {"now": now.wait_s, "without": without.wait_s, "gain": gain}
    text = _SPILLOVER if gain > 0.05 else _NO_RELIEF
    return text[language].format(**{name: _seconds(value, language) for name, value in seconds.items()})


def _waits(now: Feel, after: Feel, language: Language) -> str:
    if after.overloaded_hours or now.overloaded_hours:
        return _OVERLOAD[language].format(after=after.overloaded_hours, before=now.overloaded_hours)
    return _WAIT[language].format(
        after=_seconds(after.wait_s or 0.0, language), before=_seconds(now.wait_s or 0.0, language)
    )


def _percent(share: float, language: Language) -> str:
    """Rounded down, so that a queue that misses its promise never reads as if it kept it."""
    percent = math.floor(share * 100 + 1e-9)
    return f"{percent} %" if language == "ru" else f"{percent}%"


def _seconds(value: float, language: Language) -> str:
    text = f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
    return text.replace(".", ",") if language == "ru" else text
