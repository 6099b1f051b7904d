"""Curves hold one value per epoch of what each batch of the epoch said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision

from experiments.harness.callbacks import Curves, UnscaleBeforeClipping
from lightning_modules.recipe import SGD

SHARES = ([0.0, 0.5, 1.0, 0.0], [0.25, 0.25])


class Data:
    """Say of a batch, which here is its shares, what the data module of the benchmark says."""

    def true_action_share(self, batch: Any) -> Any:
        return None if batch is None else np.array(batch)

    def clips_without_action(self, batch: Any) -> float | None:
        return None if batch is None else 0.125


def curves_of(*batches: Any) -> dict[str, list[list[float]]]:
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.5}])
    trainer: Any = SimpleNamespace(
        datamodule=Data(), current_epoch=0, check_val_every_n_epoch=1, callback_metrics={}, optimizers=[optimizer]
    )
    curves = Curves()
    for index, batch in enumerate(batches):
        curves.on_train_batch_end(trainer, None, None, batch, index)
    curves.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
    return curves.values


def test_what_clips_show_of_the_action_is_what_the_data_module_says():
    values = curves_of(*SHARES)
    assert values["train/clips_without_action"] == [[0, 0.125]], "asked of the data module, not counted here"
    assert values["train/action_share"] == [[0, pytest.approx((0.375 + 0.25) / 2)]]


def test_where_it_is_unknown_there_is_no_such_curve():
    assert set(curves_of(None)) == {"train/lr"}


class SeesItsGradient(L.LightningModule):
    """One number whose gradient is 3; keeps the gradient that clipping is shown, and what a step changes it by."""

    def __init__(self) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return 3 * self.number.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return SGD(momentum=0.0, weight_decay=0.0).build(self.parameters(), lr=1.0)

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None) -> None:
        assert self.number.grad is not None
        self.seen.append(float(self.number.grad))

    def train_dataloader(self) -> list[int]:
        return [0]


@pytest.mark.parametrize(("callbacks", "gradient"), [([UnscaleBeforeClipping()], 3.0), ([], 3.0 * 2**16)])
def test_in_half_precision_gradients_are_clipped_without_the_loss_scale(callbacks, gradient: float):
    """The second case is what a fused optimiser does by itself."""
    module = SeesItsGradient()
    trainer = L.Trainer(
        max_epochs=1, accelerator="cpu", plugins=[MixedPrecision("16-mixed", "cpu")], callbacks=callbacks, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module)
    assert module.seen == [gradient]
    assert float(module.number.detach()) == -3.0, "the step itself is right either way"
