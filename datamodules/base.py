"""The one data module base class: a source of videos, how clips are sampled from it, and how they are prepared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from datamodules.batch import ClipBatch, InputSpec
from datamodules.clip_selection import ClipScores, ClipSelection
from datamodules.frame_sampling import ContinuousSampling, SegmentSampling
from datamodules.synthetic.decoded import DecodedVideos
from datamodules.synthetic.files import default_cache, prepare
from datamodules.synthetic.members import Member, true_segments
from datamodules.transforms import CenterCrop, Compose, ShortSide
from datamodules.video import Video
from datamodules.video_sampling import (
    EpochSampler,
    FileReader,
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
        source: a real data set or a member of the embedded benchmark.
        sampling: class of the sampler used in training.
        test_sampling: class of the sampler used in testing; None takes the one of training.
        num_frames: T, frames per clip.
        frame_interval: source frames between two frames of a clip (continuous sampling).
        views: temporal views per test video.
        short_side: short side in pixels to which test videos are scaled.
        size: height and width in pixels of the clips.
        augmentation: training transforms in order; they must end at ``size``.
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
    evaluation_arguments = frozenset({"views", "test_sampling", "frame_order"})

    def __init__(
        self,
        *,
        source: Any,
        sampling: type[ContinuousSampling] | type[SegmentSampling],
        test_sampling: type[ContinuousSampling] | type[SegmentSampling] | None,
        num_frames: int,
        frame_interval: int,
        views: int,
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
        self.short_side, self.size = short_side, size
        self.augmentation, self.frame_order, self.clips_per_video = augmentation, frame_order, clips_per_video
        self.clip_selection = clip_selection
        self.clip_scores = ClipScores(clip_selection) if clip_selection is not None else None
        self.mean, self.std = mean, std
        self.batch_size, self.seed, self.num_workers = batch_size, seed, num_workers
        self.missing: dict[str, tuple[Video, ...]] = {}
        self._subsets: dict[str, tuple[tuple[Video, ...], FrameReader]] = {}
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
        if isinstance(self.source, Member):
            prepare(self.source, default_cache(), processes=os.cpu_count() or 1)

    def subset(self, name: str) -> tuple[tuple[Video, ...], FrameReader]:
        """Return the videos of ``train``, ``val`` or ``test`` that are on disk, and their reader.

        Videos that the annotations list and the disk lacks are kept in :attr:`missing`.

        Raises:
            ValueError: no video of the subset is on disk.
        """
        if name not in self._subsets:
            if isinstance(self.source, Member):
                folder = prepare(self.source, default_cache(), processes=1)
                decoded = DecodedVideos(folder, "train" if name == "train" else "val")
                self._subsets[name] = self.source.videos(folder, "train" if name == "train" else "val"), decoded
                self.missing[name] = ()
            else:
                listed = self.source.videos(self.data_root, name)
                present = tuple(video for video in listed if video.path.exists())
                self.missing[name] = tuple(video for video in listed if not video.path.exists())
                if not present:
                    raise ValueError(
                        f"{self.source.name}: none of the {len(listed)} {name} videos is under {self.data_root}; "
                        f"the first one looked for is {listed[0].path if listed else 'not listed either'}"
                    )
                self._subsets[name] = present, FileReader(present)
        return self._subsets[name]

    def train_dataloader(self) -> DataLoader:
        """Return the training loader; its order and clips depend on (seed, epoch, video) alone."""
        videos, reader = self.subset("train")
        self._train_clips = TrainClips(
            videos=videos,
            reader=reader,
            sampling=self.sampling,
            transform=Compose(*self.augmentation).with_mirror_labels(self.source.mirror_labels),
            seed=self.seed,
            clips_per_video=self.clips_per_video,
        )
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
        return self._test_loader("val", views=1, frame_order="forward")

    def test_dataloader(self) -> DataLoader:
        """Return the test loader: all views of a video in one sample."""
        return self._test_loader("test", views=self.views, frame_order=self.frame_order)

    def _test_loader(self, subset: str, *, views: int, frame_order: FrameOrder) -> DataLoader:
        videos, reader = self.subset(subset)
        clips = TestClips(
            videos=videos,
            reader=reader,
            sampling=self.test_sampling,
            views=views,
            transform=Compose(ShortSide(size=self.short_side), CenterCrop(size=self.size)),
            frame_order=frame_order,
        )
        rank, world_size = self._place()
        sampler = ShardSampler(len(videos), rank=rank, world_size=world_size)
        return self._loader(clips, sampler, max(1, self.batch_size // views))

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
            self._train_clips.start_weights = self.clip_scores.snapshot().start_weights

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
        """
        if not isinstance(self.source, Member) or not self.source.untrimmed:
            return None
        if self._true_segments is None:
            folder = prepare(self.source, default_cache(), processes=1)
            self._true_segments = true_segments(folder, self.source, "train")
        segments = self._true_segments[batch.video_index.cpu().numpy()][:, :, None, None]  # (N, 2, 1, 1)
        frames = batch.frame_indices.cpu().numpy()  # (N, V, T)
        return ((frames >= segments[:, 0]) & (frames < segments[:, 1])).mean(axis=2)
