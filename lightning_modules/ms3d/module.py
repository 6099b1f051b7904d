"""MS3D's LightningModule: codes learnt by an N-pair loss, videos judged by the nearest class centre."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from datamodules.batch import ClipBatch
from lightning_modules.backbones.densenet3d import check_same_graph
from lightning_modules.base import ClipClassifier
from lightning_modules.checkpoints import LoadReport, load_backbone, load_network, tensors_of
from lightning_modules.heads.nearest_centre import NearestCentre, weights_fingerprint
from lightning_modules.losses.code_memory import CodeMemory
from lightning_modules.losses.n_pair import NPair
from lightning_modules.losses.over_processes import Gathered, gathered, over_processes
from lightning_modules.ms3d.network import BackboneSpec, Ms3dSpec
from lightning_modules.ms3d.repository import FillRepository
from lightning_modules.recipe import Recipe


class VideoNetwork(nn.Module):
    """Put a head on a backbone's features.

    Args:
        backbone: clips to features ``(N, feature_channels)``.
        head: features to class scores.
    """

    def __init__(self, *, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, clips: Tensor) -> Tensor:
        """Return class scores ``(N, K)`` of clips ``(N, 3, T, H, W)``."""
        return self.head(self.backbone(clips))


class Ms3d(ClipClassifier):
    """Train MS3D, or a network that it is compared with.

    Defaults are the paper's MS3D. With an N-pair loss the class scores are minus the squared distances to class
    centres, which follow the codes during training and are set from all training videos at its end.

    Args:
        backbone: description of the network: MS3D's, or any with ``build()`` and ``feature_channels``.
        loss: the N-pair loss on codes; None: cross-entropy on a linear classifier.
        num_classes: K.
        recipe: how to train.
    """

    view_score = "logits"
    views_per_forward = 2  # clips of 49 frames
    network: VideoNetwork

    def __init__(
        self,
        *,
        backbone: BackboneSpec = Ms3dSpec(),  # noqa: B008 - frozen
        loss: NPair | None = NPair(),  # noqa: B008
        num_classes: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(num_classes=num_classes, recipe=recipe)
        features: Any = backbone.build()
        head: nn.Module
        if loss is not None:
            unit = loss.temperature is not None  # such a loss sees codes of length one
            head = NearestCentre(code_dim=features.feature_channels, num_classes=num_classes, unit=unit)
        else:
            head = nn.Linear(features.feature_channels, num_classes)
        self.network, self.loss = VideoNetwork(backbone=features, head=head), loss
        self.memory: CodeMemory | None = None
        if loss is not None and loss.memory:
            self.memory = CodeMemory(num_classes=num_classes, size=loss.memory)
        self._gathered: Gathered | None = None

    @property
    def repository(self) -> NearestCentre | None:
        """Return the repository of class centres; None where a linear classifier is trained."""
        return self.network.head if isinstance(self.network.head, NearestCentre) else None

    # -- weights ----------------------------------------------------------------------------------------

    def load_initial(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Start from a checkpoint's backbone; the head stays new.

        Raises:
            ValueError: nothing fits, or its layers are connected in another way.
        """
        check_same_graph(self.network, tensors_of(state_dict))
        return load_backbone(self.network, state_dict)

    def load_released(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Take a trained network as it is, its repository included.

        Raises:
            ValueError: tensors that do not fit, other connections, or a repository of another network's codes.
        """
        check_same_graph(self.network, tensors_of(state_dict))
        report = load_network(self.network, state_dict)
        self.check_repository()
        return report

    def check_repository(self) -> None:
        """Refuse class centres that are not of this network's codes.

        Raises:
            ValueError: the repository is empty, or another network filled it.
        """
        if self.repository is not None:
            self.repository.check(weights_fingerprint(self.network.backbone))

    # -- training ---------------------------------------------------------------------------------------

    def configure_callbacks(self) -> list[L.Callback]:
        """Fill the repository when training ends."""
        return [FillRepository()] if self.repository is not None else []

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        """Return ``codes`` ``(M, D)`` and ``logits`` ``(M, K)`` of single clips ``(M, 3, T, H, W)``."""
        codes = self.network.backbone(clips)
        return {"codes": codes, "logits": self.network.head(codes)}

    def training_outputs(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Return :meth:`view_outputs` by the class centres so far, which then follow the new codes."""
        outputs = super().training_outputs(batch)
        if self.repository is not None:
            labels = batch.labels.repeat_interleave(batch.clips.shape[1])
            self.repository.follow(outputs["codes"].detach(), labels)
            ignored = torch.zeros_like(batch.labels, dtype=torch.bool) if batch.ignored is None else batch.ignored
            counted = ~ignored.repeat_interleave(batch.clips.shape[1])
            self._gathered = gathered(outputs["codes"], labels, counted)
        return outputs

    def loss_terms(self, outputs: dict[str, Tensor], labels: Tensor, batch: ClipBatch) -> dict[str, Tensor]:
        """Return the N-pair loss and the penalty on the codes' length, over all processes' clips; or the cross-entropy.

        Raises:
            ValueError: fewer than two classes have two clips in the batch; or the codes overflow.
        """
        if self.loss is None:
            return super().loss_terms(outputs, labels, batch)

        def compared(codes: Tensor, labels: Tensor) -> dict[str, Tensor]:
            assert self.loss is not None
            return self.loss(codes, labels, self.memory)

        if self._gathered is None:
            return compared(outputs["codes"], labels)
        return over_processes(compared, outputs["codes"], self._gathered)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the codes to compare with, so that a training goes on as if it had not stopped."""
        if self.memory is not None:
            checkpoint["code_memory"] = self.memory.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them up again; a checkpoint without any starts with none."""
        if self.memory is not None and "code_memory" in checkpoint:
            self.memory.load_state_dict(checkpoint["code_memory"])

    def on_test_start(self) -> None:
        """Check the repository before anything is judged by it."""
        self.check_repository()

    @torch.no_grad()
    def codes(self, clips: Tensor) -> Tensor:
        """Return each video's code ``(N, D)``, the mean over its views, of clips ``(N, V, 3, T, H, W)``."""
        num_videos = len(clips)
        groups = [
            self.network.backbone(group.flatten(0, 1)).float().unflatten(0, (num_videos, -1))
            for group in clips.split(self.views_per_forward, dim=1)
        ]
        return torch.cat(groups, dim=1).mean(1)
