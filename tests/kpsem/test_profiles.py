"""The benchmark's KPSEM is the paper's, only smaller, and the recipes are what the paper and MFNet's code give."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_modules.kpsem import Kpsem, profiles

SIDE = 32  # pixels of the benchmark's clips


def network(arguments: dict) -> nn.Module:
    with torch.device("meta"):
        return Kpsem(**arguments, num_classes=12, recipe=profiles.PAPER_RECIPE).network.eval()


PAPER = network({})
SMALL = {"proxy": profiles.PROXY_MODULE, "smoke": profiles.SMOKE_MODULE}
EACH_SMALL = pytest.mark.parametrize("arguments", SMALL.values(), ids=SMALL)


@EACH_SMALL
def test_every_kind_of_unit_and_all_of_kpsem_are_there_under_the_same_names(arguments):
    paper = {name: type(layer) for name, layer in PAPER.named_modules() if "conv1.3" not in name}
    own = {name: type(layer) for name, layer in network(arguments).named_modules() if "conv1.3" not in name}
    assert own.items() <= paper.items()
    left_out = {name.split(".")[1] for name in paper.keys() - own.keys() if name.startswith("backbone.")}
    assert left_out <= {"conv2", "conv3", "conv4", "conv5"}, "only whole units of stages"
    for stage in ("conv2", "conv3", "conv4", "conv5"):
        assert f"backbone.{stage}.0.shortcut.conv" in own
    assert "backbone.conv4.1.second.conv" in own and "backbone.conv4.1.shortcut.conv" not in own
    assert {name for name in own if name.startswith(("kpsem", "head"))} == {
        name for name in paper if name.startswith(("kpsem", "head"))
    }


@EACH_SMALL
def test_kernels_and_strides_are_the_papers_but_for_the_stem(arguments):
    small = network(arguments)
    for name, own in small.named_modules():
        layer = PAPER.get_submodule(name)
        if isinstance(layer, nn.Conv3d | nn.Conv2d) and name != "backbone.conv1.0":
            assert (own.kernel_size, own.stride) == (layer.kernel_size, layer.stride), name
        if isinstance(layer, nn.Conv3d | nn.Conv2d | nn.Linear):
            assert own.weight.shape[0] >= 2 and own.weight.shape[1] >= 1, name


@EACH_SMALL
@pytest.mark.parametrize("position", ["conv2", "conv3", "conv4", "conv5"])
@pytest.mark.parametrize("num_regions", [1, 4, 9, 16])
def test_regions_hold_at_least_a_cell_and_frames_a_shift_at_every_position(arguments, position, num_regions):
    small = network({**arguments, "position": position, "num_regions": num_regions})
    clips = torch.empty(2, 3, arguments["num_frames"], SIDE, SIDE, device="meta")
    maps = dict(small.backbone.stage_maps(clips))[position]
    assert maps.shape[2] >= 2 and maps.shape[3] ** 2 >= num_regions
    assert small(clips).shape == (2, 12)


def test_the_benchmarks_regions_at_conv4_hold_several_cells():
    small = network(profiles.PROXY_MODULE)
    clips = torch.empty(1, 3, profiles.PROXY_MODULE["num_frames"], SIDE, SIDE, device="meta")
    shapes = {name: tuple(maps.shape[2:]) for name, maps in small.backbone.stage_maps(clips)}
    assert shapes["conv2"] == (4, 32, 32) and shapes["conv4"] == (4, 8, 8) and shapes["conv5"] == (4, 4, 4)


@pytest.mark.parametrize(
    ("recipe", "batch_size", "epochs", "lrs"),
    [
        (profiles.PAPER_RECIPE, 128, 100, {0: 5e-3, 13: 5e-3, 14: 5e-4, 28: 5e-5, 42: 5e-6, 99: 5e-6}),
        (profiles.ABLATION_RECIPE, 16, 100, {0: 5e-3, 14: 5e-4}),
        (profiles.UCF101_RECIPE, 80, 50, {0: 5e-3, 20: 5e-3, 21: 5e-4, 42: 5e-5, 49: 5e-5}),
        (profiles.MINI_KINETICS_RECIPE, 64, 50, {0: 5e-3}),
        (profiles.SOMETHING_RECIPE, 64, 50, {0: 5e-3}),
    ],
    ids=["hmdb51", "ablation", "ucf101", "mini-kinetics", "something"],
)
def test_recipes_are_the_published_ones(recipe, batch_size, epochs, lrs):
    assert (recipe.batch_size, recipe.epochs, recipe.clipping) == (batch_size, epochs, None)
    assert (recipe.optimizer.momentum, recipe.optimizer.weight_decay, recipe.optimizer.nesterov) == (0.9, 1e-4, True)
    for epoch, lr in lrs.items():
        assert recipe.lr_at(epoch) == pytest.approx(lr), epoch


def test_steps_stand_at_mfnets_numbers_of_videos():
    for recipe, videos, steps in ((profiles.PAPER_RECIPE, 3_570, (50e3, 100e3, 150e3)),
                                  (profiles.UCF101_RECIPE, 9_537, (200e3, 400e3))):  # fmt: skip
        ends = 0
        for stage, step in zip(recipe.stages, steps, strict=False):
            ends += stage.epochs
            assert ends * videos == pytest.approx(step, abs=videos / 2)


def test_pretraining_on_kinetics_is_mfnets():
    recipe, ends = profiles.PAPER_PRETRAIN_RECIPE, 0
    for stage, step in zip(recipe.stages, (18e6, 28e6, 34e6, 38e6), strict=True):
        ends += stage.epochs
        assert ends * 246_535 == pytest.approx(step, abs=246_535 / 2)
    assert (recipe.lr_at(0), recipe.lr_at(150), recipe.batch_size) == (5e-2, 5e-5, 128)
    assert profiles.PRETRAIN_MODULE == dict(position=None, backbone_lr_scale=1.0)


def test_on_the_benchmark_kpsem_starts_silent_and_hears_at_once():
    arguments = {**profiles.PROXY_MODULE, "num_classes": 12, "recipe": profiles.PROXY_RECIPE}
    torch.manual_seed(0)
    own = Kpsem(**arguments).network.train()
    clips = torch.randn(2, 3, 8, SIDE, SIDE)
    assert own.kpsem is not None
    features = own.features(clips)
    assert not features[:, own.backbone.feature_channels :].any()
    own.head(features).square().sum().backward()
    assert own.kpsem.reduction[-1].weight.grad.any()
