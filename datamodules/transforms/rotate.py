"""Random rotation about the centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from datamodules.transforms.draw import check_probability, draw_once_or_per_clip


@dataclass(frozen=True, kw_only=True)
class RandomRotate:
    """Rotate all frames of a clip by one angle, bilinear, black outside, at the same size.

    Args:
        p: probability.
        degrees: the angle is uniform in -degrees..degrees.
        per_clip: draw whether and how much for each clip (LIGAR does).

    Raises:
        ValueError: ``p`` outside 0..1 or ``degrees`` outside 0..180.
    """

    p: float = 0.5
    degrees: float = 10.0
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_probability("p", self.p)
        if not 0 <= self.degrees <= 180:
            raise ValueError(f"degrees={self.degrees}; accepted: 0 to 180")

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return rotated clips of the same shape and the same label."""
        return draw_once_or_per_clip(self._rotate, clips, rng, per_clip=self.per_clip), label

    def _rotate(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        from torchvision.transforms.v2 import functional

        if rng.random() >= self.p:
            return clips
        angle = float(rng.uniform(-self.degrees, self.degrees))
        return functional.rotate(clips, angle, interpolation=functional.InterpolationMode.BILINEAR)
