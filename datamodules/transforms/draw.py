"""How often a random transform draws: once for all clips of a video, or once per clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def draw_once_or_per_clip(
    change: Callable[[Tensor, np.random.Generator], Tensor],
    clips: Tensor,
    rng: np.random.Generator,
    *,
    per_clip: bool,
) -> Tensor:
    """Apply a random change with one draw for all clips, or with a draw for each.

    Args:
        change: draws from the generator and changes clips ``(V, T, C, H, W)`` of any V alike.
        clips: ``(V, T, C, H, W)``.
        rng: the generator.
        per_clip: draw for each clip.

    Returns:
        ``(V, T, C, H', W')``.
    """
    if not per_clip or len(clips) == 1:
        return change(clips, rng)
    return torch.cat([change(clip[None], rng) for clip in clips])


def check_probability(name: str, value: float) -> None:
    """Refuse a number that is no probability.

    Raises:
        ValueError: outside 0..1.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value}; accepted: 0 to 1")


def check_range(name: str, value: tuple[float, float], *, lowest: float, highest: float = float("inf")) -> None:
    """Refuse a pair that is no range within the given bounds.

    Raises:
        ValueError: not ``lowest <= value[0] <= value[1] <= highest``.
    """
    if len(value) != 2 or not lowest <= value[0] <= value[1] <= highest:
        raise ValueError(f"{name}={value}; expected (low, high) with {lowest} <= low <= high <= {highest}")
