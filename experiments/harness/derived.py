"""Columns computed from other columns, each row against a baseline row: no data, no training (no torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Values = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Derived:
    """How a column follows from others of its table.

    Args:
        formula: in words, printed below the table.
        columns: keys of the columns it follows from; none of them is derived itself.
        against: label of the baseline row, by the label of the row; a row that is not named has no value.
        compute: the baseline's values and the row's, each in the order of ``columns``, to the value; None where it is
            undefined.
    """

    formula: str
    columns: tuple[str, ...]
    against: Mapping[str, str] = field(default_factory=dict)
    compute: Callable[[Values, Values], float | None]

    def value(self, label: str, value_of: Callable[[str, str], float | None]) -> float | None:
        """Return a row's value; None where it has no baseline, or a value that it needs is missing.

        Args:
            label: of the row.
            value_of: the value in a row and a column, by label and key.
        """
        if label not in self.against:
            return None
        before = [value_of(self.against[label], key) for key in self.columns]
        after = [value_of(label, key) for key in self.columns]
        known = [[value for value in values if value is not None] for values in (before, after)]
        if any(len(values) < len(self.columns) for values in known):
            return None
        return self.compute(*known)


def fill_derived(rows: list[dict[str, Any]], columns: Sequence[Any]) -> None:
    """Enter the derived values into rows of evidence whose other columns are filled; quoted rows have none.

    Args:
        rows: each with ``label``, ``cited`` and ``ours``, one entry per column.
        columns: the columns as the table states them.
    """
    ours = {(row["label"], c.key): entry for row in rows for c, entry in zip(columns, row["ours"], strict=True)}

    def mean(label: str, key: str) -> float | None:
        entry = ours[label, key]
        return None if entry is None else entry["mean"]

    for index, column in enumerate(columns):
        for row in rows if column.derived is not None else ():
            found = None if row["cited"] else column.derived.value(row["label"], mean)
            row["ours"][index] = None if found is None else {"mean": found}
