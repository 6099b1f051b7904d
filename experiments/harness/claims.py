"""Judge a table's claims: the paired difference of two rows, or of two costs, against what the paper says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.harness.controls import rounded
from experiments.harness.noise import published_noise
from experiments.harness.spec import ALL, Claim, Column, Row, Table
from experiments.harness.statistics import Difference, difference_of_gains, paired_difference
from experiments.harness.table_cells import TableCells
from experiments.harness.verdicts import holm, verdict

Costs = Callable[[Row, Column], float | None]


def judged_claims(table: Table, cells: TableCells | None, costs: Costs | None) -> list[dict[str, Any]]:
    """Return every claim on every column it is made for, with published and our difference and a verdict.

    Args:
        table: the table.
        cells: its cells; None leaves claims on accuracies open.
        costs: computes a cost column's value for a row; None leaves claims on costs open.
    """
    found = []
    for claim in table.claims:
        for column in table.columns:
            if not column.is_accuracy if claim.columns == ALL else column.key not in claim.columns:
                continue
            better, worse = table.row(claim.better), table.row(claim.worse)
            other = table.column(claim.worse_column) if claim.worse_column is not None else column
            pairs = [(better, column), (worse, other)]
            if claim.gains_over is not None:
                pairs += [(table.row(label), column) for label in claim.gains_over]
            elif claim.less_column is not None:
                pairs += [(row, table.column(claim.less_column)) for row in (better, worse)]
            entry: dict[str, Any] = {
                "id": claim.id,
                "column": column.key,
                "better": claim.better,
                "relation": claim.relation,
                "worse": claim.worse,
                "text": claim.text,
                "margin": claim.margin,
                "published": _published([row.published[table.columns.index(place)] for row, place in pairs], column),
                "ours": None,
                "verdict": "not run",
            }
            if not column.is_accuracy:
                entry |= _cost_claim(table, claim, pairs[0], pairs[1], costs)
            elif any(row.cited for row, _ in pairs):
                entry["verdict"] = "cited"
            elif cells is not None and all(cells.runs(*pair) for pair in pairs):
                difference = _difference(cells, pairs)
                if difference is not None:
                    entry["ours"] = {**dataclasses.asdict(difference), "p_holm": None}
                    entry["verdict"] = verdict(difference, claim.relation, claim.margin)
            found.append(entry)
    judged = [entry for entry in found if entry["ours"] and entry["relation"] == ">"]
    for entry, p_value in zip(judged, holm([entry["ours"]["p_value"] for entry in judged]), strict=True):
        entry["ours"]["p_holm"] = p_value
    return found


def with_claims_of_script(evidence: Mapping[str, Any], table: Table, costs: Costs | None) -> dict[str, Any]:
    """Return stored evidence with the claims that the table's script makes now.

    What it was judged by stays; a claim that was added or reworded since then is "not run", or judged by its costs.

    Args:
        evidence: as stored.
        table: of the script.
        costs: computes a cost column's value for a row.
    """

    def key(claim: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(claim[name] for name in ("id", "column", "text", "margin"))

    if evidence["conditions"]["own_data"] is not None:
        return dict(evidence)
    known = {key(claim): claim for claim in evidence["claims"]}
    return {
        **evidence,
        "claims": [known.get(key(claim), rounded(claim)) for claim in judged_claims(table, None, costs)],
    }


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


def _difference(cells: TableCells, pairs: Sequence[tuple[Row, Column]]) -> Difference | None:
    """Compare two cells, or the gains of the first two over the third and fourth; None if they have nothing in common.

    Rows tested on other videos are not compared: a run cut short tests others where a video has more views.
    """
    found = [cells.scores(*pair) for pair in pairs]
    scores, labels = [each for each, _ in found], found[0][1]
    if labels is None or not set.intersection(*(set(each) for each in scores)):
        return None
    if len({_tested(cells, *pair) for pair in pairs}) > 1:
        return None
    metric = pairs[0][1].metric
    if len(scores) == 2:
        return paired_difference(scores[0], scores[1], labels, metric)
    return difference_of_gains((scores[0], scores[2]), (scores[1], scores[3]), labels, metric)


def _tested(cells: TableCells, row: Row, column: Column) -> tuple[tuple[str, ...], ...]:
    """Return which videos a row was tested on; of an ensemble its first member's, which all of them share."""
    return cells.test_videos((*cells.members(row), row)[0], column)


def _published(values: Sequence[str | None], column: Column) -> dict[str, Any] | None:
    """Return the published difference of two values, or of two gains, and the noise of a plain one's test set."""
    printed = [float(value) for value in values if value is not None]
    if len(printed) < len(values):
        return None
    if len(values) == 4:
        better, worse, before_better, before_worse = printed
        return {"difference": round(better - before_better - (worse - before_worse), 4), "noise": None}
    if not column.is_accuracy or column.metric == "map" or column.test_videos is None:
        return {"difference": round(printed[0] - printed[1], 4), "noise": None}
    noise = published_noise(str(values[0]), str(values[1]), column.test_videos)
    return {"difference": noise.difference, "noise": dataclasses.asdict(noise)}
