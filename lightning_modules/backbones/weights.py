"""Bring public ImageNet weights of the 2D backbones into the names of a segment network."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_CAFFE = re.compile(r"(?:inception_(?P<block>\d[a-e])_)?(?P<unit>\w+?)(?P<norm>_bn)?\.(?P<tensor>\w+)")
_STEM = ("conv1_7x7_s2", "conv2_3x3_reduce", "conv2_3x3")
_CLASSIFIERS = ("fc.", "classifier.1.", "classifier.", "last_linear.")


def imagenet_names(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names that a :class:`SegmentNetwork` of the same backbone has.

    Known layouts: torchvision's ResNet and MobileNetV2, MobileNetV2 with one flat list per block (that of the TSM
    authors), and the PyTorch conversion of BN-Inception's Caffe model, whose first kernels are turned from BGR to RGB:
    its input then is RGB in 0..255 minus (128, 117, 104). The classifier goes to ``head.``; names of no known layout
    stay as they are, so that whoever loads the result reports them.

    Args:
        state_dict: names with or without ``module.`` in front.

    Raises:
        ValueError: no name belongs to a known layout.
    """
    names = {name: name.removeprefix("module.") for name in state_dict}
    if "conv1_7x7_s2.weight" in names.values():
        rename = _from_caffe
    elif "features.0.0.weight" in names.values():
        rename = _from_mobilenet_v2 if "features.1.conv.3.weight" not in names.values() else _from_flat_mobilenet_v2
    elif "layer1.0.conv1.weight" in names.values():
        rename = _from_resnet
    else:
        raise ValueError(
            "state_dict is none of ResNet's (layer1.0.conv1.weight), MobileNetV2's (features.0.0.weight) and "
            f"BN-Inception's (conv1_7x7_s2.weight); it holds {list(state_dict)[:3]}"
        )
    converted = {_classifier(bare) or rename(bare) or name: state_dict[name] for name, bare in names.items()}
    return {name: _fitted(name, tensor) for name, tensor in converted.items()}


def _classifier(name: str) -> str | None:
    for prefix in _CLASSIFIERS:
        if name.startswith(prefix):
            return f"head.{name.removeprefix(prefix)}"
    return None


def _from_resnet(name: str) -> str | None:
    return f"backbone.{name}" if name.startswith(("conv1.", "bn1.", "layer")) else None


def _from_mobilenet_v2(name: str) -> str | None:
    return f"backbone.{name}" if name.startswith("features.") else None


def _from_flat_mobilenet_v2(name: str) -> str | None:
    """Turn conv.0 to conv.7 of a block (conv.0 to conv.4 of the first) into torchvision's nested names."""
    found = re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(\w+)", name)
    if found is None:
        return _from_mobilenet_v2(name)
    layer, tensor = int(found[2]), found[3]
    layer += 3 if found[1] == "1" else 0  # the first block has no expanding convolution
    nested = {0: "0.0", 1: "0.1", 3: "1.0", 4: "1.1", 6: "2", 7: "3"}[layer]
    if found[1] == "1":
        nested = {"1.0": "0.0", "1.1": "0.1", "2": "1", "3": "2"}[nested]
    return f"backbone.features.{found[1]}.conv.{nested}.{tensor}"


def _from_caffe(name: str) -> str | None:
    found = _CAFFE.fullmatch(name)
    if found is None or (found["block"] is None and found["unit"] not in _STEM):
        return None
    where = found["unit"] if found["block"] is None else f"blocks.{found['block']}.units.{found['unit']}"
    return f"backbone.{where}.{'norm' if found['norm'] else 'conv'}.{found['tensor']}"


def _fitted(name: str, tensor: Tensor) -> Tensor:
    if name == "backbone.conv1_7x7_s2.conv.weight":
        return tensor.flip(1)  # BGR to RGB
    if ".norm." in name and tensor.ndim == 2:
        return tensor.flatten()  # an early conversion keeps them as (1, C)
    return tensor
