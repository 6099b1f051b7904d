"""Scale frames regardless of their aspect: to a square, or to a random nearly square rectangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from datamodules.transforms.crop import check_size, resize
from datamodules.transforms.draw import check_range


@dataclass(frozen=True, kw_only=True)
class Square:
    """Scale frames to a square, whatever their aspect, as the MFNet authors do in testing.

    Args:
        size: side in pixels.

    Raises:
        ValueError: a side below 1.
    """

    size: int

    def __post_init__(self) -> None:
        check_size(self.size)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(V, T, C, size, size)`` and the same label; nothing is drawn."""
        return resize(clips, self.size, self.size), label


@dataclass(frozen=True, kw_only=True)
class RandomStretch:
    """Scale frames to a random rectangle, whatever their own aspect (the MFNet authors' code).

    A factor f is drawn from ``factor`` and inverted with a chance of one half; width : height becomes f^2 : 1, and the
    shorter side a length drawn from ``short_side``. One draw for all clips of a video.

    Args:
        short_side: range of the shorter side in pixels, uniform.
        factor: range of f, uniform. The default gives aspects of 0.64 to 1.5625.

    Raises:
        ValueError: a range that is not ordered or not positive.
    """

    short_side: tuple[float, float] = (224.0, 288.0)
    factor: tuple[float, float] = (0.8, 1.25)

    def __post_init__(self) -> None:
        check_range("short_side", self.short_side, lowest=1.0)
        check_range("factor", self.factor, lowest=1e-6)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(V, T, C, H', W')``, neither side shorter than the drawn length, and the same label."""
        return resize(clips, *self.draw_size(rng)), label

    def draw_size(self, rng: np.random.Generator) -> tuple[int, int]:
        """Draw the rectangle: ``(height, width)`` in pixels, rounded up (the authors: cut, plus one)."""
        factor = float(rng.uniform(*self.factor))
        if rng.random() > 0.5:
            factor = 1 / factor
        scale = float(rng.uniform(*self.short_side)) / min(factor, 1 / factor)
        return int(np.ceil(scale / factor - 1e-9)), int(np.ceil(scale * factor - 1e-9))
