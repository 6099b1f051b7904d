"""Pooling over all positions of a clip: by attention, after the Global Context block (Cao et al., 2020), or plain."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GlobalContextPooling(nn.Module):
    """Average a map over time and space with learnt weights that sum to one over all positions.

    A 1x1x1 convolution to one channel and batch normalisation score each position; a softmax over T, H and W
    turns the scores into weights. Of the Global Context block this is the pooling alone: LIGAR neither adds
    the context back to the map nor normalises it with LayerNorm (authors' code).

    Args:
        channels: C, channels of the map.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv3d(channels, 1, kernel_size=1, bias=False)
        self.norm = nn.BatchNorm3d(1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the weighted mean of each channel.

        Args:
            maps: ``(N, C, T, H, W)``.

        Returns:
            ``(N, C)``.
        """
        weights = self.norm(self.score(maps)).flatten(1).softmax(dim=1)  # (N, THW)
        positions = maps.flatten(2).transpose(1, 2)  # (N, THW, C); this order keeps gradients channels-last
        return torch.bmm(weights.unsqueeze(1), positions).squeeze(1)  # (N, C)


class AveragePooling(nn.Module):
    """Average a map over time and space, all positions alike: what attention pooling is compared with."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the mean of each channel, ``(N, C)``, of maps ``(N, C, T, H, W)``."""
        return maps.mean(dim=(2, 3, 4))
