"""Every frame of a member's videos in one memory-mapped array: decoded once, read by any number of processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.synthetic.members import MANIFEST, Member, pool_folder, read_manifest
from datamodules.video import open_video

FRAMES = "frames.npy"


def create_frames(folder: Path, total_frames: int, size: int) -> None:
    """Create the array ``(total_frames, size, size, 3)`` uint8 in a folder, to be filled by :func:`decode_video`."""
    np.lib.format.open_memmap(folder / FRAMES, mode="w+", dtype=np.uint8, shape=(total_frames, size, size, 3)).flush()


def decode_video(path: Path, folder: Path, start: int, num_frames: int) -> None:
    """Decode a whole video into its place in the array.

    Args:
        path: the video file.
        folder: where the array is.
        start: the video's first frame in the array.
        num_frames: how many frames it must have.

    Raises:
        ValueError: the file gives another number of frames.
    """
    with open_video(path) as video:
        frames = video.read(np.arange(num_frames))
        if video.num_frames != num_frames:
            raise ValueError(f"{path} gives {video.num_frames} frames, {num_frames} were written")
    array = np.load(folder / FRAMES, mmap_mode="r+")
    array[start : start + num_frames] = frames


def decode_to_cache(member: Member, root: Path) -> None:
    """Decode every video of a prepared member anew, for instance after the array was deleted to save room.

    Args:
        member: the member.
        root: the folder that ``prepare`` returned for it.
    """
    rows, folder = read_manifest(root, member)["videos"], pool_folder(root)
    part = folder / f".{os.getpid()}"
    part.mkdir()
    try:
        create_frames(part, sum(row["num_frames"] for row in rows), member.size)
        for row in rows:
            decode_video(folder / row["file"], part, row["start"], row["num_frames"])
        os.replace(part / FRAMES, folder / FRAMES)
    finally:
        (part / FRAMES).unlink(missing_ok=True)
        part.rmdir()


class DecodedVideos:
    """Read frames of one subset by position, in the order of ``member.videos``.

    Copies to other processes open the array anew; only the path travels.

    Args:
        root: the folder that ``prepare`` returned.
        subset: ``train``, ``val``; ``test`` is ``val``.

    Raises:
        ValueError: an unknown subset, or a folder without the array.
    """

    def __init__(self, root: Path, subset: str) -> None:
        if subset not in ("train", "val", "test"):
            raise ValueError(f"subset={subset!r}; accepted: train, val, test")
        self.root, self.subset = Path(root), subset
        self._open()

    def _open(self) -> None:
        folder = pool_folder(self.root)
        numbers = self.root / f"{'train' if self.subset == 'train' else 'val'}.json"
        for path in (folder / MANIFEST, numbers, folder / FRAMES):
            if not path.is_file():
                raise ValueError(
                    f"{path} is missing: {self.root} is not what prepare returned, or damaged; "
                    f"delete {folder} and call prepare again"
                )
        rows = json.loads((folder / MANIFEST).read_text())["videos"]
        chosen = [rows[number] for number in json.loads(numbers.read_text())]
        self._starts = [row["start"] for row in chosen]
        self._lengths = [row["num_frames"] for row in chosen]
        self._frames = np.load(folder / FRAMES, mmap_mode="r")

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "subset": self.subset}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._starts)

    def num_frames(self, index: int) -> int:
        """Return the length of a video."""
        return self._lengths[index]

    def frames(self, index: int, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the asked frames of a video.

        Args:
            index: position in the subset.
            indices: frame numbers from 0, in any order, repeated at will; those past the end give the last frame.

        Returns:
            ``indices.shape + (H, W, 3)`` uint8 RGB, a copy.

        Raises:
            ValueError: a negative frame number.
        """
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and wanted.min() < 0:
            raise ValueError(f"frame numbers start at 0, got {wanted.min()}")
        return np.array(self._frames[self._starts[index] + np.minimum(wanted, self._lengths[index] - 1)])

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """Return chosen frames of a video, the way clips are read from any source of frames.

        Args:
            index: position in the subset.
            choose: maps the number of frames to the indices ``(V, T)`` wanted.

        Returns:
            Frames ``(V, T, H, W, 3)``, their indices ``(V, T)``, and the number of frames.
        """
        indices = choose(self._lengths[index])
        return self.frames(index, indices), indices, self._lengths[index]
