"""Photometric jitter: brightness, contrast, saturation, hue, the same for all frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.transforms.draw import check_probability, check_range, draw_once_or_per_clip


@dataclass(frozen=True, kw_only=True)
class Photometric:
    """Change brightness, contrast, saturation and hue, each with probability ``p`` and in this order.

    As in LIGAR's released code (the paper names the step only): brightness shifts all frames so that the mean
    of one random frame lands uniformly in ``brightness`` (widened to hold that mean); contrast multiplies,
    and comes with equal chance before or after the colour step; saturation and hue are those of HSV. Computed
    in floats, rounded at the end.

    Args:
        brightness: range of the target mean, 0..255.
        contrast: range of the factor.
        saturation: range of the factor.
        hue_degrees: the hue turns by a uniform angle in -hue_degrees..hue_degrees.
        p: probability of each of the four parts.
        per_clip: draw for each clip (LIGAR does).

    Raises:
        ValueError: a range that is not ordered or out of bounds.
    """

    brightness: tuple[float, float] = (65.0, 190.0)
    contrast: tuple[float, float] = (0.6, 1.4)
    saturation: tuple[float, float] = (0.7, 1.3)
    hue_degrees: float = 18.0
    p: float = 0.5
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_range("brightness", self.brightness, lowest=0.0, highest=255.0)
        check_range("contrast", self.contrast, lowest=0.0)
        check_range("saturation", self.saturation, lowest=0.0)
        check_probability("p", self.p)
        if not 0 <= self.hue_degrees <= 180:
            raise ValueError(f"hue_degrees={self.hue_degrees}; accepted: 0 to 180")

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips of the same shape and the same label."""
        return draw_once_or_per_clip(self._jitter, clips, rng, per_clip=self.per_clip), label

    def _jitter(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        brightness, contrast, saturation, hue = rng.random(4) < self.p
        contrast_first = rng.random() < 0.5
        if not (brightness or contrast or saturation or hue):
            return clips
        pixels = clips.float()
        if brightness:
            frame = rng.integers(pixels.shape[0] * pixels.shape[1])
            mean = float(pixels.flatten(0, 1)[frame].mean())
            target = rng.uniform(min(self.brightness[0], mean), max(self.brightness[1], mean))
            pixels = pixels + (target - mean)
        factor = float(rng.uniform(*self.contrast)) if contrast else 1.0
        if contrast_first:
            pixels = pixels * factor
        if saturation:
            pixels = scale_saturation(pixels.clamp(0, 255), float(rng.uniform(*self.saturation)))
        if hue:
            pixels = turn_hue(pixels.clamp(0, 255), float(rng.uniform(-self.hue_degrees, self.hue_degrees)))
        if not contrast_first:
            pixels = pixels * factor
        return pixels.round().clamp(0, 255).to(torch.uint8)


def scale_saturation(pixels: Tensor, factor: float) -> Tensor:
    """Multiply the HSV saturation, at most to 1; hue and value stay.

    At constant hue and value the distance of each channel to the largest one is proportional to the
    saturation.

    Args:
        pixels: ``(..., 3, H, W)`` RGB, floats in 0..255.
        factor: 0 makes the pixels grey.
    """
    value = pixels.amax(dim=-3, keepdim=True)  # (..., 1, H, W)
    saturation = (value - pixels.amin(dim=-3, keepdim=True)) / value.clamp(min=1e-6)
    allowed = (1 / saturation.clamp(min=1e-6)).clamp(max=factor)
    return value - (value - pixels) * allowed


def turn_hue(pixels: Tensor, degrees: float) -> Tensor:
    """Turn the HSV hue; saturation and value stay.

    Args:
        pixels: ``(..., 3, H, W)`` RGB, floats in 0..255.
        degrees: angle in -180..180.
    """
    from torchvision.transforms.v2 import functional

    return functional.adjust_hue(pixels / 255, degrees / 360) * 255
