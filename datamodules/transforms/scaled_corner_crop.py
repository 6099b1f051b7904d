"""A square of random side, at a random place, in a corner or in the centre, scaled to one size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from datamodules.transforms.crop import check_size, crop, resize
from datamodules.transforms.draw import check_probability, check_range, draw_once_or_per_clip

PLACES = ((0, 0), (0, 2), (2, 0), (2, 2), (1, 1))  # (down, right) in halves of the free space: corners, centre


@dataclass(frozen=True, kw_only=True)
class ScaledCornerCrop:
    """Cut a square whose side is a random multiple of ``size``, at most the frame's short side, and scale it.

    Multi-scale and corner cropping of the VIPriors report (Sec. III.A): "scale the data to 0.8x-1.25x of 112, then
    randomly crop each frame to 112 x 112". Frames scaled to less than the crop could not be cropped; so the crop's side
    is drawn instead. How often corners are taken is not said: a half of the time, or the centre, all five alike.

    Args:
        size: side in pixels of the result.
        scale: range of the square's side over ``size``, uniform.
        corners: probability of one of the five fixed places; else anywhere.
        per_clip: draw for each clip of a video.

    Raises:
        ValueError: a range that is not ordered or not positive, or no probability.
    """

    size: int
    scale: tuple[float, float] = (0.8, 1.25)
    corners: float = 0.5
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_size(self.size)
        check_range("scale", self.scale, lowest=1e-6)
        check_probability("corners", self.corners)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(V, T, C, size, size)`` and the same label."""
        return draw_once_or_per_clip(self._crop, clips, rng, per_clip=self.per_clip), label

    def _crop(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        height, width = clips.shape[-2:]
        side = min(max(1, round(float(rng.uniform(*self.scale)) * self.size)), height, width)
        if rng.random() < self.corners:
            down, right = PLACES[int(rng.integers(len(PLACES)))]
            top, left = down * (height - side) // 2, right * (width - side) // 2
        else:
            top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        return resize(crop(clips, top, left, side, side), self.size, self.size)
