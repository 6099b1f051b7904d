"""Draw a published figure from the cells of its table: run what is missing, hand records and weights to ``draw``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datamodules.datasets.joint import members_of, parts_of
from datamodules.synthetic.members import Member
from experiments.harness.cell import Evaluation
from experiments.harness.spec import Figure
from experiments.harness.store import write_atomic
from experiments.harness.table_cells import TableCells


@dataclass(frozen=True)
class Cell:
    """One finished cell, as ``draw`` sees it.

    Args:
        row: label of its row.
        column: key of its column.
        seed: of its training.
        record: of its evaluation.
        training: record of its training, curves included.
        scores: of its evaluation, by test video: ``scores`` ``(N, K)``, ``labels`` and ``ids`` ``(N,)``.
        part: which of the column's splits, from 0.
    """

    row: str
    column: str
    seed: int
    record: Mapping[str, Any]
    training: Mapping[str, Any]
    scores: Mapping[str, Any] = field(default_factory=dict)
    part: int = 0


@dataclass(frozen=True)
class Drawing:
    """What ``draw`` returns.

    Args:
        figure: a matplotlib figure.
        numbers: what it shows, one mapping per drawn value, all with the same keys.
    """

    figure: Any
    numbers: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Load:
    """What ``draw`` asks for networks and clips: ``load(cell)``, or ``load.data(cell)`` where it needs no weights.

    Args:
        cells: of the figure's table.
    """

    cells: TableCells

    def __call__(self, cell: Cell) -> tuple[Any, Any]:
        """Return a cell's trained module, in evaluation mode, and its data module."""
        from experiments.harness.runner import load_trained

        return load_trained(self.evaluation(cell).training, self.cells.store), self.data(cell)

    def data(self, cell: Cell) -> Any:
        """Return a cell's data module: class names, test videos and their clips."""
        from experiments.harness.runner import build_data

        evaluation = self.evaluation(cell)
        return build_data(evaluation.training, evaluation.data, num_workers=0)

    def evaluation(self, cell: Cell) -> Evaluation:
        """Return the evaluation behind a cell."""
        column = next(column for column in self.cells.columns if column.key == cell.column)
        return self.cells.evaluation(self.cells.table.row(cell.row), column, cell.seed, cell.part)


def figure_rows(figure: Figure, labels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the rows that a figure is drawn from: all of its own, or those asked for.

    Raises:
        ValueError: a row that the figure does not show, or some of its rows where it compares them all.
    """
    for label in labels or ():
        if label not in figure.rows:
            raise ValueError(f"--rows {label!r}: {figure.id} shows {', '.join(map(repr, figure.rows))}")
    if labels and figure.compares and (missing := [label for label in figure.rows if label not in labels]):
        raise ValueError(f"--rows {' '.join(map(repr, labels))}: {figure.id} compares its rows and needs "
                         f"{', '.join(map(repr, missing))} too; leave --rows out")  # fmt: skip
    return tuple(label for label in figure.rows if not labels or label in labels)


def figure_cells(figure: Figure, cells: TableCells) -> list[Cell]:
    """Return the finished cells of a figure's rows.

    Raises:
        ValueError: one is missing; it says which.
    """
    found = []
    for row in cells.rows:
        if row.label not in figure.rows:
            continue
        for column in cells.columns:
            for seed in cells.options.seeds if cells.asks(row, column) else ():
                for part, (_, cell) in enumerate(cells.evaluations(row, column, seed)):
                    folder = cells.store.folder(cell)
                    record, training = folder.record(), cells.store.folder(cell.training).record()
                    if record is None or training is None:
                        raise ValueError(f"{figure.id}: {row.label}, {column.key}, seed {seed} has not been run")
                    found.append(Cell(row.label, column.key, seed, record, training, folder.load_scores(), part))
    return found


def conditions(found: Sequence[Cell], cells: TableCells) -> str:
    """Return what a picture's cells ran on: the benchmark's members or the real data, the seeds and the hardware."""
    sources = {}
    for cell in found:
        sources[cell.column, cell.part] = Load(cells).evaluation(cell).data.arguments["source"]
    members = dict.fromkeys(part.name for source in sources.values() for part in members_of(source))
    real = dict.fromkeys(part.name for source in sources.values() for part in parts_of(source)
                         if not isinstance(part, Member))  # fmt: skip
    data = [f"embedded benchmark: {', '.join(members)}"] if members else []
    seeds = sorted({cell.seed for cell in found})
    if cells.options.checkpoint is not None:
        trained = "a given checkpoint"
    else:
        trained = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"
    hardware = dict.fromkeys(cell.training["hardware"] for cell in found if "hardware" in cell.training)
    return "; ".join([*data, *([", ".join(real)] if real else []), trained, *hardware])


def draw_figure(figure: Figure, cells: TableCells, path: Path) -> None:
    """Draw a figure and write ``path`` (PNG) and the drawn numbers beside it (CSV).

    Args:
        figure: what to draw.
        cells: of its table, run.
        path: of the picture.

    Raises:
        ValueError: a cell is missing, or ``draw`` returned no numbers.
    """
    import matplotlib

    matplotlib.use("Agg")
    found = figure_cells(figure, cells)
    drawing = figure.draw(found, Load(cells))
    if not drawing.numbers:
        raise ValueError(f"{figure.id}: draw returned no numbers; a figure that shows data must give them")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.figure.text(0.5, 0, conditions(found, cells), ha="center", va="top", fontsize=7, color="#555555")
    drawing.figure.savefig(path, dpi=130, metadata={"Software": None}, bbox_inches="tight", pad_inches=0.08)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(drawing.numbers[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(drawing.numbers)
    write_atomic(path.with_suffix(".csv"), out.getvalue())
