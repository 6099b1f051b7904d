"""Parallel convolutions are the sum of normalised convolutions, and fold into one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lightning_modules.layers.parallel_convolution import ParallelConvolution, branch_name, fold_parallel

THREE = ((3, 3, 3), (3, 1, 1), (1, 3, 3))


def trained(kernels=THREE, *, stride=(1, 1, 1), channels=(3, 4)) -> ParallelConvolution:
    """Return a module in evaluation mode whose normalisations have statistics of their own."""
    torch.manual_seed(0)
    module = ParallelConvolution(in_channels=channels[0], out_channels=channels[1], kernels=kernels, stride=stride)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm3d):
            for values in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(values)
            nn.init.uniform_(layer.running_var, 0.2, 2.0)
    return module.eval()


@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2)])
def test_it_is_the_sum_of_the_branches_taken_literally(stride):
    module = trained(stride=stride).double()
    maps = torch.randn(2, 3, 4, 6, 5, dtype=torch.float64)
    expected: torch.Tensor | float = 0.0
    for kernel in THREE:
        conv, norm = module.branches[branch_name(kernel)]
        padded = F.pad(maps, [side // 2 for side in reversed(kernel) for _ in range(2)])
        t, h, w = kernel
        rows = []
        for time in range(0, 4, stride[0]):
            for top in range(0, 6, stride[1]):
                for left in range(0, 5, stride[2]):
                    window = padded[:, :, time : time + t, top : top + h, left : left + w]
                    rows.append(torch.einsum("ncthw,octhw->no", window, conv.weight))
        out = torch.stack(rows, -1).view(2, 4, 4 // stride[0], -(-6 // stride[1]), -(-5 // stride[2]))
        shape = (1, 4, 1, 1, 1)
        out = (out - norm.running_mean.view(shape)) / (norm.running_var.view(shape) + norm.eps).sqrt()
        expected = expected + out * norm.weight.view(shape) + norm.bias.view(shape)
    torch.testing.assert_close(module(maps), expected)


@pytest.mark.parametrize("kernels", [THREE, ((1, 3, 3), (1, 3, 1), (1, 1, 3)), ((3, 3, 3),)])
def test_the_folded_convolution_computes_the_same(kernels):
    module, maps = trained(kernels, stride=(1, 2, 2)), torch.randn(2, 3, 4, 8, 8)
    one = module.folded()
    with torch.no_grad():
        assert (one(maps) - module(maps)).abs().max() < 1e-5
    assert one.kernel_size == tuple(max(kernel[axis] for kernel in kernels) for axis in range(3)) and not one.training


def test_folding_a_network_replaces_every_parallel_convolution():
    network = nn.Sequential(trained(), nn.Sequential(nn.ELU(), trained(channels=(4, 4))))
    maps = torch.randn(1, 3, 2, 4, 4)
    with torch.no_grad():
        before = network(maps)
        assert fold_parallel(network) == 2
        torch.testing.assert_close(network(maps), before, rtol=1e-5, atol=1e-5)
    assert not any(isinstance(layer, ParallelConvolution) for layer in network.modules())
    assert fold_parallel(network) == 0


@pytest.mark.parametrize("kernels", [(), ((3, 3, 3), (3, 3, 3)), ((2, 3, 3),)])
def test_kernels_that_cannot_be_added_are_refused(kernels):
    with pytest.raises(ValueError, match="kernels must be one or more different ones of odd sides"):
        ParallelConvolution(in_channels=2, out_channels=2, kernels=kernels)
