"""SlowFast (Feichtenhofer et al., ICCV 2019), pytorchvideo's network, with places for what a paper changes in it.

A slow pathway sees few frames through many channels, a fast one many frames through few; lateral convolutions bring the
fast pathway's maps into the slow one behind the stem and each stage but the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

RESNET50 = (3, 4, 6, 3)
RESNET101 = (3, 4, 23, 3)
STAGES = ("res2", "res3", "res4", "res5")
SLOW, FAST = 0, 1
FAST_SHARE = 8  # 1 / beta: the slow pathway's channels over the fast one's


@dataclass(frozen=True)
class Block:
    """One residual block and where it stands.

    Args:
        pathway: ``SLOW`` or ``FAST``.
        stage: "res2" to "res5".
        number: within its stage, from 0.
        layers: pytorchvideo's block; its bottleneck is ``layers.branch2`` (``conv_a``, ``norm_a``, ``act_a``, ...).
        num_frames: of the maps it sees.
    """

    pathway: int
    stage: str
    number: int
    layers: Any
    num_frames: int


class SlowFast(nn.Module):
    """Turn clips into the pooled features of both pathways; there is no classifier.

    The clip's frames are subsampled here: every ``fast_stride``-th for the fast pathway, of these every ``alpha``-th
    for the slow one. 64 frames give 32 and 4. The result does not depend on the clip's height, width or length.

    Args:
        width: multiplier of all channels.
        depths: blocks of each stage; stage res4 of up to 23.
        num_frames: T of the clips, which blocks may need to know.
        fast_stride: see above.
        alpha: frames of the fast pathway over those of the slow one.
        activation: class of all activations.
        max_pool: halve maps by maximum pooling in front of res3, res4 and res5, in place of strided convolutions.
        stem_pool: halve the maps by a maximum pooling behind the first convolution.
        lateral_kernel: frames that a lateral convolution spans, odd.

    Raises:
        ValueError: depths that no ResNet-101 has, a width without whole channels, or frames that do not divide.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        depths: tuple[int, ...] = RESNET50,
        num_frames: int = 64,
        fast_stride: int = 2,
        alpha: int = 8,
        activation: type[nn.Module] = nn.ReLU,
        max_pool: bool = False,
        stem_pool: bool = True,
        lateral_kernel: int = 7,
    ) -> None:
        super().__init__()
        if len(depths) != 4 or any(not 1 <= own <= most for own, most in zip(depths, RESNET101, strict=True)):
            raise ValueError(f"depths must be 1 to {RESNET101} blocks of the four stages, got {depths}")
        slow, fast = int(64 * width), int(8 * width)
        if width <= 0 or slow != 64 * width or fast != 8 * width:
            raise ValueError(f"width must be a positive multiple of 1/8, got {width}")
        if num_frames % (fast_stride * alpha):
            raise ValueError(f"num_frames must be a multiple of fast_stride * alpha = {fast_stride * alpha}, "
                             f"got {num_frames}")  # fmt: skip
        self.fast_stride, self.alpha, self.depths = fast_stride, alpha, depths
        self.pathway_frames = (num_frames // (fast_stride * alpha), num_frames // fast_stride)

        def lateral(*, fusion_dim_in: int, stage_idx: int) -> nn.Module:
            if stage_idx == len(STAGES):
                return nn.Identity()
            return Lateral(
                channels=fusion_dim_in // FAST_SHARE,
                kernel=lateral_kernel,
                alpha=alpha,
                activation=activation,
                max_pool=max_pool and stage_idx > 0,
            )

        from pytorchvideo.models.slowfast import create_slowfast

        strides = (1, 1, 1, 1) if max_pool else (1, 2, 2, 2)
        pool = nn.MaxPool3d if stem_pool else None
        self.blocks: Any = create_slowfast(
            model_depth=50 if depths[2] <= RESNET50[2] else 101,
            slowfast_channel_reduction_ratio=FAST_SHARE,
            fusion_builder=lateral,
            activation=activation,
            stem_dim_outs=(slow, fast),
            stem_pool=(pool, pool),
            stage_spatial_strides=(strides, strides),
            head=None,
            head_pool=nn.AdaptiveAvgPool3d,  # any crop, any number of frames
        ).blocks
        for stage, depth in zip(self._stages(), depths, strict=True):
            for pathway in stage.multipathway_blocks:
                pathway.res_blocks = pathway.res_blocks[:depth]
        self.feature_channels = 32 * slow + 32 * fast

    def _stages(self) -> Iterator[Any]:
        yield from self.blocks[1:5]

    def residual_blocks(self) -> Iterator[Block]:
        """Yield every residual block of both pathways, stage by stage."""
        for name, stage in zip(STAGES, self._stages(), strict=True):
            for pathway, (blocks, frames) in enumerate(
                zip(stage.multipathway_blocks, self.pathway_frames, strict=True)
            ):
                for number, layers in enumerate(blocks.res_blocks):
                    yield Block(pathway, name, number, layers, frames)

    def pathways(self, clips: Tensor) -> list[Tensor]:
        """Return the clips of the slow and of the fast pathway, of clips ``(N, 3, T, H, W)``."""
        fast = clips[:, :, :: self.fast_stride]
        # Channels-last: a tenth faster on a CPU, and what tensor cores want.
        return [p.contiguous(memory_format=torch.channels_last_3d) for p in (fast[:, :, :: self.alpha], fast)]

    def forward(self, clips: Tensor) -> Tensor:
        """Return features ``(N, feature_channels)`` of clips ``(N, 3, T, H, W)``, normalised RGB or its residuals."""
        maps: Any = self.pathways(clips)  # a list which the stages overwrite
        for stage in self.blocks:
            maps = stage(maps)
        return maps.flatten(1)


class Lateral(nn.Module):
    """Append the fast pathway's maps, brought to the slow one's frames by a strided convolution over time.

    Args:
        channels: of the fast pathway; twice as many are appended.
        kernel: frames that the convolution spans.
        alpha: its stride.
        activation: behind its batch normalisation.
        max_pool: then halve height and width of both pathways.
    """

    def __init__(
        self, *, channels: int, kernel: int, alpha: int, activation: type[nn.Module], max_pool: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(
            channels, 2 * channels, (kernel, 1, 1), stride=(alpha, 1, 1), padding=(kernel // 2, 0, 0), bias=False
        )
        self.norm, self.activation = nn.BatchNorm3d(2 * channels), activation()
        self.pool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)) if max_pool else nn.Identity()

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return maps of the slow pathway, widened, and of the fast one."""
        slow, fast = maps
        widened = torch.cat([slow, self.activation(self.norm(self.conv(fast)))], dim=1)
        return [self.pool(widened), self.pool(fast)]
