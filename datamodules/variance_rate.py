"""Variance-rate sampling (MS3D, Eq. (1)): frames are drawn where the picture changes, a clip for each pathway."""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from datamodules.video import UndecodableVideoError
from datamodules.video_sampling import FrameOrder, FrameReader, Sample, TestClips, reorder, to_clips

FLOOR = 1e-6  # added to every step's rate, so that still parts stay within reach
GREY_SIZE = 56  # pixels to which larger frames are averaged before they are compared
FRAMES_AT_ONCE = 64  # bounds the memory of a long video
TEST_STREAM = 0x3D  # keeps the draws of the test apart from those of training

FrameOfStep = Literal["later", "earlier"]
Rates = Callable[[int], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class VarianceRateSampling:
    """Draw a clip of each pathway's length, independently, by the steps' probabilities; frames keep their order.

    A step leads from a frame to the next one. A video with fewer steps than a clip has frames is drawn from with
    replacement. Without probabilities every step is as likely as any other.

    Args:
        pathway_frames: lengths of the clips, which follow each other in the result.
        frame_of_step: which of a step's two frames is taken: the later one, so that frame 0 is never drawn, or the
            earlier one.
        test_draw: test views are "seeded" draws, the same every time, or the "quantiles" of the distribution.

    Raises:
        ValueError: no pathway, an empty one, or an unknown choice.
    """

    pathway_frames: tuple[int, ...] = (7, 17, 25)
    frame_of_step: FrameOfStep = "later"
    test_draw: Literal["seeded", "quantiles"] = "seeded"

    def __post_init__(self) -> None:
        if not self.pathway_frames or min(self.pathway_frames) < 1:
            raise ValueError(f"pathway_frames={self.pathway_frames}; accepted: one or more lengths of at least 1")
        if self.frame_of_step not in ("later", "earlier"):
            raise ValueError(f"frame_of_step={self.frame_of_step!r}; accepted: 'later', 'earlier'")
        if self.test_draw not in ("seeded", "quantiles"):
            raise ValueError(f"test_draw={self.test_draw!r}; accepted: 'seeded', 'quantiles'")

    @property
    def num_frames(self) -> int:
        """Return T, the frames of all pathways together."""
        return sum(self.pathway_frames)

    @property
    def span(self) -> None:
        """Return None: a clip reaches over the whole video."""
        return None

    def train(
        self,
        video_frames: int,
        rng: np.random.Generator,
        num_clips: int = 1,
        start_weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw clips at random.

        Args:
            video_frames: N, frames in the video.
            rng: source of all randomness.
            num_clips: clips to draw, independent of each other.
            start_weights: ``(N - 1,)`` probability of each step, of :func:`step_probabilities`; None: all alike.

        Returns:
            ``(num_clips, T)`` int64, ascending within each pathway.

        Raises:
            ValueError: no frames, no clips, or probabilities of another number of steps.
        """
        if video_frames < 1 or num_clips < 1:
            raise ValueError(f"video_frames={video_frames}, num_clips={num_clips}; accepted: 1 or more")
        if start_weights is not None and len(start_weights) != video_frames - 1:
            raise ValueError(f"{len(start_weights)} probabilities for the {video_frames - 1} steps of the video")
        if video_frames == 1:
            return np.zeros((num_clips, self.num_frames), dtype=np.int64)
        drawn = [
            np.concatenate([self._draw(video_frames - 1, length, start_weights, rng) for length in self.pathway_frames])
            for _ in range(num_clips)
        ]
        return self._frames(np.stack(drawn))

    def test(
        self,
        video_frames: int,
        num_views: int = 1,
        weights: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> np.ndarray:
        """Place the views, the same every time for the same video.

        Args:
            video_frames: N, frames in the video.
            num_views: V; fewer views are the first of more.
            weights: ``(N - 1,)`` probability of each step; None: all alike.
            rng: seeded by the video alone; None: by its length.

        Returns:
            ``(V, T)`` int64, ascending within each pathway.

        Raises:
            ValueError: no frames or views, or several views of the quantiles, which are one.
        """
        rng = rng or np.random.default_rng([TEST_STREAM, video_frames])
        if self.test_draw == "seeded" or video_frames == 1:
            return self.train(video_frames, rng, num_views, weights)
        if num_views != 1:
            raise ValueError(f"num_views={num_views} with test_draw='quantiles'; accepted: 1")
        weights = np.full(video_frames - 1, 1 / (video_frames - 1)) if weights is None else weights
        steps = [
            np.minimum(np.searchsorted(np.cumsum(weights), (np.arange(n) + 0.5) / n), video_frames - 2)
            for n in self.pathway_frames
        ]
        return self._frames(np.concatenate(steps)[None])

    @staticmethod
    def _draw(steps: int, length: int, weights: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
        return np.sort(rng.choice(steps, size=length, replace=steps < length, p=weights))

    def _frames(self, steps: np.ndarray) -> np.ndarray:
        return (steps + (self.frame_of_step == "later")).astype(np.int64)


def step_changes(frames: np.ndarray) -> np.ndarray:
    """Return the sum of absolute grey differences of each step ``(n - 1,)`` of frames ``(n, H, W, 3)`` uint8."""
    grey = torch.from_numpy(np.ascontiguousarray(frames)).float().mean(-1)  # (n, H, W)
    if max(grey.shape[1:]) > GREY_SIZE:
        size = (min(grey.shape[1], GREY_SIZE), min(grey.shape[2], GREY_SIZE))
        grey = F.adaptive_avg_pool2d(grey[:, None], size)[:, 0]
    return (grey[1:] - grey[:-1]).abs().sum((1, 2)).double().numpy()


def step_probabilities(changes: np.ndarray) -> np.ndarray:
    """Return p(z) of each step (Eq. (1)), positive and of sum 1; a video without any change gives all the same.

    Args:
        changes: ``(n - 1,)`` of :func:`step_changes`. Both sums of the equation run over the pixels first: the mean of
            the pixels' own shares would divide by zero wherever a pixel rests.
    """
    total = changes.sum()
    if total <= 0:
        return np.full(len(changes), 1 / max(1, len(changes)))
    rates = changes / total + FLOOR
    return rates / rates.sum()


class VarianceRates:
    """Know the step probabilities of a subset's videos: computed once per video, kept in memory and, if asked, on disk.

    Args:
        reader: of the subset, tailored where its clips are.
        folder: where the rates are kept from one run to the next; None: nowhere.
        names: of the videos' files there, by position; they change with whatever changes the frames.
    """

    def __init__(self, reader: FrameReader, *, folder: Path | None = None, names: Callable[[int], str] = str) -> None:
        self.reader, self.folder, self.names = reader, folder, names
        self._known: dict[int, np.ndarray] = {}

    def __call__(self, position: int) -> np.ndarray:
        """Return ``(n - 1,)`` probabilities of a video's steps.

        Raises:
            UndecodableVideoError: the video cannot be read.
        """
        if position not in self._known:
            self._known[position] = step_probabilities(self._changes(position))
        return self._known[position]

    def _changes(self, position: int) -> np.ndarray:
        if self.folder is None:
            return self._compared(position)
        path = self.folder / f"{hashlib.sha256(self.names(position).encode()).hexdigest()[:32]}.npy"
        if path.exists():
            return np.load(path)
        changes = self._compared(position)
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.npy")
        np.save(unfinished, changes)
        os.replace(unfinished, path)
        return changes

    def _compared(self, position: int) -> np.ndarray:
        changes, first = [], 0

        def part(num_frames: int) -> np.ndarray:
            return np.arange(first, min(num_frames, first + FRAMES_AT_ONCE + 1))[None]

        while True:
            frames, _, total = self.reader.read(position, part)
            changes.append(step_changes(frames[0]))
            first += FRAMES_AT_ONCE
            if first >= total - 1:
                return np.concatenate(changes)


class RatedTestClips(TestClips):
    """Sample test views by each video's own rates.

    Args:
        rates: step probabilities by position; None: all steps alike.
        **others: of :class:`~datamodules.video_sampling.TestClips`.
    """

    rates: Rates | None = None
    sampling: VarianceRateSampling

    def __getitem__(self, position: int) -> Sample:
        # By the video's name, not by its position: a missing file must not change the clips of those behind it.
        rng = np.random.default_rng([TEST_STREAM, zlib.crc32(self.videos[position].id.encode())])

        def choose(num_frames: int) -> np.ndarray:
            weights = self.rates(position) if self.rates is not None else None
            indices = self.sampling.test(num_frames, self.views, weights, rng)
            return reordered(indices, self.sampling.pathway_frames, self.frame_order, rng)

        try:
            frames, indices, num_frames = self.reader.read(position, choose)
        except UndecodableVideoError:
            return self.undecodable(position)
        return self._prepared(position, to_clips(frames), indices, num_frames, rng)


def reordered(
    indices: np.ndarray, pathway_frames: tuple[int, ...], frame_order: FrameOrder, rng: np.random.Generator
) -> np.ndarray:
    """Return the indices ``(V, T)`` in another order: shuffled within each pathway, or one frame for all of them."""
    if frame_order != "shuffled":
        return reorder(indices, frame_order, rng)
    parts = np.split(indices, np.cumsum(pathway_frames)[:-1], axis=1)
    return np.concatenate([reorder(part, frame_order, rng) for part in parts], axis=1)
