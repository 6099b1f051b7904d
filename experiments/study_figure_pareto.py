"""Study across the papers: accuracy against operations, parameters and latency as run, with the Pareto front.

Paper:      none; drawn from the study's cells on Something-Something V2's stand-in (study_cross).
Run:        python experiments/study_figure_pareto.py            (embedded benchmark; study_cross's cells)
            python experiments/study_figure_pareto.py --profile paper --data-root DATA --accelerator gpu
Protocol:   each network once, Top-1 with its 95 % interval over seeds and videos. On the front: no other network is at
            least as accurate at no higher cost, and of latencies none is more accurate within 10 %, by which one
            network's latency differs from measurement to measurement. It goes by the means; within the intervals
            another front is possible.
Deviations: networks that were run on the untrimmed data alone are left out. Latencies come from
            experiments/tools/latency.py; without its record their panel says so.
"""

from collections.abc import Sequence
from typing import Any

from experiments import study_cross
from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.harness.measure import known_cost
from experiments.harness.statistics import estimate
from experiments.study_cross import LATENCY, MMACS, ON, PARAMS
from experiments.study_profiles import (
    ACTION_NET,
    KPSEM,
    LIGAR,
    MS3D,
    MS3D_CLASSIFIER,
    SLOW_FAST,
    TRIMMED,
    TRIMMED_TOP1,
    TSM,
    TSN,
)

COSTS = {
    "mmacs": (MMACS, "multiply-accumulates per clip (millions)"),
    "params_k": (PARAMS, "parameters (thousands)"),
    "latency_ms": (LATENCY, "latency per clip (ms, one thread)"),
}
ROWS = tuple(row.label for row in study_cross.TABLE.rows if row.default and TRIMMED in ON.get(row.label, (TRIMMED,)))
NAME_POINTS = 7.5
SAME = {"latency_ms": 0.1}  # share by which a cost may be higher and still be no worse; counts are exact
NETWORKS = (TSN, TSM, ACTION_NET, KPSEM, LIGAR, MS3D, SLOW_FAST, MS3D_CLASSIFIER)  # the others combine papers
PLAIN, COMBINED, FRONT = "#1f5f8b", "#c9762b", "#3b7d4f"


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw a panel per cost; all share the axis of accuracy."""
    points = [_point(label, own) for label in ROWS if (own := _cells_of(cells, label))]
    for key in COSTS:
        front = pareto_front(
            [(point["label"], point[key], point["top1"]) for point in points if point[key] is not None],
            SAME.get(key, 0.0),
        )
        for point in points:
            point[f"on_front_{key}"] = point["label"] in front
    numbers = [{k: round(v, 4) if isinstance(v, float) else v for k, v in point.items()} for point in points]
    return Drawing(_picture(points), numbers)


def pareto_front(points: Sequence[tuple[str, float, float]], same: float = 0.0) -> tuple[str, ...]:
    """Return the labels that no other point beats, cheapest first.

    Args:
        points: (label, cost, accuracy). A point is beaten by one of no higher cost and no lower accuracy that is
            better in one of the two; by one that is more accurate also if its cost is higher by no more than ``same``.
        same: share of a cost.
    """
    found = [
        (cost, label)
        for label, cost, accuracy in points
        if not any(
            (other <= cost and better >= accuracy and (other, better) != (cost, accuracy))
            or (other <= cost * (1 + same) and better > accuracy)
            for _, other, better in points
        )
    ]
    return tuple(label for _, label in sorted(found))


def _cells_of(cells: Sequence[Cell], label: str) -> list[Cell]:
    return [cell for cell in cells if cell.row == label and cell.column == TRIMMED_TOP1.key]


def _point(label: str, cells: Sequence[Cell]) -> dict[str, Any]:
    table, profile = study_cross.TABLE, cells[0].training["arguments"]["profile"]
    scores = {cell.seed: cell.scores["scores"] for cell in cells}
    found = estimate(scores, cells[0].scores["labels"], "top1")
    costs = {key: known_cost(table, table.row(label), column, profile) for key, (column, _) in COSTS.items()}
    return {"label": label, "seeds": len(cells), "top1": found.mean, "low": found.low, "high": found.high, **costs}


def _picture(points: Sequence[dict[str, Any]]) -> Any:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(COSTS), figsize=(15, 6.2), sharey=True, layout="constrained")
    for axis, (key, (_, title)) in zip(axes, COSTS.items(), strict=True):
        shown = [point for point in points if point[key] is not None]
        axis.set_xlabel(title)
        axis.grid(color="#dddddd", lw=0.6)
        if not shown:
            axis.text(0.5, 0.5, "not measured:\nexperiments/tools/latency.py study_cross", ha="center", va="center",
                      transform=axis.transAxes, color="#666666")  # fmt: skip
            continue
        for point in shown:
            colour = PLAIN if point["label"] in NETWORKS else COMBINED
            axis.plot([point[key]] * 2, [point["low"], point["high"]], color=colour, lw=1.4, alpha=0.55)
            edge = FRONT if point[f"on_front_{key}"] else colour
            axis.plot(point[key], point["top1"], "o", color=colour, mec=edge, mew=2, ms=7, zorder=3)
        front = sorted((point[key], point["top1"]) for point in shown if point[f"on_front_{key}"])
        axis.plot(*zip(*front, strict=True), "-", color=FRONT, lw=1.6, zorder=2)
        if key == "params_k":
            axis.set_xscale("log")
        axis.margins(x=0.65, y=0.08)  # names stand left and right of all points
        if key != "params_k":
            low, high = axis.get_xlim()
            axis.set_xticks([tick for tick in axis.get_xticks() if max(0, low) <= tick <= high])
    axes[0].set_ylabel("Top-1 (%)")
    handles = [
        plt.Line2D([], [], color=PLAIN, marker="o", lw=1.4, label="a paper's network"),
        plt.Line2D([], [], color=COMBINED, marker="o", lw=1.4, label="combination across papers"),
        plt.Line2D([], [], color=FRONT, lw=1.6, label="Pareto front of the means"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncol=3, fontsize=9, frameon=False)
    seeds = points[0]["seeds"]
    figure.suptitle(f"{study_cross.TABLE.title} ({seeds} seed{'s' if seeds != 1 else ''}, 95 % intervals)", fontsize=11)
    figure.draw_without_rendering()  # lays the panels out
    for axis, key in zip(axes, COSTS, strict=True):
        _name_points(axis, key, [point for point in points if point[key] is not None])
    return figure


def _name_points(axis: Any, key: str, points: Sequence[dict[str, Any]]) -> None:
    """Write the names of the cheaper half at the left edge and of the others at the right, lines lead to the points.

    On a side, names are in the order of accuracy, moved up or down as far as they need.
    """
    height = 2.6 * NAME_POINTS * axis.figure.dpi / 72  # of a name of two lines, in pixels
    bounds = axis.bbox.y0 + height, axis.bbox.y1 - height
    by_cost = sorted(points, key=lambda point: point[key])
    halves = by_cost[: len(by_cost) // 2], by_cost[len(by_cost) // 2 :]
    for half, (at, align) in zip(halves, ((0.015, "left"), (0.985, "right")), strict=True):
        own = sorted(half, key=lambda point: point["top1"])
        wanted = [float(axis.transData.transform((point[key], point["top1"]))[1]) for point in own]
        for point, place in zip(own, spread(wanted, height, *bounds), strict=True):
            y = axis.transAxes.inverted().transform((0, place))[1]
            axis.annotate(
                _two_lines(point["label"]), xy=(point[key], point["top1"]), xytext=(at, y), textcoords="axes fraction",
                ha=align, va="center", fontsize=NAME_POINTS, zorder=4,
                arrowprops=dict(arrowstyle="-", color="#999999", lw=0.5, shrinkB=3),
            )  # fmt: skip


def _two_lines(label: str) -> str:
    return label.replace(" + ", "\n+ ").replace(" on ", "\non ").replace(" by ", "\nby ")


def spread(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Return places at least ``distance`` apart, in order, near the wanted ones and within the bounds if they fit.

    Args:
        wanted: in rising order.
        distance: between neighbours.
        low: first possible place.
        high: last possible place.
    """
    places: list[float] = []
    for place in wanted:
        places.append(max(place, low, places[-1] + distance if places else low))
    limit = high
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - distance
    return places


FIGURE = Figure(
    id="study/figure_pareto",
    title="Study across the papers: accuracy against cost, and the Pareto front",
    table=study_cross.TABLE,
    rows=ROWS,
    draw=draw,
)

if __name__ == "__main__":
    main(FIGURE)
