"""Claims about what it takes to decide, against the intervals of real comparisons and against simulation."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from experiments.harness.needed import (
    MOST_SEEDS,
    Needed,
    Spread,
    gap_to_decide,
    needed_to_decide,
    spread_of,
)
from experiments.harness.statistics import paired_difference


def difference(num_seeds: int, num_videos: int = 200):
    rng = np.random.default_rng(3)
    labels = rng.integers(4, size=num_videos)

    def scores(right: float):
        found = {}
        for seed in range(num_seeds):
            answers = np.where(rng.random(num_videos) < right + rng.normal(0, 0.03), labels, (labels + 1) % 4)
            found[seed] = np.eye(4)[answers]
        return found

    return paired_difference(scores(0.7), scores(0.6), labels, "top1")


@pytest.mark.parametrize("num_seeds", [2, 3, 8])
def test_with_the_same_seeds_and_videos_nothing_changes(num_seeds: int):
    found = difference(num_seeds)
    spread = spread_of(dataclasses.asdict(found))
    assert spread.half_width() == pytest.approx((found.high - found.low) / 2)
    assert spread.detectable() == pytest.approx(found.smallest_detectable)


def test_more_seeds_and_videos_shrink_their_own_part_alone():
    spread = Spread(seed_sd=1.0, video_sd=2.0, num_seeds=4, num_videos=100)
    seeds = stats.t.ppf(0.975, 15) * 1.0 / 2  # four times the seeds
    videos = stats.norm.ppf(0.975) * 2.0 / 3  # nine times the videos
    assert spread.half_width(16, 900) == pytest.approx(math.hypot(seeds, videos))
    assert spread.half_width(16) == pytest.approx(math.hypot(seeds, 3 * videos))


def test_the_number_of_seeds_is_the_smallest_that_does():
    spread = Spread(seed_sd=2.0, video_sd=0.5, num_seeds=3, num_videos=400)
    needed = needed_to_decide(spread, 3.0)
    assert needed is not None and needed.seeds is not None and not needed.more_videos
    assert spread.detectable(needed.seeds) <= 3.0 < spread.detectable(needed.seeds - 1)
    assert str(needed) == f"{needed.seeds} seeds"


def test_where_seeds_alone_cannot_do_it_videos_are_added():
    spread = Spread(seed_sd=0.5, video_sd=2.0, num_seeds=5, num_videos=400)
    assert spread.detectable(10**6) > 3.0, "no number of seeds decides on these videos"
    needed = needed_to_decide(spread, 3.0)
    assert needed is not None and needed.seeds is not None and needed.more_videos and needed.videos > 400
    assert spread.detectable(needed.seeds, needed.videos) <= 3.0


def test_what_no_feasible_experiment_decides_is_said():
    assert needed_to_decide(Spread(1.0, 1.0, 3, 400), 0.0) is None
    spread = Spread(seed_sd=5.0, video_sd=0.1, num_seeds=3, num_videos=400)
    assert needed_to_decide(spread, 0.5) == Needed(None, 400, False)
    assert str(needed_to_decide(spread, 0.5)) == f"over {MOST_SEEDS} seeds"


def test_so_many_seeds_find_such_a_difference_four_times_in_five():
    sd, truth = 2.0, 1.5  # of one seed, percent points; the videos add nothing
    needed = needed_to_decide(Spread(sd / math.sqrt(4), 0.0, 4, 400), truth)
    assert needed is not None and needed.seeds is not None
    rng = np.random.default_rng(0)
    runs = rng.normal(truth, sd, (4000, needed.seeds))
    half = stats.t.ppf(0.975, needed.seeds - 1) * runs.std(axis=1, ddof=1) / math.sqrt(needed.seeds)
    found = (runs.mean(axis=1) > half).mean()
    assert 0.76 < found < 0.88


@pytest.mark.parametrize(
    ("mean", "relation", "margin", "gap"),
    [(2.0, ">", 0.0, 2.0), (-2.0, ">", 0.0, 2.0), (2.5, ">", 1.0, 1.5), (0.5, ">", 1.0, 0.0), (-0.5, ">", 1.0, 0.5),
     (0.3, "~", 1.0, 0.7), (-0.3, "~", 1.0, 0.7), (3.0, "~", 1.0, 2.0)],
)  # fmt: skip
def test_the_gap_is_to_where_the_verdict_changes(mean: float, relation: str, margin: float, gap: float):
    assert gap_to_decide(mean, relation, margin) == pytest.approx(gap)
