"""Lighting, contrast and brightness: one affine change of each colour channel, the same for all frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.transforms.draw import draw_once_or_per_clip

# Principal components of ImageNet's RGB values in 0..1 (Krizhevsky et al., 2012; the values that fb.resnet.torch gave).
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])
EIGENVECTORS = np.array([
    [-0.5675, 0.7192, 0.4009],
    [-0.5808, -0.0045, -0.8140],
    [-0.5836, -0.6948, 0.4203],
])  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Lighting:
    """Add a random multiple of ImageNet's principal colours, and change contrast and brightness.

    "Lighting" and "contrasting" of the VIPriors report (Sec. III.A), which gives no strengths: the usual ones.

    Args:
        noise: standard deviation of the multiples of the three principal colours.
        contrast: the factor about the clips' mean value is uniform in 1 - contrast .. 1 + contrast.
        brightness: so is the factor of all values.
        per_clip: draw for each clip of a video.

    Raises:
        ValueError: a negative strength, or a factor that could become negative.
    """

    noise: float = 0.1
    contrast: float = 0.2
    brightness: float = 0.2
    per_clip: bool = False

    def __post_init__(self) -> None:
        if self.noise < 0:
            raise ValueError(f"noise={self.noise}; accepted: 0 or more")
        for name in ("contrast", "brightness"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}; accepted: 0 to 1")

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips of the same shape and the same label."""
        return draw_once_or_per_clip(self._change, clips, rng, per_clip=self.per_clip), label

    def _change(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        colours = 255 * EIGENVECTORS @ (rng.normal(0, self.noise, 3) * EIGENVALUES)  # (3,), added to R, G and B
        bright = rng.uniform(1 - self.brightness, 1 + self.brightness)
        sharp = rng.uniform(1 - self.contrast, 1 + self.contrast)
        mean = float(clips.float().mean())
        values = bright * (sharp * (np.arange(256)[None] - mean) + mean) + colours[:, None]  # (3, 256)
        table = torch.from_numpy(np.clip(np.rint(values), 0, 255).astype(np.uint8))
        return torch.stack([table[c][clips[:, :, c].long()] for c in range(3)], dim=2)
