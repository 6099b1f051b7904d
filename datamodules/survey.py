"""What a data set lists, what of it is on disk, and what would spoil a result: counted before anything is trained."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.data_fingerprint import data_fingerprint
from datamodules.datasets.official_labels import order_verdict
from datamodules.datasets.source import SUBSETS, CountReport, missing_videos
from datamodules.decode_index import Decoded, index_key, read_index, size_on_disk
from datamodules.video import UndecodableVideoError, Video
from datamodules.video_sampling import labelled_frames

UCF_GROUP = re.compile(r"(v_\w+_g\d+)_c\d+")
SHORT = 8  # frames: as many segments as most of the papers' networks draw from
FEW = 5  # videos of a class in training that deserve a remark


@dataclass(frozen=True, kw_only=True)
class SubsetSurvey:
    """Hold one subset, or several that are the same list.

    Args:
        names: ``train``, or ``val`` and ``test`` where they are one.
        report: listed, official and missing videos.
        videos: those on disk.
        per_class: number of videos on disk of each class, by label.
        undecoded: of the videos' files, those that the index does not know (as they are now).
        undecodable: those that it says give no frame.
        damaged: those that break off or miss frames, or about which it has a remark.
        lengths: frames of each video that can be decoded and that the index knows; of a labelled part, its own.
    """

    names: tuple[str, ...]
    report: CountReport
    videos: tuple[Video, ...]
    per_class: tuple[int, ...]
    undecoded: tuple[Path, ...]
    undecodable: tuple[Decoded, ...]
    damaged: tuple[Decoded, ...]
    lengths: tuple[tuple[Video, int], ...]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Hold what the doctor found.

    Args:
        name: the data set.
        root: its folder.
        class_names: in label order.
        labels_right: whether the label order is the official one, or nothing official contradicts it.
        labels: a sentence about it.
        subsets: those of the data set.
        shared: sentences about videos on both sides of training and evaluation.
        notes: sentences about scenes on both sides, which official splits may have.
        fingerprint: the data fingerprint that results carry.
    """

    name: str
    root: Path
    class_names: tuple[str, ...]
    labels_right: bool
    labels: str
    subsets: tuple[SubsetSurvey, ...]
    shared: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str

    def unusable(self) -> list[str]:
        """Return why nothing can be trained or tested; empty when it can."""
        return [f"no {subset.names[-1]} video is on disk" for subset in self.subsets if not subset.videos]

    def problems(self) -> list[str]:
        """Return what differs from a complete, sound copy of the data set."""
        found = [] if self.labels_right else [self.labels]
        for subset in self.subsets:
            name, official = "/".join(subset.names), subset.report.official
            if official is not None and official != subset.report.listed:
                found.append(f"{name}: {subset.report.listed:,} videos listed, officially {official:,}")
            if subset.report.missing:
                found.append(f"{name}: {len(subset.report.missing):,} of {subset.report.listed:,} videos missing")
            if subset.undecodable:
                found.append(f"{name}: {len(subset.undecodable):,} videos cannot be decoded")
            if subset.damaged:
                found.append(f"{name}: {len(subset.damaged):,} videos are damaged")
            if empty := sum(number == 0 for number in subset.per_class):
                found.append(f"{name}: {empty:,} of {len(subset.per_class):,} classes have no video")
        return found + list(self.shared)


def survey(source: Any, root: Path) -> Survey:
    """Compare a data set's lists with the official numbers, the disk and the index of decoded videos.

    Args:
        source: the reader.
        root: its folder.

    Raises:
        ValueError: the lists are not found or malformed.
    """
    names = source.class_names(root)
    right, labels = order_verdict(source.name, names)
    index = read_index(root)
    listed = {subset: source.videos(root, subset) for subset in SUBSETS}  # type: ignore[arg-type]
    groups: list[list[str]] = []
    for subset in SUBSETS:
        same = next((group for group in groups if listed[group[0]] == listed[subset]), None)
        if same is None:
            groups.append([subset])
        else:
            same.append(subset)
    sizes: dict[Path, int | None] = {}
    subsets = []
    for group in groups:
        present, missing = missing_videos(listed[group[0]])
        for video in present:
            if video.path not in sizes:
                sizes[video.path] = size_on_disk(video.path)
        known = {path: index.get(index_key(path, root)) for path in {video.path: None for video in present}}
        fresh = {path: entry for path, entry in known.items() if entry is not None and entry.size == sizes[path]}
        counted = Counter(video.label for video in present)
        report = CountReport(source_name=source.name, subset="/".join(group), listed=len(listed[group[0]]),
                             official=source.official_counts.get(group[0]), missing=missing)  # fmt: skip
        subsets.append(
            SubsetSurvey(
                names=tuple(group),
                report=report,
                videos=present,
                per_class=tuple(counted[label] for label in range(len(names))),
                undecoded=tuple(path for path in known if path not in fresh),
                undecodable=tuple(entry for entry in fresh.values() if entry.error),
                damaged=tuple(e for e in fresh.values() if not e.error and (e.truncated or e.remark)),
                lengths=tuple(
                    (video, length_of(video, entry))
                    for video in present
                    if (entry := fresh.get(video.path)) is not None and not entry.error
                ),
            )
        )
    return Survey(
        name=source.name,
        root=root,
        class_names=names,
        labels_right=right,
        labels=labels,
        subsets=tuple(subsets),
        shared=tuple(shared_videos(subsets, sizes)),
        notes=tuple(shared_scenes(subsets)),
        fingerprint=data_fingerprint(source, root),
    )


def length_of(video: Video, found: Decoded) -> int:
    """Return how many frames a video has, or the part of it that is labelled; 0 where that lies behind its end."""
    with warnings.catch_warnings(action="ignore"):  # of parts that are cut
        try:
            first, end = labelled_frames(video, found.frames, found.fps)
        except UndecodableVideoError:
            return 0
    return end - first


def shared_videos(subsets: Sequence[SubsetSurvey], sizes: Mapping[Path, int | None]) -> Iterable[str]:
    """Yield a sentence for each way in which an evaluated subset shares videos with training."""
    train = next(subset for subset in subsets if "train" in subset.names)
    for other in subsets:
        if other is train:
            continue
        name = "/".join(other.names)
        paths = {video.path for video in train.videos if video.start_frame is None and video.start_sec is None}
        if same := [video for video in other.videos if video.path in paths]:
            yield f"{name}: {counted(len(same), 'video')} also in train, such as {same[0].id}"
        if copies := copied_files(train.videos, other.videos, sizes):
            first, second = copies[0]
            same_as = f"such as {second.id} ({first.id})"
            yield f"{name}: {counted(len(copies), 'file')} of the same bytes as one of train, {same_as}"


def shared_scenes(subsets: Sequence[SubsetSurvey]) -> Iterable[str]:
    """Yield a sentence for each evaluated subset that has clips of a group of which training has clips too."""
    train = next(subset for subset in subsets if "train" in subset.names)
    groups = {group_of(video) for video in train.videos} - {None}
    for other in subsets:
        leaked = [] if other is train else [video for video in other.videos if group_of(video) in groups]
        if leaked:
            number = len({group_of(video) for video in leaked})
            yield (
                f"{'/'.join(other.names)}: {counted(len(leaked), 'clip')} of {counted(number, 'group')} (one scene "
                f"each) that also have clips in train, such as {leaked[0].id}"
            )


def group_of(video: Video) -> str | None:
    """Return the group of a UCF-101 clip, whose clips show one scene; None for other videos."""
    match = UCF_GROUP.fullmatch(video.id)
    return None if match is None else match[1]


def copied_files(
    train: Sequence[Video], others: Sequence[Video], sizes: Mapping[Path, int | None]
) -> list[tuple[Video, Video]]:
    """Return pairs of different files of the same bytes; only files of equal size are read."""
    by_size: dict[int, list[Video]] = defaultdict(list)
    for video in train:
        if (size := sizes[video.path]) is not None and not video.path.is_dir():
            by_size[size].append(video)
    digests: dict[Path, str] = {}

    def digest(path: Path) -> str:
        if path not in digests:
            with path.open("rb") as file:
                digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests[path]

    found = []
    for video in others:
        for candidate in by_size.get(sizes[video.path] or -1, ()):
            if candidate.path == video.path or video.path.is_dir():
                continue
            if digest(candidate.path) == digest(video.path):
                found.append((candidate, video))
                break
    return found


def counted(number: int, word: str) -> str:
    """Return ``1 video``, ``2 videos``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
