"""Curves hold one value per epoch of what each batch of the epoch said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.harness.callbacks import Curves

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
