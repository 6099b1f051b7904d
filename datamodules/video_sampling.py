"""Which videos, in which order, and which clips of each: samplers and map-style datasets of clips.

Every random decision is a pure function of (seed, epoch, video), so an epoch is the same for any number of workers or
processes and can be repeated after an interruption.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from datamodules.batch import ClipBatch
from datamodules.video import UndecodableVideoError, Video, open_video

FrameOrder = Literal["forward", "shuffled", "repeated"]
SHUFFLE_STREAM = 0x5F  # keeps the shuffled-frames control apart from the streams that training draws from


class Sample(NamedTuple):
    """Hold one video's clips before they join a batch; the columns of :class:`~datamodules.batch.ClipBatch`.

    Args:
        clips: ``(V, T, C, H, W)`` uint8.
        label: class index.
        position: of the video in its subset's list.
        indices: ``(V, T)`` source frames.
        num_frames: of the video; 0 marks an undecodable one.
        source: which of several concatenated data sets the video belongs to.
        ignored: whether the video's loss does not count.
    """

    clips: torch.Tensor
    label: int
    position: int
    indices: np.ndarray
    num_frames: int
    source: int = 0
    ignored: bool = False


class FrameReader(Protocol):
    """Read frames of the videos of one subset by position."""

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """Return frames ``(V, T, H, W, 3)`` uint8, their indices ``(V, T)`` and the video's number of frames.

        ``choose`` maps the number of frames to the indices ``(V, T)`` wanted.
        """
        ...


class FileReader:
    """Decode the asked frames from video files and frame folders."""

    def __init__(self, videos: Sequence[Video]) -> None:
        self.videos = videos

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """See :class:`FrameReader`. The indices count from the start of the labelled part."""
        record = self.videos[index]
        with open_video(record.path) as video:
            first, end = labelled_frames(record, video.num_frames, video.fps)
            indices = choose(end - first)
            unique, inverse = np.unique(indices, return_inverse=True)
            frames = video.read(first + unique)
        return frames[inverse.reshape(indices.shape)], indices, end - first


def labelled_frames(record: Video, num_frames: int, fps: float | None) -> tuple[int, int]:
    """Return the first frame and the end frame of the labelled part; the whole file where none is given.

    It may be annotated in frames, or in seconds, which mean nothing in a folder of frames without a rate. A part that
    reaches beyond the file is cut. One in seconds that lies beyond it leaves the last frame, one in frames raises.
    """
    first, end = record.start_frame or 0, record.end_frame or num_frames
    if max(first + 1, end) > num_frames:
        reason = (
            f"{record.id} is annotated as its frames {first} to {max(first + 1, end) - 1} (from 0); it has {num_frames}"
        )
        if first >= num_frames:
            raise UndecodableVideoError(record.path, reason)
        warnings.warn(f"{record.path}: {reason}; the part is cut", stacklevel=2)
    if record.start_sec is not None and fps is not None:
        first = int(record.start_sec * fps)
        end = num_frames if record.end_sec is None else int(np.ceil(record.end_sec * fps))
    first = min(first, num_frames - 1)
    return first, max(min(end, num_frames), first + 1)


class EpochSampler(Sampler):
    """Yield (epoch, position) pairs: a permutation seeded by (seed, epoch), dealt out over the processes.

    The epoch travels with the position, so that workers need no shared state to know it. The incomplete last batch
    is dropped.

    Args:
        num_videos: size of the subset.
        batch_size: videos per batch and process.
        seed: of the run.
        rank: this process.
        world_size: number of processes.

    Raises:
        ValueError: fewer videos than one batch over all processes needs.
    """

    def __init__(self, num_videos: int, *, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.num_batches = num_videos // (batch_size * world_size)
        if self.num_batches == 0:
            raise ValueError(
                f"{num_videos} training videos do not fill one batch of {batch_size} videos on {world_size} "
                "process(es); use a smaller batch_size"
            )
        self.num_videos, self.batch_size, self.seed = num_videos, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation; called by Lightning at each epoch start."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.num_videos)
        used = order[: self.num_batches * self.batch_size * self.world_size]
        for position in used[self.rank :: self.world_size]:
            yield self.epoch, int(position)


class ShardSampler(Sampler):
    """Deal the test videos out over the processes without padding: no video is seen twice."""

    def __init__(self, num_videos: int, *, rank: int = 0, world_size: int = 1) -> None:
        self.positions = range(rank, num_videos, world_size)

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[int]:
        return iter(self.positions)


class TrainClips(Dataset):
    """Sample and augment clips of training videos.

    Args:
        videos: the subset.
        reader: where frames come from.
        sampling: gives clip indices from a video's length.
        transform: ``(clips (V, T, C, H, W) uint8, label, rng) -> (clips, label)``.
        seed: of the run.
        clips_per_video: V.
        source_index: which of several concatenated data sets each video belongs to; None for a single one.
    """

    def __init__(
        self,
        *,
        videos: Sequence[Video],
        reader: FrameReader,
        sampling,
        transform,
        seed: int,
        clips_per_video: int,
        source_index: np.ndarray | None = None,
    ) -> None:
        self.videos, self.reader, self.sampling, self.transform = videos, reader, sampling, transform
        self.seed, self.clips_per_video = seed, clips_per_video
        self.source_index = np.zeros(len(videos), dtype=np.int64) if source_index is None else source_index
        # Of one snapshot of the clip scores; both take (position, number of frames, frames that a clip covers).
        self.start_weights: Callable[[int, int, int], np.ndarray | None] | None = None
        self.rejects: Callable[[int, int, int], bool] | None = None

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: tuple[int, int]) -> Sample | None:
        epoch, position = key
        rng = np.random.default_rng([self.seed, epoch, position])

        def choose(num_frames: int) -> np.ndarray:
            weights = None
            if self.start_weights is not None:
                weights = self.start_weights(position, num_frames, self.sampling.span)
            return self.sampling.train(num_frames, rng, self.clips_per_video, weights)

        try:
            frames, indices, num_frames = self.reader.read(position, choose)
        except UndecodableVideoError as error:
            warnings.warn(f"left out of training: {error}", stacklevel=2)
            return None
        clips, label = self.transform(to_clips(frames), self.videos[position].label, rng)
        ignored = self.rejects is not None and self.rejects(position, num_frames, self.sampling.span)
        return Sample(clips, label, position, indices, num_frames, int(self.source_index[position]), ignored)


class TestClips(Dataset):
    """Sample the views of test videos, the same every time.

    Args:
        videos: the subset.
        reader: where frames come from.
        sampling: gives view indices from a video's length.
        transform: ``(clips, label, rng) -> (clips, label)``, deterministic; a view's crops, if several, are in a row.
        views: V, number of temporal views.
        frame_order: ``forward``; ``shuffled`` and ``repeated`` (the middle frame) show whether a network uses time.
        source_index: see :class:`TrainClips`.
    """

    def __init__(
        self,
        *,
        videos: Sequence[Video],
        reader: FrameReader,
        sampling,
        transform,
        views: int = 1,
        frame_order: FrameOrder = "forward",
        source_index: np.ndarray | None = None,
    ) -> None:
        self.videos, self.reader, self.sampling, self.views = videos, reader, sampling, views
        self.transform, self.frame_order = transform, frame_order
        self.source_index = np.zeros(len(videos), dtype=np.int64) if source_index is None else source_index

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, position: int) -> Sample:
        rng = np.random.default_rng([SHUFFLE_STREAM, position])

        def choose(num_frames: int) -> np.ndarray:
            return reorder(self.sampling.test(num_frames, self.views), self.frame_order, rng)

        try:
            frames, indices, num_frames = self.reader.read(position, choose)
        except UndecodableVideoError:
            return self.undecodable(position)
        return self._prepared(position, to_clips(frames), indices, num_frames, rng)

    def undecodable(self, position: int) -> Sample:
        """Return a black clip marked by 0 frames: the module scores it as wrong."""
        indices = self.sampling.test(1, self.views)
        black = torch.zeros((*indices.shape, 3, 8, 8), dtype=torch.uint8)
        return self._prepared(position, black, indices, 0, np.random.default_rng(0))

    def _prepared(
        self, position: int, clips: torch.Tensor, indices: np.ndarray, num_frames: int, rng: np.random.Generator
    ) -> Sample:
        clips, label = self.transform(clips, self.videos[position].label, rng)
        indices = indices.repeat(len(clips) // len(indices), axis=0)  # the crops of a view show the same frames
        return Sample(clips, label, position, indices, num_frames, int(self.source_index[position]))


def reorder(indices: np.ndarray, frame_order: FrameOrder, rng: np.random.Generator) -> np.ndarray:
    """Return the indices ``(V, T)`` in another order along T.

    Raises:
        ValueError: an unknown order.
    """
    if frame_order == "forward":
        return indices
    if frame_order == "shuffled":
        return rng.permuted(indices, axis=1)
    if frame_order == "repeated":
        middle = indices.shape[1] // 2
        return np.repeat(indices[:, middle : middle + 1], indices.shape[1], axis=1)
    raise ValueError(f"unknown frame_order {frame_order!r}; accepted: forward, shuffled, repeated")


def to_clips(frames: np.ndarray) -> torch.Tensor:
    """Turn frames ``(V, T, H, W, 3)`` into clips ``(V, T, 3, H, W)``."""
    return torch.from_numpy(frames).permute(0, 1, 4, 2, 3)


def collate(samples: Sequence[Sample | None]) -> ClipBatch:
    """Stack samples into a batch; training samples that could not be decoded (None) are left out.

    Raises:
        UndecodableVideoError: no sample of the batch could be decoded.
    """
    kept = [sample for sample in samples if sample is not None]
    if not kept:
        raise UndecodableVideoError("a whole batch", "none of its videos could be decoded")
    clips, labels, positions, indices, num_frames, sources, ignored = zip(*kept, strict=True)
    return ClipBatch(
        clips=torch.stack(clips).transpose(2, 3).contiguous(),  # (N, V, C, T, H, W)
        labels=torch.tensor(labels),
        video_index=torch.tensor(positions),
        frame_indices=torch.from_numpy(np.stack(indices)),
        num_frames=torch.tensor(num_frames),
        source_index=torch.tensor(sources),
        ignored=torch.tensor(ignored) if any(ignored) else None,
    )
