"""ACTION-Net's networks and recipes at the paper's size, at the embedded benchmark's, and for smoke tests.

The data side of the same three sizes stands in ``datamodules/action_net.py``.
"""

from __future__ import annotations

from itertools import pairwise

from lightning_modules.backbones.bn_inception import BN_INCEPTION, BNInceptionSpec
from lightning_modules.backbones.mobilenet_v2 import MOBILENET_V2, MobileNetV2Spec
from lightning_modules.backbones.resnet2d import RESNET50, ResNet2dSpec
from lightning_modules.recipe import (
    SGD,
    AdamW,
    Constant,
    CosineAnnealing,
    CosineWarmup,
    NormClipping,
    Recipe,
    Stage,
)

# What the paper compares with, on the same backbone.
TSN = dict(shift=None, excitations=())
TSM = dict(shift="fixed", excitations=())


def step_recipe(*, epochs: int, drops: tuple[int, ...], batch_size: int = 64) -> Recipe:
    """Return the paper's training: SGD from 0.01, divided by 10 at the start of each of the epochs ``drops``.

    The released code divides one epoch later. Gradient clipping at norm 20 is its, not the paper's.
    """
    starts = (0, *drops, epochs)
    return Recipe(
        stages=tuple(
            Stage(epochs=end - start, lr=Constant(1e-2 / 10**i)) for i, (start, end) in enumerate(pairwise(starts))
        ),
        optimizer=SGD(momentum=0.9, weight_decay=5e-4),
        batch_size=batch_size,
        clipping=NormClipping(max_norm=20.0),
    )


# Sec. 4.2; batches of 64 clips are for 8 segments.
SOMETHING_RECIPE = step_recipe(epochs=50, drops=(30, 40, 45))
JESTER_RECIPE = step_recipe(epochs=30, drops=(10, 20, 25))
EGOGESTURE_RECIPE = step_recipe(epochs=25, drops=(5, 10, 15))

# The released scripts' epochs, where they are others.
JESTER_RELEASED_RECIPE = step_recipe(epochs=25, drops=(5, 10, 15))
EGOGESTURE_RELEASED_RECIPE = step_recipe(epochs=20, drops=(5, 10, 15))


def released_stages(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Return the released scripts' schedule in place of the paper's for the same data set; any other as it is."""
    return {
        JESTER_RECIPE.stages: JESTER_RELEASED_RECIPE.stages,
        EGOGESTURE_RECIPE.stages: EGOGESTURE_RELEASED_RECIPE.stages,
    }.get(stages, stages)


def batch_of_16_segments(batch_size: int) -> int:
    """Return how many clips of 16 segments take the place of clips of 8: three quarters (48 for 64 in the paper)."""
    return batch_size * 3 // 4


# The benchmark's clips are 32 pixels wide: narrow networks with little stride, so that the last maps are 2 x 2. CE and
# ME reduce by 4: with 8 channels, a sixteenth would leave none. MobileNet V2 keeps the paper's rows: only its stem has
# no stride, or eleven of its seventeen blocks would see 2 x 2 maps and its pre-training would end at 28 %.
PROXY_RESNET = ResNet2dSpec(
    block="basic", depths=(1, 1, 1, 1), widths=(8, 16, 32, 64), stem_kernel=3, stem_stride=2, stem_pool=False
)
PROXY_MOBILENET_V2 = MobileNetV2Spec(width=0.25, stem_stride=1, last_channels=128)
PROXY_BN_INCEPTION = BNInceptionSpec(width=0.125, stem_stride=1)
PROXY_MODULE = dict(backbone=PROXY_RESNET, reduction=4, dropout=0.2, head_lr_scale=1.0)

# AdamW, from a short prototype's 4e-3; not calibrated.
PROXY_RECIPE = Recipe(
    stages=(
        Stage(epochs=1, lr=CosineWarmup(4e-4, 4e-3)),
        Stage(epochs=23, lr=CosineAnnealing(4e-3, 4e-5, alpha=1.0)),
    ),
    optimizer=AdamW(weight_decay=2e-2),
    batch_size=32,
    clipping=NormClipping(max_norm=20.0),
)

# What stands for ImageNet: single frames, and a network without anything temporal.
PRETRAIN_MODULE = dict(TSN, stages=None, shift_elsewhere=False, dense_motion=False)
PROXY_PRETRAIN_RECIPE = Recipe(
    stages=(
        Stage(epochs=1, lr=CosineWarmup(4e-4, 4e-3)),
        Stage(epochs=23, lr=CosineAnnealing(4e-3, 4e-5, alpha=1.0)),
    ),
    optimizer=AdamW(weight_decay=2e-2),
    batch_size=32,
    clipping=NormClipping(max_norm=20.0),
)

SMOKE_RESNET = ResNet2dSpec(
    block="basic", depths=(1, 1, 1, 1), widths=(8, 8, 8, 16), stem_kernel=3, stem_stride=2, stem_pool=False
)
SMOKE_MOBILENET_V2 = MobileNetV2Spec(
    width=0.25, rows=((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 2, 2), (6, 64, 2, 2)), last_channels=32
)
SMOKE_MODULE = dict(backbone=SMOKE_RESNET, reduction=4)
SMOKE_RECIPE = Recipe(
    stages=(Stage(epochs=1, lr=Constant(1e-2)), Stage(epochs=1, lr=Constant(1e-3))),
    optimizer=SGD(weight_decay=5e-4),
    batch_size=4,
    clipping=NormClipping(max_norm=20.0),
)
SMOKE_PRETRAIN_RECIPE = Recipe(
    stages=(Stage(epochs=1, lr=Constant(1e-2)),),
    optimizer=SGD(weight_decay=5e-4),
    batch_size=4,
    clipping=NormClipping(max_norm=20.0),
)

_BN_INCEPTIONS = {RESNET50: BN_INCEPTION, PROXY_RESNET: PROXY_BN_INCEPTION, SMOKE_RESNET: PROXY_BN_INCEPTION}
_MOBILENETS_V2 = {RESNET50: MOBILENET_V2, PROXY_RESNET: PROXY_MOBILENET_V2, SMOKE_RESNET: SMOKE_MOBILENET_V2}


def bn_inception(resnet: ResNet2dSpec) -> BNInceptionSpec:
    """Return the BN-Inception that takes the place of a profile's ResNet."""
    return _BN_INCEPTIONS[resnet]


def mobilenet_v2(resnet: ResNet2dSpec) -> MobileNetV2Spec:
    """Return the MobileNetV2 that takes the place of a profile's ResNet."""
    return _MOBILENETS_V2[resnet]
