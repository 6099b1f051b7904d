from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from experiments import ms3d_table1
from experiments.ms3d_profiles import NETWORKS
from lightning_modules.backbones.densenet3d import DenseNet3dSpec, SparseGraph
from lightning_modules.ms3d.network import (
    FAST,
    MEDIUM,
    SLOW,
    Ms3dSpec,
    Pathway,
    averaged_over_time,
    sparse_densenet,
)
from lightning_modules.ms3d.profiles import PROXY_MS3D, SMOKE_MS3D


def costs(spec: Ms3dSpec) -> tuple[float, float]:
    """Return millions of parameters, those of the fixed kernel included, and billions of multiply-accumulates."""
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad(), counter:
        network = spec.build().eval()
        frames = sum(pathway.frames for pathway in spec.pathways)
        assert network(torch.empty(1, 3, frames, 224, 224)).shape == (1, 256)
    params = sum(p.numel() for p in network.parameters()) + network.shared.weight.numel()
    return params / 1e6, counter.get_total_flops() / 2e9


def with_densenet(**changes) -> Ms3dSpec:
    return Ms3dSpec(densenet=replace(sparse_densenet(), **changes))


def kept(alpha: float, seed: int = 0) -> dict:
    return dict(graph=SparseGraph(alpha=alpha, seed=seed))


@pytest.mark.parametrize(
    ("spec", "params", "gmacs"),
    [
        (with_densenet(**kept(1.0)), 11.494, 32.9),
        (Ms3dSpec(), 10.276, 31.2),
        (with_densenet(**kept(0.3)), 8.615, 29.7),
        (with_densenet(growth=16, **kept(1.0)), 3.050, 12.3),
        (with_densenet(growth=16, **kept(0.7)), 2.728, 11.7),
        (with_densenet(growth=16, **kept(0.3)), 2.294, 11.3),
        (with_densenet(block_layers=(4, 8, 12, 8), growth=24, **kept(1.0)), 2.997, 14.8),
        (with_densenet(block_layers=(4, 8, 12, 8), growth=24, **kept(0.7)), 2.727, 14.3),
        (with_densenet(block_layers=(4, 8, 12, 8), growth=24, **kept(0.3)), 2.512, 13.9),
        (with_densenet(**kept(0.7, seed=1)), 10.081, None),
        (with_densenet(**kept(0.7, seed=2)), 10.216, None),
        (Ms3dSpec(join="time"), 10.403, 173.5),
        (replace(with_densenet(pool_frames=2), joined_frames=7), 10.276, 26.6),
    ],
    ids=[
        "dense",
        "paper",
        "sparser",
        "growth 16, dense",
        "growth 16",
        "growth 16, sparser",
        "small, dense",
        "small",
        "small, sparser",
        "seed 1",
        "seed 2",
        "in time",
        "7 frames",
    ],
)
def test_sizes_of_every_reading(spec, params, gmacs):
    found = costs(spec)
    assert round(found[0], 3) == params
    assert gmacs is None or round(found[1], 1) == gmacs


def test_the_front_has_its_parameters_and_fixes_the_shared_kernel():
    with torch.device("meta"):
        network = Ms3dSpec().build()
    front = sum(p.numel() for p in network.pathways.parameters()) + network.shared.weight.numel()
    assert front == 65_136 and network.shared.weight.numel() == 1_296
    assert not list(network.shared.parameters()) and "shared.weight" in network.state_dict()


def test_all_pathways_go_through_the_same_fixed_kernel_whatever_the_seed():
    torch.manual_seed(0)
    first = SMOKE_MS3D.build()
    torch.manual_seed(1)
    second = SMOKE_MS3D.build()
    assert torch.equal(first.shared.weight, second.shared.weight)
    assert not torch.equal(first.pathways[0][0].weight, second.pathways[0][0].weight)
    before = first.shared.weight.clone()
    first(torch.randn(2, 3, 4, 32, 32)).sum().backward()
    torch.optim.SGD(first.parameters(), lr=1.0).step()
    assert torch.equal(first.shared.weight, before)


def test_the_joined_maps_are_the_pathways_written_out():
    torch.manual_seed(0)
    spec = Ms3dSpec(
        pathways=(Pathway(frames=3, kernel=(3, 3, 3)), Pathway(frames=4, kernel=(3, 5, 5))),
        channels=4, joined_frames=2, densenet=DenseNet3dSpec(block_layers=(1,), growth=2), code_dim=4,
    )  # fmt: skip
    network, clips = spec.build().eval(), torch.randn(2, 3, 7, 16, 16)
    parts = []
    for pathway, clip in zip(network.pathways, (clips[:, :, :3], clips[:, :, 3:]), strict=True):
        shared = F.conv3d(clip, network.shared.weight, padding=1, stride=(1, 2, 2))
        maps = pathway[1](F.conv3d(shared, pathway[0].weight, padding=pathway[0].padding, stride=(1, 2, 2)))
        parts.append(maps.clamp(min=0))
    # To 2 frames: of three the first and second two, of four the halves.
    slow = torch.stack([parts[0][:, :, :2].mean(2), parts[0][:, :, 1:].mean(2)], 2)
    fast = torch.stack([parts[1][:, :, :2].mean(2), parts[1][:, :, 2:].mean(2)], 2)
    torch.testing.assert_close(network.joined(clips), torch.cat([slow, fast], 1), rtol=1e-4, atol=1e-5)
    in_time = replace(spec, join="time").build().eval()
    assert in_time.joined(clips).shape == (2, 8, 7, 4, 4)


def test_the_papers_pathways():
    assert [(p.frames, p.kernel) for p in (SLOW, MEDIUM, FAST)] == [(7, (3, 3, 3)), (17, (3, 5, 5)), (25, (3, 7, 7))]
    with torch.device("meta"):
        maps = Ms3dSpec().build().joined(torch.empty(1, 3, 49, 224, 224))
    assert maps.shape == (1, 48, 8, 56, 56)


def test_every_3d_kernel_starts_by_equation_4_and_without_it_as_usual():
    torch.manual_seed(0)
    network = SMOKE_MS3D.build()
    for layer in (network.pathways[2][0], network.densenet.blocks[0].layers[0].conv2):
        torch.testing.assert_close(layer.weight[:, :, 1], layer.weight[:, :, 2])
        torch.testing.assert_close(layer.weight[:, :, 0], -5 * layer.weight[:, :, 1])
    plain = replace(SMOKE_MS3D, densenet=replace(SMOKE_MS3D.densenet, temporal_init=None)).build()
    weight = plain.pathways[2][0].weight
    assert not torch.allclose(weight[:, :, 1], weight[:, :, 2])


@pytest.mark.parametrize("spec", [PROXY_MS3D, SMOKE_MS3D], ids=["proxy", "smoke"])
def test_the_small_networks_have_every_part_and_a_graph_with_gaps(spec):
    with torch.device("meta"):
        paper, small = Ms3dSpec().build(), spec.build()
    assert [p[0].kernel_size for p in small.pathways] == [p[0].kernel_size for p in paper.pathways]
    assert small.shared.weight.shape[2:] == paper.shared.weight.shape[2:]
    assert len(small.densenet.blocks) >= 3 and all(len(block.layers) >= 2 for block in small.densenet.blocks)
    assert small.code.out_features >= 16 and len(list(small.shared.parameters())) == 0
    gaps = [before + 1 - len(received) for graph in small.densenet.graphs for before, received in enumerate(graph)]
    assert sum(gaps) > 0, "nothing is sparse"
    if spec is PROXY_MS3D:
        assert [pathway.frames for pathway in spec.pathways] == [7, 17, 25]
        with torch.device("meta"):
            assert small.joined(torch.empty(1, 3, 49, 32, 32)).shape == (1, 12, 8, 16, 16)


def test_clips_of_another_length_and_unknown_ways_to_join_are_refused():
    with pytest.raises(ValueError, match="clips have 5 frames; expected 4"):
        SMOKE_MS3D.build()(torch.randn(1, 3, 5, 32, 32))
    for wrong in (dict(pathways=()), dict(join="rows")):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Ms3dSpec(**wrong)


@pytest.mark.parametrize("join", ["channels", "time"])
def test_one_pathway_alone_can_have_the_channels_of_all_behind_the_same_shared_kernel(join):
    spec = replace(PROXY_MS3D, pathways=(SLOW,), pathway_channels=12, join=join)
    with torch.device("meta"):
        network, three = spec.build(), PROXY_MS3D.build()
        maps = network.joined(torch.empty(1, 3, 7, 32, 32))
    assert network.shared.weight.shape == three.shared.weight.shape
    assert maps.shape[1] == 12 == three.densenet.blocks[0].layers[0].conv1.in_channels


@pytest.mark.parametrize(("label", "sizes"), NETWORKS.items(), ids=NETWORKS)
def test_on_the_benchmark_no_network_compared_with_works_on_smaller_maps_than_ms3d(label, sizes):
    sides = []
    with torch.device("meta"):
        network = sizes.proxy.build().eval()
        for layer in network.modules():
            if isinstance(layer, (torch.nn.Conv2d, torch.nn.Conv3d)) and layer.kernel_size[-1] > 1:
                layer.register_forward_hook(lambda layer, inputs, maps: sides.append(maps.shape[-1]))
        network(torch.empty(2, 3, sizes.frames, 32, 32))
    assert 16 in sides and min(sides) >= 2, sides


def test_averaging_over_time_is_adaptive_pooling_over_time():
    for frames in (7, 8, 17, 25):
        maps = torch.randn(2, 3, frames, 4, 5, dtype=torch.float64)
        torch.testing.assert_close(averaged_over_time(maps, 8), F.adaptive_avg_pool3d(maps, (8, 4, 5)))


def test_batch_normalised_codes_have_one_deviation_and_unit_ones_one_length_and_nothing_of_it_is_trained():
    torch.manual_seed(0)
    clips = torch.randn(16, 3, 4, 32, 32)
    batch = replace(SMOKE_MS3D, code_norm="batch", code_deviation=0.5).build().train()
    codes = batch(clips)
    torch.testing.assert_close(codes.std(0, correction=0), torch.full((16,), 0.5), rtol=1e-2, atol=0)
    torch.testing.assert_close(codes.mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    assert batch(clips[:1]).shape == (1, 16), "one clip has no statistics of its own"
    unit, raw = (replace(SMOKE_MS3D, code_norm=norm).build() for norm in ("unit", None))
    torch.testing.assert_close(unit(clips).norm(dim=1), torch.ones(16))
    for network in (batch, unit):
        assert [p.shape for p in network.parameters()] == [p.shape for p in raw.parameters()]
    for wrong in (dict(code_norm="layer"), dict(code_deviation=0.0)):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*accepted: "):
            replace(SMOKE_MS3D, **wrong)


def test_table_1_says_what_share_of_the_other_networks_parameters_ms3d_has_at_both_sizes():
    def parameters(spec) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in spec.build().parameters())

    [note] = (note for note in ms3d_table1.TABLE.notes if note.startswith("Parameters of MS3D over theirs"))
    said = re.findall(r"([\w-]+) (\d\.\d\d) and (\d\.\d\d)", note.replace("\n", " "))
    assert len(said) == 6
    for label, paper, proxy in said:
        sizes = NETWORKS[label]
        shares = parameters(Ms3dSpec()) / parameters(sizes.paper), parameters(PROXY_MS3D) / parameters(sizes.proxy)
        assert (f"{shares[0]:.2f}", f"{shares[1]:.2f}") == (paper, proxy), label
