"""Horizontal flip, which knows the class that a mirrored action belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from datamodules.transforms.draw import check_probability


@dataclass(frozen=True, kw_only=True)
class RandomHorizontalFlip:
    """Mirror all frames left to right, and turn "swipe left" into "swipe right".

    A paper's recipe states the flip alone; the data set says which classes change
    (:meth:`~datamodules.transforms.Compose.with_mirror_labels`). Until it has, calling is refused.

    Args:
        p: probability.
        mirror_labels: class that each class becomes when mirrored: a permutation which is its own inverse.
            Empty: none changes, whatever their number. ``"of source"``: not known yet.
        per_clip: decide for each clip. A video has one label, so no class may change then.

    Raises:
        ValueError: ``mirror_labels=None``, by which a data set refuses flipping, or no such permutation.
    """

    p: float = 0.5
    mirror_labels: tuple[int, ...] | Literal["of source"] | None = "of source"
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_probability("p", self.p)
        mirror = self.mirror_labels
        if mirror == "of source":
            return
        if mirror is None:
            raise ValueError(
                "mirror_labels=None: the data set refuses flipping (mirrored, its classes are not all known)"
            )
        if sorted(mirror) != list(range(len(mirror))) or any(mirror[mirror[label]] != label for label in mirror):
            raise ValueError(f"mirror_labels={mirror}; expected a permutation of 0..{len(mirror) - 1}, its own inverse")
        if self.per_clip and any(mirror[label] != label for label in mirror):
            raise ValueError(
                "per_clip=True with classes that change when mirrored: the clips of a video share one label"
            )

    def with_mirror_labels(self, mirror_labels: tuple[int, ...] | None) -> RandomHorizontalFlip:
        """Return the same flip for a data set.

        Raises:
            ValueError: the data set refuses flipping (None).
        """
        return replace(self, mirror_labels=mirror_labels)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return the clips, mirrored or not, and the label that is then right.

        Raises:
            ValueError: the mirrored classes are not known yet, or do not include the label.
        """
        mirror = self.mirror_labels
        if mirror is None or mirror == "of source":
            raise ValueError(
                "RandomHorizontalFlip does not know the data set yet: Compose(...).with_mirror_labels(...)"
            )
        if mirror and not 0 <= label < len(mirror):
            raise ValueError(f"label={label}; mirror_labels has the classes 0..{len(mirror) - 1}")
        flipped = rng.random(len(clips) if self.per_clip else 1) < self.p
        if not flipped.any():
            return clips, label
        if flipped.all():
            mirrored = clips.flip(-1)
        else:
            mirrored = torch.where(torch.from_numpy(flipped)[:, None, None, None, None], clips.flip(-1), clips)
        return mirrored, int(mirror[label]) if mirror else label
