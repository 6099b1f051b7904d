"""Student's t distribution: upper tail and its inverse, for any positive degrees of freedom."""

from __future__ import annotations

import functools
import math


def student_t_tail(t: float, freedom: float) -> float:
    """Return the probability that Student's t exceeds ``t``."""
    _check_freedom(freedom)
    if t < 0:
        return 1.0 - student_t_tail(-t, freedom)
    # t^2 / (f + t^2) follows a beta distribution (1/2, f/2).
    return 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t), t * t / (freedom + t * t))


@functools.lru_cache(maxsize=1024)
def student_t_upper(tail: float, freedom: float) -> float:
    """Return the value which Student's t exceeds with probability ``tail``, from 0 to 1, ends excluded."""
    _check_freedom(freedom)
    if not 0 < tail < 1:
        raise ValueError(f"tail {tail} must lie between 0 and 1")
    if tail > 0.5:
        return -student_t_upper(1.0 - tail, freedom)
    low, high = 0.0, 1.0
    while student_t_tail(high, freedom) > tail:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if student_t_tail(middle, freedom) > tail else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b); y is 1 - x, apart to keep its digits."""
    if y <= 0 or x <= 0:
        return float(y <= 0)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, y) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction 1 / (1 + d1 / (1 + d2 / ...)) of the incomplete beta.

    It is evaluated from its far end inwards, the depth doubled until nothing changes.
    """
    depth, previous = 16, math.nan
    while depth <= 1 << 16:
        value = 1.0
        for m in range(depth, 0, -1):
            even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
            odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
            value = 1.0 + odd / (1.0 + even / value)
        if abs(value - previous) <= 1e-15 * abs(value):
            return 1.0 / value
        depth, previous = 2 * depth, value
    raise ArithmeticError(f"continued fraction of the incomplete beta does not converge at {a}, {b}, {x}")


def _check_freedom(freedom: float) -> None:
    if not (freedom > 0 and math.isfinite(freedom)):
        raise ValueError(f"degrees of freedom {freedom} must be positive and finite")
