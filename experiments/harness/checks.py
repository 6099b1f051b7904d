"""Check a table while it is built, against the real constructor signatures: errors name the row, column or claim."""

from __future__ import annotations

import dataclasses
from math import isfinite

from experiments.harness.build import check_arguments
from experiments.harness.derived import Derived
from experiments.harness.ensemble import EnsembleSearch, check_ensemble, members_of_ensemble
from experiments.harness.spec import (
    ACCURACY_METRICS,
    ALL,
    COST_METRICS,
    COST_RULES,
    DERIVED,
    PROFILES,
    RELATIONS,
    RUNTIMES,
    Claim,
    Column,
    Pretrain,
    Profile,
    Row,
    Table,
    network_class,
    network_clips,
    row_init,
)


def check_table(table: Table) -> None:
    """Check the whole table.

    Raises:
        ValueError: anything inconsistent, naming the table and the row, column, claim or initialisation.
    """
    if table.id.count("/") != 1:
        raise ValueError(f"table id {table.id!r} must read '<paper>/<table>'")
    _check_unique([row.label for row in table.rows], f"{table.id}: row label")
    _check_unique([column.key for column in table.columns], f"{table.id}: column")
    if missing := [name for name in PROFILES if name not in table.profiles]:
        raise ValueError(f"{table.id}: profile {missing[0]!r} is missing; a table needs {', '.join(PROFILES)}")
    for column in table.columns:
        _check_column(table, column)
    for name, profile in table.profiles.items():
        _check_profile(table, name, profile)
    for row in table.rows:
        _check_row(table, row)
    for claim in table.claims:
        _check_claim(table, claim)
    if table.baseline:
        table.row(table.baseline)
    if table.questions and (printed := [row.label for row in table.rows if any(row.published)]):
        raise ValueError(f"{table.id}: questions=True, but the row {printed[0]!r} has published values")
    if not any(column.is_accuracy for column in table.columns):
        raise ValueError(f"{table.id}: every column is a cost; a table needs one with data, whose clips costs are of")
    if all(row.cited for row in table.rows):
        raise ValueError(f"{table.id}: every row is cited; nothing would run")


def _check_unique(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name!r} stands twice")


def _check_column(table: Table, column: Column) -> None:
    where = f"{table.id}, column {column.key!r}"
    metrics = (*ACCURACY_METRICS, *COST_METRICS, DERIVED)
    if column.metric not in metrics:
        raise ValueError(f"{where}: unknown metric {column.metric!r}; accepted: {', '.join(metrics)}")
    if (column.metric == DERIVED) != (column.derived is not None):
        raise ValueError(f"{where}: metric={DERIVED!r} and derived=Derived(...) go together")
    if column.derived is not None:
        _check_derived(table, column, column.derived, where=where)
    elif column.is_cost:
        if column.data is not None:
            raise ValueError(f"{where}: a cost is computed from the network; it takes no data")
        if column.rule not in COST_RULES:
            raise ValueError(f"{where}: unknown rule {column.rule!r}; accepted: {', '.join(COST_RULES)}")
    elif not column.parts:
        raise ValueError(f"{where}: the metric {column.metric!r} needs data=Build(...)")
    for name, profile in table.profiles.items() if column.init != "row" else ():
        _check_init(profile, column.init, where=f"{where}: profile {name!r}")


def _check_derived(table: Table, column: Column, derived: Derived, *, where: str) -> None:
    if column.data is not None:
        raise ValueError(f"{where}: follows from other columns; it takes no data")
    try:
        for key in derived.columns:
            if table.column(key).derived is not None:
                raise ValueError(f"{key!r} is derived itself; accepted: columns with values of their own")
        for label in (*derived.against, *derived.against.values()):
            if table.row(label).cited:
                raise ValueError(f"the row {label!r} is quoted from elsewhere and never computed")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _check_row(table: Table, row: Row) -> None:
    where = f"{table.id}, row {row.label!r}"
    _check_ensemble(table, row, where=where)
    if len(row.published) != len(table.columns):
        raise ValueError(f"{where}: {len(row.published)} published values for {len(table.columns)} columns")
    for value in row.published:
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{where}: published value {value!r} must be a string, as printed")
        if value is not None and not _is_number(value):
            raise ValueError(
                f"{where}: published value {value!r} must be a number as printed, or None where there is none"
            )
    for name, profile in table.profiles.items():
        _check_network(profile, row.network, where=f"{where}: profile {name!r}")
        check_arguments(network_class(table, profile, row.network), row.module, where=where)
    for part in (part for c in table.columns if row.on is None or c.group in row.on for part in c.parts):
        check_arguments(part.cls, row.data, where=where)
        for name, profile in table.profiles.items():
            check_arguments(part.cls, network_clips(profile, row.network), where=f"{where}: profile {name!r}")
    recipe_fields = [f.name for f in dataclasses.fields(table.recipe)]
    for name in row.recipe:
        if name not in recipe_fields:
            raise ValueError(f"{where}: the recipe has no field {name!r}; it has {', '.join(recipe_fields)}")
    groups = sorted({column.group for column in table.columns if column.data is not None})
    for group in (*row.data_on, *(row.on or ())):
        if group not in groups:
            raise ValueError(f"{where}: no column group {group!r}; the table has {', '.join(map(repr, groups))}")
    for group, changes in row.data_on.items():
        for part in (part for column in table.columns if column.group == group for part in column.parts):
            check_arguments(part.cls, changes, where=f"{where}, on {group}")
    if row.runtime not in RUNTIMES:
        raise ValueError(f"{where}: unknown runtime {row.runtime!r}; accepted: {', '.join(RUNTIMES)}")
    for name, profile in table.profiles.items():
        _check_init(profile, row_init(table, row), where=f"{where}: profile {name!r}")


def _check_ensemble(table: Table, row: Row, *, where: str) -> None:
    if row.ensemble is None:
        return
    try:
        check_ensemble(row.ensemble)
        members = [table.row(label) for label in members_of_ensemble(row.ensemble)]
        on = table.column(row.ensemble.on) if isinstance(row.ensemble, EnsembleSearch) else None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    for member in members:
        if member.cited or member.ensemble is not None:
            raise ValueError(f"{where}: the member {member.label!r} is no row that is run by itself")
        if member.on != row.on:
            raise ValueError(f"{where}: the member {member.label!r} is run on other column groups")
    if on is not None and not on.is_accuracy:
        raise ValueError(f"{where}: the search is on {on.key!r}; accepted: a column with data")
    if row.cited or row.module or row.data or row.data_on or row.recipe or row.runtime != "torch":
        raise ValueError(f"{where}: an ensemble changes nothing of its members and is not cited")


def _check_profile(table: Table, name: str, profile: Profile) -> None:
    where = f"{table.id}, profile {name!r}"
    check_arguments(table.module.cls, profile.module, where=where)
    for part in (part for column in table.columns for part in column.parts):
        check_arguments(part.cls, profile.data, where=where)
    groups = {column.group for column in table.columns}
    if unknown := [group for group in profile.recipe_on if group not in groups]:
        raise ValueError(f"{where}: recipe_on for {unknown[0]!r}; the table has {', '.join(map(repr, sorted(groups)))}")
    for key, pretrain in profile.inits.items():
        if isinstance(pretrain, Pretrain):
            _check_network(profile, pretrain.network, where=f"{where}, initialisation {key!r}")
            cls = network_class(table, profile, pretrain.network)
            check_arguments(cls, pretrain.module, where=f"{table.id}, initialisation {key!r}")
            _check_init(profile, pretrain.init, where=f"{where}, initialisation {key!r}")
            _refuse_circle(profile, key, where=where)


def _check_network(profile: Profile, name: str | None, *, where: str) -> None:
    if name is not None and name not in profile.networks:
        known = ", ".join(map(repr, profile.networks)) or "none"
        raise ValueError(f"{where} has no network {name!r}; it has {known}")


def _check_init(profile: Profile, init: str | None, *, where: str) -> None:
    if init is not None and init not in profile.inits:
        known = ", ".join(repr(key) for key in profile.inits) or "none"
        raise ValueError(f"{where} has no initialisation {init!r}; it has {known}")


def _refuse_circle(profile: Profile, key: str, *, where: str) -> None:
    passed: list[str] = []
    step: str | None = key
    while step is not None:
        if step in passed:
            raise ValueError(f"{where}: the initialisations {' <- '.join([*passed, step])} start from each other")
        passed.append(step)
        step = getattr(profile.inits.get(step), "init", None)


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _check_claim(table: Table, claim: Claim) -> None:
    where = f"{table.id}, claim {claim.id}"
    if claim.relation not in RELATIONS:
        raise ValueError(f"{where}: unknown relation {claim.relation!r}; accepted: {', '.join(RELATIONS)}")
    if claim.relation == "~" and claim.margin <= 0:
        raise ValueError(f"{where}: equality needs a margin above 0 percent points; with 0 it could only be refuted")
    if claim.margin < 0:
        raise ValueError(f"{where}: margin {claim.margin} must not be negative")
    if claim.worse_column is None and claim.better == claim.worse:
        raise ValueError(f"{where}: compares the row {claim.better!r} with itself")
    if claim.gains_over is not None:
        for label, over in zip((claim.better, claim.worse), claim.gains_over, strict=True):
            if label == over:
                raise ValueError(f"{where}: asks what the row {label!r} gains over itself")
    if sum(given is not None for given in (claim.gains_over, claim.worse_column, claim.less_column)) > 1:
        raise ValueError(f"{where}: accepted is one of gains_over, worse_column and less_column")
    if claim.worse_column is not None and (claim.columns == ALL or len(claim.columns) != 1):
        raise ValueError(f"{where}: a claim with worse_column needs exactly one column")
    try:
        table.row(claim.better)
        table.row(claim.worse)
        for label in claim.gains_over or ():
            table.row(label)
        for key in () if claim.columns == ALL else claim.columns:
            _check_claimable(table, table.column(key), claim)
        if claim.worse_column is not None:
            _check_comparable(table.column(claim.columns[0]), table.column(claim.worse_column))
        if claim.less_column is not None:
            _check_losses(table, claim)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _check_claimable(table: Table, column: Column, claim: Claim) -> None:
    """Refuse a claim on what is derived from accuracies, which has no interval to judge it by, and gains in costs."""
    if claim.gains_over is not None and not column.is_accuracy:
        raise ValueError(f"{column.key!r} is no accuracy; gains over other rows are compared in accuracies only")
    if column.derived is None:
        return
    if noisy := [key for key in column.derived.columns if not table.column(key).is_cost]:
        raise ValueError(
            f"{column.key!r} follows from {noisy[0]!r} and has no interval; claim that column's difference"
        )
    if without := [label for label in (claim.better, claim.worse) if label not in column.derived.against]:
        raise ValueError(f"the row {without[0]!r} has no value in {column.key!r}")


def _check_losses(table: Table, claim: Claim) -> None:
    """Losses are of accuracies of one metric, from a column to others."""
    less = table.column(claim.less_column or "")
    of = [c for c in table.columns if (c.is_accuracy if claim.columns == ALL else c.key in claim.columns)]
    if less in of or any(not c.is_accuracy or c.metric != less.metric for c in of):
        raise ValueError(f"less_column {less.key!r} ({less.metric}); accepted: another accuracy than "
                         f"{', '.join(repr(c.key) for c in of)}, and of the same metric")  # fmt: skip


def _check_comparable(column: Column, other: Column) -> None:
    """Two costs, or two accuracies of one metric on one data set: the difference is paired by test video."""
    if column.is_cost and other.is_cost:
        return
    if not column.is_accuracy or (column.metric, column.group) != (other.metric, other.group):
        raise ValueError(f"{column.key!r} ({column.metric}) and worse_column {other.key!r} ({other.metric}) cannot be "
                         "compared; accepted: two costs, or two columns of one metric and group")  # fmt: skip
