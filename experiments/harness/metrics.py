"""Accuracy metrics of class scores, in percent, plain and for the many reweighted test sets of a bootstrap.

Scores are ``(N, K)``, labels ``(N,)``. A row of scores that holds a NaN is a video that could not be decoded:
it counts as wrong in every metric and ranks behind every decoded video in ``map``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
REPLICATES_AT_ONCE = 128  # keeps the running sums of one class within the processor's cache


def hits(scores: Array, labels: Array, k: int = 1) -> NDArray[np.bool_]:
    """Say for each video whether its label is among the ``k`` largest scores.

    Args:
        scores: (N, K); a row with a NaN is never a hit.
        labels: (N,), from 0.
        k: at most K of them are looked at. Of equal scores the class with the smaller index ranks first.

    Returns:
        (N,) booleans.
    """
    scores, labels = _checked(scores, labels)
    own = np.take_along_axis(scores, labels[:, None], axis=1)  # (N, 1)
    earlier = np.arange(scores.shape[1])[None, :] < labels[:, None]
    rank = ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
    return (rank < k) & ~np.isnan(scores).any(axis=1)


def top1(scores: Array, labels: Array) -> float:
    """Return the percentage of videos whose largest score is the label's."""
    return _on_plain_test_set("top1", scores, labels)


def top5(scores: Array, labels: Array) -> float:
    """Return the percentage of videos whose label is among the five largest scores (100 if K <= 5)."""
    return _on_plain_test_set("top5", scores, labels)


def mean_class_acc(scores: Array, labels: Array) -> float:
    """Return the percentage of right videos of each class, averaged over the classes that have videos."""
    return _on_plain_test_set("mean_class_acc", scores, labels)


def rank_map(scores: Array, labels: Array) -> float:
    """Return the mean average precision of ranking all videos by each class's score, in percent.

    Average precision is the area under the precision-recall curve after each precision is raised to the
    largest one at equal or higher recall. Videos with equal scores enter the ranking together, so their order
    does not matter. The mean is over the classes that have videos.
    """
    return _on_plain_test_set("map", scores, labels)


def weighted(metric: str, scores: Array, labels: Array, weights: Array) -> NDArray[np.float64]:
    """Evaluate a metric on many test sets in which each video stands a given number of times.

    Args:
        metric: a name in ``METRICS``.
        scores: (N, K).
        labels: (N,), from 0.
        weights: (B, N), multiplicities, at least 0; each row needs one positive entry.

    Returns:
        (B,) in percent: what the plain metric gives for each test set written out in full.

    Raises:
        ValueError: an unknown metric, shapes that do not fit, or labels outside 0 to K - 1.
    """
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; accepted: {', '.join(METRICS)}")
    scores, labels = _checked(scores, labels)
    weights = np.asarray(weights)
    if weights.ndim != 2 or weights.shape[1] != len(labels):
        raise ValueError(f"weights {weights.shape} must be (replicates, {len(labels)})")
    return 100.0 * _FRACTIONS[metric](scores, labels, weights)


def _on_plain_test_set(metric: str, scores: Array, labels: Array) -> float:
    return float(weighted(metric, scores, labels, np.ones((1, len(labels))))[0])


def _checked(scores: Array, labels: Array) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} must be (N, K) and (N,), N > 0")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels must be integers from 0 to {scores.shape[1] - 1}, got {np.unique(labels)}")
    return scores, labels.astype(np.int64)


def _top1(scores: Array, labels: Array, weights: Array) -> NDArray[np.float64]:
    return _share(hits(scores, labels), weights)


def _top5(scores: Array, labels: Array, weights: Array) -> NDArray[np.float64]:
    return _share(hits(scores, labels, 5), weights)


def _share(right: Array, weights: Array) -> NDArray[np.float64]:
    """Return the weighted share of right videos; sums of counts are exact in the precision of the weights."""
    return (weights @ right.astype(weights.dtype)).astype(np.float64) / weights.sum(axis=1)


def _mean_class_acc(scores: Array, labels: Array, weights: Array) -> NDArray[np.float64]:
    member = labels[:, None] == np.unique(labels)  # (N, classes present)
    sizes = (weights @ member.astype(weights.dtype)).astype(np.float64)  # (B, classes present)
    right = (weights @ (member & hits(scores, labels)[:, None]).astype(weights.dtype)).astype(np.float64)
    accuracy = np.divide(right, sizes, out=np.zeros_like(right), where=sizes > 0)
    return accuracy.sum(axis=1) / (sizes > 0).sum(axis=1)


def _map(scores: Array, labels: Array, weights: Array) -> NDArray[np.float64]:
    scores = np.where(np.isnan(scores).any(axis=1, keepdims=True), -np.inf, scores)
    rankings = [_Ranking(scores[:, label], labels == label) for label in np.unique(labels)]
    result = np.empty(len(weights))
    for first in range(0, len(weights), REPLICATES_AT_ONCE):
        part = slice(first, first + REPLICATES_AT_ONCE)
        # (N, B): sums run over contiguous rows, and counts of videos are exact in 32 bits.
        columns = np.ascontiguousarray(weights[part].T, dtype=np.float32)
        total, present = np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
        for ranking in rankings:
            precision, exists = ranking.average_precision(columns)
            total += precision
            present += exists
        result[part] = total / present
    return result


class _Ranking:
    """The order of all videos for one class, cut after each group of equal scores that holds a positive."""

    def __init__(self, scores: Array, positive: Array) -> None:
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        group = np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])])  # (N,) of equal scores
        group_of_positives = group[positive[order]]
        cut_groups = np.unique(group_of_positives)
        ends = np.searchsorted(group, cut_groups, side="right")
        self.videos = order[: ends[-1]]
        self.starts = np.concatenate([[0], ends[:-1]])
        self.positives = order[positive[order]]
        self.positive_starts = np.searchsorted(group_of_positives, cut_groups)

    def average_precision(self, columns: Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return (B,) average precision, 0 where the class has no video, and (B,) whether it has one."""
        taken = np.add.reduceat(columns[self.videos], self.starts, axis=0)  # (cuts, B)
        seen = np.cumsum(taken, axis=0, dtype=np.float64)
        gained = np.add.reduceat(columns[self.positives], self.positive_starts, axis=0)
        found = np.cumsum(gained, axis=0, dtype=np.float64)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        exists = found[-1] > 0
        area = (gained * envelope).sum(axis=0)
        return np.divide(area, found[-1], out=np.zeros_like(area), where=exists), exists


METRICS: dict[str, Callable[[Array, Array], float]] = {
    "top1": top1,
    "top5": top5,
    "mean_class_acc": mean_class_acc,
    "map": rank_map,
}
_FRACTIONS: dict[str, Callable[[Array, Array, Array], NDArray[np.float64]]] = {
    "top1": _top1,
    "top5": _top5,
    "mean_class_acc": _mean_class_acc,
    "map": _map,
}
