"""A figure runs its rows, hands records and weights to ``draw``, and writes picture and numbers."""

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from experiments.harness import arguments as flags
from experiments.harness.cli import run_figure
from experiments.harness.figures import Drawing, Load, conditions, draw_figure, figure_cells
from experiments.harness.spec import Figure, Table
from experiments.harness.store import RESULTS_VARIABLE
from experiments.ligar_table3 import TABLE
from tests.harness.fakes import table, without_costs
from tests.harness.test_evidence import filled


def draw_losses(cells, load):
    import matplotlib.pyplot as plt

    module, data = load(cells[0])
    assert not module.training and data.num_frames == 4
    figure, axis = plt.subplots()
    numbers = []
    for cell in cells:
        losses = [value for _, value in cell.training["curves"]["train/loss"]]
        axis.plot(losses)
        numbers.append({"row": cell.row, "column": cell.column, "seed": cell.seed, "last_loss": losses[-1]})
    return Drawing(figure, numbers)


def parsed(*argv: str) -> argparse.Namespace:
    return flags.parser("a figure").parse_args(argv)


FIGURE = Figure(id="ligar/figure9", title="Losses", table=TABLE, rows=("w/ ACS",), draw=draw_losses)


def test_a_figure_runs_its_rows_only_and_draws_one_number_per_cell(tmp_path, monkeypatch):
    def draw_into_tmp(figure, cells, path):
        draw_figure(figure, cells, tmp_path / "figure.png")

    monkeypatch.setattr("experiments.harness.cli.draw_figure", draw_into_tmp)  # a smoke run leaves nothing behind
    assert run_figure(FIGURE, parsed("--profile", "smoke", "--seeds", "1", "--columns", "UCF-101")) == 0
    rows = list(csv.DictReader((tmp_path / "figure.csv").open()))
    assert {row["row"] for row in rows} == {"w/ ACS"}
    assert {row["column"] for row in rows} == {"UCF-101/Top-1", "UCF-101/Top-5", "UCF-101/mAP"}
    assert all(float(row["last_loss"]) > 0 for row in rows)
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_an_unknown_row_of_a_figure_is_named():
    with pytest.raises(ValueError, match="no row 'w/o XYZ'"):
        dataclasses.replace(FIGURE, rows=("w/o XYZ",))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    return tmp_path


def draw_nothing(cells, load):
    import matplotlib.pyplot as plt

    return Drawing(plt.figure(), [{"row": cell.row, "seed": cell.seed} for cell in cells])


def drawn(results: Path, *argv: str, **options: Any) -> tuple[int, Path]:
    """Draw a figure whose cells have all run; return the exit status and the folder of its paper."""
    cells = filled(results / "runs", figure_table(), seeds=(0, 1), **options)
    figure = Figure(id="paper/figure9", title="", table=cells.table, rows=("plain", "wide"), draw=draw_nothing)
    return run_figure(figure, parsed("--no-wandb", "--no-controls", *argv)), results / "runs/paper"


def figure_table() -> Table:
    return without_costs(table())


def test_a_figure_leaves_the_pages_of_its_table_alone(results: Path):
    status, folder = drawn(results, "--seeds", "2")
    assert status == 0 and sorted(path.name for path in folder.iterdir()) == ["figure9.proxy.csv", "figure9.proxy.png"]


def test_a_figure_runs_no_control_and_one_of_clips_the_first_seed_alone(capsys: pytest.CaptureFixture[str]):
    for of_clips, asked, seeds in ((False, (), 2), (True, (), 1), (True, ("--seeds", "2"), 2)):
        figure = dataclasses.replace(FIGURE, of_clips=of_clips)
        argv = parsed("--profile", "smoke", "--columns", "UCF-101", "--dry-run", *asked)
        assert run_figure(figure, argv) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == seeds and not any("shuffled" in line or "repeated" in line for line in lines)


def test_a_figure_shows_its_own_data_sets_unless_others_are_asked_for(capsys: pytest.CaptureFixture[str]):
    figure = dataclasses.replace(FIGURE, of_clips=True, groups=("UCF-101",))
    for asked, shown in (((), "UCF-101"), (("--columns", "ActivityNet-200"), "ActivityNet-200")):
        assert run_figure(figure, parsed("--profile", "smoke", "--dry-run", *asked)) == 0
        [line] = capsys.readouterr().out.splitlines()
        assert shown in line


def test_a_figure_of_some_of_its_rows(results: Path, capsys: pytest.CaptureFixture[str]):
    status, folder = drawn(results, "--seeds", "2", "--rows", "wide")
    rows = list(csv.DictReader((folder / "figure9.proxy.csv").open()))
    assert status == 0 and {row["row"] for row in rows} == {"wide"}
    assert drawn(results, "--rows", "quoted")[0] == 2
    assert "--rows 'quoted': paper/figure9 shows 'plain', 'wide'" in capsys.readouterr().err


def test_a_figure_says_in_its_name_what_was_changed(results: Path):
    status, folder = drawn(results, "--seeds", "2", "--views", "5", views=5)
    assert status == 0 and (folder / "figure9.changed-proxy.png").exists()


def test_what_a_figure_cannot_do_is_refused(results: Path, capsys: pytest.CaptureFixture[str]):
    for argv, message in (
        (("--render-only",), "--render-only is for tables"),
        (("--checkpoint", __file__, "--test-only"), "say with --rows which row of paper/figure9 it was trained for"),
    ):
        assert drawn(results, *argv)[0] == 2 and message in capsys.readouterr().err


def test_a_figure_that_compares_its_rows_needs_them_all(results: Path, capsys: pytest.CaptureFixture[str]):
    cells = filled(results / "runs", figure_table(), seeds=(0,))
    figure = Figure(id="paper/figure9", title="", table=cells.table, rows=("plain", "wide"), draw=draw_nothing,
                    compares=True)  # fmt: skip
    common = ("--no-wandb", "--no-controls")
    for argv, message in (
        (("--rows", "wide"), "--rows 'wide': paper/figure9 compares its rows and needs 'plain' too; leave --rows out"),
        (("--checkpoint", __file__, "--test-only", "--rows", "wide"), "weights of one network; paper/figure9 compares"),
    ):
        assert run_figure(figure, parsed(*common, *argv)) == 2 and message in capsys.readouterr().err
    assert run_figure(figure, parsed(*common, "--seeds", "1", "--rows", "wide", "plain")) == 0


def test_a_picture_says_what_its_cells_ran_on(tmp_path: Path):
    cells = filled(tmp_path, figure_table(), seeds=(0, 1))
    figure = dataclasses.replace(FIGURE, table=cells.table, rows=("plain",))
    found = figure_cells(figure, cells)
    said = conditions(found, cells)
    member = cells.evaluation(cells.table.row("plain"), cells.columns[0], 0).data.arguments["source"].name
    assert said.startswith(f"embedded benchmark: {member}") and "; 2 seeds; " in said
    assert conditions([cell for cell in found if cell.seed == 1], cells).split("; ")[1] == "seed 1"
    assert said.endswith(found[0].training["hardware"])


def test_a_figure_may_ask_for_the_data_of_a_cell_alone(tmp_path: Path):
    """Of a cell without weights the data module is there, the network is not."""
    cells = filled(tmp_path, figure_table(), seeds=(0,))
    found, load = figure_cells(dataclasses.replace(FIGURE, table=cells.table, rows=("plain",)), cells)[0], Load(cells)
    assert isinstance(load.data(found), cells.columns[0].parts[0].cls)
    for path in tmp_path.rglob("weights.*"):
        path.unlink()
    with pytest.raises(ValueError, match="is missing: run this cell first"):
        load(found)


def test_an_interrupted_figure_ends_as_a_table_does(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.harness.cli.draw_figure", interrupt)
    assert drawn(results, "--seeds", "2")[0] == 130 and "interrupted" in capsys.readouterr().err
