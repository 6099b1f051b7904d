"""The VIPriors report's data module: 64 consecutive frames of 112 pixels, and the test settings of its Table 3."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch.utils.data import DataLoader

from datamodules.base import IMAGENET_MEAN, IMAGENET_STD, ClipDataModule
from datamodules.batch import InputSpec
from datamodules.frame_sampling import DenseSampling
from datamodules.playback_sampling import PLAYBACKS, Playback, PlaybackSampling, check_playbacks
from datamodules.subset import OpenSubset, open_subset
from datamodules.synthetic.members import Member
from datamodules.transforms import CenterCrop, Compose, RandomCrop, RandomHorizontalFlip, ShortSide
from datamodules.transforms.lighting import Lighting
from datamodules.transforms.scaled_corner_crop import ScaledCornerCrop
from datamodules.video_sampling import FrameOrder, FrameReader, TestClips

# Sec. III.A: multi-scale and corner cropping, lighting, contrast, flipping; interval and playback are drawn with the
# frames. The short side is not given: 128, so that a crop of 112 magnifies a little, as the largest scale does.
AUGMENTATION = (ShortSide(size=128), ScaledCornerCrop(size=112), Lighting(), RandomHorizontalFlip(p=0.5))

TestCrop = Literal["centre", "flip", "random"]
TEST_CROPS = ("centre", "flip", "random")
HeldOut = Literal["val", "test"]


class VipriorsData(ClipDataModule):
    """Serve clips of consecutive frames the way the report samples them.

    Defaults: training on 64 frames at interval 1 or 2, played forward, backward, or forward and backward; testing on
    ten random clips (the same every time), centre crop, interval 1, on the validation split. Validation during
    training takes the middle clip and the centre crop, whatever the test does. A member of the benchmark has one set
    of held-out videos: half of each class's are "val" here, the others "test". See
    :class:`~datamodules.base.ClipDataModule` for the other arguments.

    Args:
        intervals: of training clips, one drawn per video (Sec. III.A: "one or double step").
        playbacks: of training clips, one drawn per video.
        test_interval: source frames between two frames of a test clip.
        test_playback: "forward", "reverse" or "concatenated".
        test_crop: "centre"; "flip", its mirror image; "random", a place for each view, the same every time.
        test_subset: "val" or "test", which held-out videos a test takes.

    Raises:
        ValueError: an unknown crop, playback or subset, or backward playback of a data set that does not allow it.
    """

    evaluation_arguments = ClipDataModule.evaluation_arguments | {
        "test_interval", "test_playback", "test_crop", "test_subset",
    }  # fmt: skip
    shared_frames = ("source", "short_side", "test_subset")  # tests that agree in these read the same scaled frames

    def __init__(
        self,
        *,
        source: Any,
        num_frames: int = 64,
        intervals: tuple[int, ...] = (1, 2),
        playbacks: tuple[Playback, ...] = PLAYBACKS,  # type: ignore[assignment]
        views: int = 10,
        test_interval: int = 1,
        test_playback: Playback = "forward",
        test_crop: TestCrop = "centre",
        test_subset: HeldOut = "val",
        short_side: int = 128,
        size: int = 112,
        augmentation: Sequence[Any] = AUGMENTATION,
        frame_order: FrameOrder = "forward",
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        batch_size: int = 128,
        seed: int = 0,
        data_root: Path | None = None,
        num_workers: int = 0,
    ) -> None:
        if test_crop not in TEST_CROPS:
            raise ValueError(f"test_crop={test_crop!r}; accepted: {', '.join(TEST_CROPS)}")
        if test_subset not in ("val", "test"):
            raise ValueError(f"test_subset={test_subset!r}; accepted: val, test")
        super().__init__(
            source=source,
            sampling=DenseSampling,  # type: ignore[arg-type]  # replaced below: it knows one interval alone
            test_sampling=None,
            num_frames=num_frames,
            frame_interval=1,
            views=views,
            crops=1,
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
        check_playbacks((*playbacks, test_playback), reverse_labels_of(source))
        self.sampling: Any = PlaybackSampling(num_frames=num_frames, intervals=intervals, playbacks=playbacks)
        self.test_sampling: Any = PlaybackSampling(
            num_frames=num_frames, intervals=(test_interval,), playbacks=(test_playback,)
        )
        self.test_crop, self.test_subset = test_crop, test_subset

    @property
    def input_spec(self) -> InputSpec:
        """Say what a network trained on this data expects."""
        return dataclasses.replace(super().input_spec, frame_interval=self.frame_interval)

    def _opened(self, name: Any) -> OpenSubset:
        if name == "train" or name in self._subsets:
            return super()._opened(name)
        half: HeldOut = self.test_subset if name == "test" else name
        opened = open_subset(self.source, self.data_root, half)
        if isinstance(self.source, Member):
            opened = halved(opened, half)
        self._subsets[name], self.missing[name] = opened, opened.missing
        return opened

    def val_dataloader(self) -> DataLoader:
        """Return the validation loader: the middle clip of each video, centre crop, interval 1, forward."""
        loader = self._test_loader("val")
        clips: Any = loader.dataset
        clips.sampling = PlaybackSampling(num_frames=self.num_frames)
        return loader

    def test_dataloader(self) -> DataLoader:
        """Return the test loader: all views of a video in one sample."""
        loader = super().test_dataloader()
        clips: Any = loader.dataset
        clips.transform = self.test_setting()
        return loader

    def test_setting(self) -> Compose:
        """Return how test frames are cropped; the places of random crops depend on the video's position alone."""
        if self.test_crop == "random":
            return Compose(ShortSide(size=self.short_side), RandomCrop(size=self.size, per_clip=True))
        centre = (ShortSide(size=self.short_side), CenterCrop(size=self.size))
        if self.test_crop == "centre":
            return Compose(*centre)
        mirrored = RandomHorizontalFlip(p=1.0).with_mirror_labels(self.source.mirror_labels)
        return Compose(*centre, mirrored)

    def test_clips(self, reader: FrameReader) -> TestClips:
        """Return the test clips of this setting from another reader of the same videos' frames."""
        clips: Any = self.test_dataloader().dataset
        clips.reader = reader
        return clips

    def frame_preparation(self) -> ShortSide:
        """Return the scaling that all settings which share frames begin with."""
        return ShortSide(size=self.short_side)


class PartOfReader:
    """Read some of a reader's videos, under new positions.

    Args:
        reader: of all.
        positions: ``(n,)`` of those that are kept.
    """

    def __init__(self, reader: FrameReader, positions: np.ndarray) -> None:
        self.reader, self.positions = reader, positions

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """See :class:`~datamodules.video_sampling.FrameReader`."""
        return self.reader.read(int(self.positions[index]), choose)


def halved(opened: OpenSubset, half: HeldOut) -> OpenSubset:
    """Return every other video of each class: the first, third, ... as "val", the second, fourth, ... as "test"."""
    turns: dict[int, int] = {}
    kept = []
    for position, video in enumerate(opened.videos):
        turns[video.label] = turns.get(video.label, -1) + 1
        if turns[video.label] % 2 == (half == "test"):
            kept.append(position)
    positions = np.array(kept)
    return OpenSubset(
        videos=tuple(opened.videos[i] for i in kept),
        reader=PartOfReader(opened.reader, positions),
        missing=opened.missing,
        source_index=opened.source_index[positions],
    )


def reverse_labels_of(source: Any) -> tuple[int, ...] | None:
    """Return the class that each class becomes when played backward; see :func:`check_playbacks`.

    The benchmark's scenes play backward: where a motion has a reversal among the motions, no appearance does both, so
    that the label stays right. Of its gestures every class is another's reversal. Own videos are taken to keep their
    labels.
    """
    if isinstance(source, Member):
        return () if source.kind in ("scenes", "source") else None
    return getattr(source, "reverse_labels", ())


# The embedded benchmark: clips of 16 frames (8 for TSM) of videos of 32 to 40 frames, so that interval 2 fits, but for
# the 17th frame that residual frames need, which the shortest videos loop to; crops of 32 from frames of 36 pixels,
# which keeps the paper's 112 from 128; three random clips per test video.
PROXY_DATA = dict(
    num_frames=16,
    views=3,
    short_side=36,
    size=32,
    augmentation=(ShortSide(size=36), ScaledCornerCrop(size=32), Lighting(), RandomHorizontalFlip(p=0.5)),
)
SMOKE_DATA = dict(PROXY_DATA, num_frames=8, views=2)
