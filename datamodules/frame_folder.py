"""Read a video that is stored as a folder of numbered images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datamodules.video_reader import UndecodableVideoError, checked_indices

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
FLOW_PREFIXES = frozenset({"x_", "y_", "u_", "v_", "flow_x_", "flow_y_"})  # optical flow beside the frames
NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)$")


class FrameFolder:
    """Read frames of a folder of images named by number: ``img_00001.jpg``, ``00001.jpg``, ``000001.png``.

    The numbers give the order only; they may start anywhere and have gaps. Hidden files, other suffixes and
    optical flow (``x_``, ``y_``) are passed over. An image that cannot be read is replaced by the last
    readable one before it (the first after it at the start) and sets ``truncated``. See
    :class:`datamodules.video_reader.OpenVideo`.

    Args:
        path: the folder.

    Raises:
        UndecodableVideoError: no image, or several differently named series of images.
    """

    fps: float | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.truncated = False
        self._images = numbered_images(path)
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
            frame = read_image(self._images[candidate])
            if frame is not None:
                return frame
            self.truncated = True
        raise UndecodableVideoError(self.path, f"none of its {self.num_frames} images can be read")


def numbered_images(folder: Path) -> list[Path]:
    """Return the images of the folder's one series, sorted by number.

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
    return [path for _, _, path in sorted(next(iter(frames.values())))]


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
