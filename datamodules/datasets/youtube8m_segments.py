"""YouTube-8M Segments: five-second segments of YouTube videos with human-verified labels of 1,000 classes.

Lee, Reade, Sukthankar, Toderici: The 2nd YouTube-8M Large-Scale Video Understanding Challenge, 2019;
https://research.google.com/youtube8m. The annotations (about 237,000 segments) are CC BY 4.0 and come as TFRecords of
features with anonymous ids; the videos are YouTube's and have to be obtained by whoever uses them. So this reads a
list of the segments one has:

    segments.csv                a header and rows ``video,start,end,label``: the video's id or its path below root,
                                seconds, and the label, a number of the YouTube-8M vocabulary or a name
    segment_label_ids.csv       optional, the official file: a header ``Index``, then the 1,000 numbers used

Label order: with ``segment_label_ids.csv`` its numbers, ascending; without, the labels of the list: ascending if all
are numbers, else alphabetical.

Validation split (LIGAR: "10 % of videos per class"; the published annotations have no split of the segments): all
segments of a video are on one side. Classes take turns, those with the fewest videos first (of equals the first in
alphabetical order). Each wants a tenth of its videos, rounded half up, at least one if it has two; it counts those
that earlier classes chose and chooses the rest by the SHA-256 of the video's id, smallest first. The rule depends on
the list's content, not on its order. ``val`` and ``test`` are the same.

Where things are looked for:
    lists     ``annotations`` if given, else root, else <root>/annotations
    videos    whole videos, not cut: <root>/videos/<id>.<suffix>, else <root>/<id>.<suffix>; a path (with a ``/``) as
              given, below root
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from datamodules.datasets.annotation_rows import annotation_file, csv_rows, find_annotation_file, label_order, seconds
from datamodules.datasets.files_on_disk import FilesOnDisk
from datamodules.datasets.source import Subset, check_subset, checked_root
from datamodules.video import Video

SEGMENT_FILE = "segments.csv"
LABEL_FILE = "segment_label_ids.csv"
SEGMENT_SEC = 5.0


class Segment(NamedTuple):
    """Hold one row of the list; times in seconds."""

    video: str
    start_sec: float
    end_sec: float
    label: str


@dataclass(frozen=True, kw_only=True)
class YouTube8MSegments:
    """Read a list of YouTube-8M segments; one video per segment, of which only the segment is used.

    No class is told apart by left and right, so flipping keeps every label.

    Args:
        annotations: folder of the list; None searches (see the module).
    """

    annotations: Path | None = None

    name: ClassVar[str] = "YouTube-8M Segments"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...]] = ()
    official_counts: ClassVar[Mapping[str, int]] = {}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the label order (see the module).

        Raises:
            ValueError: the list is not found or malformed; file and line are named.
        """
        labels = self.official_labels(root)
        return labels or label_order(segment.label for segment in read_segments(self.list_file(root)))

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the segments of a subset in the list's order; those not on disk keep the path they should have.

        Raises:
            ValueError: a malformed row, an unknown label, or a segment listed twice; file and line are named.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        official = self.official_labels(root)
        segments = read_segments(self.list_file(root), official)
        names = official or label_order(segment.label for segment in segments)
        label_of = {name: label for label, name in enumerate(names)}
        held_out = validation_videos(segments)
        disk = FilesOnDisk(root, ("videos", ""))
        return tuple(
            Video(
                id=f"{segment.video}_{segment.start_sec:g}_{segment.label}",
                path=root / segment.video if "/" in segment.video else disk.find(segment.video, suffix=".mp4"),
                label=label_of[segment.label],
                label_name=segment.label,
                start_sec=segment.start_sec,
                end_sec=segment.end_sec,
            )
            for segment in segments
            if (segment.video in held_out) == (subset != "train")
        )

    def list_file(self, root: Path | None) -> Path:
        """Return the list.

        Raises:
            ValueError: it is not found.
        """
        return annotation_file((SEGMENT_FILE,), root, self.annotations, source_name=self.name)

    def official_labels(self, root: Path | None) -> tuple[str, ...]:
        """Return the numbers of the official label file, ascending; none without the file.

        Raises:
            ValueError: a row that is no number, or one listed twice; file and line are named.
        """
        path = find_annotation_file((LABEL_FILE,), root, self.annotations)
        return () if path is None else read_label_numbers(path)


def read_label_numbers(path: Path) -> tuple[str, ...]:
    """Read the official file of label numbers.

    Returns:
        The numbers, ascending, as text.

    Raises:
        ValueError: a row that is no number, or one listed twice; file and line are named.
    """
    first_line: dict[str, int] = {}
    for line, (text,) in csv_rows(path, ("Index",)):
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f"{path}, line {line}: {text!r}; expected a number of the vocabulary")
        if text in first_line:
            raise ValueError(f"{path}, line {line}: {text} is already on line {first_line[text]}")
        first_line[text] = line
    return label_order(first_line)


def read_segments(path: Path, labels: Iterable[str] = ()) -> list[Segment]:
    """Read the list of segments.

    Args:
        path: the csv file.
        labels: accepted labels; none given accepts any.

    Raises:
        ValueError: a malformed row, another length than five seconds, an unknown label, or a row listed twice; file
            and line are named.
    """
    known = frozenset(labels)
    segments: list[Segment] = []
    first_line: dict[Segment, int] = {}
    for line, (video, start, end, label) in csv_rows(path, ("video", "start", "end", "label")):
        if not video or not label:
            raise ValueError(f"{path}, line {line}: video={video!r}, label={label!r}; neither may be empty")
        if known and label not in known:
            raise ValueError(f"{path}, line {line}: label={label!r} is none of the {len(known)} of {LABEL_FILE}")
        segment = Segment(video, *seconds(start, end, where=f"{path}, line {line}"), label)
        if abs(segment.end_sec - segment.start_sec - SEGMENT_SEC) > 1e-3:
            raise ValueError(f"{path}, line {line}: start={start}, end={end}; a segment has {SEGMENT_SEC:g} seconds")
        if segment in first_line:
            raise ValueError(f"{path}, line {line}: the same segment and label are on line {first_line[segment]}")
        first_line[segment] = line
        segments.append(segment)
    return segments


def validation_videos(segments: Iterable[Segment]) -> frozenset[str]:
    """Return the videos of the validation split (the rule is stated in the module)."""
    videos_of: dict[str, set[str]] = {}
    for segment in segments:
        videos_of.setdefault(segment.label, set()).add(segment.video)
    rank = {video: hashlib.sha256(video.encode()).digest() for videos in videos_of.values() for video in videos}
    chosen: set[str] = set()
    for label in sorted(videos_of, key=lambda label: (len(videos_of[label]), label)):
        videos = videos_of[label]
        wanted = max((len(videos) + 5) // 10, min(1, len(videos) - 1))
        free = sorted(videos - chosen, key=rank.__getitem__)
        chosen.update(free[: max(0, wanted - len(videos & chosen))])
    return frozenset(chosen)
