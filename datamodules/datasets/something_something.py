"""Something-Something V1 and V2: 108,499 and 220,847 videos of 174 actions with everyday objects.

Goyal et al.: The "something something" video database, ICCV 2017; V2: Mahdisoltani et al., arXiv 1804.09235, 2018.
V2 from Qualcomm's site (the former 20BN; https://www.qualcomm.com/developer/software/something-something-v-2-dataset),
after registering, for research; V1 is no longer offered there. 12 frames
per second; V1 as folders of frames of height 100 pixels (about 25 GB), V2 as VP9 files of height 240 (19.4 GB). The
test labels are withheld: ``val`` and ``test`` are both the official validation split, as in every paper.

V1: ``something-something-v1-labels.csv``, one name per line, whose order is the label order (some repositories sort
it); ``something-something-v1-{train,validation}.csv``, rows ``id;name`` without a header; names may contain commas.

V2: ``something-something-v2-labels.json``, ``{"name": "0", ...}``, the numbers as strings; they give the label order,
which is alphabetical. ``something-something-v2-{train,validation}.json``, a list of ``{"id", "label", "template",
"placeholders"}``; a video's class is its template without the square brackets ("Holding [something] next to
[something]"), not its label, which is a free text. Newer downloads call the files ``labels/labels.json``,
``labels/train.json``, ``labels/validation.json``.

Mirrored, three pairs of classes with left and right in their names become each other; all others stay. Recipes of
several papers nevertheless flip nothing here (TSM, ACTION-Net). Played backwards the classes are not all known.

Where things are looked for (N is 1 or 2):
    lists     ``annotations`` if given, else root, else <root>/annotations, <root>/labels
    videos    <root>/20bn-something-something-vN/<id>.webm or <id>/ (frames), else the same in <root>/videos,
              <root>/rawframes, <root>/frames or root
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from datamodules.datasets.annotation_rows import (
    PLACES,
    annotation_file,
    check_classes,
    check_count,
    json_content,
    read_id_label_rows,
    read_label_lines,
)
from datamodules.datasets.files_on_disk import FilesOnDisk
from datamodules.datasets.mirrored_names import mirror_by_name
from datamodules.datasets.source import Subset, check_subset, checked_root
from datamodules.video import Video

NUM_CLASSES = 174
LIST_PLACES = (*PLACES, "labels")
VIDEO_PLACES = ("videos", "rawframes", "frames", "")
LIST_NAMES = {"train": "train", "val": "validation", "test": "validation"}
# Labels, in the official orders, of: turning the camera left / right; pushing, pulling from left to right / back.
MIRRORED_V1 = ((2, 4), (30, 41), (52, 66))
MIRRORED_V2 = ((166, 167), (93, 94), (86, 87))


def exchanged(pairs: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """Return the identity over the classes with each pair exchanged."""
    partner = dict(pairs) | {b: a for a, b in pairs}
    return tuple(partner.get(label, label) for label in range(NUM_CLASSES))


@dataclass(frozen=True, kw_only=True)
class SomethingSomethingV1:
    """Read Something-Something V1 from its csv lists; ``val`` and ``test`` are both the validation split.

    Args:
        annotations: folder of the lists; None searches (see the module).
    """

    annotations: Path | None = None

    name: ClassVar[str] = "Something-Something V1"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...]] = exchanged(MIRRORED_V1)
    reverse_labels: ClassVar[tuple[int, ...] | None] = None
    official_counts: ClassVar[Mapping[str, int]] = {"train": 86_017, "val": 11_522, "test": 11_522}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the names of the label file in its order.

        Raises:
            ValueError: it is not found, repeats a name (file and line are named), has not 174 names, or is not in
                the official order.
        """
        path = self._file(root, "labels")
        names = read_label_lines(path)
        check_label_order(path, names, self.mirror_labels, source_name=self.name)
        return names

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the official list of a subset; videos that are not on disk keep the path they should have.

        Raises:
            ValueError: a malformed row (file and line are named), or a list without the official number of rows.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        names = self.class_names(root)
        path = self._file(root, LIST_NAMES[subset])
        rows = read_id_label_rows(path, names)
        check_count(path, len(rows), self.official_counts[subset])
        disk = FilesOnDisk(root, ("20bn-something-something-v1", *VIDEO_PLACES))
        return tuple(
            Video(id=key, path=disk.find(key, suffix=""), label=label, label_name=names[label]) for key, label in rows
        )

    def _file(self, root: Path | None, part: str) -> Path:
        return annotation_file(
            (f"something-something-v1-{part}.csv",),
            root,
            self.annotations,
            source_name=self.name,
            places=LIST_PLACES,
        )


@dataclass(frozen=True, kw_only=True)
class SomethingSomethingV2:
    """Read Something-Something V2 from its json lists; ``val`` and ``test`` are both the validation split.

    Args:
        annotations: folder of the lists; None searches (see the module).
    """

    annotations: Path | None = None

    name: ClassVar[str] = "Something-Something V2"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...]] = exchanged(MIRRORED_V2)
    reverse_labels: ClassVar[tuple[int, ...] | None] = None
    official_counts: ClassVar[Mapping[str, int]] = {"train": 168_913, "val": 24_777, "test": 24_777}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the names of the label file in the order of their numbers.

        Raises:
            ValueError: it is not found, its numbers are not 0 to 173, or not in the official order.
        """
        path = self._file(root, "labels")
        names = read_label_numbers(path)
        check_label_order(path, names, self.mirror_labels, source_name=self.name)
        return names

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the official list of a subset; videos that are not on disk keep the path they should have.

        Raises:
            ValueError: a malformed entry (file and entry are named), or a list without the official number of them.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        names = self.class_names(root)
        path = self._file(root, LIST_NAMES[subset])
        rows = read_entries(path, names)
        check_count(path, len(rows), self.official_counts[subset])
        disk = FilesOnDisk(root, ("20bn-something-something-v2", *VIDEO_PLACES))
        return tuple(
            Video(id=key, path=disk.find(key, suffix=".webm"), label=label, label_name=names[label])
            for key, label in rows
        )

    def _file(self, root: Path | None, part: str) -> Path:
        return annotation_file(
            (f"something-something-v2-{part}.json", f"{part}.json"),
            root,
            self.annotations,
            source_name=self.name,
            places=LIST_PLACES,
        )


def check_label_order(path: Path, names: tuple[str, ...], mirror: tuple[int, ...], *, source_name: str) -> None:
    """Check the number of classes, and that left and right stand where the official order has them.

    Raises:
        ValueError: not 174 classes, or another order.
    """
    check_classes(path, names, NUM_CLASSES, source_name=source_name)
    found = mirror_by_name(names)
    wrong = [label for label in range(NUM_CLASSES) if found[label] != mirror[label]]
    if wrong:
        raise ValueError(
            f"{path} is not in the official order of {source_name}: class {wrong[0]} is {names[wrong[0]]!r}; "
            f"the classes with left and right are {[label for label in range(NUM_CLASSES) if mirror[label] != label]}"
        )


def read_label_numbers(path: Path) -> tuple[str, ...]:
    """Read V2's label file: ``{"name": "0", ...}``, the numbers as strings or not, from 0.

    Returns:
        The names in the order of their numbers.

    Raises:
        ValueError: no such mapping, or the numbers are not 0, 1, 2 and so on, each once.
    """
    content = json_content(path)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path}: expected a mapping from name to number")
    name_of: dict[int, str] = {}
    for name, value in content.items():
        text = value.strip() if isinstance(value, str) else str(value)
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f'{path}, {name!r}: {value!r}; expected a number from 0, such as "17"')
        if int(text) in name_of:
            raise ValueError(f"{path}, {name!r}: the number {text} is already that of {name_of[int(text)]!r}")
        name_of[int(text)] = name
    if set(name_of) != set(range(len(name_of))):
        raise ValueError(
            f"{path}: {len(name_of)} names have the numbers {min(name_of)} to {max(name_of)}; "
            f"expected 0 to {len(name_of) - 1}, each once"
        )
    return tuple(name_of[number] for number in range(len(name_of)))


def read_entries(path: Path, names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Read a V2 list.

    Args:
        path: the json file.
        names: class names in label order.

    Returns:
        ``(id, label from 0)`` per entry, in the file's order.

    Raises:
        ValueError: no list, an entry without id or template, a template that is no class, or an id listed twice; file
            and entry (from 1) are named.
    """
    content = json_content(path)
    if not isinstance(content, list):
        raise ValueError(f"{path}: expected a list of videos")
    label_of = {name: label for label, name in enumerate(names)}
    rows: list[tuple[str, int]] = []
    first_entry: dict[str, int] = {}
    for number, entry in enumerate(content, start=1):
        key, name = id_and_class(entry, where=f"{path}, entry {number}")
        if name not in label_of:
            raise ValueError(f"{path}, entry {number} (id {key}): {name!r} is none of the {len(names)} classes")
        if key in first_entry:
            raise ValueError(f"{path}, entry {number}: video {key} is already entry {first_entry[key]}")
        first_entry[key] = number
        rows.append((key, label_of[name]))
    return rows


def id_and_class(entry: Any, *, where: str) -> tuple[str, str]:
    """Return the id of one entry of a V2 list and its template without brackets.

    Raises:
        ValueError: the id is no number, or there is no template.
    """
    key = str(entry.get("id", "")) if isinstance(entry, dict) else ""
    if not (key.isascii() and key.isdigit()):
        raise ValueError(f"{where}: {str(entry)[:80]!r}; expected a mapping whose 'id' is a number")
    template = entry.get("template")
    if not isinstance(template, str) or not template.strip():
        raise ValueError(f"{where} (id {key}): template={template!r}; expected a text (test lists have none)")
    return key, template.replace("[", "").replace("]", "").strip()
