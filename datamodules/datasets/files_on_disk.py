"""Find listed videos on disk, one look into each folder instead of one per video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from datamodules.datasets.source import VIDEO_SUFFIXES


class FilesOnDisk:
    """Find videos by name without suffix, as a video file or as a folder of frames.

    Of several under one name the first folder wins; within a folder the order is that of ``VIDEO_SUFFIXES``, then a
    folder of frames.

    Args:
        root: folder of the data set.
        places: folders below ``root`` that may hold the videos; the first is where a missing one should be. The
            empty name stands for ``root`` itself.
    """

    def __init__(self, root: Path, places: Sequence[str]) -> None:
        self.default = root / places[0]
        self._folders = [(root / place, names_by_stem(root / place)) for place in places]

    def find(self, stem: str, *, suffix: str) -> Path:
        """Return where a video is; where it should be, with ``suffix``, when it is not there."""
        for folder, names in self._folders:
            if stem in names:
                return folder / names[stem]
        return self.default / (stem + suffix)


def names_by_stem(folder: Path) -> dict[str, str]:
    """Map names without suffix to the names of the video files and folders directly in a folder.

    A folder that does not exist holds none.
    """
    found: dict[str, tuple[int, str]] = {}
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() in VIDEO_SUFFIXES:
                candidate = VIDEO_SUFFIXES.index(suffix.lower()), entry.name
            elif entry.is_dir():
                stem, candidate = entry.name, (len(VIDEO_SUFFIXES), entry.name)
            else:
                continue
            found[stem] = min(found.get(stem, candidate), candidate)
    return {stem: name for stem, (_, name) in found.items()}
