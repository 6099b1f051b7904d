"""What the harness adds to a training: seeding, curves, a checkpoint per epoch, and a report of where it stands."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint

from lightning_modules.checkpoints import read_checkpoint

REPORT_SEC = 0.5


def set_all_seeds(*entropy: int) -> None:
    """Seed every global generator with a value derived from all the numbers given."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class EpochSeed(L.Callback):
    """Seed each epoch from (seed, epoch), so that a resumed training draws what an uninterrupted one draws."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Seed the epoch; processes differ."""
        set_all_seeds(self.seed, trainer.current_epoch, trainer.global_rank)


class Curves(L.Callback):
    """Keep one value per logged key and epoch; they travel in the checkpoint, so that a resumed run has all of them.

    Args:
        track: called with the epoch's values (live tracking).
    """

    def __init__(self, track: Callable[[dict[str, float], int], None] = lambda values, epoch: None) -> None:
        self.values: dict[str, list[list[float]]] = {}
        self.track = track
        self._action_share: list[float] = []
        self._without_action: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Note how much of the true action the clips held, where that is known (for analysis only)."""
        share = trainer.datamodule.true_action_share(batch)
        if share is not None:
            self._action_share.append(float(share.mean()))
            self._without_action.append(trainer.datamodule.clips_without_action(batch))

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Append this epoch's values."""
        epoch = trainer.current_epoch
        validated = (epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        values = {
            key: float(value)
            for key, value in trainer.callback_metrics.items()
            if key.startswith("train/") or (key.startswith("val/") and validated)
        }
        values["train/lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        if self._action_share:
            values["train/action_share"] = float(np.mean(self._action_share))
            values["train/clips_without_action"] = float(np.mean(self._without_action))
            self._action_share.clear()
            self._without_action.clear()
        for key, value in values.items():
            self.values.setdefault(key, []).append([epoch, value])
        self.track(values, epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the curves so far."""
        return {"values": self.values}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the curves."""
        self.values = {key: [list(point) for point in points] for key, points in state_dict["values"].items()}


class EpochCheckpoint(Checkpoint):
    """Write ``last.ckpt`` at each epoch's end, whole or not at all.

    It derives from Lightning's ``Checkpoint`` so that it runs after every other callback of the epoch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save; the last epoch needs no checkpoint, its weights are the result."""
        if trainer.current_epoch + 1 >= (trainer.max_epochs or 0):
            return
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        trainer.save_checkpoint(temporary, weights_only=False)
        if trainer.is_global_zero:
            os.replace(temporary, self.path)


class Report(L.Callback):
    """Tell the scheduler where the training stands, at most twice a second.

    Args:
        report: receives ``epoch``, ``epochs``, ``done`` (share of the training), ``loss``.
    """

    def __init__(self, report: Callable[[dict[str, Any]], None]) -> None:
        self.report = report
        self._last = 0.0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Report the epoch, the share done and the loss."""
        now = time.monotonic()
        if now - self._last < REPORT_SEC:
            return
        self._last = now
        done = (trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches) / trainer.max_epochs
        self.report(
            {
                "epoch": trainer.current_epoch + 1,
                "epochs": trainer.max_epochs,
                "done": done,
                "loss": float(outputs["loss"].detach()),
            }
        )


class LeftOut(L.Callback):
    """Count the training clips that were left out because their video could not be decoded (on this process)."""

    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        """Count what the batch lacks; every batch is asked for whole."""
        self.count += trainer.datamodule.batch_size - len(batch)

    def state_dict(self) -> dict[str, Any]:
        """Return the count so far."""
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the count."""
        self.count = state_dict["count"]


class UnscaleBeforeClipping(L.Callback):
    """Have half precision's loss scale taken out of the gradients before the recipe clips them.

    A fused optimiser would take it out itself, in its step: after the clipping, which then would cut nearly everything.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the unscaling to the precision plugin."""
        for optimizer in trainer.optimizers:
            optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


class MadeBy(L.Callback):
    """Note in each checkpoint which code trains.

    Args:
        sources: its hash.
    """

    def __init__(self, sources: str) -> None:
        self.sources = sources

    def state_dict(self) -> dict[str, Any]:
        """Return the hash."""
        return {"sources": self.sources}

    def began(self, path: Path) -> bool:
        """Say whether this code made a checkpoint: a training that other code began starts anew.

        Raises:
            ValueError: it is damaged (Lightning's own error does not say which file it is).
        """
        try:
            callbacks = read_checkpoint(path).get("callbacks", {})
        except ValueError as error:
            raise ValueError(f"{path} is damaged; delete it to start this training again. {error}") from error
        return callbacks.get(self.state_key) == self.state_dict()
