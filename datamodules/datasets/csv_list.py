"""Lists of your own videos as csv files.

    root/train.csv, root/val.csv      a header and rows ``video,label`` or ``video,label,start,end``
    root/test.csv                     optional; without it testing uses val.csv
    root/labels.txt                   optional: one label per line, which gives the label order

``video`` is the path of a video file or of a folder of frames, from root (or absolute); ``label`` a name or a number;
``start`` and ``end`` the seconds of the labelled part, both or neither, for video files. Columns may stand in any
order, further ones are passed over.

Label order: that of labels.txt; without it the labels of train.csv, ascending if all are numbers, else alphabetical.
So it does not matter whether numbers start at 0 or at 1, and reports print the labels as they are written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datamodules.datasets.annotation_rows import (
    annotation_file,
    csv_rows,
    find_annotation_file,
    label_order,
    read_label_lines,
    seconds,
)
from datamodules.datasets.source import Subset, check_subset, checked_root
from datamodules.video import Video

LABEL_FILE = "labels.txt"
LISTS = {"train": ("train.csv",), "val": ("val.csv",), "test": ("test.csv", "val.csv")}


@dataclass(frozen=True, kw_only=True)
class CsvList:
    """Read lists of one's own videos.

    Args:
        name: how tables and reports call the data set.
        untrimmed: whether the labelled action fills only a part of a video.
        mirror_labels: class that each class (in label order) becomes when mirrored left to right; the default, empty,
            says that none changes; None refuses flipping, which is right for classes such as "swipe left".
        annotations: folder of the lists; None takes root.
    """

    name: str = "csv list"
    untrimmed: bool = False
    mirror_labels: tuple[int, ...] | None = ()
    annotations: Path | None = None

    @property
    def official_counts(self) -> Mapping[str, int]:
        """Return nothing: there is no official split."""
        return {}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the label order (see the module).

        Raises:
            ValueError: train.csv is not found or malformed, or has a label that labels.txt does not have.
        """
        path = find_annotation_file((LABEL_FILE,), root, self.annotations, places=("",))
        if path is not None:
            names = read_label_lines(path)
            if not names:
                raise ValueError(f"{path} holds no label")
            return names
        rows = csv_rows(self._list_file(root, "train"), ("label",))
        return label_order(label for _, (label,) in rows if label)

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the listed videos in the list's order, on disk or not.

        Raises:
            ValueError: a list is not found or empty, a malformed row, an unknown label, or a video and part listed
                twice; file and line are named.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        label_of = {name: label for label, name in enumerate(self.class_names(root))}
        path = self._list_file(root, subset)
        videos: list[Video] = []
        first_line: dict[str, int] = {}
        for line, (file, label, start, end) in csv_rows(path, ("video", "label"), optional=("start", "end")):
            where = f"{path}, line {line}"
            if not file:
                raise ValueError(f"{where}: no video")
            if label not in label_of:
                raise ValueError(f"{where}: label={label!r}; accepted: {shortened(label_of)}")
            if bool(start) != bool(end):
                raise ValueError(f"{where}: start={start!r}, end={end!r}; give both or neither")
            times = seconds(start, end, where=where) if start else (None, None)
            key = f"{file}@{times[0]:g}-{times[1]:g}" if times[0] is not None else file
            if key in first_line:
                raise ValueError(f"{where}: {key} is already on line {first_line[key]}")
            first_line[key] = line
            videos.append(
                Video(
                    id=key,
                    path=root / file,
                    label=label_of[label],
                    label_name=label,
                    start_sec=times[0],
                    end_sec=times[1],
                )
            )
        if not videos:
            raise ValueError(f"{path} lists no video")
        return tuple(videos)

    def _list_file(self, root: Path | None, subset: Subset) -> Path:
        return annotation_file(LISTS[subset], root, self.annotations, source_name=self.name, places=("",))


def shortened(names: Mapping[str, int]) -> str:
    """Return the first names, for messages."""
    first = list(names)[:8]
    return ", ".join(first) + (f", ... ({len(names)} in all)" if len(names) > len(first) else "")
