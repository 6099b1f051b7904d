"""The evaluations behind a table: which to run, and the scores of those that have run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from experiments.harness.cell import Evaluation, Options
from experiments.harness.ensemble import EnsembleSearch, members_of_ensemble, select, weighted_sum
from experiments.harness.resolve import control, evaluation
from experiments.harness.spec import Column, Row, Table
from experiments.harness.splits import Splits
from experiments.harness.store import Store

CONTROL_ORDERS = ("shuffled", "repeated")

Scores = dict[int, np.ndarray]


class TableCells:
    """The evaluations behind a table and what they left on disk.

    Args:
        table: the table.
        options: what was asked for.
        store: where cells live.
        rows: labels of the rows asked for.
        controls: also the evaluations on shuffled and repeated frames.
        groups: column groups asked for; None means all. With the user's own data: the one whose protocol is used, by
            default the first.
        left_out: rows that cannot be run here, by label, with the reason.

    Attributes:
        rows: all rows that a run can fill; what was not asked for this time is shown where it has been run.
        columns: all columns that a run can fill.
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
        left_out: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.table, self.options, self.store, self.controls = table, options, store, controls
        self.left_out = left_out
        self.rows = tuple(row for row in table.rows if not row.cited)
        self._asked_rows = tuple(row for row in self.rows if row.label in rows and row.label not in left_out)
        self._protocols = {shown.key: column for shown, column in data_columns(table, options, groups)}
        self.columns = tuple(shown for shown, _ in data_columns(table, options, groups))
        everywhere = groups is None or options.data is not None
        self._asked_columns = tuple(c for c in self.columns if everywhere or c.group in (groups or ()))
        self._evaluations: dict[tuple[Any, ...], Evaluation] = {}
        self._finished: dict[tuple[str, str], bool] = {}
        self._found_weights: dict[str, dict[int, dict[str, float]]] = {}
        self._stored: dict[str, dict[str, np.ndarray] | None] = {}

    def evaluation(self, row: Row, column: Column, seed: int, part: int = 0) -> Evaluation:
        """Return one cell, of a column over several splits that of split ``part``.

        Columns that differ only in their metric share it.
        """
        if row.ensemble is not None:
            raise ValueError(f"{self.table.id}, row {row.label!r} is an ensemble; only its members have cells")
        protocol = self._protocols[column.key]
        key = (row.label, protocol.group, id(protocol.data), id(protocol.recipe), protocol.init, seed, part)
        if key not in self._evaluations:
            of_part = dataclasses.replace(protocol, data=protocol.parts[part])
            self._evaluations[key] = evaluation(self.table, row, of_part, seed, self.options)
        return self._evaluations[key]

    def evaluations(self, row: Row, column: Column, seed: int) -> list[tuple[str, Evaluation]]:
        """Return the cells behind one value, one per split, each with the name of its data set.

        Of an ensemble those of all its members. The user's own data set takes the place of all splits at once.
        """
        if row.ensemble is not None:
            return [cell for member in self.members(row) for cell in self.evaluations(member, column, seed)]
        parts = 1 if self.options.data is not None else len(self._protocols[column.key].parts)
        name = column.group or column.title
        if column.init != "row":
            name += ", from scratch" if column.init is None else f", from {column.init}"
        return [
            (f"{name}, {part + 1} of {parts}" if parts > 1 else name, self.evaluation(row, column, seed, part))
            for part in range(parts)
        ]

    def members(self, row: Row) -> tuple[Row, ...]:
        """Return the rows that an ensemble needs; of any other row none."""
        return () if row.ensemble is None else tuple(map(self.table.row, members_of_ensemble(row.ensemble)))

    def asks(self, row: Row, column: Column) -> bool:
        """Say whether this cell of the table is to be run."""
        return row in self._asked_rows and column in self._asked_columns and self._exists(row, column)

    def runs(self, row: Row, column: Column) -> bool:
        """Say whether this cell of the table is to be run, or has been by an earlier command."""
        return self.asks(row, column) or (self._exists(row, column) and self._has_run(row, column))

    def _exists(self, row: Row, column: Column) -> bool:
        on_it = row.on is None or (column.key in self._protocols and self._protocols[column.key].group in row.on)
        return row in self.rows and column in self.columns and on_it

    def _has_run(self, row: Row, column: Column) -> bool:
        key = (row.label, column.key)
        if key not in self._finished:
            enough = any if row.ensemble is None else all
            try:
                self._finished[key] = any(
                    enough(self.store.folder(c).record_path.exists() for _, c in self.evaluations(row, column, seed))
                    for seed in self.options.seeds
                )
            except (ValueError, OSError):  # it needs data or weights that are not here: not asked for, so no error
                self._finished[key] = False
        return self._finished[key]

    def wanted(self) -> dict[Evaluation, str]:
        """Return every evaluation to run, with the label to show for it.

        The controls on frame order are run once per training, by the protocol of the first column that needs it.
        """
        cells: dict[Evaluation, str] = {}
        controlled: set[str] = set()
        for seed in self.options.seeds:
            for row in self._asked_rows:
                for column in self._asked_columns:
                    if not self.asks(row, column):
                        continue
                    for name, data, cell in self._needed(row, column, seed):
                        label = f"{self.table.paper} {name} · {data} · s{seed}"
                        cells.setdefault(cell, label)
                        if self.controls and not self._untrimmed(cell) and cell.training.fingerprint not in controlled:
                            controlled.add(cell.training.fingerprint)
                            for order in CONTROL_ORDERS:
                                cells.setdefault(control(cell, order), f"{label} · {order}")
        return cells

    def _needed(self, row: Row, column: Column, seed: int) -> list[tuple[str, str, Evaluation]]:
        """Return (row, data set, cell) of all that a value needs: its members', and those that a search looks at."""
        columns = {column.key: column}
        if isinstance(row.ensemble, EnsembleSearch):
            columns.setdefault(self._searched(row.ensemble).key, self._searched(row.ensemble))
        return [
            (own.label, data, cell)
            for own in self.members(row) or (row,)
            for on in columns.values()
            for data, cell in self.evaluations(own, on, seed)
        ]

    @staticmethod
    def _untrimmed(cell: Evaluation) -> bool:
        return bool(getattr(cell.data.arguments["source"], "untrimmed", False))

    def scores(
        self, row: Row, column: Column, frame_order: str = "forward"
    ) -> tuple[Scores, np.ndarray | Splits | None]:
        """Return the class scores ``(N, K)`` of each finished seed, and the labels ``(N,)``.

        Of a column over several splits the scores of all splits one after another, of the seeds that have them all.
        An ensemble's are the weighted sums of its members', of the seeds that all of them have.
        """
        if row.ensemble is not None:
            return self._summed(row, column, frame_order)
        found: Scores = {}
        labels: np.ndarray | Splits | None = None
        for seed in self.options.seeds:
            cells = [cell for _, cell in self.evaluations(row, column, seed)]
            cells = cells if frame_order == "forward" else [control(cell, frame_order) for cell in cells]
            stored = [scores for cell in cells if (scores := self._load(cell)) is not None]
            if len(stored) < len(cells):
                continue
            found[seed] = np.concatenate([part["scores"] for part in stored])
            if len(stored) == 1:
                labels = stored[0]["labels"]
            elif labels is None:
                labels = Splits.joined([(part["labels"], part["ids"]) for part in stored])
        return found, labels

    def _summed(self, row: Row, column: Column, frame_order: str) -> tuple[Scores, np.ndarray | Splits | None]:
        of_members, labels = self._of_members(row, column, frame_order)
        weights = self.weights(row)
        return {
            seed: weighted_sum(scores, weights[seed]) for seed, scores in of_members.items() if seed in weights
        }, labels

    def _of_members(
        self, row: Row, column: Column, frame_order: str = "forward"
    ) -> tuple[dict[int, dict[str, np.ndarray]], np.ndarray | Splits | None]:
        """Return each member's scores by seed, of the seeds that all have, and the labels."""
        found = {member.label: self.scores(member, column, frame_order) for member in self.members(row)}
        labels = next((own for _, own in found.values() if own is not None), None)
        seeds = [seed for seed in self.options.seeds if all(seed in scores for scores, _ in found.values())]
        return {seed: {label: scores[seed] for label, (scores, _) in found.items()} for seed in seeds}, labels

    def weights(self, row: Row) -> dict[int, dict[str, float]]:
        """Return the weights of an ensemble's members by seed; a search's are found where all members have scores."""
        if row.ensemble is None:
            return {}
        if not isinstance(row.ensemble, EnsembleSearch):
            return {seed: dict(row.ensemble) for seed in self.options.seeds}
        if row.label not in self._found_weights:
            on = self._searched(row.ensemble)
            of_members, labels = self._of_members(row, on)
            self._found_weights[row.label] = {
                seed: select(scores, labels, on.metric, row.ensemble.additions)
                for seed, scores in of_members.items()
                if labels is not None
            }
        return self._found_weights[row.label]

    def _searched(self, ensemble: EnsembleSearch) -> Column:
        """Return the column that a search looks at."""
        return next(column for column in self.columns if column.key == ensemble.on)

    def test_videos(self, row: Row, column: Column) -> tuple[tuple[str, ...], ...]:
        """Return the ids of the tested videos, by split, of the first seed that has them all; nothing without one."""
        for seed in self.options.seeds:
            stored = [self._load(cell) for _, cell in self.evaluations(row, column, seed)]
            if all(scores is not None for scores in stored):
                return tuple(tuple(map(str, scores["ids"])) for scores in stored if scores is not None)
        return ()

    def _load(self, cell: Evaluation) -> dict[str, np.ndarray] | None:
        """Return a finished cell's scores; read once, since every column and claim asks for them."""
        if cell.fingerprint not in self._stored:
            folder = self.store.folder(cell)
            finished = folder.record_path.exists() and folder.scores_path.exists()
            self._stored[cell.fingerprint] = folder.load_scores() if finished else None
        return self._stored[cell.fingerprint]


def data_columns(table: Table, options: Options, groups: tuple[str, ...] | None = None) -> list[tuple[Column, Column]]:
    """Return the columns that need a run, each as shown and as the table has it.

    The user's own data set takes the place of one of the table's, and is tested by that one's protocol.

    Raises:
        ValueError: several protocols for the user's own data.
    """
    columns = [column for column in table.columns if column.is_accuracy]
    if options.data is None:
        return [(column, column) for column in columns]
    if groups is not None and len(groups) > 1:
        raise ValueError(f"--columns {' '.join(groups)}: own data is tested by the protocol of one data set; name one")
    group, name = groups[0] if groups else columns[0].group, options.data.name
    return [(dataclasses.replace(c, group=name, test_videos=None), c) for c in columns if c.group == group]
