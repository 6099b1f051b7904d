"""Weights and clips that depend on shapes alone, for comparing networks whose layers have different names.

A tensor's values follow from the last word of its name ("weight", "running_mean", ...) and its shape without
singleton axes. Networks that hold the same tensors and are wired alike then give the same outputs; the stored
outputs of the authors' networks were made with the same rule.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn


@torch.no_grad()
def fill(network: nn.Module) -> nn.Module:
    """Overwrite the network's parameters and buffers in place; return it in evaluation mode."""
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_floating_point():
            tensor.copy_(_values(name.rpartition(".")[2], tensor))
    return network.eval()


def _values(kind: str, tensor: Tensor) -> Tensor:
    shape = tuple(side for side in tensor.shape if side != 1)
    seed = hashlib.sha256(f"{kind}:{shape}".encode()).digest()[:6]
    generator = torch.Generator().manual_seed(int.from_bytes(seed, "little"))
    noise = torch.randn(tensor.numel(), generator=generator).reshape(tensor.shape)
    if kind == "running_var":
        return 1 + 0.1 * noise.abs()
    if kind in ("running_mean", "bias"):
        return 0.1 * noise
    if kind == "weight" and (tensor.ndim == 1 or len(shape) <= 1):
        return 1 + 0.1 * noise
    return noise * math.sqrt(0.5 / max(1, tensor[0].numel()))


def video(shape: tuple[int, ...]) -> Tensor:
    """Return half the sum of one sine along each axis, faster from axis to axis."""
    total = torch.zeros(shape)
    for axis, length in enumerate(shape):
        wave = torch.sin(torch.arange(length, dtype=torch.float32) * (0.37 + 0.21 * axis))
        total = total + wave.reshape([length if i == axis else 1 for i in range(len(shape))])
    return total / 2
