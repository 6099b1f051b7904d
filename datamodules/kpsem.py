"""KPSEM's data module: dense clips of 16 frames, prepared as in MFNet's code, which the paper follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch.utils.data import DataLoader

from datamodules.base import ClipDataModule
from datamodules.batch import InputSpec
from datamodules.frame_sampling import DenseSampling, SegmentSampling
from datamodules.transforms import CenterCrop, Compose, RandomCrop, RandomHorizontalFlip, ShortSide, ThreeCrops
from datamodules.transforms.hls import HlsJitter
from datamodules.transforms.stretch import RandomStretch, Square
from datamodules.video_sampling import FrameOrder

MFNET_MEAN = (124.0, 117.0, 104.0)  # RGB, 0..255
MFNET_STD = (1 / 0.0167,) * 3

# KPSEM's paper says 16 frames of 224 x 224, and to follow MFNet; the rest is the MFNet authors' code.
AUGMENTATION = (
    RandomStretch(short_side=(224.0, 288.0), factor=(0.8, 1.25)),
    RandomCrop(size=224),
    RandomHorizontalFlip(p=0.5),
    HlsJitter(hue=15, lightness=35, saturation=25),
)

TestCrop = Literal["random", "centre"]


class VariedSampling(DenseSampling):
    """Dense sampling whose training clips vary in their frame interval: i - 1, i, i or i + 1, each as likely.

    With i = 2 the MFNet authors' training on Kinetics; their tests take i.
    """

    def train(
        self,
        video_frames: int,
        rng: np.random.Generator,
        num_clips: int = 1,
        start_weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw ``(num_clips, T)`` frames; one interval for all clips of a video.

        Args:
            video_frames: N, frames in the video.
            rng: source of all randomness.
            num_clips: clips to draw, independent of each other.
            start_weights: must be None.

        Raises:
            ValueError: no frames, no clips, or ``start_weights`` given.
        """
        change = int(rng.choice((-1, 0, 0, 1)))
        drawn = DenseSampling(num_frames=self.num_frames, frame_interval=max(1, self.frame_interval + change))
        return drawn.train(video_frames, rng, num_clips, start_weights)


class KpsemData(ClipDataModule):
    """Serve clips the way KPSEM, following MFNet, samples them.

    Defaults: 16 frames at interval 2; training on stretched frames, random crops of 224, flips, jittered colours;
    testing on ten views, frames scaled to 256 x 256 whatever their aspect (``short_side`` is that square's side).
    The MFNet authors test random clips with random crops until they stop the program; here the clips are evenly
    spread, and a video's crops are drawn once and for all. Validation takes one view and the central crop. See
    :class:`~datamodules.base.ClipDataModule` for the other arguments.

    Args:
        test_crop: "random": each view of a test video has a crop of its own, always the same; "centre". Three crops
            (``crops``) are always the same three.

    Raises:
        ValueError: an unknown crop, or what the base class refuses.
    """

    evaluation_arguments = ClipDataModule.evaluation_arguments | {"test_crop"}

    def __init__(
        self,
        *,
        source: Any,
        sampling: type[DenseSampling] | type[SegmentSampling] = DenseSampling,
        test_sampling: type[DenseSampling] | type[SegmentSampling] | None = None,
        num_frames: int = 16,
        frame_interval: int = 2,
        views: int = 10,
        crops: int = 1,
        test_crop: TestCrop = "random",
        short_side: int = 256,
        size: int = 224,
        augmentation: Sequence[Any] = AUGMENTATION,
        frame_order: FrameOrder = "forward",
        mean: tuple[float, float, float] = MFNET_MEAN,
        std: tuple[float, float, float] = MFNET_STD,
        batch_size: int = 16,
        seed: int = 0,
        data_root: Path | None = None,
        num_workers: int = 0,
    ) -> None:
        if test_crop not in ("random", "centre"):
            raise ValueError(f"test_crop={test_crop!r}; accepted: 'random', 'centre'")
        super().__init__(
            source=source,
            sampling=sampling,  # type: ignore[arg-type]  # the base class takes any sampler of these arguments
            test_sampling=test_sampling,  # type: ignore[arg-type]
            num_frames=num_frames,
            frame_interval=frame_interval,
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
        self.test_crop = test_crop

    @property
    def input_spec(self) -> InputSpec:
        """Say what a network trained on this data expects."""
        interval = self.frame_interval if isinstance(self.sampling, DenseSampling) else None
        return dataclasses.replace(super().input_spec, frame_interval=interval)

    def _test_transform(self, *, crops: int) -> Compose:
        cut = CenterCrop(size=self.size) if crops == 1 else ThreeCrops(size=self.size)
        return Compose(Square(size=self.short_side), cut)

    def test_dataloader(self) -> DataLoader:
        """Return the test loader: all views of a video in one sample."""
        loader = super().test_dataloader()
        if self.crops == 1 and self.test_crop == "random":
            # Test videos draw from a generator seeded by their position alone: these crops are the same every time.
            clips: Any = loader.dataset
            clips.transform = Compose(Square(size=self.short_side), RandomCrop(size=self.size, per_clip=True))
        return loader


# The embedded benchmark: frames of 40 pixels, crops of 32, 8 frames at interval 2 (a window of 15), one central view.
# No flip: the mirrored motion is another class there.
PROXY_DATA = dict(
    num_frames=8,
    frame_interval=2,
    views=1,
    test_crop="centre",
    short_side=40,
    size=32,
    augmentation=(ShortSide(size=40), RandomCrop(size=32)),
)
SMOKE_DATA = dict(
    num_frames=4,
    frame_interval=2,
    views=2,
    test_crop="centre",
    short_side=32,
    size=32,
    augmentation=(ShortSide(size=32),),
)
