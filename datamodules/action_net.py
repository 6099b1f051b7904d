"""ACTION-Net's data module: one frame of each segment, corner crops of several sizes, 10 x 3 views (Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datamodules.base import IMAGENET_MEAN, IMAGENET_STD, ClipDataModule
from datamodules.frame_sampling import SegmentSampling
from datamodules.random_segment_views import RandomSegmentViews
from datamodules.transforms import Compose, ShortSide, ThreeCrops
from datamodules.transforms.multi_scale_crop import MultiScaleCrop
from datamodules.transforms.stretch import Square
from datamodules.video_sampling import FrameOrder

# "Corner cropping and scale-jittering" of frames whose short side is 256; nothing is mirrored, whatever the data set:
# left and right, or clockwise and counterclockwise, are classes of their own.
AUGMENTATION = (ShortSide(size=256), MultiScaleCrop(size=224))

# BN-Inception's weights were trained on 0..255 minus a mean, which their files give in the order blue, green, red.
BN_INCEPTION_INPUT = dict(mean=(128.0, 117.0, 104.0), std=(1.0, 1.0, 1.0))

QUICK_TEST = dict(views=1, crops=1)


def warped(augmentation: Sequence[Any]) -> tuple[Any, ...]:
    """Return an augmentation that loses the frames' aspect before its crop, as the released scripts do on EgoGesture.

    Args:
        augmentation: ends with a crop, whose size the frames are scaled to.
    """
    return (Square(size=augmentation[-1].size), augmentation[-1])


class ActionNetData(ClipDataModule):
    """Serve clips the way ACTION-Net samples them.

    Defaults are the paper's for all data sets: 8 segments, short side 256, training crops of 224, tested on 10 random
    clips (the same every time) of three crops of 256 each. A test with one crop, and validation, take the central
    square of side ``size``; one view takes the middle frame of each segment: ``views=1, crops=1`` is the quick test.
    See :class:`~datamodules.base.ClipDataModule` for the other arguments.

    Args:
        test_size: side in pixels of the squares where a view has three.
        warp: scale frames to squares of side ``size`` in validation and testing, in place of the short side and a
            crop; only for ``crops=1``. The released scripts do so on EgoGesture, with ``augmentation=warped(...)``.

    Raises:
        ValueError: a square that does not fit, or three crops of warped frames.
    """

    evaluation_arguments = ClipDataModule.evaluation_arguments | {"test_size"}

    def __init__(
        self,
        *,
        source: Any,
        num_frames: int = 8,
        views: int = 10,
        crops: int = 3,
        short_side: int = 256,
        size: int = 224,
        test_size: int = 256,
        warp: bool = False,
        augmentation: Sequence[Any] = AUGMENTATION,
        frame_order: FrameOrder = "forward",
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        batch_size: int = 64,
        seed: int = 0,
        data_root: Path | None = None,
        num_workers: int = 0,
    ) -> None:
        if test_size > short_side:
            raise ValueError(f"test_size={test_size} does not fit into short_side={short_side}")
        if warp and crops != 1:
            raise ValueError(f"crops={crops} with warp=True; a warped frame is a square: accepted is 1")
        super().__init__(
            source=source,
            sampling=RandomSegmentViews,
            test_sampling=None,
            num_frames=num_frames,
            frame_interval=1,
            views=views,
            crops=crops,
            short_side=short_side,
            size=size,
            augmentation=augmentation,
            clip_selection=None,
            frame_order=frame_order,
            clips_per_video=1,
            mean=mean,
            std=std,
            batch_size=batch_size,
            seed=seed,
            data_root=data_root,
            num_workers=num_workers,
        )
        self.test_size, self.warp = test_size, warp

    @staticmethod
    def _sampler(sampling: type, num_frames: int, frame_interval: int) -> SegmentSampling:
        return sampling(num_frames=num_frames)

    def _test_transform(self, *, crops: int) -> Compose:
        if self.warp:
            return Compose(Square(size=self.size))
        if crops == 1:
            return super()._test_transform(crops=1)
        return Compose(ShortSide(size=self.short_side), ThreeCrops(size=self.test_size))


# The embedded benchmark: frames of 40 pixels scaled to 36, so that crops of 32 are magnified as in the paper (crops of
# 224 from 256 pixels). Three random clips per test video: thirty views would take longer than the training.
PROXY_DATA = dict(
    views=3, crops=1, short_side=36, size=32, test_size=36, augmentation=(ShortSide(size=36), MultiScaleCrop(size=32)),
)  # fmt: skip
SMOKE_DATA = dict(
    num_frames=4, views=2, crops=3, short_side=36, size=32, test_size=32,
    augmentation=(ShortSide(size=36), MultiScaleCrop(size=32)),
)  # fmt: skip
