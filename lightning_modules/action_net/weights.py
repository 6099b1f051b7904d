"""Bring released ACTION-Net and TSM checkpoints, and ImageNet weights, into this network's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_modules.backbones.weights import imagenet_names
from lightning_modules.checkpoints import tensors_of

_RELEASED_PATHS = {
    "action_shift": "shift",
    "action_p1_conv1": "ste.conv",
    "action_p2_squeeze": "ce.squeeze",
    "action_p2_conv1": "ce.conv",
    "action_p2_expand": "ce.expand",
    "action_p3_squeeze": "me.squeeze",
    "action_p3_bn1": "me.norm",
    "action_p3_conv1": "me.conv",
    "action_p3_expand": "me.expand",
}
_MODULE = re.compile(r"(?P<where>.+)\.(?P<path>action_\w+)\.(?P<tensor>\w+)")
_AFTER_BLOCK = ("2", "3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


def convert(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors under the names of :class:`ActionNetwork`.

    Known layouts: this network's own; the checkpoints that the authors of ACTION-Net and TSM release
    (``module.base_model. ...``, ``module.new_fc. ...``); and the ImageNet weights of ``backbones/weights.py``. A name
    that has no place in the network, such as the second copy of BN-Inception's convolutions in the released files,
    stays as it is: whoever loads the result reports it.

    Args:
        state_dict: of one of these layouts; what ``tensors_of`` accepts.

    Raises:
        ValueError: no name belongs to a known layout.
    """
    bare = tensors_of(state_dict)
    if any(name.startswith("backbone.") for name in bare):
        return bare
    if not any(name.startswith("base_model.") for name in bare):
        return imagenet_names(bare)
    converted: dict[str, Tensor] = {}
    backbone: dict[str, Tensor] = {}  # without ACTION modules, still under the 2D network's names
    for name, tensor in bare.items():
        inner = name.removeprefix("base_model.")
        found = _MODULE.fullmatch(inner)
        if found is not None and found["path"] in _RELEASED_PATHS:
            path = f"{_RELEASED_PATHS[found['path']]}.{found['tensor']}"
            converted[f"backbone.{_site(found['where'])}.{path}"] = tensor
        elif name.startswith("new_fc."):
            converted[f"head.{name.removeprefix('new_fc.')}"] = tensor
        elif inner.startswith("shift_"):
            converted[name] = tensor  # the same convolution stands under inception_* again
        else:
            backbone[inner.replace(".net.", ".")] = tensor
    return {**imagenet_names(backbone), **converted}


def _site(where: str) -> str:
    """Return the temporal module's place of a wrapped layer: ResNet's, MobileNetV2's, BN-Inception's."""
    if where.startswith("shift_"):  # named after the block it follows
        after = where.removeprefix("shift_")
        if after in _AFTER_BLOCK[:-1]:
            return f"blocks.{_AFTER_BLOCK[_AFTER_BLOCK.index(after) + 1]}.temporal"
    return re.sub(r"\.conv(1|\.0)$", ".temporal", where)
