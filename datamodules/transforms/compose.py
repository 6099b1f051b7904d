"""How transforms are combined: in a row, or one of several.

Every transform is a frozen dataclass (its fields say all that it does) called as ``transform(clips, label,
rng)``, and returns ``(clips, label)``. ``clips`` are uint8 ``(V, T, C, H, W)``, the V clips of one video; the
input is not changed. A random one draws once per video; with ``per_clip=True`` once per clip. Never per
frame: motion stays motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from datamodules.transforms.flip import RandomHorizontalFlip


class Transform(Protocol):
    """Change the clips of one video, and its label where the picture's meaning changes."""

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return the new clips ``(V, T, C, H', W')`` and label."""
        ...


@dataclass(frozen=True, init=False)
class Compose:
    """Apply transforms one after the other.

    Args:
        transforms: in the order of application.
    """

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        object.__setattr__(self, "transforms", transforms)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return the clips and label after the last transform.

        Raises:
            ValueError: clips of another type or shape than uint8 ``(V, T, 3, H, W)``.
        """
        if clips.dtype != torch.uint8 or clips.ndim != 5 or clips.shape[2] != 3:
            raise ValueError(f"clips are {clips.dtype} {tuple(clips.shape)}; expected torch.uint8 (V, T, 3, H, W)")
        for transform in self.transforms:
            clips, label = transform(clips, label, rng)
        return clips, label

    def with_mirror_labels(self, mirror_labels: tuple[int, ...] | None) -> Compose:
        """Return the same transforms for a data set, whose mirrored classes every flip among them now knows.

        Raises:
            ValueError: there is a flip and the data set refuses flipping (None).
        """

        def informed(transform: Transform) -> Transform:
            if isinstance(transform, RandomHorizontalFlip):
                return transform.with_mirror_labels(mirror_labels)
            return transform

        return self.replaced(informed)

    def replaced(self, change: Callable[[Transform], Transform]) -> Compose:
        """Return the same transforms with each single one, at any depth, replaced by what ``change`` makes of it."""
        return Compose(*(_replaced(transform, change) for transform in self.transforms))


@dataclass(frozen=True, init=False)
class OneOf:
    """Apply one transform, drawn once per video; its parameters are its own to draw.

    Args:
        choices: ``(probability, transform)`` pairs; None instead of a transform changes nothing.

    Raises:
        ValueError: no choice, a negative probability, or probabilities that do not add up to 1.
    """

    choices: tuple[tuple[float, Transform | None], ...]

    def __init__(self, *choices: tuple[float, Transform | None]) -> None:
        probabilities = [probability for probability, _ in choices]
        if not choices or min(probabilities) < 0 or abs(sum(probabilities) - 1) > 1e-6:
            raise ValueError(f"probabilities {probabilities}; expected one or more, none negative, of sum 1")
        object.__setattr__(self, "choices", choices)

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return the clips and label after the drawn transform."""
        edges = np.cumsum([probability for probability, _ in self.choices])
        drawn = min(int(np.searchsorted(edges, rng.random(), side="right")), len(self.choices) - 1)
        transform = self.choices[drawn][1]
        return (clips, label) if transform is None else transform(clips, label, rng)


def _replaced(transform: Transform, change: Callable[[Transform], Transform]) -> Transform:
    if isinstance(transform, Compose):
        return transform.replaced(change)
    if isinstance(transform, OneOf):
        choices = transform.choices
        return OneOf(*((chance, None if choice is None else _replaced(choice, change)) for chance, choice in choices))
    return change(transform)
