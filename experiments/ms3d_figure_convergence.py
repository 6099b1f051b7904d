"""MS3D, convergence: held-out accuracy against epochs, N-pair loss with class centres against cross-entropy.

Paper:      Man, Zou, Li, The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks, Sec. III.B
            and V claim better convergence; no figure or number.
Run:        python experiments/ms3d_figure_convergence.py            (embedded benchmark; cells of the ablations)
Protocol:   the validation curves of the ablations' first row, of the loss as published and of cross-entropy. Epochs, by
            straight lines between the validated ones, to a quarter, half, three quarters and nine tenths of what
            cross-entropy ends with, and of what the row itself ends with, as convergence is not accuracy; the paired
            difference to cross-entropy with its 95 % interval over seeds (Student's t). A seed that never reaches a
            level counts with its last epoch, and what follows is a bound: ">=". The benchmark validates every second
            epoch.
Deviations: the figure is ours. During training a class's centre is the running mean of its codes. On the benchmark MS3D
            has a modified loss (LOSS_NOTE in ms3d_profiles); the published one is drawn too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.harness.student_t import student_t_upper
from experiments.ms3d_ablations import CLEAN, CROSS_ENTROPY, ONE_BATCH, TABLE
from experiments.ms3d_profiles import MS3D

LEVELS = (0.25, 0.5, 0.75, 0.9)
ROWS = (MS3D, ONE_BATCH, CROSS_ENTROPY)
COLOURS = {MS3D: "#1f5f8b", ONE_BATCH: "#7a9e4a", CROSS_ENTROPY: "#c9762b"}
KEY = "val/top1"
CROSS_ENTROPYS, OWN = "what cross-entropy ends with", "what it ends with itself"
# Of the drawn numbers. On a line of a level "epoch" is the mean over the seeds.
KEYS = ("row", "shown", "epoch", "top-1", "share", "of", "seeds that reach it", "epochs later than cross-entropy",
        "low", "high")  # fmt: skip


def curves_of(cells: Sequence[Cell], row: str) -> np.ndarray:
    """Return epochs from 1 and accuracy in percent ``(seeds, points, 2)`` of a row.

    Raises:
        ValueError: a seed without a curve.
    """
    curves = [cell.training["curves"].get(KEY, []) for cell in cells if cell.row == row]
    if not curves or min(map(len, curves)) == 0:
        raise ValueError(f"{row}: no {KEY} in its training's curves")
    points = np.array(curves, dtype=float)
    points[..., 0] += 1
    return points


def epochs_to(curves: np.ndarray, levels: Sequence[float]) -> list[float]:
    """Return when each seed's accuracy first reaches its level, in epochs; infinite where it never does.

    Between two validated epochs accuracy is taken to rise in a straight line; nothing is known before the first.

    Args:
        curves: ``(seeds, points, 2)``, epochs and accuracy.
        levels: one per seed.
    """
    return [_crossing(curve, level) for curve, level in zip(curves.tolist(), levels, strict=True)]


def _crossing(curve: Sequence[tuple[float, float]], level: float) -> float:
    for number, (epoch, value) in enumerate(curve):
        if value >= level and number == 0:
            return epoch
        if value >= level:
            before, less = curve[number - 1]
            return before + (epoch - before) * (level - less) / (value - less)
    return float("inf")


def mean_epoch(epochs: Sequence[float], last: float) -> str:
    """Return the mean over seeds, those that never get there counted with the last epoch and marked ">="."""
    reached = np.isfinite(epochs)
    bound = "" if reached.all() else ">= "
    return f"{bound}{np.where(reached, epochs, last).mean():.1f}"


def paired_difference(epochs: Sequence[float], others: Sequence[float], last: float) -> tuple[str, str, str]:
    """Return how much later a row is than another, seed by seed, and the 95 % interval of the mean.

    Seeds of the row that never get there count with the last epoch: the mean is then a lower bound, without interval.
    Blank where one of the other row's does not get there, or where there is one seed.
    """
    if len(epochs) < 2 or not np.isfinite(others).all():
        return "", "", ""
    reached = np.isfinite(epochs)
    differences = np.where(reached, epochs, last) - np.asarray(others)
    if not reached.all():
        return f">= {differences.mean():+.1f}", "", ""
    deviation = differences.std(ddof=1) / len(differences) ** 0.5
    half = student_t_upper(0.025, len(differences) - 1) * deviation
    mean = differences.mean()
    return f"{mean:+.1f}", f"{mean - half:+.1f}", f"{mean + half:+.1f}"


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw the mean curve of each row, each seed faint; give the epochs to each level, and the curves."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 4))
    by_row = {row: curves_of(cells, row) for row in ROWS}
    end = float(by_row[CROSS_ENTROPY][:, -1, 1].mean())
    numbers, points = [], []
    for row, curves in by_row.items():
        for seed, curve in zip((cell.seed for cell in cells if cell.row == row), curves, strict=True):
            points += _points(row, f"seed {seed}", curve)
            axis.plot(curve[:, 0], curve[:, 1], color=COLOURS[row], lw=0.6, alpha=0.4)
        mean = curves.mean(0)
        points += _points(row, "mean over seeds", mean)
        axis.plot(mean[:, 0], mean[:, 1], color=COLOURS[row], lw=2, label=row)
        numbers += [_level(row, share, of, by_row, end) for of in (CROSS_ENTROPYS, OWN) for share in LEVELS]
    for share in LEVELS:
        axis.axhline(share * end, color="#bbbbbb", lw=0.6, ls="--")
    axis.set_xlabel("epoch")
    axis.set_ylabel("held-out top-1, one view (%)")
    axis.legend(frameon=False)
    figure.tight_layout()
    return Drawing(figure, numbers + points)


def _level(row: str, share: float, of: str, by_row: Mapping[str, np.ndarray], end: float) -> dict[str, object]:
    """Return when a row reaches a level, as drawn numbers; ``end`` is cross-entropy's mean accuracy at last."""

    def reached(one: str) -> list[float]:
        curves = by_row[one]
        ends = curves[:, -1, 1] if of == OWN else np.full(len(curves), end)
        return epochs_to(curves, (share * ends).tolist())

    epochs, last = reached(row), float(by_row[row][0, -1, 0])
    difference, low, high = ("", "", "")
    if row != CROSS_ENTROPY:
        difference, low, high = paired_difference(epochs, reached(CROSS_ENTROPY), last)
    level = share * (end if of == CROSS_ENTROPYS else by_row[row][:, -1, 1].mean())
    return {
        "row": row, "shown": "level", "epoch": mean_epoch(epochs, last), "top-1": f"{level:.1f}", "share": share,
        "of": of, "seeds that reach it": f"{np.isfinite(epochs).sum()} of {len(epochs)}",
        "epochs later than cross-entropy": difference, "low": low, "high": high,
    }  # fmt: skip


def _points(row: str, shown: str, curve: np.ndarray) -> list[dict[str, object]]:
    """Return a curve ``(points, 2)`` of epochs and percent as drawn numbers."""
    return [
        {
            **dict.fromkeys(KEYS, ""),
            "row": row,
            "shown": f"curve, {shown}",
            "epoch": f"{epoch:g}",
            "top-1": f"{top1:.1f}",
        }
        for epoch, top1 in curve.tolist()
    ]


FIGURE = Figure(
    id="ms3d/figure_convergence",
    title="MS3D: epochs to a level, N-pair loss against cross-entropy",
    table=dataclasses.replace(
        TABLE,
        id="ms3d/figure_convergence_cells",
        columns=tuple(column for column in TABLE.columns if column.group == CLEAN),
        rows=tuple(dataclasses.replace(TABLE.row(label), published=(None,), on=None, data_on={}) for label in ROWS),
        claims=(),
    ),
    rows=ROWS,
    draw=draw,
    compares=True,
)

if __name__ == "__main__":
    main(FIGURE)
