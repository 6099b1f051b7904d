"""Bring weights that others trained under the names of the LIGAR network.

Foreign layouts are read by the names of their modules: a table from their modules to ours is made for each file, and
the tensors of a module follow it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from lightning_modules.checkpoints import tensors_of

TORCHVISION_EPS = 1e-3  # of its MobileNet-V3's batch normalisations; a state_dict does not hold it


def convert(state_dict: Mapping[str, Any], network: nn.Module) -> dict[str, Tensor]:
    """Return a checkpoint's tensors under the names of ``network.state_dict()``.

    Accepted are our own names; the authors' released checkpoints, and image weights under the same names;
    torchvision's ``mobilenet_v3_large``; timm's ``mobilenetv3_large_100``. Tensors without a counterpart (image
    classifiers) keep their names. Kernels keep their 4 axes where images have been trained on (``load_backbone``
    repeats them over time), but 1x1x1 convolutions of vectors become the matrices of our linear layers.

    torchvision normalises with an eps of 1e-3: its running variances are raised by the difference to ours, so
    that in evaluation the features are the same. With image weights the blocks of ``network.CANONICAL`` compute
    what they did there (see it for the one exception); ``network.LARGE`` takes what fits by shape, and has its
    gates before the activation.

    Args:
        state_dict: what ``tensors_of`` accepts.
        network: a ``LigarNetwork``; it is not changed.

    Raises:
        ValueError: the names are of none of these layouts, or those of another number of blocks.
    """
    given, own = tensors_of(state_dict), network.state_dict()
    if any(name in own for name in given):
        return given
    modules = {name.rpartition(".")[0] for name in given}
    layout = next((layout for mark, layout in _LAYOUTS.items() if mark in modules), None)
    if layout is None:
        raise ValueError(
            f"unknown layout: the checkpoint holds {list(given)[:3]} and {len(given) - 3} more; accepted: this "
            "project's names, the authors' (backbone.features.1.conv.0), torchvision's mobilenet_v3_large "
            "(features.1.block.0.0) and timm's mobilenetv3_large_100 (blocks.0.0.conv_dw)"
        )
    ours = layout(modules)
    _check_blocks(ours.values(), own)
    converted = {}
    for name, tensor in given.items():
        module, _, kind = name.rpartition(".")
        renamed = f"{ours[module]}.{kind}" if module in ours else name
        if layout is _torchvision and kind == "running_var" and renamed in own:
            tensor = tensor + (TORCHVISION_EPS - _eps(network, ours[module]))
        converted[renamed] = _as_matrix(tensor) if renamed in own and own[renamed].dim() == 2 else tensor
    return converted


def _authors(modules: set[str]) -> dict[str, str]:
    """Map the modules of the authors' released code, with or without ``backbone.`` before them.

    ``features.0`` is the stem and ``features.{i + 1}.conv`` block i; a block's layers are numbered, counting
    activations and absent gates. Global path by feature index: ``lgd_pool.pooling_{i}`` is P_i,
    ``lgd_upsample.upsample_{i}`` U_i, ``lgd_glob.glob_{i}`` G_i. Of several heads each has a number.
    """
    ours: dict[str, str] = {}
    for module in modules:
        bare = module.removeprefix("backbone.")
        renamed = None
        if found := re.fullmatch(r"features\.0\.([01])", bare):
            renamed = f"stem.{found[1]}"
        elif found := re.fullmatch(r"(features\.(\d+)\.conv)\.(\d(?:\.fc\.[02])?)", bare):
            before = module.removesuffix(bare) + found[1]
            layers = _EXPANDING if f"{before}.7" in modules else _NOT_EXPANDING
            renamed = _joined(f"blocks.{int(found[2]) - 1}", layers.get(found[3]))
        elif found := re.fullmatch(r"conv\.(?:0\.)?([01])", bare):
            renamed = f"out.{found[1]}"
        elif found := re.fullmatch(r"lgd_pool\.pooling_(\d+)\.conv\.(\d(?:\.encoder\.[01])?)", bare):
            renamed = _joined(f"global_path.pool.{found[1]}", _POOLING.get(found[2]))
        elif found := re.fullmatch(r"lgd_(upsample\.upsample|glob\.glob)_(\d+)\.conv\.(\d)", bare):
            kind = "to_local" if found[1].startswith("upsample") else "step"
            renamed = _joined(f"global_path.{kind}.{int(found[2]) - 1}", _TRANSFORM.get(found[3]))
        elif found := re.fullmatch(r"cls_head\.(?:(\d+)\.)?(fc_pre_angular\.0|fc_pre_angular\.1|fc_angular)", bare):
            number = "" if found[1] is None else f"heads.{found[1]}."
            ours[module] = f"head.{number}{_HEAD[found[2]]}"
        if renamed is not None:
            ours[module] = f"backbone.{renamed}"
    return ours


_EXPANDING = {
    "0": "expand.0", "1": "expand.1", "3": "depthwise.0", "4": "depthwise.1", "5.fc.0": "gate.squeeze",
    "5.fc.2": "gate.excite", "7": "project.0", "8": "project.1",
}  # fmt: skip
_NOT_EXPANDING = {
    "0": "depthwise.0", "1": "depthwise.1", "3.fc.0": "gate.squeeze", "3.fc.2": "gate.excite",
    "4": "project.0", "5": "project.1",
}  # fmt: skip
_TRANSFORM = {"0": "widen", "1": "widen_norm", "3": "project", "4": "project_norm"}
_POOLING = {"0.encoder.0": "0.score", "0.encoder.1": "0.norm"} | {
    str(int(layer) + 1): f"1.{name}" for layer, name in _TRANSFORM.items()
}
_HEAD = {"fc_pre_angular.0": "project", "fc_pre_angular.1": "norm", "fc_angular": "centres"}


def _torchvision(modules: set[str]) -> dict[str, str]:
    """Map torchvision's modules: ``features.{i + 1}.block`` is block i, the last feature the output convolution."""
    last = max(int(module.split(".")[1]) for module in modules if module.startswith("features."))
    ours = {
        f"features.{index}.{layer}": f"backbone.{name}.{layer}"
        for index, name in ((0, "stem"), (last, "out"))
        for layer in (0, 1)
    }
    for index in range(1, last):
        parts: dict[str, set[str]] = {}
        for module in modules:
            if found := re.fullmatch(rf"features\.{index}\.block\.(\d)\.(\w+)", module):
                parts.setdefault(found[1], set()).add(found[2])
        convolutions = sorted(part for part, layers in parts.items() if "0" in layers)
        names = ("expand", "depthwise", "project")[3 - len(convolutions) :]
        for part, name in zip(convolutions, names, strict=True):
            ours |= {
                f"features.{index}.block.{part}.{layer}": f"backbone.blocks.{index - 1}.{name}.{layer}"
                for layer in (0, 1)
            }
        for part in parts.keys() - set(convolutions):
            before = f"features.{index}.block.{part}"
            ours[f"{before}.fc1"] = f"backbone.blocks.{index - 1}.gate.squeeze"
            ours[f"{before}.fc2"] = f"backbone.blocks.{index - 1}.gate.excite"
    return ours


def _timm(modules: set[str]) -> dict[str, str]:
    """Map timm's modules: ``blocks.{stage}.{number}`` in order, a lone ``conv`` there the output convolution."""
    ours = {"conv_stem": "backbone.stem.0", "bn1": "backbone.stem.1"}
    found = (re.match(r"blocks\.(\d+)\.(\d+)\.", module) for module in modules)
    places = sorted({(int(place[1]), int(place[2])) for place in found if place})
    for index, (stage, number) in enumerate(places):
        before, after = f"blocks.{stage}.{number}", f"backbone.blocks.{index}"
        if f"{before}.conv" in modules:
            ours |= {f"{before}.conv": "backbone.out.0", f"{before}.bn1": "backbone.out.1"}
            continue
        expands = f"{before}.conv_pwl" in modules
        convolutions = ("conv_pw", "conv_dw", "conv_pwl") if expands else ("conv_dw", "conv_pw")
        names = ("expand", "depthwise", "project") if expands else ("depthwise", "project")
        for layer, (convolution, name) in enumerate(zip(convolutions, names, strict=True), start=1):
            ours |= {f"{before}.{convolution}": f"{after}.{name}.0", f"{before}.bn{layer}": f"{after}.{name}.1"}
        ours |= {
            f"{before}.se.conv_reduce": f"{after}.gate.squeeze",
            f"{before}.se.conv_expand": f"{after}.gate.excite",
        }
    return ours


# Which module gives a layout away.
_LAYOUTS: dict[str, Callable[[set[str]], dict[str, str]]] = {
    "backbone.features.1.conv.0": _authors,
    "features.1.conv.0": _authors,
    "features.1.block.0.0": _torchvision,
    "blocks.0.0.conv_dw": _timm,
}


def _check_blocks(renamed: Iterable[str], own: Mapping[str, Tensor]) -> None:
    theirs, ours = (
        len({name.split(".")[2] for name in names if name.startswith("backbone.blocks.")}) for names in (renamed, own)
    )
    if theirs != ours:
        raise ValueError(f"the checkpoint has {theirs} blocks, the network {ours}: it is of another network")


def _joined(before: str, layer: str | None) -> str | None:
    return None if layer is None else f"{before}.{layer}"


def _eps(network: nn.Module, name: str) -> float:
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm), name
    return layer.eps


def _as_matrix(tensor: Tensor) -> Tensor:
    """Return a 1x1 or 1x1x1 convolution's kernel as the matrix of a linear layer; others as they are."""
    return tensor.flatten(1) if tensor.dim() > 2 and tensor[0, 0].numel() == 1 else tensor
