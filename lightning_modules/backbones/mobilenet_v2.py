"""MobileNetV2 (Sandler et al., CVPR 2018) with a temporal module in each residual block.

Built from torchvision's blocks and named as its MobileNetV2, whose weights load by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.ops.misc import Conv2dNormActivation

from lightning_modules.layers.segment_network import TemporalFactory, nowhere

ROWS: tuple[tuple[int, int, int, int], ...] = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""The paper's Table 2: expansion, output channels, blocks, stride of the first block."""


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Spec:
    """Describe a MobileNetV2; the defaults are the paper's.

    Args:
        width: multiplier of the channels, which are rounded to multiples of 8; below 1 the last convolution keeps its
            1280 (the paper's rule).
        rows: expansion, output channels, number of blocks and stride of the first one, per stage.
        stem_stride: stride of the first convolution.
        last_channels: channels of the last convolution.
    """

    width: float = 1.0
    rows: tuple[tuple[int, int, int, int], ...] = ROWS
    stem_stride: int = 2
    last_channels: int = 1280

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ValueError(f"width must be positive, got {self.width}")
        if not self.rows or any(len(row) != 4 or min(row) < 1 for row in self.rows):
            raise ValueError(f"rows must hold (expansion, channels, blocks, stride), all positive, got {self.rows}")

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the names of the rows which have residual blocks: "row 2" for the second."""
        return tuple(f"row {i + 1}" for i, row in enumerate(self.rows) if row[0] > 1 and row[2] > 1)

    def build(self, temporal: TemporalFactory = nowhere) -> MobileNetV2:
        """Return the network; sites are the expanding convolutions' inputs in blocks with a residual connection."""
        return MobileNetV2(self, temporal=temporal)


MOBILENET_V2 = MobileNetV2Spec()


class MobileNetV2(nn.Module):
    """Turn frames into feature maps.

    Args:
        spec: see :class:`MobileNetV2Spec`.
        temporal: gives the temporal module of each site.
    """

    def __init__(self, spec: MobileNetV2Spec, *, temporal: TemporalFactory = nowhere) -> None:
        super().__init__()
        channels = _rounded(32 * spec.width)
        self.features = nn.ModuleList(
            [Conv2dNormActivation(3, channels, stride=spec.stem_stride, activation_layer=nn.ReLU6)]
        )
        for i, (expansion, base, depth, first_stride) in enumerate(spec.rows):
            out_channels = _rounded(base * spec.width)
            for b in range(depth):
                stride = first_stride if b == 0 else 1
                has_site = expansion > 1 and stride == 1 and channels == out_channels
                module = temporal(f"row {i + 1}", channels) if has_site else None
                self.features.append(
                    TemporalInvertedResidual(
                        in_channels=channels,
                        out_channels=out_channels,
                        stride=stride,
                        expansion=expansion,
                        temporal=module,
                    )
                )
                channels = out_channels
        self.out_channels = _rounded(spec.last_channels * max(1.0, spec.width))
        self.features.append(
            Conv2dNormActivation(channels, self.out_channels, kernel_size=1, activation_layer=nn.ReLU6)
        )
        for name, layer in self.features.named_modules():
            if isinstance(layer, nn.Conv2d) and ".temporal." not in name:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")  # torchvision's

    def forward(self, frames: Tensor, num_segments: int) -> Tensor:
        """Return feature maps.

        Args:
            frames: ``(N * T, 3, H, W)``.
            num_segments: T.

        Returns:
            ``(N * T, out_channels, H', W')``.
        """
        maps = frames
        for layer in self.features:
            maps = layer(maps, num_segments) if isinstance(layer, TemporalInvertedResidual) else layer(maps)
        return maps


class TemporalInvertedResidual(InvertedResidual):
    """torchvision's block: expand, depthwise 3x3, project; what enters the branch passes the temporal module first.

    Args:
        in_channels: of the maps.
        out_channels: of the output.
        stride: of the depthwise convolution, 1 or 2.
        expansion: channels of the depthwise convolution over ``in_channels``.
        temporal: module at the start of the branch; None leaves it out.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, stride: int, expansion: int, temporal: nn.Module | None = None
    ) -> None:
        super().__init__(in_channels, out_channels, stride, expansion)
        self.temporal = temporal

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:  # type: ignore[override]
        """Return ``(N * T, out_channels, H', W')`` of maps ``(N * T, in_channels, H, W)``."""
        branch = self.conv(maps if self.temporal is None else self.temporal(maps, num_segments))
        return maps + branch if self.use_res_connect else branch


def _rounded(channels: float, divisor: int = 8) -> int:
    """Return the nearest multiple of ``divisor``, but not below 90 % of ``channels`` (the MobileNet family's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
