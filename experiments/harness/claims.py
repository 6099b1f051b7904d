"""Judge a table's claims: the paired difference of two rows, or of two costs, against what the paper says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from experiments.harness.noise import published_noise
from experiments.harness.spec import ALL, Claim, Column, Row, Table
from experiments.harness.statistics import Difference, holm, paired_difference, verdict
from experiments.harness.table_cells import TableCells

ANSWERS = {"reproduced": "yes", "not reproduced": "no"}  # to a question of our own
Costs = Callable[[Row, Column], float | None]


def judged_claims(cells: TableCells, costs: Costs | None) -> list[dict[str, Any]]:
    """Return every claim on every column it is made for, with published and our difference and a verdict.

    Args:
        cells: the table's cells.
        costs: computes a cost column's value for a row; None leaves claims on costs open.
    """
    table, found = cells.table, []
    for claim in table.claims:
        for column in table.columns:
            if not column.is_accuracy if claim.columns == ALL else column.key not in claim.columns:
                continue
            better, worse = table.row(claim.better), table.row(claim.worse)
            other = table.column(claim.worse_column) if claim.worse_column is not None else column
            first, second = table.columns.index(column), table.columns.index(other)
            entry: dict[str, Any] = {
                "id": claim.id,
                "column": column.key,
                "better": claim.better,
                "relation": claim.relation,
                "worse": claim.worse,
                "text": claim.text,
                "margin": claim.margin,
                "published": _published(better.published[first], worse.published[second], column),
                "ours": None,
                "verdict": "not run",
            }
            if not column.is_accuracy:
                entry |= _cost_claim(table, claim, (better, column), (worse, other), costs)
            elif better.cited or worse.cited:
                entry["verdict"] = "cited"
            elif cells.runs(better, column) and cells.runs(worse, other):
                difference = _difference(cells, better, column, worse, other)
                if difference is not None:
                    entry["ours"] = {**dataclasses.asdict(difference), "p_holm": None}
                    entry["verdict"] = verdict(difference, claim.relation, claim.margin)
            found.append(entry)
    judged = [entry for entry in found if entry["ours"] and entry["relation"] == ">"]
    for entry, p_value in zip(judged, holm([entry["ours"]["p_value"] for entry in judged]), strict=True):
        entry["ours"]["p_holm"] = p_value
    for entry in found if table.questions else ():
        entry["answer"] = ANSWERS.get(entry["verdict"], entry["verdict"])
    return found


def _cost_claim(
    table: Table, claim: Claim, better: tuple[Row, Column], worse: tuple[Row, Column], costs: Costs | None
) -> dict[str, Any]:
    """Compare two costs, which have no spread: computed from our networks, or as published for a cited row."""
    values = []
    for row, column in (better, worse):
        text = row.published[table.columns.index(column)]
        if row.cited and text is not None:
            values.append(float(text))
        elif not row.cited and costs is not None:
            values += [found] if (found := costs(row, column)) is not None else []
    both_cited = better[0].cited and worse[0].cited
    if len(values) < 2 or both_cited:
        return {"verdict": "cited" if both_cited else "not run"}
    difference = values[0] - values[1]
    holds = difference > claim.margin if claim.relation == ">" else abs(difference) <= claim.margin
    return {"costs": values, "verdict": "reproduced" if holds else "not reproduced"}


def _difference(cells: TableCells, better: Row, column: Column, worse: Row, other: Column) -> Difference | None:
    first, labels = cells.scores(better, column)
    second, _ = cells.scores(worse, other)
    if not first.keys() & second.keys() or labels is None:
        return None
    if _tested(cells, better, column) != _tested(cells, worse, other):
        return None  # a run cut short tests other videos where a video has more views
    return paired_difference(first, second, labels, column.metric)


def _tested(cells: TableCells, row: Row, column: Column) -> tuple[tuple[str, ...], ...]:
    """Return which videos a row was tested on; of an ensemble its first member's, which all of them share."""
    return cells.test_videos((*cells.members(row), row)[0], column)


def _published(better: str | None, worse: str | None, column: Column) -> dict[str, Any] | None:
    if better is None or worse is None:
        return None
    if not column.is_accuracy or column.metric == "map" or column.test_videos is None:
        return {"difference": round(float(better) - float(worse), 4), "noise": None}
    noise = published_noise(better, worse, column.test_videos)
    return {"difference": noise.difference, "noise": dataclasses.asdict(noise)}
