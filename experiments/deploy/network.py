"""A network to recognise with, whatever it is stored as: a checkpoint or an exported folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, overload

import numpy as np
import torch
from torch import Tensor

from datamodules.batch import InputSpec
from experiments.deploy.checkpoint import load_checkpoint_module
from experiments.deploy.exported import MANIFEST, ExportedNetwork, clip_shape
from experiments.deploy.inference import confidence_scale, inference_network, rejection_distance


class Network(Protocol):
    """Score clips, and say what they must be like."""

    input_spec: InputSpec
    view_score: str
    confidence_scale: float
    rejection_distance: float | None

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """Return ``(M, K)`` scores of normalised clips ``(M, C, T, H, W)``."""
        ...


class CheckpointNetwork:
    """Score clips with PyTorch, by a checkpoint of a table; batch normalisation is folded.

    Args:
        path: the checkpoint.

    Raises:
        ValueError: see :func:`experiments.deploy.load_checkpoint_module`.
    """

    def __init__(self, path: Path | str) -> None:
        module, self.input_spec = load_checkpoint_module(path)
        self.view_score: str = module.view_score
        self.confidence_scale = confidence_scale(module)
        self.rejection_distance = rejection_distance(module)
        clips = torch.randn(1, *clip_shape(self.input_spec), generator=torch.Generator().manual_seed(0))
        self._network, _ = inference_network(module, clips)

    @overload
    def __call__(self, clips: Tensor) -> Tensor: ...
    @overload
    def __call__(self, clips: np.ndarray) -> np.ndarray: ...
    def __call__(self, clips: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """Return ``(M, K)`` scores of normalised clips ``(M, C, T, H, W)``: array of array, tensor of tensor."""
        with torch.no_grad():
            if isinstance(clips, Tensor):
                return self._network(clips)
            return self._network(torch.from_numpy(clips)).numpy()


def open_network(path: Path | str, *, threads: int = 1) -> CheckpointNetwork | ExportedNetwork:
    """Open a checkpoint, or an exported network by its folder or a file in it.

    Args:
        path: what to open.
        threads: of an exported network's runtime.

    Raises:
        ValueError: nothing usable there.
    """
    path = Path(path)
    if path.is_dir() or (path.parent / MANIFEST).is_file():
        return ExportedNetwork(path, threads=threads)
    return CheckpointNetwork(path)
