"""Tests that read the same frames, run in one pass over the videos: each is decoded and scaled once (no torch)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from experiments.harness.cell import Evaluation, Training, fingerprint, plain


@dataclass(frozen=True, kw_only=True)
class SharedTests:
    """Several tests, of one training or of several, whose frames come from the same videos, prepared alike.

    Args:
        evaluations: each keeps its own record and scores, as if it had run alone.
    """

    evaluations: tuple[Evaluation, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of the evaluations'."""
        return fingerprint([cell.fingerprint for cell in self.evaluations])

    def without(self, training: Training) -> SharedTests:
        """Return the tests that need other trainings."""
        return replace(self, evaluations=tuple(cell for cell in self.evaluations if cell.training != training))


def shared(evaluations: Iterable[Evaluation]) -> list[SharedTests]:
    """Return the groups of two or more evaluations that can share their frames; the others stand alone."""
    groups: dict[Any, list[Evaluation]] = {}
    for cell in evaluations:
        if (key := _frames_key(cell)) is not None:
            groups.setdefault(key, []).append(cell)
    return [SharedTests(evaluations=tuple(cells)) for cells in groups.values() if len(cells) > 1]


def _frames_key(cell: Evaluation) -> str | None:
    """Return what must agree: the arguments that a data module names in ``shared_frames``, and the run's seed."""
    names = getattr(cell.data.cls, "shared_frames", None)
    if names is None or cell.runtime != "torch":
        return None
    training, arguments = cell.training, cell.data.resolved()
    alike = {name: plain(arguments[name]) for name in names}
    return fingerprint([
        plain(cell.data.cls), alike, training.seed, str(training.data_root), training.data_fingerprint,
        training.num_classes, training.limit_batches,
    ])  # fmt: skip
