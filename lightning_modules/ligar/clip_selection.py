"""Adaptive Clip Selection, training side: tell the data module how each clip was predicted (Sec. V.ii, eq. 2)."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from datamodules.batch import ClipBatch


class ClipSelectionFeedback(L.Callback):
    """After each training step, report the clips' outcome to ``trainer.datamodule.record_clips``.

    Every process reports the clips of all processes, so that all hold the same scores. The scores change sampling from
    the next epoch on, for which the data module takes an immutable copy at each epoch start.

    Videos that the step ignored are reported like all others, against their true labels: once their clips are
    recognised they come back. In joint training the module's scores hold -1 for the classes of other sets, so that a
    clip's outcome is its own head's.

    Args:
        confidence: ``"cosine"`` takes the largest class score as it is (the released code; for cosine heads),
            ``"probability"`` the largest softmax probability (the paper's word).
    """

    def __init__(self, *, confidence: str = "cosine") -> None:
        if confidence not in ("cosine", "probability"):
            raise ValueError(f"confidence={confidence!r}; accepted: 'cosine', 'probability'")
        self.confidence = confidence

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Let the coming epoch sample by the scores gathered so far."""
        data = _selecting(trainer)
        if data is not None:
            data.begin_epoch()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: ClipBatch, batch_idx: int
    ) -> None:
        """Report the clips of this step, except in the first epoch (Sec. V.ii: its predictions are volatile)."""
        data = _selecting(trainer)
        if data is None or not data.clip_selection.records(trainer.current_epoch):
            return
        outcome = clip_outcome(outputs["logits"], batch, self.confidence)
        if trainer.world_size > 1:
            gathered: list = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, outcome)
            outcome = {name: np.concatenate([part[name] for part in gathered]) for name in outcome}
        data.record_clips(**outcome)


def _selecting(trainer: L.Trainer) -> Any:
    """Return the trainer's data module if it selects clips, else None."""
    data = getattr(trainer, "datamodule", None)
    return data if getattr(data, "clip_scores", None) is not None else None


def clip_outcome(logits: Tensor, batch: ClipBatch, confidence: str) -> dict[str, np.ndarray]:
    """Describe what was predicted for each of the batch's ``N * V`` clips.

    Args:
        logits: ``(N, V, K)`` class scores of the training step.
        batch: the step's batch.
        confidence: see :class:`ClipSelectionFeedback`.

    Returns:
        The arguments of ``record_clips``, each ``(N * V,)``. A clip covers all source frames from its first to its
        last, not only the sampled ones.
    """
    scores = logits.float() if confidence == "cosine" else logits.float().softmax(-1)
    best, predicted = scores.flatten(0, 1).max(1)
    num_views = logits.shape[1]
    frames = batch.frame_indices.flatten(0, 1)  # (N * V, T)
    labels = batch.labels.repeat_interleave(num_views)
    columns = {
        "video_index": batch.video_index.repeat_interleave(num_views),
        "first": frames.amin(1),
        "end": frames.amax(1) + 1,
        "num_frames": batch.num_frames.repeat_interleave(num_views),
        "correct": predicted == labels,
        "confidence": best,
    }
    return {name: column.cpu().numpy() for name, column in columns.items()}
