"""The report's recipe, and the networks' arguments at the embedded benchmark's and smoke size."""

from __future__ import annotations

from dataclasses import replace

from lightning_modules.backbones.slowfast import RESNET50, RESNET101
from lightning_modules.recipe import SGD, AdamW, Constant, CosineAnnealing, CosineWarmup, Recipe, Stage
from lightning_modules.vipriors.network import ELU, POOL, THREE_PARTS

# Sec. III.B: SGD, momentum 0.9, batches of 128, learning rate 0.001, weight decay 0.0005, a tenth every twenty epochs.
# The number of epochs is not given: 60, three steps, for each phase. From random weights 0.001 is low; it is what is
# printed.
PAPER_RECIPE = Recipe(
    stages=(
        Stage(epochs=20, lr=Constant(1e-3)),
        Stage(epochs=20, lr=Constant(1e-4)),
        Stage(epochs=20, lr=Constant(1e-5)),
    ),
    optimizer=SGD(momentum=0.9, weight_decay=5e-4),
    batch_size=128,
)
# Phase 1 ends at these validation accuracies, in percent (Sec. III.B), or after its epochs.
SLOWFAST_STOP_AT = 50.0
TSM_STOP_AT = 53.0

BEST = (ELU, POOL, THREE_PARTS)  # "our modified SlowFast"


def deeper(depths: tuple[int, ...]) -> tuple[int, ...]:
    """Return the depths of the ResNet-101 to these of a ResNet-50; of a smaller network, twice the blocks of res4."""
    return RESNET101 if depths == RESNET50 else (*depths[:2], 2 * depths[2], depths[3])


def with_one_frame_more(num_frames: int) -> int:
    """Return the frames that make ``num_frames`` residual frames."""
    return num_frames + 1


def of_tsm(num_frames: int) -> int:
    """Return TSM's frames where SlowFast has ``num_frames``: a quarter (16 for 64), eight at least."""
    return max(8, num_frames // 4)


# The benchmark's clips are 16 frames of 32 pixels. A quarter of the width, and no pooling behind the stem: res5's maps
# are 2 x 2. The slow pathway sees 2 frames, the fast one 8. Two blocks in res3 and res4, so that a non-local block
# follows a block without a projection, in both.
PROXY_MODULE = dict(
    width=0.25,
    depths=(1, 2, 2, 1),
    num_frames=16,
    fast_stride=2,
    alpha=4,
    stem_pool=False,
    gate_reduction=4,
    dropout=0.2,
)  # fmt: skip
PROXY_PRETRAIN_RECIPE = Recipe(
    stages=(
        Stage(epochs=2, lr=CosineWarmup(4e-5, 2e-3)),
        Stage(epochs=28, lr=Constant(2e-3)),
    ),
    optimizer=AdamW(weight_decay=1e-2),
    batch_size=16,
)
PROXY_RECIPE = Recipe(
    stages=(
        Stage(epochs=1, lr=CosineWarmup(4e-5, 2e-3)),
        Stage(epochs=7, lr=CosineAnnealing(2e-3, 2e-5, alpha=1.0)),
    ),
    optimizer=AdamW(weight_decay=1e-2),
    batch_size=16,
)

SMOKE_MODULE = dict(PROXY_MODULE, width=0.125, num_frames=8)
SMOKE_RECIPE = Recipe(
    stages=(Stage(epochs=1, lr=Constant(1e-3)), Stage(epochs=1, lr=Constant(1e-4))),
    optimizer=SGD(momentum=0.9, weight_decay=5e-4),
    batch_size=4,
)
SMOKE_PRETRAIN_RECIPE = replace(SMOKE_RECIPE, stages=SMOKE_RECIPE.stages[:1])
