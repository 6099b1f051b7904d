"""A column over several splits: the mean of their values, intervals over seeds and all splits' videos."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from experiments.harness import arguments as flags
from experiments.harness.cell import Options
from experiments.harness.evidence import gather
from experiments.harness.figures import figure_cells
from experiments.harness.metrics import METRICS
from experiments.harness.request import chosen_rows, requested_cells
from experiments.harness.spec import Build, Claim, Figure, Table
from experiments.harness.splits import Splits
from experiments.harness.statistics import estimate, paired_difference
from experiments.harness.store import Store
from experiments.harness.table_cells import TableCells
from tests.harness.fakes import SCENES, Data, table, write_results


def made_up(seed: int, labels: np.ndarray, skill: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng([seed, int(100 * skill)])
    return rng.normal(size=(len(labels), 4)) + skill * np.eye(4)[labels]


def names(*numbers: int) -> np.ndarray:
    return np.array([f"v{number}" for number in numbers])


# -- the value and its interval -------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["top1", "top5", "mean_class_acc", "map"])
def test_the_value_is_the_mean_of_the_splits_values_whatever_their_sizes(metric):
    sizes, start = (12, 40, 20), 0
    labels = [np.arange(size) % 4 for size in sizes]
    splits = Splits.joined([(own, names(*range(100 * i, 100 * i + len(own)))) for i, own in enumerate(labels)])
    scores = {seed: made_up(seed, np.concatenate(labels)) for seed in (0, 1, 2)}
    found = estimate(scores, splits, metric)
    for seed, value in zip((0, 1, 2), found.per_seed, strict=True):
        values, start = [], 0
        for own in labels:
            values.append(METRICS[metric](scores[seed][start : start + len(own)], own))
            start += len(own)
        assert value == pytest.approx(np.mean(values))
    assert found.num_videos == 72
    if metric == "top1":
        pooled = estimate(scores, np.concatenate(labels), metric).mean
        assert abs(found.mean - pooled) > 0.05, "this test shows nothing: the splits' mean is the pooled value"


def test_a_single_split_is_the_plain_test_set():
    labels = np.arange(60) % 4
    scores = {seed: made_up(seed, labels) for seed in (0, 1, 2)}
    other = {seed: made_up(seed + 9, labels) for seed in (0, 1, 2)}
    one = Splits.joined([(labels, np.array([f"{i:03d}" for i in range(60)]))])
    assert estimate(scores, one, "top1") == estimate(scores, labels, "top1")
    assert paired_difference(scores, other, one, "map") == paired_difference(scores, other, labels, "map")


def test_videos_that_all_splits_test_are_no_further_evidence():
    """The same videos with the same answers three times: the interval of once. Other videos: narrower by root three."""
    labels = np.arange(200) % 4
    once = {seed: made_up(0, labels) for seed in (0, 1)}  # no seed noise: the interval is the videos'
    thrice = {seed: np.concatenate([own] * 3) for seed, own in once.items()}
    ids = np.array([f"{i:03d}" for i in range(200)])
    same = Splits.joined([(labels, ids)] * 3)
    single, again = estimate(once, labels, "top1"), estimate(thrice, same, "top1")
    assert again.num_videos == 200 and (again.low, again.high) == pytest.approx((single.low, single.high))
    others = Splits.joined([(labels, np.char.add(letter, ids)) for letter in "abc"])
    apart = estimate(thrice, others, "top1")
    assert (single.high - single.low) / (apart.high - apart.low) == pytest.approx(3**0.5, rel=0.1)


def test_intervals_cover_the_true_value():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(60):
        splits = Splits.joined([(np.zeros(80, dtype=int), names(*range(80 * i, 80 * i + 80))) for i in range(3)])
        scores = {}
        for seed in range(3):
            right = rng.random(240) < 0.7
            scores[seed] = np.stack([right, ~right], axis=1).astype(float)
        found = estimate(scores, splits, "top1")
        hits += found.low <= 70 <= found.high
    assert hits >= 54


def test_a_split_of_which_no_video_is_drawn_counts_whole():
    splits = Splits.joined([(np.array([0]), names(0)), (np.array([0, 1]), names(1, 2))])
    scores = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    values = splits.weighted("top1", scores, np.array([[1, 1, 1], [0, 2, 0], [0, 0, 1]]))
    assert values.tolist() == [75.0, 100.0, 50.0]


@pytest.mark.parametrize(
    ("splits", "message"), [([], "no split"), ([(np.zeros(3), names(1, 2))], "3 labels and 2 names")]
)
def test_splits_that_make_no_sense_are_refused(splits, message):
    with pytest.raises(ValueError, match=message):
        Splits.joined(splits)


# -- in a table -----------------------------------------------------------------------------------------


def with_splits() -> Table:
    plain = table()
    first = plain.columns[0]
    parts = tuple(Build(Data, source=dataclasses.replace(SCENES, partition=number)) for number in (1, 2, 3))
    column = dataclasses.replace(first, data=parts)
    rows = tuple(dataclasses.replace(row, published=("1",)) for row in plain.rows)
    return table(columns=(column,), rows=rows, claims=(Claim("X1", "wide", ">", "plain"),))


def cells_of(made: Table, folder: Path) -> TableCells:
    labels = tuple(row.label for row in made.rows)
    return TableCells(made, Options(seeds=(0, 1, 2)), Store(folder), rows=labels, controls=False)


def fill(cells: TableCells, *, without: tuple[int, int] | None = None) -> None:
    for row in cells.rows:
        for seed in cells.options.seeds:
            for part, (_, cell) in enumerate(cells.evaluations(row, cells.columns[0], seed)):
                labels = np.arange(8 + 4 * part) % 4
                if (seed, part) != without:
                    write_results(cells.store, cell, made_up(10 * seed + part, labels), labels)


def test_each_split_is_a_training_of_its_own_with_its_number_in_the_label(tmp_path: Path):
    made = with_splits()
    cells = cells_of(made, tmp_path)
    wanted = cells.wanted()
    own_rows = [row for row in made.rows if not row.cited]
    assert len(wanted) == len(own_rows) * 3 * 3
    assert len({cell.training.fingerprint for cell in wanted}) == len(wanted)
    name = made.columns[0].group or made.columns[0].title
    for part in (1, 2, 3):
        of_part = [cell for cell, label in wanted.items() if f" · {name}, {part} of 3 · s" in label]
        assert len(of_part) == len(wanted) / 3
        assert {cell.data.arguments["source"].partition for cell in of_part} == {part}


def test_a_seed_counts_when_all_of_its_splits_are_there(tmp_path: Path):
    cells = cells_of(with_splits(), tmp_path)
    fill(cells, without=(1, 2))
    scores, labels = cells.scores(cells.rows[0], cells.columns[0])
    assert sorted(scores) == [0, 2] and isinstance(labels, Splits)
    assert scores[0].shape == (8 + 12 + 16, 4) and labels.split.tolist() == [0] * 8 + [1] * 12 + [2] * 16
    assert cells_of(with_splits(), tmp_path / "empty").scores(cells.rows[0], cells.columns[0]) == ({}, None)


def test_evidence_holds_every_split_and_the_mean_over_them(tmp_path: Path):
    cells = cells_of(with_splits(), tmp_path)
    fill(cells)
    evidence = gather(cells)
    row = next(i for i, row in enumerate(evidence["rows"]) if not row["cited"])
    of_row = [cell for cell in evidence["cells"] if evidence["rows"][row]["label"] in cell["rows"]]
    assert len(of_row) == 9 and len({cell["data"] for cell in of_row}) == 3
    by_seed = [np.mean([c["metrics"]["top1"] for c in of_row if c["seed"] == seed]) for seed in (0, 1, 2)]
    assert evidence["rows"][row]["ours"][0]["per_seed"] == pytest.approx(by_seed, rel=1e-4)
    [claim] = evidence["claims"]
    assert claim["ours"]["seeds"] == [0, 1, 2] and claim["ours"]["num_videos"] == 16
    assert claim["ours"]["mean"] == 0 and claim["verdict"] == "undecided", "both rows were given the same scores"


def test_a_figure_gets_every_split_with_its_scores(tmp_path: Path):
    made = with_splits()
    cells = cells_of(made, tmp_path)
    fill(cells)
    figure = Figure(id="paper/figure1", title="", table=made, rows=(cells.rows[0].label,), draw=print)
    found = figure_cells(figure, cells)
    assert [(cell.seed, cell.part) for cell in found] == [(seed, part) for seed in (0, 1, 2) for part in (0, 1, 2)]
    assert all(cell.scores["scores"].shape == (8 + 4 * cell.part, 4) for cell in found)


def test_a_column_without_splits_is_what_it_was():
    plain = table()
    assert plain.columns[0].parts == (plain.columns[0].data,)
    empty = dataclasses.replace(plain.columns[0], data=())
    with pytest.raises(ValueError, match="needs data=Build"):
        dataclasses.replace(plain, columns=(empty, *plain.columns[1:]))


# -- rows that wait to be asked for ---------------------------------------------------------------------


def test_rows_that_are_not_run_by_default_are_run_by_name_or_with_all(tmp_path: Path):
    plain = table()
    labels = [row.label for row in plain.rows if not row.cited]
    waiting = dataclasses.replace(
        plain,
        rows=tuple(dataclasses.replace(row, default=row.label != labels[-1]) for row in plain.rows),
    )
    assert chosen_rows(waiting, None) == tuple(labels[:-1])
    assert chosen_rows(waiting, ["all"]) == tuple(labels)
    assert chosen_rows(waiting, [labels[-1]]) == (labels[-1],)
    for argv, expected in (([], labels[:-1]), (["--rows", "all"], labels)):
        arguments = flags.parser("").parse_args([*argv, "--no-controls", "--seeds", "1"])
        [cells] = requested_cells([waiting], flags.options(arguments), Store(tmp_path), arguments)
        asked = {label.split(" · ")[0].split(" ", 1)[1] for label in cells.wanted().values()}
        assert asked == set(expected)
