"""ACTION-Net's tables: cells that several share are one, the paper's protocol is the default, costs are the printed."""

from __future__ import annotations

import pytest

from datamodules.action_net import AUGMENTATION
from datamodules.transforms.multi_scale_crop import MultiScaleCrop
from datamodules.transforms.stretch import Square
from experiments import (
    action_net_table1,
    action_net_table2,
    action_net_table3,
    action_net_table4,
    action_net_table5,
)
from experiments.harness.cell import Evaluation, Options, Training
from experiments.harness.measure import cost_value, costs_as_run, row_costs
from experiments.harness.resolve import control, evaluation
from experiments.harness.spec import PROFILES, Row, Table
from lightning_modules.action_net import profiles
from tests.action_net.look_alikes import small_lists, write_all

TABLES = tuple(
    module.TABLE
    for module in (action_net_table1, action_net_table2, action_net_table3, action_net_table4, action_net_table5)
)
ONE, TWO, THREE, FOUR, FIVE = TABLES
EACH_PROFILE = pytest.mark.parametrize("profile", PROFILES)

# The same network, data and recipe under different labels.
SHARED = {
    "TSN": ((ONE, "TSN"), (TWO, "TSN, 8 frames"), (THREE, "TSN")),
    "TSM": ((ONE, "TSM"), (TWO, "TSM, 8 frames"), (THREE, "TSM"), (FIVE, "ResNet-50, TSM")),
    "ACTION-Net": (
        (ONE, "ACTION-Net"), (TWO, "ACTION-Net, 8 frames"), (THREE, "ACTION-Net"), (FOUR, "res_{2,3,4,5}"),
        (FIVE, "ResNet-50, ACTION-Net"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Return the options of a profile; the paper's look at look-alike trees and start from given files."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "weights.pth").write_bytes(b"weights")
    with pytest.MonkeyPatch.context() as patch:
        small_lists(patch)
        root = write_all(folder / "root")

        def of(profile: str, **changes) -> Options:
            real = dict(data_root=root, init_checkpoint=str(folder / "weights.pth")) if profile == "paper" else {}
            return Options(**{"profile": profile, **real, **changes})

        yield of


def cells(table: Table, row: Row, options: Options, seed: int = 0) -> dict[str, Evaluation]:
    """Return a row's evaluations by column group."""
    columns = [c for c in table.columns if c.data is not None and (row.on is None or c.group in row.on)]
    return {column.group: evaluation(table, row, column, seed, options) for column in columns}


def own_rows(table: Table) -> list[Row]:
    return [row for row in table.rows if not row.cited]


@EACH_PROFILE
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_cell_resolves_to_its_own_training(table, profile, options):
    trainings = set()
    for row in own_rows(table):
        for group, cell in cells(table, row, options(profile)).items():
            assert len(cell.fingerprint) == len(cell.training.fingerprint) == 20
            assert cell.training.paper == "action_net" and control(cell, "shuffled") != cell
            source = cell.data.arguments["source"]
            assert cell.training.num_classes == len(source.class_names(cell.training.data_root))
            assert (cell.training.data_root is not None) == (profile == "paper"), group
            trainings.add(cell.training)
    assert len(trainings) >= {"table1": 9, "table2": 16, "table3": 6, "table4": 7, "table5": 21}[table.name]


@EACH_PROFILE
@pytest.mark.parametrize("name", SHARED)
def test_what_tables_share_is_one_cell(name, profile, options):
    found: dict[str, set[str]] = {}
    for table, label in SHARED[name]:
        for group, cell in cells(table, table.row(label), options(profile)).items():
            found.setdefault(group, set()).add(cell.fingerprint)
    assert set(found) == {"EgoGesture", "Something V2", "Jester"}
    assert all(len(fingerprints) == 1 for fingerprints in found.values()), found


@pytest.mark.parametrize("profile", ["smoke", "proxy"])
def test_all_rows_of_a_backbone_start_from_one_pretraining_shared_by_tables_and_seeds(profile, options):
    starts: dict[str, set[Training]] = {}
    for table in TABLES:
        for row in own_rows(table):
            for seed in (0, 3):
                for cell in cells(table, row, options(profile), seed).values():
                    backbone = cell.training.module.arguments["backbone"]
                    assert isinstance(cell.training.init, Training)
                    assert cell.training.init.module.arguments["backbone"] == backbone
                    starts.setdefault(type(backbone).__name__, set()).add(cell.training.init)
    assert {name: len(found) for name, found in starts.items()} == {
        "ResNet2dSpec": 1, "BNInceptionSpec": 1, "MobileNetV2Spec": 1,
    }  # fmt: skip
    for [init] in starts.values():
        made = init.module.resolved()
        assert (made["shift"], made["excitations"], made["stages"]) == (None, (), None)
        assert init.data.resolved()["num_frames"] == 1


def test_each_row_takes_the_pretrained_weights_in(options):
    for table in TABLES:
        for row in own_rows(table):
            cell = next(iter(cells(table, row, options("proxy")).values())).training
            nets = [t.module.cls(**t.module.resolved(), num_classes=16, recipe=t.recipe) for t in (cell.init, cell)]
            report = nets[1].load_initial(nets[0].state_dict())
            assert not report.mismatched and not report.unused
            assert all(".temporal." in name for name in report.missing), row.label


@pytest.mark.parametrize("group", ["EgoGesture", "Something V2", "Jester"])
def test_the_papers_protocol_and_schedule_are_the_default(group, options):
    cell = cells(ONE, ONE.row("TSM"), options("paper"))[group]
    data, recipe = cell.data.resolved(), cell.training.recipe
    assert (data["num_frames"], data["views"], data["crops"]) == (8, 10, 3)
    assert (data["short_side"], data["size"], data["test_size"]) == (256, 224, 256)
    assert data["augmentation"] == AUGMENTATION and not data["warp"]
    expected = {"EgoGesture": (25, 5), "Something V2": (50, 30), "Jester": (30, 10)}[group]
    assert (recipe.epochs, recipe.stages[0].epochs) == expected and recipe.batch_size == 64


def test_the_quick_test_is_the_same_training_tested_on_one_clip(options):
    main, quick = (cells(ONE, ONE.row(label), options("paper")) for label in ("ACTION-Net", "ACTION-Net, 1 x 1 view"))
    for group, cell in quick.items():
        assert cell.training == main[group].training and cell != main[group]
        data = cell.data.resolved()
        assert (data["views"], data["crops"]) == (1, 1)
    asked = cells(ONE, ONE.row("ACTION-Net"), options("paper", views=1, crops=1))
    assert asked == quick, "--views 1 --crops 1 asks for the same cells"
    fewer = cells(ONE, ONE.row("ACTION-Net"), options("paper", views=2))["Jester"]
    assert fewer.training == main["Jester"].training and fewer.data.resolved()["views"] == 2


def test_the_released_scripts_values_are_a_row(options):
    main, released = (
        cells(ONE, ONE.row(label), options("paper")) for label in ("ACTION-Net", "ACTION-Net, released scripts")
    )
    assert released["Something V2"] == main["Something V2"]
    assert released["Jester"].training.recipe == profiles.JESTER_RELEASED_RECIPE
    assert released["Jester"].data.resolved() == main["Jester"].data.resolved()
    ego = released["EgoGesture"]
    assert ego.training.recipe == profiles.EGOGESTURE_RELEASED_RECIPE
    data = ego.data.resolved()
    assert (data["views"], data["crops"], data["warp"]) == (10, 1, True)
    assert data["augmentation"] == (Square(size=224), MultiScaleCrop(size=224))
    small = cells(ONE, ONE.row("ACTION-Net, released scripts"), options("proxy"))["EgoGesture"].data.resolved()
    assert (small["size"], small["augmentation"]) == (32, (Square(size=32), MultiScaleCrop(size=32)))


@pytest.mark.parametrize(("profile", "frames", "batch"), [("paper", 16, 48), ("proxy", 16, 24), ("smoke", 8, 3)])
def test_rows_of_16_frames_double_the_segments_and_take_three_quarters_of_the_batch(profile, frames, batch, options):
    for label in ("ACTION-Net, 16 frames", "TSM, 16 frames", "TSN, 16 frames"):
        cell = cells(TWO, TWO.row(label), options(profile))["Jester"]
        assert (cell.data.resolved()["num_frames"], cell.training.recipe.batch_size) == (frames, batch)


def test_bn_inception_has_its_own_input_in_training_pretraining_and_test(options):
    for row in own_rows(FIVE):
        expected = (128.0, 117.0, 104.0) if "BNInception" in row.label else (123.675, 116.28, 103.53)
        for cell in cells(FIVE, row, options("proxy")).values():
            for data in (cell.data, cell.training.data, cell.training.init.data):
                assert data.resolved()["mean"] == expected, row.label


@pytest.mark.parametrize("table", [TWO, FIVE], ids=lambda table: table.name)
def test_the_papers_profile_asks_for_image_weights_by_name(table, options):
    row = table.row("BNInception, TSM") if table is FIVE else own_rows(table)[0]
    name = "imagenet_bn_inception" if table is FIVE else "imagenet"
    with pytest.raises(ValueError, match=f"ImageNet weights .*--init-checkpoint {name}=FILE"):
        cells(table, row, options("paper", init_checkpoint=None))


# The printed values that do not follow from the printed columns, with what does.
MISPRINTED = {
    ("ResNet-50, ACTION-Net", "EgoGesture/eta"): "2.53",  # 2.65 needs a gain of 2.0, the table has 2.1
    ("ME", "EgoGesture/eta"): "2.85",  # 5.1 % / 1.8, rounded in between
    ("ACTION-Net", "EgoGesture/eta"): "2.53",  # 5.3 % / 2.1, rounded in between
}


@pytest.mark.parametrize("table", [THREE, FIVE], ids=lambda table: table.name)
def test_printed_added_flops_and_efficiencies_follow_from_the_printed_columns(table):
    printed = {(row.label, c.key): v for row in table.rows for c, v in zip(table.columns, row.published, strict=True)}
    for column in table.columns:
        for label in column.derived.against if column.derived else ():
            value = column.derived.value(label, lambda label, key: float(printed[label, key]))
            expected = MISPRINTED.get((label, column.key), printed[label, column.key])
            decimals = len(expected.partition(".")[2])
            assert value == pytest.approx(float(expected), abs=0.501 * 10**-decimals), (label, column.key)


def test_added_flops_are_the_measured_ones():
    """Sheet of facts, measured with the released code; 0.0015 G of each are the larger classifier's."""
    for label, expected in {"STE": 0.1385, "CE": 0.1973, "ME": 1.7244, "ACTION-Net": 1.7904}.items():
        added = cost_value(THREE, THREE.row(label), THREE.column("Added FLOPs (G)"))
        assert added == pytest.approx(expected + 0.0015, abs=2e-4)
        percent = cost_value(THREE, THREE.row(label), THREE.column("Added FLOPs (%)"))
        assert percent == pytest.approx(100 * added / 32.9604, rel=1e-3)


COSTED = [(table, row) for table in (THREE, FIVE) for row in own_rows(table) if any(row.published)]


@pytest.mark.parametrize(("table", "row"), COSTED, ids=[f"{t.name}-{r.label}" for t, r in COSTED])
def test_costs_are_the_printed_ones(table, row):
    for column, printed in zip(table.columns, row.published, strict=True):
        if not column.is_cost or column.title.endswith("as run"):  # printed nowhere
            continue
        value, decimals = cost_value(table, row, column), len(printed.partition(".")[2])
        if row.label.endswith("released code"):  # measured from the released code, whose figures were not published
            expected = {"FLOPs (G)": 16.7540, "Param. (M)": 11.450819}[column.title]
            assert value == pytest.approx(expected, abs=1e-3) and f"{value:.{decimals}f}" != printed
        else:
            assert f"{value:.{decimals}f}" == printed, column.title


def test_on_the_benchmark_bn_inceptions_modules_stay_small():
    """With a reduction of 4, as elsewhere, they add 70 %; at full size, 12 %."""
    rows = [FIVE.row(f"BNInception, {name}") for name in ("TSM", "ACTION-Net")]
    small = [costs_as_run(FIVE, row, "proxy")["params_m"] for row in rows]
    full = [row_costs(FIVE, row)["params_m"] for row in rows]
    assert full[1] / full[0] == pytest.approx(1.12, abs=0.005)
    assert 1.2 < small[1] / small[0] < 1.3
    stronger = rows[1].module["reduction"]
    assert [stronger.change(reduction) for reduction in (4, 16)] == [8, 16]
