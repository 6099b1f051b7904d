"""What a published table is: rows, columns, claims, and what each row changes (data only, no torch).

A table script builds one :class:`Table`. Everything is checked while it is built, against the real constructor
signatures, so a misspelt keyword stops the script at import and names the row that holds it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from experiments.harness.build import Build, check_arguments

PROFILES = ("smoke", "proxy", "paper")
ACCURACY_METRICS = ("top1", "top5", "mean_class_acc", "map")
COST_METRICS = ("params_m", "folded_params_m", "gmacs", "gflops")
COST_RULES = ("torch", "fvcore")
RELATIONS = (">", "~")
ALL: Literal["all"] = "all"


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Start from the checkpoint of another training, run once and shared by all cells that ask for it.

    Args:
        data: what to pre-train on.
        recipe: how (a ``Recipe``).
        module: constructor arguments in which the pre-trained network differs from the table's; a row's own changes do
            not reach it, so that all rows start from the same weights.
        shared_by_seeds: one pre-training for all seeds (as one published checkpoint is) or one per seed.
    """

    data: Build
    recipe: Any
    module: Mapping[str, Any] = field(default_factory=dict)
    shared_by_seeds: bool = True


@dataclass(frozen=True)
class CheckpointFile:
    """Start from a file that the user names with ``--init-checkpoint``; ``about`` says which file is meant."""

    about: str


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How a paper's table is run at one size.

    Args:
        module: constructor arguments of the network that differ from the table's.
        data: constructor arguments of the data module that differ from the table's.
        recipe: a recipe in place of the table's; None keeps it.
        inits: initialisation by name; a table or row refers to one with ``init="name"``.
        stand_ins: replace each real data set by its member of the embedded benchmark.
        tiny: shrink the members further, for the smoke profile.
        val_every: epochs between two looks at the validation split (for the curves only).
    """

    module: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    recipe: Any = None
    inits: Mapping[str, Pretrain | CheckpointFile] = field(default_factory=dict)
    stand_ins: bool = False
    tiny: bool = False
    val_every: int = 1


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: a metric, on what data.

    Args:
        title: printed head.
        metric: one of ``top1``, ``top5``, ``mean_class_acc``, ``map`` (percent), or a cost: ``params_m``,
            ``folded_params_m``, ``gmacs``, ``gflops``.
        group: printed head over several columns, usually the data set.
        data: the data module; None for a cost.
        recipe: a recipe for this data set in place of the table's.
        rule: counting rule of a cost.
        test_videos: size of the published test set; None where the paper leaves it open.
    """

    title: str
    metric: str
    group: str = ""
    data: Build | None = None
    recipe: Any = None
    rule: str = "torch"
    test_videos: int | None = None

    @property
    def key(self) -> str:
        """Return the name by which claims refer to this column."""
        return f"{self.group}/{self.title}" if self.group else self.title

    @property
    def is_cost(self) -> bool:
        """Say whether the column is computed from the network alone."""
        return self.metric in COST_METRICS


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: published values as printed, and what the row changes.

    Args:
        label: printed name, unique in the table.
        published: one string per column as printed ("33" is not "33.0"); None where the paper prints none.
        module: constructor arguments of the network that this row changes.
        data: constructor arguments of the data module that this row changes.
        recipe: fields of the recipe that this row changes.
        init: name of an initialisation in the profiles; ``"table"`` keeps the table's.
        classes: number of classes for cost columns, where the paper counted with another head.
        cited: quoted from another paper: printed, never run.
        note: footnote.
    """

    label: str
    published: tuple[str | None, ...]
    module: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    init: str | None = "table"
    classes: int | None = None
    cited: bool = False
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """A published comparison of two rows.

    Args:
        id: the claim's number in the audit of published claims ("L26").
        better: label of the row said to be better.
        relation: ``">"`` (better) or ``"~"`` (equal within the margin).
        worse: label of the row it is compared with.
        columns: keys of the columns it is made for.
        margin: percent points.
    """

    id: str
    better: str
    relation: Literal[">", "~"]
    worse: str
    columns: tuple[str, ...] | Literal["all"] = ALL
    margin: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Table:
    """A published table: construct it at import, hand it to ``main``.

    Args:
        id: ``"<paper>/<table>"``, the paper's slug first.
        title: what the table shows, one line.
        module: the paper's main setting.
        recipe: the paper's training recipe.
        columns: in printed order.
        rows: in printed order.
        profiles: how to run it small (``smoke``, ``proxy``) and as published (``paper``).
        claims: the comparisons that the paper makes.
        init: name of the initialisation in the profiles; None trains from scratch.
        baseline: label of the row whose seeds serve as A/A control; by default the first row that is run.
        notes: footnotes.

    Raises:
        ValueError: anything inconsistent, naming the table and the row, column or claim.
    """

    id: str
    title: str
    module: Build
    recipe: Any
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    profiles: Mapping[str, Profile]
    claims: tuple[Claim, ...] = ()
    init: str | None = None
    baseline: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the whole table."""
        _check_table(self)

    @property
    def paper(self) -> str:
        """Return the paper's slug."""
        return self.id.split("/")[0]

    @property
    def name(self) -> str:
        """Return the table's name within its paper."""
        return self.id.split("/")[1]

    def row(self, label: str) -> Row:
        """Return the row with this label."""
        for row in self.rows:
            if row.label == label:
                return row
        raise ValueError(f"{self.id} has no row {label!r}; it has {', '.join(repr(r.label) for r in self.rows)}")

    def column(self, key: str) -> Column:
        """Return the column with this key."""
        for column in self.columns:
            if column.key == key:
                return column
        raise ValueError(f"{self.id} has no column {key!r}; it has {', '.join(repr(c.key) for c in self.columns)}")

    @property
    def control_row(self) -> Row:
        """Return the row whose seeds are compared with themselves."""
        return self.row(self.baseline) if self.baseline else next(row for row in self.rows if not row.cited)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A published figure that shows data, drawn from the cells of a table.

    Args:
        id: ``"<paper>/<figure>"``.
        title: what it shows.
        table: the table whose cells it needs.
        rows: labels of the rows it needs.
        draw: ``draw(cells, load) -> Drawing``; ``load(cell)`` gives the trained module and its data (``figures.py``).
    """

    id: str
    title: str
    table: Table
    rows: tuple[str, ...]
    draw: Callable[..., Any]

    def __post_init__(self) -> None:
        """Check that the rows exist."""
        for label in self.rows:
            self.table.row(label)


def _check_table(table: Table) -> None:
    if table.id.count("/") != 1:
        raise ValueError(f"table id {table.id!r} must read '<paper>/<table>'")
    _check_unique([row.label for row in table.rows], f"{table.id}: row label")
    _check_unique([column.key for column in table.columns], f"{table.id}: column")
    if missing := [name for name in PROFILES if name not in table.profiles]:
        raise ValueError(f"{table.id}: profile {missing[0]!r} is missing; a table needs {', '.join(PROFILES)}")
    for column in table.columns:
        _check_column(table, column)
    for row in table.rows:
        _check_row(table, row)
    for claim in table.claims:
        _check_claim(table, claim)
    if table.baseline:
        table.row(table.baseline)
    if all(row.cited for row in table.rows):
        raise ValueError(f"{table.id}: every row is cited; nothing would run")


def _check_unique(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name!r} stands twice")


def _check_column(table: Table, column: Column) -> None:
    where = f"{table.id}, column {column.key!r}"
    if column.metric not in ACCURACY_METRICS + COST_METRICS:
        raise ValueError(
            f"{where}: unknown metric {column.metric!r}; accepted: {', '.join(ACCURACY_METRICS + COST_METRICS)}"
        )
    if column.is_cost:
        if column.data is not None:
            raise ValueError(f"{where}: a cost is computed from the network; it takes no data")
        if column.rule not in COST_RULES:
            raise ValueError(f"{where}: unknown rule {column.rule!r}; accepted: {', '.join(COST_RULES)}")
    elif column.data is None:
        raise ValueError(f"{where}: the metric {column.metric!r} needs data=Build(...)")


def _check_row(table: Table, row: Row) -> None:
    where = f"{table.id}, row {row.label!r}"
    if len(row.published) != len(table.columns):
        raise ValueError(f"{where}: {len(row.published)} published values for {len(table.columns)} columns")
    for value in row.published:
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{where}: published value {value!r} must be a string, as printed")
        if value is not None and not _is_number(value):
            raise ValueError(
                f"{where}: published value {value!r} must be a number as printed, or None where there is none"
            )
    check_arguments(table.module.cls, row.module, where=where)
    for column in table.columns:
        if column.data is not None:
            check_arguments(column.data.cls, row.data, where=where)
    recipe_fields = [f.name for f in dataclasses.fields(table.recipe)]
    for name in row.recipe:
        if name not in recipe_fields:
            raise ValueError(f"{where}: the recipe has no field {name!r}; it has {', '.join(recipe_fields)}")
    for name, profile in table.profiles.items():
        init = row_init(table, row)
        if init is not None and init not in profile.inits:
            known = ", ".join(repr(key) for key in profile.inits) or "none"
            raise ValueError(f"{where}: profile {name!r} has no initialisation {init!r}; it has {known}")
        check_arguments(table.module.cls, profile.module, where=f"{table.id}, profile {name!r}")
        for key, pretrain in profile.inits.items():
            if isinstance(pretrain, Pretrain):
                check_arguments(table.module.cls, pretrain.module, where=f"{table.id}, initialisation {key!r}")
        for column in table.columns:
            if column.data is not None:
                check_arguments(column.data.cls, profile.data, where=f"{table.id}, profile {name!r}")


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def row_init(table: Table, row: Row) -> str | None:
    """Return the name of the row's initialisation, None for training from scratch."""
    return table.init if row.init == "table" else row.init


def _check_claim(table: Table, claim: Claim) -> None:
    where = f"{table.id}, claim {claim.id}"
    if claim.relation not in RELATIONS:
        raise ValueError(f"{where}: unknown relation {claim.relation!r}; accepted: {', '.join(RELATIONS)}")
    if claim.relation == "~" and claim.margin <= 0:
        raise ValueError(f"{where}: equality needs a margin above 0 percent points; with 0 it could only be refuted")
    if claim.margin < 0:
        raise ValueError(f"{where}: margin {claim.margin} must not be negative")
    try:
        table.row(claim.better)
        table.row(claim.worse)
        for key in () if claim.columns == ALL else claim.columns:
            table.column(key)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
