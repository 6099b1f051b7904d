"""The LIGAR network: 3D MobileNet-V3 local path, global path, cosine head (Sec. III, Fig. 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.heads.cosine import CosineHead
from lightning_modules.layers.depthwise import DepthwiseConv3d
from lightning_modules.layers.inverted_residual import BlockSpec, InvertedResidual, pointwise_norm
from lightning_modules.ligar.local_global_diffusion import GlobalPath

if TYPE_CHECKING:
    from lightning_modules.heads.joint import JointCosineHead

GlobalPooling = Literal["attention", "average"]


def scaled_channels(channels: int, width: float, divisor: int = 8) -> int:
    """Return ``channels * width``, rounded to the nearest multiple of ``divisor`` but not below 90% of it.

    The MobileNet family's rule (the paper has one width only). At width 1 the numbers of ``LARGE`` stay.

    Raises:
        ValueError: if ``width`` is not positive.
    """
    if width <= 0:
        raise ValueError(f"width must be positive, got {width}")
    rounded = max(divisor, int(channels * width / divisor + 0.5) * divisor)
    return rounded if rounded >= 0.9 * channels * width else rounded + divisor


def _row(expanded, out, kernel, stride, activation, gated=False) -> BlockSpec:
    return BlockSpec(
        expanded_channels=expanded,
        out_channels=out,
        kernel=kernel,
        stride=stride,
        activation=activation,
        squeeze_excitation=gated,
    )


LARGE: tuple[BlockSpec, ...] = (
    _row(None, 16, (1, 3), (1, 1), "relu"),
    _row(64, 24, (3, 3), (1, 2), "relu"),
    _row(72, 24, (3, 3), (1, 1), "relu"),
    _row(72, 40, (3, 5), (1, 2), "relu", True),
    _row(120, 40, (3, 5), (2, 1), "relu", True),
    _row(120, 40, (5, 5), (1, 1), "relu", True),
    _row(240, 80, (5, 3), (1, 2), "hardswish"),
    _row(200, 80, (3, 3), (1, 1), "hardswish"),
    _row(184, 80, (3, 3), (1, 1), "hardswish"),
    _row(184, 80, (5, 3), (1, 1), "hardswish"),
    _row(480, 112, (3, 3), (2, 1), "hardswish", True),
    _row(672, 112, (3, 3), (1, 1), "hardswish", True),
    _row(672, 160, (3, 5), (1, 1), "hardswish", True),
    _row(672, 160, (3, 5), (1, 2), "hardswish", True),
    _row(960, 160, (3, 5), (1, 1), "hardswish", True),
)
"""The authors' 15 blocks, which the paper calls MobileNet-V3-Large.

Columns: expanded and output channels, kernel, stride, activation, squeeze-excitation; kernel and stride are
(temporal, spatial). Unlike in today's MobileNet-V3-Large, block 12 has 672 channels and stride 1, block 13
has 672 and stride 2. Only this layout has the published parameters and operations.
"""


LARGE_S3D: tuple[BlockSpec, ...] = tuple(
    replace(block, temporal="projection", kernel=(5, 3) if index == 0 else block.kernel)
    for index, block in enumerate(LARGE)
)
"""The same blocks with the temporal kernels in the projecting convolutions, as in S3D.

Block 0 has the temporal kernel of 5 here that the configuration asks for; without expansion, the depthwise
placement ignores it. Temporal strides are means over two frames.
"""


def _canonical(index: int, block: BlockSpec) -> BlockSpec:
    if index == 12:
        block = replace(block, stride=(1, 2))
    elif index == 13:
        block = replace(block, expanded_channels=960, stride=(1, 1))
    if not block.squeeze_excitation:
        return block
    assert block.expanded_channels is not None
    squeezed = scaled_channels(block.expanded_channels // 4, 1.0)
    return replace(block, squeeze_channels=squeezed, gate="after_activation")


CANONICAL: tuple[BlockSpec, ...] = tuple(_canonical(index, block) for index, block in enumerate(LARGE))
"""MobileNet-V3-Large as torchvision and timm have it, with the temporal kernels and strides of ``LARGE``.

Block 12 has 672 channels and stride 2, block 13 has 960 and stride 1; gates squeeze to a multiple of 8 and stand
after the activation. Weights trained on images fit it: on a still clip each block computes what it did on the image,
but for block 4, which its temporal stride costs the skip connection (as in the authors' network).
"""


class LigarNetwork(nn.Module):
    """Score clips by the cosines of their embedding with the class centres.

    Args:
        num_classes: K.
        width: multiplier of every channel number but the embedding's; see ``scaled_channels``.
        blocks: block table of the local path.
        stem_stride: stride of the first convolution in time, height and width. The paper's is (1, 2, 2);
            small inputs keep their resolution with (1, 1, 1).
        stem_channels: channels after the first convolution, before ``width``.
        feature_channels: channels after the last convolution, before ``width``.
        embedding_dim: D, size of the embedding.
        global_path: how the global path pools the local one's maps: ``attention`` (the paper) or ``average``; None
            leaves the global path out.
        head_sizes: classes of each of several heads, one per data set of a joint training; None for one head.

    Raises:
        ValueError: no classes or blocks, a width that is not positive, an unknown ``global_path``, or
            ``head_sizes`` that do not sum to ``num_classes``.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        width: float = 1.0,
        blocks: Sequence[BlockSpec] = LARGE,
        stem_stride: tuple[int, int, int] = (1, 2, 2),
        stem_channels: int = 16,
        feature_channels: int = 960,
        embedding_dim: int = 256,
        global_path: GlobalPooling | None = "attention",
        head_sizes: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        if head_sizes is not None and sum(head_sizes) != num_classes:
            raise ValueError(
                f"head_sizes must sum to num_classes ({num_classes}), got {head_sizes}, which sum to {sum(head_sizes)}"
            )
        feature_channels = scaled_channels(feature_channels, width)
        self.backbone = LigarBackbone(
            blocks=tuple(_scaled(block, width) for block in blocks),
            stem_stride=stem_stride,
            stem_channels=scaled_channels(stem_channels, width),
            feature_channels=feature_channels,
            global_path=global_path,
        )
        self.head: CosineHead | JointCosineHead
        if head_sizes is None:
            self.head = CosineHead(in_features=feature_channels, num_classes=num_classes, embedding_dim=embedding_dim)
        else:
            from lightning_modules.heads.joint import JointCosineHead

            self.head = JointCosineHead(
                in_features=feature_channels, head_sizes=head_sizes, embedding_dim=embedding_dim
            )

    def features(self, clips: Tensor) -> Tensor:
        """Return the mean of the feature map over time and space.

        Args:
            clips: ``(N, C, T, H, W)``, normalised RGB.

        Returns:
            ``(N, 960)``, or ``feature_channels`` times ``width``.
        """
        return self.backbone(clips).mean(dim=(2, 3, 4))

    def embed(self, clips: Tensor) -> Tensor:
        """Return unit-length embeddings of clips ``(N, C, T, H, W)``.

        Args:
            clips: normalised RGB.

        Returns:
            ``(N, D)``; of S heads ``(N, S, D)``.
        """
        return self.head.embed(self.features(clips))

    def forward(self, clips: Tensor) -> Tensor:
        """Return the class scores.

        Args:
            clips: ``(N, C, T, H, W)``, normalised RGB.

        Returns:
            ``(N, K)``, cosines in [-1, 1].
        """
        return self.head(self.features(clips))


class LigarBackbone(nn.Module):
    """Turn clips into feature maps along the local path, in exchange with the global path.

    Args:
        blocks: block table of the local path.
        stem_stride: stride of the first convolution in time, height and width.
        stem_channels: channels after the first convolution.
        feature_channels: channels of the output.
        global_path: ``attention``, ``average`` or None, as in ``LigarNetwork``.
        in_channels: channels of the clips.
    """

    def __init__(
        self,
        *,
        blocks: Sequence[BlockSpec],
        stem_stride: tuple[int, int, int],
        stem_channels: int,
        feature_channels: int,
        global_path: GlobalPooling | None = "attention",
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not blocks:
            raise ValueError("blocks must hold at least one block, got none")
        if global_path not in ("attention", "average", None):
            raise ValueError(f"global_path must be 'attention', 'average' or None, got {global_path!r}")
        channels = [stem_channels, *(block.out_channels for block in blocks)]
        self.stem = nn.Sequential(
            nn.Conv3d(in_channels, stem_channels, (1, 3, 3), stem_stride, padding=(0, 1, 1), bias=False),
            nn.BatchNorm3d(stem_channels),
            nn.Hardswish(),
        )
        self.blocks = nn.ModuleList(
            InvertedResidual(in_channels=before, spec=spec) for before, spec in zip(channels[:-1], blocks, strict=True)
        )
        self.global_path = None if global_path is None else GlobalPath(channels=channels, pooling=global_path)
        self.out = pointwise_norm(channels[-1], feature_channels)

    def forward(self, clips: Tensor) -> Tensor:
        """Return feature maps.

        Args:
            clips: ``(N, C, T, H, W)``.

        Returns:
            ``(N, feature_channels, T', H', W')``.
        """
        # Channels-last throughout: on a CPU the depthwise convolutions are 1.3 to 1.7 times slower without it.
        maps = self.stem(clips.contiguous(memory_format=torch.channels_last_3d))
        vectors = None if self.global_path is None else self.global_path.start(maps)
        for i, block in enumerate(self.blocks, start=1):
            maps = block(maps)
            if self.global_path is not None:
                maps, vectors = self.global_path.exchange(i, maps, vectors)
        return F.hardswish(self.out(maps))


def initialise_from_scratch(network: LigarNetwork) -> LigarNetwork:
    """Initialise the backbone as the authors do when there are no pre-trained weights; return it.

    Convolutions: normal with standard deviation sqrt(2 / (kt kh C_out)), the kernel's width and the groups
    ignored; biases 0; batch normalisations 1 and 0, all of them: this undoes the zero start of the global
    path. (A network as constructed has PyTorch's initialisation and the zero start, as the authors' has when
    2D weights are loaded into it.) The head is left as constructed.

    Args:
        network: changed in place.

    Returns:
        The same network.
    """
    for layer in network.backbone.modules():
        if isinstance(layer, (nn.Conv3d, DepthwiseConv3d, nn.Linear)):
            fan = layer.weight.shape[0]
            for side in layer.weight.shape[2:4]:
                fan *= side
            nn.init.normal_(layer.weight, std=(2.0 / fan) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm3d)):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network


def _scaled(block: BlockSpec, width: float) -> BlockSpec:
    expanded, squeezed = block.expanded_channels, block.squeeze_channels
    return replace(
        block,
        out_channels=scaled_channels(block.out_channels, width),
        expanded_channels=None if expanded is None else scaled_channels(expanded, width),
        squeeze_channels=None if squeezed is None else scaled_channels(squeezed, width),
    )
