"""Squeeze-and-excitation that gates each channel of each frame (Hu et al., CVPR 2018; 3D form of LIGAR)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Scale each channel of each frame by a gate in [0, 1] computed from the frame's spatial mean.

    The mean is over height and width only, so that a clip gets one gate per channel and frame. The two 1x1x1
    convolutions with bias are linear layers over the channels of each frame.

    Args:
        channels: C, channels of the input and the output.
        reduction: by how much the squeezed width is smaller than ``channels``.
        squeeze_channels: the squeezed width; None for ``channels // reduction``, not rounded further (the
            authors' code; the paper does not say).

    Raises:
        ValueError: the squeezed width is below 1.
    """

    def __init__(self, *, channels: int, reduction: int = 4, squeeze_channels: int | None = None) -> None:
        super().__init__()
        if squeeze_channels is None:
            if channels // reduction < 1:
                raise ValueError(f"channels must be at least reduction ({reduction}), got {channels}")
            squeeze_channels = channels // reduction
        if squeeze_channels < 1:
            raise ValueError(f"squeeze_channels must be at least 1, got {squeeze_channels}")
        self.squeeze = nn.Linear(channels, squeeze_channels)
        self.excite = nn.Linear(squeeze_channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the gated maps.

        Args:
            maps: ``(N, C, T, H, W)``.

        Returns:
            ``(N, C, T, H, W)``.
        """
        means = maps.mean(dim=(3, 4)).transpose(1, 2)  # (N, T, C)
        gates = F.hardsigmoid(self.excite(F.relu(self.squeeze(means), inplace=True)))  # (N, T, C)
        return maps * gates.transpose(1, 2)[..., None, None]  # (N, C, T, H, W)
