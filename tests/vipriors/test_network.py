"""The report's networks have the sizes that their parts add up to, and every part is there where it should be."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.backbones.slowfast import FAST, RESNET50, RESNET101, SLOW, STAGES
from lightning_modules.layers.gates import Cbam, ChannelGate
from lightning_modules.layers.parallel_convolution import ParallelConvolution
from lightning_modules.layers.temporal_adaptive import TemporalAdaptive
from lightning_modules.layers.temporal_shift import TemporalShift
from lightning_modules.vipriors.network import (
    ATTENTION,
    CUBE_KERNEL,
    ELU,
    NON_LOCAL,
    POOL,
    SE,
    SPATIAL_KERNELS,
    TAM,
    THREE_PARTS,
    TWO_PLUS_ONE,
    SlowFastNetwork,
    tsm_network,
)

AFFINITIES = "aten.bmm"  # matrix products of non-local blocks; linear layers are addmm and mm


def size(network: nn.Module, num_frames: int) -> tuple[float, float]:
    """Return millions of parameters, and billions of multiply-accumulates of convolutions and linear layers."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(torch.empty(1, 3, num_frames, 112, 112, device="meta"))
    products = sum(flops for kind, flops in counter.get_flop_counts()["Global"].items() if str(kind) == AFFINITIES)
    return sum(p.numel() for p in network.parameters()) / 1e6, (counter.get_total_flops() - products) / 2e9


@pytest.mark.parametrize(
    ("changes", "params", "macs"),
    [
        ({}, "33.877", "7.271"),
        (dict(alpha=4), "33.877", "13.186"),
        (dict(modifications=(NON_LOCAL,)), "41.236", "8.515"),
        (dict(modifications=(TWO_PLUS_ONE,)), "37.717", "8.004"),  # 8.381 with the temporal convolution in front
        (dict(modifications=(ELU, POOL)), "33.877", "6.542"),
        (dict(modifications=(ELU, POOL, NON_LOCAL)), "41.236", "7.786"),
        (dict(modifications=(ELU, POOL, TAM)), "35.196", "6.549"),
        (dict(modifications=(ELU, POOL, TAM), tam_fast=False), "35.138", "6.548"),
        (dict(modifications=(ELU, POOL, THREE_PARTS)), "72.216", "13.877"),
        (dict(modifications=(ELU, POOL, THREE_PARTS), kernels=SPATIAL_KERNELS), "41.566", "8.009"),
        (dict(modifications=(ELU, POOL, THREE_PARTS), kernels=CUBE_KERNEL), "56.865", "10.943"),
        (dict(modifications=(ATTENTION,)), "36.454", "7.362"),
        (dict(modifications=(SE,)), "36.450", "7.274"),
        (dict(depths=RESNET101, modifications=(ELU, POOL, THREE_PARTS)), "134.538", "27.388"),
    ],
    ids=str,
)
def test_slowfast_has_its_size(changes, params, macs):
    with torch.device("meta"):
        network = SlowFastNetwork(num_classes=101, **changes)
    found = size(network, 64)
    assert (f"{found[0]:.3f}", f"{found[1]:.3f}") == (params, macs)


@pytest.mark.parametrize(
    ("depths", "params", "macs"), [((3, 4, 6, 3), "23.715", "17.22"), (RESNET101, "42.707", "32.07")]
)
def test_tsm_has_its_size_with_and_without_shift(depths, params, macs):
    for shift in (True, False):
        with torch.device("meta"):
            network = tsm_network(num_classes=101, depths=depths, shift=shift)
        shifts = [name for name, layer in network.named_modules() if isinstance(layer, TemporalShift)]
        assert len(shifts) == (sum(-(-n // (2 if depths == RESNET101 else 1)) for n in depths) if shift else 0)
    found = size(network, 16)
    assert (f"{found[0]:.3f}", f"{found[1]:.2f}") == (params, macs)


SMALL = dict(width=0.25, depths=(1, 2, 2, 1), num_frames=8, alpha=4, stem_pool=False, gate_reduction=2, num_classes=5)


@pytest.mark.parametrize(
    "names", [(NON_LOCAL,), (TWO_PLUS_ONE, SE), (ELU, POOL, TAM), (ELU, POOL, THREE_PARTS, ATTENTION)]
)
def test_gradients_reach_every_part(names):
    torch.manual_seed(0)
    network = SlowFastNetwork(**SMALL, modifications=names)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm3d | nn.BatchNorm1d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)  # non-local blocks start silent
    network(torch.randn(3, 3, 8, 32, 32)).square().sum().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    idle = {name for name, p in network.named_parameters() if not p.grad.any()}
    assert not idle


def kinds(names, layer_type) -> list[tuple[int, str, int]]:
    with torch.device("meta"):
        network = SlowFastNetwork(num_classes=5, modifications=names)
    return [
        (block.pathway, block.stage, block.number)
        for block in network.backbone.residual_blocks()
        if any(type(layer) is layer_type or type(layer).__name__ == layer_type for layer in block.layers.modules())
    ]


def test_parts_stand_where_the_facts_place_them():
    depths = zip(STAGES, RESNET50, strict=True)
    every = [(pathway, stage, n) for stage, depth in depths for pathway in (SLOW, FAST) for n in range(depth)]
    places = [("res3", 1), ("res3", 3), ("res4", 1), ("res4", 3), ("res4", 5)]
    assert kinds((NON_LOCAL,), "NonLocal") == [(SLOW, *place) for place in places]
    parts = {TAM: TemporalAdaptive, THREE_PARTS: ParallelConvolution, ATTENTION: Cbam, SE: ChannelGate}
    for name, layer in parts.items():
        assert kinds((name,), layer) == every, name


def test_elu_replaces_every_activation_and_pool_every_strided_convolution_but_the_stems():
    with torch.device("meta"):
        network = SlowFastNetwork(num_classes=5, modifications=(ELU, POOL))
    assert not any(isinstance(layer, nn.ReLU) for layer in network.modules())
    strided = [n for n, m in network.named_modules() if isinstance(m, nn.Conv3d) and m.stride[1] > 1]
    assert strided == [f"backbone.blocks.0.multipathway_blocks.{p}.conv" for p in (0, 1)]
    pools = [n for n, m in network.named_modules() if isinstance(m, nn.MaxPool3d) and "fusion" in n]
    assert pools == [f"backbone.blocks.{stage}.multipathway_fusion.pool" for stage in (1, 2, 3)]


@pytest.mark.parametrize(
    ("names", "message"),
    [(("gelu",), "modification 'gelu'; accepted: elu, pool"), ((TWO_PLUS_ONE, THREE_PARTS), "take the same place"),
     ((SE, ATTENTION), "take the same place")],
)  # fmt: skip
def test_unknown_and_clashing_modifications_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        SlowFastNetwork(num_classes=5, modifications=names)
