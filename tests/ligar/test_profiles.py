"""The benchmark's LIGAR is the paper's, only smaller, and the recipes are the published ones."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from datamodules.clip_selection import ClipSelection
from datamodules.ligar import PROXY_DATA, SMOKE_DATA, LigarData
from datamodules.video_sampling import EpochSampler
from experiments.ligar_table2 import TABLE
from lightning_modules.checkpoints import load_backbone
from lightning_modules.layers.global_context import GlobalContextPooling
from lightning_modules.layers.inverted_residual import InvertedResidual
from lightning_modules.layers.squeeze_excitation import SqueezeExcitation
from lightning_modules.ligar import Ligar, profiles
from lightning_modules.recipe import SGD, AdaptiveClipping, NormClipping

NUM_CLASSES = 12


def network(arguments: dict, recipe) -> nn.Module:
    with torch.device("meta"):
        return Ligar(**arguments, num_classes=NUM_CLASSES, recipe=recipe).network


PAPER = network({}, profiles.PAPER_RECIPE)
SMALL = {
    "proxy": (network(profiles.PROXY_MODULE, profiles.PROXY_RECIPE), PROXY_DATA),
    "smoke": (network(profiles.SMOKE_MODULE, profiles.SMOKE_RECIPE), SMOKE_DATA),
}
EACH_SMALL = pytest.mark.parametrize(("small", "data"), SMALL.values(), ids=SMALL)


def components(net: nn.Module) -> dict[str, str]:
    """Return the type of every layer by its name."""
    return {name: type(layer).__name__ for name, layer in net.named_modules()}


def map_shapes(net: nn.Module, data: dict) -> dict[str, tuple[int, ...]]:
    """Return the shape of what every layer puts out for a clip of the profile's size."""
    shapes: dict[str, tuple[int, ...]] = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, out, name=name: shapes.__setitem__(name, tuple(out.shape)))
        for name, layer in net.named_modules()
        if not list(layer.children()) or isinstance(layer, InvertedResidual)
    ]
    with torch.no_grad():
        net.eval()(torch.empty(2, 3, data["num_frames"], data["size"], data["size"], device="meta"))
    for hook in hooks:
        hook.remove()
    return shapes


@EACH_SMALL
def test_every_layer_of_the_papers_network_is_there_under_the_same_name(small, data):
    assert components(small) == components(PAPER)
    assert sum(kind == "InvertedResidual" for kind in components(small).values()) == 15


@EACH_SMALL
def test_kernels_temporal_strides_and_skips_are_the_papers(small, data):
    for name, layer in PAPER.named_modules():
        own = small.get_submodule(name)
        if isinstance(layer, nn.Conv3d):
            assert own.kernel_size == layer.kernel_size, name
            assert own.stride[0] == layer.stride[0], name
            assert (own.groups == own.in_channels > 1) == (layer.groups == layer.in_channels > 1), name
    blocks = [(b, s) for b, s in zip(PAPER.backbone.blocks, small.backbone.blocks, strict=True)]
    assert all(b.has_skip <= s.has_skip for b, s in blocks), "a residual connection is gone"


@EACH_SMALL
def test_no_reduction_collapses(small, data):
    for name, layer in small.named_modules():
        if isinstance(layer, SqueezeExcitation):
            assert layer.squeeze.out_features >= 2, name
            assert layer.squeeze.out_features == layer.squeeze.in_features // 4
        if isinstance(layer, nn.Conv3d | nn.Linear) and not isinstance(small.get_submodule(name.rpartition(".")[0]),
                                                                       GlobalContextPooling):  # fmt: skip
            assert layer.weight.shape[0] >= 2, name
        if isinstance(layer, InvertedResidual) and layer.expand is not None:
            assert layer.expand[0].out_channels > layer.expand[0].in_channels, f"{name} does not expand"


def test_the_benchmarks_maps_keep_several_positions_and_frames_to_the_end():
    shapes = map_shapes(*SMALL["proxy"])
    for i in range(15):
        _, _, frames, height, width = shapes[f"backbone.blocks.{i}"]
        assert frames >= 2 and height == width >= 2, f"block {i}: {shapes[f'backbone.blocks.{i}']}"


def test_the_benchmark_halves_its_maps_where_the_paper_does_but_for_one_block():
    paper = map_shapes(PAPER, dict(num_frames=16, size=224))
    proxy = map_shapes(*SMALL["proxy"])
    for i in range(15):
        ours, theirs = proxy[f"backbone.blocks.{i}"], paper[f"backbone.blocks.{i}"]
        assert ours[2] / PROXY_DATA["num_frames"] == theirs[2] / 16
        later = 2 if i >= 13 else 1
        assert ours[3] / PROXY_DATA["size"] == later * theirs[3] / 224, f"block {i}"


@EACH_SMALL
def test_small_networks_serve_the_clips_of_their_data(small, data):
    assert map_shapes(small, data)["head.centres"] == (2, NUM_CLASSES)
    served = LigarData(source=None, **data)
    assert (served.num_frames, served.size) == (data["num_frames"], data["size"])


def test_the_papers_recipe_is_65_epochs_in_three_stages():
    recipe = profiles.PAPER_RECIPE
    assert [stage.epochs for stage in recipe.stages] == [5, 5, 55] and recipe.epochs == 65
    assert [stage.trainable for stage in recipe.stages] == ["head", "all", "all"]
    assert (recipe.optimizer.momentum, recipe.optimizer.weight_decay, recipe.optimizer.nesterov) == (0.9, 1e-4, False)
    assert recipe.clipping == AdaptiveClipping(factor=0.2)


@pytest.mark.parametrize(
    ("iteration", "lr", "precision"),
    [
        (499, 1e-2, 1e-12), (500, 1e-5, 1e-12), (750, 5.05e-4, 1e-12), (999, 9.9999e-4, 5e-9), (1000, 1e-3, 1e-12),
        (1001, 1e-3, 5e-9), (2000, 9.85390e-4, 5e-10), (3750, 7.24788e-4, 5e-10), (5000, 3.22460e-4, 5e-10),
        (6000, 5.27207e-5, 5e-11), (6499, 1.000018e-5, 5e-12),
    ],
)  # fmt: skip
def test_the_papers_learning_rates_are_the_released_ones(iteration, lr, precision):
    assert profiles.PAPER_RECIPE.lr_at(iteration // 100, iteration % 100 / 100) == pytest.approx(lr, abs=precision)


def test_the_papers_main_stage_is_eq_3():
    for tau in (0.0, 0.2, 0.5, 0.9):
        expected = 1e-5 + 0.5 * (1e-3 - 1e-5) * (1 + math.cos(math.pi * tau**1.5))
        epoch, fraction = divmod(tau * 55, 1)
        assert profiles.PAPER_RECIPE.lr_at(10 + int(epoch), fraction) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("recipe", [profiles.PROXY_RECIPE, profiles.SMOKE_RECIPE], ids=["proxy", "smoke"])
def test_small_recipes_keep_the_papers_parts(recipe):
    paper = profiles.PAPER_RECIPE
    assert recipe.clipping == paper.clipping
    assert recipe.stages[0].trainable == "head" and recipe.stages[-1].trainable == "all"
    assert type(recipe.stages[-1].lr) is type(paper.stages[-1].lr) and recipe.stages[-1].lr.alpha == 1.5


def test_the_joint_pretraining_is_the_released_one():
    recipe, scale = profiles.PAPER_PRETRAIN_RECIPE, profiles.PRETRAIN_MODULE["scale"]
    rates = {0: 1e-4, 5: 5.05e-3, 10: 1e-2, 49: 1e-2, 50: 1e-3, 99: 1e-3, 100: 1e-4, 149: 1e-4}
    assert {epoch: pytest.approx(recipe.lr_at(epoch)) for epoch in rates} == rates
    assert recipe.epochs == 150 and recipe.batch_size == 24 and recipe.clipping == NormClipping(max_norm=40.0)
    assert recipe.optimizer == SGD(momentum=0.9, weight_decay=1e-4)
    assert [scale(progress) for progress in (0.0, 0.5, 1.0, 2.0)] == [15.0] * 4
    assert all(stage.trainable == "all" for stage in recipe.stages)


def test_the_benchmarks_pretraining_has_the_epochs_asked_for():
    recipe = profiles.proxy_pretrain_recipe(8)
    assert recipe.epochs == 8 and recipe.lr_at(1) == pytest.approx(4e-3) and recipe.lr_at(7, 0.99) < 4e-4
    assert recipe.clipping == profiles.PAPER_PRETRAIN_RECIPE.clipping


def test_an_epoch_of_ucf101_has_the_released_number_of_steps():
    assert EpochSampler(9_537, batch_size=profiles.PAPER_RECIPE.batch_size, seed=0).num_batches == 397


@pytest.mark.parametrize(
    ("flat", "whole"),
    [
        (profiles.PROXY_MODULE | profiles.IMAGE_MODULE, profiles.PROXY_MODULE),
        (profiles.SMOKE_MODULE | profiles.SMOKE_IMAGE_MODULE, profiles.SMOKE_MODULE),
    ],
    ids=["proxy", "smoke"],
)
def test_image_weights_fill_the_local_path_whole(flat: dict, whole: dict):
    source = Ligar(**flat, num_classes=5, recipe=profiles.SMOKE_RECIPE).network
    target = Ligar(**whole, num_classes=7, recipe=profiles.SMOKE_RECIPE).network
    report = load_backbone(target, source.state_dict())
    assert not report.mismatched and not report.unused
    assert report.missing and all(name.startswith("backbone.global_path.") for name in report.missing)
    temporal = [name for name, tensor in target.state_dict().items() if tensor.ndim == 5 and tensor.shape[2] > 1]
    assert set(report.inflated) == {name for name in temporal if not name.startswith("backbone.global_path.")}


@pytest.mark.parametrize(("switch", "weight"), [(True, 1.0), (False, 0.0)])
def test_the_authors_initialisation_undoes_the_global_paths_silence(switch: bool, weight: float):
    made = dict(num_classes=5, recipe=profiles.SMOKE_RECIPE)
    module = Ligar(**profiles.SMOKE_MODULE, authors_initialisation=switch, **made)
    module.initialise_from_scratch()
    for transform in module.network.backbone.global_path.to_local:
        assert torch.all(transform.project_norm.weight == weight)


def test_only_training_from_scratch_takes_the_authors_initialisation():
    switched = {row.label: row.module["authors_initialisation"] for row in TABLE.rows}
    assert switched == {row.label: row.init is None for row in TABLE.rows} and sum(switched.values()) == 1


def test_clip_selection_starts_at_the_papers_threshold():
    assert ClipSelection().ready_fraction == 0.7
