"""One subset of a source, opened: the videos that are on disk, how their frames are read, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.batch import ClipBatch
from datamodules.datasets.joint import Joint, member_root, part_root, parts_of
from datamodules.datasets.source import Subset, missing_videos
from datamodules.decode_index import without_undecodable
from datamodules.synthetic.decoded import DecodedVideos
from datamodules.synthetic.members import Member, true_segments
from datamodules.video import Video
from datamodules.video_sampling import FileReader, FrameReader


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenSubset:
    """Hold the videos of a subset and their reader.

    Args:
        videos: those on disk; of a joint source set after set, with its labels.
        reader: reads them by position.
        missing: those listed and not on disk.
        source_index: ``(len(videos),)`` which of the source's data sets each belongs to.
        undecodable: training videos on disk that are left out because the index of decoded videos says that they give
            no frame. Those of ``val`` and ``test`` stay in: they count as wrong.
    """

    videos: tuple[Video, ...]
    reader: FrameReader
    missing: tuple[Video, ...]
    source_index: np.ndarray
    undecodable: tuple[Video, ...] = ()


class JointReader:
    """Read frames of several subsets one after the other, as if they were one.

    Args:
        readers: of the subsets.
        lengths: number of videos of each.
    """

    def __init__(self, readers: Sequence[FrameReader], lengths: Sequence[int]) -> None:
        self.readers = tuple(readers)
        self.ends = np.cumsum(lengths)

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """See :class:`~datamodules.video_sampling.FrameReader`."""
        part = int(np.searchsorted(self.ends, index, side="right"))
        before = int(self.ends[part - 1]) if part else 0
        return self.readers[part].read(index - before, choose)


def open_subset(source: Any, data_root: Path | None, name: Subset) -> OpenSubset:
    """Open ``train``, ``val`` or ``test`` of a source.

    Raises:
        ValueError: no video of the subset, or of one set of a joint source, is on disk.
    """
    parts = [_open_part(part, part_root(source, part, data_root), name) for part in parts_of(source)]
    if not isinstance(source, Joint):
        return parts[0]
    relabelled = [
        tuple(source.relabelled(i, v, data_root) for v in (part.videos, part.missing, part.undecodable))
        for i, part in enumerate(parts)
    ]
    lengths = [len(part.videos) for part in parts]
    return OpenSubset(
        videos=tuple(video for videos, _, _ in relabelled for video in videos),
        reader=JointReader([part.reader for part in parts], lengths),
        missing=tuple(video for _, missing, _ in relabelled for video in missing),
        source_index=np.repeat(np.arange(len(parts)), lengths),
        undecodable=tuple(video for _, _, undecodable in relabelled for video in undecodable),
    )


def _open_part(part: Any, root: Path | None, name: Subset) -> OpenSubset:
    missing: tuple[Video, ...] = ()
    undecodable: tuple[Video, ...] = ()
    if isinstance(part, Member):
        subset: Subset = "train" if name == "train" else "val"
        videos = part.videos(member_root(part), subset)
        reader: FrameReader = DecodedVideos(member_root(part), subset)
    else:
        listed = part.videos(root, name)
        videos, missing = missing_videos(listed)
        if not videos:
            raise ValueError(
                f"{part.name}: none of the {len(listed)} {name} videos is under {root}; "
                f"the first one looked for is {listed[0].path if listed else 'not listed either'}"
            )
        if name == "train":
            videos, refused = without_undecodable(videos, root)
            undecodable = tuple(video for video, _ in refused)
            if not videos:
                raise ValueError(f"{part.name}: none of the {len(refused)} {name} videos on disk can be decoded")
        reader = FileReader(videos)
    return OpenSubset(
        videos=videos, reader=reader, missing=missing, source_index=np.zeros(len(videos), dtype=np.int64),
        undecodable=undecodable,
    )  # fmt: skip


def known_segments(source: Any, name: Subset) -> np.ndarray | None:
    """Return where the labelled actions really are; for analysis only, training never sees it.

    Returns:
        ``(n, 2)`` first frame and end frame of each video, in the order of :func:`open_subset`; None if they are not
        known for all sets (only the benchmark's are), or if the action fills every video.
    """
    parts = parts_of(source)
    if not all(isinstance(part, Member) for part in parts) or not source.untrimmed:
        return None
    return np.concatenate([true_segments(member_root(part), part, name) for part in parts])


def action_share(segments: np.ndarray, batch: ClipBatch) -> np.ndarray:
    """Return ``(N, V)``: the share of each clip's frames inside its video's true action.

    Args:
        segments: of :func:`known_segments`.
        batch: of that subset.
    """
    inside = segments[batch.video_index.cpu().numpy()][:, :, None, None]  # (N, 2, 1, 1)
    frames = batch.frame_indices.cpu().numpy()  # (N, V, T)
    return ((frames >= inside[:, 0]) & (frames < inside[:, 1])).mean(axis=2)
