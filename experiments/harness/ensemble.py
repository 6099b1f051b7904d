"""Ensembles: rows whose class scores are a weighted sum of other rows' stored scores (no torch).

Nothing is run for such a row but its members.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.harness.metrics import METRICS
from experiments.harness.splits import Splits, number_of_videos, values_on

Labels = NDArray[Any] | Splits
Weights = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class EnsembleSearch:
    """Choose members and weights by their scores on one column, for each seed: ensemble selection.

    Caruana et al., ICML 2004: from nothing, add again and again the member that raises the metric of the sum most (of
    several the first; one may be added many times), and keep the best of these sums (of several the shortest).

    Args:
        members: labels of the rows to choose from.
        on: key of the column whose test set they are chosen on.
        additions: how many are added at most.
    """

    members: tuple[str, ...]
    on: str
    additions: int = 40


Ensemble = tuple[tuple[str, float], ...] | EnsembleSearch


def members_of_ensemble(ensemble: Ensemble) -> tuple[str, ...]:
    """Return the labels of the rows that an ensemble is, or is chosen, from."""
    if isinstance(ensemble, EnsembleSearch):
        return ensemble.members
    return tuple(label for label, _ in ensemble)


def check_ensemble(ensemble: Ensemble) -> None:
    """Refuse an ensemble that cannot be computed.

    Raises:
        ValueError: no members, one that stands twice, a weight that is not positive, or no additions.
    """
    members = members_of_ensemble(ensemble)
    if not members or len({*members}) < len(members):
        raise ValueError(f"an ensemble needs members, each once, got {members}")
    if isinstance(ensemble, EnsembleSearch):
        if ensemble.additions < 1:
            raise ValueError(f"additions must be at least 1, got {ensemble.additions}")
        return
    for label, weight in ensemble:
        if not (math.isfinite(weight) and weight > 0):
            raise ValueError(f"the weight of {label!r} must be positive, got {weight}")


def weighted_sum(scores: Mapping[str, NDArray[Any]], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the sum of the members' scores ``(N, K)``; a video that a member could not score stays not-a-number.

    Raises:
        ValueError: members that were tested on other numbers of videos or classes.
    """
    shapes = {scores[label].shape for label in weights}
    if len(shapes) != 1:
        raise ValueError(f"the members {', '.join(weights)} have scores of different shapes: {sorted(shapes)}")
    return np.sum([weight * scores[label].astype(np.float64) for label, weight in weights.items()], axis=0)


def select(scores: Mapping[str, NDArray[Any]], labels: Labels, metric: str, additions: int) -> Weights:
    """Return how often each chosen member was added; see :class:`EnsembleSearch`.

    Args:
        scores: ``(N, K)`` of each member.
        labels: ``(N,)``.
        metric: a name in ``metrics.METRICS``.
        additions: how many are added at most.

    Raises:
        ValueError: an unknown metric.
    """
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; accepted: {', '.join(METRICS)}")
    every = np.ones((1, number_of_videos(labels)))

    def value(total: NDArray[Any]) -> float:
        return float(values_on(metric, total, labels, every)[0])

    total: Any = 0.0
    added: list[str] = []
    best, kept = -math.inf, 0
    for _ in range(additions):
        values = {label: value(total + own) for label, own in scores.items()}
        chosen = max(values, key=lambda label: values[label])  # the first of several
        added.append(chosen)
        total = total + scores[chosen]
        if values[chosen] > best:
            best, kept = values[chosen], len(added)
    return counted(added[:kept])


def counted(added: Sequence[str]) -> Weights:
    """Return how often each label stands in a sequence, in the order of first appearance."""
    return {label: float(added.count(label)) for label in dict.fromkeys(added)}
