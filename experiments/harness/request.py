"""What a command line asks of a table: its cells, and what is refused before anything runs (no torch)."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.harness.cell import Options
from experiments.harness.ensemble import EnsembleSearch
from experiments.harness.resolve import SCRATCH, initialisations, takes_unnamed_file
from experiments.harness.spec import CheckpointFile, Table
from experiments.harness.store import Store
from experiments.harness.table_cells import TableCells

RUNTIME_PACKAGES = {"torch": (), "openvino": ("openvino",), "onnx": ("onnx", "onnxscript", "onnxruntime")}


def requested_cells(
    tables: Sequence[Table], options: Options, store: Store, arguments: argparse.Namespace
) -> list[TableCells]:
    """Return the cells that a command line asks for, one per table.

    Rows whose runtime is not installed are left out, and said so.

    Raises:
        ValueError: an unknown row, column, initialisation or file, or a request that no cell could answer.
    """
    _check_initial_files(tables, options, commit=arguments.commit_results)
    found = [_cells_of(table, options, store, arguments) for table in tables]
    for cells in found:
        for label, reason in cells.left_out.items():
            print(f"{cells.table.id}, row {label!r}: {reason}", file=sys.stderr)
    return found


def chosen_rows(table: Table, labels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the labels of the rows asked for that a run can fill.

    Raises:
        ValueError: an unknown label, or only rows that are quoted from elsewhere.
    """
    every = [row for row in table.rows if row.default or labels]
    chosen = [row.label for row in every] if not labels or [*labels] == ["all"] else labels
    found = tuple(label for label in chosen if not table.row(label).cited)
    if not found:
        run = ", ".join(repr(row.label) for row in table.rows if not row.cited)
        raise ValueError(
            f"--rows {', '.join(map(repr, chosen))}: quoted from elsewhere, never run; {table.id} runs {run}"
        )
    return found


def missing_packages(runtime: str) -> tuple[str, ...]:
    """Return the packages of a runtime that are not installed."""
    return tuple(name for name in RUNTIME_PACKAGES[runtime] if importlib.util.find_spec(name) is None)


def _cells_of(table: Table, options: Options, store: Store, arguments: argparse.Namespace) -> TableCells:
    rows = chosen_rows(table, arguments.rows)
    known = list(dict.fromkeys(column.group for column in table.columns if column.is_accuracy))
    for group in arguments.columns or ():
        if group not in known:
            raise ValueError(f"--columns {group!r}: {table.id} has {', '.join(sorted(map(repr, known)))}")
    if options.checkpoint is not None:
        _check_one_head(table, rows, options, arguments)
    left_out = {
        label: f"left out, {table.row(label).runtime} is not installed; `uv sync --extra export` installs it"
        for label in rows
        if missing_packages(table.row(label).runtime)
    }
    if options.data is not None:
        searched = "left out: what it is made of is chosen on one test set and scored on another; yours is one"
        left_out |= {label: searched for label in rows if isinstance(table.row(label).ensemble, EnsembleSearch)}
    cells = TableCells(
        table,
        options,
        store,
        rows=rows,
        controls=not arguments.no_controls
        and options.profile == "proxy"
        and options.data is None
        and options.video is None,
        groups=tuple(arguments.columns) if arguments.columns else None,
        left_out=left_out,
    )
    if not left_out and not any(cells.asks(row, column) for row in cells.rows for column in cells.columns):
        where = ", ".join(map(repr, arguments.columns or known[:1]))
        raise ValueError(f"{table.id}: none of the rows {', '.join(map(repr, rows))} is run on {where}")
    return cells


def _check_one_head(table: Table, rows: tuple[str, ...], options: Options, arguments: argparse.Namespace) -> None:
    """Refuse trained weights where it is open for which row, or for which data set's classes."""
    if not arguments.rows and len(rows) > 1:
        raise ValueError(f"--checkpoint: say with --rows which row of {table.id} it was trained for: {', '.join(rows)}")
    chosen = [table.row(label) for label in rows]
    if several := [row.label for row in chosen if row.ensemble is not None]:
        raise ValueError(f"--checkpoint: {several[0]!r} of {table.id} is an ensemble, one checkpoint a single network")
    groups = [column.group for column in table.columns if column.is_accuracy]
    tested = {group: None for group in groups if any(row.on is None or group in row.on for row in chosen)}
    if options.data is None and not arguments.columns and len(tested) > 1:
        raise ValueError(f"--checkpoint: one checkpoint has one head; say with --columns for which data set of "
                         f"{table.id}: {', '.join(map(repr, tested))}")  # fmt: skip


def _check_initial_files(tables: Sequence[Table], options: Options, *, commit: bool) -> None:
    """Refuse files and names of initialisations that would be used nowhere."""
    known = {name: init for table in tables for name, init in initialisations(table, options.profile).items()}
    ids = ", ".join(table.id for table in tables)
    for name, file in options.init_files:
        if name not in known:
            has = f"it has {', '.join(map(repr, known))}" if known else "its rows start from scratch"
            raise ValueError(f"--init-checkpoint {name}={file}: no initialisation {name!r} in {ids}; {has}. "
                             f"A file with '=' in its name is given as ./{name}={file}")  # fmt: skip
        _check_file(f"--init-checkpoint {name}={file}", file)
        if commit and (file == SCRATCH or not isinstance(known[name], CheckpointFile)):
            raise ValueError(f"--commit-results: {name!r} is trained here as the table says; "
                             f"run without --init-checkpoint {name}={file}")  # fmt: skip
    if (start := options.init_checkpoint) is None:
        return
    if start != SCRATCH:
        _check_file(f"--init-checkpoint {start}", start)
        if not any(takes_unnamed_file(table, options.profile) for table in tables):
            raise ValueError(f"--init-checkpoint {start}: no row of {ids} would start from it; say for which "
                             f"initialisation it is, NAME=FILE: {', '.join(known) or 'there are none'}")  # fmt: skip
    if commit:
        raise ValueError("--commit-results writes the table as published, every initialisation as it says; "
                         "a file that it asks for is given by its name, --init-checkpoint NAME=FILE")  # fmt: skip


def _check_file(flag: str, file: str) -> None:
    if file != SCRATCH and not Path(file).is_file():
        raise ValueError(f"{flag}: no such file; give a checkpoint, or 'none' for scratch")
