"""Count operations by the rule of ptflops, which the figures published for ACTION-Net follow.

Only layers count, and each call of one: convolutions their multiply-accumulates and one per output element for a bias;
linear layers their multiply-accumulates and one per output unit for a bias; batch normalisations two per element;
ReLU and ReLU6 one per element; pooling layers one per input element. Sigmoids, sums, products, means and whatever else
is no layer count nothing. Published as FLOPs, most of it are multiply-accumulates.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

_POOLING = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip


def ptflops_counts(module: nn.Module, clips: Tensor) -> dict[str, int]:
    """Return what each kind of layer counts in one forward pass, under ptflops' rule.

    Args:
        module: any network; run in its present mode, without gradients. It may be on the meta device.
        clips: its input; ptflops' figures are for one clip.

    Returns:
        ``convolution`` and ``linear`` (multiply-accumulates alone), ``bias``, ``normalisation``, ``activation`` and
        ``pooling``. The rule's figure is the sum of all; ``convolution + linear`` are the plain multiply-accumulates.
    """
    counts: Counter[str] = Counter(
        dict.fromkeys(("convolution", "linear", "bias", "normalisation", "activation", "pooling"), 0)
    )

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(layer, nn.modules.conv._ConvNd):
            counts["convolution"] += output.numel() * layer.weight[0].numel()
            counts["bias"] += 0 if layer.bias is None else output.numel()
        elif isinstance(layer, nn.Linear):
            counts["linear"] += output.numel() * layer.in_features
            counts["bias"] += 0 if layer.bias is None else layer.out_features  # once, however many rows
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            counts["normalisation"] += inputs[0].numel() * (2 if layer.affine else 1)
        elif isinstance(layer, nn.ReLU | nn.ReLU6):
            counts["activation"] += output.numel()
        elif isinstance(layer, _POOLING):
            counts["pooling"] += inputs[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in module.modules()]
    try:
        with torch.no_grad():
            module(clips)
    finally:
        for hook in hooks:
            hook.remove()
    return dict(counts)


def ptflops(module: nn.Module, clips: Tensor) -> int:
    """Return the operations of one forward pass under ptflops' rule; see :func:`ptflops_counts`."""
    return sum(ptflops_counts(module, clips).values())
