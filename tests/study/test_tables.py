"""The study is on equal terms: like compute, one budget, recipe and protocol; and its drawing follows its cells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from experiments import study_figure_pareto as figure
from experiments.audit.published import published_claims
from experiments.harness.cell import Options
from experiments.harness.evidence import gather
from experiments.harness.evidence_file import read_evidence
from experiments.harness.figures import Cell
from experiments.harness.measure import costs_as_run, known_cost, network_as_run
from experiments.harness.resolve import evaluation
from experiments.harness.store import REPOSITORY, RESULTS_VARIABLE, Store
from experiments.harness.table_cells import TableCells
from experiments.study_cross import LATENCY, MMACS, ON, QUESTIONS, TABLE
from experiments.study_figure_pareto import draw, pareto_front, spread
from experiments.study_profiles import (
    ACTION_NET,
    ACTION_NET_ACS,
    ACTION_NET_CENTRES,
    ACTION_NET_N_PAIR,
    LIGAR,
    LIGAR_ACS,
    MS3D,
    MS3D_CLASSIFIER,
    SLOW_FAST,
    SLOW_FAST_ACS,
    TRIMMED_TOP1,
    TSM,
    TSN,
    UNTRIMMED_TOP1,
)
from experiments.tools import latency

TRAININGS = {
    (row.label, column.group): evaluation(TABLE, row, column, 0, Options()).training
    for row in TABLE.rows
    for column in (TRIMMED_TOP1, UNTRIMMED_TOP1)
    if row.on is not None and column.group in row.on
}


def test_all_networks_are_of_like_compute_as_run():
    found = {row.label: costs_as_run(TABLE, row, "proxy")["gmacs"] for row in TABLE.rows}
    assert max(found.values()) / min(found.values()) < 1.55, found
    assert 0.018 < min(found.values()) and max(found.values()) < 0.028, "the passport says so"


def test_all_trainings_have_one_recipe_and_one_budget():
    recipes = [training.recipe for training in TRAININGS.values()]
    assert len({(r.optimizer, r.clipping, r.batch_size) for r in recipes}) == 1
    assert len({max(stage.lr(p) for stage in r.stages for p in (0.0, 1.0)) for r in recipes}) == 1
    clips = {t.recipe.epochs * t.data.arguments["source"].num_train for t in TRAININGS.values()}
    assert clips == {11_520}
    before = [training.init for training in TRAININGS.values()]
    assert len({init.recipe for init in before}) == 1 and {init.seed for init in before} == {0}
    assert {init.recipe.epochs * init.data.arguments["source"].num_train for init in before} == {9_600}


def test_each_network_starts_from_its_own_and_what_shares_it_from_what_it_is_compared_with():
    starts = {label: training.init.fingerprint for (label, _), training in TRAININGS.items()}
    shared = {ACTION_NET_ACS: ACTION_NET, SLOW_FAST_ACS: SLOW_FAST, LIGAR_ACS: LIGAR, ACTION_NET_CENTRES: ACTION_NET,
              MS3D: MS3D_CLASSIFIER}  # fmt: skip
    own = {label: start for label, start in starts.items() if label not in shared}
    assert len(set(own.values())) == len(own)
    assert all(starts[label] == starts[plain] for label, plain in shared.items())


def test_all_are_tested_and_cropped_alike():
    for (_, group), training in TRAININGS.items():
        data = training.data.resolved()
        assert (data["short_side"], data["size"], data["crops"]) == (40, 32, 1)
        assert data["views"] == (1 if group == TRIMMED_TOP1.group else 10)
        assert data["augmentation"] == TRAININGS[TSN, TRIMMED_TOP1.group].data.resolved()["augmentation"]
        assert data.get("tailor") is None
    spans = {
        data["num_frames"] * data["frame_interval"]
        for (_, group), training in TRAININGS.items()
        if group == UNTRIMMED_TOP1.group and (data := training.data.resolved())
    }
    assert spans == {16}


def test_only_what_an_n_pair_loss_needs_and_what_ms3d_is_about_differs_in_the_clips():
    clips = {label: t.data.resolved() for (label, group), t in TRAININGS.items() if group == TRIMMED_TOP1.group}
    assert {label for label, data in clips.items() if data["class_pairs"]} == {MS3D, ACTION_NET_N_PAIR}
    assert {label for label, data in clips.items() if data["sampling"] != "segments"} == {MS3D, MS3D_CLASSIFIER}
    lengths = {label: data["num_frames"] for label, data in clips.items()}
    assert lengths[TSM] == 8 and lengths[SLOW_FAST] == 16 and lengths[MS3D] == 26
    assert {length for label, length in lengths.items() if "residual" in label} == {9}


def test_a_network_and_its_selection_share_a_row_of_the_untrimmed_set_alone():
    assert {label for label, group in TRAININGS if group == UNTRIMMED_TOP1.group} == {
        label for label, on in ON.items() if UNTRIMMED_TOP1.group in on
    }


def test_questions_are_ours_and_answered_yes_or_no(tmp_path: Path):
    assert not {id for id, *_ in QUESTIONS} & {claim.id for claim in published_claims()}
    assert len({id for id, *_ in QUESTIONS}) == len(QUESTIONS) == len(TABLE.claims)
    cells = TableCells(TABLE, Options(), Store(tmp_path), rows=(), controls=False)
    assert [entry["answer"] for entry in gather(cells)["claims"]] == ["not run"] * len(QUESTIONS)


# -- costs as run and their measurement -----------------------------------------------------------------


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_latency_is_read_from_its_record_and_only_for_the_network_that_was_measured(results: Path):
    row = TABLE.row(TSM)
    assert known_cost(TABLE, row, LATENCY, "smoke") is None
    rows = [{"row": TSM, "network": network_as_run(TABLE, row, "smoke").key, "p50_ms": 1.25}]
    rows += [{"row": TSN, "network": "of another size", "p50_ms": 9.0}]
    path = results / "benchmarks" / "latency_study_cross.smoke.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"rows": rows}))
    assert known_cost(TABLE, row, LATENCY, "smoke") == 1.25
    assert known_cost(TABLE, TABLE.row(TSN), LATENCY, "smoke") is None
    assert known_cost(TABLE, row, LATENCY, "proxy") is None
    path.write_text('{"rows": [{}]}')
    with pytest.raises(ValueError, match="latency_study_cross.smoke.json is damaged"):
        known_cost(TABLE, row, LATENCY, "smoke")


def test_latencies_are_measured_of_every_row_and_then_read(results: Path, capsys: pytest.CaptureFixture[str]):
    assert latency.main(["study_cross", "--profile", "smoke", "--rounds", "2"]) == 0
    page = capsys.readouterr().out
    for row in TABLE.rows:
        assert (known_cost(TABLE, row, LATENCY, "smoke") or 0) > 0 and f"| {row.label} |" in page
    record = json.loads((results / "benchmarks/latency_study_cross.smoke.json").read_text())
    assert record["rounds"] == 2 and record["compared_with"] == TSM
    assert {row["row"]: row["times_longer"] for row in record["rows"]}[TSM] == 1.0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["study_cross", "--rounds", "0"], "--rounds 0: must be 1 or more"),
        (["no_such_table"], "--only no_such_table: no such paper or script"),
        (["study_figure_pareto"], "study_figure_pareto is no table script"),
        (["ligar"], "ligar is no table script"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    argv: list[str], message: str, results: Path, capsys: pytest.CaptureFixture[str]
):
    assert latency.main(argv) == 2 and message in capsys.readouterr().err
    assert not any(results.iterdir())


def test_a_full_size_network_as_run_is_the_one_whose_costs_are_printed():
    row = TABLE.row(ACTION_NET)
    full = known_cost(TABLE, row, TABLE.column("GMACs, full size"), "paper")
    assert full is not None and known_cost(TABLE, row, MMACS, "paper") == pytest.approx(1e3 * full)


# -- the drawing ----------------------------------------------------------------------------------------


def test_the_front_holds_what_no_other_point_beats():
    points = [
        ("a", 1.0, 50.0),
        ("b", 2.0, 60.0),
        ("c", 3.0, 55.0),
        ("d", 2.0, 60.0),
        ("e", 0.5, 40.0),
        ("f", 1.0, 49.0),
    ]
    assert pareto_front(points) == ("e", "a", "b", "d")
    assert pareto_front([]) == ()
    near = [("a", 1.0, 40.0), ("b", 1.05, 80.0), ("c", 1.1, 80.0)]
    assert pareto_front(near) == ("a", "b") and pareto_front(near, same=0.1) == ("b",)


def test_names_keep_their_order_and_distance_within_the_panel():
    places = spread([10.0, 11.0, 12.0, 99.0, 100.0], 5.0, 8.0, 100.0)
    assert places == sorted(places) and min(np.diff(places)) >= 5.0
    assert places[0] >= 8.0 and places[-1] == 100.0 and places[3] == 95.0
    assert spread([], 5.0, 0.0, 1.0) == []


def cells_of(right: dict[str, float], seeds: int = 2, videos: int = 160) -> list[Cell]:
    """Return made cells of which a given share of the videos is right."""
    found = []
    for label, share in right.items():
        for seed in range(seeds):
            labels = np.arange(videos) % 16
            scores = np.zeros((videos, 16))
            wrong = np.arange(videos) >= share * videos
            scores[np.arange(videos), (labels + wrong) % 16] = 1.0
            arguments = {"arguments": {"profile": "proxy"}}
            found.append(Cell(label, TRIMMED_TOP1.key, seed, {}, arguments, {"scores": scores, "labels": labels}))
            found.append(Cell(label, UNTRIMMED_TOP1.key, seed, {}, arguments, {"scores": -scores, "labels": labels}))
    return found


def test_the_drawing_gives_each_networks_accuracy_costs_and_place_on_the_front(
    results: Path, monkeypatch: pytest.MonkeyPatch
):
    drawing = draw(cells_of({TSN: 0.25, TSM: 0.75, ACTION_NET: 0.5}), lambda cell: None)
    numbers = {line["label"]: line for line in drawing.numbers}
    assert {label: line["top1"] for label, line in numbers.items()} == {TSN: 25.0, TSM: 75.0, ACTION_NET: 50.0}
    assert all(line["low"] < line["top1"] < line["high"] and line["seeds"] == 2 for line in numbers.values())
    assert numbers[TSM]["on_front_mmacs"] and not numbers[TSN]["on_front_mmacs"]  # TSM costs what TSN does
    assert numbers[TSM]["mmacs"] < numbers[ACTION_NET]["mmacs"] and not numbers[ACTION_NET]["on_front_params_k"]
    assert numbers[TSM]["latency_ms"] is None and not numbers[TSM]["on_front_latency_ms"]
    texts = [text.get_text() for axis in drawing.figure.axes for text in axis.texts]
    assert any(text.startswith("not measured") for text in texts)
    assert sum(text == TSM for text in texts) == 2


def test_names_in_the_drawing_do_not_overlap(results: Path, monkeypatch: pytest.MonkeyPatch):
    ms = {label: 1 + number % 5 for number, label in enumerate(figure.ROWS)}
    counted = figure.known_cost
    monkeypatch.setattr(figure, "known_cost", lambda t, r, c, p: ms[r.label] if c is LATENCY else counted(t, r, c, p))
    shares = {label: 0.5 + 0.02 * (number % 3) for number, label in enumerate(figure.ROWS)}
    picture = draw(cells_of(shares), lambda cell: None).figure
    picture.draw_without_rendering()
    for axis in picture.axes:
        boxes = [Text.get_window_extent(text) for text in axis.texts]  # without the lines to the points
        assert len(boxes) == len(figure.ROWS)
        assert not [1 for i, one in enumerate(boxes) for other in boxes[:i] if one.overlaps(other)]
        assert all(axis.bbox.y0 <= box.y0 and box.y1 <= axis.bbox.y1 for box in boxes)


def test_what_the_notes_say_of_the_result_is_in_the_result():
    evidence = read_evidence(REPOSITORY / "results" / "study" / "cross.proxy.json")
    at = next(i for i, column in enumerate(evidence["columns"]) if column["key"] == TRIMMED_TOP1.key)
    top1 = {row["label"]: row["ours"][at]["mean"] for row in evidence["rows"] if row["ours"][at] is not None}
    chance = 100 / 16
    assert top1["LIGAR"] < 1.5 * chance and top1["LIGAR + KPSEM"] < 2.5 * chance, "they hardly leave chance"
    assert min(value for label, value in top1.items() if not label.startswith("LIGAR")) > 3 * chance
