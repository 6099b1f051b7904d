"""The benchmark's networks are the report's, only smaller, and the recipe is the printed one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_modules.backbones.slowfast import RESNET50, RESNET101
from lightning_modules.vipriors import Vipriors, profiles
from lightning_modules.vipriors.network import ATTENTION, ELU, NON_LOCAL, POOL, SE, TAM, THREE_PARTS, TWO_PLUS_ONE

EVERY = ((NON_LOCAL, TWO_PLUS_ONE, SE), (ELU, POOL, TAM, THREE_PARTS, ATTENTION))
SMALL = {"proxy": profiles.PROXY_MODULE, "smoke": profiles.SMOKE_MODULE}


def network(arguments: dict) -> nn.Module:
    with torch.device("meta"):
        return Vipriors(**arguments, num_classes=12, recipe=profiles.PAPER_RECIPE).network.eval()


@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("names", EVERY, ids=lambda names: "+".join(names))
def test_every_part_of_the_papers_network_is_there_under_the_same_name(size, names):
    arguments = {**SMALL[size], "modifications": names}
    paper = {name: type(layer) for name, layer in network(dict(modifications=names)).named_modules()}
    own = {name: type(layer) for name, layer in network(arguments).named_modules()}
    differing = {name for name in own.keys() & paper.keys() if own[name] is not paper[name]}
    assert {name.rsplit(".", 1)[-1] for name in differing} <= {"activation", "act_a"}, "places of non-local blocks"
    new = {name for name in own.keys() - paper.keys() if ".activation." not in name}
    assert all(name.endswith("branch1_conv") or "branch1" in name for name in new), new
    kinds = {type(layer) for layer in network(arguments).modules()}
    assert {*paper.values()} - kinds <= {nn.MaxPool3d}, "only the stem's pooling is left out"


@pytest.mark.parametrize("size", SMALL)
def test_no_reduction_collapses_to_nothing(size):
    modifications = (ELU, POOL, THREE_PARTS, ATTENTION, NON_LOCAL, TAM)
    small = network({**SMALL[size], "modifications": modifications})
    paper = dict(network(dict(modifications=modifications)).named_modules())
    for name, layer in small.named_modules():
        if isinstance(layer, nn.Conv1d | nn.Conv3d | nn.Linear) and len(layer.weight) == 1:
            one_on_purpose = name in paper and len(paper[name].weight) == 1  # a map of attention
            narrow = "multipathway_blocks.1." in name and name.endswith("gate.0") and layer.weight.shape[1] <= 4
            assert size == "smoke" or one_on_purpose or narrow, (
                f"{name}: only TAM's gates in the fast pathway's first stages reach one"
            )
    shapes: list[torch.Size] = []  # the next stage overwrites the list of maps
    small.backbone.blocks[4].register_forward_hook(lambda _, __, maps: shapes.extend(own.shape for own in maps))
    small(torch.empty(1, 3, SMALL[size]["num_frames"], 32, 32, device="meta"))
    slow, fast = shapes
    assert slow[2] >= (2 if size == "proxy" else 1) and fast[2] >= 4 and slow[3] == slow[4] == 2


def test_the_recipe_is_the_printed_one():
    recipe = profiles.PAPER_RECIPE
    assert (recipe.batch_size, recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (128, 0.9, 5e-4)
    assert [recipe.lr_at(epoch) for epoch in (0, 19, 20, 39, 40, 59)] == [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5]
    assert recipe.epochs == 60 and (profiles.SLOWFAST_STOP_AT, profiles.TSM_STOP_AT) == (50.0, 53.0)


def test_the_deeper_network_and_tsms_frames_follow_the_size():
    assert profiles.deeper(RESNET50) == RESNET101 and profiles.deeper((1, 2, 2, 1)) == (1, 2, 4, 1)
    assert [profiles.of_tsm(n) for n in (64, 16, 8)] == [16, 8, 8] and profiles.with_one_frame_more(64) == 65
