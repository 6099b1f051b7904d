"""The benchmark's networks are the paper's, only smaller, and the recipes are the published ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from experiments.action_net_table5 import stronger_if_narrow
from lightning_modules.action_net import ActionNet, profiles
from lightning_modules.action_net.excitation import ActionModule
from lightning_modules.backbones.bn_inception import BN_INCEPTION
from lightning_modules.backbones.mobilenet_v2 import MOBILENET_V2
from lightning_modules.backbones.resnet2d import RESNET50

SMALL = {
    "proxy": dict(profiles.PROXY_MODULE),
    "smoke": dict(profiles.SMOKE_MODULE),
    "proxy, MobileNetV2": {**profiles.PROXY_MODULE, "backbone": profiles.PROXY_MOBILENET_V2},
    "proxy, BN-Inception": {
        **profiles.PROXY_MODULE,
        "backbone": profiles.PROXY_BN_INCEPTION,
        "reduction": stronger_if_narrow(profiles.PROXY_MODULE["reduction"]),  # type: ignore[arg-type]
    },
    "smoke, MobileNetV2": {**profiles.SMOKE_MODULE, "backbone": profiles.SMOKE_MOBILENET_V2},
}
EACH_SMALL = pytest.mark.parametrize("arguments", SMALL.values(), ids=SMALL)


def on_meta(**arguments) -> nn.Module:
    with torch.device("meta"):
        return ActionNet(num_classes=12, recipe=profiles.PROXY_RECIPE, **arguments).network.eval()


@EACH_SMALL
def test_no_map_and_no_reduction_collapses_at_32_pixels(arguments):
    network, sizes, narrow = on_meta(**arguments), [], []
    for layer in network.modules():
        if isinstance(layer, ActionModule):
            layer.register_forward_hook(lambda _, __, out: sizes.append(out.shape[2]))
            assert layer.ce.conv.in_channels == layer.me.norm.num_features and layer.shift.fold >= 1
            if layer.ce.conv.in_channels < 2:
                narrow.append(layer.shift.in_channels)
    # Where BN-Inception has 8 channels, in front of block 2, one is left: Table 5 says so.
    assert narrow == ([8] if arguments["backbone"] == profiles.PROXY_BN_INCEPTION else [])
    maps = network.feature_maps(torch.empty(2, 3, 8, 32, 32, device="meta"))
    assert min(sizes) >= 2 and maps.shape[-1] >= 2
    assert sum(side >= 4 for side in sizes) > len(sizes) / 2, "most modules see more than 2 x 2 places"


@pytest.mark.parametrize(
    ("small", "full"), [("proxy, MobileNetV2", MOBILENET_V2), ("proxy, BN-Inception", BN_INCEPTION)]
)
def test_every_layer_of_the_papers_network_is_there_under_the_same_name(small, full):
    kinds = [{name: type(layer).__name__ for name, layer in net.named_modules()}
             for net in (on_meta(**SMALL[small]), on_meta(backbone=full))]  # fmt: skip
    assert kinds[0] == kinds[1]


def test_the_small_resnet_has_the_modules_of_the_papers_in_every_stage():
    def layers(net: nn.Module) -> dict[str, str]:
        named = net.get_submodule("backbone").named_modules()
        return {name: type(layer).__name__ for name, layer in named if ".0.temporal" in name}

    assert layers(on_meta(**SMALL["proxy"])) == layers(on_meta()) and len(layers(on_meta())) == 4 * 16


@pytest.mark.parametrize(
    ("recipe", "epochs", "drops", "batch"),
    [
        (profiles.SOMETHING_RECIPE, 50, (30, 40, 45), 64),
        (profiles.JESTER_RECIPE, 30, (10, 20, 25), 64),
        (profiles.EGOGESTURE_RECIPE, 25, (5, 10, 15), 64),
        (profiles.JESTER_RELEASED_RECIPE, 25, (5, 10, 15), 64),
        (profiles.EGOGESTURE_RELEASED_RECIPE, 20, (5, 10, 15), 64),
    ],
)
def test_the_recipes_are_those_of_section_4_2_and_of_the_released_scripts(recipe, epochs, drops, batch):
    assert recipe.epochs == epochs and recipe.batch_size == batch
    for epoch in range(epochs):
        rate = 0.01 * 0.1 ** sum(epoch >= drop for drop in drops)
        assert recipe.lr_at(epoch, 0.0) == pytest.approx(rate) == recipe.lr_at(epoch, 0.9)
    assert (recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (0.9, 5e-4)
    assert recipe.clipping.max_norm == 20.0


def test_the_released_schedule_replaces_the_papers_of_the_same_data_set_alone():
    for paper, released in (
        (profiles.EGOGESTURE_RECIPE, profiles.EGOGESTURE_RELEASED_RECIPE),
        (profiles.JESTER_RECIPE, profiles.JESTER_RELEASED_RECIPE),
        (profiles.SOMETHING_RECIPE, profiles.SOMETHING_RECIPE),
        (profiles.PROXY_RECIPE, profiles.PROXY_RECIPE),
    ):
        assert profiles.released_stages(paper.stages) == released.stages


def test_16_segments_take_batches_of_48():
    assert [profiles.batch_of_16_segments(size) for size in (64, 32, 4)] == [48, 24, 3]


@pytest.mark.parametrize(
    "resnet", [RESNET50, profiles.PROXY_RESNET, profiles.SMOKE_RESNET], ids=["paper", "proxy", "smoke"]
)
def test_every_profile_has_the_three_backbones(resnet):
    kinds = [type(change(resnet)).__name__ for change in (profiles.bn_inception, profiles.mobilenet_v2)]
    assert kinds == ["BNInceptionSpec", "MobileNetV2Spec"]
    full = (profiles.bn_inception(resnet) == BN_INCEPTION, profiles.mobilenet_v2(resnet) == MOBILENET_V2)
    assert full == (resnet == RESNET50,) * 2
