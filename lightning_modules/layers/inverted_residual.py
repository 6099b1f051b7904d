"""Inverted residual block of MobileNet-V3 with a temporal kernel in its depthwise or its projecting convolution.

MobileNet-V3: Howard et al., ICCV 2019. Temporal kernel in the depthwise one: X3D, Feichtenhofer, CVPR 2020.
Temporal kernel in a convolution of its own: S3D, Xie et al., ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.layers.depthwise import DepthwiseConv3d
from lightning_modules.layers.squeeze_excitation import SqueezeExcitation

Activation = Literal["relu", "hardswish"]
TemporalPlacement = Literal["depthwise", "projection"]
GatePosition = Literal["before_activation", "after_activation"]


@dataclass(frozen=True, kw_only=True)
class BlockSpec:
    """Describe one inverted residual block: a row of a network's block table.

    Args:
        out_channels: channels of the output.
        expanded_channels: channels of the depthwise convolution; None for a block without the expanding
            convolution, whose depthwise convolution works on the input's channels.
        kernel: temporal and spatial side; the spatial one is the depthwise convolution's.
        stride: temporal and spatial stride; the spatial one is the depthwise convolution's.
        activation: non-linearity after the expanding and the depthwise convolution.
        squeeze_excitation: whether the depthwise output is gated.
        temporal: which convolution has the temporal kernel. ``depthwise``, as in X3D: it has the temporal
            stride too. ``projection``, as in S3D: the projecting convolution is kt x 1 x 1, and the temporal
            stride is a mean over so many of its output frames (a clip needs at least as many).
        squeeze_channels: channels between the gate's two layers; None for a quarter of the depthwise output's,
            rounded down (LIGAR's code).
        gate: whether the gate stands before the non-linearity after the depthwise convolution (LIGAR's code) or
            after it (MobileNet-V3).

    Raises:
        ValueError: a value outside of the accepted ones, or ``squeeze_channels`` of a block without a gate.
    """

    unchanged_by: ClassVar[Mapping[str, Any]] = {
        "temporal": "depthwise",
        "squeeze_channels": None,
        "gate": "before_activation",
    }  # arguments younger than the first stored results, with the value that those had

    out_channels: int
    expanded_channels: int | None
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    activation: Activation = "hardswish"
    squeeze_excitation: bool = False
    temporal: TemporalPlacement = "depthwise"
    squeeze_channels: int | None = None
    gate: GatePosition = "before_activation"

    def __post_init__(self) -> None:
        if self.activation not in ("relu", "hardswish"):
            raise ValueError(f"activation must be 'relu' or 'hardswish', got {self.activation!r}")
        if self.temporal not in ("depthwise", "projection"):
            raise ValueError(f"temporal must be 'depthwise' or 'projection', got {self.temporal!r}")
        if self.gate not in ("before_activation", "after_activation"):
            raise ValueError(f"gate must be 'before_activation' or 'after_activation', got {self.gate!r}")
        if self.squeeze_channels is not None and not self.squeeze_excitation:
            raise ValueError(f"squeeze_channels must be None without squeeze_excitation, got {self.squeeze_channels}")
        if any(side < 1 or side % 2 == 0 for side in self.kernel):
            raise ValueError(f"kernel sides must be odd and positive, got {self.kernel}")
        if any(step < 1 for step in self.stride):
            raise ValueError(f"strides must be positive, got {self.stride}")


class InvertedResidual(nn.Module):
    """Expand, convolve each channel in space, project linearly; convolve in time on the way; add the input.

    Order: 1x1x1, norm, act; depthwise, norm, [gate], act, [gate]; projection, norm, [mean over frames]. The spec
    says which convolution has the temporal kernel and where the gate stands. The input is added only if both
    strides are 1 and the channels agree. No convolution has a bias, padding is half the kernel.

    Args:
        in_channels: channels of the input.
        spec: the row of the block table.
    """

    def __init__(self, *, in_channels: int, spec: BlockSpec) -> None:
        super().__init__()
        channels = spec.expanded_channels or in_channels
        (kernel_t, kernel_s), (stride_t, stride_s) = spec.kernel, spec.stride
        in_depthwise = spec.temporal == "depthwise"
        self.expand = None if spec.expanded_channels is None else pointwise_norm(in_channels, channels)
        self.depthwise = nn.Sequential(
            DepthwiseConv3d(
                channels,
                kernel_size=(kernel_t if in_depthwise else 1, kernel_s, kernel_s),
                stride=(stride_t if in_depthwise else 1, stride_s, stride_s),
            ),
            nn.BatchNorm3d(channels),
        )
        self.gate = (
            SqueezeExcitation(channels=channels, squeeze_channels=spec.squeeze_channels)
            if spec.squeeze_excitation
            else None
        )
        self.project = (
            pointwise_norm(channels, spec.out_channels)
            if in_depthwise
            else _temporal_norm(channels, spec.out_channels, kernel=kernel_t, stride=stride_t)
        )
        self.has_skip = spec.stride == (1, 1) and in_channels == spec.out_channels
        self._activate: Callable[[Tensor], Tensor] = _relu if spec.activation == "relu" else F.hardswish
        self._gates_activated = spec.gate == "after_activation"

    def forward(self, maps: Tensor) -> Tensor:
        """Return the block's output.

        Args:
            maps: ``(N, C, T, H, W)``.

        Returns:
            ``(N, C', T', H', W')``; T', H' and W' are the input's divided by the strides, rounded up.
        """
        hidden = maps if self.expand is None else self._activate(self.expand(maps))
        hidden = self.depthwise(hidden)  # (N, E, T' or T, H', W')
        if self.gate is not None and not self._gates_activated:
            hidden = self.gate(hidden)
        hidden = self._activate(hidden)
        if self.gate is not None and self._gates_activated:
            hidden = self.gate(hidden)
        hidden = self.project(hidden)  # (N, C', T', H', W')
        return hidden.add_(maps) if self.has_skip else hidden


def pointwise_norm(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a 1x1x1 convolution without bias, followed by batch normalisation."""
    return nn.Sequential(nn.Conv3d(in_channels, out_channels, kernel_size=1, bias=False), nn.BatchNorm3d(out_channels))


def _temporal_norm(in_channels: int, out_channels: int, *, kernel: int, stride: int) -> nn.Sequential:
    """Return a kt x 1 x 1 convolution without bias, batch normalisation, and a mean over every ``stride`` frames."""
    layers: list[nn.Module] = [
        nn.Conv3d(in_channels, out_channels, (kernel, 1, 1), padding=(kernel // 2, 0, 0), bias=False),
        nn.BatchNorm3d(out_channels),
    ]
    if stride > 1:
        layers.append(nn.AvgPool3d((stride, 1, 1), ceil_mode=True))  # an incomplete last group counts as it is
    return nn.Sequential(*layers)


def _relu(maps: Tensor) -> Tensor:
    return F.relu(maps, inplace=True)  # hard-swish needs its input in the backward pass, so is not in place
