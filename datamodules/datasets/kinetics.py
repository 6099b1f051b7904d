"""Kinetics-400 and Kinetics-700: ten-second clips of YouTube videos, one human action each.

Kay et al.: The Kinetics Human Action Video Dataset, arXiv 1705.06950, 2017 (400 classes); Carreira, Noland, Hillier,
Zisserman: A Short Note on the Kinetics-700 Human Action Dataset, arXiv 1907.06987, 2019. The annotations are CC BY
4.0; the videos are YouTube's (about 450 and 700 GB), archives of them are hosted by CVDF
(https://github.com/cvdfoundation/kinetics-dataset). Videos vanish, so every
copy is smaller than the official lists, and papers differ in what they had: compare
:func:`~datamodules.datasets.source.count_report`. The test labels are not used: ``val`` and ``test`` are both the
official validation split. Much of Kinetics-400's validation split is in Kinetics-700's training split.

Lists: ``label,youtube_id,time_start,time_end,split`` with that header, ``is_cc`` and other columns allowed after it.
Label order: alphabetical, the labels of the validation list. The lists of later releases of Kinetics-700 differ in
length, which is reported, not refused; the number of classes must be right.

Where things are looked for (K is 400 or 700):
    lists     kinetics-K_train.csv, kineticsK_train.csv or train.csv; the same with val, or validate: in
              ``annotations`` if given, else in root, <root>/annotations, <root>/kineticsK
    videos    up to three folders below root, under any of the usual names of folders (train/, the label, the label
              with _ for spaces, or none) and of files: <id>_<start>_<end>.<suffix> with the seconds in six digits or
              fewer, or <id>.<suffix>; also folders of frames <id>_<start>_<end>/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from datamodules.datasets.annotation_rows import annotation_file, check_classes, csv_rows, seconds
from datamodules.datasets.source import VIDEO_SUFFIXES, Subset, check_subset, checked_root
from datamodules.video import Video

# classes -> official rows of (train, validation); of the 2019 release for 700
OFFICIAL_COUNTS = {400: (246_535, 19_906), 700: (545_317, 35_000)}
COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
SPLIT_NAMES = {"train": ("train",), "val": ("val", "validate", "validation")}
YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
FILE_NAME = re.compile(r"(?P<id>[A-Za-z0-9_-]{11})(_(?P<start>\d{1,6})_(?P<end>\d{1,6}))?")
DEEPEST = 3  # folders below root
Key = tuple[str, int, int]


class Clip(NamedTuple):
    """Hold one row of a list.

    Args:
        label: name of the class.
        youtube_id: eleven characters.
        start: second of the YouTube video, whole.
        end: second, whole.
    """

    label: str
    youtube_id: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """Return the file name without suffix that the official crawler gives the clip."""
        return f"{self.youtube_id}_{self.start:06d}_{self.end:06d}"


@dataclass(frozen=True, kw_only=True)
class Kinetics:
    """Read Kinetics from its official csv lists; ``val`` and ``test`` are both the validation split.

    No class is told apart by left and right, so flipping keeps every label.

    Args:
        num_classes: 400 or 700.
        annotations: folder of the lists; None searches (see the module).

    Raises:
        ValueError: another number of classes.
    """

    num_classes: int
    annotations: Path | None = None

    def __post_init__(self) -> None:
        if self.num_classes not in OFFICIAL_COUNTS:
            raise ValueError(f"num_classes={self.num_classes!r}; accepted: {', '.join(map(str, OFFICIAL_COUNTS))}")

    @property
    def name(self) -> str:
        """Return ``Kinetics-400`` or ``Kinetics-700``."""
        return f"Kinetics-{self.num_classes}"

    @property
    def untrimmed(self) -> bool:
        """Return False: clips are cut to ten seconds around the action."""
        return False

    @property
    def mirror_labels(self) -> tuple[int, ...]:
        """Return the identity."""
        return tuple(range(self.num_classes))

    @property
    def official_counts(self) -> Mapping[str, int]:
        """Return the number of rows of the official lists."""
        train, val = OFFICIAL_COUNTS[self.num_classes]
        return {"train": train, "val": val, "test": val}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the labels of the validation list, in alphabetical order.

        Raises:
            ValueError: the list is not found, has a malformed row, or another number of labels.
        """
        path = self.list_file(root, "val")
        names = tuple(sorted({clip.label for clip in read_clips(path, "val")}))
        check_classes(path, names, self.num_classes, source_name=self.name)
        return names

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the official list of a subset; those not on disk get ``<root>/<label>/<id>_<start>_<end>.mp4``.

        Raises:
            ValueError: a malformed row, a label that the validation list does not have, or a clip listed twice; file
                and line are named.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        names = self.class_names(root)
        split = "train" if subset == "train" else "val"
        return clip_videos(read_clips(self.list_file(root, split), split, names), names, root)

    def list_file(self, root: Path | None, split: str) -> Path:
        """Return the list of ``train`` or ``val`` (see the module for where it is looked for).

        Raises:
            ValueError: it is not found.
        """
        written = "train" if split == "train" else "val"
        return annotation_file(
            list_names(self.num_classes, written),
            root,
            self.annotations,
            source_name=self.name,
            places=("", "annotations", f"kinetics{self.num_classes}"),
        )


def list_names(num_classes: int, split: str) -> tuple[str, ...]:
    """Return the names under which the list of ``train`` or ``val`` is published."""
    spellings = ("train",) if split == "train" else ("val", "validate")
    prefixes = (f"kinetics-{num_classes}_", f"kinetics{num_classes}_", "")
    return tuple(f"{prefix}{spelling}.csv" for prefix in prefixes for spelling in spellings)


def read_clips(path: Path, split: str, classes: Iterable[str] | None = None) -> list[Clip]:
    """Read a list.

    Args:
        path: the csv file.
        split: ``train`` or ``val``: what the column of that name must say.
        classes: accepted labels; None accepts any.

    Returns:
        The rows in the file's order.

    Raises:
        ValueError: a malformed row, an unknown label, or a clip listed twice; file and line are named.
    """
    known = None if classes is None else frozenset(classes)
    clips: list[Clip] = []
    first_line: dict[Key, int] = {}
    for line, (label, youtube_id, start, end, written) in csv_rows(path, COLUMNS):
        if written not in SPLIT_NAMES[split]:
            accepted = ", ".join(SPLIT_NAMES[split])
            raise ValueError(f"{path}, line {line}: split={written!r}; accepted in this list: {accepted}")
        if not YOUTUBE_ID.fullmatch(youtube_id):
            raise ValueError(f"{path}, line {line}: youtube_id={youtube_id!r}; expected 11 letters, digits, - or _")
        if not label or (known is not None and label not in known):
            raise ValueError(f"{path}, line {line}: label={label!r} is none of the {len(known or ())} labels")
        first, last = seconds(start, end, where=f"{path}, line {line}")
        clip = Clip(label, youtube_id, int(first), int(last))
        if clip[1:] in first_line:
            raise ValueError(f"{path}, line {line}: clip {clip.name} is already on line {first_line[clip[1:]]}")
        first_line[clip[1:]] = line
        clips.append(clip)
    return clips


def clip_videos(clips: Iterable[Clip], names: tuple[str, ...], root: Path) -> tuple[Video, ...]:
    """Return clips as videos with labels by position in ``names`` and paths as found below ``root``."""
    label_of = {name: label for label, name in enumerate(names)}
    with_times, without_times = clips_on_disk(root)
    return tuple(
        Video(
            id=clip.name,
            path=Path(
                with_times.get(clip[1:])
                or without_times.get(clip.youtube_id)
                or f"{root}{os.sep}{clip.label}{os.sep}{clip.name}.mp4"
            ),
            label=label_of[clip.label],
            label_name=clip.label,
        )
        for clip in clips
    )


def clips_on_disk(root: Path) -> tuple[dict[Key, str], dict[str, str]]:
    """Find the clips below a folder, whatever the folders between are called.

    Returns:
        Paths by ``(id, start, end)`` of the file names that state the times, and by id of those that do not; of
        several the best suffix wins, then the first path.
    """
    with_times: dict[Key, tuple[int, str]] = {}
    without_times: dict[str, tuple[int, str]] = {}
    base = len(Path(root).parts)
    for folder, folders, files in os.walk(root, followlinks=True):
        names = [(name, len(VIDEO_SUFFIXES), FILE_NAME.fullmatch(name)) for name in folders]
        # A label of eleven letters looks like a bare id: only with the times is a folder certain to be a clip.
        frames = {name for name, _, match in names if match and match["start"]}
        found = [row for row in names if row[0] in frames]
        for name in files:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in VIDEO_SUFFIXES:
                found.append((name, VIDEO_SUFFIXES.index(suffix.lower()), FILE_NAME.fullmatch(stem)))
        for name, rank, match in found:
            if match is None:
                continue
            candidate = rank, os.path.join(folder, name)
            if match["start"]:
                key = match["id"], int(match["start"]), int(match["end"])
                with_times[key] = min(with_times.get(key, candidate), candidate)
            else:
                without_times[match["id"]] = min(without_times.get(match["id"], candidate), candidate)
        deepest = len(Path(folder).parts) - base >= DEEPEST
        folders[:] = [] if deepest else [name for name in folders if name not in frames]
    return (
        {key: path for key, (_, path) in with_times.items()},
        {key: path for key, (_, path) in without_times.items()},
    )
