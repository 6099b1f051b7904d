"""What KPSEM's figures share: the cells they need, test videos by class, their frames, and scores of all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.batch import ClipBatch
from datamodules.video_sampling import collate
from experiments.harness.figures import Cell
from experiments.harness.spec import Table

NETWORK_COLOURS = ("#8c8c8c", "#1f5f8b")  # the plain backbone, with KPSEM
REGION_COLOURS = ("#ff3030", "#ffffff", "#30d5ff", "#ffd92f")


@dataclass(frozen=True)
class VideoScores:
    """What a network says of every test video, in the data set's order.

    Args:
        ids: N names.
        labels: ``(N,)``.
        scores: ``(N, K)`` probabilities, averaged over views.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """One test video's central clip.

    Args:
        id: of the video.
        label: its class.
        batch: of this video alone, normalised, one view.
        frames: ``(T, H, W, 3)`` uint8, what the network sees.
    """

    id: str
    label: int
    batch: ClipBatch
    frames: NDArray[np.uint8]


def part_of(table: Table, *, name: str, rows: Sequence[str], groups: Sequence[str]) -> Table:
    """Return a table of the cells that a figure needs: some rows on some data sets, the same cells as the table's.

    Of a data set with several splits it is the first.
    """
    kept = [i for i, column in enumerate(table.columns) if column.group in groups and column.is_accuracy]
    return dataclasses.replace(
        table,
        id=f"{table.paper}/{name}",
        title=f"{table.title} (what {name.split('_')[0]} needs)",
        columns=tuple(dataclasses.replace(table.columns[i], data=table.columns[i].parts[0]) for i in kept),
        rows=tuple(
            dataclasses.replace(row, default=True, published=tuple(row.published[i] for i in kept))
            for row in table.rows
            if row.label in rows
        ),
        baseline=None,
        claims=(),
        notes=(),
    )


def groups_of(cells: Sequence[Cell], wanted: Sequence[str]) -> list[str]:
    """Return those of a figure's data sets that there are cells of; if none, the user's own in their place."""
    found = list(dict.fromkeys(cell.column.split("/")[0] for cell in cells))
    return [group for group in wanted if group in found] or found


def rows_of(cells: Sequence[Cell], wanted: Sequence[str]) -> list[str]:
    """Return those of a figure's rows that there are cells of, in the figure's order."""
    return [row for row in wanted if any(cell.row == row for cell in cells)]


def cell_of(cells: Sequence[Cell], row: str, group: str) -> Cell:
    """Return the cell of a row on a data set with the smallest seed.

    Raises:
        ValueError: there is none.
    """
    found = [cell for cell in cells if cell.row == row and cell.column.split("/")[0] == group]
    if not found:
        raise ValueError(f"no cell of row {row!r} on {group!r} among {sorted({(c.row, c.column) for c in cells})}")
    return min(found, key=lambda cell: cell.seed)


def video_scores(cell: Cell) -> VideoScores:
    """Return the probabilities of every test video, as the cell's test stored them."""
    return VideoScores(
        ids=tuple(str(name) for name in cell.scores["ids"]),
        labels=np.asarray(cell.scores["labels"], dtype=np.int64),
        scores=np.asarray(cell.scores["scores"], dtype=np.float64),
    )


def scores_of(cells: Sequence[Cell], row: str, column: str) -> dict[int, VideoScores]:
    """Return the scores of every seed of a row on a column, by seed."""
    return {cell.seed: video_scores(cell) for cell in cells if cell.row == row and cell.column == column}


def clip_of(data: Any, position: int) -> Clip:
    """Return the central clip of the test video at a position."""
    sample = data.val_dataloader().dataset[position]
    video = data.subset("test")[0][position]
    return Clip(
        id=video.id,
        label=video.label,
        batch=data.on_after_batch_transfer(collate([sample]), 0),
        frames=sample.clips[0].permute(0, 2, 3, 1).numpy(),
    )


def first_videos(data: Any, wanted: Sequence[str], count: int) -> list[int]:
    """Return the first test video of each wanted class that the data set has, then of others, evenly spread.

    The paper does not say how its examples were chosen; its classes are taken by name where they exist.
    """
    names, labels = data.class_names, [video.label for video in data.subset("test")[0]]
    shown = sorted({*labels})
    classes = [names.index(name) for name in wanted if name in names and names.index(name) in shown]
    others = [label for label in shown if label not in classes]
    missing = min(count - len(classes), len(others))
    classes += [others[i * len(others) // missing] for i in range(missing)]
    return [labels.index(label) for label in classes]


def evenly(number: int, count: int) -> list[int]:
    """Return up to ``count`` evenly spaced indices below ``number``, the first and the last among them."""
    return sorted({int(index) for index in np.linspace(0, number - 1, min(count, number)).round()})
