"""Inverted residual block of MobileNet-V3 with the temporal kernel inside the depthwise convolution.

MobileNet-V3: Howard et al., ICCV 2019. Temporal kernel in the depthwise one: X3D, Feichtenhofer, CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.layers.depthwise import DepthwiseConv3d
from lightning_modules.layers.squeeze_excitation import SqueezeExcitation

Activation = Literal["relu", "hardswish"]


@dataclass(frozen=True, kw_only=True)
class BlockSpec:
    """Describe one inverted residual block: a row of a network's block table.

    Args:
        out_channels: channels of the output.
        expanded_channels: channels of the depthwise convolution; None for a block without the expanding
            convolution, whose depthwise convolution works on the input's channels.
        kernel: temporal and spatial side of the depthwise kernel.
        stride: temporal and spatial stride of the depthwise convolution.
        activation: non-linearity after the expanding and the depthwise convolution.
        squeeze_excitation: whether the depthwise output is gated before its non-linearity.
    """

    out_channels: int
    expanded_channels: int | None
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    activation: Activation = "hardswish"
    squeeze_excitation: bool = False

    def __post_init__(self) -> None:
        if self.activation not in ("relu", "hardswish"):
            raise ValueError(f"activation must be 'relu' or 'hardswish', got {self.activation!r}")
        if any(side < 1 or side % 2 == 0 for side in self.kernel):
            raise ValueError(f"kernel sides must be odd and positive, got {self.kernel}")
        if any(step < 1 for step in self.stride):
            raise ValueError(f"strides must be positive, got {self.stride}")


class InvertedResidual(nn.Module):
    """Expand, convolve each channel in space and time, project linearly; add the input where shapes allow.

    Order: 1x1x1, norm, act; depthwise, norm, [squeeze-excitation], act; 1x1x1, norm. The gate stands before
    the activation. The input is added only if both strides are 1 and the channels agree. No convolution has
    a bias, padding is half the kernel.

    Args:
        in_channels: channels of the input.
        spec: the row of the block table.
    """

    def __init__(self, *, in_channels: int, spec: BlockSpec) -> None:
        super().__init__()
        channels = spec.expanded_channels or in_channels
        (kernel_t, kernel_s), (stride_t, stride_s) = spec.kernel, spec.stride
        self.expand = None if spec.expanded_channels is None else pointwise_norm(in_channels, channels)
        self.depthwise = nn.Sequential(
            DepthwiseConv3d(
                channels, kernel_size=(kernel_t, kernel_s, kernel_s), stride=(stride_t, stride_s, stride_s)
            ),
            nn.BatchNorm3d(channels),
        )
        self.gate = SqueezeExcitation(channels=channels) if spec.squeeze_excitation else None
        self.project = pointwise_norm(channels, spec.out_channels)
        self.has_skip = spec.stride == (1, 1) and in_channels == spec.out_channels
        self._activate: Callable[[Tensor], Tensor] = _relu if spec.activation == "relu" else F.hardswish

    def forward(self, maps: Tensor) -> Tensor:
        """Return the block's output.

        Args:
            maps: ``(N, C, T, H, W)``.

        Returns:
            ``(N, C', T', H', W')``; T' and H' are the input's divided by the strides, rounded up.
        """
        hidden = maps if self.expand is None else self._activate(self.expand(maps))
        hidden = self.depthwise(hidden)  # (N, E, T', H', W')
        if self.gate is not None:
            hidden = self.gate(hidden)
        hidden = self.project(self._activate(hidden))  # (N, C', T', H', W')
        return hidden.add_(maps) if self.has_skip else hidden


def pointwise_norm(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a 1x1x1 convolution without bias, followed by batch normalisation."""
    return nn.Sequential(nn.Conv3d(in_channels, out_channels, kernel_size=1, bias=False), nn.BatchNorm3d(out_channels))


def _relu(maps: Tensor) -> Tensor:
    return F.relu(maps, inplace=True)  # hard-swish needs its input in the backward pass, so is not in place
