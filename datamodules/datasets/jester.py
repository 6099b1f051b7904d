"""Jester v1: 148,092 gestures of 27 classes in front of a laptop's camera, as folders of frames.

Materzynska, Berger, Bax, Memisevic: The Jester Dataset, ICCV workshops 2019. From Qualcomm's site (the former 20BN;
https://www.qualcomm.com/developer/software/jester-dataset), after registering, for research; the terms forbid mirrors.
12 frames per second, height 100 pixels, about 23 GB. The labels of the test split (14,743) are withheld, so ``val``
and ``test`` are both the official validation split, as in every paper.

Lists: ``jester-v1-train.csv`` and ``jester-v1-validation.csv``, rows ``id;label name`` without a header;
``jester-v1-labels.csv``, one label name per line. Copies of the label file differ in their order (two more are
widely used), so nothing is read off its line numbers: the order is the released one (``CLASSES``), rows are matched
by name, and a label file, where there is one, only has to name the same 27 classes.

Where things are looked for:
    lists     ``annotations`` if given, else root, else <root>/annotations
    videos    <root>/20bn-jester-v1/<id>/00001.jpg ..., else <root>/rawframes/<id>/, <root>/frames/<id>/,
              <root>/videos/<id>/, <root>/<id>/; also as a video file <id>.<suffix>
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.datasets.annotation_rows import (
    annotation_file,
    check_count,
    find_annotation_file,
    numbered_lines,
    read_id_label_rows,
)
from datamodules.datasets.files_on_disk import FilesOnDisk
from datamodules.datasets.mirrored_names import mirror_by_name
from datamodules.datasets.source import Subset, check_subset, checked_root
from datamodules.video import Video

# The order of the released label file.
CLASSES = (
    "Swiping Left", "Swiping Right", "Swiping Down", "Swiping Up", "Pulling Hand In", "Pushing Hand Away",
    "Sliding Two Fingers Left", "Sliding Two Fingers Right", "Sliding Two Fingers Down", "Sliding Two Fingers Up",
    "Pushing Two Fingers Away", "Pulling Two Fingers In", "Rolling Hand Forward", "Rolling Hand Backward",
    "Turning Hand Clockwise", "Turning Hand Counterclockwise", "Zooming In With Full Hand",
    "Zooming Out With Full Hand", "Zooming In With Two Fingers", "Zooming Out With Two Fingers", "Thumb Up",
    "Thumb Down", "Shaking Hand", "Stop Sign", "Drumming Fingers", "No gesture", "Doing other things",
)  # fmt: skip
LISTS = {"train": "jester-v1-train.csv", "val": "jester-v1-validation.csv", "test": "jester-v1-validation.csv"}
LABEL_FILE = "jester-v1-labels.csv"
PLACES = ("20bn-jester-v1", "rawframes", "frames", "videos", "")


@dataclass(frozen=True, kw_only=True)
class Jester:
    """Read Jester from its original lists; ``val`` and ``test`` are both the official validation split.

    Mirrored, a class that says left or right, clockwise or counterclockwise becomes its opposite; the others stay.
    Played backwards the classes are not all known.

    Args:
        annotations: folder of the lists; None searches (see the module).
    """

    annotations: Path | None = None

    name: ClassVar[str] = "Jester"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...]] = mirror_by_name(CLASSES)
    reverse_labels: ClassVar[tuple[int, ...] | None] = None
    official_counts: ClassVar[Mapping[str, int]] = {"train": 118_562, "val": 14_787, "test": 14_787}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the 27 names in the released order, after checking the label file if there is one.

        Raises:
            ValueError: the label file names something else, a class twice, or not all; file and line are named.
        """
        path = find_annotation_file((LABEL_FILE,), root, self.annotations)
        if path is not None:
            check_label_file(path)
        return CLASSES

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the official list of a subset; videos that are not on disk keep the path they should have.

        Raises:
            ValueError: a malformed row (file and line are named), or a list without the official number of rows.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        classes = self.class_names(root)
        path = annotation_file((LISTS[subset],), root, self.annotations, source_name=self.name)
        rows = read_id_label_rows(path, classes)
        check_count(path, len(rows), self.official_counts[subset])
        disk = FilesOnDisk(root, PLACES)
        return tuple(
            Video(id=key, path=disk.find(key, suffix=""), label=label, label_name=classes[label]) for key, label in rows
        )


def check_label_file(path: Path) -> None:
    """Check that a file names the 27 classes, one per line, in any order.

    Raises:
        ValueError: an unknown or repeated name (the line is named), or one that is missing.
    """
    first_line: dict[str, int] = {}
    for line, text in numbered_lines(path):
        if text not in CLASSES:
            raise ValueError(f"{path}, line {line}: {text!r} is no class of Jester; accepted: {', '.join(CLASSES)}")
        if text in first_line:
            raise ValueError(f"{path}, line {line}: {text!r} is already on line {first_line[text]}")
        first_line[text] = line
    missing = [name for name in CLASSES if name not in first_line]
    if missing:
        raise ValueError(f"{path} names {len(first_line)} of Jester's 27 classes; missing: {', '.join(missing)}")
