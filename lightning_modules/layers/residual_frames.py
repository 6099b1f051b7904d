"""Residual frames: the change from each frame to the next as a network's input (Tao et al., arXiv 2001.05661)."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualFrames(nn.Module):
    """Return D_t = gain (F_{t+1} - F_t): one frame less than goes in, zero where nothing moves.

    Args:
        gain: brings the differences to unit standard deviation, since they are smaller than the frames.
    """

    def __init__(self, *, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, clips: Tensor) -> Tensor:
        """Return ``(N, C, T - 1, H, W)`` of clips ``(N, C, T, H, W)``.

        Raises:
            ValueError: clips of a single frame.
        """
        if clips.shape[2] < 2:
            raise ValueError(f"residual frames need clips of 2 frames or more, got {clips.shape[2]}")
        return self.gain * (clips[:, :, 1:] - clips[:, :, :-1])

    def extra_repr(self) -> str:
        """Return the gain."""
        return f"gain={self.gain}"
