"""The evaluations behind a table: which to run, and the scores of those that have run."""

from __future__ import annotations

import dataclasses

import numpy as np

from experiments.harness.cell import Evaluation, Options
from experiments.harness.resolve import control, evaluation
from experiments.harness.spec import Column, Row, Table
from experiments.harness.store import Store

CONTROL_ORDERS = ("shuffled", "repeated")

Scores = dict[int, np.ndarray]


class TableCells:
    """The evaluations behind a table and what they left on disk.

    Args:
        table: the table.
        options: what was asked for.
        store: where cells live.
        rows: labels of the rows wanted.
        controls: also the evaluations on shuffled and repeated frames.
        groups: column groups wanted; None means all.
    """

    def __init__(
        self,
        table: Table,
        options: Options,
        store: Store,
        *,
        rows: tuple[str, ...],
        controls: bool,
        groups: tuple[str, ...] | None = None,
    ) -> None:
        self.table, self.options, self.store, self.controls = table, options, store, controls
        self.rows = tuple(row for row in table.rows if row.label in rows and not row.cited)
        columns = data_columns(table, options)
        self.columns = tuple(column for column in columns if groups is None or column.group in groups)
        self._evaluations: dict[tuple[str, str, int, int], Evaluation] = {}
        self._stored: dict[str, dict[str, np.ndarray] | None] = {}

    def evaluation(self, row: Row, column: Column, seed: int) -> Evaluation:
        """Return one cell; columns that differ only in their metric share it."""
        key = (row.label, column.group, id(column.data), seed)
        if key not in self._evaluations:
            self._evaluations[key] = evaluation(self.table, row, column, seed, self.options)
        return self._evaluations[key]

    def runs(self, row: Row, column: Column) -> bool:
        """Say whether this cell of the table is to be run."""
        return row in self.rows and column in self.columns and (row.on is None or column.group in self._groups(row))

    def _groups(self, row: Row) -> tuple[str, ...]:
        """Return the column groups on which a row runs; the user's own data set takes the place of any."""
        return (self.options.data.name,) if self.options.data is not None else row.on or ()

    def wanted(self) -> dict[Evaluation, str]:
        """Return every evaluation to run, with the label to show for it.

        The controls on frame order are run once per training, by the protocol of the first column that needs it.
        """
        cells: dict[Evaluation, str] = {}
        controlled: set[str] = set()
        for seed in self.options.seeds:
            for row in self.rows:
                for column in self.columns:
                    if not self.runs(row, column):
                        continue
                    cell = self.evaluation(row, column, seed)
                    label = f"{self.table.paper} {row.label} · {column.group or column.title} · s{seed}"
                    cells.setdefault(cell, label)
                    if self.controls and not self._untrimmed(cell) and cell.training.fingerprint not in controlled:
                        controlled.add(cell.training.fingerprint)
                        for order in CONTROL_ORDERS:
                            cells.setdefault(control(cell, order), f"{label} · {order}")
        return cells

    @staticmethod
    def _untrimmed(cell: Evaluation) -> bool:
        return bool(getattr(cell.data.arguments["source"], "untrimmed", False))

    def scores(self, row: Row, column: Column, frame_order: str = "forward") -> tuple[Scores, np.ndarray | None]:
        """Return the class scores ``(N, K)`` of each finished seed, and the labels ``(N,)``."""
        found: Scores = {}
        labels: np.ndarray | None = None
        for seed in self.options.seeds:
            cell = self.evaluation(row, column, seed)
            cell = cell if frame_order == "forward" else control(cell, frame_order)
            if (stored := self._load(cell)) is not None:
                found[seed], labels = stored["scores"], stored["labels"]
        return found, labels

    def _load(self, cell: Evaluation) -> dict[str, np.ndarray] | None:
        """Return a finished cell's scores; read once, since every column and claim asks for them."""
        if cell.fingerprint not in self._stored:
            folder = self.store.folder(cell)
            finished = folder.record_path.exists() and folder.scores_path.exists()
            self._stored[cell.fingerprint] = folder.load_scores() if finished else None
        return self._stored[cell.fingerprint]


def data_columns(table: Table, options: Options) -> tuple[Column, ...]:
    """Return the columns that need a run; with the user's own data, one data set replaces all of the table's."""
    columns = tuple(column for column in table.columns if not column.is_cost)
    if options.data is None:
        return columns
    first = columns[0].group
    name = options.data.name
    return tuple(dataclasses.replace(c, group=name, test_videos=None) for c in columns if c.group == first)
