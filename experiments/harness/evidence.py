"""Gather a table's cells into one JSON value: all that rendering, reports and audits need, and nothing that varies.

Two runs of the same cells give the same evidence: no dates, no durations, no paths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from datamodules.synthetic.members import GENERATOR_VERSION, Member
from experiments.harness.cell import Evaluation, Options, control, evaluation, fingerprint
from experiments.harness.noise import published_noise
from experiments.harness.predictions import pack_predictions
from experiments.harness.spec import ALL, Column, Row, Table
from experiments.harness.stale import made_by_older_code
from experiments.harness.statistics import Difference, a_a_control, estimate, holm, paired_difference, verdict
from experiments.harness.store import Store

EVIDENCE_FORMAT = 1
CURVE_POINTS = 40
SIGNIFICANT_DIGITS = 6
CONTROL_ORDERS = ("shuffled", "repeated")

Costs = Callable[[Row, Column], float]
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

    def evaluation(self, row: Row, column: Column, seed: int) -> Evaluation:
        """Return one cell."""
        return evaluation(self.table, row, column, seed, self.options)

    def wanted(self) -> dict[Evaluation, str]:
        """Return every evaluation to run, with the label to show for it."""
        cells: dict[Evaluation, str] = {}
        for seed in self.options.seeds:
            for row in self.rows:
                for column in self.columns:
                    cell = self.evaluation(row, column, seed)
                    label = f"{self.table.paper} {row.label} · {column.group or column.title} · s{seed}"
                    cells.setdefault(cell, label)
                    if self.controls and not self._untrimmed(cell):
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
            folder = self.store.folder(cell)
            if folder.record_path.exists() and folder.scores_path.exists():
                stored = folder.load_scores()
                found[seed], labels = stored["scores"], stored["labels"]
        return found, labels


def data_columns(table: Table, options: Options) -> tuple[Column, ...]:
    """Return the columns that need a run; with the user's own data, one data set replaces all of the table's."""
    columns = tuple(column for column in table.columns if not column.is_cost)
    if options.data is None:
        return columns
    first = columns[0].group
    name = options.data.name
    return tuple(dataclasses.replace(c, group=name, test_videos=None) for c in columns if c.group == first)


def gather(cells: TableCells, costs: Costs | None = None) -> dict[str, Any]:
    """Return the evidence of a table, statistics included.

    Args:
        cells: the table's cells.
        costs: computes a cost column's value for a row; None leaves those columns empty.
    """
    table, options = cells.table, cells.options
    records = _records(cells)
    own_data = options.data is not None
    columns = cells.columns if own_data else table.columns
    evidence = {
        "format": EVIDENCE_FORMAT,
        "arguments": _share_arguments(records),
        "table": table.id,
        "title": table.title,
        "profile": options.profile,
        "conditions": _conditions(cells, records),
        "columns": [_column(cells, column) for column in columns],
        "rows": [_row(cells, row, columns, costs) for row in table.rows],
        "claims": [] if own_data else _claims(cells),
        "controls": _controls(cells),
        "notes": [*table.notes, *(f"{row.label}: {row.note}" for row in table.rows if row.note)],
        "cells": records,
    }
    return rounded(evidence)


def _conditions(cells: TableCells, records: list[dict[str, Any]]) -> dict[str, Any]:
    options = cells.options
    return {
        "seeds": list(options.seeds),
        "limit_batches": options.limit_batches,
        "init_checkpoint": options.init_checkpoint,
        "own_data": None if options.data is None else options.data.name,
        "generator_version": GENERATOR_VERSION if any(r["member"] for r in records) else None,
        "versions": sorted({f"{name} {v}" for record in records for name, v in record["versions"].items()}),
        "hardware": sorted({record["hardware"] for record in records}),
        "older_code": sum(record["older_code"] for record in records),
        "cells": len(records),
    }


def _records(cells: TableCells) -> list[dict[str, Any]]:
    found = {}
    for row in cells.rows:
        for column in cells.columns:
            for seed in cells.options.seeds:
                cell = cells.evaluation(row, column, seed)
                folder, trained = cells.store.folder(cell), cells.store.folder(cell.training)
                record, training = folder.record(), trained.record()
                if record is None or training is None or cell.fingerprint in found:
                    continue
                found[cell.fingerprint] = {
                    "row": row.label,
                    "data": column.group or column.title,
                    "member": isinstance(cell.data.arguments["source"], Member),
                    "seed": seed,
                    "evaluation": cell.fingerprint,
                    "training": cell.training.fingerprint,
                    "arguments": {"training": training["arguments"], "evaluation": record["arguments"]["data"]},
                    "metrics": record["metrics"],
                    "counts": {k: v for k, v in {**training, **record}.items() if k.startswith(COUNTS)},
                    "initialised": training["initialised"],
                    "curves": {key: thinned(points) for key, points in training["curves"].items()},
                    "versions": record["versions"],
                    "hardware": training["hardware"],
                    "older_code": made_by_older_code(cell.training, cells.store),
                    "predictions": pack_predictions(**folder.load_scores()),
                }
    return list(found.values())


def _share_arguments(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Replace the cells' arguments by a hash and return them by it: seeds of a row differ in their seed alone."""
    shared = {}
    for record in records:
        arguments = record["arguments"]
        arguments["training"] = {k: v for k, v in arguments["training"].items() if k != "seed"}
        record["arguments"] = fingerprint(arguments)
        shared[record["arguments"]] = arguments
    return shared


COUNTS = ("num_", "missing_", "undecodable_")


def _column(cells: TableCells, column: Column) -> dict[str, Any]:
    data = None
    if column in cells.columns and cells.rows:
        cell = cells.evaluation(cells.rows[0], column, cells.options.seeds[0])
        data = cell.data.arguments["source"].name
    return {
        "key": column.key,
        "title": column.title,
        "group": column.group,
        "metric": column.metric,
        "rule": column.rule if column.is_cost else None,
        "data": data,
    }


def _row(cells: TableCells, row: Row, columns: tuple[Column, ...], costs: Costs | None) -> dict[str, Any]:
    published = list(row.published) if cells.options.data is None else [None] * len(columns)
    ours: list[Any] = []
    for column in columns:
        if row.cited or row not in cells.rows:
            ours.append(None)
        elif column.is_cost:
            ours.append({"mean": costs(row, column)} if costs is not None else None)
        elif column not in cells.columns:
            ours.append(None)
        else:
            scores, labels = cells.scores(row, column)
            ours.append(
                dataclasses.asdict(estimate(scores, labels, column.metric)) if scores and labels is not None else None
            )
    return {"label": row.label, "cited": row.cited, "published": published, "ours": ours}


def _claims(cells: TableCells) -> list[dict[str, Any]]:
    table, found = cells.table, []
    for claim in table.claims:
        for column in table.columns:
            if claim.columns != ALL and column.key not in claim.columns:
                continue
            better, worse = table.row(claim.better), table.row(claim.worse)
            index = table.columns.index(column)
            entry: dict[str, Any] = {
                "id": claim.id,
                "column": column.key,
                "better": claim.better,
                "relation": claim.relation,
                "worse": claim.worse,
                "margin": claim.margin,
                "published": _published(better.published[index], worse.published[index], column),
                "ours": None,
                "verdict": "not run",
            }
            if column in cells.columns and better in cells.rows and worse in cells.rows:
                difference = _difference(cells, better, worse, column)
                if difference is not None:
                    entry["ours"] = {**dataclasses.asdict(difference), "p_holm": None}
                    entry["verdict"] = verdict(difference, claim.relation, claim.margin)
            found.append(entry)
    judged = [entry for entry in found if entry["ours"] and entry["relation"] == ">"]
    for entry, p_value in zip(judged, holm([entry["ours"]["p_value"] for entry in judged]), strict=True):
        entry["ours"]["p_holm"] = p_value
    return found


def _difference(cells: TableCells, better: Row, worse: Row, column: Column) -> Difference | None:
    first, labels = cells.scores(better, column)
    second, _ = cells.scores(worse, column)
    if not first.keys() & second.keys() or labels is None:
        return None
    return paired_difference(first, second, labels, column.metric)


def _published(better: str | None, worse: str | None, column: Column) -> dict[str, Any] | None:
    if better is None or worse is None:
        return None
    if column.is_cost or column.metric == "map" or column.test_videos is None:
        return {"difference": round(float(better) - float(worse), 4), "noise": None}
    noise = published_noise(better, worse, column.test_videos)
    return {"difference": noise.difference, "noise": dataclasses.asdict(noise)}


def _controls(cells: TableCells) -> dict[str, Any]:
    baseline = cells.table.control_row
    a_a = []
    orders = []
    for column in cells.columns:
        scores, labels = cells.scores(baseline, column) if baseline in cells.rows else ({}, None)
        if len(scores) >= 3 and labels is not None:
            difference = a_a_control(scores, labels, column.metric)
            a_a.append({"column": column.key, "row": baseline.label, **dataclasses.asdict(difference),
                        "verdict": verdict(difference, ">")})  # fmt: skip
        if not cells.controls or column.metric != "top1":
            continue
        for row in cells.rows:
            values = {}
            for order in ("forward", *CONTROL_ORDERS):
                scores, labels = cells.scores(row, column, order)
                if scores and labels is not None:
                    values[order] = estimate(scores, labels, "top1").mean
            if len(values) > 1:
                orders.append({"column": column.key, "row": row.label, **values})
    return {"a_a": a_a, "frame_order": orders}


def thinned(points: list[list[float]]) -> list[list[float]]:
    """Return at most ``CURVE_POINTS`` points of a curve, first and last among them."""
    if len(points) <= CURVE_POINTS:
        return points
    chosen = np.linspace(0, len(points) - 1, CURVE_POINTS).round().astype(int)
    return [points[index] for index in chosen]


def rounded(value: Any) -> Any:
    """Round every float to the digits that mean something, so that the file does not depend on the last bit."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value
