"""Gates of a clip's maps: of channels (SE; Hu et al., CVPR 2018), of positions too (CBAM; Woo et al., ECCV 2018)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Pool = Literal["mean", "max"]


class ChannelGate(nn.Module):
    """Scale each channel of a clip by a gate in [0, 1], computed from all channels pooled over frames and positions.

    Squeeze-and-excitation with the mean alone; CBAM's channel attention with mean and maximum, whose two outputs of
    the same two linear layers are added before the sigmoid.

    Args:
        channels: C.
        reduction: of the hidden layer's width; one channel at least.
        pools: "mean", "max" or both.
        bias: give the two linear layers one.

    Raises:
        ValueError: an unknown pool, or none.
    """

    def __init__(
        self, *, channels: int, reduction: int = 16, pools: Sequence[Pool] = ("mean",), bias: bool = True
    ) -> None:
        super().__init__()
        if not pools or not {*pools} <= {"mean", "max"}:
            raise ValueError(f"pools must be some of 'mean', 'max', got {pools!r}")
        self.pools = tuple(pools)
        hidden = max(1, channels // reduction)
        self.squeeze, self.excite = nn.Linear(channels, hidden, bias=bias), nn.Linear(hidden, channels, bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the gated maps ``(N, C, T, H, W)``."""
        pooled = [maps.mean((2, 3, 4)) if pool == "mean" else maps.amax((2, 3, 4)) for pool in self.pools]  # (N, C)
        logits = functools.reduce(torch.add, (self.excite(self.squeeze(values).relu()) for values in pooled))
        return maps * logits.sigmoid()[..., None, None, None]


class PositionGate(nn.Module):
    """Scale each position of each frame by a gate in [0, 1], computed from the channels' mean and maximum around it.

    Args:
        kernel: side of the convolution in time, height and width, odd.
    """

    def __init__(self, *, kernel: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm3d(1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the gated maps ``(N, C, T, H, W)``."""
        pooled = torch.stack([maps.mean(1), maps.amax(1)], dim=1)  # (N, 2, T, H, W)
        return maps * self.norm(self.conv(pooled)).sigmoid()


class Cbam(nn.Sequential):
    """Gate channels, then positions: CBAM with a time axis.

    Args:
        channels: C.
        reduction: see :class:`ChannelGate`.
        kernel: see :class:`PositionGate`.
    """

    def __init__(self, *, channels: int, reduction: int = 16, kernel: int = 7) -> None:
        super().__init__(
            ChannelGate(channels=channels, reduction=reduction, pools=("mean", "max"), bias=False),
            PositionGate(kernel=kernel),
        )
