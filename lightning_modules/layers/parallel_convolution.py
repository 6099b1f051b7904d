"""Parallel convolutions, each batch-normalised, and their sum: foldable into one (Ding et al., ACNet, ICCV 2019)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Kernel = tuple[int, int, int]


class ParallelConvolution(nn.Module):
    """Add up convolutions of several kernels over the same maps, each followed by its own batch normalisation.

    In evaluation mode the sum is one convolution with a bias, of the largest kernel in each direction: :meth:`folded`.

    Args:
        in_channels: C.
        out_channels: C'.
        kernels: (time, height, width) of each branch, odd; the branches are named by them: ``k133`` is 1 x 3 x 3.
        stride: of all branches.

    Raises:
        ValueError: no kernel, one that stands twice, or an even side.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, kernels: Sequence[Kernel], stride: Kernel = (1, 1, 1)
    ) -> None:
        super().__init__()
        if not kernels or len({*kernels}) < len(kernels) or any(side % 2 == 0 for kernel in kernels for side in kernel):
            raise ValueError(f"kernels must be one or more different ones of odd sides, got {kernels}")
        self.stride = stride
        self.branches: Any = nn.ModuleDict()
        for kernel in kernels:
            padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
            conv = nn.Conv3d(in_channels, out_channels, kernel, stride, padding, bias=False)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            self.branches[branch_name(kernel)] = nn.Sequential(conv, nn.BatchNorm3d(out_channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of the branches, ``(N, C', T', H', W')``, of maps ``(N, C, T, H, W)``."""
        return functools.reduce(torch.add, (branch(maps) for branch in self.branches.values()))

    @torch.no_grad()
    def folded(self) -> nn.Conv3d:
        """Return one convolution which computes what this module does in evaluation mode."""
        convs = [branch[0] for branch in self.branches.values()]
        sides = [max(conv.kernel_size[axis] for conv in convs) for axis in range(3)]
        first = convs[0]
        one = nn.Conv3d(
            first.in_channels, first.out_channels, tuple(sides), self.stride, tuple(side // 2 for side in sides)
        ).to(first.weight)
        assert one.bias is not None
        one.weight.zero_()
        one.bias.zero_()
        for branch in self.branches.values():
            conv, norm = branch[0], branch[1]
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # (C',)
            middle = [
                slice((side - own) // 2, (side + own) // 2) for side, own in zip(sides, conv.kernel_size, strict=True)
            ]
            one.weight[:, :, middle[0], middle[1], middle[2]] += conv.weight * scale[:, None, None, None, None]
            one.bias += norm.bias - norm.running_mean * scale
        return one.train(self.training)


def branch_name(kernel: Kernel) -> str:
    """Return the name of a branch: ``k311`` for 3 x 1 x 1."""
    return "k" + "".join(map(str, kernel))


def fold_parallel(network: nn.Module) -> int:
    """Replace every parallel convolution inside a network by its folded one; return how many there were.

    For evaluation alone: a folded network cannot be trained on as before.
    """
    places = [
        (parent, name)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, ParallelConvolution)
    ]
    for parent, name in places:
        setattr(parent, name, getattr(parent, name).folded())
    return len(places)
