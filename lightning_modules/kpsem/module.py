"""KPSEM's LightningModule: cross-entropy on one linear classifier; scores averaged over views as probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from datamodules.batch import ClipBatch
from lightning_modules.backbones.mfnet3d import MFNet3D
from lightning_modules.backbones.r3d import R3D
from lightning_modules.base import ClipClassifier
from lightning_modules.checkpoints import LoadReport, load_backbone, load_network
from lightning_modules.kpsem.network import KpsemNetwork
from lightning_modules.kpsem.weights import convert
from lightning_modules.recipe import Recipe

BACKBONES: dict[str, type[MFNet3D] | type[R3D]] = {"mfnet3d": MFNet3D, "r3d": R3D}


class Kpsem(ClipClassifier):
    """Train a backbone with KPSEM beside it, or the plain backbone.

    Defaults are the paper's MF-KPSEM (Sec. 4.1, 4.2). Views are averaged as probabilities, as in the MFNet authors'
    test code; the paper does not say.

    Args:
        backbone: "mfnet3d" or "r3d".
        width: multiplier of the backbone's channels, and with them of KPSEM's.
        stem_stride: stride of the first convolution (time, height, width).
        stem_pool: halve height and width once more behind it.
        units: so many units of MFNet-3D's stages conv2 to conv5, the first ones; None: all, 3, 4, 6 and 3.
        position: the stage after which KPSEM stands, "conv2" to "conv5" or "res2" to "res5"; None leaves it out.
        num_frames: T of the clips.
        num_sets: G, separations of the frame.
        num_regions: the paper's K, regions of each frame; 1 for a single key point.
        embedding_dim: d_e.
        separation: "adaptive" regions, or "fixed" random ones.
        reduction: "linear" as in the paper, or "normalised": batch normalisation behind the reducing convolutions.
        start_at_zero: let KPSEM's output start at zero.
        matching_gradient: let the weights that match key points (Eq. (9)) pass gradient to the features.
        backbone_lr_scale: learning rate of the backbone over the recipe's, which the classifier and the rest of KPSEM
            have. A fifth in the MFNet authors' fine-tuning, which knows no KPSEM.
        lines_lr_scale: the same for the layer that places KPSEM's lines, whose gradient is a substitute; None: as the
            backbone (our choice).
        slow_steps: so many first steps of a training take half the learning rate (the MFNet authors' code).
        num_classes: number of classes.
        recipe: how to train.

    Raises:
        ValueError: an unknown backbone or position, units that it does not have, or what the network refuses.
    """

    view_score = "probs"
    network: KpsemNetwork

    def __init__(
        self,
        *,
        backbone: Literal["mfnet3d", "r3d"] = "mfnet3d",
        width: float = 1.0,
        stem_stride: tuple[int, int, int] = (1, 2, 2),
        stem_pool: bool = True,
        units: tuple[int, int, int, int] | None = None,
        position: str | None = "conv4",
        num_frames: int = 16,
        num_sets: int = 8,
        num_regions: int = 4,
        embedding_dim: int = 24,
        separation: Literal["adaptive", "fixed"] = "adaptive",
        reduction: Literal["linear", "normalised"] = "linear",
        start_at_zero: bool = False,
        matching_gradient: bool = True,
        backbone_lr_scale: float = 0.2,
        lines_lr_scale: float | None = None,
        slow_steps: int = 99,
        num_classes: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(num_classes=num_classes, recipe=recipe)
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {list(BACKBONES)}, got {backbone!r}")
        self.backbone_lr_scale, self.slow_steps = backbone_lr_scale, slow_steps
        self.lines_lr_scale = backbone_lr_scale if lines_lr_scale is None else lines_lr_scale
        stages = BACKBONES[backbone](width=width, stem_stride=stem_stride, stem_pool=stem_pool)
        if units is not None:
            _shorten(stages, units)
        self.network = KpsemNetwork(
            backbone=stages,
            num_classes=num_classes,
            position=position,
            num_frames=num_frames,
            num_sets=num_sets,
            num_regions=num_regions,
            embedding_dim=embedding_dim,
            separation=separation,
            reduction=reduction,
            start_at_zero=start_at_zero,
            matching_gradient=matching_gradient,
        )

    def load_initial(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Start from a checkpoint's backbone: ours, the MFNet authors' or a 2D ResNet's.

        Raises:
            ValueError: an unknown layout.
        """
        return load_backbone(self.network, convert(state_dict, self.network))

    def load_released(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Take a trained network as it is, such as the MFNet authors' Kinetics network into the plain backbone.

        Raises:
            ValueError: an unknown layout, or a network of another size, KPSEM or head.
        """
        return load_network(self.network, convert(state_dict, self.network))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters by their learning rate relative to the recipe's (``lr_scale``)."""
        backbone = list(self.network.backbone.parameters())
        lines = list(self.network.kpsem.arese.parameters()) if self.network.kpsem is not None else []
        known = {id(parameter) for parameter in (*backbone, *lines)}
        new = [parameter for parameter in self.network.parameters() if id(parameter) not in known]
        scales = ((backbone, self.backbone_lr_scale), (lines, self.lines_lr_scale), (new, 1.0))
        return [dict(params=parameters, lr_scale=scale) for parameters, scale in scales if parameters]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the recipe's optimiser with :meth:`parameter_groups`."""
        return self.recipe.optimizer.build(self.parameter_groups(), self.recipe.lr_at(0, 0.0))

    def on_train_batch_start(self, batch: ClipBatch, batch_idx: int) -> None:
        """Set this step's learning rate, each group's in its proportion, half of it in the first steps."""
        super().on_train_batch_start(batch, batch_idx)
        warming = 0.5 if self.trainer.global_step < self.slow_steps else 1.0
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["lr"] * group["lr_scale"] * warming


def _shorten(backbone: MFNet3D | R3D, units: tuple[int, int, int, int]) -> None:
    """Keep the first units of each stage; a stage's first unit has its stride and its shortcut."""
    if not isinstance(backbone, MFNet3D):
        raise ValueError(f"units={units} is for mfnet3d; r3d has a fixed number of blocks")
    for name, kept in zip(("conv2", "conv3", "conv4", "conv5"), units, strict=True):
        stage = backbone.get_submodule(name)
        assert isinstance(stage, nn.Sequential)
        if not 1 <= kept <= len(stage):
            raise ValueError(f"units={units}: {name} keeps 1 to {len(stage)} of its units")
        setattr(backbone, name, stage[:kept])
