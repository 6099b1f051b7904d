"""A crop of one of several sizes at one of 13 fixed places: corners, edges, centre, quarter points (TSN)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from torch import Tensor

from datamodules.transforms.crop import check_size, crop, resize
from datamodules.transforms.draw import draw_once_or_per_clip

# In quarters of the free space to the right and below: corners, centre, edge midpoints, quarter points.
PLACES = (
    (0, 0), (4, 0), (0, 4), (4, 4), (2, 2), (0, 2), (4, 2), (2, 0), (2, 4), (1, 1), (3, 1), (1, 3), (3, 3),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MultiScaleCrop:
    """Cut a box at one of 13 places, its sides drawn from a few shares of the short side, and scale it to a square.

    Corner cropping and scale jittering of TSN (Wang et al., ECCV 2016, Sec. 3.3), with the authors' numbers. Width and
    height may come from neighbouring scales: 10 pairs of the four. Frames are never mirrored.

    Args:
        size: side in pixels of the result.
        scales: sides of the box as shares of the frame's short side, in descending order.
        max_distortion: largest distance in ``scales`` between width's and height's.
        snap: a side that differs from ``size`` by at most so many pixels becomes ``size``, which saves scaling it.
        per_clip: draw box and place for each clip of a video.

    Raises:
        ValueError: no scales, one outside ]0, 1], or a negative ``max_distortion`` or ``snap``.
    """

    size: int
    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    max_distortion: int = 1
    snap: int = 2
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_size(self.size)
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"scales={self.scales}; accepted: one or more numbers in ]0, 1]")
        if self.max_distortion < 0 or self.snap < 0:
            raise ValueError(f"max_distortion={self.max_distortion}, snap={self.snap}; accepted: 0 or more")

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(V, T, C, size, size)`` and the same label."""
        return draw_once_or_per_clip(self._crop, clips, rng, per_clip=self.per_clip), label

    def _crop(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        height, width = clips.shape[-2:]
        boxes = self.boxes(height, width)
        box_height, box_width = boxes[int(rng.integers(len(boxes)))]
        right, down = PLACES[int(rng.integers(len(PLACES)))]
        top, left = down * ((height - box_height) // 4), right * ((width - box_width) // 4)
        return resize(crop(clips, top, left, box_height, box_width), self.size, self.size)

    def boxes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Return the boxes to choose from, all equally likely, for frames of a given size.

        Returns:
            ``(height, width)`` in pixels, each inside the frame.
        """
        short = min(height, width)
        sides = [max(1, int(short * scale)) for scale in self.scales]
        sides = [self.size if abs(side - self.size) <= self.snap and self.size <= short else side for side in sides]
        numbered = list(enumerate(sides))
        return [(h, w) for (i, h), (j, w) in product(numbered, numbered) if abs(i - j) <= self.max_distortion]
