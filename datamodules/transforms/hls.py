"""Jitter of hue, lightness and saturation, the same for all frames of a clip (the MFNet authors' augmentation)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.transforms.draw import draw_once_or_per_clip

HUE_RANGE, BYTE_RANGE = 180.0, 255.0  # hue counts in steps of two degrees, as images of bytes store it


@dataclass(frozen=True, kw_only=True)
class HlsJitter:
    """Add a random number to hue, lightness and saturation, each cut to its range.

    As in the MFNet authors' code: whole numbers, hue does not go round at red. There the conversions round to bytes
    in between; here the result alone is rounded.

    Args:
        hue: largest change in steps of two degrees, of 180.
        lightness: largest change, of 255.
        saturation: largest change, of 255.
        per_clip: draw for each clip; otherwise once per video.

    Raises:
        ValueError: a change that is negative or beyond its range.
    """

    hue: int = 15
    lightness: int = 35
    saturation: int = 25
    per_clip: bool = False

    def __post_init__(self) -> None:
        limits = (("hue", 180), ("lightness", 255), ("saturation", 255))
        for name, largest in limits:
            value = getattr(self, name)
            if not 0 <= value <= largest:
                raise ValueError(f"{name}={value}; accepted: 0 to {largest}")

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips of the same shape and the same label."""
        return draw_once_or_per_clip(self._jitter, clips, rng, per_clip=self.per_clip), label

    def _jitter(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        changes = [round(float(rng.uniform(-most, most))) for most in (self.hue, self.lightness, self.saturation)]
        if not any(changes):
            return clips
        parts = zip(rgb_to_hls(clips.float()), changes, (HUE_RANGE, BYTE_RANGE, BYTE_RANGE), strict=True)
        hue, lightness, saturation = ((part + change).clamp(0, limit) for part, change, limit in parts)
        return hls_to_rgb(hue, lightness, saturation).round().clamp(0, 255).to(torch.uint8)


def rgb_to_hls(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue in 0..180 (0 where there is none), lightness and saturation in 0..255.

    Args:
        pixels: ``(..., 3, H, W)`` RGB, floats in 0..255.

    Returns:
        Three tensors ``(..., H, W)``.
    """
    red, green, blue = pixels.unbind(-3)
    high, low = pixels.amax(-3), pixels.amin(-3)
    spread = high - low
    divisor = spread.clamp(min=1e-6)
    # Sixths of the circle from the largest channel: red at 0, green at 2, blue at 4.
    turn = torch.where(
        high == red,
        (green - blue) / divisor,
        torch.where(high == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    lightness = (high + low) / 2
    room = BYTE_RANGE - (high + low - BYTE_RANGE).abs()
    return turn.remainder(6) * 30, lightness, BYTE_RANGE * spread / room.clamp(min=1e-6)


def hls_to_rgb(hue: Tensor, lightness: Tensor, saturation: Tensor) -> Tensor:
    """Return RGB ``(..., 3, H, W)`` in 0..255; the inverse of :func:`rgb_to_hls`."""
    reach = saturation / BYTE_RANGE * torch.minimum(lightness, BYTE_RANGE - lightness)
    channels = []
    for start in (0, 8, 4):  # twelfths of the circle from which red, green and blue count
        place = (start + hue / 15).remainder(12)
        channels.append(lightness - reach * torch.minimum(place - 3, 9 - place).clamp(-1, 1))
    return torch.stack(channels, dim=-3)
