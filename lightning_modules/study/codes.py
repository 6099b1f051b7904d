"""MS3D's nearest class centres on ACTION-Net's features, learnt by MS3D's N-pair loss or by ACTION-Net's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
from torch import Tensor, nn

from lightning_modules.action_net import ActionNet
from lightning_modules.action_net.excitation import CE, ME, STE, Excitation, Shift
from lightning_modules.action_net.network import ActionNetwork
from lightning_modules.backbones.resnet2d import RESNET50
from lightning_modules.heads.nearest_centre import NearestCentre, weights_fingerprint
from lightning_modules.layers.segment_network import BackboneSpec
from lightning_modules.ms3d.repository import FillRepository
from lightning_modules.recipe import Recipe


class ActionCodes(ActionNetwork):
    """ACTION-Net whose linear layer puts out a code in place of class scores: the mean over the frames' codes.

    The layer starts as PyTorch's: from ACTION-Net's deviation of 0.001 all codes would be nil, and with them the N-pair
    loss's gradient.

    Args:
        spec: see :class:`ActionCodesSpec`.
    """

    def __init__(self, spec: ActionCodesSpec) -> None:
        super().__init__(
            num_classes=spec.code_dim,
            backbone=spec.backbone,
            reduction=spec.reduction,
            shift_divisor=spec.shift_divisor,
            dropout=0.0,
        )
        self.feature_channels = spec.code_dim
        self.head.reset_parameters()


@dataclass(frozen=True, kw_only=True)
class ActionCodesSpec:
    """Describe ACTION-Net with a code; the defaults are the paper's ACTION-Net and MS3D's size of codes.

    Args:
        backbone: description of the 2D network.
        reduction: of the channels inside CE and ME.
        shift_divisor: each shifted group is one of so many parts of the channels.
        code_dim: D.
    """

    backbone: BackboneSpec = RESNET50
    reduction: int = 16
    shift_divisor: int = 8
    code_dim: int = 256

    def build(self) -> ActionCodes:
        """Return the network: clips ``(N, 3, T, H, W)`` to codes ``(N, D)``."""
        return ActionCodes(self)


class PooledFeatures(nn.Module):
    """Give a segment network's features as a code: the mean over frames and places of its last maps.

    Args:
        network: whose features they are; it is used, not copied.
    """

    def __init__(self, network: ActionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        """Return codes ``(N, F)`` of clips ``(N, 3, T, H, W)``."""
        return self.network.feature_maps(clips).mean(dim=(1, 3, 4))


class CentreJudgedActionNet(ActionNet):
    """Train ACTION-Net as it is, then judge videos by the nearest class centre of its features, without a classifier.

    Until training ends, validation included, the classifier scores; then the repository of centres is filled from all
    training videos, as MS3D's is, and takes its place.

    Args:
        backbone: see :class:`~lightning_modules.action_net.module.ActionNet`, also for what follows.
        shift: see there.
        excitations: see there.
        reduction: see there.
        dropout: see there.
        head_lr_scale: see there.
        num_classes: K.
        recipe: how to train.
    """

    def __init__(
        self,
        *,
        backbone: BackboneSpec = RESNET50,
        shift: Shift | None = "learnable",
        excitations: Sequence[Excitation] = (STE, CE, ME),
        reduction: int = 16,
        dropout: float = 0.5,
        head_lr_scale: float = 5.0,
        num_classes: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(
            backbone=backbone, shift=shift, excitations=excitations, reduction=reduction, dropout=dropout,
            head_lr_scale=head_lr_scale, num_classes=num_classes, recipe=recipe,
        )  # fmt: skip
        # Outside of ``network``: a pre-training's centres are not loaded, they are of other classes.
        self.repository = NearestCentre(code_dim=self.network.head.in_features, num_classes=num_classes)

    def coding(self) -> Any:
        """Return what fills and asks the repository: its ``backbone`` gives codes, its ``head`` are the centres."""
        return _Coding(PooledFeatures(self.network), self.repository)

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        """Return ``logits`` ``(M, K)``: the classifier's, once the repository is filled minus squared distances."""
        # On the meta device, where costs are counted, nothing is ever filled.
        filled = not self.repository.filled_with.is_meta and int(self.repository.filled_with)
        if self.training or not filled:
            return super().view_outputs(clips)
        return {"logits": self.repository(PooledFeatures(self.network)(clips))}

    def configure_callbacks(self) -> Sequence[L.Callback]:
        """Fill the repository when training ends."""
        return [FillRepository(lambda module: module.coding())]

    def on_test_start(self) -> None:
        """Refuse centres that are not of this network's features.

        Raises:
            ValueError: the repository is empty, or another network filled it.
        """
        self.repository.check(weights_fingerprint(self.coding().backbone))


@dataclass(frozen=True)
class _Coding:
    backbone: PooledFeatures
    head: NearestCentre
