"""A subset without some classes, which are then unknown to what is trained on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from datamodules.subset import OpenSubset
from datamodules.video_sampling import FrameReader


class PickedReader:
    """Read some of another reader's videos.

    Args:
        reader: of all.
        positions: there, of those that remain.
    """

    def __init__(self, reader: FrameReader, positions: Sequence[int]) -> None:
        self.reader, self.positions = reader, tuple(positions)

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """See :class:`~datamodules.video_sampling.FrameReader`."""
        return self.reader.read(self.positions[index], choose)


def unknown_labels(num_classes: int, unknown: int) -> tuple[int, ...]:
    """Return the labels that are left out, spread evenly over the label order.

    Neighbours in it often look alike; left out in a row, an unknown action would be told by things that no known one
    shows, such as a colour, and not by being another action.
    """
    return tuple((turn + 1) * num_classes // unknown - 1 for turn in range(unknown))


def of_known_classes(opened: OpenSubset, num_classes: int, unknown: int) -> OpenSubset:
    """Return a subset without the videos of some classes, those of :func:`unknown_labels`.

    Args:
        opened: all of it.
        num_classes: K.
        unknown: number of classes left out.

    Raises:
        ValueError: no video remains.
    """
    left_out = set(unknown_labels(num_classes, unknown))
    kept = [position for position, video in enumerate(opened.videos) if video.label not in left_out]
    if not kept:
        raise ValueError(f"unknown_classes={unknown} of {num_classes} leave none to train")
    return dataclasses.replace(
        opened,
        videos=tuple(opened.videos[position] for position in kept),
        reader=PickedReader(opened.reader, kept),
        source_index=opened.source_index[kept],
    )
