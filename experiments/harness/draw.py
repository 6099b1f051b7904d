"""Draw a table's evidence: points with intervals and published values, and the training curves behind them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

PUBLISHED_COLOUR, OURS_COLOUR = "#9a3b2f", "#1f5f8b"
ROW_COLOURS = ("#1f5f8b", "#c9762b", "#3b7d4f", "#7b4b94", "#8c6d31", "#4b8f8c", "#a23b5a", "#555555")
TITLE_INCHES = 0.088  # of a title's letter, on average
CURVES = (
    ("train/loss", "training loss"),
    ("train/top1", "training top-1 (%)"),
    ("val/top1", "held-out top-1, one view (%)"),
    ("train/action_share", "clip frames inside the action (share)"),
    ("train/clips_without_action", "clips without any of the action (share)"),
)


def draw_table(evidence: Mapping[str, Any], path: Path) -> None:
    """Draw a line of panels per data set, one per metric: our value with interval, the published one as a diamond.

    A line lists the rows that have a value on its data set.
    """
    plt = _pyplot()
    groups: dict[str, list[int]] = {}
    for index, column in enumerate(evidence["columns"]):
        if column["data"] is not None:
            groups.setdefault(column["group"], []).append(index)
    rows = {group: _rows_on(evidence, indices) for group, indices in groups.items()}
    widest, heights = max(map(len, groups.values()), default=1), [1.0 + 0.34 * len(r) for r in rows.values()] or [1.0]
    longest = max((len(row["label"]) for own in rows.values() for row in own), default=0)
    size = (0.5 + 0.08 * longest + 2.9 * widest, 0.9 + sum(heights))
    figure, axes = plt.subplots(len(heights), widest, figsize=size, sharey="row", squeeze=False,
                                gridspec_kw={"height_ratios": heights})  # fmt: skip
    for line, (group, indices) in zip(axes, groups.items(), strict=False):
        for axis in line[len(indices) :]:
            axis.set_visible(False)
        for axis, index in zip(line, indices, strict=False):
            _draw_column(axis, evidence["columns"][index], rows[group], index)
        line[0].set_yticks(range(len(rows[group])), [row["label"] for row in rows[group]])
        line[0].set_ylim(len(rows[group]) - 0.4, -0.6)
    handles = [plt.Line2D([], [], color=OURS_COLOUR, marker="o", lw=2, label="ours, 95 % interval (ticks: seeds)")]
    if any(
        row["published"][i] is not None for group, indices in groups.items() for row in rows[group] for i in indices
    ):
        handles.append(
            plt.Line2D([], [], color=PUBLISHED_COLOUR, marker="D", mfc="none", lw=0, label="published (real data)")
        )
    between = "\n" if widest == 1 else "  ·  "  # a single panel is too narrow for one line
    said = f"{evidence['title']}{between}{_where(evidence)}".splitlines()
    lines = [part for line in said for part in textwrap.wrap(line, width=int(size[0] / TITLE_INCHES))]
    figure.suptitle("\n".join(lines), fontsize=10, y=1 - 0.08 / size[1])
    figure.legend(handles=handles, loc="lower center", ncol=2, fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0.25 / size[1], 1, 1))
    _save(figure, path)


def _rows_on(evidence: Mapping[str, Any], indices: list[int]) -> list[Mapping[str, Any]]:
    """Return the rows that have a value in any of these columns; all, if none has."""
    found = [row for row in evidence["rows"]
             if any(row["ours"][i] is not None or row["published"][i] is not None for i in indices)]  # fmt: skip
    return found or evidence["rows"]


def _where(evidence: Mapping[str, Any]) -> str:
    if evidence["conditions"]["own_data"] is not None:
        return f"your own data set ({evidence['conditions']['own_data']})"
    return "the paper's data" if evidence["profile"] == "paper" else "ours on the embedded benchmark"


def _draw_column(axis: Any, column: Mapping[str, Any], rows: list[Any], index: int) -> None:
    for position, row in enumerate(rows):
        ours, published = row["ours"][index], row["published"][index]
        if published is not None:
            axis.plot(float(published), position, "D", color=PUBLISHED_COLOUR, ms=5, mfc="none", zorder=3)
        if ours is not None:
            axis.plot([ours["low"], ours["high"]], [position, position], color=OURS_COLOUR, lw=2, zorder=2)
            axis.plot(ours["mean"], position, "o", color=OURS_COLOUR, ms=6, zorder=4)
            ticks = [position + 0.25] * len(ours["per_seed"])
            axis.plot(ours["per_seed"], ticks, "|", color=OURS_COLOUR, ms=5, alpha=0.6)
    stands = f"\n{column['data']}" if column["member"] else ""
    name = column["key"].replace("/", ", ").removesuffix("(%)")
    axis.set_title(f"{name} (%){stands}", fontsize=8)
    axis.grid(axis="x", color="#dddddd", lw=0.6)
    axis.tick_params(labelsize=8)


def draw_curves(evidence: Mapping[str, Any], path: Path) -> bool:
    """Draw the training curves, one line per row (mean over seeds, each seed faint), a row of panels per data set.

    Returns:
        Whether there was anything to draw.
    """
    groups = list(dict.fromkeys(cell["data"] for cell in evidence["cells"]))
    present = [(k, label) for k, label in CURVES if any(k in cell["curves"] for cell in evidence["cells"])]
    if not groups or not present:
        return False
    plt = _pyplot()
    figure, axes = plt.subplots(
        len(groups), len(present), figsize=(3.3 * len(present), 2.6 * len(groups)), squeeze=False
    )
    labels = list(dict.fromkeys(row for cell in evidence["cells"] for row in cell["rows"]))
    for line, group in enumerate(groups):
        for axis, (key, title) in zip(axes[line], present, strict=True):
            drawn = [_draw_curve(axis, evidence, group, row, key, ROW_COLOURS[i % 8]) for i, row in enumerate(labels)]
            axis.set_title(f"{group}: {title}" if line == 0 or group != groups[0] else title, fontsize=8)
            axis.tick_params(labelsize=7)
            axis.grid(color="#dddddd", lw=0.6)
            axis.set_xlabel("epoch", fontsize=7)
            axis.set_visible(any(drawn))
    axes[0][0].legend(fontsize=7, frameon=False)
    figure.tight_layout()
    _save(figure, path)
    return True


def _draw_curve(axis: Any, evidence: Mapping[str, Any], group: str, row: str, key: str, colour: str) -> bool:
    curves = [np.array(c["curves"][key]) for c in evidence["cells"]
              if c["data"] == group and row in c["rows"] and key in c["curves"]]  # fmt: skip
    if not curves:
        return False
    for curve in curves:
        axis.plot(curve[:, 0] + 1, curve[:, 1], color=colour, lw=0.6, alpha=0.3)
    shortest = min(len(curve) for curve in curves)
    mean = np.mean([curve[:shortest] for curve in curves], axis=0)
    axis.plot(mean[:, 0] + 1, mean[:, 1], color=colour, lw=1.8, label=row)
    return True


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _save(figure: Any, path: Path) -> None:
    """Write the picture without the date that matplotlib would put into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    _pyplot().close(figure)
