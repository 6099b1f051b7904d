"""The one data module base class: a source of videos, how clips are sampled from it, and how they are prepared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from datamodules.augmentation_files import image_members, with_files
from datamodules.batch import ClipBatch, InputSpec
from datamodules.clip_selection import ClipScores, ClipSelection
from datamodules.datasets.joint import members_of, mirror_labels_of, prepare_members
from datamodules.frame_sampling import ContinuousSampling, SegmentSampling
from datamodules.subset import OpenSubset, action_share, known_segments, open_subset
from datamodules.transforms import CenterCrop, Compose, ShortSide, ThreeCrops
from datamodules.video import Video
from datamodules.video_sampling import (
    EpochSampler,
    FrameOrder,
    FrameReader,
    ShardSampler,
    TestClips,
    TrainClips,
    collate,
)

IMAGENET_MEAN = (123.675, 116.28, 103.53)  # RGB, 0..255
IMAGENET_STD = (58.395, 57.12, 57.375)


class ClipDataModule(L.LightningDataModule):
    """Serve clips of one data set as :class:`~datamodules.batch.ClipBatch`.

    A paper's data module states its own defaults and passes everything on; it adds behaviour only where the paper
    does.

    Args:
        source: a real data set, a member of the embedded benchmark, or several as one (``Joint``).
        sampling: class of the sampler used in training.
        test_sampling: class of the sampler used in testing; None takes the one of training.
        num_frames: T, frames per clip.
        frame_interval: source frames between two frames of a clip (continuous sampling).
        views: temporal views per test video.
        crops: squares cut from each test view: 1 in the centre, 3 along the frame's long side. A video's clips are
            then the crops of its first view, those of its second, and so on.
        short_side: short side in pixels to which test videos are scaled.
        size: height and width in pixels of the clips.
        augmentation: training transforms in order; they must end at ``size``. Mirrored classes and files that they
            need are those of the source, found when the training loader is built.
        clip_selection: settings of Adaptive Clip Selection; None samples uniformly.
        frame_order: ``forward``, or a control of the test: ``shuffled``, ``repeated``.
        clips_per_video: V in training.
        mean: RGB mean, 0..255.
        std: RGB standard deviation, 0..255.
        batch_size: videos per batch and process.
        seed: of the run.
        data_root: folder of a real data set; None for the embedded benchmark.
        num_workers: loader processes; 0 loads in the training process.
    """

    harness_arguments = frozenset({"batch_size", "seed", "data_root", "num_workers"})
    evaluation_arguments = frozenset({"views", "crops", "test_sampling", "frame_order"})

    def __init__(
        self,
        *,
        source: Any,
        sampling: type[ContinuousSampling] | type[SegmentSampling],
        test_sampling: type[ContinuousSampling] | type[SegmentSampling] | None,
        num_frames: int,
        frame_interval: int,
        views: int,
        crops: int,
        short_side: int,
        size: int,
        augmentation: Sequence[Any],
        clip_selection: ClipSelection | None,
        frame_order: FrameOrder,
        clips_per_video: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        batch_size: int,
        seed: int,
        data_root: Path | None,
        num_workers: int,
    ) -> None:
        super().__init__()
        if views < 1:
            raise ValueError(f"views={views}; accepted: 1 or more")
        if crops not in (1, 3):
            raise ValueError(f"crops={crops}; accepted: 1 (centre), 3 (along the long side)")
        if size > short_side:
            raise ValueError(f"size={size} does not fit into short_side={short_side}")
        if clip_selection is not None and sampling is SegmentSampling:
            raise ValueError(
                "clip_selection chooses where a continuous clip starts; sampling=SegmentSampling has no start"
            )
        self.source, self.data_root = source, data_root
        self.sampling = self._sampler(sampling, num_frames, frame_interval)
        self.test_sampling = self._sampler(test_sampling or sampling, num_frames, frame_interval)
        self.num_frames, self.frame_interval, self.views = num_frames, frame_interval, views
        self.crops, self.short_side, self.size = crops, short_side, size
        self.augmentation, self.frame_order, self.clips_per_video = augmentation, frame_order, clips_per_video
        self.clip_selection = clip_selection
        self.clip_scores = ClipScores(clip_selection) if clip_selection is not None else None
        self.mean, self.std = mean, std
        self.batch_size, self.seed, self.num_workers = batch_size, seed, num_workers
        self.missing: dict[str, tuple[Video, ...]] = {}
        self.undecodable: dict[str, tuple[Video, ...]] = {}
        self._subsets: dict[str, OpenSubset] = {}
        self._train_clips: TrainClips | None = None
        self._true_segments: np.ndarray | None = None

    @staticmethod
    def _sampler(sampling: type, num_frames: int, frame_interval: int):
        if sampling is SegmentSampling:
            return SegmentSampling(num_frames=num_frames)
        return sampling(num_frames=num_frames, frame_interval=frame_interval)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the label order."""
        return self.source.class_names(self.data_root)

    @property
    def input_spec(self) -> InputSpec:
        """Say what a network trained on this data expects."""
        return InputSpec(
            num_frames=self.num_frames,
            frame_interval=self.frame_interval if isinstance(self.sampling, ContinuousSampling) else None,
            size=self.size,
            short_side=self.short_side,
            mean=self.mean,
            std=self.std,
            class_names=self.class_names,
        )

    def prepare_data(self) -> None:
        """Render the embedded benchmark's videos if they are not there yet."""
        prepare_members((*members_of(self.source), *image_members(self.augmentation, self.source)))

    def subset(self, name: str) -> tuple[tuple[Video, ...], FrameReader]:
        """Return the videos of ``train``, ``val`` or ``test`` that are on disk, and their reader.

        Videos that the annotations list and the disk lacks are kept in :attr:`missing`, training videos that the index
        of decoded videos excludes in :attr:`undecodable`.

        Raises:
            ValueError: no video of the subset is on disk; or none of one set's of a joint source.
        """
        opened = self._opened(name)
        return opened.videos, opened.reader

    def _opened(self, name: Any) -> OpenSubset:
        if name not in self._subsets:
            self._subsets[name] = open_subset(self.source, self.data_root, name)
            self.missing[name] = self._subsets[name].missing
            self.undecodable[name] = self._subsets[name].undecodable
        return self._subsets[name]

    def train_transform(self) -> Compose:
        """Return the augmentation with the source's mirrored classes and files.

        Raises:
            ValueError: there is a flip and the source refuses flipping, or a file is missing.
        """
        recipe = Compose(*self.augmentation).with_mirror_labels(mirror_labels_of(self.source, self.data_root))
        return with_files(recipe, source=self.source, data_root=self.data_root, views_of=self._member_views)

    def _member_views(self, member: Any) -> TestClips:
        return self.central_views(open_subset(member, None, "train"))

    def central_views(self, opened: OpenSubset | None = None) -> TestClips:
        """Return training videos (another source's on request) as in validation: one view, a central crop, uint8."""
        opened = opened or self._opened("train")
        transform = self._test_transform(crops=1)
        return TestClips(videos=opened.videos, reader=opened.reader, sampling=self.sampling, transform=transform)

    def _test_transform(self, *, crops: int) -> Compose:
        cut = CenterCrop(size=self.size) if crops == 1 else ThreeCrops(size=self.size)
        return Compose(ShortSide(size=self.short_side), cut)

    def train_dataloader(self) -> DataLoader:
        """Return the training loader; its order and clips depend on (seed, epoch, video) alone."""
        videos, reader = self.subset("train")
        self._train_clips = TrainClips(
            videos=videos, reader=reader, sampling=self.sampling, transform=self.train_transform(), seed=self.seed,
            clips_per_video=self.clips_per_video, source_index=self._opened("train").source_index,
        )  # fmt: skip
        rank, world_size = self._place()
        sampler = EpochSampler(
            len(videos), batch_size=self.batch_size, seed=self.seed, rank=rank, world_size=world_size
        )
        # Lightning makes the first iterator of a fit before on_train_epoch_start. Where it starts worker processes,
        # they must already know the epoch and the clip scores with which a resumed training goes on.
        trainer: Any = self.trainer
        if trainer is not None:
            sampler.set_epoch(trainer.fit_loop.epoch_progress.current.processed)
        self.begin_epoch()
        return self._loader(self._train_clips, sampler, self.batch_size)

    def val_dataloader(self) -> DataLoader:
        """Return the validation loader: one forward view per video."""
        return self._test_loader("val")

    def test_dataloader(self) -> DataLoader:
        """Return the test loader: all views of a video in one sample."""
        return self._test_loader("test", views=self.views, crops=self.crops, frame_order=self.frame_order)

    def _test_loader(
        self, name: str, *, views: int = 1, crops: int = 1, frame_order: FrameOrder = "forward"
    ) -> DataLoader:
        videos, reader = self.subset(name)
        clips = TestClips(
            videos=videos, reader=reader, sampling=self.test_sampling, transform=self._test_transform(crops=crops),
            views=views, frame_order=frame_order, source_index=self._opened(name).source_index,
        )  # fmt: skip
        rank, world_size = self._place()
        sampler = ShardSampler(len(videos), rank=rank, world_size=world_size)
        return self._loader(clips, sampler, max(1, self.batch_size // (views * crops)))

    def _place(self) -> tuple[int, int]:
        trainer: Any = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def _loader(self, dataset, sampler, batch_size: int) -> DataLoader:
        return DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # an iterator draws a number: not from the stream that the network draws from
        )

    def on_after_batch_transfer(self, batch: ClipBatch, dataloader_idx: int) -> ClipBatch:
        """Normalise uint8 clips to floats on the device: a quarter of the bytes travel."""
        mean, std = (torch.tensor(v, device=batch.clips.device).view(3, 1, 1, 1) for v in (self.mean, self.std))
        return batch.with_clips((batch.clips - mean) / std)

    # -- feedback from training: Adaptive Clip Selection -------------------------------------------------

    def begin_epoch(self) -> None:
        """Let the coming epoch sample by the clip scores gathered so far (an immutable copy of them)."""
        if self.clip_scores is not None and self._train_clips is not None:
            snapshot = self.clip_scores.snapshot()
            self._train_clips.start_weights, self._train_clips.rejects = snapshot.start_weights, snapshot.rejects

    def record_clips(
        self, *, video_index: np.ndarray, first: np.ndarray, end: np.ndarray, num_frames: np.ndarray,
        correct: np.ndarray, confidence: np.ndarray,
    ) -> None:  # fmt: skip
        """Add the outcome of training clips to the frame scores (eq. 2); takes effect at the next epoch.

        Args:
            video_index: ``(M,)`` position of the clip's video in the training subset.
            first: ``(M,)`` first source frame the clip covers.
            end: ``(M,)`` one past the last.
            num_frames: ``(M,)`` length of the video.
            correct: ``(M,)`` whether the clip was predicted as its video's class.
            confidence: ``(M,)`` score of the predicted class.
        """
        if self.clip_scores is None:
            raise ValueError("record_clips needs clip_selection=ClipSelection(...)")
        self.clip_scores.record(video_index, first, end, num_frames, correct, confidence)

    def state_dict(self) -> dict[str, Any]:
        """Return the clip scores, which belong to a checkpoint as much as the weights do."""
        return {"clip_scores": self.clip_scores.state_dict()} if self.clip_scores is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the clip scores."""
        if self.clip_scores is not None:
            self.clip_scores.load_state_dict(state_dict["clip_scores"])

    def true_action_share(self, batch: ClipBatch) -> np.ndarray | None:
        """Return for each training clip the share of its frames inside the true action; None where unknown.

        For analysis only: known on the embedded benchmark's untrimmed members, never used in training.

        Returns:
            ``(N, V)`` in 0..1.
        """
        if self._true_segments is None:
            self._true_segments = known_segments(self.source, "train")
        return None if self._true_segments is None else action_share(self._true_segments, batch)

    def clips_without_action(self, batch: ClipBatch) -> float | None:
        """Return the share of a training batch's clips none of whose frames shows the true action; None where unknown.

        The induced label noise of Sec. V.ii of LIGAR; for analysis only, as :meth:`true_action_share`.
        """
        share = self.true_action_share(batch)
        return None if share is None else float((share == 0).mean())
