"""What every data set offers, and how its list compares with the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from datamodules.frame_array import holds_array
from datamodules.frame_folder import IMAGE_SUFFIXES
from datamodules.video import Video

Subset = Literal["train", "val", "test"]
SUBSETS: tuple[str, ...] = get_args(Subset)
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg")  # in order of preference


class Source(Protocol):
    """List the labelled videos of one data set.

    A source is a frozen, hashable description; the folder of the files (``root``) is given at each call, so
    that the same source means the same data on every machine.
    """

    @property
    def name(self) -> str:
        """Return the name to print, such as ``UCF-101``."""
        ...

    @property
    def untrimmed(self) -> bool:
        """Say whether the labelled action fills only a part of a video."""
        ...

    @property
    def mirror_labels(self) -> tuple[int, ...] | None:
        """Return the class that each class becomes when mirrored left to right.

        A permutation of the class indices; the empty tuple means that no class changes, for any number of
        classes; None means that flipping is refused.
        """
        ...

    @property
    def official_counts(self) -> Mapping[str, int]:
        """Return the number of videos of the official split per subset; empty when there is none."""
        ...

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the label order."""
        ...

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return all listed videos in official order, on disk or not, with labels from 0."""
        ...


@dataclass(frozen=True, kw_only=True)
class CountReport:
    """Compare a subset's list with the official number and with the disk.

    Args:
        source_name: the data set.
        subset: ``train``, ``val`` or ``test``.
        listed: videos in the annotations.
        official: videos of the official split; None when there is none.
        missing: listed videos that are not on disk.
    """

    source_name: str
    subset: str
    listed: int
    official: int | None
    missing: tuple[Video, ...]

    @property
    def present(self) -> int:
        """Return the number of listed videos that are on disk."""
        return self.listed - len(self.missing)

    def __str__(self) -> str:
        text = f"{self.source_name} {self.subset}: {self.listed:,} listed"
        if self.official is not None:
            text += f" (official {self.official:,})"
        text += f", {self.present:,} on disk"
        if self.missing:
            shown = ", ".join(video.id for video in self.missing[:3])
            text += f", {len(self.missing):,} missing ({shown}{', ...' if len(self.missing) > 3 else ''})"
        return text


def missing_videos(videos: Sequence[Video]) -> tuple[tuple[Video, ...], tuple[Video, ...]]:
    """Split videos into those on disk and those not, both in the given order.

    Returns:
        ``(present, missing)``.
    """
    present: list[Video] = []
    missing: list[Video] = []
    for video in videos:
        (present if video.path.exists() else missing).append(video)
    return tuple(present), tuple(missing)


def count_report(source: Source, root: Path | None, subset: Subset) -> CountReport:
    """Count what a subset lists, should list and has on disk."""
    videos = source.videos(root, subset)
    return CountReport(
        source_name=source.name,
        subset=subset,
        listed=len(videos),
        official=source.official_counts.get(subset),
        missing=missing_videos(videos)[1],
    )


def check_subset(subset: str) -> None:
    """Refuse an unknown subset.

    Raises:
        ValueError: not one of ``train``, ``val``, ``test``.
    """
    if subset not in SUBSETS:
        raise ValueError(f"subset={subset!r}; accepted: {', '.join(SUBSETS)}")


def checked_root(root: Path | None, *, source_name: str) -> Path:
    """Return the folder of a real data set.

    Raises:
        ValueError: no folder given, or it does not exist.
    """
    if root is None:
        raise ValueError(f"{source_name} needs the folder of its files (--data-root); none was given")
    if not Path(root).is_dir():
        raise ValueError(f"{source_name}: the folder {str(root)!r} does not exist")
    return Path(root)


def holds_frames(folder: Path) -> bool:
    """Say whether images, or decoded frames, lie directly in a folder, which makes it a video stored as frames."""
    return holds_array(folder) or any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir())
