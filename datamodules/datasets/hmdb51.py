"""HMDB51: 6,766 clips of 51 actions from films and the web, three official splits.

Kuehne, Jhuang, Garrote, Poggio, Serre: HMDB: A Large Video Database for Human Motion Recognition, ICCV 2011;
https://serre-lab.clps.brown.edu (about 2 GB). CC BY 4.0 according to that site. DivX AVI, height 240 pixels, 30 frames
per second. Results are means over the three splits unless stated otherwise.

Lists (``testTrainMulti_7030_splits``): one file ``<class>_test_splitS.txt`` per class and split, rows ``name.avi F``
with a blank at the end; F is 1 for training (70 per class), 2 for testing (30 per class), 0 for neither. File names
contain characters such as ``# [ ] ! ; & ( ) +``. Label order: alphabetical. ``val`` and ``test`` are both the test
clips.

Where things are looked for:
    lists     ``annotations`` if given, else <root>/testTrainMulti_7030_splits, <root>/annotations, root
    videos    <root>/hmdb51_org/<class>/name.avi, else <root>/videos/<class>/, <root>/<class>/; also with another video
              suffix, or as a folder of frames <class>/<name without suffix>/
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.datasets.annotation_rows import numbered_lines
from datamodules.datasets.files_on_disk import FilesOnDisk
from datamodules.datasets.source import VIDEO_SUFFIXES, Subset, check_subset, checked_root
from datamodules.video import Video

NUM_CLASSES = 51
SPLITS = (1, 2, 3)
FLAGS = {"train": 1, "val": 2, "test": 2}
PER_CLASS = {1: 70, 2: 30}
LIST_PLACES = ("testTrainMulti_7030_splits", "annotations", "")
VIDEO_PLACES = ("hmdb51_org", "videos", "")


@dataclass(frozen=True, kw_only=True)
class HMDB51:
    """Read HMDB51 from its original lists; ``val`` and ``test`` are both the official test clips.

    No class is told apart by left and right, so flipping keeps every label.

    Args:
        split: official split, 1 to 3.
        annotations: folder of the 153 lists; None searches (see the module).

    Raises:
        ValueError: another split.
    """

    split: int = 1
    annotations: Path | None = None

    name: ClassVar[str] = "HMDB51"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...]] = tuple(range(NUM_CLASSES))
    official_counts: ClassVar[Mapping[str, int]] = {"train": 3_570, "val": 1_530, "test": 1_530}

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r}; accepted: 1, 2, 3")

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the classes that have a list of this split, in alphabetical order.

        Raises:
            ValueError: no folder of lists, or not 51 of this split.
        """
        return tuple(self.lists(root))

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the clips of a subset by class, in the lists' order; missing ones keep the path they should have.

        Raises:
            ValueError: a malformed row (file and line are named), or a list without 70 training and 30 test clips.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        videos: list[Video] = []
        for label, (name, path) in enumerate(self.lists(root).items()):
            disk = FilesOnDisk(root, tuple(os.path.join(place, name) for place in VIDEO_PLACES))
            for file in read_list(path)[FLAGS[subset]]:
                stem, suffix = os.path.splitext(file)
                videos.append(Video(id=stem, path=disk.find(stem, suffix=suffix), label=label, label_name=name))
        return tuple(videos)

    def lists(self, root: Path | None) -> dict[str, Path]:
        """Return the list of each class, in alphabetical order of the classes.

        Raises:
            ValueError: no folder of lists, or not 51 of this split.
        """
        if self.annotations is not None:
            places = [Path(self.annotations)]
        else:
            places = [checked_root(root, source_name=self.name) / place for place in LIST_PLACES]
        pattern = re.compile(rf"(.+)_test_split{self.split}\.txt")
        for place in places:
            found = [pattern.fullmatch(name) for name in os.listdir(place)] if place.is_dir() else []
            lists = {match[1]: place / match[0] for match in found if match}
            if lists and len(lists) != NUM_CLASSES:
                raise ValueError(
                    f"{place} holds {len(lists)} lists *_test_split{self.split}.txt; expected {NUM_CLASSES}"
                )
            if lists:
                return dict(sorted(lists.items()))
        raise ValueError(f"{self.name}: no list *_test_split{self.split}.txt is in {', '.join(map(str, places))}")


def read_list(path: Path) -> dict[int, list[str]]:
    """Read the list of one class and split.

    Returns:
        File names by flag (0 neither, 1 training, 2 testing), in the file's order.

    Raises:
        ValueError: a row of another form, a file listed twice (file and line are named), or not 70 training and 30
            test clips.
    """
    files: dict[int, list[str]] = {0: [], 1: [], 2: []}
    first_line: dict[str, int] = {}
    for line, text in numbered_lines(path):
        file, _, flag = text.rpartition(" ")  # only the last blank separates: names are free
        file = file.rstrip()
        if flag not in ("0", "1", "2") or os.path.splitext(file)[1].lower() not in VIDEO_SUFFIXES:
            raise ValueError(f"{path}, line {line}: {text!r}; expected 'name.avi F' with F 0, 1 or 2")
        if "/" in file:
            raise ValueError(f"{path}, line {line}: {file!r} is a path; expected the name of a file")
        if file in first_line:
            raise ValueError(f"{path}, line {line}: {file!r} is already on line {first_line[file]}")
        first_line[file] = line
        files[int(flag)].append(file)
    counts = Counter({flag: len(names) for flag, names in files.items() if flag})
    if counts != PER_CLASS:
        raise ValueError(f"{path} has {counts[1]} training and {counts[2]} test clips; expected 70 and 30")
    return files
