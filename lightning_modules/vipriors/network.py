"""The report's networks: SlowFast with the modifications of Table 1, and TSM with or without its shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from lightning_modules.backbones.resnet2d import ResNet2dSpec
from lightning_modules.backbones.slowfast import FAST, RESNET50, RESNET101, SLOW, Block, SlowFast
from lightning_modules.layers.gates import Cbam, ChannelGate
from lightning_modules.layers.parallel_convolution import Kernel, ParallelConvolution
from lightning_modules.layers.segment_network import SegmentNetwork
from lightning_modules.layers.temporal_adaptive import TemporalAdaptive
from lightning_modules.layers.temporal_shift import TemporalShift

Modification = Literal["elu", "pool", "non_local", "2plus1d", "tam", "three_parts", "attention", "se"]
ELU: Modification = "elu"
POOL: Modification = "pool"
NON_LOCAL: Modification = "non_local"
TWO_PLUS_ONE: Modification = "2plus1d"
TAM: Modification = "tam"
THREE_PARTS: Modification = "three_parts"
ATTENTION: Modification = "attention"
SE: Modification = "se"

# "One k x k x k kernel can be separated into three parts, k x 1 x 1, 1 x k x k and k * k * k" (Sec. II); written
# (3*3+3*1+1*3) in the tables.
THREE_KERNELS: tuple[Kernel, ...] = ((3, 3, 3), (3, 1, 1), (1, 3, 3))
# Other readings of it: three spatial parts; the whole cube alone. A fourth, in series, is ``TWO_PLUS_ONE``.
SPATIAL_KERNELS: tuple[Kernel, ...] = ((1, 3, 3), (1, 3, 1), (1, 1, 3))
CUBE_KERNEL: tuple[Kernel, ...] = ((3, 3, 3),)

# Blocks of the slow pathway that a non-local block follows: PySlowFast's NLN configurations.
NON_LOCAL_PLACES = {"res3": (1, 3), "res4": (1, 3, 5)}


class SlowFastNetwork(nn.Module):
    """Classify clips by SlowFast and one linear layer.

    Args:
        num_classes: K.
        modifications: names of those present; one of "2plus1d" and "three_parts" at most.
        width: multiplier of all channels.
        depths: blocks of the four stages.
        num_frames: T of the clips.
        fast_stride: frames of a clip over those of the fast pathway.
        alpha: frames of the fast pathway over those of the slow one.
        stem_pool: see :class:`~lightning_modules.backbones.slowfast.SlowFast`.
        kernels: of "three_parts".
        tam_fast: put "tam" into the fast pathway too.
        gate_reduction: of the hidden layer of "attention" and "se".
        dropout: probability, before the classifier.

    Raises:
        ValueError: an unknown modification, or two in the same place.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        modifications: Sequence[Modification] = (),
        width: float = 1.0,
        depths: tuple[int, ...] = RESNET50,
        num_frames: int = 64,
        fast_stride: int = 2,
        alpha: int = 8,
        stem_pool: bool = True,
        kernels: Sequence[Kernel] = THREE_KERNELS,
        tam_fast: bool = True,
        gate_reduction: int = 16,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        present = check_modifications(modifications)
        activation = nn.ELU if ELU in present else nn.ReLU
        self.backbone = SlowFast(
            width=width,
            depths=depths,
            num_frames=num_frames,
            fast_stride=fast_stride,
            alpha=alpha,
            activation=activation,
            max_pool=POOL in present,
            stem_pool=stem_pool,
        )
        for block in self.backbone.residual_blocks():
            bottleneck = block.layers.branch2
            if TWO_PLUS_ONE in present:
                bottleneck.conv_b = _in_series(bottleneck.conv_b, activation)
            if THREE_PARTS in present:
                bottleneck.conv_b = _in_parallel(bottleneck.conv_b, kernels)
                bottleneck.norm_b = bottleneck.norm_b if len(kernels) > 1 else None  # one branch is normalised already
            if TAM in present and (tam_fast or block.pathway == SLOW):
                bottleneck.act_a = nn.Sequential(
                    bottleneck.act_a,
                    TemporalAdaptive(channels=bottleneck.conv_a.out_channels, num_frames=block.num_frames),
                )
            for name, gate in ((ATTENTION, Cbam), (SE, ChannelGate)):
                if name in present:
                    channels = bottleneck.conv_c.out_channels
                    block.layers.branch_fusion = GatedSum(gate(channels=channels, reduction=gate_reduction))
            if NON_LOCAL in present and _is_followed(block):
                module = _non_local(bottleneck.conv_c.out_channels)
                block.layers.activation = nn.Sequential(block.layers.activation, module)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.backbone.feature_channels, num_classes)
        nn.init.normal_(self.head.weight, std=0.01)  # pytorchvideo's
        nn.init.zeros_(self.head.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits ``(N, K)`` of clips ``(N, 3, T, H, W)``."""
        return self.head(self.dropout(self.backbone(clips)))


class GatedSum(nn.Module):
    """Add a residual branch to its shortcut after a gate.

    Args:
        gate: of the branch's maps.
    """

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """Return ``shortcut + gate(branch)``."""
        return shortcut + self.gate(branch)


def tsm_network(
    *,
    num_classes: int,
    shift: bool = True,
    width: float = 1.0,
    depths: tuple[int, ...] = RESNET50,
    stem_pool: bool = True,
    dropout: float = 0.5,
) -> SegmentNetwork:
    """Build TSM: a 2D ResNet whose residual branches shift an eighth of the channels each way (Lin et al., ICCV 2019).

    Args:
        num_classes: K.
        shift: False leaves the shift out.
        width: multiplier of all channels.
        depths: blocks of the four stages; with 23 or more in res4 every second block shifts, as in TSM's code.
        stem_pool: halve the maps by a maximum pooling behind the first convolution.
        dropout: probability, before the classifier.
    """
    spec = ResNet2dSpec(
        depths=depths,
        widths=tuple(int(channels * width) for channels in (64, 128, 256, 512)),
        stem_pool=stem_pool,
        temporal_every=2 if depths[2] >= RESNET101[2] else 1,
    )

    def temporal(stage: str, channels: int) -> nn.Module | None:
        return TemporalShift(channels=channels) if shift else None

    return SegmentNetwork(backbone=spec.build(temporal), num_classes=num_classes, dropout=dropout)


def check_modifications(names: Sequence[str]) -> frozenset[str]:
    """Return the names as a set.

    Raises:
        ValueError: an unknown one, or two in the same place.
    """
    known = get_args(Modification)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"modification {unknown[0]!r}; accepted: {', '.join(known)}")
    for pair in ((TWO_PLUS_ONE, THREE_PARTS), (ATTENTION, SE)):
        if {*pair} <= {*names}:
            raise ValueError(f"modifications {pair[0]!r} and {pair[1]!r} take the same place")
    return frozenset(names)


def _in_series(conv: nn.Conv3d, activation: type[nn.Module]) -> nn.Module:
    """Return a spatial convolution, normalised and activated, and a temporal one behind it: (2+1)D (Tran et al.)."""
    from pytorchvideo.layers.convolutions import create_conv_2plus1d

    return create_conv_2plus1d(
        in_channels=conv.in_channels,
        out_channels=conv.out_channels,
        kernel_size=(3, 3, 3),
        stride=conv.stride,
        padding=(1, 1, 1),
        conv_xy_first=True,
        activation=activation,
    )


def _in_parallel(conv: nn.Conv3d, kernels: Sequence[Kernel]) -> ParallelConvolution:
    stride: Kernel = conv.stride  # type: ignore[assignment]
    return ParallelConvolution(
        in_channels=conv.in_channels, out_channels=conv.out_channels, kernels=kernels, stride=stride
    )


def _non_local(channels: int) -> nn.Module:
    """Return a non-local block that starts as the identity (Wang et al., CVPR 2018; PySlowFast's settings)."""
    from pytorchvideo.layers.nonlocal_net import create_nonlocal

    block = create_nonlocal(dim_in=channels, dim_inner=channels // 2, pool_size=(1, 2, 2), instantiation="dot_product")
    for conv in (block.conv_theta, block.conv_phi, block.conv_g, block.conv_out):
        nn.init.normal_(conv.weight, std=0.01)
        nn.init.zeros_(conv.bias)
    nn.init.zeros_(block.norm.weight)
    return block


def _is_followed(block: Block) -> bool:
    """Say whether a non-local block follows; a shorter stage has fewer of the places."""
    return block.pathway != FAST and block.number in NON_LOCAL_PLACES.get(block.stage, ())
