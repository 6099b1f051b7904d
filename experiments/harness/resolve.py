"""From a table to its cells: which training and which evaluation stand behind a row, a column and a seed (no torch)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from datamodules.datasets.joint import Joint, needs_root, root_of
from datamodules.synthetic.members import Member, stand_in
from experiments.harness.build import with_fields
from experiments.harness.cell import Evaluation, Options, Training, fingerprint
from experiments.harness.spec import Build, CheckpointFile, Column, Pretrain, Profile, Row, Table, row_init


def evaluation(table: Table, row: Row, column: Column, seed: int, options: Options) -> Evaluation:
    """Return the evaluation behind one cell of the table."""
    return Evaluation(
        training=training(table, row, column, seed, options),
        data=data_build(table, row, column, options),
        runtime=row.runtime,
    )


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
    recipe = with_fields(recipe, {**row.recipe, **_recipe_options(options)})
    if options.checkpoint is not None:
        made = _training(table.paper, module, data, recipe, None, seed, profile, options)
        return replace(made, weights=options.checkpoint)
    init = _init(table, row, row_init(table, row), seed, options, where)
    return _training(table.paper, module, data, recipe, init, seed, profile, options)


def control(cell: Evaluation, frame_order: str) -> Evaluation:
    """Return the same evaluation on frames in another order, to see whether the network uses time."""
    return replace(cell, data=cell.data.with_arguments({"frame_order": frame_order}, where="control"))


def data_build(table: Table, row: Row, column: Column, options: Options) -> Build:
    """Return the data module of one cell, its source replaced as the profile or the user says.

    A profile may shrink a column's clips; how the column tests (its ``evaluation_arguments``) stays.
    """
    profile = table.profiles[options.profile]
    where = f"{table.id}, row {row.label!r}, column {column.key!r}, profile {options.profile!r}"
    assert column.data is not None, where
    protocol: frozenset[str] = getattr(column.data.cls, "evaluation_arguments", frozenset())
    data = column.data.with_arguments(profile.data, where=where)
    data = data.with_arguments({k: v for k, v in column.data.arguments.items() if k in protocol}, where=where)
    data = data.with_arguments(row.data, where=where)
    data = data.with_arguments(row.data_on.get(column.group, {}), where=where)
    if options.views is not None:
        data = data.with_arguments({"views": options.views}, where=where)
    return data.with_arguments({"source": _source(data.arguments["source"], profile, options, where)}, where=where)


def _recipe_options(options: Options) -> dict[str, Any]:
    return {"batch_size": options.batch_size} if options.batch_size is not None else {}


def _training(
    paper: str, module: Build, data: Build, recipe: Any, init: Training | Path | None, seed: int, profile: Profile,
    options: Options,
) -> Training:  # fmt: skip
    source = data.arguments["source"]
    root = root_of(source, options.data_root) if needs_root(source) else None
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


def _source(source: Any, profile: Profile, options: Options, where: str) -> Any:
    if options.data is not None:
        return options.data
    if isinstance(source, Joint):
        return replace(source, sources=tuple(_source(part, profile, options, where) for part in source.sources))
    if profile.stand_ins:
        source = source if isinstance(source, Member) else stand_in(source.name, getattr(source, "split", 1))
        return source.tiny() if profile.tiny else source
    if not isinstance(source, Member) and options.data_root is None:
        raise ValueError(f"{where}: {source.name} needs --data-root, the folder that holds its videos and annotations")
    return source


def _init(table: Table, row: Row, name: str | None, seed: int, options: Options, where: str) -> Training | Path | None:
    if name is None or options.init_checkpoint == "none":
        return None
    if (given := dict(options.init_files).get(name, options.init_checkpoint)) is not None:
        path = Path(given)
        if not path.is_file():
            raise ValueError(f"--init-checkpoint {path}: no such file; give a checkpoint, or 'none' for scratch")
        return path
    init = table.profiles[options.profile].inits[name]
    if isinstance(init, CheckpointFile):
        raise ValueError(f"{where}: starts from {init.about}; give it with --init-checkpoint {name}=FILE, "
                         "or --init-checkpoint none to train from scratch (the table will say so)")  # fmt: skip
    return _pretraining(table, row, name, init, seed, options)


def _pretraining(table: Table, row: Row, name: str, init: Pretrain, seed: int, options: Options) -> Training:
    """Return the training that ``init`` describes; own videos replace what is tested, not what was pre-trained on."""
    if options.data is not None:
        options = replace(options, data=None, data_root=None)
    profile, where = table.profiles[options.profile], f"{table.id}, initialisation {name!r}"
    module = table.module.with_arguments(profile.module, where=where)
    module = module.with_arguments(row.module if init.with_row else {}, where=where)
    module = module.with_arguments(init.module, where=where)
    data = init.data.with_arguments(profile.data, where=where).with_arguments(init.data.arguments, where=where)
    try:
        source = _source(data.arguments["source"], profile, options, where)
        data = data.with_arguments({"source": source}, where=where)
        seed = 0 if init.shared_by_seeds else seed
        before = _init(table, row, init.init, seed, options, where)
        return _training(table.paper, module, data, init.recipe, before, seed, profile, options)
    except ValueError as error:
        if profile.stand_ins:
            raise
        instead = f"it may also be a file: --init-checkpoint {name}=FILE; or none: --init-checkpoint none"
        raise ValueError(f"{error}\n({where}; {instead})") from error


@lru_cache
def data_fingerprint(source: Any, root: Path) -> str:
    """Return a hash of what is on disk: sorted (id, bytes) of files, (id, number of frames) of frame folders."""
    entries: list[tuple[Any, ...]] = []
    sizes: dict[Path, int | None] = {}  # many labelled parts may share one folder
    for subset in ("train", "test"):
        for video in source.videos(root, subset):
            if video.path not in sizes:
                sizes[video.path] = _size_on_disk(video.path)
            if (size := sizes[video.path]) is not None:
                part = () if video.start_frame is None else (video.start_frame, video.end_frame)
                entries.append((video.id, size, *part))
    return fingerprint(sorted(entries))


def _size_on_disk(path: Path) -> int | None:
    if path.is_dir():
        return sum(1 for _ in path.iterdir())
    return path.stat().st_size if path.exists() else None
