"""ptflops' rule counts what a hand counts, layer by layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from experiments.harness.ptflops_rule import ptflops, ptflops_counts

CASES = {
    "convolution": (nn.Conv2d(4, 6, 3, padding=1, bias=False), (2, 4, 5, 5), dict(convolution=2 * 6 * 25 * 4 * 9)),
    "bias": (nn.Conv2d(4, 6, 1), (2, 4, 5, 5), dict(convolution=2 * 6 * 25 * 4, bias=2 * 6 * 25)),
    "depthwise": (nn.Conv1d(4, 4, 3, padding=1, groups=4, bias=False), (2, 4, 5), dict(convolution=3 * 40)),
    "linear": (nn.Linear(4, 7), (3, 4), dict(linear=3 * 4 * 7, bias=7)),
    "norm": (nn.BatchNorm2d(4), (2, 4, 5, 5), dict(normalisation=2 * 200)),
    "relu": (nn.ReLU(), (2, 4, 5, 5), dict(activation=200)),
    "relu6": (nn.ReLU6(), (2, 4, 5, 5), dict(activation=200)),
    "maximum": (nn.MaxPool2d(2), (2, 4, 4, 4), dict(pooling=128)),
    "mean": (nn.AdaptiveAvgPool2d(1), (2, 4, 5, 5), dict(pooling=200)),
    "sigmoid": (nn.Sigmoid(), (2, 4), {}),
}


@pytest.mark.parametrize(("layer", "shape", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_each_layer_counts_by_its_rule(layer, shape, expected, device):
    counts = ptflops_counts(layer.to_empty(device=device).eval(), torch.empty(shape, device=device))
    assert {kind: count for kind, count in counts.items() if count} == expected


def test_a_layer_counts_once_per_call_and_leaves_nothing_behind():
    relu = nn.ReLU()
    network = nn.Sequential(relu, nn.Sequential(relu))
    clip = torch.zeros(3, 4)
    assert ptflops(network, clip) == 24 and ptflops(network, clip) == 24
    assert not relu._forward_hooks and not network._forward_hooks
