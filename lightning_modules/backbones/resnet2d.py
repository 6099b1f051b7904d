"""ResNet for images (He et al., CVPR 2016; stride in the 3x3 convolution), with a temporal module in each block.

Parameters are named as in torchvision's ResNet, whose weights load by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from lightning_modules.layers.segment_network import TemporalFactory, nowhere


@dataclass(frozen=True, kw_only=True)
class ResNet2dSpec:
    """Describe a ResNet; the defaults are ResNet-50's.

    Args:
        block: "bottleneck" (1x1, 3x3, 1x1) or "basic" (3x3, 3x3).
        depths: blocks of each stage.
        widths: channels of each stage's 3x3 convolutions; the first is also the stem's.
        stem_kernel: side of the first convolution, odd.
        stem_stride: its stride.
        stem_pool: halve the maps by a maximum pooling after it.
        temporal_every: put temporal modules into every n-th block of a stage, from its first on. TSM takes 2 where a
            stage has 23 blocks or more.
    """

    block: Literal["bottleneck", "basic"] = "bottleneck"
    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem_kernel: int = 7
    stem_stride: int = 2
    stem_pool: bool = True
    temporal_every: int = 1

    def __post_init__(self) -> None:
        if self.block not in ("bottleneck", "basic"):
            raise ValueError(f"block must be 'bottleneck' or 'basic', got {self.block!r}")
        if not self.depths or len(self.depths) != len(self.widths) or min(*self.depths, *self.widths) < 1:
            raise ValueError(f"depths and widths must be as many positive numbers, got {self.depths} and {self.widths}")
        if self.stem_kernel < 1 or self.stem_kernel % 2 == 0:
            raise ValueError(f"stem_kernel must be odd and positive, got {self.stem_kernel}")
        if self.temporal_every < 1:
            raise ValueError(f"temporal_every must be at least 1, got {self.temporal_every}")

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the stages' names: res2, res3, ..."""
        return tuple(f"res{i + 2}" for i in range(len(self.depths)))

    def build(self, temporal: TemporalFactory = nowhere) -> ResNet2d:
        """Return the network; a site is the input of a block's first convolution, on its residual branch."""
        return ResNet2d(self, temporal=temporal)


RESNET50 = ResNet2dSpec()
RESNET101 = ResNet2dSpec(depths=(3, 4, 23, 3), temporal_every=2)


class ResNet2d(nn.Module):
    """Turn frames into feature maps.

    Args:
        spec: see :class:`ResNet2dSpec`.
        temporal: gives the temporal module of each site.
    """

    def __init__(self, spec: ResNet2dSpec, *, temporal: TemporalFactory = nowhere) -> None:
        super().__init__()
        channels = spec.widths[0]
        self.conv1 = _conv(3, channels, spec.stem_kernel, spec.stem_stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if spec.stem_pool else nn.Identity()
        block_class = Bottleneck if spec.block == "bottleneck" else BasicBlock
        for i, (stage, depth, width) in enumerate(zip(spec.stages, spec.depths, spec.widths, strict=True)):
            blocks = nn.ModuleList()
            for b in range(depth):
                module = temporal(stage, channels) if b % spec.temporal_every == 0 else None
                stride = 2 if b == 0 and i > 0 else 1
                blocks.append(block_class(in_channels=channels, width=width, stride=stride, temporal=module))
                channels = width * block_class.expansion
            self.add_module(f"layer{i + 1}", blocks)
        self.num_stages, self.out_channels = len(spec.depths), channels

    def forward(self, frames: Tensor, num_segments: int) -> Tensor:
        """Return feature maps.

        Args:
            frames: ``(N * T, 3, H, W)``.
            num_segments: T.

        Returns:
            ``(N * T, out_channels, H', W')``.
        """
        maps = self.maxpool(self.relu(self.bn1(self.conv1(frames))))
        for i in range(self.num_stages):
            for block in self.get_submodule(f"layer{i + 1}").children():
                maps = block(maps, num_segments)
        return maps


class _Block(nn.Module):
    """Add a branch of convolutions, whose input passes the temporal module, to the (projected) input."""

    expansion: int

    def __init__(self, *, in_channels: int, width: int, stride: int, temporal: nn.Module | None) -> None:
        super().__init__()
        self.temporal = temporal
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != width * self.expansion:
            out_channels = width * self.expansion
            self.downsample = nn.Sequential(_conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))

    def branch(self, maps: Tensor) -> Tensor:
        """Return the convolutions' output, not yet rectified."""
        raise NotImplementedError

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:
        """Return ``(N * T, width * expansion, H', W')`` of maps ``(N * T, in_channels, H, W)``."""
        branch = self.branch(maps if self.temporal is None else self.temporal(maps, num_segments))
        return self.relu(branch + (maps if self.downsample is None else self.downsample(maps)))


class Bottleneck(_Block):
    """1x1 convolution to ``width`` channels, 3x3, 1x1 to four times as many.

    Args:
        in_channels: of the maps.
        width: channels of the 3x3 convolution.
        stride: of the 3x3 convolution.
        temporal: module before the first convolution; None leaves it out.
    """

    expansion = 4

    def __init__(self, *, in_channels: int, width: int, stride: int = 1, temporal: nn.Module | None = None) -> None:
        super().__init__(in_channels=in_channels, width=width, stride=stride, temporal=temporal)
        self.conv1, self.bn1 = _conv(in_channels, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)

    def branch(self, maps: Tensor) -> Tensor:
        """Return the convolutions' output, not yet rectified."""
        maps = self.relu(self.bn1(self.conv1(maps)))
        maps = self.relu(self.bn2(self.conv2(maps)))
        return self.bn3(self.conv3(maps))


class BasicBlock(_Block):
    """Two 3x3 convolutions.

    Args:
        in_channels: of the maps.
        width: channels of both convolutions.
        stride: of the first.
        temporal: module before the first convolution; None leaves it out.
    """

    expansion = 1

    def __init__(self, *, in_channels: int, width: int, stride: int = 1, temporal: nn.Module | None = None) -> None:
        super().__init__(in_channels=in_channels, width=width, stride=stride, temporal=temporal)
        self.conv1, self.bn1 = _conv(in_channels, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3), nn.BatchNorm2d(width)

    def branch(self, maps: Tensor) -> Tensor:
        """Return the convolutions' output, not yet rectified."""
        return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps)))))


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # torchvision's
    return conv
