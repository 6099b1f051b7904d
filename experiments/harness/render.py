"""Print a table's evidence as Markdown and CSV: a pure function, same evidence, same bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from experiments.harness.controls import remarks_on_controls
from experiments.harness.markdown import DASH, markdown_table
from experiments.harness.render_claims import claims_section
from experiments.harness.render_conditions import conditions_section

PERCENT_METRICS = ("top1", "top5", "mean_class_acc", "map")
COUNTS = ("num_frames", "num_views")
COUNTED_BY_A_RULE = ("gmacs", "gflops")
ORDERS = ("forward", "shuffled", "repeated")
Evidence = Mapping[str, Any]


def to_json(evidence: Evidence) -> str:
    """Return the evidence as the text of its file: one line per key, and per entry of a list."""
    lines = []
    for key, value_ in sorted(evidence.items()):
        if isinstance(value_, list) and value_:
            lines.append(f"{_compact(key)}:[\n" + ",\n".join(map(_compact, value_)) + "\n]")
        else:
            lines.append(f"{_compact(key)}:{_compact(value_)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value_: Any) -> str:
    return json.dumps(value_, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def to_markdown(evidence: Evidence, committed: Evidence | None = None) -> str:
    """Return the whole page of a table: values, claims with verdicts, controls, conditions, notes.

    Args:
        evidence: of this run.
        committed: of the results that come with the repository, shown beside this run's.
    """
    blocks = [
        f"# {evidence['title']}",
        _subtitle(evidence),
        _values(evidence, committed),
        claims_section(evidence),
        _ensembles(evidence),
        _training(evidence),
        _controls(evidence),
        conditions_section(evidence),
        _notes(evidence),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def to_csv(evidence: Evidence) -> str:
    """Return one line per row and column: published value, ours, interval, seeds."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "row", "column", "data", "published", "ours", "low", "high", "seeds", "test_videos"])
    for row in evidence["rows"]:
        for column, published, ours in zip(evidence["columns"], row["published"], row["ours"], strict=True):
            values: list[Any] = ["", "", "", "", ""]
            if ours is not None:
                seeds = ours.get("seeds")
                values = [ours["mean"], ours.get("low", ""), ours.get("high", ""), len(seeds) if seeds else "",
                          ours.get("num_videos", "")]  # fmt: skip
            writer.writerow(
                [evidence["table"], row["label"], column["key"], column["data"] or "", published or "", *values]
            )
    return out.getvalue()


def table_cells(evidence: Evidence) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows as text, for a console or a tracker."""
    heads = ["Method"] + [f"{c['key']} {kind}" for c in evidence["columns"] for kind in ("published", "ours")]
    rows = []
    for row in evidence["rows"]:
        cells = [row["label"]]
        for column, published, ours in zip(evidence["columns"], row["published"], row["ours"], strict=True):
            cells += [published or DASH, value(ours, column["metric"], evidence["conditions"])]
        rows.append(cells)
    return heads, rows


def means(evidence: Evidence) -> tuple[list[str], list[list[Any]]]:
    """Return heads and rows of our means alone, of the rows that have any: for charts."""
    keys = [column["key"] for column in evidence["columns"]]
    rows = [[row["label"], *(None if ours is None else float(ours["mean"]) for ours in row["ours"])]
            for row in evidence["rows"]]  # fmt: skip
    return ["row", *keys], [row for row in rows if any(mean is not None for mean in row[1:])]


def value(ours: Mapping[str, Any] | None, metric: str, conditions: Mapping[str, Any] | None = None) -> str:
    """Return one of our values with its interval; and its number of seeds, where it has not all of the conditions'."""
    if ours is None:
        return DASH
    if metric in COUNTS:
        return f"{ours['mean']:.0f}"
    if metric not in PERCENT_METRICS:
        return f"{ours['mean']:.2f}"
    lacking = conditions is not None and "seeds" in ours and len(ours["seeds"]) < len(conditions["seeds"])
    fewer = f" ({_seeds(ours['seeds'])})" if lacking else ""
    return f"{ours['mean']:.1f} [{ours['low']:.1f}, {ours['high']:.1f}]{fewer}"


def _subtitle(evidence: Evidence) -> str:
    conditions = evidence["conditions"]
    if conditions["own_data"]:
        data = f"your own data set ({conditions['own_data']})"
    elif evidence["profile"] == "paper":
        data = "the paper's data sets and network"
    else:
        data = "the embedded benchmark at small width: compare rows with each other, not values with the published ones"
    limited = f"; **cut short to {conditions['limit_batches']} batches**" if conditions["limit_batches"] else ""
    return (
        f"Profile `{evidence['profile']}`: {data}{limited}. {_seeds(conditions['seeds'])}, 95 % intervals in brackets."
    )


def _seeds(seeds: list[int]) -> str:
    return f"{len(seeds)} seed{'s' if len(seeds) != 1 else ''}"


def not_run(evidence: Evidence) -> list[str]:
    """Return the labels of the rows, quoted ones apart, that have no value of ours."""
    return [row["label"] for row in evidence["rows"] if not row["cited"] and not any(row["ours"])]


def _values(evidence: Evidence, committed: Evidence | None) -> str:
    """Return a table per data set, of the rows that have a value there: published, the committed one if given, ours."""
    columns = evidence["columns"]
    kinds = ["published", "committed", "ours"] if committed is not None else ["published", "ours"]
    blocks = []
    for group in dict.fromkeys(column["group"] for column in columns):
        indices = [index for index, column in enumerate(columns) if column["group"] == group]
        lines = [(row["label"], [_cell(evidence, committed, row, index) for index in indices])
                 for row in evidence["rows"]]  # fmt: skip
        lines = [line for line in lines if any(text != DASH for cell in line[1] for text in cell.values())] or lines
        shown = [(at, kind) for at in range(len(indices)) for kind in kinds
                 if kind != "published" or any(cells[at][kind] != DASH for _, cells in lines)]  # fmt: skip
        heads = ["Method"] + [f"{columns[indices[at]]['title']} {_rule(columns[indices[at]])}{kind}"
                              for at, kind in shown]  # fmt: skip
        grid = [[label, *(cells[at][kind] for at, kind in shown)] for label, cells in lines]
        blocks.append(_heading(columns[indices[0]]) + markdown_table(heads, grid))
    if waiting := not_run(evidence):
        blocks.append(f"Not run: {'; '.join(waiting)}.")
    return "\n\n".join(blocks)


def _heading(column: Mapping[str, Any]) -> str:
    if not column["group"]:
        return ""
    stands = f", replaced by the member *{column['data']}*" if column["member"] else ""
    return f"**{column['group']}**{stands}\n\n"


def _cell(evidence: Evidence, committed: Evidence | None, row: Mapping[str, Any], index: int) -> dict[str, str]:
    column = evidence["columns"][index]
    ours = value(row["ours"][index], column["metric"], evidence["conditions"])
    texts = {"published": row["published"][index] or DASH, "ours": ours}
    if committed is not None:
        texts["committed"] = value(_committed_value(committed, row["label"], column["key"]), column["metric"])
    return texts


def _rule(column: Mapping[str, Any]) -> str:
    return f"({column['rule']} rule) " if column["metric"] in COUNTED_BY_A_RULE else ""


def _committed_value(committed: Evidence, label: str, key: str) -> Mapping[str, Any] | None:
    keys = [column["key"] for column in committed["columns"]]
    for row in committed["rows"]:
        if row["label"] == label and key in keys:
            return row["ours"][keys.index(key)]
    return None


def _training(evidence: Evidence) -> str:
    """Show that learning took place: each curve's first and last value, mean over the seeds."""
    lines = []
    for data, row in dict.fromkeys((cell["data"], row) for cell in evidence["cells"] for row in cell["rows"]):
        cells = [cell for cell in evidence["cells"] if cell["data"] == data and row in cell["rows"]]
        values = {key: _first_and_last([cell["curves"] for cell in cells], key, digits) for key, _, digits in CURVES}
        if values["val/top1"] != DASH and any(_validated_on_training_videos(evidence, cell) for cell in cells):
            values["val/top1"] += " (of videos that are trained on)"
        lines.append([data, row, *values.values()])
    if not lines:
        return ""
    kept = [i for i in range(2 + len(CURVES)) if any(line[i] != DASH for line in lines)]
    heads = ["On", "Row", *(head for _, head, _ in CURVES)]
    table = markdown_table([heads[i] for i in kept], [[line[i] for i in kept] for line in lines])
    return f"## Training\n\nFirst and last epoch's value, mean over the seeds.\n\n{table}"


CURVES = (
    ("train/loss", "Loss", 2),
    ("train/top1", "Training top-1 (%)", 1),
    ("val/top1", "Held-out top-1, one view (%)", 1),
    ("train/action_share", "Share of clip frames inside the true action", 3),
    ("train/clips_without_action", "Share of clips without any of it", 3),
)


def _validated_on_training_videos(evidence: Evidence, cell: Mapping[str, Any]) -> bool:
    """Say whether a cell was trained on its validation videos too, as some papers do who test on others."""
    source = evidence["arguments"][cell["arguments"]]["training"]["data"]["source"]
    return bool(source.get("train_with_val"))


def _first_and_last(curves: list[Mapping[str, Any]], key: str, digits: int) -> str:
    present = [curve[key] for curve in curves if curve.get(key)]
    if not present:
        return DASH
    first, last = (sum(points[end][1] for points in present) / len(present) for end in (0, -1))
    return f"{first:.{digits}f} → {last:.{digits}f}"


def _ensembles(evidence: Evidence) -> str:
    """Say what each ensemble adds up: its members with their weights, by seed where these differ."""
    places = {row["label"]: place for place, row in enumerate(evidence["rows"])}
    lines = []
    for row in evidence["rows"]:
        by_weights: dict[str, list[str]] = {}
        for seed, weights in row.get("ensemble", {}).items():
            listed = sorted(weights.items(), key=lambda item: places[item[0]])  # a file knows no order of its own
            text = ", ".join(label if weight == 1 else f"{weight:g} x {label}" for label, weight in listed)
            by_weights.setdefault(text, []).append(seed)
        for text, seeds in by_weights.items():
            lines.append([row["label"], ", ".join(seeds) if len(by_weights) > 1 else "all", text])
    if not lines:
        return ""
    table = markdown_table(["Row", "Seeds", "Sum of the scores of"], lines)
    return f"## Ensembles\n\nNothing is trained or tested for these rows: stored scores are added up.\n\n{table}"


def _controls(evidence: Evidence) -> str:
    controls = evidence["controls"]
    blocks = []
    if controls["a_a"]:
        lines = [
            [
                c["column"].replace("/", " "),
                c["row"],
                f"{c['mean']:+.1f} [{c['low']:+.1f}, {c['high']:+.1f}]",
                c["verdict"],
            ]
            for c in controls["a_a"]
        ]
        text = "A/A: one row's seeds in two halves; must come out undecided (one in twenty will not)."
        table = markdown_table(["On", "Row", "Difference", "Verdict"], lines)
        blocks.append("\n\n".join([text, table, *remarks_on_controls(controls["a_a"])]))
    if controls["frame_order"]:
        lines = [
            [c["column"].replace("/", " "), c["row"], *(f"{c[order]:.1f}" if order in c else DASH for order in ORDERS)]
            for c in controls["frame_order"]
        ]
        text = "Frame order at test time: what remains when frames are shuffled, or one is repeated, needs no time."
        blocks.append(f"{text}\n\n" + markdown_table(["On", "Row", "In order", "Shuffled", "One frame"], lines))
    return "## Controls\n\n" + "\n\n".join(blocks) if blocks else ""


def _notes(evidence: Evidence) -> str:
    return "## Notes\n\n" + "\n".join(f"- {note}" for note in evidence["notes"]) if evidence["notes"] else ""
