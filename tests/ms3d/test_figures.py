"""The drawings' numbers follow from curves and scores that are made by hand, and each drawing is made at smoke size."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from datamodules.known_classes import unknown_labels
from datamodules.synthetic.classes import combination
from experiments import ms3d_figure_convergence, ms3d_figure_graph, ms3d_figure_open_set
from experiments.harness import main
from experiments.harness.cell import Options
from experiments.harness.figures import Cell
from experiments.harness.resolve import evaluation
from experiments.ms3d_ablations import CROSS_ENTROPY, ONE_BATCH
from experiments.ms3d_ablations import TABLE as ABLATIONS
from experiments.ms3d_figure_convergence import draw, epochs_to, paired_difference
from experiments.ms3d_figure_graph import connections
from experiments.ms3d_figure_open_set import (
    CELLS,
    MS3D,
    OpenSetScores,
    _accuracies,
    _at_gamma,
    _pass_rates,
    at_acceptance,
    auroc,
    interval,
    measured,
)
from lightning_modules.losses.n_pair import NPair


def cell(row: str, seed: int, values: list[float]) -> Cell:
    curves = {"val/top1": [[2 * i + 1, value] for i, value in enumerate(values)]}
    return Cell(row, "Kinetics/Top-1", seed, {}, {"curves": curves})


def test_a_level_is_reached_on_the_line_between_two_validated_epochs():
    curves = np.array([[[2, 10], [4, 30], [6, 20], [8, 40]], [[2, 10], [4, 15], [6, 25], [8, 28]]], dtype=float)
    assert epochs_to(curves, [25, 20]) == [3.5, 5.0]
    assert epochs_to(curves, [5, 30]) == [2.0, float("inf")], "before the first validation nothing is known"
    assert epochs_to(curves[:1], [35.0]) == [7.5], "a fall in between does not count"


def test_levels_are_shares_of_what_cross_entropy_ends_with_and_of_the_rows_own_end():
    curves = {CROSS_ENTROPY: [10.0, 20, 40], MS3D: [30.0, 40, 50], ONE_BATCH: [4.0, 6, 8]}
    cells = [cell(row, seed, values) for row, values in curves.items() for seed in (0, 1)]
    drawing = draw(cells, lambda cell: None)
    half = {(n["row"], n["of"]): n for n in drawing.numbers if n["share"] == 0.5}
    other, own = ms3d_figure_convergence.CROSS_ENTROPYS, ms3d_figure_convergence.OWN
    assert half[MS3D, other]["top-1"] == "20.0" and half[MS3D, own]["top-1"] == "25.0"
    assert half[ONE_BATCH, other]["seeds that reach it"] == "0 of 2"
    assert half[ONE_BATCH, other]["epoch"] == ">= 6.0"
    assert half[ONE_BATCH, other]["epochs later than cross-entropy"] == ">= +2.0", "a bound where it speaks against it"
    assert (half[MS3D, other]["epoch"], half[CROSS_ENTROPY, other]["epoch"]) == ("2.0", "4.0")
    assert half[MS3D, other]["epochs later than cross-entropy"] == "-2.0"
    assert half[CROSS_ENTROPY, own]["epochs later than cross-entropy"] == ""
    points = [n for n in drawing.numbers if n["row"] == MS3D and n["shown"].startswith("curve")]
    assert {n["shown"] for n in points} == {"curve, seed 0", "curve, seed 1", "curve, mean over seeds"}
    drawn = [(n["epoch"], n["top-1"]) for n in points if n["shown"] == "curve, mean over seeds"]
    assert drawn == [("2", "30.0"), ("4", "40.0"), ("6", "50.0")], "what is drawn is in the numbers"
    with pytest.raises(ValueError, match="no val/top1"):
        draw([cell(MS3D, 0, [])], lambda cell: None)


def test_epochs_are_compared_seed_by_seed():
    from scipy import stats

    own, others = [4.0, 8.0, 6.0, 10.0], [2.0, 4.0, 6.0, 4.0]
    mean, low, high = map(float, paired_difference(own, others, 16))
    expected = stats.ttest_rel(own, others).confidence_interval(0.95)
    assert mean == 3.0 and (low, high) == pytest.approx((expected.low, expected.high), abs=0.05)
    assert paired_difference([4.0, float("inf")], [2.0, 4.0], 16) == (">= +7.0", "", ""), "2 and at least 12 later"
    assert paired_difference([2.0, 4.0], [4.0, float("inf")], 16) == ("", "", "")
    assert paired_difference([4.0], [2.0], 16) == ("", "", "")


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


def test_pass_rates_are_counted_where_each_share_of_the_known_videos_passes():
    confidence = np.array([0.9, 0.8, 0.6, 0.4, 0.85, 0.5, 0.1])
    known = np.arange(7) < 4
    shares = np.array([0.0, 1 / 3, 2 / 3, 1.0])  # the least sure that still passes: 0.9, 0.8, 0.6, 0.4
    expected = [np.mean([value >= least for value in (0.85, 0.5, 0.1)]) for least in (0.9, 0.8, 0.6, 0.4)]
    assert _pass_rates(confidence, known, shares) == pytest.approx(expected)


def test_accuracy_is_that_of_the_surest_videos_where_the_others_are_rejected():
    confidence, right = np.array([0.1, 0.9, -np.inf, 0.5, 0.7]), np.array([True, True, False, False, True])
    found = _accuracies(confidence, right, np.array([0.0, 0.2, 0.5, 0.99]))
    assert found == pytest.approx([3 / 5, 3 / 4, 2 / 3, 1.0]), "all five, four, three (half rounded up) and one"


def test_at_gamma_passes_what_the_repository_would_not_call_unknown():
    scores = np.array([[-1.0, -9.0, -np.inf], [-4.0, -9.0, -np.inf], [-9.0, -3.9, -np.inf], [np.nan] * 3])
    one = OpenSetScores(scores, np.array([0, 0, 2, 2]), 1)

    def load(cell: Cell) -> tuple[SimpleNamespace, None]:
        return SimpleNamespace(repository=SimpleNamespace(threshold=[2.0, 1.0][cell.seed])), None

    numbers = _at_gamma([cell(MS3D, 0, []), cell(MS3D, 1, [])], [one, one], load)
    # Gamma 2 (squared 4) passes the first and third video, gamma 1 none, of which none is right; the fourth could
    # not be decoded.
    measures = {n["measure"]: n["percent"] for n in numbers}
    assert measures == {
        "known videos that pass at gamma": "25.0",
        "accuracy of known videos at gamma": "50.0",
        "unknown videos that pass at gamma": "25.0",
    }
    assert all(float(n["low"]) <= float(n["percent"]) <= float(n["high"]) for n in numbers)


def test_the_rows_are_compared_measure_by_measure_on_the_same_drawn_seeds_and_videos(monkeypatch):
    monkeypatch.setattr(ms3d_figure_open_set, "RESAMPLED", 50)
    rng, labels = np.random.default_rng(1), np.arange(80) % 4
    found = {
        row: [
            OpenSetScores(rng.normal(size=(80, 4)) + skill * np.eye(4)[labels] * (labels[:, None] < 3), labels, 1)
            for _ in range(2)
        ]
        for row, skill in ((MS3D, 3.0), (ms3d_figure_open_set.CROSS_ENTROPY, 1.0))
    }
    compared = {n["measure"]: n for n in ms3d_figure_open_set.compared(found)}
    each = [measured(ones, row) for row, ones in found.items()]
    everything = np.arange(2), np.arange(80)
    assert set(compared) == set(each[0])
    for name, number in compared.items():
        expected = each[0][name](*everything) - each[1][name](*everything)
        assert float(number["percent"]) == pytest.approx(expected, abs=0.051)
        assert float(number["low"]) <= float(number["percent"]) <= float(number["high"])
    same = {row: found[MS3D] for row in (MS3D, MS3D + " again")}
    [plain] = [n for n in ms3d_figure_open_set.compared(same) if n["measure"].endswith("without refusing")]
    assert (plain["percent"], plain["low"], plain["high"]) == ("+0.0", "+0.0", "+0.0")
    other = [OpenSetScores(np.zeros((80, 4)), np.roll(labels, 1), 1)] * 2
    with pytest.raises(ValueError, match="were not tested on the same videos"):
        ms3d_figure_open_set.compared({**found, MS3D: other})


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


def test_the_open_set_trains_without_every_fourth_class_and_tests_with_it():
    for profile, unknown in (("smoke", 1), ("proxy", 4)):
        for row in CELLS.rows:
            found = evaluation(CELLS, row, CELLS.columns[0], 0, Options(profile=profile))
            assert found.training.data.arguments["unknown_classes"] == unknown and found.training.init is None
            assert (found.training.module.arguments.get("loss", NPair()) is None) == (row.label != MS3D)


def test_an_unknown_actions_shape_and_motion_are_each_known_from_other_classes():
    found = evaluation(CELLS, CELLS.rows[0], CELLS.columns[0], 0, Options(profile="proxy")).training.data.arguments
    member, left_out = found["source"], set(unknown_labels(found["source"].num_classes, found["unknown_classes"]))
    pairs = {label: combination(label, member.kind, member.num_classes) for label in range(member.num_classes)}
    trained = [pair for label, pair in pairs.items() if label not in left_out]
    assert len(left_out) == 4
    for label in left_out:
        for place in (0, 1):
            assert pairs[label][place] in {pair[place] for pair in trained}


def test_its_network_under_cross_entropy_is_the_ablations():
    """Another training, without the unknown classes; but the same network: raw codes before the classifier."""
    for profile in ("smoke", "proxy"):
        options = Options(profile=profile)
        own, other = (
            evaluation(table, table.row(label), column, 0, options).training
            for table, label, column in (
                (CELLS, ms3d_figure_open_set.CROSS_ENTROPY, CELLS.columns[0]),
                (ABLATIONS, CROSS_ENTROPY, ABLATIONS.columns[2]),
            )
        )
        assert own.module.resolved() == other.module.resolved() and own.recipe == other.recipe
        assert own.module.arguments["backbone"].code_norm is None


def test_a_blocks_picture_has_its_connections_and_nothing_above_them():
    matrix = connections(((0,), (1,), (0, 2)))
    assert np.array_equal(matrix, [[1, np.nan, np.nan], [0, 1, np.nan], [1, 0, 1]], equal_nan=True)


def test_what_a_block_receives_is_in_the_drawn_numbers():
    graphs = (((0,), (0, 1), (0, 2)),)
    network = SimpleNamespace(backbone=SimpleNamespace(densenet=SimpleNamespace(graphs=graphs)))
    drawing = ms3d_figure_graph.draw([cell(MS3D, 0, [])], lambda cell: (SimpleNamespace(network=network), None))
    own = [n for n in drawing.numbers if n["network"] == ms3d_figure_graph.TRAINED]
    assert [(n["layer"], n["receives"]) for n in own] == [("all", ""), ("1", "0"), ("2", "0 1"), ("3", "0 2")]
    assert (own[0]["connections"], own[0]["of possible"]) == (5, 6)


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
