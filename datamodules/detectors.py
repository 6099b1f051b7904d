"""Find the actor of a video: the box around all people in some of its frames, or around all that moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from datamodules.transforms.tailor import Box

PERSON_OF_COCO = 1  # torchvision's numbering
YOLOX_STRIDES = (8, 16, 32)
YOLOX_GREY = 114  # what fills its square input up
LEAST_SIDE = 1 / 64  # of a box, as a share of the frame


class Detector(Protocol):
    """Find one box in the frames of a video."""

    name: str

    def __call__(self, frames: np.ndarray) -> Box | None:
        """Return the box around the actor in frames ``(n, H, W, 3)`` uint8; None where nobody is."""
        ...


class MotionDetector:
    """Find where the picture changes: no weights, no classes; for a camera that rests.

    Args:
        threshold: largest difference to the median frame, 0..255, from which on a pixel moves.
        left_out: share of the moving pixels that may lie outside on each side, against specks.
    """

    def __init__(self, *, threshold: float = 30.0, left_out: float = 0.01) -> None:
        self.threshold, self.left_out, self.name = threshold, left_out, f"motion above {threshold:g}"

    def __call__(self, frames: np.ndarray) -> Box | None:
        """See :class:`Detector`; None where nothing moves."""
        grey = frames.astype(np.float32).mean(-1)  # (n, H, W)
        moving = np.abs(grey - np.median(grey, axis=0)).max(0) > self.threshold
        if not moving.any():
            return None
        sides = [self._ends(moving.sum(axis)) for axis in (0, 1)]
        return (sides[0][0], sides[1][0], sides[0][1], sides[1][1])

    def _ends(self, counts: np.ndarray) -> tuple[float, float]:
        """Return both ends, as shares, of what lies between the outer parts along one side."""
        reached = np.cumsum(counts) / counts.sum()
        first = int(np.searchsorted(reached, self.left_out, side="right"))
        end = int(np.searchsorted(reached, 1 - self.left_out)) + 1
        return first / len(counts), end / len(counts)


class TorchvisionDetector:
    """Find people with torchvision's SSDlite on MobileNet-V3 (BSD licence), trained on COCO.

    Args:
        weights: a file of its weights; None: torchvision's own, downloaded once.
        score: least probability of a person.

    Raises:
        ValueError: weights that do not fit.
    """

    def __init__(self, *, weights: Path | None = None, score: float = 0.5) -> None:
        from torchvision.models.detection import ssdlite320_mobilenet_v3_large

        self.score, self.name = score, f"torchvision SSDlite320 MobileNet-V3, people from {score:g}"
        network: Any
        if weights is None:
            network = ssdlite320_mobilenet_v3_large(weights="DEFAULT")
        else:
            network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
            try:
                network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
            except Exception as error:  # damaged bytes raise nearly anything
                raise ValueError(f"{weights}: no weights of torchvision's SSDlite320: {str(error)[:200]}") from error
        self.network = network.eval()

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> Box | None:
        """See :class:`Detector`."""
        height, width = frames.shape[1:3]
        images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
        found = self.network(list(images))
        people = [
            one["boxes"][(one["labels"] == PERSON_OF_COCO) & (one["scores"] >= self.score)].numpy() for one in found
        ]
        return around(np.concatenate(people), width, height)


class YoloxDetector:
    """Find people with a YOLOX network in ONNX form (Apache-2.0), as its authors release it; needs onnxruntime.

    Args:
        weights: the ``.onnx`` file.
        score: least product of objectness and probability of a person.

    Raises:
        ValueError: a file that is no such network.
    """

    def __init__(self, *, weights: Path, score: float = 0.3) -> None:
        import onnxruntime

        self.score, self.name = score, f"YOLOX {Path(weights).name}, people from {score:g}"
        try:
            self.session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
            given = self.session.get_inputs()[0]
            self.input, self.side = given.name, int(given.shape[2])
        except Exception as error:  # the runtime's own errors derive from nothing in common
            raise ValueError(f"{weights}: no YOLOX network in ONNX form: {str(error)[:200]}") from error

    def __call__(self, frames: np.ndarray) -> Box | None:
        """See :class:`Detector`."""
        return around(np.concatenate([self._people(frame) for frame in frames]), frames.shape[2], frames.shape[1])

    def _people(self, frame: np.ndarray) -> np.ndarray:
        """Return the boxes ``(m, 4)`` in pixels of the people in one frame."""
        from datamodules.transforms.crop import resize

        scale = min(self.side / frame.shape[0], self.side / frame.shape[1])
        size = (round(frame.shape[0] * scale), round(frame.shape[1] * scale))
        image = torch.from_numpy(np.ascontiguousarray(frame[..., ::-1])).permute(2, 0, 1)  # BGR
        filled = np.full((1, 3, self.side, self.side), YOLOX_GREY, dtype=np.float32)
        filled[0, :, : size[0], : size[1]] = resize(image, *size).numpy()
        found = self.session.run(None, {self.input: filled})[0][0]  # (cells, 5 + classes)
        cells, strides = yolox_cells(self.side)
        centre, extent = (found[:, :2] + cells) * strides, np.exp(found[:, 2:4]) * strides
        kept = found[:, 4] * found[:, 5] >= self.score  # objectness, person
        return np.concatenate([centre - extent / 2, centre + extent / 2], axis=1)[kept] / scale


def yolox_cells(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return column and row ``(cells, 2)`` and stride ``(cells, 1)`` of each of YOLOX's outputs."""
    cells, strides = [], []
    for stride in YOLOX_STRIDES:
        number = side // stride
        rows, columns = np.meshgrid(np.arange(number), np.arange(number), indexing="ij")
        cells.append(np.stack([columns, rows], axis=-1).reshape(-1, 2))
        strides.append(np.full((number * number, 1), stride))
    return np.concatenate(cells), np.concatenate(strides)


def around(boxes: np.ndarray, width: int, height: int) -> Box | None:
    """Return the box around boxes ``(m, 4)`` given in pixels, as shares of the frame; None without any."""
    if not len(boxes):
        return None
    low = np.clip(boxes[:, :2].min(0) / (width, height), 0, 1)
    high = np.clip(boxes[:, 2:].max(0) / (width, height), 0, 1)
    if (high - low < LEAST_SIDE).any():
        return None
    return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


DETECTORS: dict[str, Callable[..., Detector]] = {
    "torchvision": TorchvisionDetector, "yolox": YoloxDetector, "motion": MotionDetector,
}  # fmt: skip


def evenly(num_frames: int, wanted: int) -> np.ndarray:
    """Return the numbers of evenly spread frames ``(1, n)``, the first and the last among them, each once."""
    return np.unique(np.linspace(0, num_frames - 1, wanted).round().astype(np.int64))[None]


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the intersection over union of two boxes."""
    sides = [min(first[i + 2], second[i + 2]) - max(first[i], second[i]) for i in (0, 1)]
    both = max(0.0, sides[0]) * max(0.0, sides[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return both / (sum(areas) - both)
