"""From a table to its cells: which training and which evaluation stand behind a row, a column and a seed (no torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from datamodules.data_fingerprint import data_fingerprint, files_beside
from datamodules.datasets.given_video import GivenVideo
from datamodules.datasets.joint import Joint, disk_name, needs_root, root_of
from datamodules.decode_index import size_on_disk
from datamodules.synthetic.members import Member
from datamodules.synthetic.stand_ins import stand_in
from experiments.harness.build import with_fields
from experiments.harness.cell import Evaluation, Options, Training
from experiments.harness.spec import (
    Build,
    CheckpointFile,
    Column,
    Pretrain,
    Profile,
    Row,
    Table,
    network_clips,
    row_init,
)

SCRATCH = "none"  # in place of a file's name
EMPTY: Mapping[str, Any] = {}


def evaluation(table: Table, row: Row, column: Column, seed: int, options: Options) -> Evaluation:
    """Return the evaluation behind one cell of the table.

    Raises:
        ValueError: see :func:`training`; a video that is not there, or whose class the data set does not have.
    """
    trained = training(table, row, column, seed, options)
    data = data_build(table, row, column, options)
    if options.video is not None and options.video_class is not None:
        labels = data.arguments["source"].class_names(trained.data_root)
        path = options.video.resolve()
        source = GivenVideo(path=path, label_name=options.video_class, labels=labels, size=size_on_disk(path))
        data = data.with_arguments({"source": source}, where="--video")
    return Evaluation(training=trained, data=data, runtime=row.runtime)


def training(table: Table, row: Row, column: Column, seed: int, options: Options) -> Training:
    """Return the training behind one cell of the table.

    Raises:
        ValueError: an argument or option that does not fit, naming the table and row.
    """
    profile = table.profiles[options.profile]
    where = f"{table.id}, row {row.label!r}, profile {options.profile!r}"
    module = module_build(table, row, options.profile)
    data = data_build(table, row, column, options)
    recipe = profile.recipe_on.get(column.group) or profile.recipe or column.recipe or table.recipe
    recipe = with_fields(recipe, {**row.recipe, **_recipe_options(options)})
    if options.checkpoint is not None:
        made = _training(table.paper, module, data, recipe, None, seed, profile, options)
        return replace(made, weights=options.checkpoint)
    init = _init(table, row, row_init(table, row, column), seed, options, where, own=True)
    return _training(table.paper, module, data, recipe, init, seed, profile, options)


def module_build(
    table: Table, row: Row | None, profile: str, changes: Mapping[str, Any] = EMPTY, *, where: str = "",
    network: str | None = None,
) -> Build:  # fmt: skip
    """Return a network with the changes of the row (None for none), and further ones.

    It is the one that ``network`` names in the profile, else the row's, else the table's with the profile's changes.
    """
    where = where or f"{table.id}, row {row.label if row is not None else None!r}, profile {profile!r}"
    module = base_network(table, network or (row.network if row is not None else None), profile, where=where)
    module = module.with_arguments(row.module if row is not None else EMPTY, where=where)
    return module.with_arguments(changes, where=where)


def base_network(table: Table, name: str | None, profile: str, *, where: str) -> Build:
    """Return the table's network with the changes of the profile, or the one that the profile has under this name."""
    if name is None:
        return table.module.with_arguments(table.profiles[profile].module, where=where)
    return table.profiles[profile].networks[name].module


def control(cell: Evaluation, frame_order: str) -> Evaluation:
    """Return the same evaluation on frames in another order, to see whether the network uses time."""
    return replace(cell, data=cell.data.with_arguments({"frame_order": frame_order}, where="control"))


def data_build(table: Table, row: Row, column: Column, options: Options) -> Build:
    """Return the data module of one cell, its source replaced as the profile or the user says."""
    where = f"{table.id}, row {row.label!r}, column {column.key!r}, profile {options.profile!r}"
    data = protocol_build(table, row, column, options.profile)
    asked = {"views": options.views, "crops": options.crops}
    data = data.with_arguments({name: value for name, value in asked.items() if value is not None}, where=where)
    source = _source(data.arguments["source"], table.profiles[options.profile], options, where)
    return data.with_arguments({"source": source}, where=where)


def protocol_build(table: Table, row: Row, column: Column, profile: str) -> Build:
    """Return the data module of one cell as a profile states it, on the data set that the paper used.

    A profile may shrink a column's clips; how the column tests (its ``evaluation_arguments``) stays. Of a column over
    several splits this is the first: ``TableCells.evaluation`` knows the others.
    """
    where = f"{table.id}, row {row.label!r}, column {column.key!r}, profile {profile!r}"
    given = column.parts[0]
    protocol: frozenset[str] = getattr(given.cls, "evaluation_arguments", frozenset())
    data = given.with_arguments(table.profiles[profile].data, where=where)
    data = data.with_arguments({k: v for k, v in given.arguments.items() if k in protocol}, where=where)
    data = data.with_arguments(network_clips(table.profiles[profile], row.network), where=where)
    data = data.with_arguments(row.data, where=where)
    return data.with_arguments(row.data_on.get(column.group, {}), where=where)


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
        num_classes=len(_class_names(source, root, options)),
        seed=seed,
        init=init,
        data_root=root,
        data_fingerprint="" if root is None else data_fingerprint(source, root, files_beside(data.resolved())),
        limit_batches=options.limit_batches,
        val_every=profile.val_every,
        profile=options.profile,
    )


def _class_names(source: Any, root: Path | None, options: Options) -> tuple[str, ...]:
    """Return a data set's classes; where it is not found, say which folder of its own it might have had."""
    try:
        return source.class_names(root)
    except ValueError as error:
        if root is None or root != options.data_root or options.data is not None or isinstance(source, Joint):
            raise
        raise ValueError(f"{error}; it may also have a folder of its own, {root / disk_name(source)}") from error


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


def _init(
    table: Table, row: Row, name: str | None, seed: int, options: Options, where: str, *, own: bool
) -> Training | Path | None:
    """Return what a training starts from.

    Args:
        own: the row itself starts from it, not one of its pre-trainings. A file without a name replaces only these,
            and none that is pre-trained with the row's own changes, whose network it would not fit.
    """
    if name is None:
        return None
    init = table.profiles[options.profile].inits[name]
    given, flag = dict(options.init_files).get(name), f"--init-checkpoint {name}="
    if given is None and own and (options.init_checkpoint == SCRATCH or not getattr(init, "with_row", False)):
        given, flag = options.init_checkpoint, "--init-checkpoint "
    if given == SCRATCH:
        return None
    if given is not None:
        if not Path(given).is_file():
            raise ValueError(f"{flag}{given}: no such file; give a checkpoint, or 'none' for scratch")
        return Path(given)
    if isinstance(init, CheckpointFile):
        raise ValueError(f"{where}: starts from {init.about}; give it with --init-checkpoint {name}=FILE, "
                         f"or --init-checkpoint {name}=none to train from scratch (the table will say so)")  # fmt: skip
    return _pretraining(table, row, name, init, seed, options)


def initialisations(table: Table, profile: str) -> dict[str, Pretrain | CheckpointFile]:
    """Return, by name, what the table's rows start from in a profile, and what that starts from in its turn."""
    inits, found = table.profiles[profile].inits, {}
    for name in _names(table):
        while name is not None:
            found[name] = inits[name]
            name = getattr(inits[name], "init", None)
    return found


def _names(table: Table) -> list[str | None]:
    """Return the initialisation of each cell that a run can fill, each name once."""
    pairs = ((row, column) for row in table.rows if not row.cited for column in table.columns if not column.is_cost)
    return list(dict.fromkeys(row_init(table, row, column) for row, column in pairs))


def takes_unnamed_file(table: Table, profile: str) -> bool:
    """Say whether some row's own initialisation is replaced by a file that is given without a name."""
    inits = table.profiles[profile].inits
    return any(not getattr(inits[name], "with_row", False) for name in _names(table) if name is not None)


def _pretraining(table: Table, row: Row, name: str, init: Pretrain, seed: int, options: Options) -> Training:
    """Return the training that ``init`` describes; own videos replace what is tested, not what was pre-trained on."""
    profile, where = table.profiles[options.profile], f"{table.id}, initialisation {name!r}"
    changed_by = row if init.with_row else None
    module = module_build(table, changed_by, options.profile, init.module, where=where, network=init.network)
    data = init.data.with_arguments(profile.data, where=where).with_arguments(init.data.arguments, where=where)
    data = data.with_arguments(network_clips(profile, init.network), where=where)
    if options.data is not None:
        source = data.arguments["source"]
        if not profile.stand_ins and needs_root(source):
            raise ValueError(f"{where}: pre-training on {source.name} is not possible with --data: "
                             f"give --init-checkpoint {name}=FILE, or {name}=none")  # fmt: skip
        options = replace(options, data=None, data_root=None)
    try:
        source = _source(data.arguments["source"], profile, options, where)
        data = data.with_arguments({"source": source}, where=where)
        seed = 0 if init.shared_by_seeds else seed
        recipe = with_fields(init.recipe, _recipe_options(options))
        before = _init(table, row, init.init, seed, options, where, own=False)
        return _training(table.paper, module, data, recipe, before, seed, profile, options)
    except ValueError as error:
        if profile.stand_ins:
            raise
        instead = f"it may also be a file: --init-checkpoint {name}=FILE; or none: --init-checkpoint {name}=none"
        raise ValueError(f"{error}\n({where}; {instead})") from error
