"""What every opened video offers, file or folder of images, and the error of one that cannot be decoded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np


class UndecodableVideoError(ValueError):
    """Say which video gives no frame at all, and why.

    Args:
        path: the file or folder.
        reason: what is wrong with it. Empty when ``path`` already is a whole message, which is how a data
            loader builds the error anew in the main process.
    """

    def __init__(self, path: Path | str, reason: str = "") -> None:
        super().__init__(f"cannot decode {path}: {reason}" if reason else str(path))
        self.path, self.reason = Path(path), reason

    def __reduce__(self) -> tuple[type, tuple[Path, str]]:
        return type(self), (self.path, self.reason)


class OpenVideo(Protocol):
    """Give frames by number, as long as the video is open.

    ``num_frames`` and ``truncated`` describe what is known so far: damage which shows only in decoding lowers
    the one and sets the other during :meth:`read`.
    """

    num_frames: int
    """Number of frames that can be decoded."""
    fps: float | None
    """Frames per second on average, None where the container does not say."""
    truncated: bool
    """Whether the video breaks off, or misses frames, because it is damaged."""

    @property
    def height(self) -> int:
        """Return the height of a frame in pixels, after rotation."""
        ...

    @property
    def width(self) -> int:
        """Return the width of a frame in pixels, after rotation."""
        ...

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the asked frames.

        Args:
            indices: frame numbers from 0, in any order, repeated at will; those past the end give the last
                frame.

        Returns:
            ``(len(indices), H, W, 3)`` uint8 RGB.

        Raises:
            ValueError: no index, or a negative one.
            UndecodableVideoError: no frame can be decoded.
        """
        ...

    def close(self) -> None:
        """Free the file handle and all memory."""
        ...


def checked_indices(indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the indices as an int64 array.

    Raises:
        ValueError: no index, a negative one, or an array that is not one-dimensional.
    """
    array = np.asarray(indices)
    if array.ndim != 1 or array.size == 0 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"frame indices must be a non-empty sequence of integers, got {indices!r}")
    if array.min() < 0:
        raise ValueError(f"frame indices must be at least 0, got {array.min()}")
    return array.astype(np.int64)
