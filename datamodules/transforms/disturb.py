"""What may go wrong with a picture at test time: a part is covered, or the sensor is noisy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Occlusion:
    """Cover a square at a random place, the same in all frames of a video, with mid grey.

    Args:
        side: of the square over that of the frame.
    """

    side: float = 0.4

    def __post_init__(self) -> None:
        if not 0 < self.side <= 1:
            raise ValueError(f"side={self.side}; accepted: above 0, at most 1")

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return the covered clips ``(V, T, C, H, W)`` and the same label."""
        height, width = clips.shape[-2:]
        rows, columns = round(self.side * height), round(self.side * width)
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        covered = clips.clone()
        covered[..., top : top + rows, left : left + columns] = 128
        return covered, label


@dataclass(frozen=True, kw_only=True)
class SensorNoise:
    """Add independent normal noise to every value.

    Args:
        deviation: standard deviation, 0..255.
    """

    deviation: float = 40.0

    def __post_init__(self) -> None:
        if self.deviation <= 0:
            raise ValueError(f"deviation={self.deviation}; accepted: above 0")

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return the noisy clips and the same label."""
        noise = torch.from_numpy(rng.standard_normal(tuple(clips.shape), dtype=np.float32))
        return (clips + self.deviation * noise).round().clamp(0, 255).to(torch.uint8), label
