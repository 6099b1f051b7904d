"""Intervals and paired comparisons from the class scores of several seeds on one test set.

A row's accuracy varies with its seed and with the choice of test videos. Its variance is split in two: the
*seed part*, the sample variance of the seeds' values over S (each value carries its seed's own interaction
with the videos), and the *video part*, from a bootstrap which resamples the videos for all seeds and both
rows alike, less the interaction that the seed part holds already. The 95 % interval is

    mean +- sqrt(t(S - 1)^2 * seed part + z^2 * video part)

with Student's quantile for the few seeds and the normal one for the many videos: 95 % where one part
dominates, up to 99 % where both matter. A plain crossed bootstrap of three seeds covers less than it says.
Not taking percentiles also spares the bias of a resampled mAP.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.harness.metrics import METRICS
from experiments.harness.noise import wilson_interval
from experiments.harness.splits import Splits, number_of_videos, values_on
from experiments.harness.student_t import student_t_tail, student_t_upper

Scores = Mapping[int, NDArray[Any]]  # seed -> (N, K)
Labels = NDArray[Any] | Splits  # (N,), or those of several splits, whose values are averaged
NUM_REPLICATES = 2000
BOOTSTRAP_SEED = 20_211_106
NORMAL = NormalDist()
Z95 = NORMAL.inv_cdf(0.975)


@dataclass(frozen=True)
class Estimate:
    """A metric of one row, in percent: mean over the seeds, and its 95 % interval.

    With one seed the interval is over the videos alone and says nothing of training noise.
    """

    mean: float
    low: float
    high: float
    per_seed: tuple[float, ...]
    seeds: tuple[int, ...]
    num_videos: int

    @property
    def num_seeds(self) -> int:
        """Return how many seeds the mean is over."""
        return len(self.seeds)


@dataclass(frozen=True)
class Difference:
    """The difference of two rows' metrics on the same videos, in percent points.

    Args:
        mean: first row minus second, over the common seeds.
        low: lower end of the 95 % interval.
        high: upper end.
        p_value: two-sided, of no difference; not corrected for other comparisons.
        smallest_detectable: the difference that an experiment of this size and noise finds significant four
            times in five (three in four with 2 or 3 seeds whose noise dominates).
        per_seed: difference of each common seed; empty in an A/A control, whose seeds are not paired.
        seeds: the common seeds; with a single one the interval is over the videos alone, and decides nothing.
        dropped_seeds: seeds which only one of the rows has, left out.
        num_videos: size of the test set.
        seed_sd: standard error of the mean that the choice of seeds causes.
        video_sd: standard error of the mean that the choice of videos causes.
    """

    mean: float
    low: float
    high: float
    p_value: float
    smallest_detectable: float
    per_seed: tuple[float, ...]
    seeds: tuple[int, ...]
    dropped_seeds: tuple[int, ...]
    num_videos: int
    seed_sd: float
    video_sd: float

    @property
    def num_seeds(self) -> int:
        """Return how many seeds the difference is over."""
        return len(self.seeds)


def estimate(scores: Scores, labels: Labels, metric: str) -> Estimate:
    """Return a row's metric with its interval, which stays within 0 and 100.

    The ends are Wilson's for the number of independent videos that have the row's seed and video noise.

    Args:
        scores: (N, K) of each seed.
        labels: (N,).
        metric: a name in ``metrics.METRICS``.
    """
    seeds = _checked_seeds(scores)
    values, replicates = _resampled(scores, seeds, labels, metric)
    noise = _Noise.of_paired(values, replicates, number_of_videos(labels))
    mean = float(np.clip(values.mean(), 0.0, 100.0))
    binomial = mean * (100 - mean)
    one_video = 100 / number_of_videos(labels)
    # Within one video of the end of the scale the observed noise is nil or nearly so and says nothing.
    at_the_end = min(mean, 100 - mean) < one_video
    effective_videos = number_of_videos(labels) if at_the_end else binomial / (noise.half_width / Z95) ** 2
    low, high = wilson_interval(mean, effective_videos, Z95)
    return Estimate(mean, low, high, tuple(values.tolist()), seeds, number_of_videos(labels))


def paired_difference(first: Scores, second: Scores, labels: Labels, metric: str) -> Difference:
    """Compare two rows seed by seed on the same videos.

    Args:
        first: (N, K) of each seed; K may differ from the second's.
        second: (N, K) of each seed. Seeds that only one row has are left out and named in the result.
        labels: (N,).
        metric: a name in ``metrics.METRICS``.

    Raises:
        ValueError: rows without a common seed, or an unknown metric.
    """
    return _weighted_sum(((1, first), (-1, second)), labels, metric)


def difference_of_gains(
    better: tuple[Scores, Scores], worse: tuple[Scores, Scores], labels: Labels, metric: str
) -> Difference:
    """Compare what two changes gain, ``(a - b) - (c - d)``, seed by seed on the same videos.

    Args:
        better: (N, K) of each seed, with and without the change that is said to gain more.
        worse: the same of the other change. Seeds that not all four rows have are left out and named in the result.
        labels: (N,).
        metric: a name in ``metrics.METRICS``.

    Raises:
        ValueError: rows without a common seed, or an unknown metric.
    """
    (a, b), (c, d) = better, worse
    return _weighted_sum(((1, a), (-1, b), (-1, c), (1, d)), labels, metric)


def a_a_control(values: Mapping[int, float], num_videos: int) -> Difference:
    """Compare the first half of a row's seeds with the rest: a difference that must come out undecided.

    The noise is that of the seeds within their halves, pooled (S - 2 degrees of freedom); the videos are the
    same in both halves and add none of their own. One control in twenty is decided by chance. A seed's value is known
    to one video at best, so that the noise is no smaller: two seeds that happen to be equal are no certainty.

    Args:
        values: a row's metric by seed, in percent.
        num_videos: size of the test set.

    Raises:
        ValueError: fewer than three seeds, which leave no half with a variance.
    """
    seeds = tuple(sorted(values))
    if len(seeds) < 3:
        raise ValueError(f"an A/A control needs at least 3 seeds, got {list(seeds)}")
    halves = np.split(np.array([values[seed] for seed in seeds]), [len(seeds) // 2])
    freedom = len(seeds) - 2
    pooled = sum(float(((half - half.mean()) ** 2).sum()) for half in halves) / freedom
    variance = max(pooled, (100 / num_videos) ** 2) * (1 / len(halves[0]) + 1 / len(halves[1]))
    return _difference(halves[0].mean() - halves[1].mean(), _Noise(variance, 0.0, freedom), (), seeds, (), num_videos)


@dataclass(frozen=True)
class _Noise:
    """The two parts of a mean's variance, percent points squared, and the seed part's degrees of freedom."""

    seed: float
    video: float
    freedom: int

    @classmethod
    def of_paired(cls, values: NDArray[Any], replicates: NDArray[Any], num_videos: int) -> _Noise:
        """Split the variance of the mean of ``values`` (S,), given the same for resampled videos, (S, B)."""
        # A resampled mean scatters with (N - 1) / N of the variance of a new sample of videos.
        scatter = num_videos / max(1, num_videos - 1)
        centred = replicates - replicates.mean(axis=1, keepdims=True)
        video = float(centred.mean(axis=0).var(ddof=1)) * scatter
        num_seeds = len(values)
        if num_seeds == 1:
            return cls.at_least_one_video(0.0, video, 0, num_videos)
        interaction = float(centred.var(axis=0, ddof=1).mean()) * scatter
        seed = float(values.var(ddof=1)) / num_seeds
        video = max(0.0, video - interaction / num_seeds)
        return cls.at_least_one_video(seed, video, num_seeds - 1, num_videos)

    @classmethod
    def at_least_one_video(cls, seed: float, video: float, freedom: int, num_videos: int) -> _Noise:
        """Return the noise, never below one video: a handful of identical answers is no certainty."""
        return cls(seed, max(video, (100 / num_videos) ** 2 - seed), freedom)

    def quantile(self, tail: float) -> float:
        """Return what the mean's error exceeds with probability ``tail``."""
        student = student_t_upper(tail, self.freedom) if self.freedom else 0.0
        return math.hypot(student * math.sqrt(self.seed), NORMAL.inv_cdf(tail) * math.sqrt(self.video))

    @property
    def half_width(self) -> float:
        """Return the half-width of the 95 % interval."""
        return self.quantile(0.025)

    def p_value(self, mean: float) -> float:
        """Return twice the tail at which ``quantile`` gives the observed mean."""
        if not self.seed:
            return math.erfc(abs(mean) / math.sqrt(2 * self.video))
        low, high = 0.0, abs(mean) / math.sqrt(self.seed)  # Student's t; without a video part it is `high`
        while high - low > 1e-9 * high:
            middle = (low + high) / 2
            tail = student_t_tail(middle, self.freedom)
            normal = NORMAL.inv_cdf(max(tail, 1e-300))
            reached = middle**2 * self.seed + normal**2 * self.video >= mean**2
            low, high = (low, middle) if reached else (middle, high)
        return 2 * student_t_tail(high, self.freedom)


def _weighted_sum(terms: Sequence[tuple[int, Scores]], labels: Labels, metric: str) -> Difference:
    """Return a weighted sum of rows' metrics over their common seeds; weights that sum to 0 make it a difference."""
    every = set().union(*(scores for _, scores in terms))
    seeds = tuple(sorted(every.intersection(*(scores for _, scores in terms))))
    if not seeds:
        raise ValueError(f"no common seed: the rows have {' and '.join(str(sorted(scores)) for _, scores in terms)}")
    rows = [_resampled(scores, seeds, labels, metric) for _, scores in terms]
    values, replicates = (
        sum(weight * part for (weight, _), part in zip(terms, parts, strict=True)) for parts in zip(*rows, strict=True)
    )
    number, dropped = number_of_videos(labels), tuple(sorted(every.difference(seeds)))
    noise = _Noise.of_paired(values, replicates, number)
    return _difference(values.mean(), noise, tuple(values.tolist()), seeds, dropped, number, 50.0 * len(terms))


def _difference(
    mean: float,
    noise: _Noise,
    per_seed: tuple[float, ...],
    seeds: tuple[int, ...],
    dropped_seeds: tuple[int, ...],
    num_videos: int,
    most: float = 100.0,  # that a difference can be
) -> Difference:
    mean, half_width = float(mean), noise.half_width
    return Difference(
        mean=mean,
        low=max(-most, mean - half_width),
        high=min(most, mean + half_width),
        p_value=noise.p_value(mean),
        smallest_detectable=half_width + noise.quantile(0.2),
        per_seed=per_seed,
        seeds=seeds,
        dropped_seeds=dropped_seeds,
        num_videos=num_videos,
        seed_sd=math.sqrt(noise.seed),
        video_sd=math.sqrt(noise.video),
    )


def _checked_metric(metric: str) -> str:
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; accepted: {', '.join(METRICS)}")
    return metric


def _checked_seeds(scores: Scores) -> tuple[int, ...]:
    if not scores:
        raise ValueError("no seed: a row needs the scores of at least one")
    return tuple(sorted(scores))


def _resampled(
    scores: Scores, seeds: tuple[int, ...], labels: Labels, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the metric of each seed, (S,), and of each seed on each resampled test set, (S, B)."""
    weights = _multiplicities(number_of_videos(labels), NUM_REPLICATES)
    results = np.stack([values_on(metric, scores[seed], labels, weights) for seed in seeds])
    return results[:, 0], results[:, 1:]


@functools.lru_cache(maxsize=1)
def _multiplicities(num_videos: int, num_replicates: int) -> NDArray[np.float32]:
    """Return how often each video stands in the test set itself and in B resampled ones, (1 + B, N), for all rows."""
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    weights = np.ones((1 + num_replicates, num_videos), dtype=np.float32)
    for row in weights[1:]:
        row[:] = np.bincount(generator.integers(num_videos, size=num_videos), minlength=num_videos)
    weights.flags.writeable = False  # shared by all calls
    return weights
