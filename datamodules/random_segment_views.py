"""Sparse sampling that tests a video on several random clips, the same every time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.frame_sampling import SegmentSampling

TEST_STREAM = 0xAC  # keeps the draws of the test apart from those of training


@dataclass(frozen=True, kw_only=True)
class RandomSegmentViews(SegmentSampling):
    """Take one frame of each of T segments; at test, several views are drawn as in training, with a fixed seed.

    ACTION-Net's test: "we randomly sampled from the full-length video for 10 times" (Sec. 4.2), there without a seed.
    A single view takes the middle frame of each segment.

    Args:
        num_frames: T, frames per clip = segments per video.
    """

    num_frames: int = 8

    def test(self, video_frames: int, num_views: int = 1) -> np.ndarray:
        """Draw the views; they depend on the video's length alone, and fewer views are the first of more.

        Args:
            video_frames: N, frames in the video.
            num_views: V.

        Returns:
            ``(V, T)`` int64, ascending within each view.

        Raises:
            ValueError: no frames or no views.
        """
        if num_views == 1:
            return super().test(video_frames)
        return self.train(video_frames, np.random.default_rng([TEST_STREAM, video_frames]), num_views)
