"""Read a video whose frames were decoded once into an array on disk (written by ``python -m datamodules.cache``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datamodules.video_reader import UndecodableVideoError, checked_indices

ARRAY_FILE = "frames.npy"
FACTS_FILE = "frames.json"


class FrameArray:
    """Read frames of a folder that holds ``frames.npy``, memory-mapped: processes share one copy in memory.

    See :class:`datamodules.video_reader.OpenVideo`.

    Args:
        path: the folder: ``frames.npy``, ``(T, H, W, 3)`` uint8 RGB, and ``frames.json`` with ``fps`` (or null) and
            ``truncated``.

    Raises:
        UndecodableVideoError: a file is missing, cut short or of another form.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._frames = np.load(path / ARRAY_FILE, mmap_mode="r", allow_pickle=False)
            facts = json.loads((path / FACTS_FILE).read_text())
            self.fps: float | None = facts["fps"]
            self.truncated = bool(facts["truncated"])
        except PermissionError:
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise UndecodableVideoError(path, f"its decoded frames are damaged ({error}); write them anew") from error
        shape, dtype = self._frames.shape, self._frames.dtype
        if len(shape) != 4 or shape[-1] != 3 or min(shape) == 0 or dtype != np.uint8:
            raise UndecodableVideoError(path, f"{ARRAY_FILE} holds {shape} {dtype}, not (T, H, W, 3) uint8")
        self.num_frames, self.height, self.width = shape[:3]

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """See :meth:`datamodules.video_reader.OpenVideo.read`."""
        return np.array(self._frames[np.minimum(checked_indices(indices), self.num_frames - 1)])

    def close(self) -> None:
        """Give the mapping up; it ends with the last array that shows it."""
        del self._frames


def holds_array(folder: Path) -> bool:
    """Say whether a folder is a video stored as decoded frames."""
    return (folder / ARRAY_FILE).is_file()
