"""Several data sets as one, for joint pre-training (LIGAR, Sec. IV.i): videos in a row, a block of labels each."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datamodules.datasets.source import Source, Subset, check_subset
from datamodules.synthetic.files import default_cache, prepare
from datamodules.synthetic.members import Member
from datamodules.video import Video


@dataclass(frozen=True)
class Joint:
    """Concatenate data sets: class k of set s becomes label ``offset_s + k``.

    Batches are drawn from the concatenation in natural proportions, nothing is balanced (the released code). Sets may
    be members of the benchmark or real ones; each real one is looked for in its own folder (:func:`root_of`).

    Args:
        sources: the data sets, two or more, of different names.

    Raises:
        ValueError: fewer than two data sets, one that is itself joint, or two of one name.
    """

    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        names = [source.name for source in self.sources]
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"sources are {names}; accepted: two or more data sets of different names")
        if any(isinstance(source, Joint) for source in self.sources):
            raise ValueError(f"sources are {names}; a joint data set takes the single ones, no other joint one")

    @property
    def name(self) -> str:
        """Return the names, joined by ``+``."""
        return " + ".join(source.name for source in self.sources)

    @property
    def untrimmed(self) -> bool:
        """Say whether the labelled action fills only a part of some set's videos."""
        return any(source.untrimmed for source in self.sources)

    @property
    def official_counts(self) -> dict[str, int]:
        """Return the sum of the official numbers per subset; empty where a set has none."""
        counts = [source.official_counts for source in self.sources]
        subsets = set.intersection(*(set(count) for count in counts))
        return {subset: sum(count[subset] for count in counts) for subset in sorted(subsets)}

    @property
    def mirror_labels(self) -> tuple[int, ...] | None:
        """Return the mirrored class of each label, where it is known without the folder of the files.

        Raises:
            ValueError: it is not; :meth:`mirror_labels_in` takes the folder.
        """
        return self.mirror_labels_in(None)

    def mirror_labels_in(self, root: Path | None) -> tuple[int, ...] | None:
        """Return the mirrored class of each label: None if a set refuses flipping, empty if no class changes."""
        parts = [source.mirror_labels for source in self.sources]
        if any(part is None for part in parts):
            return None
        if not any(parts):
            return ()
        mirrored: list[int] = []
        for source, part in zip(self.sources, parts, strict=True):
            offset = len(mirrored)
            number = len(part) if part else len(source.class_names(root_of(source, root)))
            mirrored += [offset + label for label in part or range(number)]
        return tuple(mirrored)

    def head_sizes(self, root: Path | None = None) -> tuple[int, ...]:
        """Return the number of classes of each set."""
        return tuple(len(source.class_names(root_of(source, root))) for source in self.sources)

    def class_names(self, root: Path | None = None) -> tuple[str, ...]:
        """Return the label order: ``<set>: <class>``, set after set."""
        return tuple(
            f"{source.name}: {name}" for source in self.sources for name in source.class_names(root_of(source, root))
        )

    def source_of(self, label: int, root: Path | None = None) -> int:
        """Return the position of the set that a label belongs to.

        Raises:
            ValueError: no such label.
        """
        sizes, end = self.head_sizes(root), 0
        for position, size in enumerate(sizes):
            end += size
            if 0 <= label < end:
                return position
        raise ValueError(f"label={label}; {self.name} has the labels 0 to {sum(sizes) - 1}")

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return all listed videos, set after set, their labels shifted, ``<set>/`` before each id.

        Members of the benchmark are rendered if they are not there yet.
        """
        check_subset(subset)
        found: list[Video] = []
        for position, source in enumerate(self.sources):
            place = member_root(source) if isinstance(source, Member) else root_of(source, root)
            found += self.relabelled(position, source.videos(place, subset), root)
        return tuple(found)

    def relabelled(self, position: int, videos: tuple[Video, ...], root: Path | None) -> tuple[Video, ...]:
        """Return the videos of the set at ``position`` as they are called in the joint data set."""
        name, offset = self.sources[position].name, sum(self.head_sizes(root)[:position])

        def relabelled(video: Video) -> Video:
            label_name = f"{name}: {video.label_name}"
            return replace(video, id=f"{name}/{video.id}", label=offset + video.label, label_name=label_name)

        return tuple(map(relabelled, videos))


def parts_of(source: Any) -> tuple[Any, ...]:
    """Return the data sets that a source consists of: those of a joint one, else the source alone."""
    return source.sources if isinstance(source, Joint) else (source,)


def members_of(source: Any) -> tuple[Member, ...]:
    """Return the members of the benchmark among a source's data sets."""
    return tuple(part for part in parts_of(source) if isinstance(part, Member))


def needs_root(source: Any) -> bool:
    """Say whether some of a source's data sets are real, and so need the folder of their files."""
    return len(members_of(source)) < len(parts_of(source))


def disk_name(source: Any) -> str:
    """Return a data set's name in small letters and digits, the way its folder is called."""
    return "".join(letter for letter in source.name.lower() if letter.isalnum())


def root_of(source: Any, data_root: Path | None) -> Path | None:
    """Return the folder of one data set: ``data_root/<name in small letters and digits>`` if it exists, else itself."""
    if data_root is None:
        return None
    own = Path(data_root) / disk_name(source)
    return own if own.is_dir() else data_root


def part_root(source: Any, part: Any, data_root: Path | None) -> Path | None:
    """Return the folder of a real data set which is one of a source's; None for a member of the benchmark.

    Args:
        source: the whole source, whose folder is ``data_root``.
        part: one of :func:`parts_of`.
        data_root: folder of the source.
    """
    if isinstance(part, Member):
        return None
    return root_of(part, data_root) if isinstance(source, Joint) else data_root


def member_root(member: Member) -> Path:
    """Return the folder of a member of the benchmark, rendered if it is not there yet."""
    return prepare(member, default_cache(), processes=1)


def prepare_members(members: tuple[Member, ...]) -> None:
    """Render members of the benchmark that are not there yet, on all cores."""
    for member in members:
        prepare(member, default_cache(), processes=os.cpu_count() or 1)


def mirror_labels_of(source: Any, data_root: Path | None) -> tuple[int, ...] | None:
    """Return the mirrored class of each of a source's labels: None refuses flipping, empty changes none."""
    return source.mirror_labels_in(data_root) if isinstance(source, Joint) else source.mirror_labels
