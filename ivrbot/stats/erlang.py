"""How long callers wait for an operator, from volume, length of calls and operators on duty (Erlang C).

Takes operators, calls an hour and mean handling time, gives the chance of waiting, service level, mean wait and
the operators needed. The model: Poisson arrivals, exponential handling times, nobody hangs up while waiting; real
queues do better than it under overload, where callers give up.

Source: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic
telephone exchanges" (1917); Gross, Shortle, Thompson, Harris, "Fundamentals of Queueing Theory" (4th ed., section
2.4, M/M/c); the recursion for Erlang B: the same, section 2.5.
"""

from __future__ import annotations

import math

SECONDS_PER_HOUR = 3600.0


def waiting_probability(agents: int, offered_load_erlang: float) -> float:
    """Chance that a caller has to wait, C(N, a) = B / (1 - (a/N)(1 - B)), B the Erlang B blocking probability.

    B comes from B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1)): sums and products of positive numbers only, so stable
    for thousands of operators, where factorials are not.

    Args:
        agents: operators on duty, >= 0.
        offered_load_erlang: arrivals per second times mean handling seconds, >= 0.

    Returns:
        0..1; 1 where the queue grows without end (load >= agents), 0 without load.

    Raises:
        ValueError: a negative argument or not a number.
    """
    _check(agents, offered_load_erlang)
    if offered_load_erlang == 0.0:
        return 0.0
    if offered_load_erlang >= agents:
        return 1.0
    blocking = 1.0
    for k in range(1, agents + 1):
        blocking = _next_blocking(blocking, k, offered_load_erlang)
    return _waiting(blocking, agents, offered_load_erlang)


def service_level(agents: int, calls_per_hour: float, handle_s: float, within_s: float) -> float:
    """Share of callers served within `within_s` seconds: 1 - C exp(-(N - a) within / handle).

    Args:
        agents: operators on duty.
        calls_per_hour: mean arrivals an hour, >= 0.
        handle_s: mean handling time (talk, hold and after-work), seconds, > 0.
        within_s: seconds, >= 0.

    Returns:
        0..1; 0 where the queue grows without end.

    Raises:
        ValueError: an argument is out of its range.
    """
    load = _load(calls_per_hour, handle_s)
    _check_within(within_s)
    waiting = waiting_probability(agents, load)
    return 0.0 if _unstable(agents, load) else _level(waiting, agents, load, handle_s, within_s)


def mean_wait_s(agents: int, calls_per_hour: float, handle_s: float) -> float:
    """Mean wait over all callers (average speed of answer), seconds: C handle / (N - a).

    Args:
        agents: operators on duty.
        calls_per_hour: mean arrivals an hour, >= 0.
        handle_s: mean handling time, seconds, > 0.

    Returns:
        Seconds; infinite where the queue grows without end, 0 without calls.

    Raises:
        ValueError: an argument is out of its range.
    """
    load = _load(calls_per_hour, handle_s)
    waiting = waiting_probability(agents, load)
    if load == 0.0:
        return 0.0
    return math.inf if _unstable(agents, load) else waiting * handle_s / (agents - load)


def agents_needed(calls_per_hour: float, handle_s: float, share: float, within_s: float) -> int:
    """Fewest operators for which at least `share` of callers are served within `within_s` seconds.

    Args:
        calls_per_hour: mean arrivals an hour, >= 0.
        handle_s: mean handling time, seconds, > 0.
        share: of callers, 0 <= share < 1.
        within_s: seconds, >= 0.

    Returns:
        Operators; 0 without calls. Always enough for a stable queue.

    Raises:
        ValueError: an argument is out of its range.
    """
    load = _load(calls_per_hour, handle_s)
    _check_within(within_s)
    if not 0.0 <= share < 1.0:
        raise ValueError(f"share must lie in [0, 1), not {share}")
    if load == 0.0:
        return 0
    blocking, agents = 1.0, 0
    while True:
        agents += 1
        blocking = _next_blocking(blocking, agents, load)
        if agents > load and _level(_waiting(blocking, agents, load), agents, load, handle_s, within_s) >= share:
            return agents


def _next_blocking(blocking: float, agents: int, load: float) -> float:
    """Erlang B with one operator more."""
    return load * blocking / (agents + load * blocking)


def _waiting(blocking: float, agents: int, load: float) -> float:
    """Erlang C from Erlang B of a stable queue."""
    return agents * blocking / (agents - load * (1.0 - blocking))


def _level(waiting: float, agents: int, load: float, handle_s: float, within_s: float) -> float:
    """Service level of a stable queue; exponential tail of the wait."""
    return 1.0 - waiting * math.exp(-(agents - load) * within_s / handle_s)


def _unstable(agents: int, load: float) -> bool:
    return load > 0.0 and load >= agents


def _load(calls_per_hour: float, handle_s: float) -> float:
    """Offered load in Erlang."""
    if not (calls_per_hour >= 0.0 and math.isfinite(calls_per_hour)):
        raise ValueError(f"calls_per_hour must not be negative: {calls_per_hour}")
    if not (handle_s > 0.0 and math.isfinite(handle_s)):
        raise ValueError(f"handle_s must be positive: {handle_s}")
    return calls_per_hour * handle_s / SECONDS_PER_HOUR


def _check(agents: int, load: float) -> None:
    if agents < 0:
        raise ValueError(f"agents must not be negative: {agents}")
    if not (load >= 0.0 and math.isfinite(load)):
        raise ValueError(f"offered load must not be negative: {load}")


def _check_within(within_s: float) -> None:
    if not within_s >= 0.0:
        raise ValueError(f"within_s must not be negative: {within_s}")
