"""LIGAR with four blocks on clips of 4 frames of 32 x 32, not trained, and its checkpoint as a training leaves it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.batch import InputSpec
from experiments.harness import Build
from experiments.harness.cell import Training
from experiments.harness.runner import _save_weights, build_training_module
from experiments.harness.store import Store
from lightning_modules.base import ClipClassifier
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.network import LARGE
from tests.tiny_cells import ligar_data, lively, training

FEW_BLOCKS = (LARGE[0], LARGE[1], LARGE[2], LARGE[4])  # with and without expansion, skip, gate and temporal stride


def tiny_training(**module: Any) -> Training:
    """Return the cell of the tiny network; keywords go to the module."""
    build = Build(Ligar, **{"width": 0.25, "blocks": FEW_BLOCKS, "embedding_dim": 16, "scale_epochs": 2, **module})
    return dataclasses.replace(training(), module=build)


def tiny_module(cell: Training | None = None) -> ClipClassifier:
    """Return the tiny network with weights that tell clips apart, always the same."""
    torch.manual_seed(0)
    return lively(build_training_module(cell or tiny_training()))


def tiny_spec(**changes: Any) -> InputSpec:
    """Return the input specification of the tiny network."""
    return dataclasses.replace(ligar_data().input_spec, **changes)


def save_tiny_checkpoint(folder: Path, cell: Training | None = None, **data: Any) -> Path:
    """Write the checkpoint that a training of the cell would leave; keywords go to the data module."""
    cell = cell or tiny_training()
    store = Store(folder).folder(cell)
    store.path.mkdir(parents=True)
    _save_weights(tiny_module(cell), ligar_data(**data), cell, store)
    return store.weights


def some_normalised_clips(count: int, seed: int = 0) -> np.ndarray:
    """Return clips whose contrast and level differ."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, 3, 4, 32, 32))
    clips = noise * rng.uniform(0.3, 1.3, (count, 1, 1, 1, 1)) + rng.standard_normal((count, 3, 1, 1, 1))
    return clips.astype(np.float32)


class Recorder:
    """Stand in for a network: class 0 scores the number of calls, the others 1; keep the clips."""

    view_score, confidence_scale = "logits", 1.0
    rejection_distance: float | None = None

    def __init__(self, spec: InputSpec) -> None:
        self.input_spec = spec
        self.clips: list[np.ndarray] = []

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        self.clips.append(clips.copy())
        scores = np.ones((1, len(self.input_spec.class_names)), np.float32)
        scores[0, 0] = len(self.clips)
        return scores
