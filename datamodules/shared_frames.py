"""Decode each test video once for several ways of testing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from datamodules.transforms import Transform
from datamodules.video import UndecodableVideoError
from datamodules.video_sampling import FrameReader, TestClips, to_clips


@dataclass(frozen=True, eq=False)
class DecodedVideo:
    """Hold all frames of a video that some test needs; a :class:`~datamodules.video_sampling.FrameReader` of it.

    Args:
        position: of the video in its subset.
        frames: ``(U, H, W, 3)`` uint8, already scaled; None for a video that could not be decoded.
        indices: ``(U,)`` their numbers, ascending.
        num_frames: of the video.
    """

    position: int
    frames: np.ndarray | None
    indices: np.ndarray
    num_frames: int

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """See :class:`~datamodules.video_sampling.FrameReader`."""
        if self.frames is None:
            raise UndecodableVideoError(f"video {self.position}", "no frame can be decoded")
        wanted = choose(self.num_frames)
        return self.frames[np.searchsorted(self.indices, wanted)], wanted, self.num_frames


class SharedFrames(Dataset):
    """Give, by position, the frames of a video that any of several tests needs, each decoded and scaled once.

    Args:
        tests: of the same videos.
        reader: decodes them.
        preparation: the transform that all tests begin with; it draws nothing.
    """

    def __init__(self, tests: Sequence[TestClips], reader: FrameReader, preparation: Transform) -> None:
        self.tests, self.reader, self.preparation = tests, reader, preparation

    def __len__(self) -> int:
        return len(self.tests[0])

    def __getitem__(self, position: int) -> DecodedVideo:
        def choose(num_frames: int) -> np.ndarray:
            needed = [test.sampling.test(num_frames, test.views).ravel() for test in self.tests]
            return np.unique(np.concatenate(needed))[None]  # (1, U)

        try:
            frames, indices, num_frames = self.reader.read(position, choose)
        except UndecodableVideoError:
            return DecodedVideo(position, None, np.zeros(0, dtype=np.int64), 0)
        clips, _ = self.preparation(to_clips(frames), 0, np.random.default_rng(0))  # (1, U, 3, H, W)
        scaled = np.ascontiguousarray(clips[0].permute(0, 2, 3, 1).numpy())
        return DecodedVideo(position, scaled, indices[0], num_frames)
