"""The ACTION module: learnable shift, then spatio-temporal, channel and motion excitation, summed (Sec. 3, Fig. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lightning_modules.layers.temporal_shift import LearnableTemporalShift, TemporalShift, shows_convolution

Shift = Literal["learnable", "fixed"]
Excitation = Literal["ste", "ce", "me"]
STE: Excitation = "ste"
CE: Excitation = "ce"
ME: Excitation = "me"


class SpatioTemporalExcitation(nn.Module):
    """Compute one mask per clip, shared by all channels, from a one-channel 3D convolution (Sec. 3.1, eq. 1 to 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SingleChannelConv3d()

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:
        """Return the mask ``(N * T, 1, H, W)``, in (0, 1), of maps ``(N * T, C, H, W)``."""
        mean = maps.mean(1).unflatten(0, (-1, num_segments))  # (N, T, H, W)
        return self.conv(mean[:, None]).sigmoid().flatten(0, 2)[:, None]  # (N * T, 1, H, W)


class SingleChannelConv3d(nn.Conv3d):
    """Convolve one channel in time and space: kernel 3, zero-padded, no bias.

    Parameter, outputs and gradients are those of ``nn.Conv3d(1, 1, 3, padding=1, bias=False)``, whose backward is slow
    on a CPU. Here it is a 2D convolution whose channels are the frames: frame s enters frame t with the kernel's
    part s - t + 1.
    """

    def __init__(self) -> None:
        super().__init__(1, 1, 3, padding=1, bias=False)

    def forward(self, volume: Tensor) -> Tensor:
        """Return ``(N, 1, T, H, W)`` of a volume ``(N, 1, T, H, W)``."""
        if shows_convolution(volume):
            return super().forward(volume)
        frame = torch.arange(volume.shape[2], device=volume.device)
        part = frame - frame[:, None] + 1  # (T, T): row t, column s
        parts = F.pad(self.weight[0, 0], (0, 0, 0, 0, 1, 1))  # (5, 3, 3), zero in front and behind
        kernels = parts[part.clamp(-1, 3) + 1]  # (T, T, 3, 3)
        return F.conv2d(volume[:, 0], kernels, padding=1)[:, None]


class ChannelExcitation(nn.Module):
    """Gate each channel of each frame from the channels' spatial means over time (Sec. 3.2, eq. 4 to 8).

    The rectification after the temporal convolution is the authors' code's; the paper has none.

    Args:
        channels: C.
        reduced: channels of the temporal convolution.
    """

    def __init__(self, *, channels: int, reduced: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, reduced, 1, bias=False)
        self.conv = nn.Conv1d(reduced, reduced, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Conv2d(reduced, channels, 1, bias=False)

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:
        """Return the gates ``(N * T, C, 1, 1)``, in (0, 1), of maps ``(N * T, C, H, W)``."""
        squeezed = self.squeeze(self.pool(maps))[..., 0, 0]  # (N * T, reduced)
        over_time = squeezed.unflatten(0, (-1, num_segments)).transpose(1, 2)  # (N, reduced, T)
        mixed = self.relu(self.conv(over_time)).transpose(1, 2).flatten(0, 1)  # (N * T, reduced)
        return self.expand(mixed[..., None, None]).sigmoid()


class MotionExcitation(nn.Module):
    """Gate each channel of each frame from the difference to the next frame's features (Sec. 3.3, eq. 9).

    The difference is conv(next) - this, zero for the last frame, whose gates therefore are 0.5. The batch
    normalisation after the squeeze, and one kernel per channel in the 3x3 convolution, are the authors' code's.

    Args:
        channels: C.
        reduced: channels of the difference.
        dense: let the 3x3 convolution mix channels, as the published BNInception figures need.
    """

    def __init__(self, *, channels: int, reduced: int, dense: bool = False) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, reduced, 1, bias=False)
        self.norm = nn.BatchNorm2d(reduced)
        self.conv = nn.Conv2d(reduced, reduced, 3, padding=1, groups=1 if dense else reduced, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.expand = nn.Conv2d(reduced, channels, 1, bias=False)

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:
        """Return the gates ``(N * T, C, 1, 1)``, in (0, 1), of maps ``(N * T, C, H, W)``."""
        squeezed = self.norm(self.squeeze(maps))
        frames, convolved = (m.unflatten(0, (-1, num_segments)) for m in (squeezed, self.conv(squeezed)))
        motion = F.pad(convolved[:, 1:] - frames[:, :-1], (0, 0, 0, 0, 0, 0, 0, 1))  # (N, T, reduced, H, W)
        return self.expand(self.pool(motion.flatten(0, 1))).sigmoid()


class ActionModule(nn.Module):
    """Shift the maps along time and scale them by what the chosen excitations see in them.

    Each excitation with mask M gives y + y M of the shifted maps y; the output is their plain sum, so that three of
    them scale y by about 4.5 at the start. The shift stands in the authors' code and figure, not in the equations.

    Args:
        channels: C.
        excitations: which of "ste", "ce" and "me" are present.
        shift: "learnable" (the authors'), "fixed" (TSM's) or None for none.
        reduction: of the channels inside CE and ME, rounded down.
        divisor: of the channels, for the groups of the (initial) shift.
        dense_motion: let ME's 3x3 convolution mix channels.

    Raises:
        ValueError: no, unknown or repeated excitations, an unknown shift, or a reduction that leaves no channel.
    """

    def __init__(
        self,
        *,
        channels: int,
        excitations: Sequence[Excitation] = (STE, CE, ME),
        shift: Shift | None = "learnable",
        reduction: int = 16,
        divisor: int = 8,
        dense_motion: bool = False,
    ) -> None:
        super().__init__()
        if not excitations or len({*excitations}) < len(excitations) or not {*excitations} <= {STE, CE, ME}:
            raise ValueError(f"excitations must be some of 'ste', 'ce', 'me', each once, got {excitations!r}")
        reduced = channels // reduction
        if reduced < 1:
            raise ValueError(f"reduction must be at most channels ({channels}), got {reduction}")
        self.shift = None if shift is None else build_shift(shift, channels=channels, divisor=divisor)
        self.ste = SpatioTemporalExcitation() if STE in excitations else None
        self.ce = ChannelExcitation(channels=channels, reduced=reduced) if CE in excitations else None
        self.me = None
        if ME in excitations:
            self.me = MotionExcitation(channels=channels, reduced=reduced, dense=dense_motion)

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:
        """Return the excited maps.

        Args:
            maps: ``(N * T, C, H, W)``, row n * T + t is frame t of clip n.
            num_segments: T.

        Returns:
            ``(N * T, C, H, W)``.
        """
        shifted = maps if self.shift is None else self.shift(maps, num_segments)
        places = None if self.ste is None else self.ste(shifted, num_segments)
        gates = [path(shifted, num_segments) for path in (self.ce, self.me) if path is not None]
        return scale(shifted, places, sum(gates[1:], gates[0]) if gates else None, len(gates) + (places is not None))


def build_shift(shift: Shift, *, channels: int, divisor: int = 8) -> nn.Module:
    """Return the temporal shift by its name.

    Raises:
        ValueError: an unknown name, or a divisor that does not fit the channels.
    """
    if shift == "learnable":
        return LearnableTemporalShift(channels=channels, divisor=divisor)
    if shift == "fixed":
        return TemporalShift(channels=channels, divisor=divisor)
    raise ValueError(f"shift must be 'learnable', 'fixed' or None, got {shift!r}")


def scale(maps: Tensor, places: Tensor | None, channels: Tensor | None, constant: float) -> Tensor:
    """Return ``maps * (constant + places + channels)`` without keeping the mask, nor a product per term, for backward.

    Args:
        maps: ``(M, C, H, W)``.
        places: ``(M, 1, H, W)``, or None for zero.
        channels: ``(M, C, 1, 1)``, or None for zero.
        constant: added to the masks.

    Returns:
        ``(M, C, H, W)``. Its gradients cannot be differentiated a second time.
    """
    if shows_convolution(maps):
        mask = sum((part for part in (places, channels) if part is not None), torch.tensor(float(constant)))
        return maps * mask
    return _Scale.apply(maps, places, channels, constant)


def _scaled(
    maps: Tensor, places: Tensor | None, channels: Tensor | None, constant: float, out: Tensor | None = None
) -> Tensor:
    factor = maps.new_tensor(constant) if channels is None else channels + constant
    scaled = torch.mul(maps, factor, out=out)
    return scaled if places is None else scaled.addcmul_(maps, places)


class _Scale(torch.autograd.Function):
    """Backward recomputes the mask from its two small parts."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, places: Tensor | None, channels: Tensor | None, constant: float) -> Tensor:
        ctx.save_for_backward(maps, places, channels)
        ctx.constant = constant
        return _scaled(maps, places, channels, constant)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        maps, places, channels = ctx.saved_tensors
        of_maps, of_places, of_channels = ctx.needs_input_grad[:3]
        product = grad * maps
        grad_places = product.sum(1, keepdim=True) if of_places else None
        grad_channels = product.sum((2, 3), keepdim=True) if of_channels else None
        # The product's memory takes the result: fresh memory costs more than filling it.
        grad_maps = _scaled(grad, places, channels, ctx.constant, out=product) if of_maps else None
        return grad_maps, grad_places, grad_channels, None
