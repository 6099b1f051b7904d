"""Gather a table's cells into one JSON value: all that rendering, reports and audits need, and nothing that varies.

Two runs of the same cells give the same evidence: no dates, no durations, no paths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.datasets.joint import members_of
from datamodules.synthetic.members import GENERATOR_VERSION
from experiments.harness.cell import Evaluation, fingerprint
from experiments.harness.claims import Costs, judged_claims
from experiments.harness.controls import rounded, with_controls
from experiments.harness.derived import fill_derived
from experiments.harness.evidence_file import EVIDENCE_FORMAT
from experiments.harness.predictions import pack_predictions
from experiments.harness.resolve import initialisations, takes_unnamed_file
from experiments.harness.spec import Column, Row, Table
from experiments.harness.stale import made_by_older_code, scored_by_older_code
from experiments.harness.starts import starts_of
from experiments.harness.statistics import estimate
from experiments.harness.store import Store
from experiments.harness.table_cells import CONTROL_ORDERS, TableCells

CURVE_POINTS = 40
MADE_WITH = ("versions", "hardware", "precision", "devices")


def gather(cells: TableCells, costs: Costs | None = None) -> dict[str, Any]:
    """Return the evidence of a table, statistics included.

    Args:
        cells: the table's cells.
        costs: computes a cost column's value for a row; None leaves those columns empty.
    """
    table, options = cells.table, cells.options
    records = _records(cells)
    left_out = {k: v for k, v in cells.left_out.items() if not any(cells.runs(table.row(k), c) for c in cells.columns)}
    own_data = options.data is not None
    columns = cells.columns if own_data else table.columns
    rows = [_row(cells, row, columns, costs) for row in table.rows]
    fill_derived(rows, columns)
    evidence = {
        "format": EVIDENCE_FORMAT,
        "arguments": _share_arguments(records),
        "table": table.id,
        "title": table.title,
        "profile": options.profile,
        "conditions": _conditions(cells, records),
        "columns": [_column(cells, column) for column in columns],
        "rows": rows,
        "claims": [] if own_data else judged_claims(table, cells, costs),
        "controls": {"frame_order": _frame_orders(cells)},
        "notes": notes_of(table, columns, [f"{label}: {reason}" for label, reason in left_out.items()]),
        "starts": starts_of(cells),
        "cells": records,
    }
    return with_controls(rounded(evidence), table)


def notes_of(table: Table, columns: Sequence[Column], left_out: Sequence[str]) -> list[str]:
    """Return what stands below a table: formulas, the table's notes, the rows', and why rows were left out."""
    return [
        *dict.fromkeys(f"{c.title}: {c.derived.formula}" for c in columns if c.derived is not None),
        *table.notes,
        *(f"{row.label}: {row.note}" for row in table.rows if row.note),
        *left_out,
    ]


def with_notes_of_script(evidence: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return stored evidence with the notes that the table's script has now: values are measured, words may improve."""
    if evidence["conditions"]["own_data"] is not None:
        return dict(evidence)
    noted = {row.label for row in table.rows if row.note}
    labels = tuple(f"{row.label}: " for row in table.rows if row.label not in noted)
    left_out = [note for note in evidence["notes"] if note.startswith(labels)]
    return {**evidence, "notes": notes_of(table, table.columns, left_out)}


def _conditions(cells: TableCells, records: list[dict[str, Any]]) -> dict[str, Any]:
    options, profile = cells.options, cells.options.profile
    start = options.init_checkpoint if takes_unnamed_file(cells.table, profile) else None
    named = {k: v for k, v in options.init_files if k in initialisations(cells.table, profile)}
    return {
        "seeds": list(options.seeds),
        "limit_batches": options.limit_batches,
        "batch_size": options.batch_size,
        "views": options.views,
        "crops": options.crops,
        "init_checkpoint": None if start is None else Path(start).name,
        "init_files": {name: Path(file).name for name, file in named.items()},
        "checkpoint": None if options.checkpoint is None else options.checkpoint.name,
        "own_data": None if options.data is None else options.data.name,
        "generator_version": GENERATOR_VERSION if any(r["member"] for r in records) else None,
        **{name: sorted({value for record in records for value in record[name]}) for name in MADE_WITH},
        "older_code": sum(record["older_code"] for record in records),
        "mixed_starts": _mixed_starts(records),
        "cells": len(records),
    }


def _mixed_starts(records: list[dict[str, Any]]) -> list[str]:
    """Return the pre-trainings of which cells started from different weights: run on two machines they differ.

    They are named by their hash. Records of earlier versions do not say which weights they started from.
    """
    weights: dict[str, set[str]] = {}
    for init, found in (record["start"] for record in records):
        if init is not None and found is not None:
            weights.setdefault(init, set()).add(found)
    return sorted(init for init, found in weights.items() if len(found) > 1)


def _records(cells: TableCells) -> list[dict[str, Any]]:
    """Return each finished cell once, with all rows and columns that share it."""
    found: dict[str, dict[str, Any]] = {}
    for row in (row for row in cells.rows if row.ensemble is None):  # an ensemble's cells are its members'
        for column in cells.columns:
            seeds = cells.options.seeds if cells.runs(row, column) else ()
            for seed, data, cell in ((s, *named) for s in seeds for named in cells.evaluations(row, column, s)):
                if (shared := found.get(cell.fingerprint)) is not None:
                    shared["rows"] = list(dict.fromkeys([*shared["rows"], row.label]))
                    shared["columns"] = list(dict.fromkeys([*shared["columns"], column.key]))
                    continue
                folder, trained = cells.store.folder(cell), cells.store.folder(cell.training)
                record, training = folder.record(), trained.record()
                if record is None or training is None:
                    continue
                found[cell.fingerprint] = {
                    "rows": [row.label],
                    "columns": [column.key],
                    "data": data,
                    "member": bool(members_of(cell.data.arguments["source"])),
                    "seed": seed,
                    "evaluation": cell.fingerprint,
                    "training": cell.training.fingerprint,
                    "arguments": {"training": training["arguments"], "evaluation": record["arguments"]["data"]},
                    "metrics": record["metrics"],
                    "counts": {k: v for k, v in {**training, **record}.items() if k.startswith(COUNTS)},
                    "initialised": training["initialised"],
                    "start": [training["arguments"]["init"], training.get("start")],
                    "curves": {key: thinned(points) for key, points in training["curves"].items()},
                    "sources": record["sources"],
                    **_made_with(cell, cells.store, record),
                    "older_code": made_by_older_code(cell.training, cells.store)
                    or scored_by_older_code(cell, cells.store),
                    "predictions": pack_predictions(**folder.load_scores()),
                }
    return list(found.values())


def _made_with(cell: Evaluation, store: Store, record: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what a test, its training and all that this started from ran on and with."""
    made = [record, *(found for step in cell.training.lineage if (found := store.folder(step).record()) is not None)]
    return {
        "versions": sorted({f"{name} {v}" for one in made for name, v in one["versions"].items()}),
        "hardware": sorted({one["hardware"] for one in made}),
        "precision": sorted({one["precision"] for one in made}),
        "devices": sorted({one["devices"] for one in made}),
    }


def _share_arguments(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Replace the cells' arguments by a hash and return them by it: seeds of a row differ in their seed alone."""
    shared = {}
    for record in records:
        arguments = record["arguments"]
        arguments["training"] = {k: v for k, v in arguments["training"].items() if k != "seed"}
        record["arguments"] = fingerprint(arguments)
        shared[record["arguments"]] = arguments
    return shared


COUNTS = ("num_", "missing_", "undecodable_", "boxless_")


def _column(cells: TableCells, column: Column) -> dict[str, Any]:
    row = next((row for row in cells.rows if cells.runs(row, column)), None)
    [(_, cell), *_] = cells.evaluations(row, column, cells.options.seeds[0]) if row is not None else [("", None)]
    source = None if cell is None else cell.data.arguments["source"]
    return {
        "key": column.key,
        "title": column.title,
        "group": column.group,
        "metric": column.metric,
        "rule": column.rule if column.is_cost else None,
        "data": None if source is None else source.name,
        "member": source is not None and bool(members_of(source)),
    }


def _row(cells: TableCells, row: Row, columns: tuple[Column, ...], costs: Costs | None) -> dict[str, Any]:
    published = list(row.published) if cells.options.data is None else [None] * len(columns)
    ours: list[Any] = []
    for column in columns:
        if column.is_cost:
            shown = costs is not None and any(cells.runs(row, other) for other in cells.columns)
            cost = costs(row, column) if shown and costs is not None else None
            ours.append(None if cost is None else {"mean": cost})
        elif not cells.runs(row, column):
            ours.append(None)
        else:
            scores, labels = cells.scores(row, column)
            ours.append(
                dataclasses.asdict(estimate(scores, labels, column.metric)) if scores and labels is not None else None
            )
    found = {"label": row.label, "cited": row.cited, "published": published, "ours": ours}
    weights = cells.weights(row) if row.ensemble is not None else {}
    return found | ({"ensemble": {str(seed): own for seed, own in weights.items()}} if weights else {})


def _frame_orders(cells: TableCells) -> list[dict[str, Any]]:
    """Return each row's accuracy with frames in order, shuffled, and a single one repeated."""
    orders = []
    for column in cells.columns if cells.controls else ():
        if column.metric not in ("top1", "mean_class_acc"):
            continue
        for row in cells.rows:
            if not cells.runs(row, column):
                continue
            values = {}
            for order in ("forward", *CONTROL_ORDERS):
                scores, labels = cells.scores(row, column, order)
                if scores and labels is not None:
                    values[order] = estimate(scores, labels, column.metric).mean
            if len(values) > 1:
                orders.append({"column": column.key, "row": row.label, **values})
    return orders


def thinned(points: list[list[float]]) -> list[list[float]]:
    """Return at most ``CURVE_POINTS`` points of a curve, first and last among them."""
    if len(points) <= CURVE_POINTS:
        return points
    chosen = np.linspace(0, len(points) - 1, CURVE_POINTS).round().astype(int)
    return [points[index] for index in chosen]
