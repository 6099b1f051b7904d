"""From a table to the work behind it: trainings and evaluations, resolved and fingerprinted (no torch)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from datamodules.synthetic.members import GENERATOR_VERSION, Member, stand_in
from experiments.harness.spec import Build, CheckpointFile, Column, Pretrain, Profile, Row, Table, row_init

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
        init_checkpoint: file in place of a pre-training; ``"none"`` trains from scratch; None as the table says.
        batch_size: videos per batch in place of the recipe's.
        views: test views in place of the table's.
    """

    profile: str = "proxy"
    seeds: tuple[int, ...] = (0, 1, 2)
    data_root: Path | None = None
    data: Any = None
    limit_batches: int | None = None
    init_checkpoint: str | None = None
    batch_size: int | None = None
    views: int | None = None


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training: everything that decides its weights."""

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

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Return the resolved arguments as plain JSON values, defaults filled in; test-only ones left out."""
        evaluation_only: frozenset[str] = getattr(self.data.cls, "evaluation_arguments", frozenset())
        data = {k: v for k, v in _drop_unchanged(self.data).items() if k not in evaluation_only}
        return {
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
        return f"file {_file_hash(self.init)}" if self.init is not None else None

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
    """One test of one training."""

    training: Training
    data: Build

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Return the resolved arguments as plain JSON values."""
        return {"training": self.training.fingerprint, "data": plain(_drop_unchanged(self.data))}

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
        return {"class": _name(type(value))} | {
            f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
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


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:FINGERPRINT_LENGTH]


# -- resolution ------------------------------------------------------------------------------------------


def training(table: Table, row: Row, column: Column, seed: int, options: Options) -> Training:
    """Return the training behind one cell of the table.

    Raises:
        ValueError: an argument or option that does not fit, naming the table and row.
    """
    profile = table.profiles[options.profile]
    where = f"{table.id}, row {row.label!r}, profile {options.profile!r}"
    module = table.module.with_arguments(profile.module, where=where).with_arguments(row.module, where=where)
    data = data_build(table, row, column, options)
    recipe = profile.recipe or column.recipe or table.recipe
    recipe = dataclasses.replace(recipe, **{**dict(row.recipe), **_recipe_options(options)})
    init = _init(table, row_init(table, row), seed, options, where)
    return _training(table.paper, module, data, recipe, init, seed, profile, options)


def root_of(source: Any, data_root: Path | None) -> Path | None:
    """Return the folder of one data set: ``data_root/<name in small letters and digits>`` if it exists, else itself."""
    if data_root is None:
        return None
    own = data_root / "".join(letter for letter in source.name.lower() if letter.isalnum())
    return own if own.is_dir() else data_root


def _recipe_options(options: Options) -> dict[str, Any]:
    return {"batch_size": options.batch_size} if options.batch_size is not None else {}


def _training(
    paper: str, module: Build, data: Build, recipe: Any, init: Training | Path | None, seed: int, profile: Profile,
    options: Options,
) -> Training:  # fmt: skip
    source = data.arguments["source"]
    root = None if isinstance(source, Member) else root_of(source, options.data_root)
    if options.limit_batches is not None:
        recipe = replace(recipe, stages=tuple(replace(stage, epochs=1) for stage in recipe.stages))
    return Training(
        paper=paper,
        module=module,
        data=data,
        recipe=recipe,
        num_classes=len(source.class_names(root)),
        seed=seed,
        init=init,
        data_root=root,
        data_fingerprint="" if root is None else data_fingerprint(source, root),
        limit_batches=options.limit_batches,
        val_every=profile.val_every,
        profile=options.profile,
    )


def data_build(table: Table, row: Row, column: Column, options: Options) -> Build:
    """Return the data module of one cell, its source replaced as the profile or the user says."""
    profile = table.profiles[options.profile]
    where = f"{table.id}, row {row.label!r}, column {column.key!r}, profile {options.profile!r}"
    assert column.data is not None, where
    data = column.data.with_arguments(profile.data, where=where)
    if "views" in column.data.arguments:  # a column's own protocol stays when a profile shrinks clips
        data = data.with_arguments({"views": column.data.arguments["views"]}, where=where)
    data = data.with_arguments(row.data, where=where)
    if options.views is not None:
        data = data.with_arguments({"views": options.views}, where=where)
    return data.with_arguments({"source": _source(data.arguments["source"], profile, options, where)}, where=where)


def _source(source: Any, profile: Profile, options: Options, where: str) -> Any:
    if options.data is not None:
        return options.data
    if profile.stand_ins:
        source = source if isinstance(source, Member) else stand_in(source.name, getattr(source, "split", 1))
        return source.tiny() if profile.tiny else source
    if not isinstance(source, Member) and options.data_root is None:
        raise ValueError(f"{where}: {source.name} needs --data-root, the folder that holds its videos and annotations")
    return source


def _init(table: Table, name: str | None, seed: int, options: Options, where: str) -> Training | Path | None:
    if name is None or options.init_checkpoint == "none":
        return None
    if options.init_checkpoint is not None:
        path = Path(options.init_checkpoint)
        if not path.is_file():
            raise ValueError(f"--init-checkpoint {path}: no such file; give a checkpoint, or 'none' for scratch")
        return path
    init = table.profiles[options.profile].inits[name]
    if isinstance(init, CheckpointFile):
        raise ValueError(f"{where}: starts from {init.about}; give it with --init-checkpoint FILE, "
                         "or --init-checkpoint none to train from scratch (the table will say so)")  # fmt: skip
    return _pretraining(table, init, seed, options, where)


def _pretraining(table: Table, init: Pretrain, seed: int, options: Options, where: str) -> Training:
    """Return the training that ``init`` describes; own videos replace what is tested, not what was pre-trained on."""
    profile, options = table.profiles[options.profile], replace(options, data=None, data_root=None)
    module = table.module.with_arguments(profile.module, where=where).with_arguments(init.module, where=where)
    data = init.data.with_arguments(profile.data, where=where)
    data = data.with_arguments({"source": _source(data.arguments["source"], profile, options, where)}, where=where)
    seed = 0 if init.shared_by_seeds else seed
    return _training(table.paper, module, data, init.recipe, None, seed, profile, options)


def evaluation(table: Table, row: Row, column: Column, seed: int, options: Options) -> Evaluation:
    """Return the evaluation behind one cell of the table."""
    return Evaluation(
        training=training(table, row, column, seed, options), data=data_build(table, row, column, options)
    )


def control(cell: Evaluation, frame_order: str) -> Evaluation:
    """Return the same evaluation on frames in another order, to see whether the network uses time."""
    return replace(cell, data=cell.data.with_arguments({"frame_order": frame_order}, where="control"))


@lru_cache
def data_fingerprint(source: Any, root: Path) -> str:
    """Return a hash of what is on disk: sorted (id, bytes) of files, (id, number of frames) of frame folders."""
    entries = []
    for subset in ("train", "test"):
        for video in source.videos(root, subset):
            if video.path.is_dir():
                entries.append((video.id, sum(1 for _ in video.path.iterdir())))
            elif video.path.exists():
                entries.append((video.id, video.path.stat().st_size))
    return fingerprint(sorted(entries))
