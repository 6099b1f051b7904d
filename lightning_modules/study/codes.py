"""MS3D's codes and nearest class centres on ACTION-Net's features: a backbone that MS3D's module can train."""

from __future__ import annotations

from dataclasses import dataclass

from lightning_modules.action_net.network import ActionNetwork
from lightning_modules.backbones.resnet2d import RESNET50
from lightning_modules.layers.segment_network import BackboneSpec


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
