"""BN-Inception (Ioffe and Szegedy, ICML 2015, Fig. 5), with a temporal module before each block but the first.

The layout is that of the Caffe model which TSN made popular; ``backbones/weights.py`` loads its PyTorch conversion. Its
convolutions have biases. Batch normalisations use PyTorch's momentum 0.1, where the conversion has 0.9, which would
keep a tenth of the old statistics only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.layers.segment_network import TemporalFactory, nowhere


@dataclass(frozen=True, kw_only=True)
class InceptionRow:
    """Give one block's channels, branch by branch in the order of its output.

    Args:
        single: of the 1x1 branch; None where there is none: then the block halves its maps.
        three: of the 3x3 branch: before, and of the 3x3 convolution.
        double: of the branch with two 3x3 convolutions: before, first, second.
        pool: "average" or "max" pooling in front of the last branch.
        projection: channels of the last branch's 1x1 convolution; None passes the pooled maps on as they are.
    """

    single: int | None
    three: tuple[int, int]
    double: tuple[int, int, int]
    pool: Literal["average", "max"]
    projection: int | None


def _row(single, three, double, pool, projection) -> InceptionRow:
    return InceptionRow(single=single, three=three, double=double, pool=pool, projection=projection)


ROWS: dict[str, InceptionRow] = {
    "3a": _row(64, (64, 64), (64, 96, 96), "average", 32),
    "3b": _row(64, (64, 96), (64, 96, 96), "average", 64),
    "3c": _row(None, (128, 160), (64, 96, 96), "max", None),
    "4a": _row(224, (64, 96), (96, 128, 128), "average", 128),
    "4b": _row(192, (96, 128), (96, 128, 128), "average", 128),
    "4c": _row(160, (128, 160), (128, 160, 160), "average", 128),
    "4d": _row(96, (128, 192), (160, 192, 192), "average", 128),
    "4e": _row(None, (128, 192), (192, 256, 256), "max", None),
    "5a": _row(352, (192, 320), (160, 224, 224), "average", 128),
    "5b": _row(352, (192, 320), (192, 224, 224), "max", 128),
}


@dataclass(frozen=True, kw_only=True)
class BNInceptionSpec:
    """Describe a BN-Inception; the defaults are the paper's.

    Args:
        width: multiplier of every channel number, which is rounded to a multiple of 8.
        stem_stride: stride of the first convolution.
    """

    width: float = 1.0
    stem_stride: int = 2

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ValueError(f"width must be positive, got {self.width}")

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the blocks whose input is a site: "2" (the rest of the stem), "3a" to "5b"."""
        return ("2", *ROWS)

    def build(self, temporal: TemporalFactory = nowhere) -> BNInception:
        """Return the network; all branches of a block see what its temporal module puts out."""
        return BNInception(self, temporal=temporal)


BN_INCEPTION = BNInceptionSpec()


class BNInception(nn.Module):
    """Turn frames into feature maps.

    Args:
        spec: see :class:`BNInceptionSpec`.
        temporal: gives the temporal module of each site.
    """

    def __init__(self, spec: BNInceptionSpec, *, temporal: TemporalFactory = nowhere) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(8, int(channels * spec.width / 8 + 0.5) * 8)

        stem = scaled(64)
        self.conv1_7x7_s2 = Unit(3, stem, kernel=7, stride=spec.stem_stride)
        self.conv2_3x3_reduce = Unit(stem, stem, kernel=1)
        self.conv2_3x3 = Unit(stem, scaled(192), kernel=3)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.temporal = temporal("2", stem)
        self.blocks = nn.ModuleDict()
        channels = scaled(192)
        for name, row in ROWS.items():
            row = InceptionRow(
                single=None if row.single is None else scaled(row.single),
                three=(scaled(row.three[0]), scaled(row.three[1])),
                double=(scaled(row.double[0]), scaled(row.double[1]), scaled(row.double[2])),
                pool=row.pool,
                projection=None if row.projection is None else scaled(row.projection),
            )
            block = Inception(in_channels=channels, row=row, temporal=temporal(name, channels))
            self.blocks[name], channels = block, block.out_channels
        self.out_channels = channels

    def forward(self, frames: Tensor, num_segments: int) -> Tensor:
        """Return feature maps.

        Args:
            frames: ``(N * T, 3, H, W)``.
            num_segments: T.

        Returns:
            ``(N * T, out_channels, H', W')``.
        """
        maps = self.pool(self.conv1_7x7_s2(frames))
        if self.temporal is not None:
            maps = self.temporal(maps, num_segments)
        maps = self.pool(self.conv2_3x3(self.conv2_3x3_reduce(maps)))
        for block in self.blocks.values():
            maps = block(maps, num_segments)
        return maps


class Inception(nn.Module):
    """Run up to four branches on the same maps and stack their channels.

    Args:
        in_channels: of the maps.
        row: channels of the branches.
        temporal: module before all branches; None leaves it out.
    """

    def __init__(self, *, in_channels: int, row: InceptionRow, temporal: nn.Module | None = None) -> None:
        super().__init__()
        self.temporal = temporal
        stride = 2 if row.single is None else 1
        units: dict[str, nn.Module] = {}
        if row.single is not None:
            units["1x1"] = Unit(in_channels, row.single, kernel=1)
        units["3x3_reduce"] = Unit(in_channels, row.three[0], kernel=1)
        units["3x3"] = Unit(row.three[0], row.three[1], kernel=3, stride=stride)
        units["double_3x3_reduce"] = Unit(in_channels, row.double[0], kernel=1)
        units["double_3x3_1"] = Unit(row.double[0], row.double[1], kernel=3)
        units["double_3x3_2"] = Unit(row.double[1], row.double[2], kernel=3, stride=stride)
        if row.projection is not None:
            units["pool_proj"] = Unit(in_channels, row.projection, kernel=1)
        self.units = nn.ModuleDict(units)  # named as in the Caffe model
        self.pool: nn.Module
        if stride == 2:
            self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        else:
            self.pool = (nn.MaxPool2d if row.pool == "max" else nn.AvgPool2d)(3, stride=1, padding=1)
        self.out_channels = (row.single or 0) + row.three[-1] + row.double[-1] + (row.projection or in_channels)

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:
        """Return ``(N * T, out_channels, H', W')`` of maps ``(N * T, in_channels, H, W)``."""
        if self.temporal is not None:
            maps = self.temporal(maps, num_segments)
        branches = [self._through(maps, "1x1")] if "1x1" in self.units else []
        branches.append(self._through(maps, "3x3_reduce", "3x3"))
        branches.append(self._through(maps, "double_3x3_reduce", "double_3x3_1", "double_3x3_2"))
        pooled = self.pool(maps)
        branches.append(self._through(pooled, "pool_proj") if "pool_proj" in self.units else pooled)
        return torch.cat(branches, dim=1)

    def _through(self, maps: Tensor, *names: str) -> Tensor:
        for name in names:
            maps = self.units[name](maps)
        return maps


class Unit(nn.Module):
    """Convolve, normalise, rectify.

    Args:
        in_channels: of the maps.
        out_channels: of the output.
        kernel: side of the kernel, odd; maps keep their size at stride 1.
        stride: of the convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``(M, out_channels, H', W')`` of maps ``(M, in_channels, H, W)``."""
        return self.relu(self.norm(self.conv(maps)))
