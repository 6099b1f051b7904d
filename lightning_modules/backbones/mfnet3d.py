"""MFNet-3D: residual units of parallel fibres, mixed by a multiplexer (Chen et al., ECCV 2018, arXiv 1807.11195)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Triple = tuple[int, int, int]

STAGE_CHANNELS = {"conv1": 16, "conv2": 96, "conv3": 192, "conv4": 384, "conv5": 768}
UNITS = (3, 4, 6, 3)
FIBRES = 16


class MFNet3D(nn.Module):
    """Turn clips into pooled features, stage by stage; there is no classifier.

    conv1 to conv5 are the stages of the published table; time is halved once, by conv2. Stage outputs are raw sums,
    without normalisation or activation. Initialised as in the authors' code: Xavier-uniform.

    Args:
        width: multiplier of the number of fibres, 16 in every unit of the published network, and with it of all
            channels; a fibre keeps its size.
        stem_stride: stride of the first convolution in time, height and width.
        stem_pool: halve height and width once more behind it. Small inputs keep their resolution without.

    Raises:
        ValueError: a width that gives no whole number of fibres.
    """

    def __init__(self, *, width: float = 1.0, stem_stride: Triple = (1, 2, 2), stem_pool: bool = True) -> None:
        super().__init__()
        fibres = FIBRES * width
        if fibres < 1 or fibres != int(fibres):
            raise ValueError(f"width must be a positive multiple of 1/{FIBRES}, got {width}")
        fibres = int(fibres)
        self.stage_channels = {name: channels * fibres // FIBRES for name, channels in STAGE_CHANNELS.items()}
        self.feature_channels = self.stage_channels["conv5"]
        self.stem_frames_stride = stem_stride[0]
        channels = list(self.stage_channels.values())
        pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)) if stem_pool else nn.Identity()
        self.conv1 = nn.Sequential(
            nn.Conv3d(3, channels[0], (3, 5, 5), stem_stride, (1, 2, 2), bias=False),
            nn.BatchNorm3d(channels[0]),
            nn.ReLU(inplace=True),
            pool,
        )
        self.conv2 = _stage(channels[0], channels[1], units=UNITS[0], fibres=fibres, stride=(2, 1, 1))
        self.conv3 = _stage(channels[1], channels[2], units=UNITS[1], fibres=fibres, stride=(1, 2, 2))
        self.conv4 = _stage(channels[2], channels[3], units=UNITS[2], fibres=fibres, stride=(1, 2, 2))
        self.conv5 = _stage(channels[3], channels[4], units=UNITS[3], fibres=fibres, stride=(1, 2, 2))
        self.tail = nn.Sequential(nn.BatchNorm3d(channels[4]), nn.ReLU(inplace=True))
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.xavier_uniform_(layer.weight)

    def stage_maps(self, clips: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Run the stages; yield each one's name and maps.

        Args:
            clips: ``(N, 3, T, H, W)``, normalised RGB.

        Yields:
            name and ``(N, C, T', H', W')``; at 16 x 224 x 224: 16 x 16 x 56 x 56, 96 x 8 x 56 x 56,
            192 x 8 x 28 x 28, 384 x 8 x 14 x 14, 768 x 8 x 7 x 7.
        """
        # Channels-last throughout: on a CPU the network trains up to 1.5 times slower without it.
        maps = clips.contiguous(memory_format=torch.channels_last_3d)
        for name in self.stage_channels:
            maps = self.get_submodule(name)(maps)
            yield name, maps

    def pooled(self, maps: Tensor) -> Tensor:
        """Return the features ``(N, 768)`` of the last stage's maps ``(N, 768, T', H', W')``."""
        return self.tail(maps).mean((2, 3, 4))

    def frames_after(self, stage: str, num_frames: int) -> int:
        """Return T' behind a stage for clips of ``num_frames`` frames."""
        frames = -(-num_frames // self.stem_frames_stride)
        return frames if stage == "conv1" else -(-frames // 2)


class MultiFibreUnit(nn.Module):
    """Add to the input what two convolutions of parallel fibres make of it; every convolution is pre-activated.

    In front of them the multiplexer, two 1x1x1 convolutions over a bottleneck, lets fibres exchange information. A
    unit that changes shape has a 1x1x1 shortcut from its input and mixes all channels in its second convolution.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        fibres: number of fibres (groups).
        stride: steps (time, height, width); only for a unit that changes shape.
        changes_shape: whether this is the first unit of a stage.
    """

    def __init__(
        self, in_channels: int, channels: int, *, fibres: int, stride: Triple = (1, 1, 1), changes_shape: bool = False
    ) -> None:
        super().__init__()
        narrow = max(1, channels // 4)
        self.mix_narrow = PreActivated(in_channels, narrow, (1, 1, 1))
        self.mix_widen = PreActivated(narrow, in_channels, (1, 1, 1))
        self.first = PreActivated(in_channels, channels, (3, 3, 3), stride=stride, groups=fibres)
        self.shortcut: PreActivated | None = None
        if changes_shape:
            self.second = PreActivated(channels, channels, (1, 1, 1))
            self.shortcut = PreActivated(in_channels, channels, (1, 1, 1), stride=stride)
        else:
            self.second = PreActivated(channels, channels, (1, 3, 3), groups=fibres)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``(N, C', T', H', W')`` of maps ``(N, C, T, H, W)``."""
        mixed = maps + self.mix_widen(self.mix_narrow(maps))
        shortcut = maps if self.shortcut is None else self.shortcut(maps)
        return self.second(self.first(mixed)) + shortcut


class PreActivated(nn.Module):
    """Normalise, rectify, then convolve without a bias, zero-padded to keep the size at stride 1."""

    def __init__(
        self, in_channels: int, channels: int, kernel: Triple, *, stride: Triple = (1, 1, 1), groups: int = 1
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.norm = nn.BatchNorm3d(in_channels)
        self.conv = nn.Conv3d(in_channels, channels, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``(N, C', T', H', W')`` of maps ``(N, C, T, H, W)``."""
        return self.conv(F.relu(self.norm(maps), inplace=True))


def _stage(in_channels: int, channels: int, *, units: int, fibres: int, stride: Triple) -> nn.Sequential:
    first = MultiFibreUnit(in_channels, channels, fibres=fibres, stride=stride, changes_shape=True)
    return nn.Sequential(first, *(MultiFibreUnit(channels, channels, fibres=fibres) for _ in range(units - 1)))
