"""Several test sets whose metrics are averaged, such as the three official splits of UCF-101 (no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.harness.metrics import weighted


@dataclass(frozen=True, eq=False)
class Splits:
    """Hold the labels of N tests, those of all splits one after another, and which belong together.

    Stands where the labels of a single test set do: a metric's value is the mean of the splits' values. A video that
    several splits test is one video: resampling takes or leaves it in all of them.

    Args:
        labels: ``(N,)``.
        split: ``(N,)``, number of the split from 0.
        video: ``(N,)``, number of the video from 0.
    """

    labels: NDArray[np.int64]
    split: NDArray[np.int64]
    video: NDArray[np.int64]

    @classmethod
    def joined(cls, splits: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> Splits:
        """Return the splits given as (labels, names of the videos).

        Raises:
            ValueError: no split, or one whose labels and names are not as many.
        """
        if not splits:
            raise ValueError("no split: a mean needs at least one")
        for labels, names in splits:
            if len(labels) != len(names):
                raise ValueError(f"a split has {len(labels)} labels and {len(names)} names")
        _, video = np.unique(np.concatenate([names for _, names in splits]), return_inverse=True)
        return cls(
            labels=np.concatenate([labels for labels, _ in splits]).astype(np.int64),
            split=np.repeat(np.arange(len(splits)), [len(labels) for labels, _ in splits]),
            video=video.astype(np.int64),
        )

    @property
    def num_videos(self) -> int:
        """Return how many different videos there are."""
        return int(self.video.max()) + 1

    def weighted(self, metric: str, scores: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean of the splits' values on many resampled test sets, as :func:`metrics.weighted` does for one.

        Args:
            metric: a name in ``metrics.METRICS``.
            scores: ``(N, K)``.
            weights: ``(B, number of videos)``. A split none of whose videos is drawn counts with all of them.
        """
        values = []
        for number in range(int(self.split.max()) + 1):
            own = self.split == number
            drawn = weights[:, self.video[own]]
            empty = drawn.sum(axis=1, keepdims=True) == 0
            values.append(weighted(metric, scores[own], self.labels[own], np.where(empty, 1, drawn)))
        return np.mean(values, axis=0)


def number_of_videos(labels: NDArray[Any] | Splits) -> int:
    """Return how many different videos a test, or the tests of several splits, are on."""
    return labels.num_videos if isinstance(labels, Splits) else len(labels)


def values_on(
    metric: str, scores: NDArray[Any], labels: NDArray[Any] | Splits, weights: NDArray[Any]
) -> NDArray[np.float64]:
    """Return a metric on many resampled test sets, averaged over splits where there are several."""
    if isinstance(labels, Splits):
        return labels.weighted(metric, scores, weights)
    return weighted(metric, scores, labels, weights)
