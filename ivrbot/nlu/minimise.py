"""L-BFGS in single precision: the minimiser behind training.

scipy's works in double precision and copies its million variables several times an iteration, which costs as much
again as the objective itself; the minimum is the same to the tolerance that training asks for. Pure.
Source: Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithm 7.4 (two-loop recursion), equation
7.20 (scaling), algorithm 3.1 (backtracking with the condition of Armijo).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Objective = Callable[[Vector], tuple[float, Vector]]
"""Value and gradient at a point."""

MEMORY: Final = 5
_SUFFICIENT: Final = 1e-4
_SHORTEST_STEP: Final = 1e-6
_LEAST_CURVATURE: Final = 1e-10


def minimise(
    objective: Objective, start: Vector, *, tolerance: float, max_iterations: int, least_gain: float = 1e-9
) -> Vector:
    """The point where a smooth convex function is least.

    Args:
        objective: value and gradient (a new array each time, same shape) at a point.
        start: where to begin, shape (n,).
        tolerance: largest component of the gradient at which to stop.
        max_iterations: most steps.
        least_gain: relative gain of one step below which to stop.
    """
    point = start
    value, gradient = objective(point)
    history: deque[tuple[Vector, Vector, float]] = deque(maxlen=MEMORY)
    for _ in range(max_iterations):
        if float(np.abs(gradient).max()) <= tolerance:
            break
        direction = _direction(gradient, history)
        found = _step(objective, point, value, direction, float(direction @ gradient))
        if found is None:
            break
        next_point, next_value, next_gradient = found
        moved, bent = next_point - point, next_gradient - gradient
        curvature = float(moved @ bent)
        if curvature > _LEAST_CURVATURE:
            history.append((moved, bent, 1.0 / curvature))
        gain = value - next_value
        point, value, gradient = next_point, next_value, next_gradient
        if gain <= least_gain * max(abs(value), 1.0):
            break
    return point


def _direction(gradient: Vector, history: deque[tuple[Vector, Vector, float]]) -> Vector:
    """Minus the inverse Hessian, as far as the last steps tell it, times the gradient."""
    direction = -gradient
    parts: list[float] = []
    for moved, bent, inverse in reversed(history):
        part = inverse * float(moved @ direction)
        parts.append(part)
        direction -= np.float32(part) * bent
    if history:
        _, bent, inverse = history[-1]
        direction *= np.float32(1.0 / (inverse * float(bent @ bent)))
    else:
        direction *= np.float32(1.0 / max(float(np.sqrt(gradient @ gradient)), 1e-12))
    for (moved, bent, inverse), part in zip(history, reversed(parts), strict=True):
        direction += np.float32(part - inverse * float(bent @ direction)) * moved
    return direction


def _step(
    objective: Objective, point: Vector, value: float, direction: Vector, slope: float
) -> tuple[Vector, float, Vector] | None:
    """The first of ever shorter steps that gains enough; None where none does."""
    length = 1.0
    while length >= _SHORTEST_STEP:
        next_point = point + np.float32(length) * direction
        next_value, next_gradient = objective(next_point)
        if next_value <= value + _SUFFICIENT * length * slope:
            return next_point, next_value, next_gradient
        length /= 2
    return None
