"""Temporal Adaptive Module: each clip and channel is filtered over time by a kernel of its own (Liu et al., ICCV 2021).

arXiv 2005.06803. A local branch gates channels per frame; a global branch gives the kernel.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TemporalAdaptive(nn.Module):
    """Scale each channel of each frame by a gate in [0, 1], then filter each channel over time.

    The kernel of a channel is a softmax over its taps, from two linear layers over the channel's T spatial means; the
    gate comes from two temporal convolutions over the spatial means of all channels.

    Args:
        channels: C.
        num_frames: T; the linear layers fix it.
        kernel: taps, odd (3 in the paper).
        expansion: the paper's alpha, width of the kernel's hidden layer over T.
        reduction: the paper's beta, by how much the gate's hidden layer is narrower than C; one channel at least.

    Raises:
        ValueError: an even kernel.
    """

    def __init__(
        self, *, channels: int, num_frames: int, kernel: int = 3, expansion: int = 2, reduction: int = 4
    ) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"kernel must be odd and positive, got {kernel}")
        self.kernel, self.num_frames = kernel, num_frames
        hidden = max(1, channels // reduction)
        self.taps = nn.Sequential(
            nn.Linear(num_frames, expansion * num_frames, bias=False),
            nn.BatchNorm1d(expansion * num_frames),
            nn.ReLU(inplace=True),
            nn.Linear(expansion * num_frames, kernel, bias=False),
            nn.Softmax(-1),
        )
        self.gate = nn.Sequential(
            nn.Conv1d(channels, hidden, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv1d(hidden, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the filtered maps.

        Args:
            maps: ``(N, C, T, H, W)``.

        Returns:
            ``(N, C, T, H, W)``.

        Raises:
            ValueError: another number of frames than the module was built for.
        """
        clips, channels, frames = maps.shape[:3]
        if frames != self.num_frames:
            raise ValueError(f"maps have {frames} frames, the module was built for num_frames={self.num_frames}")
        means = maps.mean(dim=(3, 4))  # (N, C, T)
        taps = self.taps(means.flatten(0, 1))  # (N * C, kernel)
        gated = maps * self.gate(means)[..., None, None]
        half = self.kernel // 2
        padded = F.pad(gated, (0, 0, 0, 0, half, half))
        # Each clip's channel has its own kernel: a sum of shifted frames, where a convolution would need N C groups.
        weights = taps.view(clips, channels, self.kernel, 1, 1, 1).unbind(2)
        return functools.reduce(torch.add, (w * padded[:, :, tap : tap + frames] for tap, w in enumerate(weights)))
