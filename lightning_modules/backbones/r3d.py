"""R3D: a ResNet with 1 x k x k kernels over video, the C2D of Wang et al. (CVPR 2018, arXiv 1711.07971)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

STAGE_CHANNELS = {"stem": 64, "res2": 256, "res3": 512, "res4": 1024, "res5": 2048}


class R3D(nn.Module):
    """Turn clips into pooled features, stage by stage, with pytorchvideo's ResNet; there is no classifier.

    No kernel spans frames, so that 2D ImageNet weights fit after adding a time axis of one; only the pooling behind
    res2 and at the end joins frames. Stage outputs are behind their activation.

    Args:
        width: multiplier of all channels.
        depth: 50, 101 or 152 layers.
        stem_stride: stride of the first convolution in time, height and width.
        stem_pool: halve height and width once more behind it. Small inputs keep their resolution without.
        halve_frames: take the maximum of two frames behind res2 and count it to res2, as in the C2D paper.

    Raises:
        ValueError: an unknown depth, or a width that leaves no whole number of channels.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        depth: int = 50,
        stem_stride: tuple[int, int, int] = (1, 2, 2),
        stem_pool: bool = True,
        halve_frames: bool = True,
    ) -> None:
        super().__init__()
        if depth not in (50, 101, 152):
            raise ValueError(f"depth must be 50, 101 or 152, got {depth}")
        if width <= 0 or 64 * width != int(64 * width):
            raise ValueError(f"width must be a positive multiple of 1/64, got {width}")
        from pytorchvideo.models.resnet import create_resnet

        blocks = create_resnet(
            model_depth=depth,
            stem_dim_out=int(64 * width),
            stem_conv_kernel_size=(1, 7, 7),
            stem_conv_stride=stem_stride,
            stem_pool=nn.MaxPool3d if stem_pool else None,
            stage_conv_a_kernel_size=((1, 1, 1),) * 4,
            head=None,
        ).blocks
        self.stage_channels = {name: int(channels * width) for name, channels in STAGE_CHANNELS.items()}
        self.feature_channels = self.stage_channels["res5"]
        self.stem_frames_stride = stem_stride[0]
        self.stem, self.res2, self.res3, self.res4, self.res5 = blocks
        self.pool_frames = nn.MaxPool3d((2, 1, 1)) if halve_frames else None

    def stage_maps(self, clips: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Run the stages; yield each one's name and maps.

        Args:
            clips: ``(N, 3, T, H, W)``, normalised RGB.

        Yields:
            name and ``(N, C, T', H', W')``; at 16 x 224 x 224: 64 x 16 x 56 x 56, 256 x 8 x 56 x 56,
            512 x 8 x 28 x 28, 1024 x 8 x 14 x 14, 2048 x 8 x 7 x 7.
        """
        # Channels-last: as fast on a CPU, and what reads the maps by channel needs no copy.
        maps = clips.contiguous(memory_format=torch.channels_last_3d)
        for name in self.stage_channels:
            maps = self.get_submodule(name)(maps)
            if name == "res2" and self.pool_frames is not None:
                maps = self.pool_frames(maps)
            yield name, maps

    def pooled(self, maps: Tensor) -> Tensor:
        """Return the features ``(N, 2048)`` of the last stage's maps ``(N, 2048, T', H', W')``."""
        return maps.mean((2, 3, 4))

    def frames_after(self, stage: str, num_frames: int) -> int:
        """Return T' behind a stage for clips of ``num_frames`` frames."""
        frames = -(-num_frames // self.stem_frames_stride)
        return frames if stage == "stem" or self.pool_frames is None else frames // 2
