"""Squeeze-and-excitation that gates each channel of each frame (Hu et al., CVPR 2018; 3D form of LIGAR)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Scale each channel of each frame by a gate in [0, 1] computed from the frame's spatial mean.

    The mean is over height and width only, so that a clip gets one gate per channel and frame. The squeezed
    width is ``channels // reduction``, not rounded further (the authors' code; the paper does not say).

    Args:
        channels: C, channels of the input and the output.
        reduction: by how much the squeezed width is smaller than ``channels``.
    """

    def __init__(self, *, channels: int, reduction: int = 4) -> None:
        super().__init__()
        if channels // reduction < 1:
            raise ValueError(f"channels must be at least reduction ({reduction}), got {channels}")
        self.squeeze = nn.Conv3d(channels, channels // reduction, kernel_size=1)
        self.excite = nn.Conv3d(channels // reduction, channels, kernel_size=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the gated maps.

        Args:
            maps: ``(N, C, T, H, W)``.

        Returns:
            ``(N, C, T, H, W)``.
        """
        gates = maps.mean(dim=(3, 4), keepdim=True)  # (N, C, T, 1, 1)
        gates = F.relu(self.squeeze(gates), inplace=True)  # (N, C // reduction, T, 1, 1)
        gates = F.hardsigmoid(self.excite(gates))  # (N, C, T, 1, 1)
        return maps * gates
