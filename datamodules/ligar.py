"""LIGAR's data module: continuous sampling, one clip per video, one spatial crop (Sec. V.i, VI.ii)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datamodules.base import IMAGENET_MEAN, IMAGENET_STD, ClipDataModule
from datamodules.clip_selection import ClipSelection
from datamodules.frame_sampling import ContinuousSampling, SegmentSampling
from datamodules.transforms import (
    CrossNorm,
    OneOf,
    Photometric,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotate,
    RandomScaledCrop,
    ShortSide,
)
from datamodules.video_sampling import FrameOrder

# Paper Sec. V.i names the parts; the numbers, and what the clips of one video share, are the released configuration's:
# crop box, flip and choice of colour step are shared, so that within a pair only time, rotation and colours differ.
# CrossNorm's pool is found when a loader is built (datamodules/augmentation_files.py).
COLOUR_STEP = OneOf((0.10, None), (0.45, Photometric(per_clip=True)), (0.45, CrossNorm(per_clip=True)))
GENERAL_AUGMENTATION = (
    ShortSide(size=256),
    RandomRotate(p=0.5, degrees=10.0, per_clip=True),
    RandomResizedCrop(size=224, area=(0.4, 1.0), aspect=(0.5, 1.5)),
    RandomHorizontalFlip(p=0.5),
    COLOUR_STEP,
)

# Gestures reach to the frame's border, so the crop is larger, and it keeps their shape.
JESTER_AUGMENTATION = (
    ShortSide(size=256),
    RandomRotate(p=0.5, degrees=10.0, per_clip=True),
    RandomScaledCrop(size=224, scale=(0.875, 1.0), per_clip=True),
    RandomHorizontalFlip(p=0.5),
    COLOUR_STEP,
)
JESTER_DATA = dict(num_frames=16, frame_interval=1, augmentation=JESTER_AUGMENTATION)


class LigarData(ClipDataModule):
    """Serve clips the way LIGAR samples them.

    Defaults are the paper's general setting: 16 frames at interval 2 (a window of 32 frames), short side 256,
    crops of 224, single-view testing. See :class:`~datamodules.base.ClipDataModule` for the arguments.
    """

    def __init__(
        self,
        *,
        source: Any,
        sampling: type[ContinuousSampling] | type[SegmentSampling] = ContinuousSampling,
        test_sampling: type[ContinuousSampling] | type[SegmentSampling] | None = None,
        num_frames: int = 16,
        frame_interval: int = 2,
        views: int = 1,
        crops: int = 1,
        short_side: int = 256,
        size: int = 224,
        augmentation: Sequence[Any] = GENERAL_AUGMENTATION,
        clip_selection: ClipSelection | None = None,
        frame_order: FrameOrder = "forward",
        clips_per_video: int = 1,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        batch_size: int = 12,
        seed: int = 0,
        data_root: Path | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__(
            source=source,
            sampling=sampling,
            test_sampling=test_sampling,
            num_frames=num_frames,
            frame_interval=frame_interval,
            views=views,
            crops=crops,
            short_side=short_side,
            size=size,
            augmentation=augmentation,
            clip_selection=clip_selection,
            frame_order=frame_order,
            clips_per_video=clips_per_video,
            mean=mean,
            std=std,
            batch_size=batch_size,
            seed=seed,
            data_root=data_root,
            num_workers=num_workers,
        )


# The embedded benchmark: frames of 40 pixels, crops of 32, 8 frames at interval 2 (a window of 16). No flip: the
# mirrored motion is another class there.
PROXY_DATA = dict(
    num_frames=8, frame_interval=2, short_side=40, size=32, augmentation=(ShortSide(size=40), RandomCrop(size=32))
)
SMOKE_DATA = dict(num_frames=4, frame_interval=2, short_side=32, size=32, augmentation=(ShortSide(size=32),))
