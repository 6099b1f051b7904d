"""EgoGesture: 24,161 gestures of 83 classes seen from the wearer's head, as parts of long folders of frames.

Zhang, Cao, Cheng, Lu: EgoGesture, IEEE Transactions on Multimedia 20(5), 2018. Needs an agreement signed with NLPR
(CAS; http://www.nlpr.ia.ac.cn/iva/yfzhang/datasets/egogesture.html); not to be passed on. 50 subjects, 6 scenes, 640 x
480 pixels (also 320 x 240) at 30 frames per second, colour and depth; depth is not read. Official splits by subject:
30 / 10 / 10.

Annotations, either of:
    labels-final-revised1/SubjectXX/SceneY/GroupZ.csv    the original ones, also groupZ.csv: no header, rows
        ``class,start,end``, class from 1 to 83, first and last frame from 1, both inside. Numbers may be written as
        floats (``98.0``). Rows without a start (empty or nan) mark a gesture left out and are passed over.
    {train,val,test}listall_but_None.txt    the widely used public lists of the same gestures, rows
        ``SubjectXX/SceneY/Color/rgbZ class start end``
In both the letter case of the folder names does not matter. Class names: ``classIndAllbutNone.txt`` or
``classIndAll.txt`` of the public lists, rows ``N Name`` (they spell class 57 differently); the original annotations
have none, so without such a file the names are ``gesture 1`` to ``gesture 83``.

Where things are looked for:
    annotations   ``annotations`` if given, else root, else <root>/annotations; the lists are taken before the folders
    videos        SubjectXX/SceneY/Color/rgbZ/000001.jpg ... in root, or in a folder images*/ or frames*/ of root
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from datamodules.datasets.annotation_rows import PLACES, check_count, find_annotation_file, numbered_lines
from datamodules.datasets.source import Subset, check_subset, checked_root
from datamodules.video import Video

NUM_CLASSES = 83
SUBJECTS = {
    "train": (
        3, 4, 5, 6, 8, 10, 15, 16, 17, 20, 21, 22, 23, 25, 26, 27, 30, 32, 36, 38, 39, 40, 42, 43, 44, 45, 46, 48, 49,
        50,
    ),
    "val": (1, 7, 12, 13, 24, 29, 33, 34, 35, 37),
    "test": (2, 9, 11, 14, 18, 19, 28, 31, 41, 47),
}  # fmt: skip
OFFICIAL_COUNTS = {"train": 14_416, "val": 4_768, "test": 4_977}
LABEL_FOLDER = "labels-final-revised1"
CLASS_FILES = ("classIndAllbutNone.txt", "classIndAll.txt")
LIST_PATH = re.compile(r"subject(\d+)/scene(\d+)/color/rgb(\d+)/?", re.IGNORECASE)


class Gesture(NamedTuple):
    """Hold one annotated gesture: which recording, its label from 0, its first and last frame from 1."""

    subject: int
    scene: int
    group: int
    label: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class EgoGesture:
    """Read EgoGesture; one video per gesture, a range of frames of its recording's folder.

    Flipping is refused: mirrored, classes such as "sweep checkmark" are none of the 83. So is reversing.

    Args:
        train_with_val: train on the subjects of the official training and validation splits together, as the
            released code of ACTION-Net does.
        annotations: folder of the lists or of labels-final-revised1; None searches (see the module).
    """

    train_with_val: bool = False
    annotations: Path | None = None

    name: ClassVar[str] = "EgoGesture"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...] | None] = None
    reverse_labels: ClassVar[tuple[int, ...] | None] = None

    @property
    def official_counts(self) -> Mapping[str, int]:
        """Return the number of gestures per subset."""
        extra = OFFICIAL_COUNTS["val"] if self.train_with_val else 0
        return OFFICIAL_COUNTS | {"train": OFFICIAL_COUNTS["train"] + extra}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the 83 names of the class file, or their numbers without one (see the module).

        Raises:
            ValueError: a malformed row (file and line are named), or not 83 classes.
        """
        path = find_annotation_file(CLASS_FILES, root, self.annotations)
        return tuple(f"gesture {number + 1}" for number in range(NUM_CLASSES)) if path is None else read_classes(path)

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the gestures of a subset in the order of the lists, or by subject, scene, group and row.

        Raises:
            ValueError: a malformed row (file and line are named), a gesture annotated twice, a public list without
                the official number of rows, or a subject without original annotations.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        names = self.class_names(root)
        splits = ("train", "val") if subset == "train" and self.train_with_val else (subset,)
        recordings = Recordings(root)
        return tuple(
            Video(
                id=f"Subject{gesture.subject:02d}/Scene{gesture.scene}/rgb{gesture.group}/{gesture.first}",
                path=recordings.find(gesture),
                label=gesture.label,
                label_name=names[gesture.label],
                start_frame=gesture.first - 1,
                end_frame=gesture.last,
            )
            for split in splits
            for gesture in self.gestures(root, split)
        )

    def gestures(self, root: Path | None, split: str) -> list[Gesture]:
        """Return the annotated gestures of an official split.

        Raises:
            ValueError: see :meth:`videos`; or no annotations are found.
        """
        path = find_annotation_file((f"{split}listall_but_None.txt",), root, self.annotations)
        if path is not None:
            gestures = read_list(path, SUBJECTS[split])
            check_count(path, len(gestures), OFFICIAL_COUNTS[split])
            return gestures
        folder = self.label_folder(root)
        subjects = numbered_entries(folder, "subject", "")
        absent = [number for number in SUBJECTS[split] if number not in subjects]
        if absent:
            raise ValueError(f"{folder} has no folder of the {split} subjects {absent}")
        return [
            gesture
            for subject in SUBJECTS[split]
            for scene, scene_folder in sorted(numbered_entries(subjects[subject], "scene", "").items())
            for group, file in sorted(numbered_entries(scene_folder, "group", ".csv").items())
            for gesture in read_group(file, subject, scene, group)
        ]

    def label_folder(self, root: Path | None) -> Path:
        """Return the folder of the original annotations.

        Raises:
            ValueError: it is not found.
        """
        if self.annotations is not None:
            bases = [Path(self.annotations)]
        else:
            bases = [checked_root(root, source_name=self.name) / place for place in PLACES]
        places = [base / LABEL_FOLDER for base in bases]
        found = next((place for place in places if place.is_dir()), None)
        if found is None:
            raise ValueError(
                f"{self.name}: neither a list trainlistall_but_None.txt nor the folder {LABEL_FOLDER} is in "
                f"{', '.join(map(str, bases))}"
            )
        return found


class Recordings:
    """Find the folders of frames, whatever folder of root holds a subject.

    Args:
        root: folder of the data set.
    """

    def __init__(self, root: Path) -> None:
        with os.scandir(root) as entries:
            parts = sorted(e.name for e in entries if e.name.lower().startswith(("images", "frames")) and e.is_dir())
        self.base = root / parts[0] if parts else root
        self.subjects: dict[int, Path] = {}
        for folder in (root, *(root / part for part in parts)):
            self.subjects = numbered_entries(folder, "subject", "") | self.subjects

    def find(self, gesture: Gesture) -> Path:
        """Return the folder of a gesture's recording, which need not exist."""
        subject = self.subjects.get(gesture.subject, self.base / f"Subject{gesture.subject:02d}")
        return subject / f"Scene{gesture.scene}" / "Color" / f"rgb{gesture.group}"


def numbered_entries(folder: Path, word: str, suffix: str) -> dict[int, Path]:
    """Return the entries ``<word><number><suffix>`` of a folder by number, in any letter case.

    Raises:
        ValueError: two entries of one number.
    """
    pattern = re.compile(f"{word}(\\d+){re.escape(suffix)}", re.IGNORECASE)
    found: dict[int, Path] = {}
    if not folder.is_dir():
        return found
    for name in sorted(os.listdir(folder)):
        match = pattern.fullmatch(name)
        if match:
            if int(match[1]) in found:
                raise ValueError(f"{folder} holds both {found[int(match[1])].name} and {name}; one of them is too many")
            found[int(match[1])] = folder / name
    return found


def read_classes(path: Path) -> tuple[str, ...]:
    """Read a class file: rows ``N Name``, N from 1 to 83; a class 84 called None is passed over.

    Raises:
        ValueError: any other content; file and line are named.
    """
    names: list[str] = []
    for line, text in numbered_lines(path):
        number, _, name = text.partition(" ")
        if number != str(len(names) + 1) or not name.strip():
            raise ValueError(f"{path}, line {line}: {text!r}; expected '{len(names) + 1} Name'")
        names.append(name.strip())
    if len(names) == NUM_CLASSES + 1 and names[-1] == "None":
        del names[-1]
    if len(names) != NUM_CLASSES:
        raise ValueError(f"{path} lists {len(names)} classes; EgoGesture has {NUM_CLASSES}")
    return tuple(names)


def read_group(path: Path, subject: int, scene: int, group: int) -> Iterator[Gesture]:
    """Yield the gestures of one original csv file.

    Raises:
        ValueError: a row of another form, numbers out of range, or a gesture annotated twice; file and line are named.
    """
    first_line: dict[int, int] = {}
    for line, text in numbered_lines(path):
        values = [value.strip() for value in text.split(",")]
        while len(values) > 3 and not values[-1]:
            del values[-1]
        blank = [value.lower() in ("", "nan") for value in values]
        if all(blank) or (len(values) == 3 and blank[1]):
            continue
        where = f"{path}, line {line}"
        if len(values) != 3:
            raise ValueError(f"{where}: {text!r}; expected 'class,start,end'")
        gesture = Gesture(subject, scene, group, *checked_numbers(values, where=f"{where}: {text!r}"))
        if gesture.first in first_line:
            raise ValueError(f"{where}: line {first_line[gesture.first]} has a gesture from the same frame on")
        first_line[gesture.first] = line
        yield gesture


def read_list(path: Path, subjects: tuple[int, ...]) -> list[Gesture]:
    """Read a public list.

    Raises:
        ValueError: a row of another form, numbers out of range, a subject of another split, or a gesture listed
            twice; file and line are named.
    """
    gestures: list[Gesture] = []
    first_line: dict[tuple[int, ...], int] = {}
    for line, text in numbered_lines(path):
        where = f"{path}, line {line}: {text!r}"
        words = text.split()
        place = LIST_PATH.fullmatch(words[0])
        if len(words) != 4 or place is None:
            raise ValueError(f"{where}; expected 'SubjectXX/SceneY/Color/rgbZ class start end'")
        subject, scene, group = map(int, place.groups())
        if subject not in subjects:
            raise ValueError(f"{where}; subject {subject} belongs to another split")
        gesture = Gesture(subject, scene, group, *checked_numbers(words[1:], where=where))
        key = subject, scene, group, gesture.first
        if key in first_line:
            raise ValueError(f"{where}; line {first_line[key]} has a gesture from the same frame on")
        first_line[key] = line
        gestures.append(gesture)
    return gestures


def checked_numbers(values: list[str], *, where: str) -> tuple[int, int, int]:
    """Return label from 0, first and last frame from 1, of ``class, start, end``.

    Raises:
        ValueError: no whole numbers, a class outside 1 to 83, or not ``1 <= start <= end``.
    """
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = [math.nan]
    if not all(number.is_integer() for number in numbers):
        raise ValueError(f"{where}; class, start and end must be whole numbers")
    label, first, last = map(int, numbers)
    if not 1 <= label <= NUM_CLASSES:
        raise ValueError(f"{where}; class {label} is outside 1 to {NUM_CLASSES}")
    if not 1 <= first <= last:
        raise ValueError(f"{where}; frames {first} to {last}: expected 1 <= start <= end")
    return label - 1, first, last
