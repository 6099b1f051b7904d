"""Tailoring (MS3D, Eq. (7) and (8)): crop around the actor, brighten the actor, let the surroundings fade in rings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the frame's width and height


@dataclass(frozen=True, kw_only=True)
class Tailor:
    """Say how frames are tailored to a box. The paper gives the rings' width alone.

    Args:
        enhancement: eta, factor on the pixels in the box.
        decay: xi, factor on those outside, once per ring.
        ring_width: pixels of a ring.
        rings: so many rings around the box are kept, as far as the frame reaches.

    Raises:
        ValueError: a factor or number that is not positive.
    """

    enhancement: float = 1.2
    decay: float = 0.9
    ring_width: int = 5
    rings: int = 10

    def __post_init__(self) -> None:
        if min(self.enhancement, self.decay) <= 0 or self.ring_width < 1 or self.rings < 0:
            raise ValueError(f"{self}; accepted: positive factors, ring_width of 1 or more, rings of 0 or more")

    def __call__(self, frames: np.ndarray, box: Box | None) -> np.ndarray:
        """Return tailored frames, square, the smaller sides filled up with black.

        Args:
            frames: ``(..., H, W, 3)`` uint8.
            box: the actor's, one for all frames so that their scale stays the same; None: whole frames, unchanged but
                for the filling.

        Returns:
            ``(..., S, S, 3)`` uint8.
        """
        if box is not None:
            frames = self._cut(frames, box)
        return squared(frames)

    def _cut(self, frames: np.ndarray, box: Box) -> np.ndarray:
        height, width = frames.shape[-3:-1]
        top, bottom = _pixels(box[1], box[3], height)
        left, right = _pixels(box[0], box[2], width)
        margin = self.rings * self.ring_width
        rows = slice(max(0, top - margin), min(height, bottom + margin))
        columns = slice(max(0, left - margin), min(width, right + margin))
        factors = self.factors((top, bottom), (left, right), height, width)[rows, columns, None]
        scaled = frames[..., rows, columns, :] * factors
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    def factors(self, rows: tuple[int, int], columns: tuple[int, int], height: int, width: int) -> np.ndarray:
        """Return the factor of each pixel ``(height, width)``.

        Args:
            rows: first row of the box and one past its last.
            columns: likewise.
            height: of the frame.
            width: of the frame.
        """
        down, right = _outside(height, *rows), _outside(width, *columns)
        distance = np.maximum(down[:, None], right[None, :])  # pixels to the box, the larger of both directions
        ring = -(-distance // self.ring_width)
        return np.where(distance == 0, self.enhancement, self.decay**ring).astype(np.float32)


def squared(frames: np.ndarray) -> np.ndarray:
    """Return frames ``(..., H, W, 3)`` with black rows or columns on both sides, as many as make them square."""
    height, width = frames.shape[-3:-1]
    side = max(height, width)
    if height == width:
        return frames
    before = ((side - height) // 2, (side - width) // 2)
    pads = [(0, 0)] * (frames.ndim - 3)
    pads += [(before[0], side - height - before[0]), (before[1], side - width - before[1]), (0, 0)]
    return np.pad(frames, pads)


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    first = min(size - 1, max(0, int(np.floor(low * size))))
    return first, max(first + 1, min(size, int(np.ceil(high * size))))


def _outside(size: int, first: int, end: int) -> np.ndarray:
    """Return how many pixels each position lies outside of ``first`` to ``end``; 0 inside."""
    places = np.arange(size)
    return np.maximum(0, np.maximum(first - places, places - end + 1))
