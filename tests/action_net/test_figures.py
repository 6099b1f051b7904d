"""Figure 4's efficiency is eq. 10's, Figure 1 draws what the maps say; both give every drawn number."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from datamodules.action_net import SMOKE_DATA, ActionNetData
from datamodules.synthetic.stand_ins import stand_in
from experiments import action_net_figure1, action_net_figure4, action_net_table5
from experiments.harness.figures import Cell
from lightning_modules.action_net import ActionNet, profiles
from lightning_modules.action_net.class_activation import class_activation_maps
from tests.tiny_cells import lively

pytestmark = pytest.mark.usefixtures("benchmark_cache", "closed_figures")

TABLE = action_net_table5.TABLE
GROUPS = {column.group: i for i, column in enumerate(TABLE.columns) if column.group}


@pytest.fixture
def closed_figures():
    import matplotlib

    matplotlib.use("Agg")
    yield
    matplotlib.pyplot.close("all")


# -- Figure 4 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("number", range(3))
def test_published_efficiencies_follow_from_table_5_but_for_one(group, number):
    backbone, printed = action_net_figure4.BACKBONES[number], action_net_figure4.PRINTED_ETA[group][number]
    pair = [TABLE.row(label(backbone)).published for label in (action_net_figure4.tsm, action_net_figure4.ours)]
    values = [float(row[i]) for i in (0, GROUPS[group]) for row in pair]
    eta = action_net_figure4.efficiency(*values)
    if (group, number) == ("EgoGesture", 0):
        assert f"{eta:.2f}" == "2.53" and printed == "2.65"  # of a gain of 2.0, not the printed 2.1
        assert f"{action_net_figure4.efficiency(33.0, 34.75, 92.1, 94.1):.2f}" == "2.65"
    else:
        assert f"{eta:.2f}" == printed


def test_without_a_gain_there_is_no_efficiency():
    assert action_net_figure4.efficiency(33.0, 34.75, 90.0, 90.0) is None
    assert action_net_figure4.efficiency(33.0, 34.75, 90.0, 89.0) is None
    assert action_net_figure4.efficiency(100.0, 105.0, 90.0, 92.5) == pytest.approx(2.0)


def test_figure_4_draws_mean_accuracies_over_the_flops_of_equal_class_counts():
    top1 = {"TSM": (50.0, 52.0), "ACTION-Net": (53.0, 55.0)}
    cells = [
        Cell(label, f"{group}/Top-1", seed, {"metrics": {"top1": top1[label.split(", ")[1]][seed]}}, {})
        for label in action_net_figure4.FIGURE.rows
        for group in GROUPS
        for seed in (0, 1)
    ]
    drawing = action_net_figure4.draw(cells, load=None)  # type: ignore[arg-type]
    assert len(drawing.numbers) == 9 and len(drawing.figure.axes) == 6
    for line in drawing.numbers:
        assert (line["tsm_top1"], line["action_net_top1"], line["seeds"]) == (51.0, 54.0, 2)
        added = 100 * (line["action_net_gflops"] / line["tsm_gflops"] - 1)
        assert line["eta"] == pytest.approx(added / 3, abs=1e-3)
    flops = {line["backbone"]: (line["tsm_gflops"], line["action_net_gflops"]) for line in drawing.numbers}
    assert flops["ResNet-50"] == pytest.approx((32.9604, 34.7508), abs=1e-3)  # both with 83 classes
    assert flops["BNInception"] == pytest.approx((16.3947, 16.9363), abs=1e-3)


def test_figure_4_draws_the_pairs_that_were_run():
    label = action_net_figure4.FIGURE.rows
    cells = [Cell(row, "Jester/Top-1", 0, {"metrics": {"top1": 50.0}}, {}) for row in label[-3:]]
    [line] = action_net_figure4.draw(cells, load=None).numbers  # type: ignore[arg-type]
    assert (line["data"], line["backbone"], line["eta"]) == ("Jester", "MobileNet V2", None)


# -- Figure 1 --------------------------------------------------------------------------------------------


def test_the_clip_is_the_first_that_turns_counterclockwise():
    videos = [SimpleNamespace(label_name=name) for name in ("Thumb up", "turn_Counterclockwise", "counterclockwise")]
    assert action_net_figure1.chosen_video(videos) == 1  # type: ignore[arg-type]
    assert action_net_figure1.chosen_video(videos[:1]) == 0  # type: ignore[arg-type]


def test_figure_1_draws_each_networks_maps_of_the_true_class_of_one_test_clip():
    member = dataclasses.replace(stand_in("EgoGesture").tiny(), num_classes=8)  # the last two classes turn
    data = ActionNetData(source=member, **SMOKE_DATA)
    modules = {}
    for seed, (name, changes) in enumerate({"TSN": profiles.TSN, "TSM": profiles.TSM, "ACTION-Net": {}}.items()):
        torch.manual_seed(seed)
        arguments = {**profiles.SMOKE_MODULE, **changes}
        modules[name] = lively(ActionNet(num_classes=8, recipe=profiles.SMOKE_RECIPE, **arguments))
    cells = [Cell(name, "EgoGesture/Top-1", seed, {}, {}) for name in modules for seed in (1, 0)]
    loaded = []

    def load(cell):
        loaded.append((cell.row, cell.seed))
        return modules[cell.row], data

    drawing = action_net_figure1.draw(cells, load)
    assert loaded == [("TSN", 0), ("TSM", 0), ("ACTION-Net", 0)]
    assert len(drawing.numbers) == 3 * 4 * 2 * 2 and len(drawing.figure.axes) == 4 * 4 + 1
    [name] = {line["class"] for line in drawing.numbers}
    [video] = {line["video"] for line in drawing.numbers}
    assert name == "turn_counterclockwise"
    position = next(i for i, batch in enumerate(data.subset("test")[0]) if batch.id == video)
    batch = [b for b in data.val_dataloader() if position in b.video_index.tolist()][0]
    clips = data.on_after_batch_transfer(batch, 0).select(batch.video_index == position)
    for network, module in modules.items():
        maps = class_activation_maps(module.network, clips.clips[:, 0], clips.labels)
        drawn = [line["contribution"] for line in drawing.numbers if line["network"] == network]
        torch.testing.assert_close(torch.tensor(drawn), maps.flatten(), atol=1e-4, rtol=1e-3)
    scales = {tuple(image.get_clim()) for axis in drawing.figure.axes[:-1] for image in axis.images[1:]}
    assert len(scales) == 1, "the maps share one colour scale"
    alone = action_net_figure1.draw(cells[:2], load)
    assert {line["network"] for line in alone.numbers} == {"TSN"} and len(alone.figure.axes) == 2 * 4 + 1
