"""Spatial scale and crops: short side, centre, three in a row, random place, random scale, random area and aspect."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.transforms.draw import check_range, draw_once_or_per_clip


@dataclass(frozen=True, kw_only=True)
class ShortSide:
    """Scale so that the shorter side of the frames has a given length; the aspect stays.

    Bilinear with antialiasing (which matters when a large video becomes small).

    Args:
        size: short side in pixels.
    """

    size: int

    def __post_init__(self) -> None:
        check_size(self.size)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return the scaled clips and the same label; nothing is drawn."""
        height, width = clips.shape[-2:]
        scale = self.size / min(height, width)
        return resize(clips, round(height * scale), round(width * scale)), label


@dataclass(frozen=True, kw_only=True)
class CenterCrop:
    """Cut the central square.

    Args:
        size: side in pixels.
    """

    size: int

    def __post_init__(self) -> None:
        check_size(self.size)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(V, T, C, size, size)`` and the same label; nothing is drawn.

        Raises:
            ValueError: frames smaller than the crop.
        """
        height, width = checked_frame_size(clips, self.size)
        return crop(clips, (height - self.size) // 2, (width - self.size) // 2, self.size, self.size), label


@dataclass(frozen=True, kw_only=True)
class ThreeCrops:
    """Cut the squares at the left, in the centre and at the right; of upright frames at the top, centre, bottom.

    Args:
        size: side in pixels.
    """

    size: int

    def __post_init__(self) -> None:
        check_size(self.size)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(3 V, T, C, size, size)``, the crops of a view after each other, and the same label.

        Raises:
            ValueError: frames smaller than the crop.
        """
        height, width = checked_frame_size(clips, self.size)
        top, left = (height - self.size) // 2, (width - self.size) // 2
        if height > width:
            places = [(0, left), (top, left), (height - self.size, left)]
        else:
            places = [(top, 0), (top, left), (top, width - self.size)]
        crops = [crop(clips, *place, self.size, self.size) for place in places]
        return torch.stack(crops, dim=1).flatten(0, 1), label  # (V, 3, ...), then (3 V, T, C, size, size)


@dataclass(frozen=True, kw_only=True)
class RandomCrop:
    """Cut a square at a random place.

    Args:
        size: side in pixels.
        per_clip: draw the place for each clip.
    """

    size: int
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_size(self.size)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(V, T, C, size, size)`` and the same label.

        Raises:
            ValueError: frames smaller than the crop.
        """
        checked_frame_size(clips, self.size)
        return draw_once_or_per_clip(self._crop, clips, rng, per_clip=self.per_clip), label

    def _crop(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        height, width = clips.shape[-2:]
        top, left = (int(rng.integers(side - self.size + 1)) for side in (height, width))
        return crop(clips, top, left, self.size, self.size)


@dataclass(frozen=True, kw_only=True)
class RandomScaledCrop:
    """Cut a square of random side at a random place and scale it; the aspect stays.

    LIGAR's crop for Jester (released code).

    Args:
        size: side in pixels of the result.
        scale: range of the square's side as a share of the frame's short side, uniform.
        per_clip: draw side and place for each clip (LIGAR does).

    Raises:
        ValueError: a range that is not ordered, or outside 0..1.
    """

    size: int
    scale: tuple[float, float] = (0.875, 1.0)
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_size(self.size)
        check_range("scale", self.scale, lowest=1e-6, highest=1.0)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(V, T, C, size, size)`` and the same label."""
        return draw_once_or_per_clip(self._crop, clips, rng, per_clip=self.per_clip), label

    def _crop(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        height, width = clips.shape[-2:]
        side = max(1, round(float(rng.uniform(*self.scale)) * min(height, width)))
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        return resize(crop(clips, top, left, side, side), self.size, self.size)


@dataclass(frozen=True, kw_only=True)
class RandomResizedCrop:
    """Cut a box of random area and aspect and scale it to a square, whatever its aspect.

    Ten tries for a box that fits, then the largest central square, as in LIGAR's released code.

    Args:
        size: side in pixels of the result.
        area: range of the box's share of the frame, uniform.
        aspect: range of width / height, log-uniform.
        per_clip: draw a box for each clip; otherwise one for all.

    Raises:
        ValueError: a range that is not ordered, an area outside 0..1, an aspect that is not positive.
    """

    size: int
    area: tuple[float, float] = (0.4, 1.0)
    aspect: tuple[float, float] = (0.5, 1.5)
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_size(self.size)
        check_range("area", self.area, lowest=1e-6, highest=1.0)
        check_range("aspect", self.aspect, lowest=1e-6)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips ``(V, T, C, size, size)`` and the same label."""
        return draw_once_or_per_clip(self._crop, clips, rng, per_clip=self.per_clip), label

    def _crop(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        height, width = clips.shape[-2:]
        return resize(crop(clips, *self.draw_box(height, width, rng)), self.size, self.size)

    def draw_box(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw a box inside a frame.

        Returns:
            ``(top, left, height, width)`` in pixels.
        """
        log_aspect = math.log(self.aspect[0]), math.log(self.aspect[1])
        for _ in range(10):
            box_area = rng.uniform(*self.area) * height * width
            box_aspect = math.exp(rng.uniform(*log_aspect))
            box_height, box_width = (
                round(math.sqrt(box_area / box_aspect)),
                round(math.sqrt(box_area * box_aspect)),
            )
            if 0 < box_height <= height and 0 < box_width <= width:
                top = int(rng.integers(height - box_height + 1))
                left = int(rng.integers(width - box_width + 1))
                return top, left, box_height, box_width
        side = min(height, width)
        return (height - side) // 2, (width - side) // 2, side, side


def crop(clips: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """Return a window of clips ``(..., H, W)``, without copying."""
    return clips[..., top : top + height, left : left + width]


def resize(clips: Tensor, height: int, width: int) -> Tensor:
    """Scale clips ``(..., C, H, W)``, bilinear with antialiasing; of that size already, return them."""
    if tuple(clips.shape[-2:]) == (height, width):
        return clips
    from torchvision.transforms.v2 import functional

    return functional.resize(clips, [height, width], antialias=True)


def check_size(size: int) -> None:
    """Refuse a side that is no positive number of pixels.

    Raises:
        ValueError: below 1.
    """
    if size < 1:
        raise ValueError(f"size={size}; accepted: 1 or more pixels")


def checked_frame_size(clips: Tensor, size: int) -> tuple[int, int]:
    """Return height and width of the frames.

    Raises:
        ValueError: a square of the given side does not fit.
    """
    height, width = clips.shape[-2:]
    if size > min(height, width):
        raise ValueError(
            f"a crop of {size} x {size} does not fit into frames of {width} x {height}; scale them first (ShortSide)"
        )
    return height, width
