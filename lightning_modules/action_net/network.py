"""ACTION-Net and its baselines: one segment network whose backbone gets a temporal module at each site (Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lightning_modules.action_net.excitation import CE, ME, STE, ActionModule, Excitation, Shift, build_shift
from lightning_modules.backbones.bn_inception import BN_INCEPTION
from lightning_modules.backbones.resnet2d import RESNET50
from lightning_modules.layers.segment_network import BackboneSpec, SegmentNetwork

BN_INCEPTION_RELEASED = dict(backbone=BN_INCEPTION, stages=BN_INCEPTION.stages[1:])
"""ACTION-Net on BN-Inception as in the released code: ten sites, nothing before block 2."""

BN_INCEPTION_PUBLISHED = dict(backbone=BN_INCEPTION, dense_motion=True)
"""As the published parameters and operations need: eleven sites, and ME's 3x3 convolution mixes channels."""


class ActionNetwork(SegmentNetwork):
    """Score clips by a 2D network with ACTION modules, or with a temporal shift alone, or with neither.

    ACTION-Net is the default; TSM is ``shift="fixed", excitations=()``; TSN is ``shift=None, excitations=()``; a
    single path of Table 3 is one excitation (and the learnable shift, which its published size needs).

    Args:
        num_classes: K.
        backbone: description of the 2D network.
        shift: "learnable" (starts as TSM's), "fixed" (TSM's), or None.
        excitations: which of "ste", "ce" and "me" follow the shift.
        stages: those stages of the backbone whose sites get the module; None for all of them. ResNet's are "res2" to
            "res5".
        shift_elsewhere: give the sites of the other stages TSM's shift (the paper does not say; nothing by default).
        reduction: of the channels inside CE and ME (r = 16 in the paper).
        shift_divisor: each shifted group is one of so many parts of the channels.
        dense_motion: let ME's 3x3 convolution mix channels (see ``BN_INCEPTION_PUBLISHED``).
        dropout: probability, before the classifier (0.5 in the authors' scripts; the paper gives none).

    Raises:
        ValueError: an unknown stage, shift or excitation, or a reduction or divisor above a site's channels.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        backbone: BackboneSpec = RESNET50,
        shift: Shift | None = "learnable",
        excitations: Sequence[Excitation] = (STE, CE, ME),
        stages: Sequence[str] | None = None,
        shift_elsewhere: bool = False,
        reduction: int = 16,
        shift_divisor: int = 8,
        dense_motion: bool = False,
        dropout: float = 0.5,
    ) -> None:
        if stages is not None and not {*stages} <= {*backbone.stages}:
            raise ValueError(f"stages must be some of {', '.join(backbone.stages)}, got {stages!r}")
        chosen = frozenset(backbone.stages if stages is None else stages)

        def temporal(stage: str, channels: int) -> nn.Module | None:
            if stage not in chosen:
                return build_shift("fixed", channels=channels, divisor=shift_divisor) if shift_elsewhere else None
            if excitations:
                return ActionModule(
                    channels=channels,
                    excitations=excitations,
                    shift=shift,
                    reduction=reduction,
                    divisor=shift_divisor,
                    dense_motion=dense_motion,
                )
            return None if shift is None else build_shift(shift, channels=channels, divisor=shift_divisor)

        super().__init__(backbone=backbone.build(temporal), num_classes=num_classes, dropout=dropout)
