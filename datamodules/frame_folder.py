"""Read a video that is stored as a folder of numbered images."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from itertools import pairwise
from math import gcd
from pathlib import Path

import numpy as np

from datamodules.video_reader import UndecodableVideoError, checked_indices

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
FLOW_PREFIXES = frozenset({"x_", "y_", "u_", "v_", "flow_x_", "flow_y_"})  # optical flow beside the frames
NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)$")


class FrameFolder:
    """Read frames of a folder of images named by number: ``img_00001.jpg``, ``00001.jpg``, ``000001.png``.

    The numbers may start anywhere and rise in equal steps. Hidden files, other suffixes and optical flow (``x_``,
    ``y_``) are passed over. An image that cannot be read is replaced by the last readable one before it (the first
    after it at the start) and sets ``truncated``; so is one that a gap in the numbers shows to be absent, with a
    warning that names it: the frames after a gap keep the place that annotations in frames mean. See
    :class:`datamodules.video_reader.OpenVideo`.

    Attributes:
        first_number: number of the first image.
        absent: numbers of the absent images.

    Args:
        path: the folder.

    Raises:
        UndecodableVideoError: no image, several differently named series of images, or more images absent than there.
    """

    fps: float | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        images = numbered_images(path)
        numbers = complete_numbers(list(images))
        self.first_number, self.absent = numbers[0], tuple(number for number in numbers if number not in images)
        self.truncated = bool(self.absent)
        if len(self.absent) > len(images):
            raise UndecodableVideoError(
                path,
                f"of the images {numbers[0]} to {numbers[-1]} only {len(images)} are there, "
                f"{len(self.absent)} are absent: {spans(self.absent)}",
            )
        if self.absent:
            warnings.warn(
                f"{path}: {len(self.absent)} of the images {numbers[0]} to {numbers[-1]} absent "
                f"({spans(self.absent)}); the one before stands in",
                stacklevel=2,
            )
        self._images = [images.get(number) for number in numbers]
        self.num_frames = len(self._images)
        self._size: tuple[int, int] | None = None

    @property
    def height(self) -> int:
        """Return the height of a frame in pixels."""
        return self._frame_size()[0]

    @property
    def width(self) -> int:
        """Return the width of a frame in pixels."""
        return self._frame_size()[1]

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """See :meth:`datamodules.video_reader.OpenVideo.read`."""
        wanted = np.minimum(checked_indices(indices), self.num_frames - 1)
        unique, inverse = np.unique(wanted, return_inverse=True)
        frames = [self._nearest_readable(int(index)) for index in unique]
        sizes = {frame.shape[:2] for frame in frames}
        if len(sizes) > 1:
            raise UndecodableVideoError(self.path, f"images differ in size (height, width): {sorted(sizes)}")
        return np.stack(frames)[inverse]

    def close(self) -> None:
        """Do nothing: no file stays open between reads."""

    def _frame_size(self) -> tuple[int, int]:
        if self._size is None:
            self._size = self._nearest_readable(0).shape[:2]
        return self._size

    def _nearest_readable(self, index: int) -> np.ndarray:
        for candidate in (*range(index, -1, -1), *range(index + 1, self.num_frames)):
            image = self._images[candidate]
            frame = None if image is None else read_image(image)
            if frame is not None:
                return frame
            self.truncated = True
        raise UndecodableVideoError(self.path, f"none of its {self.num_frames} images can be read")


def numbered_images(folder: Path) -> dict[int, Path]:
    """Return the images of the folder's one series by number, ascending.

    Of two with one number (``1.jpg``, ``01.png``) the first by name is taken.

    Raises:
        UndecodableVideoError: no numbered image, or several series.
    """
    series: dict[str, list[tuple[int, str, Path]]] = {}
    for path in folder.iterdir():
        match = NUMBERED.match(path.stem)
        if path.suffix.lower() in IMAGE_SUFFIXES and match and not path.name.startswith("."):
            series.setdefault(match["prefix"], []).append((int(match["number"]), path.name, path))
    frames = {prefix: found for prefix, found in series.items() if prefix not in FLOW_PREFIXES}
    if not frames:
        raise UndecodableVideoError(folder, "the folder holds no numbered jpg or png image")
    if len(frames) > 1:
        raise UndecodableVideoError(folder, f"the folder holds several series of images: {sorted(frames)}")
    images: dict[int, Path] = {}
    for number, _, path in sorted(next(iter(frames.values()))):
        images.setdefault(number, path)
    return images


def complete_numbers(numbers: Sequence[int]) -> range:
    """Return the numbers that a series has without gaps: from its first to its last in its own step.

    The step is the greatest that reaches all of them, so a folder of every fifth frame lacks nothing.

    Args:
        numbers: those there, ascending, at least one.
    """
    step = gcd(*(after - before for before, after in pairwise(numbers))) or 1
    return range(numbers[0], numbers[-1] + 1, step)


def spans(numbers: Sequence[int], *, shown: int = 5) -> str:
    """Return ascending numbers for messages, neighbours joined: ``3, 5 to 9``."""
    text: list[str] = []
    first = 0
    for position in range(1, len(numbers) + 1):
        if position == len(numbers) or numbers[position] != numbers[position - 1] + 1:
            last = numbers[position - 1]
            text.append(str(last) if numbers[first] == last else f"{numbers[first]} to {last}")
            first = position
    return ", ".join(text[:shown]) + (", ..." if len(text) > shown else "")


def read_image(path: Path) -> np.ndarray | None:
    """Return an image as ``(H, W, 3)`` uint8 RGB, or None if its content is damaged.

    Raises:
        PermissionError: the file may not be read.
        FileNotFoundError: the file went away.
    """
    from PIL import Image

    with path.open("rb") as file:
        try:
            with Image.open(file) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError):  # what PIL raises for damaged JPEG and PNG data
            return None
