"""Read checkpoints safely; fill a whole network, or a backbone alone, from 2D weights too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

HEAD_PREFIX = "head."
WRAPPERS = ("state_dict", "model")  # keys under which training programs keep the tensors, beside optimiser and epoch


@dataclass(frozen=True)
class LoadReport:
    """Say which tensors a checkpoint filled.

    Args:
        loaded: names in the network that received a value.
        missing: names in the backbone that the checkpoint lacks: they keep their initial value.
        unused: names in the checkpoint that the backbone has no place for.
        mismatched: names present in both with another shape.
        inflated: those of ``loaded`` whose value is a 2D kernel, or one of a single frame, repeated over time.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    mismatched: tuple[str, ...]
    inflated: tuple[str, ...] = ()

    def __str__(self) -> str:
        inflated = f" ({len(self.inflated)} inflated)" if self.inflated else ""
        return (
            f"{len(self.loaded)} tensors loaded{inflated}, {len(self.missing)} missing, "
            f"{len(self.mismatched)} of another shape, {len(self.unused)} unused"
        )


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Raises:
        ValueError: the file is missing, damaged or no checkpoint, or needs more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such checkpoint") from None
    except Exception as error:  # damaged bytes raise nearly anything
        raise ValueError(
            f"{path} is refused: it is damaged, or holds more than tensors and plain values (it is read with "
            "weights_only=True). If you trust it, save its state_dict alone and give that file instead. "
            f"Reason: {type(error).__name__}: {str(error)[:300]}"
        ) from error


def tensors_of(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return a checkpoint's tensors under their bare names.

    Args:
        checkpoint: names to tensors, or a mapping that holds them under ``state_dict`` or ``model``. A leading
            ``module.`` and ``network.`` is dropped from the names; values that are no tensors are left out.

    Raises:
        ValueError: there is no tensor.
    """
    content = checkpoint
    while wrapped := [key for key in WRAPPERS if isinstance(content.get(key), Mapping)]:
        content = content[wrapped[0]]
    tensors = {_bare(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(
            f"the checkpoint holds no tensors, neither by name nor under {' or '.join(map(repr, WRAPPERS))}; "
            f"it holds {list(content)[:5]}"
        )
    return tensors


def load_backbone(network: nn.Module, state_dict: Mapping[str, Any]) -> LoadReport:
    """Copy every tensor outside ``head.`` whose name and shape fit; the head keeps its own initialisation.

    A convolution's kernel that lacks the time axis, or has one frame where the network has k, is repeated over
    time and divided by k: on a clip of equal frames it then computes what it did on the frame (Carreira and
    Zisserman, CVPR 2017).

    Args:
        network: has its classifier under ``head``.
        state_dict: of the same network class, maybe with another head; what ``tensors_of`` accepts.

    Raises:
        ValueError: nothing could be loaded.
    """
    given, own = tensors_of(state_dict), network.state_dict()
    backbone = [name for name in own if not name.startswith(HEAD_PREFIX)]
    loaded = {name: _fitted(given[name], own[name].shape) for name in backbone if name in given}
    values = {name: value for name, value in loaded.items() if value is not None}
    if not values:
        raise ValueError(
            f"nothing could be loaded: the network expects names like {backbone[:3]}, "
            f"the checkpoint holds {list(given)[:3]}"
        )
    _copy(values, own)
    return LoadReport(
        loaded=tuple(values),
        missing=tuple(name for name in backbone if name not in given),
        unused=tuple(name for name in given if name not in own and not name.startswith(HEAD_PREFIX)),
        mismatched=tuple(name for name, value in loaded.items() if value is None),
        inflated=tuple(name for name in values if given[name].shape != own[name].shape),
    )


def load_network(network: nn.Module, state_dict: Mapping[str, Any]) -> LoadReport:
    """Copy the whole network, head included, as one trained network must be: each tensor in its own shape.

    Only the counters of batch normalisations may be missing (files from before PyTorch 0.4.1 have none).

    Args:
        network: is to compute what the network of the checkpoint did.
        state_dict: what ``tensors_of`` accepts.

    Raises:
        ValueError: a tensor of the network is missing or has another shape; nothing is copied then.
    """
    given, own = tensors_of(state_dict), network.state_dict()
    wrong = [name for name in own if name in given and given[name].shape != own[name].shape]
    if wrong:
        wrong.sort(key=lambda name: not name.startswith(HEAD_PREFIX))  # a head of other classes is the usual case
        sizes = (f"{name} is {_size(given[name])} in the checkpoint and {_size(own[name])} in the network"
                 for name in wrong[:3])  # fmt: skip
        raise ValueError(f"{len(wrong)} tensors have another shape: {'; '.join(sizes)}")
    missing = tuple(name for name in own if name not in given)
    needed = [name for name in missing if not name.endswith(".num_batches_tracked")]
    if needed:
        raise ValueError(
            f"the checkpoint lacks {len(needed)} of the network's {len(own)} tensors, such as {needed[:3]}; "
            f"it holds {list(given)[:3]}"
        )
    values = {name: given[name] for name in own if name in given}
    _copy(values, own)
    return LoadReport(
        loaded=tuple(values), missing=missing, unused=tuple(name for name in given if name not in own), mismatched=()
    )


def _fitted(tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """Return the tensor in this shape: as it is, or repeated over time; None if it does not fit."""
    if tensor.shape == shape:
        return tensor
    if len(shape) != 5:
        return None
    kernel = tensor.unsqueeze(2) if tensor.dim() == 4 else tensor
    if kernel.shape != (*shape[:2], 1, *shape[3:]):
        return None
    return (kernel / shape[2]).expand(shape)


def _copy(values: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _bare(name: str) -> str:
    for prefix in ("module.", "network."):
        name = name.removeprefix(prefix)
    return name
