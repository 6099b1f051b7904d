from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.backbones.densenet3d import (
    DENSE,
    DenseBlock,
    DenseNet3D,
    DenseNet3dSpec,
    SparseGraph,
    TemporalTransition,
    check_same_graph,
)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
def test_a_layer_receives_its_predecessor_and_the_equations_share_of_the_layers_before(alpha):
    for seed in range(3):
        for graph in SparseGraph(alpha=alpha, seed=seed).draw((6, 24)):
            for before, received in enumerate(graph):  # l - 2 elements stand before the predecessor
                assert received[-1] == before and len(set(received)) == len(received)
                assert list(received) == sorted(received)
                assert len(received) - 1 == int(alpha * before + 1e-9)


def test_the_other_reading_of_alpha_drops_what_this_one_keeps():
    lengths = [len(r) for r in SparseGraph(alpha=0.7, alpha_means="drop").draw((12,))[0]]
    assert lengths == [len(r) for r in SparseGraph(alpha=0.3).draw((12,))[0]]


def test_the_graph_follows_from_its_seed_alone():
    assert SparseGraph(seed=3).draw((6, 12)) == SparseGraph(seed=3).draw((6, 12))
    assert SparseGraph(seed=3).draw((6, 12)) != SparseGraph(seed=4).draw((6, 12))


def test_every_layer_can_be_fed_the_blocks_input_with_as_many_connections():
    fed, plain = (SparseGraph(alpha=0.4, always_keep_block_input=k).draw((12,))[0] for k in (True, False))
    assert all(0 in received for received in (fed[0], *fed[3:]))  # the second and third receive no more than one
    assert [len(r) for r in fed[3:]] == [len(r) for r in plain[3:]]
    assert any(0 not in received for received in plain)


def test_a_sparse_block_is_the_layers_written_out():
    torch.manual_seed(0)
    graph = SparseGraph(alpha=0.5, seed=1).draw((4,))[0]
    block = DenseBlock(in_channels=3, graph=graph, growth=2, bottleneck=4).double().eval()
    clips = torch.randn(1, 3, 2, 4, 4, dtype=torch.float64)
    elements = [clips]
    for layer, received in zip(block.layers, graph, strict=True):
        maps = torch.cat([elements[i] for i in received], 1)
        maps = F.conv3d(layer.norm1(maps).clamp(min=0), layer.conv1.weight)
        elements.append(F.conv3d(layer.norm2(maps).clamp(min=0), layer.conv2.weight, padding=1))
    torch.testing.assert_close(block(clips), torch.cat(elements, 1))
    assert block.out_channels == 3 + 4 * 2
    assert [row.nonzero().flatten().tolist() for row in block.graph] == [list(received) for received in graph]


def test_an_element_that_nobody_receives_changes_nothing_but_its_own_channels():
    graph = ((0,), (1,), (1, 2))  # the input reaches the first layer alone
    block = DenseBlock(in_channels=2, graph=graph, growth=2, bottleneck=1).eval()
    assert [layer.conv1.in_channels for layer in block.layers] == [2, 2, 4]


def test_weights_of_another_graph_are_refused_and_the_same_ones_taken():
    spec = DenseNet3dSpec(block_layers=(6,), growth=2, graph=SparseGraph(seed=0))
    own = DenseNet3D(in_channels=2, spec=spec)
    other = DenseNet3D(in_channels=2, spec=replace(spec, graph=SparseGraph(seed=1)))
    check_same_graph(own, DenseNet3D(in_channels=2, spec=spec).state_dict())
    with pytest.raises(ValueError, match=r"blocks\.0\.graph: the checkpoint's layers are connected in another way"):
        check_same_graph(own, other.state_dict())
    weight = own.norm[0].weight
    with torch.no_grad():
        weight.fill_(7)
    with pytest.raises(ValueError, match=r"blocks\.0\.graph: the checkpoint's layers are connected in another way"):
        own.load_state_dict(other.state_dict())


def test_frames_are_halved_in_the_first_transitions_alone():
    spec = DenseNet3dSpec(block_layers=(1, 1, 1), growth=2, pool_frames=1, graph=DENSE)
    network, shapes = DenseNet3D(in_channels=2, spec=spec), []
    for transition in network.transitions:
        transition.register_forward_hook(lambda layer, inputs, output: shapes.append(tuple(output.shape[2:])))
    network(torch.randn(1, 2, 4, 8, 8))
    assert shapes == [(2, 4, 4), (2, 2, 2)]


def test_a_temporal_transition_stacks_three_depths_and_keeps_the_frames_of_even_kernels():
    layer = TemporalTransition(in_channels=2, branch_channels=3, depths=(1, 3, 6), pool=(1, 2, 2))
    assert layer(torch.randn(1, 2, 5, 8, 8)).shape == (1, 9, 5, 4, 4)
    assert [branch.kernel_size for branch in layer.branches] == [(1, 1, 1), (3, 3, 3), (6, 3, 3)]


@pytest.mark.parametrize(
    "wrong",
    [dict(block_layers=()), dict(block_layers=(2, 0)), dict(compression=0.0), dict(temporal_depths=((1, 3, 6),))],
    ids=str,
)
def test_blocks_that_do_not_exist_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DenseNet3dSpec(**wrong)


def test_shares_and_meanings_that_do_not_exist_are_refused():
    for wrong in (dict(alpha=1.5), dict(alpha_means="loss")):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SparseGraph(**wrong)
