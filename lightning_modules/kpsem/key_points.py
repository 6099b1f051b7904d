"""Adaptive Regional Shift Extractor (AReSE): key points of adaptively cut regions and their shifts (Sec. 3.3)."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.kpsem.regions import positions_values_means, straight_through


@dataclass(frozen=True)
class KeyPoints:
    """Hold what AReSE finds in N clips of T feature frames, for G sets of R regions in C channels.

    Regions count row by row. Positions are (x = column, y = row) of cells of the feature map, from 0.

    Args:
        lines: ``(N, T, G, 2, n - 1)``, the separating lines (x of the vertical, y of the horizontal ones) in cells
            from the map's left and upper edge, ``n * n = R``: the separation centres O_a of Eq. (5).
        positions: ``(N, T, G, R, 2, C)``, I of Eq. (6).
        values: ``(N, T, G, R, C)``, V of Eq. (7).
        shift_weights: ``(N, T - 1, G, R, R, C)``, W of Eq. (9): from a region of this frame to those of the next.
        shifts: ``(N, T - 1, G, R, 2, C)``, S of Eq. (10), in cells.
        region_weights: ``(N, T - 1, G, R, C)``, W_R of Eq. (11).
    """

    lines: Tensor
    positions: Tensor
    values: Tensor
    shift_weights: Tensor
    shifts: Tensor
    region_weights: Tensor

    @property
    def rkps(self) -> Tensor:
        """Return the regional key point shifts of Eq. (12), ``(N, T - 1, G, R, 2, C)``."""
        return self.region_weights.unsqueeze(4) * self.shifts

    def mean_shift(self) -> Tensor:
        """Return the shift (x, y) in cells per feature frame, ``(N, 2)``.

        Weighted over regions by W_R, which sums to 1, and averaged over frames, sets and channels.
        """
        return self.rkps.sum(3).mean((1, 2, 4))

    def crossing_share(self) -> Tensor:
        """Return the share of key points whose best match in the next frame lies in another region, ``(N,)``.

        The best match has the largest weight of Eq. (9), the first region among equals. 0 for one region.
        """
        best = self.shift_weights.argmax(4)  # (N, T - 1, G, R, C)
        own = torch.arange(best.shape[3], device=best.device).view(-1, 1)
        return (best != own).float().mean((1, 2, 3, 4))

    def positions_in_pixels(self, *, map_size: tuple[int, int], clip_size: tuple[int, int]) -> Tensor:
        """Return the centres of the key points' cells in pixels of the clip (x, y), shaped as ``positions``.

        Args:
            map_size: height and width of the feature map in cells.
            clip_size: height and width of the clip in pixels.
        """
        return (self.positions + 0.5) * self._cell(map_size, clip_size)

    def shifts_in_pixels(self, *, map_size: tuple[int, int], clip_size: tuple[int, int]) -> Tensor:
        """Return ``shifts`` in pixels of the clip; arguments as for :meth:`positions_in_pixels`."""
        return self.shifts * self._cell(map_size, clip_size)

    def _cell(self, map_size: tuple[int, int], clip_size: tuple[int, int]) -> Tensor:
        width, height = clip_size[1] / map_size[1], clip_size[0] / map_size[0]
        return self.shifts.new_tensor([width, height]).view(2, 1)


class AReSE(nn.Module):
    """Extract the regional key point shifts of all sets at once (Sec. 3.3, Eq. (4) to (12)).

    The forward pass is the paper's: hard regions, hard maxima. The position of a maximum and the region of a cell are
    step functions of the lines, so that Eq. (4) would receive no gradient at all; the paper does not say how its MLP
    is trained. Here only the backward pass differs: positions, values and means send to the lines the gradient of soft
    ones (sigmoid edges, soft maximum). The features receive the gradient of the hard definition.

    Computed in 32 bits or more whatever the features' precision.

    Args:
        channels: C.
        num_sets: G.
        num_regions: R (the paper's K), a square number: n - 1 horizontal and n - 1 vertical lines cut each frame. 1: a
            single key point per frame and channel.
        separation: "adaptive": each frame's lines are moved by the MLP of Eq. (4), here one linear layer per set on
            the frame's mean features; "fixed": moved at random per set at construction, the same for all frames.
        spread: lines start uniformly within this many cells around equal regions, adaptive ones the same in all frames
            until they have learnt (the paper gives no value). The sets would otherwise start, and stay, alike.
        matching_gradient: let the weights of Eq. (9) pass gradient to the features and lines. Their slope is up to 100
            where two values nearly agree.

    Raises:
        ValueError: a number of regions that is no square, no sets, or an unknown separation.
    """

    offsets: Tensor

    def __init__(
        self,
        *,
        channels: int,
        num_sets: int = 8,
        num_regions: int = 4,
        separation: Literal["adaptive", "fixed"] = "adaptive",
        spread: float = 1.0,
        matching_gradient: bool = True,
    ) -> None:
        super().__init__()
        if num_regions < 1 or math.isqrt(num_regions) ** 2 != num_regions:
            raise ValueError(f"num_regions must be a square number (1, 4, 9, 16, ...), got {num_regions}")
        if num_sets < 1:
            raise ValueError(f"num_sets must be at least 1, got {num_sets}")
        if separation not in ("adaptive", "fixed"):
            raise ValueError(f"separation must be 'adaptive' or 'fixed', got {separation!r}")
        self.num_sets, self.num_regions, self.side = num_sets, num_regions, math.isqrt(num_regions)
        self.matching_gradient = matching_gradient
        self.bias: nn.Linear | None = None
        shape = (num_sets, 2, self.side - 1)
        if separation == "adaptive" and self.side > 1:
            self.bias = nn.Linear(channels, math.prod(shape))
            nn.init.zeros_(self.bias.weight)
            nn.init.uniform_(self.bias.bias, -spread, spread)
        elif self.side > 1:
            self.register_buffer("offsets", torch.empty(shape).uniform_(-spread, spread))

    def forward(self, features: Tensor) -> Tensor:
        """Return the regional key point shifts.

        Args:
            features: ``(N, C, T, H, W)``, T at least 2.

        Returns:
            ``(N, T - 1, G, R, 2, C)``, shifts (x, y) in cells, weighted by the regions' weights.

        Raises:
            ValueError: fewer frames than two, or maps smaller than the regions need.
        """
        return self.extract(features).rkps

    def extract(self, features: Tensor) -> KeyPoints:
        """Return everything found on the way; arguments and errors as in :meth:`forward`."""
        num_clips, _, frames, height, width = features.shape
        if frames < 2:
            raise ValueError(f"features must have at least 2 frames, got {frames}")
        if min(height, width) < self.side:
            raise ValueError(f"a {height} x {width} map cannot be cut into {self.side} x {self.side} regions")
        with _full_precision(features.device.type):
            maps = features.to(torch.promote_types(features.dtype, torch.float32))
            maps = maps.permute(0, 2, 3, 4, 1).flatten(0, 1).contiguous()  # (NT, H, W, C): channels side by side
            lines = self._lines(maps)
            found = (lines, *positions_values_means(maps, lines))
            lines, positions, values, means = (part.unflatten(0, (num_clips, frames)) for part in found)
            shift_weights = _shift_weights(values if self.matching_gradient else values.detach())
            matched = torch.einsum("ntgabc,ntgbxc->ntgaxc", shift_weights, positions[:, 1:])
            return KeyPoints(
                lines=lines,
                positions=positions,
                values=values,
                shift_weights=shift_weights,
                shifts=matched - positions[:, :-1],  # Eq. (8) and (10): the weights sum to 1
                region_weights=((means[:, :-1] + means[:, 1:]) / 2).softmax(3),
            )

    def _lines(self, maps: Tensor) -> Tensor:
        """Return the lines ``(NT, G, 2, n - 1)``, in order, at least one cell apart and from the map's edges."""
        frames, height, width, _ = maps.shape
        size = maps.new_tensor([width, height]).unsqueeze(1)
        number = torch.arange(1, self.side, device=maps.device, dtype=maps.dtype)
        if self.bias is None:
            moved = self.offsets.to(maps.dtype) if self.side > 1 else maps.new_zeros(self.num_sets, 2, 0)
            moved = moved.expand(frames, -1, -1, -1)
        else:
            moved = self.bias(maps.mean((1, 2)).to(self.bias.weight.dtype)).to(maps.dtype)
            moved = moved.unflatten(1, (self.num_sets, 2, self.side - 1))
        free = (size * number / self.side + moved - number).sort(-1).values
        kept = torch.minimum(free.clamp(min=0), size - self.side)
        return straight_through(kept.detach(), free) + number


def _full_precision(device_type: str) -> AbstractContextManager:
    """Suspend automatic mixed precision; the meta device knows none."""
    if not torch.amp.is_autocast_available(device_type):
        return nullcontext()
    return torch.autocast(device_type, enabled=False)


def _shift_weights(values: Tensor) -> Tensor:
    """Return Eq. (9), ``(N, T - 1, G, R, R, C)``, of key point values ``(N, T, G, R, C)``."""
    difference = values[:, :-1].unsqueeze(4) - values[:, 1:].unsqueeze(3)
    return (1 / (difference.abs() + 0.1)).softmax(4)
