"""A derived column is its formula on the values that stand in the table, row against baseline row."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from experiments.harness.derived import Derived
from experiments.harness.evidence import gather
from experiments.harness.measure import cost_value
from experiments.harness.render import table_cells, to_csv, to_markdown
from experiments.harness.request import chosen_rows
from experiments.harness.spec import Claim, Column, Table
from tests.harness.fakes import table
from tests.harness.test_evidence import claims_of, filled, unfilled

PARAMS, TOP1 = "Param. (M)", "S/Top-1"
WIDTHS = {"plain": 2.0, "wide": 2.5}


def rate(before: Any, after: Any) -> float | None:
    """Return added parameters per added point; none without a gain."""
    gain = after[1] - before[1]
    return None if gain <= 0 else (after[0] - before[0]) / gain


def added(**changes: Any) -> Derived:
    arguments: dict[str, Any] = dict(
        formula="parameters added.", columns=(PARAMS,), against={"wide": "plain"}, compute=lambda b, a: a[0] - b[0]
    )
    return Derived(**{**arguments, **changes})


RATE = added(formula="added parameters per point.", columns=(PARAMS, TOP1), compute=rate)


def with_derived(*derived: Derived, **changes: Any) -> Table:
    columns = [Column(group="S", title=f"d{i}", metric="derived", derived=d) for i, d in enumerate(derived)]
    more = ("9",) * len(derived)
    rows = tuple(dataclasses.replace(row, published=(*row.published, *more)) for row in table().rows)
    return table(columns=(*table().columns, *columns), rows=rows, **changes)


def costs(row: Any, column: Any) -> float:
    return WIDTHS[row.label]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return gather(filled(tmp_path_factory.mktemp("store"), with_derived(added(), RATE)), costs)


def ours(evidence: dict[str, Any], label: str) -> list[Any]:
    return next(row["ours"] for row in evidence["rows"] if row["label"] == label)


def test_a_derived_value_is_the_formula_on_the_values_shown(evidence: dict[str, Any]):
    plain, wide = ours(evidence, "plain"), ours(evidence, "wide")
    assert wide[4] == {"mean": 0.5}
    gain = wide[0]["mean"] - plain[0]["mean"]
    assert gain > 0 and wide[5]["mean"] == pytest.approx(0.5 / gain, rel=1e-4)


def test_rows_without_a_baseline_and_quoted_rows_have_none(evidence: dict[str, Any]):
    assert ours(evidence, "plain")[4:] == ours(evidence, "quoted")[4:] == [None, None]


def test_pages_show_published_and_ours_with_the_formula_below(evidence: dict[str, Any]):
    page = to_markdown(evidence)
    assert "| d0 published | d0 ours" in re.sub(" +", " ", page)
    assert "- d0: parameters added.\n- d1: added parameters per point." in page
    heads, rows = table_cells(evidence)
    assert rows[1][heads.index("S/d0 ours")] == "0.50" and rows[1][heads.index("S/d0 published")] == "9"
    assert "paper/table9,wide,S/d0,,9,0.5,,,," in to_csv(evidence)


def test_a_value_that_it_needs_is_missing_or_undefined(tmp_path: Path):
    found = gather(unfilled(tmp_path, with_derived(added(), RATE)), costs)
    assert ours(found, "wide")[4:] == [{"mean": 0.5}, None], "costs need no run, accuracies do"
    assert RATE.value("wide", lambda label, key: {"plain": 2.0, "wide": 1.0}[label]) is None, "no gain"
    assert RATE.value("wide", lambda label, key: None if key == TOP1 else 1.0) is None


def test_derived_columns_ask_for_no_run(tmp_path: Path):
    with_it, without = unfilled(tmp_path, with_derived(RATE)), unfilled(tmp_path)
    assert with_it.wanted() == without.wanted() and [c.key for c in with_it.columns] == [c.key for c in without.columns]
    assert chosen_rows(with_derived(RATE), None) == ("plain", "wide")


def test_a_claim_on_derived_costs_compares_them_as_they_are(tmp_path: Path):
    against = {"wide": "plain", "plain": "plain"}
    made = with_derived(added(against=against), claims=(Claim("D", "wide", ">", "plain", columns=("S/d0",)),))
    found = claims_of(unfilled(tmp_path, made), lambda row, column: {"plain": 0.0, "wide": 0.5}[row.label])["D"]
    assert (found["costs"], found["verdict"]) == ([0.5, 0.0], "reproduced")
    assert found["published"] == {"difference": 0.0, "noise": None}


def test_its_cost_needs_a_baseline_and_costs_alone():
    made = with_derived(added(), RATE)
    with pytest.raises(ValueError, match="row 'plain': has no value in 'S/d0'"):
        cost_value(made, made.row("plain"), made.column("S/d0"))
    with pytest.raises(ValueError, match="column 'S/Top-1': no cost"):
        cost_value(made, made.row("plain"), made.column(TOP1))


@pytest.mark.parametrize(
    ("derived", "message"),
    [
        (added(columns=("Params",)), "column 'S/d0': paper/table9 has no column 'Params'"),
        (added(columns=("S/d0",)), "column 'S/d0': 'S/d0' is derived itself; accepted: columns with values of their"),
        (added(against={"wider": "plain"}), "column 'S/d0': paper/table9 has no row 'wider'"),
        (added(against={"wide": "quoted"}), "column 'S/d0': the row 'quoted' is quoted from elsewhere and never"),
    ],
)
def test_a_wrong_derivation_is_refused_by_its_column(derived: Derived, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        with_derived(derived)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(derived=None), "metric='derived' and derived=Derived(...) go together"),
        (dict(metric="params_m"), "metric='derived' and derived=Derived(...) go together"),
        (dict(data=table().columns[0].data), "follows from other columns; it takes no data"),
    ],
)
def test_a_column_is_derived_or_has_data_of_its_own(changes: dict[str, Any], message: str):
    arguments: dict[str, Any] = dict(title="odd", metric="derived", derived=added())
    with pytest.raises(ValueError, match=re.escape(f"column 'odd': {message}")):
        rows = tuple(dataclasses.replace(row, published=(*row.published, None)) for row in table().rows)
        table(columns=(*table().columns, Column(**{**arguments, **changes})), rows=rows)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (Claim("D", "wide", ">", "plain", columns=("S/d1",)), "'S/d1' follows from 'S/Top-1' and has no interval"),
        (Claim("D", "wide", ">", "plain", columns=("S/d0",)), "the row 'plain' has no value in 'S/d0'"),
        (Claim("D", "wide", ">", "wide", columns=("S/d0",), worse_column="S/d1"), "cannot be compared"),
    ],
)
def test_a_claim_that_nothing_could_judge_is_refused(claim: Claim, message: str):
    with pytest.raises(ValueError, match=re.escape("paper/table9, claim D: ") + ".*" + re.escape(message)):
        with_derived(added(), RATE, claims=(claim,))
