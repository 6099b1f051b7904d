"""Move channels along time, between a clip's frames: fixed (TSM; Lin et al., ICCV 2019), learnable (ACTION-Net).

Maps are those of a 2D network, ``(N * T, C, H, W)``: row n * T + t is frame t of clip n.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class TemporalShift(nn.Module):
    """Bring one share of the channels from the next frame and as large a share from the previous one (TSM).

    Channel group 1 (``channels // divisor`` channels) takes the next frame's values and is zero in the last frame,
    group 2 takes the previous frame's and is zero in the first, the others stay. No parameters.

    Args:
        channels: C.
        divisor: of the channels, for the size of each group.

    Raises:
        ValueError: the groups are empty, or together larger than the channels.
    """

    def __init__(self, *, channels: int, divisor: int = 8) -> None:
        super().__init__()
        self.fold = _fold(channels, divisor)

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:
        """Return the shifted maps.

        Args:
            maps: ``(N * T, C, H, W)``.
            num_segments: T.

        Returns:
            ``(N * T, C, H, W)``, in the memory format of ``maps``.
        """
        fold, frames = self.fold, maps.unflatten(0, (-1, num_segments))  # (N, T, C, H, W)
        shifted = torch.zeros_like(maps).unflatten(0, (-1, num_segments))
        shifted[:, :-1, :fold] = frames[:, 1:, :fold]
        shifted[:, 1:, fold : 2 * fold] = frames[:, :-1, fold : 2 * fold]
        shifted[:, :, 2 * fold :] = frames[:, :, 2 * fold :]
        return shifted.flatten(0, 1)


class LearnableTemporalShift(nn.Conv1d):
    """Mix each channel of a frame with itself in the previous and the next frame, starting from TSM's shift.

    A depthwise convolution over time, kernel 3, zero-padded, without a bias: parameter, outputs and gradients are those
    of ``nn.Conv1d(groups=channels)`` on maps rearranged to ``(N * H * W, C, T)``; computed as a weighted sum of three
    frames, nothing is rearranged. Gradients cannot be differentiated a second time.

    Args:
        channels: C.
        divisor: of the channels, for the groups of the initial shift (see :class:`TemporalShift`).

    Raises:
        ValueError: the groups are empty, or together larger than the channels.
    """

    def __init__(self, *, channels: int, divisor: int = 8) -> None:
        self.fold = _fold(channels, divisor)
        super().__init__(channels, channels, 3, padding=1, groups=channels, bias=False)

    def reset_parameters(self) -> None:
        """Set the weights to TSM's shift: taps are (previous, same, next) frame."""
        with torch.no_grad():
            self.weight.zero_()
            self.weight[: self.fold, 0, 2] = 1
            self.weight[self.fold : 2 * self.fold, 0, 0] = 1
            self.weight[2 * self.fold :, 0, 1] = 1

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:  # type: ignore[override]
        """Return the mixed maps.

        Args:
            maps: ``(N * T, C, H, W)``.
            num_segments: T.

        Returns:
            ``(N * T, C, H, W)``, in the memory format of ``maps``.
        """
        weight = self.weight.to(maps.dtype)
        if shows_convolution(maps):
            frames = maps.unflatten(0, (-1, num_segments)).transpose(1, 2)  # (N, C, T, H, W)
            mixed = F.conv3d(frames, weight[..., None, None], padding=(1, 0, 0), groups=self.groups)
            return mixed.transpose(1, 2).flatten(0, 1)
        return _MixFrames.apply(maps, weight, num_segments)


def shows_convolution(maps: Tensor) -> bool:
    """Tell whether a trace, an export or a count of operations is under way: it should see the true convolution."""
    return maps.is_meta or torch.jit.is_tracing() or torch.compiler.is_compiling() or torch.compiler.is_exporting()


def _fold(channels: int, divisor: int) -> int:
    if divisor < 2 or channels < divisor:
        raise ValueError(f"divisor must be at least 2 and at most channels ({channels}), got {divisor}")
    return channels // divisor


def _mix(maps: Tensor, taps: Tensor, num_segments: int) -> Tensor:
    """Return the sum of maps[t - 1], maps[t], maps[t + 1] (zero beyond the ends), weighted by taps ``(3, C)``."""
    before, same, after = taps[..., None, None]  # each (C, 1, 1)
    if maps.is_contiguous(memory_format=torch.channels_last):  # longer runs of memory: one row of a map, not one place
        width = maps.shape[3]
        before, same, after = taps.repeat(1, width).unflatten(1, (width, -1)).transpose(1, 2)[:, :, None]  # (C, 1, W)
    mixed = maps * same
    given, out = (tensor.unflatten(0, (-1, num_segments)) for tensor in (maps, mixed))  # (N, T, C, H, W)
    out[:, 1:].addcmul_(given[:, :-1], before)
    out[:, :-1].addcmul_(given[:, 1:], after)
    return mixed


class _MixFrames(torch.autograd.Function):
    """The weighted sum of three frames; autograd's own backward would keep and rearrange every term."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, num_segments: int) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.num_segments = num_segments
        return _mix(maps, weight[:, 0].t(), num_segments)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        maps, weight = ctx.saved_tensors
        grad_maps = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_maps = _mix(grad, weight[:, 0].t().flip(0), ctx.num_segments)
        if ctx.needs_input_grad[1]:
            product = torch.empty_like(grad)  # one for all taps: fresh memory costs more than the products
            given, slope, room = (tensor.unflatten(0, (-1, ctx.num_segments)) for tensor in (maps, grad, product))
            taps = (
                torch.mul(slope[:, 1:], given[:, :-1], out=room[:, 1:]).sum((0, 1, 3, 4)),
                torch.mul(slope, given, out=room).sum((0, 1, 3, 4)),
                torch.mul(slope[:, :-1], given[:, 1:], out=room[:, 1:]).sum((0, 1, 3, 4)),
            )
            grad_weight = torch.stack(taps, dim=-1)[:, None]  # (C, 1, 3)
        return grad_maps, grad_weight, None
