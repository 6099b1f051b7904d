"""The one base class of every paper's LightningModule: stages, losses, views, and scores per test video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.batch import ClipBatch
from lightning_modules.checkpoints import LoadReport, load_backbone, load_network
from lightning_modules.recipe import Recipe


class ClipClassifier(L.LightningModule):
    """Classify videos from clips.

    A paper's module sets :attr:`network`, whose parameters under ``network.head`` are what a head-only stage trains,
    and overrides :meth:`view_outputs`, :meth:`training_outputs` and :meth:`loss_terms` where it differs.

    Args:
        num_classes: K.
        recipe: how to train.
    """

    harness_arguments = frozenset({"num_classes", "recipe"})
    view_score = "logits"  # what is averaged over the views of a test video: "logits" or "probs"
    views_per_forward = 10  # a test video's views run in groups of this size, to bound memory

    network: Any  # a torch.nn.Module whose classifier stands under ``head``

    def __init__(self, *, num_classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.num_classes, self.recipe = num_classes, recipe
        self.test_videos: list[Tensor] = []
        self.test_scores: list[Tensor] = []
        self._validation_hits: list[Tensor] = []

    # -- forward ----------------------------------------------------------------------------------------

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        """Run the network on single clips.

        Args:
            clips: ``(M, C, T, H, W)``, normalised RGB.

        Returns:
            ``logits`` ``(M, K)`` and whatever else :meth:`loss_terms` needs.
        """
        return {"logits": self.network(clips)}

    def forward(self, clips: Tensor) -> Tensor:
        """Return class scores ``(N, K)`` of clips ``(N, V, C, T, H, W)``, averaged over the V views."""
        num_videos, num_views = clips.shape[:2]
        groups = [
            _single(self.view_outputs(group.flatten(0, 1))["logits"]).unflatten(0, (num_videos, -1))
            for group in clips.split(self.views_per_forward, dim=1)
        ]
        scores = torch.cat(groups, dim=1)  # (N, V, K)
        if self.view_score == "probs":
            scores = scores.softmax(-1)
        return scores.mean(1)

    def own_scores(self, scores: Tensor, batch: ClipBatch) -> Tensor:
        """Return class scores as far as they count for each video: as they are, unless videos differ in their classes.

        Args:
            scores: ``(N, ..., K)``.
            batch: the N videos.
        """
        return scores

    # -- initial weights --------------------------------------------------------------------------------

    def initialise_from_scratch(self) -> None:
        """Set the initial weights of a training that starts from no checkpoint; the constructor's by default."""

    def load_initial(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Start from a checkpoint's backbone; the head keeps its own initialisation.

        Raises:
            ValueError: nothing could be loaded.
        """
        return load_backbone(self.network, state_dict)

    def load_released(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Take a trained network as it is, backbone and head, as its authors released it.

        Raises:
            ValueError: the checkpoint's head is of another size.
        """
        return load_network(self.network, state_dict)

    # -- training ---------------------------------------------------------------------------------------

    def training_outputs(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Run a training step's forward pass; override it where training does more than scoring clips.

        Returns:
            What :meth:`view_outputs` returns, for the ``M = N V`` clips, the V clips of a video one after another.
        """
        return self.view_outputs(batch.clips.flatten(0, 1))

    def loss_terms(self, outputs: dict[str, Tensor], labels: Tensor, batch: ClipBatch) -> dict[str, Tensor]:
        """Return the named terms whose sum is the loss; cross-entropy by default.

        Args:
            outputs: of :meth:`training_outputs`, M clips.
            labels: ``(M,)``.
            batch: the N videos; the V clips of each are V rows one after another in ``outputs`` and ``labels``.
        """
        return {"loss_cross_entropy": F.cross_entropy(outputs["logits"], labels)}

    def training_step(self, batch: ClipBatch, batch_idx: int) -> dict[str, Tensor]:
        """Return the loss and, for callbacks, the clips' scores ``(N, V, K)``.

        Videos marked as ignored go through the network, and their scores are returned, but neither the loss nor a
        logged value counts them. Where all are ignored the loss is 0, with zero gradients, and nothing is logged.
        """
        num_videos, num_views = batch.clips.shape[:2]
        outputs = self.training_outputs(batch)
        labels = batch.labels.repeat_interleave(num_views)
        logits = self.own_scores(outputs["logits"].detach().unflatten(0, (num_videos, num_views)), batch)  # (N, V, K)
        hits = logits.flatten(0, 1).argmax(1) == labels
        if batch.ignored is not None and batch.ignored.any():
            if batch.ignored.all():
                return {"loss": (0 * outputs["logits"]).sum(), "logits": logits}
            counted = ~batch.ignored.repeat_interleave(num_views)
            outputs = {name: rows[counted] for name, rows in outputs.items()}
            labels, hits, batch = labels[counted], hits[counted], batch.select(~batch.ignored)
        terms = self.loss_terms(outputs, labels, batch)
        loss = torch.stack([*terms.values()]).sum()
        top1 = hits.float().mean() * 100
        self.log_dict(
            {"train/loss": loss.detach(), "train/top1": top1, **{f"train/{k}": v.detach() for k, v in terms.items()}},
            on_step=False,
            on_epoch=True,
            batch_size=len(batch),
            sync_dist=True,
        )
        return {"loss": loss, "logits": logits}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the recipe's optimiser; its learning rate is set before every step."""
        return self.recipe.optimizer.build(self.parameters(), self.recipe.lr_at(0, 0.0))

    def on_train_epoch_start(self) -> None:
        """Freeze or free the backbone, as the stage of this epoch says."""
        self.train_stage()

    def train_stage(self) -> None:
        """Make the parameters of the current stage trainable; a frozen backbone keeps its batch-norm statistics."""
        head_only = self.recipe.stage_at(self.current_epoch).trainable == "head"
        self.network.train()
        for parameter in self.network.parameters():
            parameter.requires_grad_(not head_only)
        if head_only:
            self.network.eval()
            self.network.head.train()
            for parameter in self.network.head.parameters():
                parameter.requires_grad_(True)

    def epoch_progress(self, batch_idx: int) -> float:
        """Return the share of the current epoch that lies behind."""
        return batch_idx / max(1, self.trainer.num_training_batches)

    def on_train_batch_start(self, batch: ClipBatch, batch_idx: int) -> None:
        """Set this step's learning rate: a function of the epoch and the share of it done, so nothing to resume."""
        lr = self.recipe.lr_at(self.current_epoch, self.epoch_progress(batch_idx))
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = lr

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None) -> None:
        """Clip as the recipe says (after averaging over processes)."""
        if self.recipe.clipping is not None:
            self.recipe.clipping.apply(self.parameters())

    # -- evaluation -------------------------------------------------------------------------------------

    def predict_scores(self, batch: ClipBatch) -> Tensor:
        """Return ``(N, K)`` class scores; not-a-number for a video that could not be decoded."""
        scores = self.own_scores(self(batch.clips).float(), batch)
        scores[batch.num_frames == 0] = float("nan")
        return scores

    def validation_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Count the videos whose class scores highest."""
        scores = self.predict_scores(batch).nan_to_num(-torch.inf)
        self._validation_hits.append((scores.argmax(1) == batch.labels) & (batch.num_frames > 0))

    def on_validation_epoch_end(self) -> None:
        """Log ``val/top1`` in percent."""
        hits = torch.cat(self._validation_hits).float()
        self._validation_hits.clear()
        counted = torch.stack([hits.sum(), torch.tensor(float(len(hits)), device=hits.device)])
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(counted)
        self.log("val/top1", 100 * counted[0] / counted[1])

    def test_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Keep the scores of each video: every metric is computed from them afterwards."""
        self.test_scores.append(self.predict_scores(batch).cpu())
        self.test_videos.append(batch.video_index.cpu())

    def on_test_epoch_start(self) -> None:
        """Forget an earlier test."""
        self.test_scores.clear()
        self.test_videos.clear()

    def collect_test_scores(self) -> tuple[Tensor, Tensor]:
        """Return ``(video_index (N,), scores (N, K))`` of the last test, over all processes, each video once."""
        videos, scores = torch.cat(self.test_videos), torch.cat(self.test_scores)
        if self.trainer.world_size > 1:
            gathered: list = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (videos, scores))
            videos, scores = (torch.cat(parts) for parts in zip(*gathered, strict=True))
        order = videos.argsort(stable=True)
        videos, scores = videos[order], scores[order]
        first = torch.cat([torch.ones(1, dtype=torch.bool), videos[1:] != videos[:-1]])
        return videos[first], scores[first]


def _single(scores: Tensor) -> Tensor:
    """Return half-precision scores in single precision, others as they are: a mean of halves ties classes."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))
