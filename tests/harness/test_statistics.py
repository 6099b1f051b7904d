"""Claims about intervals, paired comparisons and verdicts, the coverage by simulated experiments."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest
from scipy import stats

from experiments.harness import statistics
from experiments.harness.metrics import METRICS
from experiments.harness.statistics import Difference, a_a_control, difference_of_gains, estimate, paired_difference
from experiments.harness.verdicts import holm, sequence_verdict, verdict

NUM_VIDEOS = 400
NUM_EXPERIMENTS = 300


def sigmoid(x):
    """Return the logistic function."""
    return 1 / (1 + np.exp(-x))


@dataclasses.dataclass
class Experiment:
    """Rows whose videos are right with a probability by row, seed, video and their interactions.

    ``seed_sd`` is the standard deviation of one row's accuracy over seeds, in percent points.
    """

    offsets: tuple[float, ...] = (1.5, 1.2)
    seed_sd: float = 2.0
    video: float = 1.5  # logits: some videos are hard for all rows
    row_by_video: float = 1.0
    seed_by_video: float = 0.7

    def __post_init__(self):
        spread = math.sqrt(self.video**2 + self.row_by_video**2 + self.seed_by_video**2)
        p = sigmoid(np.add.outer(self.offsets, spread * stats.norm.ppf((np.arange(20000) + 0.5) / 20000)))
        self.seed_logits = self.seed_sd / (100 * (p * (1 - p)).mean())
        spread = math.hypot(spread, self.seed_logits)
        p = sigmoid(np.add.outer(self.offsets, spread * stats.norm.ppf((np.arange(20000) + 0.5) / 20000)))
        self.accuracies = 100 * p.mean(axis=1)
        self.truth = self.accuracies[0] - self.accuracies[1]

    def run(self, rng, num_seeds: int):
        """Return the scores of each row by seed, with two classes, and the labels."""
        video = rng.normal(0, self.video, NUM_VIDEOS)
        labels = rng.integers(2, size=NUM_VIDEOS)
        rows = []
        for offset in self.offsets:
            own = offset + video + rng.normal(0, self.row_by_video, NUM_VIDEOS)
            seed_noise = rng.normal(0, self.seed_logits, (num_seeds, 1))
            noise = seed_noise + rng.normal(0, self.seed_by_video, (num_seeds, NUM_VIDEOS))
            right = rng.random((num_seeds, NUM_VIDEOS)) < sigmoid(own + noise)
            rows.append(dict(enumerate(np.eye(2)[np.where(right, labels, 1 - labels)])))
        return *rows, labels


@pytest.fixture
def few_replicates(monkeypatch):
    """Make a simulated experiment cheap; a variance from 200 resamples is good to 10 %."""
    monkeypatch.setattr(statistics, "NUM_REPLICATES", 200)


def random_row(rng, num_seeds, labels, num_classes, strength):
    """Return scores by seed that are better than chance."""
    return {
        seed: rng.normal(size=(len(labels), num_classes)) + strength * np.eye(num_classes)[labels]
        for seed in range(num_seeds)
    }


def difference(low: float, high: float, num_seeds: int = 3) -> Difference:
    """Return a difference with this interval."""
    seeds = tuple(range(num_seeds))
    return Difference((low + high) / 2, low, high, 0.5, 1.0, (0.0,) * num_seeds, seeds, (), 100, 1.0, 1.0)


@pytest.mark.parametrize(
    "experiment",
    [
        Experiment(),
        Experiment(seed_sd=0.0, seed_by_video=1.5),
        Experiment(seed_sd=5.0),
    ],
    ids=["realistic", "interaction only", "wild seeds"],
)
@pytest.mark.usefixtures("few_replicates")
def test_intervals_of_a_paired_difference_cover_the_truth(experiment):
    rng = np.random.default_rng(7)
    covered = {2: 0, 3: 0, 10: 0}
    for _ in range(NUM_EXPERIMENTS):
        first, second, labels = experiment.run(rng, 10)
        for num_seeds in covered:
            some = {seed: first[seed] for seed in range(num_seeds)}  # the second row's others are left out
            found = paired_difference(some, second, labels, "top1")
            covered[num_seeds] += found.low <= experiment.truth <= found.high
    shares = {num_seeds: count / NUM_EXPERIMENTS for num_seeds, count in covered.items()}
    assert all(0.92 <= share <= 0.995 for share in shares.values()), shares


@pytest.mark.usefixtures("few_replicates")
def test_intervals_of_a_difference_of_gains_cover_the_truth():
    rng, covered = np.random.default_rng(11), 0
    rows = Experiment(offsets=(1.8, 1.0, 1.5, 1.2))
    truth = float(rows.accuracies @ [1, -1, -1, 1])
    for _ in range(NUM_EXPERIMENTS):
        *(a, b, c, d), labels = rows.run(rng, 5)
        found = difference_of_gains((a, b), (c, d), labels, "top1")
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / NUM_EXPERIMENTS <= 0.995


def test_a_difference_of_gains_over_one_row_is_the_difference():
    first, second, labels = Experiment().run(np.random.default_rng(12), 4)
    base = {seed: np.roll(scores, 1, axis=0) for seed, scores in first.items()}
    plain = paired_difference(first, second, labels, "top1")
    found = difference_of_gains((first, base), (second, base), labels, "top1")
    assert (found.mean, found.low, found.p_value) == pytest.approx((plain.mean, plain.low, plain.p_value))
    assert found.per_seed == pytest.approx(plain.per_seed)
    apart = difference_of_gains((first, base), (second, first), labels, "top1")
    assert apart.mean != pytest.approx(plain.mean)
    fewer = difference_of_gains((first, base), (second, {seed: base[seed] for seed in (0, 2)}), labels, "top1")
    assert fewer.seeds == (0, 2) and fewer.dropped_seeds == (1, 3)
    with pytest.raises(ValueError, match=r"no common seed: the rows have \[0, 1, 2, 3\] and .* and \[9\]"):
        difference_of_gains((first, base), (second, {9: base[0]}), labels, "top1")


@pytest.mark.usefixtures("few_replicates")
def test_a_plain_crossed_bootstrap_of_three_seeds_would_not_cover():
    rng = np.random.default_rng(8)
    experiment = Experiment(seed_sd=5.0)
    weights = rng.multinomial(NUM_VIDEOS, np.full(NUM_VIDEOS, 1 / NUM_VIDEOS), size=500).astype(float)
    covered = 0
    for _ in range(200):
        first, second, labels = experiment.run(rng, 3)
        right = np.stack([first[s].argmax(1) == labels for s in range(3)]).astype(float)
        right -= np.stack([second[s].argmax(1) == labels for s in range(3)])
        resampled = 100 * (right @ weights.T / NUM_VIDEOS)  # (S, B)
        picked = rng.integers(3, size=(3, 500))
        low, high = np.percentile(np.take_along_axis(resampled, picked, axis=0).mean(axis=0), [2.5, 97.5])
        covered += low <= experiment.truth <= high
    assert covered / 200 < 0.9


@pytest.mark.parametrize("num_seeds", [3, 10])
@pytest.mark.parametrize("offset", [1.0, 6.0], ids=["mid-scale", "near 100 %"])
@pytest.mark.usefixtures("few_replicates")
def test_intervals_of_a_single_row_cover_the_truth(offset, num_seeds):
    rng = np.random.default_rng(9)
    experiment = Experiment(offsets=(offset, offset), seed_sd=2.0 if offset < 2 else 0.5)
    covered = 0
    for _ in range(200):
        first, _, labels = experiment.run(rng, num_seeds)
        found = estimate(first, labels, "top1")
        covered += found.low <= experiment.accuracies[0] <= found.high
    assert 0.92 <= covered / 200


@pytest.mark.parametrize("num_seeds", [3, 10])
@pytest.mark.usefixtures("few_replicates")
def test_four_experiments_in_five_find_the_smallest_detectable_difference(num_seeds):
    rng = np.random.default_rng(10)
    at_zero = Experiment(offsets=(1.2, 1.2))
    squares = [paired_difference(*at_zero.run(rng, num_seeds), "top1") for _ in range(200)]
    seed, video = (np.mean([getattr(d, part) ** 2 for d in squares]) for part in ("seed_sd", "video_sd"))
    # The true parts, averaged over the experiments: what smallest_detectable estimates from one of them.
    detectable = statistics._Noise(seed, video, num_seeds - 1)
    target = detectable.half_width + detectable.quantile(0.2)
    offsets = np.linspace(1.2, 3.5, 47)
    offset = min(offsets, key=lambda o: abs(Experiment(offsets=(o, 1.2)).truth - target))
    apart = Experiment(offsets=(offset, 1.2))
    found = np.mean([paired_difference(*apart.run(rng, num_seeds), "top1").low > 0 for _ in range(200)])
    assert 0.70 <= found <= 0.90


@pytest.mark.parametrize("num_seeds", [3, 4, 10])
@pytest.mark.usefixtures("few_replicates")
def test_an_a_a_control_comes_out_undecided(num_seeds):
    rng = np.random.default_rng(11)
    verdicts = []
    for _ in range(200):
        first, _, labels = Experiment().run(rng, num_seeds)
        values = {seed: METRICS["top1"](scores, labels) for seed, scores in first.items()}
        verdicts.append(verdict(a_a_control(values, NUM_VIDEOS), ">"))
    assert verdicts.count("undecided") / 200 >= 0.91


def test_an_a_a_control_of_three_seeds_takes_its_noise_from_the_half_with_two():
    values = {0: 61.0, 1: 55.0, 2: 58.5}
    found = a_a_control(values, 200)
    variance = (values[1] - values[2]) ** 2 / 2 * (1 + 1 / 2)
    assert found.mean == pytest.approx(values[0] - (values[1] + values[2]) / 2)
    assert found.seed_sd == pytest.approx(math.sqrt(variance))
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 1) * math.sqrt(variance), rel=1e-6)
    with pytest.raises(ValueError, match=r"at least 3 seeds, got \[0, 1\]"):
        a_a_control({0: 61.0, 1: 55.0}, 200)


def test_two_equal_seeds_are_no_certainty():
    """Their values are known to one video: with one degree of freedom that leaves a wide interval."""
    found = a_a_control({0: 75.0, 1: 76.0, 2: 76.0}, 200)
    one_video = 100 / 200
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 1) * one_video * math.sqrt(1.5), rel=1e-6)
    assert verdict(found, ">") == "undecided"


def test_interval_of_one_seed_is_the_paired_interval_over_videos():
    rng = np.random.default_rng(1)
    first, second, labels = Experiment().run(rng, 1)
    found = paired_difference(first, second, labels, "top1")
    d = 100.0 * (first[0].argmax(1) == labels) - 100.0 * (second[0].argmax(1) == labels)
    assert found.mean == pytest.approx(d.mean())
    assert found.seed_sd == 0
    assert found.high - found.mean == pytest.approx(1.96 * d.std(ddof=1) / math.sqrt(NUM_VIDEOS), rel=0.06)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(found.mean) / found.video_sd))
    assert found.num_seeds == 1


def test_single_seed_estimate_is_the_wilson_interval():
    rng = np.random.default_rng(2)
    first, _, labels = Experiment().run(rng, 1)
    found = estimate(first, labels, "top1")
    right = int((first[0].argmax(1) == labels).sum())
    expected = stats.binomtest(right, NUM_VIDEOS).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((100 * expected.low, 100 * expected.high), abs=0.25)


def test_no_video_wrong_does_not_mean_no_doubt():
    labels = np.arange(60) % 3
    perfect = {seed: np.eye(3)[labels] for seed in range(3)}
    found = estimate(perfect, labels, "top1")
    assert (found.mean, found.high) == (100, 100)
    assert found.low == pytest.approx(100 * stats.binomtest(60, 60).proportion_ci(method="wilson").low)
    same = paired_difference(perfect, perfect, labels, "top1")
    assert same.mean == 0
    assert same.high == -same.low == pytest.approx(1.96 * 100 / 60, rel=1e-4)
    assert same.p_value == pytest.approx(1)


def test_p_value_is_5_percent_at_the_end_of_the_interval():
    for seed, video, freedom in [(1.0, 0.5, 2), (0.1, 2.0, 9), (3.0, 1e-4, 1), (0.0, 1.0, 4), (0.0, 1.0, 0)]:
        noise = statistics._Noise(seed, video, freedom)
        assert noise.p_value(noise.half_width) == pytest.approx(0.05, rel=1e-6)
        assert noise.p_value(-noise.half_width) == pytest.approx(0.05, rel=1e-6)
        assert noise.p_value(0) == pytest.approx(1)
        assert noise.p_value(1e4) < 1e-3


@pytest.mark.parametrize("metric", METRICS)
def test_swapping_the_rows_changes_the_sign_only(metric):
    rng = np.random.default_rng(3)
    labels = rng.integers(4, size=80)
    first, second = random_row(rng, 3, labels, 4, 1.5), random_row(rng, 3, labels, 4, 1.0)
    forth = paired_difference(first, second, labels, metric)
    back = paired_difference(second, first, labels, metric)
    assert (back.mean, back.low, back.high) == pytest.approx((-forth.mean, -forth.high, -forth.low))
    assert back.p_value == pytest.approx(forth.p_value)
    values = [METRICS[metric](first[s], labels) - METRICS[metric](second[s], labels) for s in range(3)]
    assert forth.per_seed == pytest.approx(values)


def test_the_same_scores_give_the_same_numbers():
    first, second, labels = Experiment().run(np.random.default_rng(4), 3)
    assert paired_difference(first, second, labels, "map") == paired_difference(first, second, labels, "map")


def test_pairing_the_videos_removes_the_noise_that_both_rows_share():
    first, second, labels = Experiment(row_by_video=0.0, seed_by_video=0.0, seed_sd=0.0, video=6.0).run(
        np.random.default_rng(5), 3
    )
    alone = estimate(first, labels, "top1")
    assert paired_difference(first, second, labels, "top1").video_sd < (alone.high - alone.low) / 2 / 1.96


def test_rows_with_other_seeds_are_compared_on_the_common_ones():
    first, second, labels = Experiment().run(np.random.default_rng(6), 5)
    some, others = {s: first[s] for s in (0, 1, 2, 4)}, {s: second[s] for s in (1, 2, 3, 4)}
    found = paired_difference(some, others, labels, "top1")
    assert found.seeds == (1, 2, 4)
    assert found.dropped_seeds == (0, 3)
    common = {s: first[s] for s in (1, 2, 4)}, {s: second[s] for s in (1, 2, 4)}
    assert dataclasses.replace(found, dropped_seeds=()) == paired_difference(*common, labels, "top1")
    with pytest.raises(ValueError, match=r"no common seed: the rows have \[0\] and \[1\]"):
        paired_difference({0: first[0]}, {1: second[1]}, labels, "top1")


def test_rows_may_have_different_numbers_of_classes():
    rng = np.random.default_rng(7)
    labels = rng.integers(4, size=50)
    four, nine = random_row(rng, 2, labels, 4, 1.0), random_row(rng, 2, labels, 9, 1.0)
    found = paired_difference(four, nine, labels, "top1")
    assert found.num_videos == 50


def test_undecodable_videos_count_as_wrong_in_every_seed():
    labels = np.arange(40) % 4
    scores = np.eye(4)[labels]
    broken = scores.copy()
    broken[:10] = np.nan
    found = paired_difference({0: scores, 1: scores}, {0: broken, 1: broken}, labels, "top1")
    assert found.mean == 25
    assert found.low > 0


@pytest.mark.parametrize(
    ("low", "high", "relation", "margin", "expected"),
    [
        (0.1, 2.0, ">", 0.0, "reproduced"),
        (-0.1, 2.0, ">", 0.0, "undecided"),
        (-3.0, -0.1, ">", 0.0, "not reproduced"),
        (0.1, 2.0, ">", 1.0, "undecided"),
        (1.1, 2.0, ">", 1.0, "reproduced"),
        (-3.0, -0.1, ">", 1.0, "not reproduced"),
        (-0.9, 0.9, "~", 1.0, "reproduced"),
        (-0.9, 1.1, "~", 1.0, "undecided"),
        (-3.0, 3.0, "~", 1.0, "undecided"),
        (1.1, 2.0, "~", 1.0, "not reproduced"),
        (-2.0, -1.1, "~", 1.0, "not reproduced"),
        (0.1, 2.0, "~", 0.0, "not reproduced"),
        (-0.1, 0.1, "~", 0.0, "undecided"),
    ],
)
def test_verdict_follows_from_interval_and_margin(low, high, relation, margin, expected):
    assert verdict(difference(low, high), relation, margin) == expected


def test_a_single_seed_decides_nothing():
    assert verdict(difference(5, 6, num_seeds=1), ">") == "undecided"
    assert verdict(difference(-0.1, 0.1, num_seeds=1), "~", 1.0) == "undecided"


def test_a_relation_or_margin_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="unknown relation '<'; accepted: '>', '~'"):
        verdict(difference(1, 2), "<")
    with pytest.raises(ValueError, match="margin -1"):
        verdict(difference(1, 2), ">", -1)


def test_a_sequence_holds_if_all_neighbours_hold():
    assert sequence_verdict(["reproduced", "reproduced"]) == "reproduced"
    assert sequence_verdict(["reproduced", "undecided"]) == "undecided"
    assert sequence_verdict(["undecided", "not reproduced"]) == "not reproduced"
    with pytest.raises(ValueError, match="at least one"):
        sequence_verdict([])


def test_holm_gives_the_textbook_example_and_rejects_as_the_step_down_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    rng = np.random.default_rng(12)
    for _ in range(50):
        p_values = (rng.random(8) ** 4).tolist()
        rejected = set()
        for rank, index in enumerate(np.argsort(p_values)):
            if p_values[index] > 0.05 / (8 - rank):
                break
            rejected.add(int(index))
        assert {i for i, p in enumerate(holm(p_values)) if p <= 0.05} == rejected


def test_unknown_metrics_and_empty_rows_are_refused():
    labels = np.array([0, 1])
    with pytest.raises(ValueError, match="unknown metric 'top3'; accepted: top1, top5, mean_class_acc, map"):
        estimate({0: np.eye(2)}, labels, "top3")
    with pytest.raises(ValueError, match="no seed"):
        estimate({}, labels, "top1")


def test_map_of_ten_seeds_is_resampled_in_seconds():
    rng = np.random.default_rng(13)
    labels = rng.integers(12, size=NUM_VIDEOS)
    row = random_row(rng, 10, labels, 12, 2.0)
    start = time.process_time()
    found = estimate(row, labels, "map")
    assert time.process_time() - start < 5
    assert found.low < found.mean < found.high


def test_an_interval_ends_where_a_difference_can():
    """Two seeds of which one does not learn: the interval would be wider than all that accuracies can differ by."""
    rng, labels = np.random.default_rng(0), np.arange(200) % 4
    good, bad = (rng.normal(size=(200, 4)) + skill * np.eye(4)[labels] for skill in (4.0, 0.0))
    found = paired_difference({0: good, 1: bad}, {0: good, 1: good}, labels, "top1")
    assert (found.low, found.high) == (-100.0, 100.0) and -50 < found.mean < -30
    gains = difference_of_gains(
        ({0: good, 1: bad}, {0: good, 1: good}), ({0: good, 1: good}, {0: good, 1: good}), labels, "top1"
    )
    assert (gains.low, gains.high) == (-200.0, 200.0) and gains.mean == found.mean
