"""Which frames of a video form a clip: pure functions from (number of frames, generator) to frame indices.

Every class has the same two methods. ``train`` draws random clips, ``test`` places views, the same every
time. Indices count from 0 and are always below the number of frames: no sampling needs a minimum length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class SegmentSampling:
    """Take one frame of each of T equal segments of the video (sparse sampling).

    Args:
        num_frames: T, frames per clip = segments per video.
    """

    num_frames: int = 16

    def __post_init__(self) -> None:
        _require_positive(num_frames=self.num_frames)

    @property
    def span(self) -> None:
        """Return None: the clip covers the whole video, whatever its length."""
        return None

    def train(
        self,
        video_frames: int,
        rng: np.random.Generator,
        num_clips: int = 1,
        start_weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw a random frame of each segment: ``floor((t + u_t) * N / T)``, u_t uniform in [0, 1).

        A video with fewer frames than segments gives T frames drawn with replacement.

        Args:
            video_frames: N, frames in the video.
            rng: source of all randomness.
            num_clips: clips to draw, independent of each other.
            start_weights: must be None: a sparse clip has no start.

        Returns:
            ``(num_clips, T)`` int64, ascending within each clip.

        Raises:
            ValueError: no frames, no clips, or ``start_weights`` given.
        """
        _require_positive(video_frames=video_frames, num_clips=num_clips)
        _refuse_weights(start_weights, self)
        shape = (num_clips, self.num_frames)
        if video_frames < self.num_frames:
            return np.sort(rng.integers(video_frames, size=shape), axis=1)
        places = (np.arange(self.num_frames) + rng.random(shape)) * video_frames / self.num_frames
        return np.minimum(places.astype(np.int64), video_frames - 1)  # rounding can reach N in the last one

    def test(self, video_frames: int, num_views: int = 1) -> np.ndarray:
        """Take the same phase of every segment: ``floor((t + (v + 0.5) / V) * N / T)``.

        One view takes the middle frame of each segment. The phases of several views are our choice: LIGAR's
        authors repeat the same indices in each view.

        Args:
            video_frames: N, frames in the video.
            num_views: V.

        Returns:
            ``(V, T)`` int64, ascending within each view.

        Raises:
            ValueError: no frames or no views.
        """
        _require_positive(video_frames=video_frames, num_views=num_views)
        phase = 2 * np.arange(num_views)[:, None] + 1  # (V, 1), in units of 1 / (2 V) segments
        segment = 2 * num_views * np.arange(self.num_frames)  # (T,), same units
        return (segment + phase) * video_frames // (2 * num_views * self.num_frames)  # (V, T)


@dataclass(frozen=True, kw_only=True)
class ContinuousSampling:
    """Take T frames at a fixed interval from a random window, each shifted a little (LIGAR).

    A window covers ``n = T * frame_interval`` frames. A video shorter than that is played in a loop.

    Args:
        num_frames: T, frames per clip.
        frame_interval: source frames between two frames of a clip.
        jitter: shift each frame of a training clip by 0 .. frame_interval - 1 frames.
    """

    num_frames: int = 16
    frame_interval: int = 2
    jitter: bool = True

    def __post_init__(self) -> None:
        _require_positive(num_frames=self.num_frames, frame_interval=self.frame_interval)

    @property
    def span(self) -> int:
        """Return n, the number of source frames that a clip covers."""
        return self.num_frames * self.frame_interval

    def train(
        self,
        video_frames: int,
        rng: np.random.Generator,
        num_clips: int = 1,
        start_weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw clips from equal strata of the valid starts, or with given probabilities.

        Without weights, C clips take one random start in each of C equal parts of the ``N - n + 1`` valid
        starts; the few left over at the end are never used, as in the authors' code. With fewer valid starts
        than clips, starts are drawn from all of them and sorted; if the clips also outnumber the frames,
        evenly spaced.

        Args:
            video_frames: N, frames in the video.
            rng: source of all randomness.
            num_clips: C, clips to draw.
            start_weights: ``(N - n + 1,)``, unnormalised probability of each valid start; starts are drawn
                with replacement and sorted, uniformly if all weights are 0. Not used when the video is
                shorter than the window, where there is no choice of start.

        Returns:
            ``(C, T)`` int64. Starts ascend over clips; indices ascend within a clip unless the video loops.

        Raises:
            ValueError: no frames, no clips, or weights of the wrong number, negative or not finite.
        """
        _require_positive(video_frames=video_frames, num_clips=num_clips)
        if start_weights is not None and video_frames >= self.span:
            weights = np.asarray(start_weights, dtype=np.float64)
            starts = self._weighted_starts(video_frames, rng, num_clips, weights)
        else:
            starts = self._spread_starts(video_frames, rng, num_clips)
        indices = starts[:, None] + np.arange(self.num_frames) * self.frame_interval  # (C, T)
        if self.jitter:
            indices = indices + rng.integers(self.frame_interval, size=indices.shape)
        return indices % video_frames

    def test(self, video_frames: int, num_views: int = 1) -> np.ndarray:
        """Centre a window in each of V equal parts of the starts: ``floor((v + 0.5) * (N - n + 1) / V)``.

        Args:
            video_frames: N, frames in the video.
            num_views: V.

        Returns:
            ``(V, T)`` int64; when the video is shorter than the window, every view starts at frame 0 and
            loops.

        Raises:
            ValueError: no frames or no views.
        """
        _require_positive(video_frames=video_frames, num_views=num_views)
        num_starts = max(video_frames - self.span + 1, 0)
        starts = (2 * np.arange(num_views) + 1) * num_starts // (2 * num_views)  # (V,)
        return (starts[:, None] + np.arange(self.num_frames) * self.frame_interval) % video_frames

    def _spread_starts(self, video_frames: int, rng: np.random.Generator, num_clips: int) -> np.ndarray:
        num_starts = video_frames - self.span + 1
        if num_starts <= 0:
            return np.zeros(num_clips, dtype=np.int64)
        stratum = num_starts // num_clips
        clip = np.arange(num_clips)
        if stratum > 0:
            return clip * stratum + rng.integers(stratum, size=num_clips)
        if video_frames > max(num_clips, self.span):
            return np.sort(rng.integers(num_starts, size=num_clips))
        evenly = np.rint(clip * num_starts / num_clips).astype(np.int64)
        return np.minimum(evenly, num_starts - 1)  # the authors' rounding can pass the last valid one

    def _weighted_starts(
        self, video_frames: int, rng: np.random.Generator, num_clips: int, weights: np.ndarray
    ) -> np.ndarray:
        num_starts = video_frames - self.span + 1
        if weights.shape != (num_starts,):
            raise ValueError(
                f"start_weights has shape {weights.shape}; a video of {video_frames} frames and a window of "
                f"{self.span} need ({num_starts},)"
            )
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError(f"start_weights must be finite and >= 0, got {weights.min()} .. {weights.max()}")
        total = weights.sum()
        probabilities = weights / total if total > 0 else None
        return np.sort(rng.choice(num_starts, size=num_clips, p=probabilities))


@dataclass(frozen=True, kw_only=True)
class DenseSampling:
    """Take T frames at a fixed interval from a window anywhere in the video (dense sampling).

    A window covers ``n = (T - 1) * frame_interval + 1`` frames. A shorter video is played in a loop.

    Args:
        num_frames: T, frames per clip.
        frame_interval: source frames between two frames of a clip.
    """

    num_frames: int = 16
    frame_interval: int = 2

    def __post_init__(self) -> None:
        _require_positive(num_frames=self.num_frames, frame_interval=self.frame_interval)

    @property
    def span(self) -> int:
        """Return n, the number of source frames from a clip's first to its last frame."""
        return (self.num_frames - 1) * self.frame_interval + 1

    def train(
        self,
        video_frames: int,
        rng: np.random.Generator,
        num_clips: int = 1,
        start_weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw clips whose starts are uniform over ``0 .. N - n``.

        Args:
            video_frames: N, frames in the video.
            rng: source of all randomness.
            num_clips: clips to draw, independent of each other.
            start_weights: must be None: clip selection is defined for continuous sampling.

        Returns:
            ``(num_clips, T)`` int64.

        Raises:
            ValueError: no frames, no clips, or ``start_weights`` given.
        """
        _require_positive(video_frames=video_frames, num_clips=num_clips)
        _refuse_weights(start_weights, self)
        return self._windows(rng.integers(max(video_frames - self.span, 0) + 1, size=num_clips), video_frames)

    def test(self, video_frames: int, num_views: int = 1) -> np.ndarray:
        """Place windows evenly, the first at the start and the last at the end; a single one in the middle.

        Args:
            video_frames: N, frames in the video.
            num_views: V.

        Returns:
            ``(V, T)`` int64.

        Raises:
            ValueError: no frames or no views.
        """
        _require_positive(video_frames=video_frames, num_views=num_views)
        last_start = max(video_frames - self.span, 0)
        if num_views == 1:
            return self._windows(np.array([last_start // 2]), video_frames)
        return self._windows(np.arange(num_views) * last_start // (num_views - 1), video_frames)

    def _windows(self, starts: np.ndarray, video_frames: int) -> np.ndarray:
        return (starts[:, None] + np.arange(self.num_frames) * self.frame_interval) % video_frames


def _require_positive(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")


def _refuse_weights(start_weights: np.ndarray | None, sampling: object) -> None:
    if start_weights is not None:
        raise ValueError(f"start_weights is for ContinuousSampling; {type(sampling).__name__} takes None")
