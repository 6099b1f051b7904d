"""Claims about the accuracy metrics, against slow re-derivations and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    precision_recall_curve,
    top_k_accuracy_score,
)

from experiments.harness.metrics import METRICS, hits, mean_class_acc, rank_map, top1, top5, weighted

# The worked example measured on the LIGAR authors' evaluation: 8 videos, 4 classes, class 3 without videos.
EXAMPLE_SCORES = np.array([[0.9 * math.sin(7 * i + 3 * j + 1) for j in range(4)] for i in range(8)])
EXAMPLE_LABELS = np.array([0, 1, 2, 0, 1, 2, 2, 0])


def random_row(seed: int, num_videos: int = 40, num_classes: int = 6, strength: float = 1.0):
    """Return scores that are better than chance, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(num_videos) % num_classes)
    return rng.normal(size=(num_videos, num_classes)) + strength * np.eye(num_classes)[labels], labels


def slow_map(scores: np.ndarray, labels: np.ndarray) -> float:
    """Re-derive mAP with plain loops: scores are thresholds; precision is the best at that recall or more."""
    per_class = []
    for label in sorted(set(labels.tolist())):
        points = []
        for threshold in sorted(set(scores[:, label].tolist()), reverse=True):
            taken = [i for i in range(len(labels)) if scores[i, label] >= threshold]
            right = sum(1 for i in taken if labels[i] == label)
            points.append((right / int((labels == label).sum()), right / len(taken)))
        area, recall_before = 0.0, 0.0
        for recall, _ in points:
            area += (recall - recall_before) * max(p for r, p in points if r >= recall)
            recall_before = recall
        per_class.append(area)
    return 100 * sum(per_class) / len(per_class)


def test_map_gives_the_measured_example_over_the_classes_that_have_videos():
    assert rank_map(EXAMPLE_SCORES, EXAMPLE_LABELS) == pytest.approx(43.6111, abs=1e-4)


def test_map_over_all_four_classes_is_the_value_of_the_authors_code():
    assert rank_map(EXAMPLE_SCORES, EXAMPLE_LABELS) * 3 / 4 == pytest.approx(32.7083, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_map_equals_its_slow_derivation(seed):
    scores, labels = random_row(seed)
    assert rank_map(scores, labels) == pytest.approx(slow_map(scores, labels), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_map_equals_its_slow_derivation_with_many_tied_scores(seed):
    scores, labels = random_row(seed)
    scores = np.round(scores)
    assert rank_map(scores, labels) == pytest.approx(slow_map(scores, labels), abs=1e-9)


def interpolated(right: np.ndarray, scores: np.ndarray) -> float:
    """Return the area under scikit-learn's precision-recall curve, each precision raised to the largest beyond it."""
    precision, recall, _ = precision_recall_curve(right, scores)  # recall falls from 1 to 0
    return float(-np.diff(recall) @ np.maximum.accumulate(precision)[:-1])


@pytest.mark.parametrize("rounded", [False, True], ids=["all scores differ", "many tied"])
@pytest.mark.parametrize("seed", range(5))
def test_map_is_scikit_learns_average_precision_but_for_the_raised_precision(seed: int, rounded: bool):
    scores, labels = random_row(seed)
    scores = np.round(scores) if rounded else scores
    classes = np.unique(labels)
    ours, plain = rank_map(scores, labels), [average_precision_score(labels == k, scores[:, k]) for k in classes]
    assert ours == pytest.approx(100 * np.mean([interpolated(labels == k, scores[:, k]) for k in classes]), abs=1e-9)
    assert ours > 100 * np.mean(plain), "raising can only add"


@pytest.mark.parametrize("right", [[1, 0, 1, 0, 0, 1], [1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 0, 1]])
def test_map_is_scikit_learns_average_precision_where_precision_never_rises(right: list[int]):
    """Class 0 ranks the videos in their order, its own on the places given; class 1 ranks its own first."""
    labels = 1 - np.array(right)
    scores = np.stack([np.arange(6, 0, -1.0), labels], axis=1)
    plain = [average_precision_score(labels == k, scores[:, k]) for k in (0, 1)]
    assert plain[1] == 1 and plain[0] < 1
    assert rank_map(scores, labels) == pytest.approx(100 * np.mean(plain))


def test_map_of_a_perfect_ranking_is_100_and_of_constant_scores_the_share_of_each_class():
    labels = np.array([0, 0, 1, 1, 1, 2])
    assert rank_map(np.eye(3)[labels], labels) == pytest.approx(100)
    assert rank_map(np.zeros((6, 3)), labels) == pytest.approx(100 * (2 / 6 + 3 / 6 + 1 / 6) / 3)


def test_map_depends_only_on_the_order_of_each_class_scores():
    scores, labels = random_row(1)
    assert rank_map(np.exp(scores) * [1, 2, 3, 4, 5, 6], labels) == pytest.approx(rank_map(scores, labels))


@pytest.mark.parametrize("seed", range(3))
def test_top_k_and_mean_class_accuracy_equal_scikit_learn(seed):
    scores, labels = random_row(seed, num_classes=8)
    classes = np.arange(8)
    for k, metric in ((1, top1), (5, top5)):
        expected = 100 * top_k_accuracy_score(labels, scores, k=k, labels=classes)
        assert metric(scores, labels) == pytest.approx(expected)
    expected = 100 * balanced_accuracy_score(labels, scores.argmax(axis=1))
    assert mean_class_acc(scores, labels) == pytest.approx(expected)


def test_mean_class_accuracy_weighs_a_rare_class_like_a_common_one():
    labels = np.array([0, 0, 0, 1])
    scores = np.tile([1.0, 0.0], (4, 1))
    assert top1(scores, labels) == 75
    assert mean_class_acc(scores, labels) == 50


def test_top5_of_five_classes_or_fewer_is_100():
    scores, labels = random_row(0, num_classes=4)
    assert top5(scores, labels) == 100


def test_of_equal_scores_the_smaller_class_ranks_first():
    scores = np.zeros((3, 7))
    labels = np.array([0, 4, 5])
    assert hits(scores, labels).tolist() == [True, False, False]
    assert hits(scores, labels, 5).tolist() == [True, True, False]


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_the_videos_does_not_matter(metric):
    scores, labels = random_row(3)
    scores = np.round(scores)
    shuffled = np.random.default_rng(0).permutation(len(labels))
    evaluate = METRICS[metric]
    assert evaluate(scores[shuffled], labels[shuffled]) == pytest.approx(evaluate(scores, labels))


@pytest.mark.parametrize("metric", METRICS)
def test_a_video_that_could_not_be_decoded_counts_as_wrong(metric):
    scores, labels = np.eye(6)[np.arange(30) % 6], np.arange(30) % 6
    assert METRICS[metric](scores, labels) == pytest.approx(100)
    scores[7] = np.nan
    assert METRICS[metric](scores, labels) < 100
    scores[:] = np.nan
    if metric != "map":
        assert METRICS[metric](scores, labels) == 0


def test_a_single_nan_spoils_the_whole_row():
    assert hits(np.array([[5.0, np.nan, 1.0]]), np.array([0])).tolist() == [False]


def test_an_undecodable_video_ranks_behind_every_decoded_one():
    labels = np.array([0, 1, 1, 0])
    scores = np.array([[2.0, 0], [1, 2], [0, 1], [np.nan, np.nan]])
    worst = scores.copy()
    worst[3] = -100
    assert rank_map(scores, labels) == pytest.approx(rank_map(worst, labels))
    assert rank_map(scores, labels) == pytest.approx(100 * ((1 + 2 / 4) / 2 + 1) / 2)


@pytest.mark.parametrize("metric", METRICS)
def test_weights_give_the_metric_of_the_test_set_written_out(metric):
    scores, labels = random_row(4)
    scores = np.round(scores, 1)
    scores[5] = np.nan
    weights = np.random.default_rng(1).multinomial(40, np.full(40, 1 / 40), size=300)
    assert (weights.max(axis=1) > 1).all()
    expected = [METRICS[metric](np.repeat(scores, w, axis=0), np.repeat(labels, w)) for w in weights]
    np.testing.assert_allclose(weighted(metric, scores, labels, weights), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("metric", ["mean_class_acc", "map"])
def test_a_class_that_a_resample_misses_leaves_the_mean(metric):
    scores, labels = random_row(5, num_videos=12, num_classes=3)
    weights = (labels != 1).astype(int)[None]
    keep = labels != 1
    expected = METRICS[metric](scores[keep], labels[keep])
    assert weighted(metric, scores, labels, weights)[0] == pytest.approx(expected)


def test_half_precision_scores_are_accepted():
    scores, labels = random_row(6)
    scores = scores.astype(np.float16)
    assert rank_map(scores, labels) == pytest.approx(slow_map(scores, labels))


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((3, 2)), np.array([0, 1]), r"scores \(3, 2\) and labels \(2,\)"),
        (np.zeros((0, 2)), np.zeros(0, dtype=int), "N > 0"),
        (np.zeros(3), np.array([0, 1, 0]), r"must be \(N, K\)"),
        (np.zeros((2, 2)), np.array([0, 2]), "from 0 to 1"),
        (np.zeros((2, 2)), np.array([0, -1]), "from 0 to 1"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), "must be integers"),
    ],
)
def test_misfits_are_refused(scores, labels, message):
    for metric in METRICS.values():
        with pytest.raises(ValueError, match=message):
            metric(scores, labels)


def test_an_unknown_metric_or_weights_of_another_test_set_are_refused():
    scores, labels = random_row(0)
    with pytest.raises(ValueError, match="unknown metric 'top2'; accepted: top1, top5, mean_class_acc, map"):
        weighted("top2", scores, labels, np.ones((1, len(labels))))
    with pytest.raises(ValueError, match=r"weights \(1, 7\)"):
        weighted("top1", scores, labels, np.ones((1, 7)))
