"""The contract between data modules and Lightning modules: what a batch of clips holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClipBatch:
    """Hold N videos as V clips each, with what is needed to say where they came from.

    Args:
        clips: ``(N, V, C, T, H, W)``; uint8 RGB as loaded, normalised floats once on the device. V is 1 in
            ordinary training, 2 for paired clips, temporal views x crops in testing.
        labels: ``(N,)`` class index from 0.
        video_index: ``(N,)`` position of the video in its subset's list.
        frame_indices: ``(N, V, T)`` source frame of each frame of each clip, from 0.
        num_frames: ``(N,)`` number of frames in the source video; 0 marks a video that could not be decoded.
        source_index: ``(N,)`` which of several concatenated data sets the video belongs to.
        ignored: ``(N,)`` bool, videos whose loss does not count in training; None: none is. Their labels are the
            true ones all the same, so that what is learnt of them meanwhile (clip selection) stays right.
    """

    clips: Tensor
    labels: Tensor
    video_index: Tensor
    frame_indices: Tensor
    num_frames: Tensor
    source_index: Tensor
    ignored: Tensor | None = None

    def __len__(self) -> int:
        """Return N, the number of videos."""
        return len(self.labels)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> ClipBatch:
        """Return the batch with every tensor on ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> ClipBatch:
        """Return the batch in page-locked memory (called by the data loader)."""
        return self._map(Tensor.pin_memory)

    def with_clips(self, clips: Tensor) -> ClipBatch:
        """Return the same batch around other clips."""
        return replace(self, clips=clips)

    def select(self, videos: Tensor) -> ClipBatch:
        """Return the batch of some of its videos.

        Args:
            videos: ``(N,)`` bool, or the positions to take, in their order.
        """
        return self._map(lambda tensor: tensor[videos])

    def _map(self, function: Callable[[Tensor], Tensor]) -> ClipBatch:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: function(value) for name, value in values.items() if value is not None})


@dataclass(frozen=True)
class InputSpec:
    """Say what a network expects: stored in each checkpoint, so that its user needs nothing else.

    Args:
        num_frames: T, frames per clip.
        frame_interval: source frames between two frames of a clip; None for segment sampling.
        size: height and width of the network's input in pixels.
        short_side: short side in pixels to which a video is scaled before cropping; None leaves it alone.
        mean: per-channel mean, 0..255 scale, RGB.
        std: per-channel standard deviation, 0..255 scale, RGB.
        class_names: label order of the network's outputs.
    """

    num_frames: int
    frame_interval: int | None
    size: int
    short_side: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    class_names: tuple[str, ...]
