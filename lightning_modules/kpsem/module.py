"""KPSEM's LightningModule: cross-entropy on one linear classifier; scores averaged over views as probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

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
        position: the stage after which KPSEM stands, "conv2" to "conv5" or "res2" to "res5"; None leaves it out.
        num_frames: T of the clips.
        num_sets: G, separations of the frame.
        num_regions: the paper's K, regions of each frame; 1 for a single key point.
        embedding_dim: d_e.
        separation: "adaptive" regions, or "fixed" random ones.
        reduction: "linear" as in the paper, or "normalised": batch normalisation behind the reducing convolutions.
        start_at_zero: let KPSEM's output start at zero.
        num_classes: number of classes.
        recipe: how to train.

    Raises:
        ValueError: an unknown backbone or position, or what the network refuses.
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
        position: str | None = "conv4",
        num_frames: int = 16,
        num_sets: int = 8,
        num_regions: int = 4,
        embedding_dim: int = 24,
        separation: Literal["adaptive", "fixed"] = "adaptive",
        reduction: Literal["linear", "normalised"] = "linear",
        start_at_zero: bool = False,
        num_classes: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(num_classes=num_classes, recipe=recipe)
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {list(BACKBONES)}, got {backbone!r}")
        self.network = KpsemNetwork(
            backbone=BACKBONES[backbone](width=width, stem_stride=stem_stride, stem_pool=stem_pool),
            num_classes=num_classes,
            position=position,
            num_frames=num_frames,
            num_sets=num_sets,
            num_regions=num_regions,
            embedding_dim=embedding_dim,
            separation=separation,
            reduction=reduction,
            start_at_zero=start_at_zero,
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
