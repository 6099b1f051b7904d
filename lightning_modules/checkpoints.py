"""Read checkpoints safely and move a backbone's weights into a network with another head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

HEAD_PREFIX = "head."


@dataclass(frozen=True)
class LoadReport:
    """Say which tensors a checkpoint filled.

    Args:
        loaded: names in the network that received a value.
        missing: names in the backbone that the checkpoint lacks: they keep their initial value.
        unused: names in the checkpoint that the backbone has no place for.
        mismatched: names present in both with another shape.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    mismatched: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.loaded)} tensors loaded, {len(self.missing)} missing, {len(self.mismatched)} of another shape, "
            f"{len(self.unused)} unused"
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


def load_backbone(network: nn.Module, state_dict: Mapping[str, Tensor]) -> LoadReport:
    """Copy every tensor outside ``head.`` whose name and shape fit; the head keeps its own initialisation.

    Args:
        network: has its classifier under ``head``.
        state_dict: of the same network class, maybe with another head; a leading ``network.`` or ``module.`` is
            dropped from its names.

    Raises:
        ValueError: nothing could be loaded.
    """
    given = {_bare(name): tensor for name, tensor in state_dict.items()}
    own = network.state_dict()
    backbone = [name for name in own if not name.startswith(HEAD_PREFIX)]
    loaded = [name for name in backbone if name in given and given[name].shape == own[name].shape]
    if not loaded:
        raise ValueError(
            f"nothing could be loaded: the network expects names like {backbone[:3]}, "
            f"the checkpoint holds {list(given)[:3]}"
        )
    with torch.no_grad():
        for name in loaded:
            own[name].copy_(given[name])
    return LoadReport(
        loaded=tuple(loaded),
        missing=tuple(name for name in backbone if name not in given),
        unused=tuple(name for name in given if name not in own and not name.startswith(HEAD_PREFIX)),
        mismatched=tuple(name for name in backbone if name in given and given[name].shape != own[name].shape),
    )


def _bare(name: str) -> str:
    for prefix in ("module.", "network."):
        name = name.removeprefix(prefix)
    return name
