"""MS3D, convergence: held-out accuracy against epochs, N-pair loss with class centres against cross-entropy.

Paper:      Man, Zou, Li, The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks, Sec. III.B
            and V claim better convergence; no figure or number.
Run:        python experiments/ms3d_figure_convergence.py            (embedded benchmark; cells of the ablations)
Protocol:   the validation curves of the ablations' first row, of the loss as published and of cross-entropy; epochs to
            a quarter, half, three quarters and nine tenths of what cross-entropy ends with, mean over the seeds that
            reach it; the paired difference to cross-entropy with its 95 % interval over seeds (Student's t), where all
            of them do. The benchmark validates every second epoch: a difference below two is none.
Deviations: the figure is ours. During training a class's centre is the running mean of its codes. On the benchmark MS3D
            has a modified loss (LOSS_NOTE in ms3d_profiles); the published one is drawn too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

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
# Of the drawn numbers. On a line of a level "epoch" is the mean over the seeds that reach it.
KEYS = ("row", "shown", "epoch", "top-1", "share of cross-entropy's end", "seeds that reach it",
        "epochs later than cross-entropy", "low", "high")  # fmt: skip


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


def epochs_to(curves: np.ndarray, level: float) -> list[float]:
    """Return for each seed the first epoch at which its accuracy reaches a level; infinite where it never does."""
    return [next((epoch for epoch, value in curve if value >= level), float("inf")) for curve in curves.tolist()]


def paired_difference(epochs: Sequence[float], others: Sequence[float]) -> tuple[str, str, str]:
    """Return the mean difference of two rows' epochs, seed by seed, and its 95 % interval; blank if a seed has none."""
    differences = np.asarray(epochs) - np.asarray(others)
    if len(differences) < 2 or not np.isfinite(differences).all():
        return "", "", ""
    mean, deviation = differences.mean(), differences.std(ddof=1) / len(differences) ** 0.5
    half = student_t_upper(0.025, len(differences) - 1) * deviation
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
        for share in LEVELS:
            reached = epochs_to(curves, share * end)
            some = [epochs for epochs in reached if np.isfinite(epochs)]
            difference, low, high = paired_difference(reached, epochs_to(by_row[CROSS_ENTROPY], share * end))
            numbers.append({
                **dict.fromkeys(KEYS, ""), "row": row, "shown": "level", "top-1": f"{share * end:.1f}",
                "share of cross-entropy's end": share, "epoch": f"{np.mean(some):.1f}" if some else "",
                "seeds that reach it": f"{len(some)} of {len(reached)}", "epochs later than cross-entropy": difference,
                "low": low, "high": high,
            })  # fmt: skip
    for share in LEVELS:
        axis.axhline(share * end, color="#bbbbbb", lw=0.6, ls="--")
    axis.set_xlabel("epoch")
    axis.set_ylabel("held-out top-1, one view (%)")
    axis.legend(frameon=False)
    figure.tight_layout()
    return Drawing(figure, numbers + points)


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
        rows=tuple(dataclasses.replace(TABLE.row(label), published=(None,)) for label in ROWS),
        claims=(),
    ),
    rows=ROWS,
    draw=draw,
)

if __name__ == "__main__":
    main(FIGURE)
