"""One video that a user names, in the label order of another data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from datamodules.datasets.source import Subset, check_subset
from datamodules.video import Video


@dataclass(frozen=True, kw_only=True)
class GivenVideo:
    """Hold one video file, or folder of frames, and what it shows; it is every subset's only video.

    Args:
        path: of the file or folder.
        label_name: its class.
        labels: all class names in label order.
        size: bytes of the file, or files in the folder: with other content it is another video.

    Raises:
        ValueError: there is nothing at the path, or no such class.
    """

    path: Path
    label_name: str
    labels: tuple[str, ...]
    size: int | None = None

    name: ClassVar[str] = "given video"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...] | None] = None
    official_counts: ClassVar[Mapping[str, int]] = MappingProxyType({})

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise ValueError(f"{self.path}: no such video")
        if self.label_name not in self.labels:
            raise ValueError(f"{self.label_name!r} is no class; accepted: {', '.join(map(repr, self.labels))}")

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the label order."""
        return self.labels

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the video."""
        check_subset(subset)
        label = self.labels.index(self.label_name)
        return (Video(id=self.path.name, path=self.path, label=label, label_name=self.label_name),)
