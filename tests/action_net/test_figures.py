"""Figure 4's efficiency is eq. 10's, Figure 1 draws what the maps say; both give every drawn number."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from datamodules.action_net import SMOKE_DATA, ActionNetData
from datamodules.synthetic.stand_ins import stand_in
from experiments import action_net_figure1, action_net_figure4, action_net_table5
from experiments.action_net_efficiency import efficiency
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


def test_without_a_gain_there_is_no_efficiency():
    assert efficiency((33.0, 90.0), (34.75, 90.0)) is None
    assert efficiency((33.0, 90.0), (34.75, 89.0)) is None
    assert efficiency((100.0, 90.0), (105.0, 92.5)) == pytest.approx(2.0)


def accurate(row: str, group: str, seed: int, top1: int) -> Cell:
    """Return a cell of 100 test videos of two classes, the first ``top1`` of them right."""
    labels = np.arange(100) % 2
    scores = np.eye(2)[np.where(np.arange(100) < top1, labels, 1 - labels)]
    return Cell(row, f"{group}/Top-1", seed, {"metrics": {"top1": float(top1)}}, {}, dict(scores=scores, labels=labels))


def test_figure_4_draws_mean_accuracies_over_table_5s_flops():
    top1 = {"TSM": (50, 52), "ACTION-Net": (53, 55)}
    cells = [
        accurate(label, group, seed, top1[label.split(", ")[1]][seed])
        for label in action_net_figure4.FIGURE.rows
        for group in GROUPS
        for seed in (0, 1)
    ]
    drawing = action_net_figure4.draw(cells, load=None)  # type: ignore[arg-type]
    assert len(drawing.numbers) == 9 and len(drawing.figure.axes) == 6
    printed = {(line["data"], line["backbone"]): line["published_eta"] for line in drawing.numbers}
    assert printed["EgoGesture", "BNInception"] == 3.73 and printed["Something V2", "MobileNet V2"] == 0.22
    for line in drawing.numbers:
        assert (line["tsm_top1"], line["action_net_top1"], line["seeds"]) == (51.0, 54.0, 2)
        assert (line["tsm_top1_per_seed"], line["action_net_top1_per_seed"]) == ("50.00 52.00", "53.00 55.00")
        assert line["gain"] == 3.0 and line["gain_low"] < 3 < line["gain_high"]
        added = 100 * (line["action_net_gflops"] / line["tsm_gflops"] - 1)
        assert line["eta"] == pytest.approx(added / 3, abs=1e-3)
    flops = {line["backbone"]: (line["tsm_gflops"], line["action_net_gflops"]) for line in drawing.numbers}
    assert flops["ResNet-50"] == pytest.approx((32.9604, 34.7523), abs=1e-4)  # of 83 and 174 classes, as published
    assert flops["BNInception"] == pytest.approx((16.3947, 16.9363), abs=1e-3)


def test_figure_4_draws_the_pairs_that_were_run():
    label = action_net_figure4.FIGURE.rows
    cells = [accurate(row, "Jester", 0, 50) for row in label[-3:]] + [accurate(label[-1], "Jester", 1, 90)]
    drawing = action_net_figure4.draw(cells, load=None)  # type: ignore[arg-type]
    [line] = drawing.numbers
    assert (line["data"], line["backbone"], line["eta"]) == ("Jester", "MobileNet V2", None)
    assert line["seeds"] == 1, "of a seed that only one row has nothing is drawn"
    [legend] = [axis.get_legend() for axis in drawing.figure.axes if axis.get_title() == "Jester, ours"]
    [text] = [text.get_text() for text in legend.get_texts()]
    assert text.startswith("MobileNet V2, no gain; gain +0.0 [-") and text.endswith("], undecided")


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
