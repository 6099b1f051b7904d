"""Consecutive frames, played forward, backward, or forward and then backward (the VIPriors report's clips)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Playback = Literal["forward", "reverse", "concatenated"]
PLAYBACKS: tuple[str, ...] = get_args(Playback)
TEST_STREAM = 0x7B  # keeps the draws of the test apart from those of training


@dataclass(frozen=True, kw_only=True)
class PlaybackSampling:
    """Take T frames at a fixed interval from a random place; each clip draws its interval and how it is played.

    "concatenated" is the first half of the clip, then the same frames backward ("normal and reverse contacted video");
    of an odd T the middle frame is shown once. A video shorter than the window is played in a loop.

    Args:
        num_frames: T, frames per clip.
        intervals: source frames between two frames of a clip, one of them drawn per video.
        playbacks: one of them drawn per video; a name given twice is twice as likely.

    Raises:
        ValueError: no frames, no interval or one below 1, no playback or an unknown one.
    """

    num_frames: int = 64
    intervals: tuple[int, ...] = (1,)
    playbacks: tuple[Playback, ...] = ("forward",)

    def __post_init__(self) -> None:
        if self.num_frames < 1:
            raise ValueError(f"num_frames is {self.num_frames}; it must be at least 1")
        if not self.intervals or min(self.intervals) < 1:
            raise ValueError(f"intervals={self.intervals}; accepted: one or more numbers from 1")
        if not self.playbacks or not {*self.playbacks} <= {*PLAYBACKS}:
            raise ValueError(f"playbacks={self.playbacks}; accepted: one or more of {', '.join(PLAYBACKS)}")

    @property
    def span(self) -> int:
        """Return the number of source frames from a clip's first to its last frame, at the widest interval."""
        return (self.num_frames - 1) * max(self.intervals) + 1

    def train(
        self,
        video_frames: int,
        rng: np.random.Generator,
        num_clips: int = 1,
        start_weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw clips whose starts are uniform over all valid ones.

        Args:
            video_frames: N, frames in the video.
            rng: source of all randomness.
            num_clips: clips to draw; they share interval and playback.
            start_weights: must be None.

        Returns:
            ``(num_clips, T)`` int64.

        Raises:
            ValueError: no frames, no clips, or ``start_weights`` given.
        """
        if start_weights is not None:
            raise ValueError("start_weights is for ContinuousSampling; PlaybackSampling takes None")
        interval = self.intervals[int(rng.integers(len(self.intervals)))]
        playback = self.playbacks[int(rng.integers(len(self.playbacks)))]
        return self._clips(video_frames, rng, num_clips, interval, playback)

    def test(self, video_frames: int, num_views: int = 1) -> np.ndarray:
        """Take the middle window; of several views each a random one, the same every time.

        "We randomly select 64 consecutive frames [...], ten consecutive times" (Sec. III.C). Interval and playback are
        the first ones. The places depend on the video's length alone, and are the same for every playback.

        Args:
            video_frames: N, frames in the video.
            num_views: V.

        Returns:
            ``(V, T)`` int64.

        Raises:
            ValueError: no frames or no views.
        """
        interval, playback = self.intervals[0], self.playbacks[0]
        if num_views == 1:
            last = max(video_frames - (self.num_frames - 1) * interval - 1, 0)
            return self._played(np.array([last // 2]), video_frames, interval, playback)
        rng = np.random.default_rng([TEST_STREAM, max(video_frames, 0)])
        return self._clips(video_frames, rng, num_views, interval, playback)

    def _clips(
        self, video_frames: int, rng: np.random.Generator, num_clips: int, interval: int, playback: Playback
    ) -> np.ndarray:
        if video_frames < 1 or num_clips < 1:
            raise ValueError(f"video_frames is {video_frames}, clips are {num_clips}; both must be at least 1")
        starts = max(video_frames - (self.num_frames - 1) * interval, 1)
        return self._played(rng.integers(starts, size=num_clips), video_frames, interval, playback)

    def _played(self, starts: np.ndarray, video_frames: int, interval: int, playback: Playback) -> np.ndarray:
        return (starts[:, None] + played_order(self.num_frames, playback) * interval) % video_frames  # (V, T)


def played_order(num_frames: int, playback: Playback) -> np.ndarray:
    """Return which frame of a forward clip is shown at each of T places, ``(T,)``."""
    forward = np.arange(num_frames)
    if playback == "reverse":
        return forward[::-1].copy()
    if playback == "concatenated":
        return np.concatenate([forward[: num_frames - num_frames // 2], forward[: num_frames // 2][::-1]])
    return forward


def check_playbacks(playbacks: Sequence[str], reverse_labels: Sequence[int] | None) -> None:
    """Refuse backward playback of a data set whose classes mean something else backward.

    Args:
        playbacks: asked for.
        reverse_labels: class that each class becomes when reversed; empty: none changes; None: not known.

    Raises:
        ValueError: some class changes, or nobody knows.
    """
    if {*playbacks} <= {"forward"}:
        return
    if reverse_labels is None or any(label != i for i, label in enumerate(reverse_labels)):
        raise ValueError(
            f"playbacks={tuple(playbacks)}: backward, some classes of the data set mean another class, or nobody says "
            "that they do not; accepted: ('forward',)"
        )
