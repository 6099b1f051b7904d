"""Segment networks: a 2D network sees every frame, their class scores are averaged (TSN; Wang et al., ECCV 2016).

What carries information between frames, if anything, is a temporal module inside the backbone's blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

TemporalFactory = Callable[[str, int], nn.Module | None]
"""Give the temporal module of a site, or None: called with the site's stage and its number of channels.

A temporal module's forward takes maps ``(N * T, C, H, W)`` and T, and returns maps of the same shape.
"""


class Backbone(Protocol):
    """What a segment network asks of a 2D backbone: an ``nn.Module`` that says how many channels it puts out."""

    out_channels: int

    def __call__(self, frames: Tensor, num_segments: int) -> Tensor:
        """Return maps ``(N * T, out_channels, H', W')`` of frames ``(N * T, 3, H, W)``; T is ``num_segments``."""
        ...


class BackboneSpec(Protocol):
    """Describe a backbone by frozen values, so that it can be compared, stored and built."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the names of the stages that have sites for temporal modules, from the input on."""
        ...

    def build(self, temporal: TemporalFactory) -> nn.Module:
        """Return the :class:`Backbone` with what ``temporal`` gives at each site."""
        ...


def nowhere(stage: str, channels: int) -> None:
    """Put no temporal module at any site: the backbone of TSN."""


class SegmentNetwork(nn.Module):
    """Score a clip by the mean of its frames' logits.

    The linear layer starts from N(0, 0.001) with bias 0 (TSN's code). It is the same for all frames, so that the mean
    of the logits is linear in the feature maps: class activation maps are exact.

    Args:
        backbone: see :class:`Backbone`.
        num_classes: K.
        dropout: probability, on the pooled features of each frame.
    """

    def __init__(self, *, backbone: nn.Module, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        self.backbone = backbone
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.out_channels, num_classes)  # type: ignore[arg-type]
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)

    def feature_maps(self, clips: Tensor) -> Tensor:
        """Return the backbone's maps of every frame.

        Args:
            clips: ``(N, C, T, H, W)``.

        Returns:
            ``(N, T, F, H', W')``.
        """
        num_segments = clips.shape[2]
        # Channels-last: convolutions and what works on single channels are faster on a CPU and on tensor cores.
        frames = clips.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (N * T, C, H, W)
        return self.backbone(frames, num_segments).unflatten(0, (-1, num_segments))

    def frame_logits(self, clips: Tensor) -> Tensor:
        """Return the logits of every frame, ``(N, T, K)``, of clips ``(N, C, T, H, W)``."""
        maps = self.feature_maps(clips)
        pooled = self.pool(maps.flatten(0, 1)).flatten(1)  # (N * T, F)
        return self.head(self.dropout(pooled)).unflatten(0, maps.shape[:2])

    def forward(self, clips: Tensor) -> Tensor:
        """Return the logits.

        Args:
            clips: ``(N, C, T, H, W)``, frame t from segment t, normalised as the backbone's weights expect.

        Returns:
            ``(N, K)``.
        """
        return self.frame_logits(clips).mean(1)
