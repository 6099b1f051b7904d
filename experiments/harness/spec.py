"""What a published table is: rows, columns, claims, and what each row changes (data only, no torch).

A table script builds one :class:`Table`. Everything is checked while it is built, against the real constructor
signatures, so a misspelt keyword stops the script at import and names the row that holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.harness.build import Build
from experiments.harness.derived import Derived
from experiments.harness.ensemble import Ensemble
from experiments.harness.profile import CheckpointFile, Network, Pretrain, Profile

__all__ = [
    "Build",
    "CheckpointFile",
    "Claim",
    "Column",
    "Figure",
    "Network",
    "Pretrain",
    "Profile",
    "Row",
    "Table",
]

PROFILES = ("smoke", "proxy", "paper")
ACCURACY_METRICS = ("top1", "top5", "mean_class_acc", "map")
AS_RUN_METRICS = ("run_mmacs", "run_params_k", "latency_ms")
MEASURED_METRICS = ("latency_ms", "videos_per_sec")
COST_METRICS = (
    *("params_m", "folded_params_m", "gmacs", "gflops", "num_frames", "num_views", "videos_per_sec"),
    *AS_RUN_METRICS,
)
DERIVED = "derived"
COST_RULES = ("torch", "fvcore", "ptflops")
RELATIONS = (">", "~")
RUNTIMES = ("torch", "openvino", "onnx")
ALL: Literal["all"] = "all"
Relation = Literal[">", "~"]
RuntimeName = Literal["torch", "openvino", "onnx"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: a metric, on what data; or what follows from other columns.

    Args:
        title: printed head.
        metric: one of ``top1``, ``top5``, ``mean_class_acc``, ``map`` (percent), or a cost: ``params_m``,
            ``folded_params_m``, ``gmacs``, ``gflops``, ``num_frames`` of a clip, ``num_views`` of a test video, the
            measured ``videos_per_sec``; of the network as the profile runs it: ``run_mmacs``, ``run_params_k``
            (millions, thousands) and the measured ``latency_ms`` (``measurements.py``); or ``derived``.
        group: printed head over several columns, usually the data set.
        data: the data module; several, whose values are averaged (the official splits of one set); None for a cost
            and for what is derived.
        recipe: a recipe for this data set in place of the table's.
        init: what this column's trainings start from in place of the row's: the name of an initialisation in the
            profiles, None for scratch; ``"row"`` keeps the row's.
        rule: counting rule of a cost.
        test_videos: size of the published test set; None where the paper leaves it open.
        derived: how the values follow from other columns.
    """

    title: str
    metric: str
    group: str = ""
    data: Build | tuple[Build, ...] | None = None
    recipe: Any = None
    init: str | None = "row"
    rule: str = "torch"
    test_videos: int | None = None
    derived: Derived | None = None

    @property
    def key(self) -> str:
        """Return the name by which claims refer to this column."""
        return f"{self.group}/{self.title}" if self.group else self.title

    @property
    def is_cost(self) -> bool:
        """Say whether the column is computed from the network alone."""
        return self.metric in COST_METRICS

    @property
    def is_accuracy(self) -> bool:
        """Say whether the column needs trainings and tests."""
        return self.metric in ACCURACY_METRICS

    @property
    def parts(self) -> tuple[Build, ...]:
        """Return the data modules whose values are averaged: usually one, none for a cost."""
        if self.data is None:
            return ()
        return self.data if isinstance(self.data, tuple) else (self.data,)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: published values as printed, and what the row changes.

    Args:
        label: printed name, unique in the table.
        published: one string per column as printed ("33" is not "33.0"); None where the paper prints none.
        network: name of a network in the profiles that takes the place of the table's; None keeps the table's.
        module: constructor arguments of the network that this row changes; here and below a value may be ``Changed``.
        data: constructor arguments of the data module that this row changes.
        data_on: further ones by column group, where the row differs on one data set.
        recipe: fields of the recipe that this row changes.
        init: name of an initialisation in the profiles; ``"table"`` keeps the table's.
        runtime: what computes the scores at test: ``torch``, or the exported network in ``openvino`` or ``onnx``.
        on: column groups on which the row is run; None means all.
        classes: number of classes for cost columns, where the paper counted with another head.
        cited: quoted from another paper: printed, never run.
        ensemble: ``((label, weight), ...)`` of rows whose scores are added up, or a search among rows; such a row has
            nothing of its own to run.
        default: run it without being asked; False: only by name or with ``--rows all``.
        note: footnote.
    """

    label: str
    published: tuple[str | None, ...]
    network: str | None = None
    module: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    data_on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    init: str | None = "table"
    runtime: RuntimeName = "torch"
    on: tuple[str, ...] | None = None
    classes: int | None = None
    cited: bool = False
    ensemble: Ensemble | None = None
    default: bool = True
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """A published comparison of two rows, of two columns of one row, or of what two rows gain over two others.

    Args:
        id: the claim's number in the audit of published claims ("L26").
        better: label of the row said to be better.
        relation: ``">"`` (better) or ``"~"`` (equal within the margin).
        worse: label of the row it is compared with.
        columns: keys of the columns it is made for; ``"all"`` means all but costs.
        margin: percent points.
        worse_column: key of the column in which ``worse`` is looked up; None means the same column as ``better``'s.
        gains_over: labels of two rows, if the claim is that ``better`` gains more over the first of them than ``worse``
            over the second. Accuracies only.
        less_column: key of a column that is subtracted from both rows' accuracies: the claim is that ``better`` loses
            less from there.
    """

    id: str
    better: str
    relation: Relation
    worse: str
    columns: tuple[str, ...] | Literal["all"] = ALL
    margin: float = 0.0
    worse_column: str | None = None
    gains_over: tuple[str, str] | None = None
    less_column: str | None = None

    @property
    def text(self) -> str:
        """Return the claim in words, without its number and column."""
        if self.gains_over is not None:
            first, second = self.gains_over
            return f"gain of {self.better} over {first} {self.relation} gain of {self.worse} over {second}"
        if self.worse_column is None:
            less = f", each less its {self.less_column}" if self.less_column is not None else ""
            return f"{self.better} {self.relation} {self.worse}{less}"
        title, other = self.columns[0].split("/")[-1], self.worse_column.split("/")[-1]
        if self.better == self.worse:
            return f"{self.better}: {title} {self.relation} {other}"
        return f"{self.better}, {title} {self.relation} {self.worse}, {other}"


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
        questions: the claims are questions of our own, answered yes or no; the table has no published value.

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
    questions: bool = False

    def __post_init__(self) -> None:
        """Check the whole table."""
        from experiments.harness.checks import check_table

        check_table(self)

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
        of_clips: shows single clips of the first seed; a user's own video may take their place.
        compares: draws its rows against each other; some of them alone, or one checkpoint, are refused.
        groups: the data sets shown unless --columns names others; empty: all of the table's.
    """

    id: str
    title: str
    table: Table
    rows: tuple[str, ...]
    draw: Callable[..., Any]
    of_clips: bool = False
    compares: bool = False
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the rows exist."""
        for label in self.rows:
            self.table.row(label)


def row_init(table: Table, row: Row, column: Column | None = None) -> str | None:
    """Return the name of the initialisation of a row, in a column that may state its own; None for scratch."""
    if column is not None and column.init != "row":
        return column.init
    return table.init if row.init == "table" else row.init


def network_class(table: Table, profile: Profile, name: str | None) -> type:
    """Return the class of a network by its name in a profile; of the table's for None."""
    return table.module.cls if name is None else profile.networks[name].module.cls


def network_clips(profile: Profile, name: str | None) -> Mapping[str, Any]:
    """Return what the clips of a profile's network differ in from the other rows'."""
    return profile.networks[name].clips if name is not None else {}
