"""Turn one table's evidence into what its page shows: rows per data set, claims, curves, controls, conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from experiments.audit.audit import Finding
from experiments.audit.mistakes import MISTAKES, Mistake
from experiments.harness.controls import remarks_on_controls
from experiments.harness.draw import CURVES
from experiments.harness.markdown import DASH
from experiments.harness.needed import MOST_SEEDS
from experiments.harness.render import PERCENT_METRICS, value
from experiments.harness.render_claims import our_difference, p_text
from experiments.report.plots import Scale, axis, curves, interval

ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5}
Evidence = Mapping[str, Any]


def value_groups(evidence: Evidence) -> list[dict[str, Any]]:
    """Return a block per data set: its columns with their axes, and the rows that have a value there."""
    blocks = []
    for group in dict.fromkeys(column["group"] for column in evidence["columns"]):
        indices = [i for i, column in enumerate(evidence["columns"]) if column["group"] == group]
        columns = [_column(evidence, index) for index in indices]
        rows = []
        for row in evidence["rows"]:
            if any(row["published"][i] is not None or row["ours"][i] is not None for i in indices):
                cells = [_cell(evidence, row, i, column["scale"]) for i, column in zip(indices, columns, strict=True)]
                rows.append({"label": row["label"], "cited": row["cited"], "cells": cells})
        first = evidence["columns"][indices[0]]
        member = first["data"] if first["member"] else None
        left_out = len(evidence["rows"]) - len(rows)
        published = any(column["published"] for column in columns)
        blocks.append({"group": group, "member": member, "columns": columns, "rows": rows, "left_out": left_out,
                       "any_published": published})  # fmt: skip
    return [block for block in blocks if block["rows"]]


def _column(evidence: Evidence, index: int) -> dict[str, Any]:
    column = evidence["columns"][index]
    drawn = column["metric"] in PERCENT_METRICS
    values = []
    for row in evidence["rows"]:
        ours, published = row["ours"][index], row["published"][index]
        values += [float(published)] if published is not None and drawn else []
        values += [ours["low"], ours["high"]] if ours is not None and drawn else []
    scale = Scale.around(values) if drawn and values else None
    rule = f" ({column['rule']} rule)" if column["rule"] and column["metric"] in ("gmacs", "gflops") else ""
    has_ours = any(row["ours"][index] is not None for row in evidence["rows"])
    has_published = any(row["published"][index] is not None for row in evidence["rows"])
    return {
        "title": column["title"] + rule,
        "scale": scale,
        "axis": axis(scale) if scale else None,
        "ours": has_ours,
        "published": has_published,
    }


def _cell(evidence: Evidence, row: Mapping[str, Any], index: int, scale: Scale | None) -> dict[str, Any]:
    ours, published = row["ours"][index], row["published"][index]
    metric = evidence["columns"][index]["metric"]
    plot: Markup | None = None
    if scale is not None and (ours is not None or published is not None):
        said = f"{row['label']}: ours {value(ours, metric)}, published {published or DASH}"
        plot = interval(scale, ours=ours, published=None if published is None else float(published), title=said)
    return {
        "published": published or DASH,
        "published_key": published or "",
        "ours": value(ours, metric, evidence["conditions"]),
        "ours_key": "" if ours is None else ours["mean"],
        "seeds": len(ours["seeds"]) if ours and "seeds" in ours else None,
        "plot": plot,
    }


def claim_rows(findings: list[Finding]) -> tuple[list[dict[str, Any]], Markup | None]:
    """Return the lines of a table of claims and the axis under which their differences are drawn."""
    scale = Scale.around([0.0, *(v for finding in findings for v in _ends(finding.entry))])
    drawn = any(finding.entry["ours"] for finding in findings)
    return [claim_row(finding, scale if drawn else None) for finding in findings], axis(scale, True) if drawn else None


def claim_row(finding: Finding, scale: Scale | None) -> dict[str, Any]:
    """Return one line of a table of claims."""
    entry = finding.entry
    published, ours = entry["published"], entry["ours"]
    noise = published["noise"] if published else None
    plot = None
    if scale is not None and ours:
        drawn = published["difference"] if published else None
        said = f"{entry['text']}: ours {our_difference(entry)}, published {signed(published)}"
        plot = interval(scale, ours=ours, published=drawn, zero=True, title=said)
    return {
        "id": entry["id"],
        "text": entry["text"],
        "on": entry["column"].replace("/", " "),
        "published": signed(published),
        "published_key": published["difference"] if published else "",
        "videos": f"{noise['videos']:,.0f} of {noise['num_videos']:,} videos" if noise else "",
        "noise": noise["verdict"] if noise else DASH,
        "ours": our_difference(entry),
        "ours_key": ours["mean"] if ours else "",
        "seeds": len(ours["seeds"]) if ours else None,
        "p": _p_values(ours) if ours else "",
        "p_paper": p_text(finding.p_paper) if finding.p_paper is not None else "",
        "margin": f"margin {entry['margin']:g}" if entry["margin"] else "",
        "needed": str(finding.needed) if finding.needed else "",
        "needed_key": (finding.needed.seeds or MOST_SEEDS + 1) if finding.needed else "",
        "detectable": f"{ours['smallest_detectable']:.1f}" if ours else DASH,
        "verdict": entry.get("answer", entry["verdict"]),
        "against": finding.against,
        "plot": plot,
        "page": finding.page,
    }


def _p_values(ours: Mapping[str, Any]) -> str:
    holm = f", Holm {p_text(ours['p_holm'])}" if ours["p_holm"] is not None else ""
    return f"p {p_text(ours['p_value'])}{holm}"


def signed(published: Mapping[str, Any] | None) -> str:
    """Return a published difference with its sign."""
    return f"{published['difference']:+.2f}" if published else DASH


def _ends(entry: Mapping[str, Any]) -> list[float]:
    ours, published = entry["ours"], entry["published"]
    if not ours:
        return []
    return [ours["low"], ours["high"], *([published["difference"]] if published else [])]


def training_curves(evidence: Evidence) -> list[dict[str, Any]]:
    """Return a block per data set: its legend and a drawing per metric; rows that share trainings share a line."""
    blocks = []
    for data in dict.fromkeys(cell["data"] for cell in evidence["cells"]):
        lines = _lines(evidence, data)
        drawings = []
        for key, title in CURVES:
            seeds = [(label, [c["curves"][key] for c in cells if c["curves"].get(key)]) for label, cells in lines]
            if any(found for _, found in seeds):
                drawings.append({"title": title, "svg": curves(seeds, f"{data}: {title}")})
        if drawings:
            blocks.append({"data": data, "legend": [label for label, _ in lines], "drawings": drawings})
    return blocks


def _lines(evidence: Evidence, data: str) -> list[tuple[str, list[Mapping[str, Any]]]]:
    by_row: dict[str, dict[str, Mapping[str, Any]]] = {}
    for cell in evidence["cells"]:
        if cell["data"] == data:
            for row in cell["rows"]:
                by_row.setdefault(row, {})[cell["training"]] = cell
    shared: dict[tuple[str, ...], list[str]] = {}
    for row, cells in by_row.items():
        shared.setdefault(tuple(sorted(cells)), []).append(row)
    return [(" = ".join(rows), [by_row[rows[0]][key] for key in keys]) for keys, rows in shared.items()]


def controls(evidence: Evidence) -> dict[str, Any]:
    """Return the A/A controls and the accuracies by frame order."""
    found = evidence["controls"]["a_a"]
    scale = Scale.around([0.0, *(v for c in found for v in (c["low"], c["high"]))])
    a_a = [
        {
            **c,
            "on": c["column"].replace("/", " "),
            "text": f"{c['mean']:+.1f} [{c['low']:+.1f}, {c['high']:+.1f}]",
            "plot": interval(scale, ours=c, published=None, zero=True, title=f"{c['column']}: {c['mean']:+.1f}"),
        }
        for c in found
    ]
    orders = [{**c, "on": c["column"].replace("/", " ")} for c in evidence["controls"]["frame_order"]]
    return {"a_a": a_a, "axis": axis(scale, True), "remarks": remarks_on_controls(found), "orders": orders}


def mistakes_in(table: str) -> list[Mistake]:
    """Return the known mistakes in a published table, by its id (``ligar/table3``)."""
    paper, name = table.split("/")
    number = re.fullmatch(r"table(\d+)", name)
    if number is None:
        return []
    return [m for m in MISTAKES if m.paper == paper and int(number[1]) in _numbers(m.where)]


def _numbers(where: str) -> set[int]:
    if not where.startswith("Table"):
        return set()
    words = re.findall(r"\b(?:\d+|[IV]+)\b", where)
    return {int(word) if word.isdigit() else ROMAN[word] for word in words}


def page_name(stem: str) -> str:
    """Return the file name of a table's page, by its stem (``ligar/table3.proxy``)."""
    return stem.replace("/", "-").replace(".", "-") + ".html"
