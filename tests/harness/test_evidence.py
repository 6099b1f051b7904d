from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.harness.cell import Options
from experiments.harness.evidence import CURVE_POINTS, gather, rounded, thinned, with_notes_of_script
from experiments.harness.evidence_file import read_evidence
from experiments.harness.index import committed
from experiments.harness.metrics import hits, top1
from experiments.harness.predictions import UNDECODABLE, pack_predictions, unpack_predictions
from experiments.harness.provenance import export_hash
from experiments.harness.render import to_json, to_markdown
from experiments.harness.resolve import control
from experiments.harness.spec import Build, Claim, Column, Row, Table
from experiments.harness.stale import forget
from experiments.harness.store import REPOSITORY, Store
from experiments.harness.table_cells import TableCells
from tests.harness.fakes import SCENES, Data, Files, Recipe, table, write_results

LABELS = np.arange(40) % 4
SEEDS = (0, 1, 2)
RAN = {"hardware": "abacus (CPU)", "versions": {"python": "3"}, "precision": "32-true", "devices": 1}


def scores(seed: int, skill: float) -> np.ndarray:
    """Return class scores ``(40, 4)``; the label's is higher by ``skill``."""
    noise = np.random.default_rng([seed, int(100 * skill)]).normal(size=(len(LABELS), 4))
    return noise + skill * np.eye(4)[LABELS]


def filled(folder: Path, made: Table | None = None, *, controls: bool = False, **options: Any) -> TableCells:
    """Return the cells of a table, all of them run."""
    cells = unfilled(folder, made, controls=controls, **options)
    for seed in cells.options.seeds:
        for row in cells.rows:
            for column in cells.columns:
                cell = cells.evaluation(row, column, seed)
                write_results(cells.store, cell, scores(seed, 2.0 if row.label == "wide" else 1.0), LABELS)
                if controls:
                    write_results(cells.store, control(cell, "shuffled"), scores(seed, 0.2), LABELS)
    return cells


def unfilled(folder: Path, made: Table | None = None, *, controls: bool = False, **options: Any) -> TableCells:
    made = made or table()
    rows = tuple(row.label for row in made.rows)
    return TableCells(made, Options(**{"seeds": SEEDS, **options}), Store(folder), rows=rows, controls=controls)


def test_the_same_cells_give_the_same_bytes_wherever_and_however_long_they_ran(tmp_path: Path):
    first = to_json(gather(filled(tmp_path / "here")))
    other = filled(tmp_path / "there")
    for number, path in enumerate(sorted((tmp_path / "there").glob("*/*/record.json"))):
        path.write_text(json.dumps({**json.loads(path.read_text()), "wall_sec": number, "cpu_sec": 2 * number}))
    assert to_json(gather(other)) == first
    assert str(tmp_path) not in first


def test_evidence_survives_its_file(tmp_path: Path):
    evidence = gather(filled(tmp_path))
    assert json.loads(to_json(evidence)) == evidence
    assert to_json(json.loads(to_json(evidence))) == to_json(evidence)


def test_values_stand_where_row_and_column_say(tmp_path: Path):
    evidence = gather(filled(tmp_path))
    values = {row["label"]: [None if v is None else v["mean"] for v in row["ours"]] for row in evidence["rows"]}
    for label, skill in (("plain", 1.0), ("wide", 2.0)):
        expected = np.mean([top1(scores(seed, skill), LABELS) for seed in SEEDS])
        assert values[label][0] == values[label][2] == pytest.approx(expected, abs=1e-4)
        assert values[label][3] is None, "a cost column needs somebody to compute it"
    assert values["quoted"] == [None] * 4


def test_costs_are_asked_for_rows_that_run(tmp_path: Path):
    asked = []

    def costs(row: Any, column: Any) -> float:
        asked.append((row.label, column.key))
        return 1.25

    evidence = gather(filled(tmp_path), costs)
    assert asked == [("plain", "Param. (M)"), ("wide", "Param. (M)")]
    assert evidence["rows"][0]["ours"][3] == {"mean": 1.25}


def test_an_unfinished_table_has_values_for_what_is_there(tmp_path: Path):
    cells = filled(tmp_path)
    wide = cells.table.row("wide")
    for seed in SEEDS:
        cells.store.folder(cells.evaluation(wide, cells.table.column("S/Top-1"), seed)).record_path.unlink()
    evidence = gather(cells)
    ours = evidence["rows"][1]["ours"]
    assert ours[0] is None and ours[1] is None and ours[2] is not None
    verdicts = {claim["column"]: claim["verdict"] for claim in evidence["claims"]}
    assert verdicts["S/Top-1"] == "not run" and verdicts["U/Top-1"] != "not run"
    assert evidence["conditions"]["cells"] == 9


def test_an_empty_table_is_evidence_too(tmp_path: Path):
    evidence = gather(unfilled(tmp_path))
    assert evidence["cells"] == [] and evidence["conditions"]["generator_version"] is None
    assert [claim["verdict"] for claim in evidence["claims"]] == ["not run", "not run"]
    assert evidence["controls"] == {"a_a": [], "frame_order": []}


def test_rows_that_share_seeds_in_part_are_compared_on_those(tmp_path: Path):
    cells = filled(tmp_path)
    cell = cells.evaluation(cells.table.row("wide"), cells.table.column("S/Top-1"), 1)
    cells.store.folder(cell).record_path.unlink()
    claim = gather(cells)["claims"][0]
    assert claim["ours"]["seeds"] == [0, 2] and claim["ours"]["dropped_seeds"] == [1]


def test_each_claim_and_column_has_a_verdict_and_a_corrected_p_value(tmp_path: Path):
    evidence = gather(filled(tmp_path))
    assert [(claim["id"], claim["column"]) for claim in evidence["claims"]] == [("X1", "S/Top-1"), ("X1", "U/Top-1")]
    for claim in evidence["claims"]:
        assert claim["verdict"] in ("reproduced", "not reproduced", "undecided")
        assert claim["ours"]["p_holm"] >= claim["ours"]["p_value"]


def test_a_claim_of_equality_is_not_among_the_tests_of_difference(tmp_path: Path):
    made = table(
        claims=(Claim("X1", "wide", ">", "plain", ("S/Top-1",)), Claim("X2", "wide", "~", "plain", ("S/Top-1",), 90.0))
    )
    first, second = gather(filled(tmp_path, made))["claims"]
    assert first["ours"]["p_holm"] == first["ours"]["p_value"] and second["ours"]["p_holm"] is None
    assert second["verdict"] == "reproduced"


def test_published_differences_come_with_the_noise_of_their_test_set_where_it_is_known(tmp_path: Path):
    keys = tuple(column.key for column in table().columns)
    made = table(claims=(Claim("X1", "wide", ">", "plain", columns=keys),))
    claims = {claim["column"]: claim["published"] for claim in gather(filled(tmp_path, made))["claims"]}
    assert claims["S/Top-1"]["difference"] == 2.5 and claims["S/Top-1"]["noise"]["num_videos"] == 1000
    assert claims["S/mAP"] is None, "one of the two values is not published"
    assert claims["U/Top-1"] == {"difference": 1.0, "noise": None}, "the size of the test set is unknown"
    assert claims["Param. (M)"] == {"difference": 1.2, "noise": None}, "a cost has no sampling noise"


def test_a_claim_on_all_columns_is_not_about_costs(tmp_path: Path):
    made = table(claims=(Claim("X1", "wide", ">", "plain"),))
    judged = gather(filled(tmp_path, made), lambda row, column: 1.0)["claims"]
    assert [claim["column"] for claim in judged] == ["S/Top-1", "S/mAP", "U/Top-1"]


def test_controls_compare_the_baseline_with_itself_and_frames_out_of_order(tmp_path: Path):
    controls = gather(filled(tmp_path, controls=True))["controls"]
    assert [(c["column"], c["row"]) for c in controls["a_a"]] == [(k, "plain") for k in ("S/Top-1", "S/mAP", "U/Top-1")]
    orders = {(c["column"], c["row"]): c for c in controls["frame_order"]}
    assert orders["S/Top-1", "wide"]["shuffled"] < orders["S/Top-1", "wide"]["forward"]
    assert "repeated" not in orders["S/Top-1", "wide"], "it was not run"


def test_controls_run_on_trimmed_videos_alone(tmp_path: Path):
    wanted = unfilled(tmp_path, controls=True).wanted()
    orders = [(cell.data.arguments["source"].untrimmed, cell.data.resolved()["frame_order"]) for cell in wanted]
    assert orders.count((False, "shuffled")) == orders.count((False, "repeated")) == 2 * len(SEEDS)
    assert {order for untrimmed, order in orders if untrimmed} == {"forward"}


def test_two_seeds_are_too_few_for_an_a_a_control(tmp_path: Path):
    assert gather(filled(tmp_path, seeds=(0, 1)))["controls"]["a_a"] == []


def part_of(whole: TableCells, **changes: Any) -> TableCells:
    """Return what a command for the row "wide" sees of cells that have run."""
    arguments: dict[str, Any] = dict(rows=("wide",), controls=False)
    return TableCells(whole.table, whole.options, whole.store, **{**arguments, **changes})


def test_a_run_of_some_rows_shows_all_that_has_been_run(tmp_path: Path):
    whole = filled(tmp_path)
    part = part_of(whole)
    assert {cell.training.module.resolved()["width"] for cell in part.wanted()} == {2.0}
    assert to_json(gather(part)) == to_json(gather(whole))
    on_one = part_of(whole, groups=("U",))
    assert {label.split(" · ")[1] for label in on_one.wanted().values()} == {"U"}
    assert to_json(gather(on_one)) == to_json(gather(whole))


def test_what_was_neither_asked_for_nor_run_is_empty(tmp_path: Path):
    whole = unfilled(tmp_path)
    wide, column = whole.table.row("wide"), whole.table.column("U/Top-1")
    for seed in SEEDS:
        write_results(whole.store, whole.evaluation(wide, column, seed), scores(seed, 2.0), LABELS)
    evidence = gather(part_of(whole, groups=("U",)), lambda row, column: 1.25)
    assert evidence["rows"][0]["ours"] == [None] * 4
    assert [value is None for value in evidence["rows"][1]["ours"]] == [True, True, False, False]


def test_data_that_only_other_rows_need_may_be_missing(tmp_path: Path):
    real = dataclasses.replace(table().columns[2], data=table().columns[2].data.with_arguments(
        dict(source=Files(name="Kinetics-700")), where=""))  # fmt: skip
    made = table(columns=(*table().columns[:2], real, table().columns[3]))
    cells = TableCells(made, Options(seeds=SEEDS), Store(tmp_path), rows=("wide",), controls=False, groups=("S",))
    assert len(cells.wanted()) == len(SEEDS)
    assert gather(cells)["columns"][2]["data"] is None


def test_cells_made_by_older_code_are_counted(tmp_path: Path):
    cells = filled(tmp_path)
    cell = cells.evaluation(cells.table.row("plain"), cells.table.column("S/Top-1"), 0)
    write_results(cells.store, cell, scores(0, 1.0), LABELS, sources="older")
    evidence = gather(cells)
    assert evidence["conditions"]["older_code"] == 1
    assert [c["seed"] for c in evidence["cells"] if c["older_code"]] == [0]


def test_cells_of_one_pretraining_run_twice_are_told_apart(tmp_path: Path):
    """On another machine it ends with other weights; rows that start from them differ by that too."""
    cells = filled(tmp_path)
    column = cells.table.column("S/Top-1")

    def start(label: str, weights: str) -> list[str]:
        cell = cells.evaluation(cells.table.row(label), column, 0)
        write_results(cells.store, cell, scores(0, 1.0), LABELS, start=weights)
        return gather(unfilled(tmp_path))["conditions"]["mixed_starts"]

    assert start("plain", "one") == [] and start("wide", "one") == [], "records that do not say count nothing"
    init = cells.evaluation(cells.table.row("wide"), column, 0).training.arguments["init"]
    assert init is not None and start("wide", "other") == [init]


def test_a_cell_is_listed_once_with_all_that_an_audit_needs(tmp_path: Path):
    evidence = gather(filled(tmp_path))
    cells = evidence["cells"]
    assert len(cells) == 12 == len({cell["evaluation"] for cell in cells})
    for cell in cells:
        assert evidence["arguments"][cell["arguments"]]["training"]["module"]["class"] == "tests.harness.fakes.Net"
        assert cell["curves"]["train/loss"] == [[0, 3.0], [1, 2.0], [2, 1.0]]
        found = unpack_predictions(cell["predictions"])
        assert 100 * np.mean(found["predicted"] == found["label"]) == pytest.approx(cell["metrics"]["top1"], abs=1e-3)
    assert evidence["conditions"]["hardware"] == ["abacus (CPU)"] and evidence["conditions"]["versions"] == ["python 3"]


def test_own_data_replace_all_data_sets_by_one_and_publish_nothing(tmp_path: Path):
    for subset in ("train", "test"):
        (tmp_path / "root" / subset).mkdir(parents=True)
    cells = unfilled(tmp_path, data=Files(name="mine"), data_root=tmp_path / "root")
    assert [column.key for column in cells.columns] == ["mine/Top-1", "mine/mAP"]
    evidence = gather(cells)
    assert [(column["data"], column["member"]) for column in evidence["columns"]] == [("mine", False)] * 2
    assert evidence["claims"] == [] and evidence["conditions"]["own_data"] == "mine"
    assert {value for row in evidence["rows"] for value in row["published"]} == {None}


def test_own_data_keep_what_rows_do_on_the_data_set_whose_protocol_they_take(tmp_path: Path):
    rows = (
        dataclasses.replace(table().rows[0], data_on={"U": dict(clip_selection=True)}),
        dataclasses.replace(table().rows[1], on=("U",)),
        table().rows[2],
    )
    made, own = table(rows=rows, claims=()), dict(data=Files(name="mine"), data_root=tmp_path)
    for group, selection, views, labels in (("S", False, 1, {"plain"}), ("U", True, 3, {"plain", "wide"})):
        asked = dict(rows=("plain", "wide"), controls=False, groups=(group,))
        cells = TableCells(made, Options(seeds=(0,), **own), Store(tmp_path), **asked)
        plain = cells.evaluation(cells.table.row("plain"), cells.columns[0], 0).data.resolved()
        assert (plain["clip_selection"], plain["views"], plain["source"]) == (selection, views, own["data"])
        assert {label.split(" · ")[0].split(" ", 1)[1] for label in cells.wanted().values()} == labels
    with pytest.raises(ValueError, match="--columns S U: own data is tested by the protocol of one data set"):
        TableCells(made, Options(**own), Store(tmp_path), rows=("plain",), controls=False, groups=("S", "U"))


def test_columns_of_one_data_set_with_recipes_of_their_own_are_cells_of_their_own(tmp_path: Path):
    scenes = table().columns[0]
    longer = dataclasses.replace(scenes, title="longer", recipe=Recipe(epochs=9))
    rows = tuple(dataclasses.replace(row, published=("1", "1")) for row in table().rows)
    cells = unfilled(tmp_path, table(columns=(scenes, longer), rows=rows, claims=()))
    found = [cells.evaluation(cells.table.rows[0], column, 0).training.recipe.epochs for column in cells.columns]
    assert found == [3, 9]


def test_a_column_names_the_data_of_the_first_row_that_is_run_there(tmp_path: Path):
    rows = tuple(dataclasses.replace(row, on=("U",) if row.label == "plain" else None) for row in table().rows)
    cells = filled(tmp_path, table(rows=rows, claims=()))
    scenes = gather(cells)["columns"][0]
    assert (scenes["data"], scenes["member"]) == (SCENES.name, True)


def test_rows_that_share_their_cells_stand_beside_each_other(tmp_path: Path):
    again = dataclasses.replace(table().rows[0], label="plain again")
    cells = filled(tmp_path, table(rows=(*table().rows, again)))
    listed = gather(cells)["cells"]
    assert len(listed) == 12, "each is listed once"
    shared = [cell for cell in listed if "plain" in cell["rows"]]
    assert [cell["rows"] for cell in shared] == [["plain", "plain again"]] * 6
    assert {(*cell["columns"],) for cell in listed} == {("S/Top-1", "S/mAP"), ("U/Top-1",)}


def test_what_the_user_changed_stands_in_the_conditions_without_paths(tmp_path: Path):
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(b"weights")
    given = dict(init_checkpoint=str(tmp_path / "a.pt"), views=5, batch_size=2, limit_batches=1)
    conditions = gather(unfilled(tmp_path, **given))["conditions"]
    assert {key: conditions[key] for key in given} == {**given, "init_checkpoint": "a.pt"}
    named = gather(unfilled(tmp_path, init_files=(("source", str(tmp_path / "b.pt")), ("unused", "c.pt"))))
    assert named["conditions"]["init_files"] == {"source": "b.pt"}
    assert str(tmp_path) not in to_json(named)


def test_scores_of_another_export_than_todays_are_by_older_code(tmp_path: Path):
    rows = (dataclasses.replace(table().rows[0], runtime="openvino"), *table().rows[1:])
    cells = unfilled(tmp_path, table(rows=rows, init=None))
    cell = cells.evaluation(rows[0], cells.table.column("S/Top-1"), 0)
    for export, older in (({"export_sources": export_hash()}, 0), ({}, 0), ({"export_sources": "older"}, 1)):
        write_results(cells.store, cell, scores(0, 1.0), LABELS, **export)
        assert gather(cells)["conditions"]["older_code"] == older
    forget([cell], cells.store, only_stale=True)
    assert not cells.store.folder(cell).record_path.exists()
    assert cells.store.folder(cell.training).record_path.exists(), "the training is today's"


def test_footnotes_are_those_of_the_table_and_of_its_rows(tmp_path: Path):
    made = table(notes=("first",), rows=(dataclasses.replace(table().rows[0], note="odd"), *table().rows[1:]))
    assert gather(unfilled(tmp_path, made))["notes"] == ["first", "plain: odd"]


@pytest.mark.parametrize("length", [0, 1, CURVE_POINTS, CURVE_POINTS + 1, 1000])
def test_a_thinned_curve_keeps_its_ends_and_its_order(length: int):
    curve = [[float(epoch), -epoch / 7] for epoch in range(length)]
    kept = thinned(curve)
    assert len(kept) == min(length, CURVE_POINTS)
    assert kept[:1] == curve[:1] and kept[-1:] == curve[-1:]
    assert all(point in curve for point in kept)
    epochs = [epoch for epoch, _ in kept]
    assert epochs == sorted(set(epochs))


def test_the_last_bits_of_a_number_leave_no_trace():
    assert rounded({"a": (0.1 + 0.2, [1 / 3]), "b": True, "c": 12345678}) == {
        "a": [0.3, [0.333333]],
        "b": True,
        "c": 12345678,
    }
    assert rounded(50.0 * (1 + 1e-15)) == 50.0


def packed(given: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    index = np.arange(len(labels)) * 3
    return unpack_predictions(pack_predictions(video_index=index, labels=labels, scores=given, ids=index.astype(str)))


def test_predictions_are_packed_without_loss():
    given = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 7, 50)
    found = packed(given, labels)
    np.testing.assert_array_equal(found["video"], np.arange(50) * 3)
    np.testing.assert_array_equal(found["label"], labels)
    np.testing.assert_array_equal(found["predicted"], given.argmax(1))
    for k in range(1, 8):
        np.testing.assert_array_equal(found["rank"] < k, hits(given, labels, k))
    exact = [np.exp(row[row.argmax()]) / sum(np.exp(value) for value in row) for row in given.astype(np.float64)]
    np.testing.assert_allclose(found["probability"], exact, atol=0.5 / 255 + 1e-9)


def test_of_equal_scores_the_smaller_class_goes_first_as_in_the_metrics():
    given, labels = np.zeros((3, 3)), np.arange(3)
    found = packed(given, labels)
    assert found["predicted"].tolist() == [0, 0, 0] and found["rank"].tolist() == [0, 1, 2]
    for k in (1, 2, 3):
        np.testing.assert_array_equal(found["rank"] < k, hits(given, labels, k))


@pytest.mark.parametrize("holes", [[np.nan, np.nan, np.nan], [9.0, np.nan, 0.0]])
def test_a_video_that_could_not_be_decoded_is_no_prediction_and_ranks_last(holes: list[float]):
    found = packed(np.array([holes, [0.0, 2.0, 1.0]]), np.array([0, 1]))
    assert found["predicted"].tolist() == [UNDECODABLE, 1]
    assert found["rank"].tolist() == [3, 0]
    assert found["probability"][0] == 0 and found["probability"][1] > 0


def test_scores_of_any_size_have_a_probability():
    found = packed(np.array([[1e4, 0.0], [-1e4, -1e4]]), np.array([0, 0]))
    np.testing.assert_allclose(found["probability"], [1.0, 0.5], atol=0.5 / 255)


def claims_of(cells: TableCells, costs: Any = None) -> dict[str, dict[str, Any]]:
    return {claim["id"]: claim for claim in gather(cells, costs)["claims"]}


def test_two_columns_of_one_row_can_be_compared(tmp_path: Path):
    across = Claim("X2", "plain", ">", "plain", columns=("S/Top-1",), worse_column="S/3 views")
    views = dataclasses.replace(table().columns[0], title="3 views", data=Build(Data, source=SCENES, views=3))
    rows = tuple(dataclasses.replace(row, published=("70.0", "1", "50", "1")) for row in table().rows)
    columns = (*table().columns[:2], views, table().columns[3])
    cells = unfilled(tmp_path, table(columns=columns, rows=rows, claims=(across,)))
    plain = cells.table.row("plain")
    for seed in SEEDS:
        for key, skill in (("S/Top-1", 4.0), ("S/3 views", 0.1)):
            cell = cells.evaluation(plain, cells.table.column(key), seed)
            write_results(cells.store, cell, scores(seed, skill), LABELS)
    claim = claims_of(cells)["X2"]
    expected = np.mean([top1(scores(s, 4.0), LABELS) - top1(scores(s, 0.1), LABELS) for s in SEEDS])
    assert claim["ours"]["mean"] == pytest.approx(expected, abs=1e-3)
    assert claim["verdict"] == "reproduced" and claim["text"] == "plain: Top-1 > 3 views"
    assert claim["published"]["difference"] == 20.0, "70.0 against 50"


def test_the_gains_of_two_rows_over_two_others_can_be_compared(tmp_path: Path):
    labels, skills, printed = ("a", "b", "c", "d"), (4.0, 0.5, 1.0, 0.6), ("90.0", "70.5", "80.0", "70.0")
    rows = tuple(
        Row(label=label, published=(value, "71", "50", "1"), module=dict(width=1.0 + number), classes=4)
        for number, (label, value) in enumerate(zip(labels, printed, strict=True))
    )
    made = table(rows=rows, claims=(Claim("G", "a", ">", "c", columns=("S/Top-1",), gains_over=("b", "d")),))
    drawn = {(label, s): scores(10 * n + s, skills[n]) for n, label in enumerate(labels) for s in SEEDS}
    for (label, seed), values in drawn.items():
        if (label, seed) == ("d", 0):
            assert claims_of(unfilled(tmp_path, made))["G"]["verdict"] == "not run", "one of four rows is missing"
        cells = unfilled(tmp_path, made)
        cell = cells.evaluation(made.row(label), made.column("S/Top-1"), seed)
        write_results(cells.store, cell, values, LABELS)
    found = claims_of(unfilled(tmp_path, made))["G"]
    of = {key: top1(value, LABELS) for key, value in drawn.items()}
    expected = [of["a", s] - of["b", s] - (of["c", s] - of["d", s]) for s in SEEDS]
    assert found["ours"]["per_seed"] == pytest.approx(expected, abs=1e-3)
    assert found["text"] == "gain of a over b > gain of c over d" and found["verdict"] == "reproduced"
    assert found["published"] == {"difference": 9.5, "noise": None}, "19.5 against 10"


def test_what_two_rows_lose_from_one_column_to_another_can_be_compared(tmp_path: Path):
    skills = {("plain", "S/Top-1"): 4.0, ("plain", "V/Top-1"): 0.3, ("wide", "S/Top-1"): 2.0, ("wide", "V/Top-1"): 1.5}
    loses_less = Claim("L", "wide", ">", "plain", columns=("V/Top-1",), less_column="S/Top-1")
    other = dataclasses.replace(table().columns[0], group="V", data=Build(Data, source=SCENES, views=3))
    rows = tuple(dataclasses.replace(row, published=(*row.published, None)) for row in table().rows)
    made = table(columns=(*table().columns, other), rows=rows, claims=(loses_less,))
    drawn = {(row, key, s): scores(s, skill) for (row, key), skill in skills.items() for s in SEEDS}
    for (row, key, seed), values in drawn.items():
        cells = unfilled(tmp_path, made)
        write_results(cells.store, cells.evaluation(made.row(row), made.column(key), seed), values, LABELS)
    found = claims_of(unfilled(tmp_path, made))["L"]
    of = {key: top1(value, LABELS) for key, value in drawn.items()}
    expected = [
        of["wide", "V/Top-1", s] - of["wide", "S/Top-1", s] - (of["plain", "V/Top-1", s] - of["plain", "S/Top-1", s])
        for s in SEEDS
    ]
    assert found["ours"]["per_seed"] == pytest.approx(expected, abs=1e-3) and min(expected) > 0
    assert found["text"] == "wide > plain, each less its S/Top-1" and found["verdict"] == "reproduced"


def test_two_cost_columns_can_be_compared(tmp_path: Path):
    more = Column(title="Deployed (M)", metric="folded_params_m")
    rows = tuple(dataclasses.replace(row, published=(*row.published, "9")) for row in table().rows)
    across = Claim("C", "plain", ">", "plain", columns=("Param. (M)",), worse_column="Deployed (M)")
    cited = Claim("D", "plain", ">", "quoted", columns=("Param. (M)",), worse_column="Deployed (M)")
    made = table(columns=(*table().columns, more), rows=rows, claims=(across, cited))
    found = claims_of(
        unfilled(tmp_path, made), lambda row, column: {"params_m": 2.0, "folded_params_m": 1.5}[column.metric]
    )
    assert (found["C"]["costs"], found["C"]["verdict"]) == ([2.0, 1.5], "reproduced")
    assert (found["D"]["costs"], found["D"]["verdict"]) == ([2.0, 9.0], "not reproduced")


@pytest.mark.parametrize(
    ("claim", "values", "verdict"),
    [
        (Claim("C", "wide", ">", "plain", columns=("Param. (M)",)), [2.0, 1.0], "reproduced"),
        (Claim("C", "plain", ">", "wide", columns=("Param. (M)",)), [1.0, 2.0], "not reproduced"),
        (Claim("C", "quoted", ">", "wide", columns=("Param. (M)",)), [4.0, 2.0], "reproduced"),
        (Claim("C", "wide", "~", "plain", columns=("Param. (M)",), margin=1.0), [2.0, 1.0], "reproduced"),
        (Claim("C", "wide", "~", "plain", columns=("Param. (M)",), margin=0.5), [2.0, 1.0], "not reproduced"),
    ],
)
def test_costs_are_compared_as_they_are_computed_or_quoted(
    tmp_path: Path, claim: Claim, values: list[float], verdict: str
):
    found = claims_of(unfilled(tmp_path, table(claims=(claim,))), lambda row, column: row.module.get("width", 1.0))["C"]
    assert (found["costs"], found["verdict"], found["ours"]) == (values, verdict, None)
    assert claims_of(unfilled(tmp_path, table(claims=(claim,))))["C"]["verdict"] == "not run"


def test_an_accuracy_quoted_from_elsewhere_is_not_judged(tmp_path: Path):
    made = table(claims=(Claim("C", "quoted", ">", "plain", columns=("S/Top-1",)),))
    assert claims_of(filled(tmp_path, made))["C"]["verdict"] == "cited"


def test_frame_order_is_controlled_once_per_training(tmp_path: Path):
    scenes = table().columns[0]
    more_views = dataclasses.replace(scenes, title="3 views", data=scenes.data.with_arguments(dict(views=3), where=""))
    columns = (scenes, more_views)
    rows = tuple(dataclasses.replace(row, published=("1", "1")) for row in table().rows)
    cells = unfilled(tmp_path, table(columns=columns, rows=rows, claims=()), controls=True, seeds=(0,))
    orders = [cell.data.resolved()["frame_order"] for cell in cells.wanted()]
    assert (orders.count("forward"), orders.count("shuffled"), orders.count("repeated")) == (4, 2, 2)


def test_a_row_is_run_only_where_it_says(tmp_path: Path):
    rows = tuple(dataclasses.replace(row, on=("U",) if row.label == "wide" else None) for row in table().rows)
    cells = filled(tmp_path, table(rows=rows))
    labels = [label for label in cells.wanted().values() if "wide" in label]
    assert len(labels) == len(SEEDS) and all(" U " in label for label in labels)
    evidence = gather(cells)
    assert [value is None for value in evidence["rows"][1]["ours"]] == [True, True, False, True]
    assert claims_of(cells)["X1"]["verdict"] in ("reproduced", "undecided", "not reproduced")
    assert [c["verdict"] for c in evidence["claims"] if c["column"] == "S/Top-1"] == ["not run"]


def test_each_finished_pretraining_says_once_how_it_ended(tmp_path: Path):
    cells = filled(tmp_path)
    init = cells.evaluation(cells.rows[0], cells.columns[0], 0).training.init
    assert gather(cells)["starts"] == []
    curves = {"val/top1": [[0, 20.0], [6, 45.25]]}
    cells.store.folder(init).write_record({"arguments": init.arguments, "curves": curves, "sources": "", **RAN})
    evidence = gather(cells)
    assert evidence["starts"] == [{"name": "source", "seed": 0, "epochs": 7, "top1": 45.25}]
    assert "pre-training source, seed 0: 7 epochs, held-out top-1 45.2 %" in to_markdown(evidence)
    del evidence["starts"]
    (tmp_path / "older.json").write_text(to_json(evidence))
    assert read_evidence(tmp_path / "older.json")["starts"] == []


def test_what_a_test_ran_on_is_told_of_all_that_it_started_from(tmp_path: Path):
    cells = filled(tmp_path)
    init = cells.evaluation(cells.rows[0], cells.columns[0], 0).training.init
    ran = RAN | {"hardware": "loom", "precision": "bf16-mixed", "devices": 2}
    cells.store.folder(init).write_record({"arguments": init.arguments, "curves": {}, "sources": "", **ran})
    evidence = gather(cells)
    conditions = evidence["conditions"]
    assert conditions["hardware"] == ["abacus (CPU)", "loom"] and conditions["devices"] == [1, 2]
    assert conditions["precision"] == ["32-true", "bf16-mixed"]
    page = to_markdown(evidence)
    assert "**precision: 32-true, bf16-mixed**, mixed within the table" in page
    assert "**processes per training or test: 1, 2**" in page
    alike = {**evidence, "conditions": conditions | {"precision": ["32-true"], "devices": [1], "hardware": ["loom"]}}
    assert "precision: 32-true; convolutions on the GPU in TF32" in to_markdown(alike)
    plain = {**evidence, "conditions": alike["conditions"] | {"hardware": ["abacus (CPU)"]}}
    assert "precision" not in to_markdown(plain) and "processes per" not in to_markdown(plain)


def test_rows_tested_on_other_videos_are_not_compared(tmp_path: Path):
    made = table()
    cells = filled(tmp_path, made)
    assert {claim["verdict"] for claim in gather(cells)["claims"]} != {"not run"}
    for seed in cells.options.seeds:
        folder = cells.store.folder(cells.evaluation(made.row("wide"), made.column("S/Top-1"), seed))
        folder.save_scores(np.arange(len(LABELS)), LABELS, scores(seed, 1.0), [f"w{i}" for i in range(len(LABELS))])
    verdicts = {claim["column"]: claim["verdict"] for claim in gather(unfilled(tmp_path, made))["claims"]}
    assert verdicts["S/Top-1"] == "not run" and verdicts["U/Top-1"] != "not run"


def test_a_value_of_fewer_seeds_says_so(tmp_path: Path):
    cells = filled(tmp_path)
    row, column = cells.rows[0], cells.columns[0]
    lost = cells.store.folder(cells.evaluation(row, column, 2))
    lost.record_path.unlink()
    page = to_markdown(gather(unfilled(tmp_path)))
    assert page.count("(2 seeds)") >= 1 and "3 seeds, 95 % intervals" in page


COMMITTED = committed(REPOSITORY / "results")


@pytest.mark.parametrize("path", COMMITTED, ids=[f"{p.parent.name}/{p.name}" for p in COMMITTED])
def test_committed_evidence_has_the_notes_of_its_script(path: Path):
    """Mended by ``--render-only --commit-results``, which trains nothing."""
    evidence = read_evidence(path)
    script = importlib.import_module(f"experiments.{evidence['table'].replace('/', '_')}")
    assert evidence["notes"] and with_notes_of_script(evidence, script.TABLE) == evidence


def test_notes_of_rows_that_were_left_out_stay():
    evidence = read_evidence(COMMITTED[0])
    table = importlib.import_module(f"experiments.{evidence['table'].replace('/', '_')}").TABLE
    silent = next(row.label for row in table.rows if not row.note)
    old = {**evidence, "notes": ["of an older script", f"{silent}: no checkpoint was given"]}
    assert with_notes_of_script(old, table)["notes"] == [*evidence["notes"], f"{silent}: no checkpoint was given"]
