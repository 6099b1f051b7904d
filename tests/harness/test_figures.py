"""A figure runs its rows, hands records and weights to ``draw``, and writes picture and numbers."""

import argparse
import csv
import dataclasses

import pytest

from experiments.harness import arguments as flags
from experiments.harness.cli import run_figure
from experiments.harness.figures import Drawing, draw_figure
from experiments.harness.spec import Figure
from experiments.ligar_table3 import TABLE


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
