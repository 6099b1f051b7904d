"""A hash of a data set as it lies on disk, which every result made from it carries."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from datamodules.datasets.joint import part_root, parts_of
from datamodules.decode_index import size_on_disk, without_undecodable
from datamodules.synthetic.members import Member
from datamodules.video import Video

LENGTH = 16  # hexadecimal digits


@lru_cache
def data_fingerprint(source: Any, root: Path) -> str:
    """Return a hash of what is on disk and how it is labelled, per subset and in any order.

    Of each video: id, label, bytes of the file or number of frames of the folder, and which part of it is meant. The
    label order is part of it, and so are the training videos that the index of decoded videos excludes. What lies
    beside the videos (boxes, images to mix in) is not.

    Args:
        source: the data set, or several as one.
        root: its folder.
    """
    entries: list[tuple[Any, ...]] = []
    sizes: dict[Path, int | None] = {}  # many labelled parts may share one folder
    for subset in ("train", "val", "test"):
        for video in _videos(source, root, subset):
            if video.path not in sizes:
                sizes[video.path] = size_on_disk(video.path)
            if (size := sizes[video.path]) is not None:
                part = (video.start_frame, video.end_frame, video.start_sec, video.end_sec)
                entries.append((subset, video.id, video.label_name, size, *part))
    for part in parts_of(source):
        if not isinstance(part, Member):
            folder = part_root(source, part, root)
            refused = without_undecodable(part.videos(folder, "train"), folder)[1]
            entries += [(f"{part.name}/{video.id}", "undecodable") for video, _ in refused]
    content = [list(source.class_names(root)), sorted(entries, key=json.dumps)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:LENGTH]


def _videos(source: Any, root: Path, subset: str) -> tuple[Video, ...]:
    """Return a subset's videos; none of a validation set whose list is not there, which a test alone does not need."""
    try:
        return tuple(source.videos(root, subset))
    except (OSError, ValueError):
        if subset == "val":
            return ()
        raise
