"""Whole video networks of pytorchvideo and torchvision as backbones: SlowFast, I3D-R50, R3D-18, S3D.

Each is the library's own blocks in the library's own order, at its full size by default; widths, depths and strides are
arguments so that they also run on small clips. All take one clip and put out globally averaged features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class SlowFastSpec:
    """Describe a SlowFast network (Feichtenhofer et al., ICCV 2019) as pytorchvideo builds it.

    Args:
        depth: 18, 50 or 101.
        stem_channels: of the slow pathway's stem; the fast one has an eighth.
        alpha: the slow pathway sees every alpha-th frame.
        stem_stride: of both stems' convolutions.

    Raises:
        ValueError: channels that an eighth leaves nothing of.
    """

    depth: int = 50
    stem_channels: int = 64
    alpha: int = 4
    stem_stride: tuple[int, int, int] = (1, 2, 2)

    def __post_init__(self) -> None:
        if self.stem_channels < 8 or self.stem_channels % 8:
            raise ValueError(f"stem_channels={self.stem_channels}; accepted: multiples of 8")

    def build(self) -> SlowFast:
        """Return the network."""
        return SlowFast(self)


class SlowFast(nn.Module):
    """Turn clips into the features of both pathways, side by side.

    Args:
        spec: see :class:`SlowFastSpec`.
    """

    def __init__(self, spec: SlowFastSpec) -> None:
        super().__init__()
        from pytorchvideo.models.slowfast import create_slowfast

        self.alpha = spec.alpha
        self.network = create_slowfast(
            model_depth=spec.depth,
            slowfast_fusion_conv_stride=(spec.alpha, 1, 1),
            stem_dim_outs=(spec.stem_channels, spec.stem_channels // 8),
            stem_conv_strides=(spec.stem_stride, spec.stem_stride),
            head=None,
            head_pool=nn.AdaptiveAvgPool3d,
        )
        self.feature_channels = 32 * spec.stem_channels + 4 * spec.stem_channels

    def forward(self, clips: Tensor) -> Tensor:
        """Return features ``(N, feature_channels)`` of clips ``(N, 3, T, H, W)``, T a multiple of alpha."""
        return self.network([clips[:, :, :: self.alpha], clips]).flatten(1)


@dataclass(frozen=True, kw_only=True)
class I3dR50Spec:
    """Describe the ResNet-50 that is inflated as I3D is (Wang et al., CVPR 2018), as pytorchvideo builds it.

    The Inception I3D of Carreira and Zisserman has no maintained version; its separable descendant is S3D.

    Args:
        stem_channels: of the stem; the features have 32 times as many.
        stem_stride: of its convolution.
    """

    stem_channels: int = 64
    stem_stride: tuple[int, int, int] = (1, 2, 2)

    def build(self) -> I3dR50:
        """Return the network."""
        return I3dR50(self)


class I3dR50(nn.Module):
    """Turn clips into pooled features.

    Args:
        spec: see :class:`I3dR50Spec`.
    """

    def __init__(self, spec: I3dR50Spec) -> None:
        super().__init__()
        from pytorchvideo.models.resnet import create_resnet

        self.network = create_resnet(
            model_depth=50,
            stem_dim_out=spec.stem_channels,
            stem_conv_kernel_size=(5, 7, 7),
            stem_conv_stride=spec.stem_stride,
            stage1_pool=nn.MaxPool3d,
            stage_conv_a_kernel_size=(
                (3, 1, 1), [(3, 1, 1), (1, 1, 1)], [(3, 1, 1), (1, 1, 1)], [(1, 1, 1), (3, 1, 1)],
            ),
            head=None,
        )  # fmt: skip
        self.feature_channels = 32 * spec.stem_channels

    def forward(self, clips: Tensor) -> Tensor:
        """Return features ``(N, feature_channels)`` of clips ``(N, 3, T, H, W)``."""
        return self.network(clips).mean((2, 3, 4))


@dataclass(frozen=True, kw_only=True)
class R3d18Spec:
    """Describe an R3D (Tran et al., CVPR 2018) of torchvision's blocks; the defaults are its ``r3d_18``.

    Args:
        width: multiplier of all channels.
        layers: blocks of each stage.
        stem_stride: of the first convolution.
    """

    width: float = 1.0
    layers: tuple[int, int, int, int] = (2, 2, 2, 2)
    stem_stride: tuple[int, int, int] = (1, 2, 2)

    def build(self) -> R3d18:
        """Return the network."""
        return R3d18(self)


class R3d18(nn.Sequential):
    """Turn clips into pooled features.

    Args:
        spec: see :class:`R3d18Spec`.
    """

    def __init__(self, spec: R3d18Spec) -> None:
        from torchvision.models.video.resnet import BasicBlock, Conv3DSimple

        channels = [max(1, int(size * spec.width)) for size in (64, 64, 128, 256, 512)]
        stem = nn.Sequential(
            nn.Conv3d(3, channels[0], (3, 7, 7), spec.stem_stride, (1, 3, 3), bias=False),
            nn.BatchNorm3d(channels[0]),
            nn.ReLU(inplace=True),
        )
        stages: list[nn.Module] = []
        for number, (blocks, before, after) in enumerate(zip(spec.layers, channels, channels[1:], strict=False)):
            stride = 1 if number == 0 else 2
            shortcut = None
            if stride != 1:
                conv = nn.Conv3d(before, after, 1, stride=Conv3DSimple.get_downsample_stride(stride), bias=False)
                shortcut = nn.Sequential(conv, nn.BatchNorm3d(after))
            first = BasicBlock(before, after, Conv3DSimple, stride, shortcut)
            stages.append(nn.Sequential(first, *(BasicBlock(after, after, Conv3DSimple) for _ in range(blocks - 1))))
        super().__init__(stem, *stages, nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.feature_channels = channels[-1]
        initialise(self)


@dataclass(frozen=True, kw_only=True)
class S3dSpec:
    """Describe an S3D (Xie et al., ECCV 2018) of torchvision's blocks; the defaults are its ``s3d``.

    Args:
        width: multiplier of all channels, each at least 4.
        stem_stride: of the first convolution, in time and space alike.
    """

    width: float = 1.0
    stem_stride: int = 2

    def build(self) -> S3d:
        """Return the network."""
        return S3d(self)


# Inception blocks: channels of the first branch, of the next two before and after their convolution, of the last.
_S3D_BLOCKS: tuple[tuple[int, ...] | None, ...] = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None,
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128), None,
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip


class S3d(nn.Sequential):
    """Turn clips into pooled features.

    Args:
        spec: see :class:`S3dSpec`.
    """

    def __init__(self, spec: S3dSpec) -> None:
        from torchvision.models.video.s3d import SepInceptionBlock3D, TemporalSeparableConv
        from torchvision.ops.misc import Conv3dNormActivation

        def scaled(channels: int) -> int:
            return max(4, int(channels * spec.width))

        norm = partial(nn.BatchNorm3d, eps=0.001, momentum=0.001 if spec.width == 1 else 0.1)
        # The last pooling keeps what is left of a clip that is too short for it; of 16 frames nothing is.
        pools = iter((nn.MaxPool3d(3, 2, padding=1), nn.MaxPool3d(2, 2, ceil_mode=True)))
        stem, channels = scaled(64), scaled(192)
        layers: list[Any] = [
            TemporalSeparableConv(3, stem, 7, spec.stem_stride, 3, norm),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            Conv3dNormActivation(stem, stem, kernel_size=1, stride=1, norm_layer=norm),
            TemporalSeparableConv(stem, channels, 3, 1, 1, norm),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        ]
        for block in _S3D_BLOCKS:
            if block is None:
                layers.append(next(pools))
                continue
            own = [scaled(size) for size in block]
            layers.append(SepInceptionBlock3D(channels, *own, norm))
            channels = own[0] + own[2] + own[4] + own[5]
        super().__init__(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.feature_channels = channels


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Draw all 3D convolutions as He et al. do, as torchvision's R3D and the networks built here start."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
