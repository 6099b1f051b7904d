"""Judge a claim by the interval of a difference, a sequence by its parts, and many p-values together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from experiments.harness.statistics import Difference

Verdict = Literal["reproduced", "not reproduced", "undecided"]


def verdict(difference: Difference, relation: str, margin: float = 0.0) -> Verdict:
    """Judge a claimed relation by the interval of the difference.

    Args:
        difference: of the row named first in the claim, minus the other.
        relation: ``">"``: reproduced if the interval lies above the margin, not reproduced if below 0.
            ``"~"``: reproduced if it lies within -margin to margin, not reproduced if outside (so a margin
            of 0 can only be refuted).
        margin: percent points, at least 0.

    Returns:
        ``"undecided"`` whatever the interval if there is a single seed, whose training noise is unknown.

    Raises:
        ValueError: an unknown relation or a negative margin.
    """
    if relation not in (">", "~"):
        raise ValueError(f"unknown relation {relation!r}; accepted: '>', '~'")
    if margin < 0:
        raise ValueError(f"margin {margin} must not be negative")
    if difference.num_seeds == 1:
        return "undecided"
    low, high = difference.low, difference.high
    if relation == ">":
        reproduced, refuted = low > margin, high < 0
    else:
        reproduced, refuted = -margin <= low and high <= margin, low > margin or high < -margin
    return "reproduced" if reproduced else "not reproduced" if refuted else "undecided"


def sequence_verdict(neighbours: Sequence[Verdict]) -> Verdict:
    """Judge an ordered sequence ``a > b > c`` by the verdicts of its neighbours, all of which must hold."""
    if not neighbours:
        raise ValueError("an ordered sequence needs at least one pair of neighbours, got none")
    if "not reproduced" in neighbours:
        return "not reproduced"
    return "undecided" if "undecided" in neighbours else "reproduced"


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's adjusted p-values, in the order given: below 5 % any error at all has a chance of 5 %."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)
