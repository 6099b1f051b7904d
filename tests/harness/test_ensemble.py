"""Rows whose scores are a weighted sum of other rows': arithmetic, search, cells, evidence, errors."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re

import numpy as np
import pytest

from experiments.harness.cell import Options
from experiments.harness.ensemble import EnsembleSearch, select, weighted_sum
from experiments.harness.evidence import gather
from experiments.harness.measure import build_module, row_costs
from experiments.harness.metrics import top1
from experiments.harness.render import to_json, to_markdown
from experiments.harness.spec import Row
from experiments.harness.store import Store
from experiments.harness.table_cells import TableCells
from tests.harness import fakes


def random_scores(seed: int, n: int = 40, k: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, k))


LABELS = np.arange(40) % 4


def test_the_sum_is_weighted_and_an_undecodable_video_stays_so():
    first, second = random_scores(0), random_scores(1)
    first[3] = np.nan
    total = weighted_sum({"a": first, "b": second}, {"a": 2.0, "b": 0.5})
    np.testing.assert_allclose(total[4], 2.0 * first[4] + 0.5 * second[4])
    assert np.isnan(total[3]).all() and not np.isnan(total[[0, 1, 2, 4]]).any()
    with pytest.raises(ValueError, match="scores of different shapes"):
        weighted_sum({"a": first, "b": second[1:]}, {"a": 1.0, "b": 1.0})


def test_a_search_never_falls_behind_its_best_member_and_equals_trying_all_pairs_of_its_first_step():
    members = {name: random_scores(seed) + 0.7 * np.eye(4)[LABELS] for seed, name in enumerate("abcd")}
    weights = select(members, LABELS, "top1", additions=12)
    alone = {name: top1(scores, LABELS) for name, scores in members.items()}
    assert top1(weighted_sum(members, weights), LABELS) >= max(alone.values())
    first = max(alone, key=lambda name: alone[name])
    pairs = {other: top1(members[first] + members[other], LABELS) for other in members}
    two = select(members, LABELS, "top1", additions=2)
    assert top1(weighted_sum(members, two), LABELS) == max(alone[first], *pairs.values())
    assert next(iter(two)) == first and sum(two.values()) in (1.0, 2.0)


def test_a_search_keeps_the_shortest_of_equal_sums_and_the_first_of_equal_members():
    perfect = np.eye(4)[LABELS]
    assert select({"a": perfect, "b": perfect}, LABELS, "mean_class_acc", additions=5) == {"a": 1.0}
    with pytest.raises(ValueError, match="unknown metric"):
        select({"a": perfect}, LABELS, "loss", additions=1)


def table(*ensembles: Row):
    made = fakes.without_costs(fakes.table())
    plain = [row for row in made.rows if not row.cited]
    return dataclasses.replace(made, rows=(*plain, *ensembles), claims=())


PLAIN = [row.label for row in table().rows]
BOTH = (PLAIN[0], 1.0), (PLAIN[1], 2.0)
PUBLISHED = tuple(None for _ in table().columns)


def cells_of(made, store, *labels: str, seeds=(0, 1)) -> TableCells:
    return TableCells(made, Options(seeds=seeds), store, rows=labels, controls=False)


def test_an_ensemble_asks_for_its_members_and_has_no_cell_of_its_own(tmp_path):
    made = table(Row(label="sum", published=PUBLISHED, ensemble=BOTH))
    cells, members = cells_of(made, Store(tmp_path), "sum"), cells_of(made, Store(tmp_path), *PLAIN[:2])
    assert set(cells.wanted()) == set(members.wanted())
    column = cells.columns[0]
    assert not cells.runs(made.row(PLAIN[0]), column) and cells.runs(made.row("sum"), column)
    with pytest.raises(ValueError, match="row 'sum' is an ensemble; only its members have cells"):
        cells.evaluation(made.row("sum"), column, 0)


def write(cells: TableCells, labels: np.ndarray, *, but: tuple[str, int] | None = None) -> None:
    for number, (seed, row) in enumerate(itertools.product((0, 1), cells.rows)):
        if row.ensemble is None and (row.label, seed) != but:
            for place, column in enumerate(cells.columns):
                cell = cells.evaluation(row, column, seed)
                fakes.write_results(cells.store, cell, random_scores(10 * number + place, len(labels)), labels)


def test_scores_are_summed_seed_by_seed_where_all_members_have_run(tmp_path):
    made = table(Row(label="sum", published=PUBLISHED, ensemble=BOTH))
    cells = cells_of(made, Store(tmp_path), *PLAIN, "sum")
    write(cells, LABELS, but=(PLAIN[1], 1))
    cells = cells_of(made, Store(tmp_path), *PLAIN, "sum")
    column = cells.columns[0]
    found, labels = cells.scores(made.row("sum"), column)
    assert list(found) == [0] and np.array_equal(labels, LABELS)
    first, second = (cells.scores(made.row(label), column)[0][0] for label in PLAIN[:2])
    np.testing.assert_allclose(found[0], first + 2.0 * second, rtol=1e-6)


def test_evidence_names_members_and_weights_and_renders_them(tmp_path):
    search = EnsembleSearch(members=tuple(PLAIN), on=table().columns[0].key, additions=3)
    made = table(
        Row(label="sum", published=PUBLISHED, ensemble=BOTH), Row(label="found", published=PUBLISHED, ensemble=search)
    )
    write(cells_of(made, Store(tmp_path), *PLAIN), LABELS)
    cells = cells_of(made, Store(tmp_path), "sum", "found")
    evidence = gather(cells)
    rows = {row["label"]: row for row in evidence["rows"]}
    assert rows["sum"]["ensemble"] == {"0": dict(BOTH), "1": dict(BOTH)} and "ensemble" not in rows[PLAIN[0]]
    assert all(0 < sum(weights.values()) <= 3 for weights in rows["found"]["ensemble"].values())
    assert rows["sum"]["ours"][0] is not None
    assert all({"sum", "found"}.isdisjoint(cell["rows"]) for cell in evidence["cells"])
    page = to_markdown(evidence)
    assert "## Ensembles" in page and re.search(rf"\| sum +\| all +\| {PLAIN[0]}, 2 x {PLAIN[1]} +\|", page)
    assert to_markdown(gather(cells)) == page


def test_members_are_listed_in_the_tables_order_whatever_that_of_the_sum_or_of_the_file(tmp_path):
    made = table(Row(label="turned", published=PUBLISHED, ensemble=BOTH[::-1]))
    write(cells_of(made, Store(tmp_path), *PLAIN), LABELS)
    evidence = gather(cells_of(made, Store(tmp_path), "turned"))
    page = to_markdown(evidence)
    assert re.search(rf"\| turned +\| all +\| {PLAIN[0]}, 2 x {PLAIN[1]} +\|", page)
    assert to_markdown(json.loads(to_json(evidence))) == page


def test_a_search_needs_the_column_it_looks_at_even_where_that_is_not_asked_for(tmp_path):
    on = next(column for column in table().columns if column.group != table().columns[0].group)
    search = EnsembleSearch(members=tuple(PLAIN[:2]), on=on.key)
    made = table(Row(label="found", published=PUBLISHED, ensemble=search))
    first = made.columns[0].group
    cells = TableCells(made, Options(seeds=(0,)), Store(tmp_path), rows=("found",), controls=False, groups=(first,))
    assert {cells.evaluation(made.row(label), on, 0) for label in PLAIN[:2]} <= set(cells.wanted())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(ensemble=()), "an ensemble needs members, each once"),
        (dict(ensemble=((PLAIN[0], 1.0), (PLAIN[0], 1.0))), "each once"),
        (dict(ensemble=((PLAIN[0], 0.0),)), "the weight of .* must be positive, got 0.0"),
        (dict(ensemble=(("nobody", 1.0),)), "has no row 'nobody'"),
        (dict(ensemble=(("sum", 1.0),)), "the member 'sum' is no row that is run by itself"),
        (dict(ensemble=BOTH, module=dict(width=2.0)), "an ensemble changes nothing of its members"),
        (dict(ensemble=EnsembleSearch(members=(PLAIN[0],), on="nowhere")), "has no column 'nowhere'"),
        (dict(ensemble=EnsembleSearch(members=(PLAIN[0],), on="x", additions=0)), "additions must be at least 1"),
    ],
)
def test_an_impossible_ensemble_stops_the_script_and_names_the_row(changes, message):
    with pytest.raises(ValueError, match=f"row 'sum': .*{message}"):
        table(Row(label="sum", published=PUBLISHED, **changes))


def test_costs_add_up_clips_and_count_a_shared_network_once():
    from experiments.vipriors_settings import LABELS as SETTINGS
    from experiments.vipriors_table4 import BOTH_INPUTS, BOTH_NETWORKS, SLOWFAST, TABLE

    one, two, tsm = (row_costs(TABLE, TABLE.row(SETTINGS[i])) for i in (1, 2, 10))
    assert row_costs(TABLE, TABLE.row(BOTH_NETWORKS))["params_m"] == one["params_m"] + tsm["params_m"]
    both, seven = row_costs(TABLE, TABLE.row(BOTH_INPUTS)), row_costs(TABLE, TABLE.row(SLOWFAST))
    assert seven["params_m"] == both["params_m"] == one["params_m"] + two["params_m"]
    assert seven["gmacs"] == pytest.approx(4 * one["gmacs"] + 3 * two["gmacs"])
    with pytest.raises(ValueError, match="is an ensemble of 2 rows; build one of them"):
        build_module(TABLE, row=BOTH_INPUTS)
