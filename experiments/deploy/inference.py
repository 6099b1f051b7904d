"""Prepare a trained module for inference: its scores alone, batch normalisation folded, plain convolutions."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.base import ClipClassifier
from lightning_modules.heads.nearest_centre import NearestCentre
from lightning_modules.layers.depthwise import DepthwiseConv3d
from lightning_modules.losses.am_softmax import PolynomialScale

CONVOLUTIONS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d, DepthwiseConv3d)
NORMALISATIONS: tuple[type[nn.Module], ...] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
MOST_DIFFERENCE = 1e-4  # of a score by folding, relative to scores beyond 1


class ScoreNetwork(nn.Module):
    """Map single clips to class scores: what of a module is exported.

    Args:
        module: whose ``view_outputs`` gives ``logits``.
    """

    def __init__(self, module: ClipClassifier) -> None:
        super().__init__()
        self.module = module

    def forward(self, clips: Tensor) -> Tensor:
        """Return ``(M, K)`` scores of normalised clips ``(M, C, T, H, W)``."""
        return self.module.view_outputs(clips)["logits"]


def confidence_scale(module: ClipClassifier) -> float:
    """Return the factor of a module's scores before a softmax makes confidences of them.

    Cosines lie within [-1, 1], where a softmax is flat: a module that learnt on scaled ones takes the scale that its
    class loss ended with.
    """
    scale = getattr(module, "scale", None)
    return scale(1.0) if isinstance(scale, PolynomialScale) else 1.0


def rejection_distance(module: ClipClassifier) -> float | None:
    """Return the distance to the nearest class centre from which on a clip is of no known class (MS3D's gamma).

    None for a module that rejects nothing: it has no centres, or its threshold was never set. Where there is one, the
    scores are minus the squared distances to the centres.
    """
    repository = getattr(module, "repository", None)
    if not isinstance(repository, NearestCentre) or not torch.isfinite(repository.threshold):
        return None
    return float(repository.threshold)


def inference_network(module: ClipClassifier, clips: Tensor) -> tuple[ScoreNetwork, int]:
    """Return a copy of the module's network for inference on a CPU.

    Each batch normalisation that directly follows a convolution or a linear layer becomes part of it. The pairs are
    found by running the network once, not by their names or places, so that any paper's network can be given.

    Args:
        module: trained; it is not changed.
        clips: ``(M, C, T, H, W)``, random: the copy is compared with the module on them.

    Returns:
        The network, in evaluation mode, without gradients; and how many normalisations were folded.

    Raises:
        ValueError: the network also uses the output of a convolution without the normalisation that follows it, so
            that folding would change the scores.
    """
    trainer = module._trainer
    copied = copy.deepcopy(module, {id(trainer): None} if trainer is not None else {})
    network = ScoreNetwork(copied.cpu().float()).eval().requires_grad_(False)
    pairs, expected = _foldable(network, clips)
    for layer, norm in pairs:
        network.set_submodule(layer, folded(network.get_submodule(layer), network.get_submodule(norm)))
        network.set_submodule(norm, nn.Identity())
    with torch.no_grad():
        difference = largest_difference(network(clips), expected)
    if not difference <= MOST_DIFFERENCE * max(1.0, largest_score(expected)):
        raise ValueError(
            f"folding the batch normalisations of {type(module).__name__} changes the scores by {difference:.2g}: one "
            "of its convolutions is also used without the normalisation that follows it"
        )
    return network, len(pairs)


def largest_difference(scores: Tensor, expected: Tensor) -> float:
    """Return the largest absolute difference of two tensors of one shape.

    Equal infinities do not differ: a class without a centre scores minus infinity. Not-a-number where either is.
    """
    return float(torch.where(scores == expected, 0.0, (scores - expected).abs()).max())


def largest_score(scores: Tensor) -> float:
    """Return the largest absolute value that is finite; 0 if none is."""
    return float(torch.where(scores.isfinite(), scores.abs(), 0.0).max())


def folded(layer: Any, norm: Any) -> nn.Module:
    """Return a plain layer with bias that does what a layer and the batch normalisation after it do.

    Args:
        layer: a convolution or a linear layer.
        norm: in evaluation mode, with running statistics.
    """
    variance, mean = norm.running_var.double(), norm.running_mean.double()
    gain = (variance + norm.eps).rsqrt()  # (C',)
    if norm.weight is not None:
        gain = gain * norm.weight.double()
    bias = -mean if layer.bias is None else layer.bias.double() - mean
    bias = bias * gain if norm.bias is None else bias * gain + norm.bias.double()
    plain: Any
    if isinstance(layer, nn.Linear):
        plain = nn.Linear(layer.in_features, layer.out_features)
    else:
        cls = nn.Conv3d if isinstance(layer, DepthwiseConv3d) else type(layer)
        plain = cls(
            layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation,
            layer.groups, padding_mode=layer.padding_mode,
        )  # fmt: skip
    with torch.no_grad():
        plain.weight.copy_(layer.weight.double() * gain.view(-1, *[1] * (layer.weight.ndim - 1)))
        plain.bias.copy_(bias)
    return plain.eval().requires_grad_(False)


def _foldable(network: nn.Module, clips: Tensor) -> tuple[list[tuple[str, str]], Tensor]:
    """Return the names of (layer, normalisation) that can be folded, and the network's scores.

    The one's output is the other's input, and both run once.
    """
    calls: Counter[str] = Counter()
    pairs: list[tuple[str, str]] = []
    last: list[tuple[str, Tensor, int]] = []  # the latest layer, its output, and how often that was changed in place

    def after_layer(name: str):
        def hook(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
            calls[name] += 1
            channels_second = not isinstance(layer, nn.Linear) or output.ndim == 2
            last[:] = [(name, output, output._version)] if channels_second else []

        return hook

    def before_norm(name: str):
        def hook(norm: nn.Module, inputs: tuple) -> None:
            calls[name] += 1
            if last and norm.running_mean is not None and inputs[0] is last[0][1] and inputs[0]._version == last[0][2]:
                pairs.append((last[0][0], name))

        return hook

    handles = []
    for name, layer in network.named_modules():
        if type(layer) in (*CONVOLUTIONS, nn.Linear):
            handles.append(layer.register_forward_hook(after_layer(name)))
        elif type(layer) in NORMALISATIONS:
            handles.append(layer.register_forward_pre_hook(before_norm(name)))
    try:
        with torch.no_grad():
            scores = network(clips)
    finally:
        for handle in handles:
            handle.remove()
    return [(layer, norm) for layer, norm in pairs if calls[layer] == calls[norm] == 1], scores
