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

LENGTH = 16  # hexadecimal digits


@lru_cache
def data_fingerprint(source: Any, root: Path) -> str:
    """Return a hash of what is on disk: (id, bytes) of files, (id, number of frames) of frame folders, in any order.

    The label order is part of it, and so are the training videos that the index of decoded videos excludes.

    Args:
        source: the data set, or several as one.
        root: its folder.
    """
    entries: list[tuple[Any, ...]] = []
    sizes: dict[Path, int | None] = {}  # many labelled parts may share one folder
    for subset in ("train", "test"):
        for video in source.videos(root, subset):
            if video.path not in sizes:
                sizes[video.path] = size_on_disk(video.path)
            if (size := sizes[video.path]) is not None:
                part = () if video.start_frame is None else (video.start_frame, video.end_frame)
                entries.append((video.id, size, *part))
    for part in parts_of(source):
        if not isinstance(part, Member):
            folder = part_root(source, part, root)
            refused = without_undecodable(part.videos(folder, "train"), folder)[1]
            entries += [(f"{part.name}/{video.id}", "undecodable") for video, _ in refused]
    content = [list(source.class_names(root)), sorted(entries, key=json.dumps)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:LENGTH]
