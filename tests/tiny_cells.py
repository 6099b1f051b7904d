"""The smallest cells that have everything: LIGAR at smoke size on tiny members of the benchmark."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch

from datamodules.base import ClipDataModule
from datamodules.batch import ClipBatch
from datamodules.clip_selection import ClipSelection
from datamodules.ligar import SMOKE_DATA, LigarData
from datamodules.synthetic.members import Member
from datamodules.synthetic.stand_ins import stand_in
from experiments.harness import Build
from experiments.harness.callbacks import EpochSeed, set_all_seeds
from experiments.harness.cell import Evaluation, Training
from experiments.harness.runner import Runtime, build_training_module
from experiments.harness.store import Store
from experiments.harness.tracking import Tracking
from lightning_modules.base import ClipClassifier
from lightning_modules.heads.nearest_centre import NearestCentre, weights_fingerprint
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.profiles import SMOKE_MODULE, SMOKE_RECIPE

UNTRIMMED = dataclasses.replace(stand_in("ActivityNet-200").tiny(), num_train=8, num_val=7)
SCENES = dataclasses.replace(stand_in("UCF-101").tiny(), num_train=8, num_val=7)
SOURCE = dataclasses.replace(stand_in("Kinetics-700").tiny(), num_train=8, num_val=4)

# A video is ready as soon as one clip of it was seen, so that the second recorded epoch already selects.
EAGER = ClipSelection(ready_fraction=0.0, first_epoch=1)


def recipe(**changes: Any):
    """Return the smoke recipe with changes."""
    return dataclasses.replace(SMOKE_RECIPE, **changes)


def training(source: Member = UNTRIMMED, *, seed: int = 0, init: Any = None, **data: Any) -> Training:
    """Return the training cell of LIGAR on a source; keywords go to the data module."""
    return Training(
        paper="ligar",
        module=Build(Ligar, **SMOKE_MODULE),
        data=Build(LigarData, source=source, **{**SMOKE_DATA, **data}),
        recipe=SMOKE_RECIPE,
        num_classes=source.num_classes,
        seed=seed,
        init=init,
        profile="smoke",
    )


def evaluation(cell: Training, **data: Any) -> Evaluation:
    """Return the test of a training."""
    return Evaluation(training=cell, data=cell.data.with_arguments(data, where="test"))


def runtime(folder: Path, **changes: Any) -> Runtime:
    """Return a runtime that writes into a folder and logs to CSV alone."""
    quiet = dict(store=Store(folder), tracking=Tracking("none", folder), report=lambda values: None)
    return Runtime(**{**quiet, **changes})


def ligar(source: Member = UNTRIMMED, **changes: Any) -> Ligar:
    """Return an untrained LIGAR, always the same."""
    set_all_seeds(0)
    module = Ligar(**{**SMOKE_MODULE, "num_classes": source.num_classes, "recipe": SMOKE_RECIPE, **changes})
    module.initialise_from_scratch()
    return module


def ligar_data(source: Any = UNTRIMMED, **changes: Any) -> LigarData:
    """Return LIGAR's data module on a source."""
    return LigarData(**{"source": source, "batch_size": 4, **SMOKE_DATA, **changes})


def fit(
    module: L.LightningModule, data: ClipDataModule, *, epochs: int, callbacks: Sequence[L.Callback] = (),
    ckpt_path: Path | None = None,
) -> L.Trainer:  # fmt: skip
    """Train with a real Trainer that writes nothing."""
    trainer = L.Trainer(
        max_epochs=epochs, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, limit_val_batches=0,
        use_distributed_sampler=False, callbacks=[EpochSeed(data.seed), *callbacks],
    )  # fmt: skip
    trainer.fit(module, datamodule=data, ckpt_path=ckpt_path, weights_only=True)
    return trainer


def same_state(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Say whether two state dicts hold the same bits."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def some_clips(num_videos: int, num_views: int, *, num_frames: int = 4, size: int = 32) -> torch.Tensor:
    """Return clips whose views differ in level and contrast."""
    shape = (num_videos, num_views, 3, num_frames, size, size)
    contrast, level = torch.rand(*shape[:2], 1, 1, 1, 1), torch.randn(*shape[:3], 1, 1, 1)
    return torch.randn(shape) * (0.3 + contrast) + level


def batch_of(clips: torch.Tensor, labels: torch.Tensor, **changes: Any) -> ClipBatch:
    """Return a batch around clips ``(N, V, C, T, H, W)``, all of one set; keywords replace its other columns."""
    n, v, _, t = clips.shape[:4]
    columns = dict(
        video_index=torch.arange(n), frame_indices=torch.arange(t).expand(n, v, t), num_frames=torch.full((n,), 20),
        source_index=torch.zeros(n, dtype=torch.long),
    )  # fmt: skip
    return ClipBatch(clips=clips, labels=labels, **{**columns, **changes})


def lively(module: ClipClassifier, size: int = 32) -> ClipClassifier:
    """Draw all weights of normalisations and measure their statistics; return the module in evaluation mode.

    A network that was trained for a few steps only, or that starts with silent branches, scores all clips alike.
    """
    torch.manual_seed(1)
    if isinstance(module.network.head, torch.nn.Linear):  # some start next to zero
        torch.nn.init.normal_(module.network.head.weight, std=module.network.head.in_features**-0.5)
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            if layer.affine:
                torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
                torch.nn.init.normal_(layer.bias, std=0.1)
            layer.momentum = None  # averages over all passes
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(some_clips(4, 2, size=size))
    return module.eval()


def save_lively_weights(cell: Training, store: Store) -> None:
    """Leave weights that tell videos apart where the cell's training would leave its own."""
    folder = store.folder(cell)
    folder.path.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    module = lively(build_training_module(cell))
    if isinstance(head := module.network.head, NearestCentre):
        counts = torch.ones(module.num_classes, dtype=torch.int64)
        head.fill(head.centres.clone(), counts, fingerprint=weights_fingerprint(module.network.backbone))
    torch.save({"state_dict": module.state_dict()}, folder.weights)
