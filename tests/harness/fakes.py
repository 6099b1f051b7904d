"""A table whose network and data are empty classes: for the parts of the harness that never look inside (no torch)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.synthetic.stand_ins import stand_in
from datamodules.video import Video
from experiments.harness.cell import Evaluation, Options, Training
from experiments.harness.metrics import METRICS
from experiments.harness.spec import Build, Claim, Column, Pretrain, Profile, Row, Table
from experiments.harness.store import Store
from experiments.harness.table_cells import TableCells

SCENES = stand_in("UCF-101").tiny()
UNTRIMMED = stand_in("ActivityNet-200").tiny()
SOURCE = stand_in("Kinetics-700").tiny()


@dataclass(frozen=True)
class Stage:
    epochs: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    epochs: int = 3
    batch_size: int = 4
    rate: float = 0.1
    stages: tuple[Stage, ...] = ()


class Net:
    """Take what a LightningModule takes."""

    harness_arguments = frozenset({"num_classes", "recipe"})

    def __init__(
        self, *, width: float = 1.0, parts: tuple[str, ...] = (), num_classes: int, recipe: Recipe
    ) -> None: ...


class NewerNet:
    """What Net has become: one more argument, which changes nothing at its default."""

    harness_arguments = frozenset({"num_classes", "recipe"})
    unchanged_by: Mapping[str, Any] = {"gate": None}

    def __init__(
        self,
        *,
        width: float = 1.0,
        parts: tuple[str, ...] = (),
        gate: str | None = None,
        num_classes: int,
        recipe: Recipe,
    ) -> None: ...


class Data:
    """Take what a data module takes."""

    harness_arguments = frozenset({"batch_size", "seed", "data_root", "num_workers"})
    evaluation_arguments = frozenset({"views", "frame_order"})

    def __init__(
        self,
        *,
        source: Any,
        size: int = 32,
        clip_selection: bool = False,
        views: int = 1,
        frame_order: str = "forward",
        batch_size: int,
        seed: int,
        data_root: Path | None,
        num_workers: int,
    ) -> None: ...


@dataclass(frozen=True)
class Files:
    """A real data set: files named after their class under the root."""

    name: str = "UCF-101"

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        return ("a", "b")

    def videos(self, root: Path, subset: str) -> tuple[Video, ...]:
        return tuple(
            Video(id=f"{subset}/{c}", path=root / subset / c, label=i, label_name=c) for i, c in enumerate(("a", "b"))
        )


def profile(**changes: Any) -> Profile:
    pretrain = Pretrain(data=Build(Data, source=SOURCE), recipe=Recipe(epochs=2))
    return Profile(**{"inits": {"source": pretrain}, "val_every": 1, **changes})


def table(**changes: Any) -> Table:
    """Return a table of three rows, one of them quoted, and two data sets, one of them in two metrics."""
    scenes, untrimmed = Build(Data, source=SCENES), Build(Data, source=UNTRIMMED, views=3)
    arguments: dict[str, Any] = dict(
        id="paper/table9",
        title="Paper, Table 9: nothing at all",
        module=Build(Net),
        recipe=Recipe(),
        init="source",
        profiles={name: profile() for name in ("smoke", "proxy", "paper")},
        columns=(
            Column(group="S", title="Top-1", metric="top1", data=scenes, test_videos=1000),
            Column(group="S", title="mAP", metric="map", data=scenes),
            Column(group="U", title="Top-1", metric="top1", data=untrimmed),
            Column(title="Param. (M)", metric="params_m"),
        ),
        rows=(
            Row(label="plain", published=("70.0", "71.00", "50", "1.2"), classes=4),
            Row(label="wide", published=("72.5", None, "51", "2.4"), module=dict(width=2.0), classes=4),
            Row(label="quoted", published=("73", None, None, "4"), cited=True),
        ),
        claims=(Claim("X1", "wide", ">", "plain", columns=("S/Top-1", "U/Top-1")),),
    )
    return Table(**{**arguments, **changes})


def without_costs(made: Table) -> Table:
    """Return the table without its columns of costs, which need a network to count."""
    kept = [index for index, column in enumerate(made.columns) if not column.is_cost]
    rows = tuple(dataclasses.replace(row, published=tuple(row.published[i] for i in kept)) for row in made.rows)
    return dataclasses.replace(made, columns=tuple(made.columns[i] for i in kept), rows=rows)


def write_results(store: Store, cell: Evaluation, scores: np.ndarray, labels: np.ndarray, **changes: Any) -> None:
    """Leave in the store what running the cell, and its training, would."""
    from experiments.harness.provenance import source_hash

    sources = source_hash(cell.training.module.cls, cell.training.data.cls)
    common = {
        "sources": sources, "hardware": "abacus (CPU)", "versions": {"python": "3"}, "precision": "32-true",
        "devices": 1, **changes,
    }  # fmt: skip
    curves = {"train/loss": [[epoch, 3.0 - epoch] for epoch in range(3)], "val/top1": [[1, 50.0]]}
    training = {
        "arguments": cell.training.arguments,
        "curves": curves,
        "initialised": "17 tensors",
        "num_train_videos": 16,
    }
    store.folder(cell.training).write_record({**common, **training})
    store.folder(cell.training).weights.write_bytes(b"weights")
    folder = store.folder(cell)
    folder.save_scores(np.arange(len(labels)), labels, scores, [f"v{i}" for i in range(len(labels))])
    metrics = {name: metric(scores, labels) for name, metric in METRICS.items()}
    counts = {"num_test_videos": len(labels), "missing_test_videos": 0, "undecodable_test_videos": 0}
    folder.write_record({**common, "arguments": cell.arguments, "metrics": metrics, **counts})


def training(
    made: Table | None = None, *, row: str = "plain", column: str = "S/Top-1", seed: int = 0, **options: Any
) -> Training:
    """Return one training of a table."""
    from experiments.harness.resolve import training as resolve

    made = made or table()
    return resolve(made, made.row(row), made.column(column), seed, Options(**options))


def evaluation(
    made: Table | None = None, *, row: str = "plain", column: str = "S/Top-1", seed: int = 0, **options: Any
) -> Evaluation:
    """Return one evaluation of a table."""
    from experiments.harness.resolve import evaluation as resolve

    made = made or table()
    return resolve(made, made.row(row), made.column(column), seed, Options(**options))


def with_row(made: Table, label: str, **changes: Any) -> Table:
    """Return the table with one row changed."""
    rows = tuple(dataclasses.replace(row, **changes) if row.label == label else row for row in made.rows)
    return dataclasses.replace(made, rows=rows)


def wanted(seeds: tuple[int, ...] = (0, 1), **changes: object) -> dict[Evaluation, str]:
    made = table(**changes)
    cells = TableCells(made, Options(seeds=seeds), Store(Path("nowhere")), rows=("plain", "wide"), controls=False)
    return cells.wanted()
