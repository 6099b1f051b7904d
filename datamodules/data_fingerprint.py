"""A hash of a data set as it lies on disk, which every result made from it carries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from datamodules.datasets.joint import part_root, parts_of
from datamodules.decode_index import size_on_disk, without_undecodable
from datamodules.synthetic.members import Member
from datamodules.video import Video

LENGTH = 16  # hexadecimal digits


@lru_cache
def data_fingerprint(source: Any, root: Path, beside: tuple[Path, ...] = ()) -> str:
    """Return a hash of what is on disk and how it is labelled, per subset and in any order.

    Of each video: id, label, bytes of the file or number of frames of the folder, and which part of it is meant. The
    label order is part of it, and so are the training videos that the index of decoded videos excludes.

    Args:
        source: the data set, or several as one.
        root: its folder.
        beside: what else is read (:func:`files_beside`): of a file the content counts, of a folder its files' names
            and sizes, of a missing one that it is missing.
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
    if beside:
        folders = [part_root(source, part, root) for part in parts_of(source) if not isinstance(part, Member)]
        content.append([[path.name, _on_disk(Path(folder or root) / path)] for folder in folders for path in beside])
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:LENGTH]


def _videos(source: Any, root: Path, subset: str) -> tuple[Video, ...]:
    """Return a subset's videos; none of a validation set whose list is not there, which a test alone does not need."""
    try:
        return tuple(source.videos(root, subset))
    except (OSError, ValueError):
        if subset == "val":
            return ()
        raise


def files_beside(arguments: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return what a data module with these arguments reads beside the videos of a real data set.

    Args:
        arguments: the data module's, defaults filled in.

    Returns:
        Boxes, CrossNorm's pools and MixUp's images: relative to the data set's folder unless the arguments name others.
    """
    # Imported here: the plan of a table on the benchmark needs no torch.
    from datamodules.augmentation_files import IMAGE_FOLDER, POOL_FILE
    from datamodules.boxes import BOXES_FILE
    from datamodules.transforms import Compose, CrossNorm, ImageMixUp, Transform
    from datamodules.transforms.tailor import Tailor

    found: list[Path] = []

    def note(transform: Transform) -> Transform:
        if isinstance(transform, CrossNorm):
            given = Path(POOL_FILE) if transform.pool == "of source" else transform.pool
            found.extend(given if isinstance(given, tuple) else [Path(given)])
        if isinstance(transform, ImageMixUp) and not isinstance(transform.images, Member):
            found.append(Path(IMAGE_FOLDER if transform.images == "of source" else transform.images))
        return transform

    Compose(*arguments.get("augmentation", ())).replaced(note)
    if isinstance(arguments.get("tailor"), Tailor):
        found.append(Path(BOXES_FILE))
    return tuple(found)


def _on_disk(path: Path) -> Any:
    """Return what tells a file or folder from another of its name; None where there is nothing."""
    if path.is_dir():
        return sorted([str(file.relative_to(path)), file.stat().st_size] for file in path.rglob("*") if file.is_file())
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
