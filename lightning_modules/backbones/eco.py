"""ECO (Zolfaghari et al., ECCV 2018, Table 1): a 2D network per frame in front of a 3D ResNet over the frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_modules.backbones.bn_inception import BN_INCEPTION, BNInception, BNInceptionSpec
from lightning_modules.backbones.library_networks import initialise

STAGES = (128, 256, 512)  # conv3_x to conv5_x of a 3D ResNet-18


@dataclass(frozen=True, kw_only=True)
class EcoSpec:
    """Describe an ECO network; the defaults are the paper's.

    Args:
        frames_network: the 2D network, BN-Inception up to block 3c.
        width: multiplier of the 3D network's channels.
        parallel_2d: add the rest of the 2D network, averaged over the frames ("full"); else ECO Lite.
    """

    frames_network: BNInceptionSpec = BN_INCEPTION
    width: float = 1.0
    parallel_2d: bool = True

    def build(self) -> Eco:
        """Return the network."""
        return Eco(self)


class Eco(nn.Module):
    """Turn clips into pooled features of the 3D network and, in full, those of the parallel 2D network.

    Args:
        spec: see :class:`EcoSpec`.
    """

    def __init__(self, spec: EcoSpec) -> None:
        super().__init__()
        self.frames_network: BNInception = spec.frames_network.build()
        before: int = _units(self.frames_network)["double_3x3_1"].conv.out_channels  # type: ignore[assignment, union-attr]
        stages: list[nn.Module] = []
        for number, size in enumerate(STAGES):
            channels = max(1, int(size * spec.width))
            stages += [_block(before, channels, stride=1 if number == 0 else 2), _block(channels, channels, stride=1)]
            before = channels
        self.volume_network = nn.Sequential(*stages)
        initialise(self.volume_network)
        self.feature_channels = before
        if spec.parallel_2d:
            self.feature_channels += self.frames_network.out_channels
        else:
            _leave_out_the_rest(self.frames_network)
        self.parallel_2d = spec.parallel_2d

    def forward(self, clips: Tensor) -> Tensor:
        """Return features ``(N, feature_channels)`` of clips ``(N, 3, T, H, W)``."""
        frames = clips.transpose(1, 2).flatten(0, 1)  # (N T, 3, H, W)
        num_frames, network = clips.shape[2], self.frames_network
        maps = network.pool(network.conv1_7x7_s2(frames))
        maps = network.pool(network.conv2_3x3(network.conv2_3x3_reduce(maps)))
        for name in ("3a", "3b"):
            maps = network.blocks[name](maps, num_frames)
        units = _units(network)
        shared = units["double_3x3_1"](units["double_3x3_reduce"](maps))
        volume = shared.unflatten(0, (-1, num_frames)).transpose(1, 2)  # (N, 96, T, 28, 28)
        features = self.volume_network(volume).mean((2, 3, 4))
        if not self.parallel_2d:
            return features
        for name in list(network.blocks)[2:]:
            maps = network.blocks[name](maps, num_frames)
        frame_features = maps.mean((2, 3)).unflatten(0, (-1, num_frames)).mean(1)
        return torch.cat([features, frame_features], dim=1)


def _units(network: BNInception) -> nn.ModuleDict:
    """Return the convolutions of block 3c, of which the branch with two 3x3 ones leaves the 2D network."""
    return network.blocks["3c"].units  # type: ignore[return-value]


def _block(before: int, after: int, *, stride: int) -> nn.Module:
    from torchvision.models.video.resnet import BasicBlock, Conv3DSimple

    shortcut = None
    if stride != 1 or before != after:
        conv = nn.Conv3d(before, after, 1, stride=stride, bias=False)
        shortcut = nn.Sequential(conv, nn.BatchNorm3d(after))
    return BasicBlock(before, after, Conv3DSimple, stride, shortcut)


def _leave_out_the_rest(network: BNInception) -> None:
    """Remove what ECO Lite does not run."""
    for name in list(network.blocks)[3:]:
        del network.blocks[name]
    units = _units(network)
    for name in [name for name in units if name not in ("double_3x3_reduce", "double_3x3_1")]:
        del units[name]
