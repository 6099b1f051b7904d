"""The report's LightningModule: SlowFast or TSM on frames or residual frames; views averaged before the softmax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import lightning as L
from torch import Tensor, nn

from lightning_modules.backbones.slowfast import RESNET50
from lightning_modules.base import ClipClassifier
from lightning_modules.checkpoints import LoadReport
from lightning_modules.layers.parallel_convolution import Kernel, fold_parallel
from lightning_modules.layers.residual_frames import ResidualFrames
from lightning_modules.recipe import Recipe
from lightning_modules.vipriors.network import THREE_KERNELS, Modification, SlowFastNetwork, tsm_network
from lightning_modules.vipriors.two_phase import StopAtAccuracy, load_plain

Architecture = Literal["slowfast", "tsm"]
# Residual frames of normalised RGB have a standard deviation of about a quarter at 112 pixels (of 42 videos from the
# web: 16 of 255 against 56). The report does not say whether it scales them.
RESIDUAL_GAIN = 4.0


class Vipriors(ClipClassifier):
    """Train one of the report's networks; scores are logits, "the data before Softmax" (Sec. III.C).

    Args:
        architecture: "slowfast" or "tsm".
        modifications: of SlowFast, names of those present (see ``network.py``).
        shift: of TSM; False leaves it out.
        residual: the network sees the T - 1 differences of a clip's neighbouring frames ("Diff"), not the frames.
        width: multiplier of all channels.
        depths: blocks of the four stages.
        num_frames: frames that SlowFast sees: T, or T - 1 of residual frames.
        fast_stride: frames that SlowFast sees over those of its fast pathway.
        alpha: frames of its fast pathway over those of its slow one.
        stem_pool: halve the maps behind the first convolution.
        kernels: of "three_parts".
        gate_reduction: of the hidden layer of "attention" and "se".
        dropout: probability, before the classifier.
        stop_at: end the training at this validation accuracy in percent; None trains all epochs.
        num_classes: K.
        recipe: how to train.

    Raises:
        ValueError: an unknown architecture, modifications of TSM, or what the network refuses.
    """

    view_score = "logits"

    def __init__(
        self,
        *,
        architecture: Architecture = "slowfast",
        modifications: Sequence[Modification] = (),
        shift: bool = True,
        residual: bool = False,
        width: float = 1.0,
        depths: tuple[int, ...] = RESNET50,
        num_frames: int = 64,
        fast_stride: int = 2,
        alpha: int = 8,
        stem_pool: bool = True,
        kernels: Sequence[Kernel] = THREE_KERNELS,
        gate_reduction: int = 16,
        dropout: float = 0.5,
        stop_at: float | None = None,
        num_classes: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(num_classes=num_classes, recipe=recipe)
        if architecture not in ("slowfast", "tsm"):
            raise ValueError(f"architecture must be 'slowfast' or 'tsm', got {architecture!r}")
        if architecture == "tsm":
            if modifications:
                raise ValueError(f"modifications={tuple(modifications)} are SlowFast's; tsm has none")
            self.network: Any = tsm_network(
                num_classes=num_classes, shift=shift, width=width, depths=depths, stem_pool=stem_pool, dropout=dropout
            )
        else:
            self.network = SlowFastNetwork(
                num_classes=num_classes,
                modifications=modifications,
                width=width,
                depths=depths,
                num_frames=num_frames,
                fast_stride=fast_stride,
                alpha=alpha,
                stem_pool=stem_pool,
                kernels=kernels,
                gate_reduction=gate_reduction,
                dropout=dropout,
            )
        self.input: nn.Module = ResidualFrames(gain=RESIDUAL_GAIN) if residual else nn.Identity()
        self.stop_at = stop_at

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        """Return ``logits`` ``(M, K)`` of single clips ``(M, 3, T, H, W)``, normalised RGB."""
        return {"logits": self.network(self.input(clips))}

    def load_initial(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Start from the plain network of phase 1, such that as little as possible changes; see :func:`load_plain`.

        Raises:
            ValueError: nothing could be loaded.
        """
        return load_plain(self.network, state_dict)

    def configure_callbacks(self) -> Sequence[L.Callback]:
        """Return what ends phase 1."""
        return [] if self.stop_at is None else [StopAtAccuracy(self.stop_at)]

    def on_test_start(self) -> None:
        """Fold parallel convolutions: a test computes the same in less time."""
        fold_parallel(self.network)
