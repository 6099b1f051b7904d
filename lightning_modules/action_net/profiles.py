"""ACTION-Net's networks and recipes at the paper's size, at the embedded benchmark's, and for smoke tests."""

from __future__ import annotations

from itertools import pairwise

from lightning_modules.backbones.bn_inception import BNInceptionSpec
from lightning_modules.backbones.mobilenet_v2 import MobileNetV2Spec
from lightning_modules.backbones.resnet2d import ResNet2dSpec
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


def step_recipe(*, epochs: int, drops: tuple[int, ...], batch_size: int) -> Recipe:
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


# Sec. 4.2. Batches of 64 clips are for 8 segments; with 16 segments it is 48.
SOMETHING_RECIPE = step_recipe(epochs=50, drops=(30, 40, 45), batch_size=64)
JESTER_RECIPE = step_recipe(epochs=30, drops=(10, 20, 25), batch_size=64)
EGOGESTURE_RECIPE = step_recipe(epochs=25, drops=(5, 10, 15), batch_size=64)
SOMETHING_RECIPE_16 = step_recipe(epochs=50, drops=(30, 40, 45), batch_size=48)
JESTER_RECIPE_16 = step_recipe(epochs=30, drops=(10, 20, 25), batch_size=48)
EGOGESTURE_RECIPE_16 = step_recipe(epochs=25, drops=(5, 10, 15), batch_size=48)

# The benchmark's clips are 32 pixels wide: narrow networks with little stride in the stem, so that the last maps are
# 2 x 2. CE and ME reduce by 4: with 8 channels, a sixteenth would leave none.
PROXY_RESNET = ResNet2dSpec(
    block="basic", depths=(1, 1, 1, 1), widths=(8, 16, 32, 64), stem_kernel=3, stem_stride=2, stem_pool=False
)
PROXY_MOBILENET_V2 = MobileNetV2Spec(width=0.25, stem_stride=1, last_channels=128)
PROXY_BN_INCEPTION = BNInceptionSpec(width=0.125, stem_stride=1)
PROXY_MODULE = dict(backbone=PROXY_RESNET, reduction=4, dropout=0.2, head_lr_scale=1.0)

# AdamW over 10 epochs, from a short prototype's 4e-3; not calibrated.
PROXY_RECIPE = Recipe(
    stages=(
        Stage(epochs=1, lr=CosineWarmup(4e-4, 4e-3)),
        Stage(epochs=9, lr=CosineAnnealing(4e-3, 4e-5, alpha=1.0)),
    ),
    optimizer=AdamW(weight_decay=2e-2),
    batch_size=32,
    clipping=NormClipping(max_norm=20.0),
)

SMOKE_MODULE = dict(
    backbone=ResNet2dSpec(
        block="basic", depths=(1, 1, 1, 1), widths=(8, 8, 8, 16), stem_kernel=3, stem_stride=2, stem_pool=False
    ),
    reduction=4,
)
SMOKE_RECIPE = Recipe(
    stages=(Stage(epochs=1, lr=Constant(1e-2)), Stage(epochs=2, lr=Constant(1e-3))),
    optimizer=SGD(weight_decay=5e-4),
    batch_size=4,
    clipping=NormClipping(max_norm=20.0),
)
