"""Recognise in a stream of frames by continuous sampling: a ring of prepared frames, a prediction every few frames."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.batch import InputSpec
from datamodules.transforms import CenterCrop, Compose, ShortSide
from datamodules.video_sampling import to_clips
from experiments.deploy.network import Network

REMEMBERED = 4096  # latest durations from which the percentiles are taken


class Preparation:
    """Prepare frames as the data module prepares those of test videos: short side, centre crop, normalisation.

    Args:
        spec: the network's input.
    """

    def __init__(self, spec: InputSpec) -> None:
        scale = () if spec.short_side is None else (ShortSide(size=spec.short_side),)
        self._transform = Compose(*scale, CenterCrop(size=spec.size))
        self._mean, self._std = (torch.tensor(values).view(3, 1, 1, 1) for values in (spec.mean, spec.std))
        self._rng = np.random.default_rng(0)  # nothing is drawn

    def frame(self, image: np.ndarray) -> Tensor:
        """Return ``(3, size, size)`` uint8 of an image ``(H, W, 3)`` uint8 RGB.

        Raises:
            ValueError: the image is smaller than the crop and the network's input is not scaled.
        """
        clips, _ = self._transform(to_clips(image[None, None]), 0, self._rng)  # (1, 1, 3, size, size)
        return clips[0, 0]

    def clip(self, frames: Tensor) -> np.ndarray:
        """Return normalised ``(1, 3, T, size, size)`` float32 of prepared frames ``(T, 3, size, size)``."""
        return ((frames.transpose(0, 1) - self._mean) / self._std)[None].contiguous().numpy()


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the network says of one window.

    Args:
        frame_indices: ``(T,)`` the source frames it saw.
        scores: ``(K,)`` as the network gives them.
        confidences: ``(K,)`` softmax of the scaled scores.
        unknown: the nearest class centre is too far (MS3D's gamma): none of the classes.
    """

    frame_indices: tuple[int, ...]
    scores: np.ndarray
    confidences: np.ndarray
    unknown: bool = False

    def top(self, names: Sequence[str], count: int = 5) -> list[tuple[str, float]]:
        """Return the ``count`` most confident classes with their confidence, in descending order.

        Of an unknown action the first is "unknown", and which class is the nearest.
        """
        order = np.argsort(-self.confidences, kind="stable")[:count]
        found = [(names[index], float(self.confidences[index])) for index in order]
        if self.unknown and found:
            found[0] = f"unknown, nearest: {found[0][0]}", found[0][1]
        return found


class Latencies:
    """Keep the latest durations of named steps, at most 4096 of each."""

    def __init__(self) -> None:
        self._sec: dict[str, deque[float]] = {}

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Measure the wall time of a block."""
        start = time.perf_counter()
        yield
        self.add(step, time.perf_counter() - start)

    def add(self, step: str, seconds: float) -> None:
        """Add one duration."""
        self._sec.setdefault(step, deque(maxlen=REMEMBERED)).append(seconds)

    def percentiles_ms(self) -> dict[str, tuple[float, float]]:
        """Return each step's 50th and 95th percentile in milliseconds."""
        return {step: tuple(1e3 * np.percentile(values, (50, 95))) for step, values in self._sec.items()}

    def __str__(self) -> str:
        return "   ".join(f"{step} {p50:.1f} / {p95:.1f} ms" for step, (p50, p95) in self.percentiles_ms().items())


class Recogniser:
    """Predict from the latest window of a stream: T frames at the network's frame interval.

    Frames are counted, not timed, as in training: frames 0, I, 2 I, ... of the stream are sampled, whatever their
    times. A stream whose frame rate differs from the training videos' wants another ``frame_interval``. What is kept
    does not grow: T prepared frames, and until there are so many, those between them too.

    Args:
        network: scores clips.
        every: source frames from one prediction to the next; rounded up to a sampled frame.
        frame_interval: I; None for the network's.
        latencies: where durations of ``preprocess`` (each sampled frame), ``normalise`` and ``infer`` (each
            prediction) are kept; None for new ones.

    Raises:
        ValueError: a network that samples whole videos, or a number below 1.
    """

    def __init__(
        self,
        network: Network,
        *,
        every: int = 8,
        frame_interval: int | None = None,
        latencies: Latencies | None = None,
    ) -> None:
        spec = network.input_spec
        if spec.frame_interval is None:
            raise ValueError(
                f"this network takes {spec.num_frames} frames spread over a whole video (segment sampling): a stream "
                "has no end to spread them over. Use a network trained with continuous sampling"
            )
        interval = spec.frame_interval if frame_interval is None else frame_interval
        for name, value in (("every", every), ("frame_interval", interval)):
            if value < 1:
                raise ValueError(f"{name}={value}; accepted: 1 or more frames")
        self.network, self.every, self.frame_interval = network, every, interval
        self.latencies = Latencies() if latencies is None else latencies
        self.num_frames = 0
        self.num_predictions = 0
        self._preparation = Preparation(spec)
        self._ring = torch.zeros(spec.num_frames, 3, spec.size, spec.size, dtype=torch.uint8)
        self._sampled = 0
        self._next = 0  # source frame from which on the next prediction is due
        self._beginning: list[Tensor] = []  # all frames, until the first window is full
        self._score_sum = np.zeros(len(spec.class_names))
        self._num_unknown = 0

    @property
    def window(self) -> int:
        """Return the number of source frames from a window's first to its last."""
        return (len(self._ring) - 1) * self.frame_interval + 1

    def feed(self, image: np.ndarray) -> Prediction | None:
        """Take the next frame; return a prediction where one is due and the window is full.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.
        """
        index = self.num_frames
        self.num_frames += 1
        is_sampled, is_beginning = index % self.frame_interval == 0, index < self.window - 1
        if not (is_sampled or is_beginning):
            return None
        with self.latencies.measure("preprocess"):
            frame = self._preparation.frame(image)
        if is_beginning:
            self._beginning.append(frame.clone())
        elif self._beginning:
            self._beginning.clear()
        if not is_sampled:
            return None
        self._ring[self._sampled % len(self._ring)] = frame
        self._sampled += 1
        if self._sampled < len(self._ring) or index < self._next:
            return None
        self._next = index + self.every
        order = (self._sampled + torch.arange(len(self._ring))) % len(self._ring)
        indices = index + (np.arange(len(self._ring)) - len(self._ring) + 1) * self.frame_interval
        return self._predict(self._ring[order], indices)

    def finish(self) -> Prediction | None:
        """Return a prediction for a stream that ended before its first window was full: it is played in a loop.

        None if there were predictions already, or no frames at all.
        """
        if self.num_predictions or not self._beginning:
            return None
        indices = np.arange(len(self._ring)) * self.frame_interval % self.num_frames
        return self._predict(torch.stack([self._beginning[index] for index in indices]), indices)

    def mean_prediction(self) -> Prediction | None:
        """Return the mean over all windows so far, as views of a test video are averaged; None before the first.

        It is unknown where most windows are.
        """
        if not self.num_predictions:
            return None
        mean = self._score_sum / self.num_predictions
        confidences = mean if self.network.view_score == "probs" else _softmax(self.network.confidence_scale * mean)
        mostly = 2 * self._num_unknown > self.num_predictions
        return Prediction(frame_indices=(), scores=mean, confidences=confidences, unknown=mostly)

    def _predict(self, frames: Tensor, indices: np.ndarray) -> Prediction:
        with self.latencies.measure("normalise"):
            clip = self._preparation.clip(frames)
        with self.latencies.measure("infer"):
            scores = self.network(clip)[0]
        confidences = _softmax(self.network.confidence_scale * scores.astype(np.float64))
        self.num_predictions += 1
        self._score_sum += confidences if self.network.view_score == "probs" else scores
        unknown = self._is_unknown(scores)
        self._num_unknown += unknown
        seen = tuple(int(i) for i in indices)
        return Prediction(frame_indices=seen, scores=scores, confidences=confidences, unknown=unknown)

    def _is_unknown(self, scores: np.ndarray) -> bool:
        """Say whether minus the largest score, a squared distance, is not below the threshold's square."""
        threshold = self.network.rejection_distance
        return threshold is not None and max(0.0, -float(scores.max())) ** 0.5 >= threshold


def recognise(
    frames: Iterator[np.ndarray], recogniser: Recogniser, show: Callable[[np.ndarray, Prediction | None], None]
) -> None:
    """Feed a stream to its end, giving each frame with the latest prediction to ``show``.

    The prediction of a stream shorter than the window comes after its frames, and is given with the last one.

    Args:
        frames: of the stream.
        recogniser: what predicts; it measures the decoding too.
        show: takes the frame and the latest prediction.
    """
    latest: Prediction | None = None
    image: np.ndarray | None = None
    while True:
        start = time.perf_counter()
        following = next(frames, None)
        if following is None:
            break
        recogniser.latencies.add("decode", time.perf_counter() - start)
        if image is not None:
            show(image, latest)
        image = following
        latest = recogniser.feed(image) or latest
    if image is not None:
        show(image, recogniser.finish() or latest)


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()
