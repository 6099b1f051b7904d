"""UCF-101: 13,320 trimmed clips of 101 actions, three official splits.

Soomro, Zamir, Shah: UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild, CRCV-TR-12-01, 2012;
https://www.crcv.ucf.edu/data/UCF101.php. Format: ``Class/v_Class_gXX_cYY.avi``, 320 x 240, 25 or 29.97 frames per
second, about 6.5 GB. Licence: none stated, footage from YouTube, used for research. Splits are by group (gXX), which
share a scene; none is on both sides.

Lists (``ucfTrainTestlist``, Windows line ends): ``classInd.txt`` rows ``N Class``; ``trainlist0S.txt`` rows
``Class/file.avi N`` with N from 1; ``testlist0S.txt`` rows ``Class/file.avi`` without a label, which is
therefore read off the folder. The folder HandstandPushups holds files named v_HandStandPushups_*, and copies
differ in it: names are compared without regard to case.

Where things are looked for:
    lists     ``annotations`` if given, else <root>/ucfTrainTestlist, else the one folder that holds
              classInd.txt among root and what lies at most two levels below it
    videos    <root>/UCF-101/<Class>/, else <root>/videos/<Class>/, else <root>/<Class>/; also with another
              video suffix, or as a folder of frames <Class>/<name without suffix>/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datamodules.datasets.annotation_rows import numbered_lines
from datamodules.datasets.source import VIDEO_SUFFIXES, Subset, check_subset, checked_root
from datamodules.video import Video

NUM_CLASSES = 101
# split -> rows of (trainlist, testlist)
OFFICIAL_COUNTS = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}
LIST_FOLDER = "ucfTrainTestlist"
CLASS_FILE = "classInd.txt"
VIDEO_FOLDERS = ("UCF-101", "videos", ".")


@dataclass(frozen=True, kw_only=True)
class UCF101:
    """Read UCF-101 from its original lists; ``val`` and ``test`` are both the official test list.

    No class is told apart by left and right, so flipping keeps every label.

    Args:
        split: official split, 1 to 3.
        annotations: folder which holds classInd.txt; None searches (see the module).

    Raises:
        ValueError: another split.
    """

    split: int = 1
    annotations: Path | None = None

    def __post_init__(self) -> None:
        if self.split not in OFFICIAL_COUNTS:
            raise ValueError(f"split={self.split!r}; accepted: 1, 2, 3")

    @property
    def name(self) -> str:
        """Return the name to print."""
        return "UCF-101"

    @property
    def untrimmed(self) -> bool:
        """Return False: clips are cut to the action."""
        return False

    @property
    def mirror_labels(self) -> tuple[int, ...]:
        """Return the identity over the 101 classes."""
        return tuple(range(NUM_CLASSES))

    @property
    def official_counts(self) -> dict[str, int]:
        """Return the number of videos per subset."""
        train, test = OFFICIAL_COUNTS[self.split]
        return {"train": train, "val": test, "test": test}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the names of classInd.txt in its order.

        Raises:
            ValueError: the file is not found, or its rows are not ``1 Name`` to ``101 Name``.
        """
        return read_classes(self.list_folder(root) / CLASS_FILE)

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the official list of a subset; videos that are not on disk keep the path they should have.

        Raises:
            ValueError: a malformed row (file and line are named), or a list without the official number of
                rows.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        folder = self.list_folder(root)
        classes = read_classes(folder / CLASS_FILE)
        path = folder / f"{'train' if subset == 'train' else 'test'}list0{self.split}.txt"
        rows = read_list(path, classes, labelled=subset == "train")
        if len(rows) != self.official_counts[subset]:
            raise ValueError(
                f"{path} lists {len(rows)} videos; the official number is {self.official_counts[subset]}. "
                "For a smaller copy keep the official list: videos missing on disk are reported"
            )
        disk = VideoFolders(root, classes)
        return tuple(
            Video(
                id=Path(file).stem,
                path=disk.find(classes[label], file),
                label=label,
                label_name=classes[label],
            )
            for file, label in rows
        )

    def list_folder(self, root: Path | None) -> Path:
        """Return the folder of the lists (see the module for where it is looked for).

        Raises:
            ValueError: none or several found.
        """
        if self.annotations is not None:
            if not (Path(self.annotations) / CLASS_FILE).is_file():
                raise ValueError(f"annotations={str(self.annotations)!r} holds no {CLASS_FILE}")
            return Path(self.annotations)
        root = checked_root(root, source_name=self.name)
        if (root / LIST_FOLDER / CLASS_FILE).is_file():
            return root / LIST_FOLDER
        found = [path.parent for pattern in ("", "*/", "*/*/") for path in sorted(root.glob(pattern + CLASS_FILE))]
        if len(found) != 1:
            folders = ", ".join(map(str, found))
            seen = f"several folders hold one: {folders}" if found else "no folder there holds one"
            raise ValueError(
                f"{self.name}: {CLASS_FILE} is looked for in {root / LIST_FOLDER} "
                f"and up to two levels below {root}; {seen}"
            )
        return found[0]


class VideoFolders:
    """Find listed files on disk whatever their case, suffix or storage (file or folder of frames).

    Args:
        root: folder of the data set.
        classes: class names, to tell which of the possible layouts is there.
    """

    def __init__(self, root: Path, classes: tuple[str, ...]) -> None:
        wanted = {name.lower() for name in classes}
        self.base = root / VIDEO_FOLDERS[0]
        self.class_folders: dict[str, Path] = {}
        for candidate in VIDEO_FOLDERS:
            if not (root / candidate).is_dir():
                continue
            folders = {entry.name.lower(): entry for entry in (root / candidate).iterdir() if entry.is_dir()}
            if wanted & folders.keys():
                self.base, self.class_folders = root / candidate, folders
                break
        self._files: dict[str, dict[str, Path]] = {}

    def find(self, class_name: str, file: str) -> Path:
        """Return where a listed file is; where it should be when it is not there."""
        key = class_name.lower()
        folder = self.class_folders.get(key, self.base / class_name)
        if key not in self._files:
            self._files[key] = index_by_stem(folder)
        return self._files[key].get(Path(file).stem.lower(), folder / file)


def index_by_stem(folder: Path) -> dict[str, Path]:
    """Map names without suffix, in small letters, to video files and folders; the original ``.avi`` wins."""
    if not folder.is_dir():
        return {}
    order = (".avi", *(suffix for suffix in VIDEO_SUFFIXES if suffix != ".avi"))
    files: dict[str, tuple[int, Path]] = {}
    for entry in sorted(folder.iterdir()):
        suffix = entry.suffix.lower()
        if suffix in order:
            rank, stem = order.index(suffix), entry.stem.lower()
        elif entry.is_dir():
            rank, stem = len(order), entry.name.lower()
        else:
            continue
        if stem not in files or rank < files[stem][0]:
            files[stem] = rank, entry
    return {stem: path for stem, (_, path) in files.items()}


def read_classes(path: Path) -> tuple[str, ...]:
    """Read classInd.txt: rows ``N Name`` with N counting from 1 to 101.

    Raises:
        ValueError: any other content; file and line are named.
    """
    names: list[str] = []
    for line, text in numbered_lines(path):
        number, _, name = text.partition(" ")
        if number != str(len(names) + 1) or not name.strip():
            raise ValueError(f"{path}, line {line}: {text!r}; expected '{len(names) + 1} ClassName'")
        names.append(name.strip())
    if len(names) != NUM_CLASSES:
        raise ValueError(f"{path} lists {len(names)} classes; UCF-101 has {NUM_CLASSES}")
    return tuple(names)


def read_list(path: Path, classes: tuple[str, ...], *, labelled: bool) -> list[tuple[str, int]]:
    """Read a train list (``Class/file.avi N``) or a test list (``Class/file.avi``).

    Returns:
        ``(file name, label from 0)`` per row, in the file's order.

    Raises:
        ValueError: a row of another form, an unknown class, a number which is not the class's, a video listed
            twice.
    """
    label_of = {name.lower(): label for label, name in enumerate(classes)}
    rows: list[tuple[str, int]] = []
    first_line: dict[str, int] = {}
    for line, text in numbered_lines(path):
        where = f"{path}, line {line}: {text!r}"
        words = text.split()
        if len(words) != (2 if labelled else 1) or words[0].count("/") != 1:
            raise ValueError(f"{where}; expected 'Class/file.avi{' N' if labelled else ''}'")
        class_name, file = words[0].split("/")
        label = label_of.get(class_name.lower())
        if label is None or not file:
            raise ValueError(
                f"{where}; {class_name!r} is no class of {CLASS_FILE}" if file else f"{where}; no file name"
            )
        if labelled and words[1] != str(label + 1):
            raise ValueError(f"{where}; {CLASS_FILE} gives {class_name} the number {label + 1}")
        if words[0].lower() in first_line:
            raise ValueError(f"{where}; the same video is on line {first_line[words[0].lower()]}")
        first_line[words[0].lower()] = line
        rows.append((file, label))
    return rows
