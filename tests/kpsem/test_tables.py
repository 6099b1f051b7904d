"""KPSEM's tables: printed numbers and their arithmetic, costs, shared cells, and what all rows start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from datamodules.datasets.hmdb51 import HMDB51
from datamodules.datasets.kinetics import Kinetics
from datamodules.datasets.mini_kinetics import MiniKinetics200
from datamodules.datasets.something_something import SomethingSomethingV1
from datamodules.datasets.ucf101 import UCF101
from experiments import kpsem_ablations, kpsem_table1, kpsem_table2
from experiments.harness import build_module
from experiments.harness.cell import Evaluation, Options
from experiments.harness.measure import row_costs
from experiments.harness.resolve import evaluation
from experiments.harness.spec import Row, Table
from experiments.kpsem_profiles import BASELINE, OURS
from lightning_modules.kpsem import profiles

TABLE1, TABLE2, ABLATIONS = kpsem_table1.TABLE, kpsem_table2.TABLE, kpsem_ablations.TABLE
TABLES = (TABLE1, TABLE2, ABLATIONS)
ROWS = [(table, row) for table in TABLES for row in table.rows if not row.cited]
EACH_ROW = pytest.mark.parametrize(("table", "row"), ROWS, ids=[f"{t.id}-{r.label}" for t, r in ROWS])
CLASSES = {HMDB51: 51, Kinetics: 400, MiniKinetics200: 200, SomethingSomethingV1: 174, UCF101: 101}


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Options:
    """Return the options of the paper's profile on data sets that know their classes and have no videos."""
    for source, number in CLASSES.items():
        monkeypatch.setattr(source, "class_names", lambda self, root, number=number: tuple(map(str, range(number))))
        monkeypatch.setattr(source, "videos", lambda self, root, subset: ())
    (tmp_path / "r50.pth").write_bytes(b"weights")
    for name in ("hmdb51", "kinetics400", "minikinetics200", "somethingsomethingv1", "ucf101"):
        (tmp_path / name).mkdir()
    return Options(profile="paper", data_root=tmp_path, init_files=(("r3d", str(tmp_path / "r50.pth")),))


def cells(table: Table, row: Row, options: Options) -> dict[str, Evaluation]:
    return {c.group: evaluation(table, row, c, 0, options) for c in table.columns if c.is_accuracy}


# -- resolving ------------------------------------------------------------------------------------------


@EACH_ROW
@pytest.mark.parametrize("profile", ["smoke", "proxy"])
def test_every_row_starts_from_one_shared_backbone_without_kpsem(table, row, profile):
    for cell in cells(table, row, Options(profile=profile)).values():
        start = cell.training.init
        assert start.init is None and start.seed == 0
        assert "Kinetics-400" in start.data.arguments["source"].name
        other = TABLE2.row("R3D" if row.label.startswith("R3D") else BASELINE)
        assert start == cells(TABLE2, other, Options(profile=profile))["HMDB51 split 1"].training.init
        assert start.arguments["module"]["position"] is None
        for name in ("backbone", "width", "units", "stem_stride"):
            assert start.arguments["module"][name] == cell.training.arguments["module"][name], name


@EACH_ROW
def test_the_papers_profile_is_the_published_setting(table, row, paper):
    for group, cell in cells(table, row, paper).items():
        arguments, data = cell.training.arguments, cell.data.resolved()
        assert (arguments["module"]["width"], arguments["module"]["units"]) == (1.0, None)
        assert not arguments["module"]["start_at_zero"]
        assert (data["num_frames"], data["frame_interval"], data["size"], data["views"]) == (16, 2, 224, 10)
        batch = {"Mini-Kinetics": 64, "UCF101": 80, "STH-STH v1": 64, "HMDB51": 128, "HMDB51 split 1": 16}[group]
        assert cell.training.recipe.batch_size == batch
        assert cell.training.recipe.lr_at(0) == 5e-3
        assert cell.training.num_classes == CLASSES[type(data["source"])]
        if row.label.startswith("R3D"):
            assert cell.training.init.name == "r50.pth"
        else:
            assert cell.training.init.recipe == profiles.PAPER_PRETRAIN_RECIPE


def test_the_released_mfnet_may_be_given_in_place_of_the_pretraining(paper, tmp_path):
    (tmp_path / "MFNet3D.pth").write_bytes(b"weights")
    given = Options(**{**vars(paper), "init_files": (("kinetics", str(tmp_path / "MFNet3D.pth")),)})
    assert cells(TABLE2, TABLE2.row(OURS), given)["HMDB51 split 1"].training.init == tmp_path / "MFNet3D.pth"


def test_rows_that_two_tables_print_are_the_same_training():
    own = Options(profile="proxy")
    pairs = ((BASELINE, BASELINE), (OURS, OURS), (kpsem_table2.SINGLE, "K = 1"), (kpsem_table2.ONE_SET, "G = 1"))
    for label, other in pairs:
        assert cells(TABLE2, TABLE2.row(label), own) == cells(ABLATIONS, ABLATIONS.row(other), own)
    for label in (BASELINE, OURS):
        shared = cells(TABLE1, TABLE1.row(label), own)["HMDB51"]
        assert shared == cells(TABLE2, TABLE2.row(label), own)["HMDB51 split 1"]


@pytest.mark.parametrize("profile", ["smoke", "proxy"])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
def test_no_two_rows_of_a_table_are_the_same_training(table, profile):
    found = [
        cell.training.fingerprint
        for row in table.rows if not row.cited
        for cell in cells(table, row, Options(profile=profile)).values()
    ]  # fmt: skip
    assert len(set(found)) == len(found)


# -- costs ----------------------------------------------------------------------------------------------

COSTS = {  # millions of parameters; billions of multiply-accumulates, without and with two per normalised element
    (TABLE1.id, BASELINE): (7.996368, 11.0454, 11.1765),
    (TABLE1.id, OURS): (8.123096, 11.0718, 11.2028),
    (TABLE2.id, BASELINE): (7.727987, 11.0452, 11.1762),
    (TABLE2.id, "R3D"): (23.6125, 38.9848, None),
    (TABLE2.id, "R3D-KPSEM"): (23.9139, None, None),
}


@pytest.mark.parametrize(("table", "label"), COSTS, ids=lambda name: name)
def test_costs_are_those_worked_out_by_hand(table, label):
    table = next(t for t in TABLES if t.id == table)
    found = row_costs(table, table.row(label))
    for key, value in zip(("params_m", "gmacs", "gmacs_fvcore"), COSTS[table.id, label], strict=True):
        assert value is None or found[key] == pytest.approx(value, abs=6e-5), key


def test_kpsems_share_of_the_parameters_in_each_variant():
    with torch.device("meta"):
        sizes = {
            row.label: sum(p.numel() for p in build_module(ABLATIONS, row=row.label).parameters())
            for row in ABLATIONS.rows
        }
    head = {"after Conv2": 168, "after Conv3": 336, "after Conv5": 1344}
    expected = {
        "after Conv2": 11_920, "after Conv3": 39_376, OURS: 146_128, "after Conv5": 566_992,
        "K = 1": 138_816, "K = 9": 154_208, "K = 16": 163_056,
        "G = 1": 139_226, "G = 2": 140_212, "G = 4": 142_184, "G = 16": 154_016,
        "d_e = 6": 144_832, "d_e = 12": 145_264, "d_e = 48": 147_856,
    }  # fmt: skip
    assert {row.label for row in ABLATIONS.rows} == {BASELINE, *expected, kpsem_ablations.FASTER}
    assert sizes[kpsem_ablations.FASTER] == sizes[OURS]
    for label, module in expected.items():
        assert sizes[label] - sizes[BASELINE] == module + 51 * head.get(label, 672), label


# -- printed numbers ------------------------------------------------------------------------------------


def test_the_texts_arithmetic_follows_from_the_table_but_for_two_numbers():
    said = {text: float(text.split(" %")[0].split()[-1]) for text, _ in kpsem_table1.ARITHMETIC}
    wrong = {text for text, value in kpsem_table1.ARITHMETIC if abs(value - said[text]) > _half_unit(said[text])}
    assert wrong == {"relative 4.73 % over MFNet on Mini-Kinetics", "1.8 % behind TSM"}
    values = dict(kpsem_table1.ARITHMETIC)
    assert values["relative 4.73 % over MFNet on Mini-Kinetics"] == pytest.approx(100 * 3.70 / 78.35)
    assert values["1.38 % more parameters"] == pytest.approx(1.375)
    assert values["6.31 % over (2+C1)D"] == pytest.approx(6.31)
    assert values["64.86 % fewer FLOPs than (2+C1)D"] == pytest.approx(100 * (31.9 - 11.21) / 31.9)
    assert '"1.38 % more parameters": 1.38' in TABLE1.notes[0] and '"1.8 % behind TSM": 1.60' in TABLE1.notes[0]


def test_the_texts_costs_compared_like_for_like_are_counted_here():
    """Parameters and FLOPs of both networks with 200 classes by one rule, as a note of Table 1 says."""
    costs = [row_costs(TABLE1, TABLE1.row(label), num_classes=200) for label in (OURS, BASELINE)]
    assert tuple(round(1e6 * cost["params_m"]) for cost in costs) == kpsem_table1.SAME_CLASSES_PARAMS
    assert tuple(round(cost["gmacs"], 4) for cost in costs) == kpsem_table1.SAME_CLASSES_GMACS
    [note] = [note for note in TABLE1.notes if "Like for like" in note]
    assert "8,123,096 parameters against 7,842,568, 3.58 % more, and 11.0718 G against 11.0453 G, 0.24 % more" in note
    by_operator = _operations(TABLE1, OURS)
    assert round(by_operator.pop("bmm"), 1) == kpsem_table1.REGION_SUMS_MMACS
    assert by_operator.keys() == {"convolution", "addmm"}


def _operations(table: Table, label: str) -> dict[str, float]:
    """Return the millions of multiply-accumulates of one clip by operator."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        build_module(table, row=label).eval()(torch.empty(1, 1, 3, 16, 224, 224))
    return {str(key).removeprefix("aten."): count / 2e6 for key, count in counter.get_flop_counts()["Global"].items()}


def _half_unit(printed: float) -> float:
    """Return half a unit of the last printed digit."""
    return next(0.5 * 10**-digits for digits in range(3) if round(printed, digits) == printed) + 1e-9


def test_printed_accuracies_are_no_shares_of_5000_videos():
    """What a note says of 82.05, 78.35 and 77.53 holds, and of no other value of that column."""
    printed = [row.published[0] for row in TABLE1.rows if row.published[0]]
    odd = [value for value in printed if abs(float(value) * 50 - round(float(value) * 50)) > 1e-6]
    assert sorted(odd) == ["77.53", "78.35", "82.05"]


def test_table_1_averages_the_three_splits_of_two_data_sets():
    for column in TABLE1.columns:
        splits = [part.arguments["source"].split for part in column.parts if column.group in ("UCF101", "HMDB51")]
        assert splits == ([1, 2, 3] if splits else []) and (len(column.parts) == 1 or splits or column.is_cost)


def test_four_rows_decide_and_the_others_wait_to_be_asked_for():
    decisive = [BASELINE, OURS, kpsem_table2.SINGLE, kpsem_table2.ONE_SET]
    assert [row.label for row in TABLE2.rows if row.default] == decisive
    assert [row.label for row in ABLATIONS.rows if row.default] == [BASELINE, OURS, "K = 1", "G = 1"]


def test_every_setting_of_figure_5_is_compared_with_mfnet_once():
    """The caption: "All settings surpass the baseline", of which the published claims here name Conv2 alone."""
    claims = [claim for claim in ABLATIONS.claims if claim.worse == BASELINE and claim.id != "KA2"]
    assert sorted(claim.better for claim in claims) == sorted(
        row.label for row in ABLATIONS.rows if row.label not in (BASELINE, kpsem_ablations.FASTER)
    )
    assert {claim.id for claim in claims if claim.better != kpsem_ablations.AFTER_CONV2} == {"KA1"}
    assert [claim.id for claim in claims if claim.better == kpsem_ablations.AFTER_CONV2] == ["K19"]
    assert all((claim.relation, claim.margin) == (">", 0) for claim in claims)
    base, *printed = [float(row.published[0]) for row in ABLATIONS.rows if row.published[0]]
    assert min(printed) - base == pytest.approx(1.3)


def test_table_1_has_all_nineteen_printed_rows_of_which_two_are_ours():
    assert len(TABLE1.rows) == 19
    assert [row.label for row in TABLE1.rows if not row.cited] == [BASELINE, OURS]
    assert sum(value is not None for row in TABLE1.rows for value in row.published[:4]) == 52
