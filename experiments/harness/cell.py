"""The work behind a table: trainings and evaluations, and the fingerprints that name them (no torch)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.synthetic.members import GENERATOR_VERSION, Member
from experiments.harness.spec import Build, RuntimeName

FINGERPRINT_LENGTH = 20


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user asks for on the command line; the same options always give the same cells.

    Args:
        profile: ``smoke``, ``proxy`` or ``paper``.
        seeds: the seeds to run.
        data_root: folder with the real videos; None for the embedded benchmark.
        data: a source that replaces the table's data sets; None keeps them.
        limit_batches: cut every epoch and test short, and every stage to one epoch; None runs in full.
        init_checkpoint: file in place of the initialisation of every row but those pre-trained with the row's own
            network; ``"none"`` trains all from scratch; None as the table says.
        init_files: (name of an initialisation, file or ``"none"``) pairs, before ``init_checkpoint``.
        checkpoint: file with trained weights that takes the place of every training: nothing is trained.
        batch_size: videos per batch in place of the recipe's.
        views: temporal views of a test video in place of the table's.
        crops: of each test view in place of the table's.
        video: one video in place of every test set, for figures of clips.
        video_class: what it shows.
    """

    profile: str = "proxy"
    seeds: tuple[int, ...] = (0, 1, 2)
    data_root: Path | None = None
    data: Any = None
    limit_batches: int | None = None
    init_checkpoint: str | None = None
    init_files: tuple[tuple[str, str], ...] = ()
    checkpoint: Path | None = None
    batch_size: int | None = None
    views: int | None = None
    crops: int | None = None
    video: Path | None = None
    video_class: str | None = None


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training: everything that decides its weights.

    Where ``weights`` names a file, its weights are the result and nothing is trained.
    """

    paper: str
    module: Build
    data: Build
    recipe: Any
    num_classes: int
    seed: int
    init: Training | Path | None = None
    data_root: Path | None = None
    data_fingerprint: str = ""
    limit_batches: int | None = None
    val_every: int = 1
    profile: str = "proxy"
    weights: Path | None = None

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Return the resolved arguments as plain JSON values, defaults filled in; test-only ones left out."""
        evaluation_only: frozenset[str] = getattr(self.data.cls, "evaluation_arguments", frozenset())
        data = {k: v for k, v in _drop_unchanged(self.data).items() if k not in evaluation_only}
        given = {"weights": f"file {file_hash(self.weights)}"} if self.weights is not None else {}
        return given | {
            "module": {"class": _name(self.module.cls), **plain(_drop_unchanged(self.module))},
            "data": {"class": _name(self.data.cls), **plain(data)},
            "recipe": plain(self.recipe),
            "num_classes": self.num_classes,
            "seed": self.seed,
            "init": self._init_fingerprint(),
            "data_fingerprint": self.data_fingerprint,
            "limit_batches": self.limit_batches,
            "val_every": self.val_every,
            "profile": self.profile,
        }

    def _init_fingerprint(self) -> str | None:
        if isinstance(self.init, Training):
            return self.init.fingerprint
        return f"file {file_hash(self.init)}" if self.init is not None else None

    @property
    def lineage(self) -> tuple[Training, ...]:
        """Return the trainings whose weights went into this one, the first of them first, itself last."""
        before = self.init.lineage if isinstance(self.init, Training) else ()
        return (*before, self)

    @cached_property
    def fingerprint(self) -> str:
        """Return the hash that names this training's folder."""
        return fingerprint(self.arguments)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Training) and other.fingerprint == self.fingerprint


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One test of one training.

    Args:
        training: whose weights are tested.
        data: on what, and how.
        runtime: what computes the scores: ``torch``, or a runtime to which the network is exported.
    """

    training: Training
    data: Build
    runtime: RuntimeName = "torch"

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Return the resolved arguments as plain JSON values."""
        exported = {"runtime": self.runtime} if self.runtime != "torch" else {}
        return {"training": self.training.fingerprint, "data": plain(_drop_unchanged(self.data))} | exported

    @cached_property
    def fingerprint(self) -> str:
        """Return the hash that names this evaluation's folder."""
        return fingerprint(self.arguments)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Evaluation) and other.fingerprint == self.fingerprint


def fingerprint(value: Any) -> str:
    """Return a short hash of plain JSON values, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


def plain(value: Any) -> Any:
    """Turn an argument into JSON values that identify it: classes by name, dataclasses by their fields.

    Raises:
        ValueError: a value with no stable meaning, such as a lambda or an open file.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Enum):
        return f"{_name(type(value))}.{value.name}"
    if isinstance(value, Member):
        return {"class": "Member", "generator": GENERATOR_VERSION} | {
            f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        old = getattr(type(value), "unchanged_by", {})
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class": _name(type(value))} | {k: v for k, v in fields.items() if k not in old or v != plain(old[k])}
    if isinstance(value, Build):
        return {"class": _name(value.cls)} | plain(value.resolved())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        if "<" in value.__qualname__:
            raise ValueError(f"{value!r} cannot be an argument of a cell: it has no name that would identify it")
        return _name(value)
    raise ValueError(f"{value!r} ({type(value).__name__}) cannot be an argument of a cell; use numbers, text, tuples, "
                     "classes or frozen dataclasses")  # fmt: skip


def _name(thing: Any) -> str:
    if thing.__module__ == "__main__":
        raise ValueError(f"{thing.__qualname__} is defined in the script that was started; move it into a module, so "
                         "that it has the same name wherever the table is imported")  # fmt: skip
    return f"{thing.__module__}.{thing.__qualname__}"


def _drop_unchanged(build: Build) -> dict[str, Any]:
    """Leave out arguments a class declares as newer than existing results, while they hold the old behaviour."""
    unchanged_by = getattr(build.cls, "unchanged_by", {})
    return {k: v for k, v in build.resolved().items() if k not in unchanged_by or plain(v) != plain(unchanged_by[k])}


def file_hash(path: Path) -> str:
    """Return a short hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:FINGERPRINT_LENGTH]
