"""Count the videos that MS3D's data reads whole, because its boxes file has no box for them."""

from __future__ import annotations

from typing import Any

from datamodules.boxes import TailoredReader
from datamodules.known_classes import PickedReader


def without_box(data: Any, subset: str) -> dict[str, int]:
    """Count the videos that are read whole for want of an actor's box, where frames are tailored to one (MS3D)."""
    videos, reader = data.subset(subset)
    positions = list(range(len(videos)))
    while isinstance(reader, PickedReader):
        positions, reader = [reader.positions[position] for position in positions], reader.reader
    boxes = reader.boxes if isinstance(reader, TailoredReader) else ()
    without = sum(boxes[position] is None for position in positions) if boxes else 0
    return {f"boxless_{subset}_videos": without} if without else {}
