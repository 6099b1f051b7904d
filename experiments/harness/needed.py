"""What it would take to decide: how many seeds, or test videos, until a difference of this size stands out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.harness.statistics import NORMAL, Z95
from experiments.harness.student_t import student_t_upper

MOST_SEEDS = 200
POWER_TAIL = 0.2  # found four times in five, as `smallest_detectable` is


@dataclass(frozen=True)
class Spread:
    """The noise of a mean over seeds and test videos, which more of either would shrink.

    Args:
        seed_sd: of the mean over ``num_seeds``, from training; percent points.
        video_sd: of the mean, from the choice of ``num_videos``; percent points.
        num_seeds: how many it is over.
        num_videos: how many it is over.
    """

    seed_sd: float
    video_sd: float
    num_seeds: int
    num_videos: int

    def quantile(self, tail: float, seeds: int | None = None, videos: float | None = None) -> float:
        """Return what the mean's error exceeds with probability ``tail``, with other numbers of seeds or videos.

        The spread observed with a single seed holds no training noise, so more seeds change nothing.
        """
        seeds, videos = seeds or self.num_seeds, videos or self.num_videos
        seed = self.seed_sd * math.sqrt(self.num_seeds / seeds)
        video = self.video_sd * math.sqrt(self.num_videos / videos)
        student = student_t_upper(tail, seeds - 1) if seeds > 1 and seed else 0.0
        return math.hypot(student * seed, -NORMAL.inv_cdf(tail) * video)

    def half_width(self, seeds: int | None = None, videos: float | None = None) -> float:
        """Return the half-width of the 95 % interval, with other numbers of seeds or videos."""
        return self.quantile(0.025, seeds, videos)

    def detectable(self, seeds: int | None = None, videos: float | None = None) -> float:
        """Return the smallest difference that is found four times in five."""
        return self.half_width(seeds, videos) + self.quantile(POWER_TAIL, seeds, videos)


@dataclass(frozen=True)
class Needed:
    """The smallest experiment that would decide: ``seeds`` on ``videos``; None for seeds beyond ``MOST_SEEDS``."""

    seeds: int | None
    videos: int
    more_videos: bool

    def __str__(self) -> str:
        if self.seeds is None:
            return f"over {MOST_SEEDS} seeds" + (f" and {self.videos:,} videos" if self.more_videos else "")
        return f"{self.seeds} seeds" + (f" on {self.videos:,} videos" if self.more_videos else "")


def needed_to_decide(spread: Spread, gap: float) -> Needed | None:
    """Return what finds a true difference of ``gap`` four times in five; None for a gap of 0, which nothing decides.

    More seeds on the same videos where that can do it; otherwise so many videos that their noise takes half of the
    variance that is left, and the seeds for the other half.
    """
    gap = abs(gap)
    if not gap:
        return None
    videos, more = spread.num_videos, False
    if spread.video_sd * (Z95 - NORMAL.inv_cdf(POWER_TAIL)) >= gap:
        limit = gap / (Z95 - NORMAL.inv_cdf(POWER_TAIL)) / math.sqrt(2)
        videos, more = math.ceil(spread.num_videos * (spread.video_sd / limit) ** 2), True
    fewest = max(2, spread.num_seeds)
    if spread.detectable(MOST_SEEDS, videos) > gap:
        return Needed(None, videos, more)
    low, high = fewest, MOST_SEEDS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if spread.detectable(middle, videos) <= gap else (middle + 1, high)
    return Needed(low, videos, more)


def gap_to_decide(mean: float, relation: str, margin: float) -> float:
    """Return how far a difference stands from where its verdict would change: 0 decides ``>``, the margin ``~``.

    A claim of more than a margin is decided against by 0 and for by the margin: the nearer end that can hold.
    """
    if relation == "~":
        return abs(margin - abs(mean))
    return mean - margin if mean > margin else abs(mean) if mean < 0 else 0.0


def spread_of(difference: Mapping[str, Any]) -> Spread:
    """Return the spread of a difference as the evidence holds it."""
    return Spread(difference["seed_sd"], difference["video_sd"], len(difference["seeds"]), difference["num_videos"])
