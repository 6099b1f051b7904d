"""A folder per class under ``train/`` and ``val/``: the way users bring their own videos.

    root/train/<class>/<video>      a video file, or a folder of frames (jpg, png)
    root/val/<class>/<video>

Testing uses ``val``. Labels are the class folders in alphabetical order. Hidden entries (``.DS_Store``) are
ignored; any other file that is no video is left out with a warning which names it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from datamodules.datasets.source import VIDEO_SUFFIXES, Subset, check_subset, checked_root, holds_frames
from datamodules.video import Video

FOLDERS = {"train": "train", "val": "val", "test": "val"}


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Read a folder per class.

    Args:
        name: how tables and reports call the data set.
        untrimmed: whether the labelled action fills only a part of a video.
        mirror_labels: class that each class (in alphabetical order) becomes when mirrored left to right; the
            default, empty, says that none changes; None refuses flipping, which is right for classes such as
            "swipe left".
    """

    name: str = "folder"
    untrimmed: bool = False
    mirror_labels: tuple[int, ...] | None = ()

    @property
    def official_counts(self) -> dict[str, int]:
        """Return nothing: there is no official split."""
        return {}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the names of the class folders, sorted.

        Raises:
            ValueError: a split is missing or empty, or the splits differ in their classes.
        """
        root = checked_root(root, source_name=self.name)
        classes = {
            split: {folder.name for folder in visible_folders(split_folder(root, split))} for split in ("train", "val")
        }
        for split, names in classes.items():
            if not names:
                raise ValueError(f"{root / split} holds no class folder; it holds {listing(root / split)}")
        if classes["train"] != classes["val"]:
            raise ValueError(
                f"train/ and val/ of {root} differ in their classes: "
                f"only in train {sorted(classes['train'] - classes['val'])}, "
                f"only in val {sorted(classes['val'] - classes['train'])}"
            )
        return tuple(sorted(classes["train"]))

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the videos of a subset, by class and then by name.

        Raises:
            ValueError: besides those of :meth:`class_names`, a class folder without videos.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        found = []
        for label, label_name in enumerate(self.class_names(root)):
            folder = root / FOLDERS[subset] / label_name
            paths = video_paths(folder)
            if not paths:
                raise ValueError(f"{folder} holds no video; it holds {listing(folder)}")
            for path in paths:
                found.append(Video(id=f"{label_name}/{path.name}", path=path, label=label, label_name=label_name))
        return tuple(found)


def split_folder(root: Path, split: str) -> Path:
    """Return the folder of a split.

    Raises:
        ValueError: it does not exist.
    """
    if not (root / split).is_dir():
        raise ValueError(f"{root} needs the folders train/ and val/; {split}/ is missing, it holds {listing(root)}")
    return root / split


def visible_folders(folder: Path) -> list[Path]:
    """Return the folders directly in a folder, hidden ones left out."""
    return [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]


def video_paths(folder: Path) -> list[Path]:
    """Return the video files and frame folders directly in a folder, sorted by name.

    Raises:
        ValueError: a folder that holds no frames.
    """
    paths: list[Path] = []
    others: list[Path] = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not holds_frames(entry):
                raise ValueError(
                    f"{entry} should be a video stored as frames but holds no jpg or png; it holds {listing(entry)}"
                )
            paths.append(entry)
        else:
            (paths if entry.suffix.lower() in VIDEO_SUFFIXES else others).append(entry)
    if others:
        warnings.warn(
            f"{folder}: left out {len(others)} file(s) that are no videos: {listing(folder, others)}",
            stacklevel=2,
        )
    return paths


def listing(folder: Path, entries: list[Path] | None = None) -> str:
    """Return the first names in a folder, for messages."""
    names = sorted(entry.name for entry in (folder.iterdir() if entries is None else entries))
    return (", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")) or "nothing"
