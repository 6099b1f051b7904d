"""Bring weights that others trained under the names of KPSEM's networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.checkpoints import LoadReport, load_backbone, read_checkpoint, tensors_of

_MFNET_PARTS = {
    "conv_i1": "mix_narrow",
    "conv_i2": "mix_widen",
    "conv_m1": "first",
    "conv_m2": "second",
    "conv_w1": "shortcut",
}


def load_pretrained(network: nn.Module, path: Path | str) -> LoadReport:
    """Fill a network's backbone from a local checkpoint file of any layout that :func:`convert` knows.

    Args:
        network: a ``KpsemNetwork``, changed in place; KPSEM and the classifier keep their initialisation.
        path: of the file.

    Returns:
        Which tensors were filled, which are missing (KPSEM's), unused or of another shape, and which were inflated.

    Raises:
        ValueError: the file cannot be read safely, or is of an unknown layout.
    """
    return load_backbone(network, convert(read_checkpoint(path), network))


def convert(state_dict: Mapping[str, Any], network: nn.Module) -> dict[str, Tensor]:
    """Return a checkpoint's tensors under the names of ``network.state_dict()``.

    Accepted are our own names; the layout of the MFNet authors' files, 3D or 2D (for :class:`MFNet3D`); torchvision's
    and timm's ResNets (for :class:`R3D`). Kernels keep their 4 axes where images were trained on: ``load_backbone``
    repeats them over time. Counters of batch normalisations, which files from before PyTorch 0.4.1 lack, are 0.

    Args:
        state_dict: what ``tensors_of`` accepts; a leading ``module.`` is dropped.
        network: a ``KpsemNetwork``; it is not changed.

    Raises:
        ValueError: the names are of none of these layouts, or belong to the other backbone.
    """
    given, own = tensors_of(state_dict), network.state_dict()
    if any(name in own for name in given):
        return given
    if any(name.startswith("conv2.B01.") for name in given):
        renamed = {_from_mfnet(name): tensor for name, tensor in given.items()}
    elif any(name.startswith("layer1.0.conv1.") for name in given):
        renamed = {_from_resnet(name): tensor for name, tensor in given.items()}
    else:
        raise ValueError(
            f"unknown layout: the checkpoint holds {list(given)[:3]} and {max(0, len(given) - 3)} more; accepted: this "
            "project's names, MFNet's (conv2.B01.conv_i1.conv.weight) and torchvision's ResNets (layer1.0.conv1.weight)"
        )
    if not any(name in own for name in renamed if not name.startswith("head.")):
        raise ValueError(
            f"the checkpoint is of another backbone: it holds {list(given)[:3]}, the network has {list(own)[:3]}"
        )
    for name in own:
        norm, _, kind = name.rpartition(".")
        if kind == "num_batches_tracked" and f"{norm}.running_mean" in renamed:
            renamed.setdefault(name, torch.zeros((), dtype=torch.long))
    return renamed


def _from_mfnet(name: str) -> str:
    """Translate a name of the MFNet authors' code: conv3.B02.conv_m1.bn.bias, tail.bn.weight, classifier.bias."""
    if found := re.fullmatch(r"(conv[2-5])\.B(\d+)\.(conv_[imw][12])\.(bn|conv)\.(\w+)", name):
        stage, unit, part, layer, kind = found.groups()
        return f"backbone.{stage}.{int(unit) - 1}.{_MFNET_PARTS.get(part, part)}.{_layer(layer)}.{kind}"
    if found := re.fullmatch(r"conv1\.(bn|conv)\.(\w+)", name):
        return f"backbone.conv1.{('conv', 'bn').index(found[1])}.{found[2]}"
    if found := re.fullmatch(r"tail\.bn\.(\w+)", name):
        return f"backbone.tail.0.{found[1]}"
    return re.sub(r"^classifier\.", "head.", name)


def _from_resnet(name: str) -> str:
    """Translate a name of torchvision's ResNets: layer2.0.bn3.weight, layer2.0.downsample.0.weight, fc.bias."""
    if found := re.fullmatch(r"layer([1-4])\.(\d+)\.(conv|bn)([123])\.(\w+)", name):
        stage, block, layer, place, kind = found.groups()
        letter = "abc"[int(place) - 1]
        return f"backbone.res{int(stage) + 1}.res_blocks.{block}.branch2.{_layer(layer)}_{letter}.{kind}"
    if found := re.fullmatch(r"layer([1-4])\.(\d+)\.downsample\.([01])\.(\w+)", name):
        stage, block, place, kind = found.groups()
        return f"backbone.res{int(stage) + 1}.res_blocks.{block}.branch1_{('conv', 'norm')[int(place)]}.{kind}"
    if found := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return f"backbone.stem.{_layer(found[1])}.{found[2]}"
    return re.sub(r"^fc\.", "head.", name)


def _layer(name: str) -> str:
    return "norm" if name == "bn" else name
