"""ACTION-Net's LightningModule: cross-entropy on averaged logits, and the authors' parameter groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from datamodules.batch import ClipBatch
from lightning_modules.action_net.excitation import CE, ME, STE, Excitation, Shift
from lightning_modules.action_net.network import ActionNetwork
from lightning_modules.action_net.weights import convert
from lightning_modules.backbones.resnet2d import RESNET50
from lightning_modules.base import ClipClassifier
from lightning_modules.checkpoints import LoadReport, load_backbone, load_network
from lightning_modules.layers.segment_network import BackboneSpec
from lightning_modules.recipe import Recipe


class ActionNet(ClipClassifier):
    """Train ACTION-Net, TSM or TSN; the views of a test video are averaged after the softmax (Sec. 4.2).

    Args:
        backbone: description of the 2D network.
        shift: "learnable" (starts as TSM's), "fixed" (TSM's), or None.
        excitations: which of "ste", "ce" and "me" follow the shift.
        stages: those stages of the backbone whose sites get the module; None for all of them.
        shift_elsewhere: give the sites of the other stages TSM's shift.
        reduction: of the channels inside CE and ME.
        shift_divisor: each shifted group is one of so many parts of the channels.
        dense_motion: let ME's 3x3 convolution mix channels.
        dropout: probability, before the classifier.
        head_lr_scale: learning rate of the classifier's weight over the others' (5 in the authors' scripts; the paper
            says nothing of it).
        num_classes: K.
        recipe: how to train.
    """

    view_score = "probs"
    network: ActionNetwork

    def __init__(
        self,
        *,
        backbone: BackboneSpec = RESNET50,
        shift: Shift | None = "learnable",
        excitations: Sequence[Excitation] = (STE, CE, ME),
        stages: Sequence[str] | None = None,
        shift_elsewhere: bool = False,
        reduction: int = 16,
        shift_divisor: int = 8,
        dense_motion: bool = False,
        dropout: float = 0.5,
        head_lr_scale: float = 5.0,
        num_classes: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(num_classes=num_classes, recipe=recipe)
        self.network = ActionNetwork(
            num_classes=num_classes,
            backbone=backbone,
            shift=shift,
            excitations=excitations,
            stages=stages,
            shift_elsewhere=shift_elsewhere,
            reduction=reduction,
            shift_divisor=shift_divisor,
            dense_motion=dense_motion,
            dropout=dropout,
        )
        self.head_lr_scale = head_lr_scale

    def load_initial(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Start from a checkpoint or ImageNet weights of a layout that ``weights.py`` knows; the head stays new.

        Raises:
            ValueError: an unknown layout.
        """
        return load_backbone(self.network, convert(state_dict))

    def load_released(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Take a released network as it is, backbone and head, under its authors' names or ours.

        Raises:
            ValueError: an unknown layout, or a network that lacks a tensor or has one of another shape.
        """
        return load_network(self.network, convert(state_dict))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the authors' groups: a learning rate relative to the recipe's (``lr_scale``), and what decays.

        Weights of convolutions (the shift's too): 1, decayed. Batch normalisations: 1. Biases of convolutions: 2. The
        classifier's weight: ``head_lr_scale``, decayed; its bias: twice that. Only weights decay.
        """
        weights: list[nn.Parameter] = []
        norms: list[nn.Parameter] = []
        biases: list[nn.Parameter] = []
        for layer in self.network.backbone.modules():
            for name, parameter in layer.named_parameters(recurse=False):
                is_norm = isinstance(layer, nn.modules.batchnorm._BatchNorm)
                (norms if is_norm else biases if name == "bias" else weights).append(parameter)
        head, scale = self.network.head, self.head_lr_scale
        groups: list[dict[str, Any]] = [
            dict(params=weights, lr_scale=1.0),
            dict(params=norms, lr_scale=1.0, weight_decay=0.0),
            dict(params=biases, lr_scale=2.0, weight_decay=0.0),
            dict(params=[head.weight], lr_scale=scale),
            dict(params=[head.bias], lr_scale=2 * scale, weight_decay=0.0),
        ]
        return [group for group in groups if group["params"]]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the recipe's optimiser with :meth:`parameter_groups`."""
        return self.recipe.optimizer.build(self.parameter_groups(), self.recipe.lr_at(0, 0.0))

    def on_train_batch_start(self, batch: ClipBatch, batch_idx: int) -> None:
        """Set this step's learning rate, each group's in its proportion."""
        super().on_train_batch_start(batch, batch_idx)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["lr"] * group["lr_scale"]
