"""The drawings' numbers follow from curves and scores that are made by hand, and each drawing is made at smoke size."""

from __future__ import annotations

import numpy as np
import pytest

from experiments import ms3d_figure_convergence, ms3d_figure_graph, ms3d_figure_open_set
from experiments.harness import main
from experiments.harness.cell import Options
from experiments.harness.figures import Cell
from experiments.harness.resolve import evaluation
from experiments.ms3d_ablations import CROSS_ENTROPY, ONE_BATCH
from experiments.ms3d_figure_convergence import draw, epochs_to
from experiments.ms3d_figure_graph import connections
from experiments.ms3d_figure_open_set import CELLS, MS3D, OpenSetScores, at_acceptance, auroc, interval, measured
from lightning_modules.losses.n_pair import NPair


def cell(row: str, seed: int, values: list[float]) -> Cell:
    curves = {"val/top1": [[2 * i + 1, value] for i, value in enumerate(values)]}
    return Cell(row, "Kinetics/Top-1", seed, {}, {"curves": curves})


def test_epochs_to_a_level_are_those_of_the_first_point_that_reaches_it():
    curves = np.array([[[2, 10], [4, 30], [6, 20], [8, 40]], [[2, 10], [4, 15], [6, 25], [8, 28]]], dtype=float)
    assert epochs_to(curves, 25) == [4, 6] and epochs_to(curves, 30) == [4, float("inf")]


def test_levels_are_shares_of_what_cross_entropy_ends_with():
    curves = {CROSS_ENTROPY: [10.0, 20, 40], MS3D: [20.0, 40, 50], ONE_BATCH: [5.0, 5, 5]}
    cells = [cell(row, seed, values) for row, values in curves.items() for seed in (0, 1)]
    drawing = draw(cells, lambda cell: None)
    half = {n["row"]: n for n in drawing.numbers if n["share of cross-entropy's end"] == 0.5}
    assert half[MS3D]["level"] == "20.0"
    assert half[ONE_BATCH]["seeds that reach it"] == "0 of 2"
    assert (half[MS3D]["epochs, mean over seeds"], half[CROSS_ENTROPY]["epochs, mean over seeds"]) == ("2.0", "4.0")
    with pytest.raises(ValueError, match="no val/top1"):
        draw([cell(MS3D, 0, [])], lambda cell: None)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    confidence, known = rng.normal(size=40) * 1000, rng.random(40) < 0.6
    confidence[3] = confidence[7]
    pairs = [(a > b) + 0.5 * (a == b) for a in confidence[known] for b in confidence[~known]]
    assert auroc(confidence, known) == pytest.approx(100 * np.mean(pairs), abs=1e-3)


def test_at_95_percent_acceptance_the_surest_known_videos_pass():
    confidence = np.concatenate([np.arange(100.0), [2.0, 4.0, 50.0, 200.0]])
    known, right = np.arange(104) < 100, np.arange(104) % 2 == 0
    accuracy, passed = at_acceptance(confidence, known, right)
    accepted = [i for i in range(100) if confidence[i] >= 4]  # 96 of 100: the next lower quantile
    assert accuracy == pytest.approx(100 * np.mean([i % 2 == 0 for i in accepted])) and passed == 75.0


def test_classes_never_trained_are_neither_predicted_nor_part_of_the_confidence():
    scores = np.array([[-1.0, -4.0, -np.inf], [-9.0, -2.0, -np.inf], [-9.0, -8.0, -np.inf]])
    one = OpenSetScores(scores, np.array([0, 0, 2]), 1)
    assert one.known.tolist() == [True, True, False] and one.right.tolist() == [True, False, False]
    assert one.confidence(MS3D).tolist() == [-1, -2, -8]
    logits = np.array([[1.0, 0.0, 9.0]])
    linear = OpenSetScores(logits, np.array([0]), 1)
    assert linear.confidence("cross-entropy")[0] == pytest.approx(np.e / (np.e + 1))


def test_a_video_that_could_not_be_decoded_is_wrong_and_the_least_sure():
    scores = np.array([[-1.0, -4.0, -5.0], [np.nan] * 3, [-9.0, -8.0, -7.0]])
    one = OpenSetScores(scores, np.array([0, 0, 2]), 1)
    assert one.right.tolist() == [True, False, False]
    for row in (MS3D, CROSS_ENTROPY):
        confidence = one.confidence(row)
        assert confidence[1] == -np.inf and np.isfinite(confidence[[0, 2]]).all()
        assert auroc(confidence, np.array([True, False, True])) == 100.0


def test_intervals_hold_the_value_and_shrink_with_more_videos(monkeypatch):
    monkeypatch.setattr(ms3d_figure_open_set, "RESAMPLED", 100)
    rng, widths = np.random.default_rng(0), []
    for number in (20, 320):
        labels = np.arange(number) % 4
        scores = rng.normal(size=(number, 4)) + 1.5 * np.eye(4)[labels] * (labels[:, None] < 3)
        found = [OpenSetScores(scores, labels, 1)] * 2
        mean, low, high = interval(measured(found, MS3D)["AUROC"], found[0].known, 2)
        assert low <= mean <= high and mean == pytest.approx(auroc(found[0].confidence(MS3D), found[0].known))
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


def test_the_open_set_trains_without_the_last_classes_and_tests_with_them():
    for profile, unknown in (("smoke", 1), ("proxy", 4)):
        for row in CELLS.rows:
            found = evaluation(CELLS, row, CELLS.columns[0], 0, Options(profile=profile))
            assert found.training.data.arguments["unknown_classes"] == unknown and found.training.init is None
            assert (found.training.module.arguments.get("loss", NPair()) is None) == (row.label != MS3D)


def test_a_blocks_picture_has_its_connections_and_nothing_above_them():
    matrix = connections(((0,), (1,), (0, 2)))
    assert np.array_equal(matrix, [[1, np.nan, np.nan], [0, 1, np.nan], [1, 0, 1]], equal_nan=True)


@pytest.mark.parametrize(
    "script", [ms3d_figure_convergence, ms3d_figure_graph, ms3d_figure_open_set], ids=lambda s: s.__name__[17:]
)
def test_it_is_drawn_at_smoke_size(script, capsys, monkeypatch):
    monkeypatch.setattr(ms3d_figure_open_set, "RESAMPLED", 10)
    with pytest.raises(SystemExit) as end:
        main(script.FIGURE, ["--profile", "smoke", "--seeds", "1", "--jobs", "1"])
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.out + printed.err
    assert "drawn: " in printed.out
