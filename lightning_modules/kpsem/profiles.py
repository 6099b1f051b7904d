"""KPSEM's recipes on the paper's data sets, and the network's arguments at the embedded benchmark's and smoke size."""

from __future__ import annotations

from dataclasses import replace

from lightning_modules.recipe import SGD, AdamW, Constant, CosineAnnealing, CosineWarmup, Recipe, Stage

# Sec. 4.1: SGD, learning rate 0.005, momentum 0.9, weight decay 1e-4, from MFNet's Kinetics weights; batches of 64
# (Mini-Kinetics, Something-Something), 80 (UCF101), 128 (HMDB51) and 16 (ablations on HMDB51). Epochs and steps are
# not in the paper. They and Nesterov's momentum are those of the MFNet authors' fine-tuning code: on HMDB51 a tenth
# after 50, 100 and 150 thousand videos (of 3,570: 14, 28, 42 epochs), 100 epochs; on UCF101 after 200 and 400 thousand
# (of 9,537: 21, 42 epochs), 50 epochs. That code further trains all but the classifier at a fifth of the rate, and
# its first steps at half of it: arguments of the module (backbone_lr_scale, slow_steps).
_OPTIMIZER = SGD(momentum=0.9, weight_decay=1e-4, nesterov=True)

PAPER_RECIPE = Recipe(  # HMDB51 of Table 1
    stages=(
        Stage(epochs=14, lr=Constant(5e-3)),
        Stage(epochs=14, lr=Constant(5e-4)),
        Stage(epochs=14, lr=Constant(5e-5)),
        Stage(epochs=58, lr=Constant(5e-6)),
    ),
    optimizer=_OPTIMIZER,
    batch_size=128,
)
ABLATION_RECIPE = replace(PAPER_RECIPE, batch_size=16)  # Table 2 and Fig. 5
UCF101_RECIPE = Recipe(
    stages=(
        Stage(epochs=21, lr=Constant(5e-3)),
        Stage(epochs=21, lr=Constant(5e-4)),
        Stage(epochs=8, lr=Constant(5e-5)),
    ),
    optimizer=_OPTIMIZER,
    batch_size=80,
)
# MFNet's code fine-tunes on neither: UCF101's epochs are our choice.
MINI_KINETICS_RECIPE = replace(UCF101_RECIPE, batch_size=64)
SOMETHING_RECIPE = replace(UCF101_RECIPE, batch_size=64)


# MFNet's training on Kinetics-400 from scratch: a tenth after 18, 28 and 34 million videos of 246,535 (73, 114, 138
# epochs), the end at 38 million. One rate for all layers. What its released checkpoint comes from.
PRETRAIN_MODULE = dict(position=None, backbone_lr_scale=1.0)
PAPER_PRETRAIN_RECIPE = Recipe(
    stages=(
        Stage(epochs=73, lr=Constant(5e-2)),
        Stage(epochs=41, lr=Constant(5e-3)),
        Stage(epochs=24, lr=Constant(5e-4)),
        Stage(epochs=16, lr=Constant(5e-5)),
    ),
    optimizer=_OPTIMIZER,
    batch_size=128,
)

# The benchmark's clips are 32 pixels wide. Without the two halvings of the stem the maps behind conv4, which KPSEM
# cuts, are 8 x 8, and the last ones 4 x 4. A quarter of the width; the first units of each stage, two in conv4, so that
# both kinds of unit are there. All of KPSEM is; it starts silent, as the pre-training did not have it. The lines learn
# slowly: AdamW takes steps of one size whatever the gradient's, and would carry them to the maps' edges.
PROXY_MODULE = dict(
    width=0.25,
    stem_stride=(1, 1, 1),
    stem_pool=False,
    units=(1, 1, 2, 1),
    num_frames=8,
    start_at_zero=True,
    backbone_lr_scale=0.5,
    lines_lr_scale=0.05,
    slow_steps=0,
)

# AdamW over 20 epochs of 30 steps: SGD with the paper's rates would hardly move in so few.
PROXY_RECIPE = Recipe(
    stages=(
        Stage(epochs=2, lr=CosineWarmup(4e-5, 2e-3)),
        Stage(epochs=18, lr=CosineAnnealing(2e-3, 2e-5, alpha=1.0)),
    ),
    optimizer=AdamW(weight_decay=1e-2),
    batch_size=16,
)
PROXY_PRETRAIN_RECIPE = Recipe(
    stages=(
        Stage(epochs=1, lr=CosineWarmup(4e-5, 4e-3)),
        Stage(epochs=9, lr=CosineAnnealing(4e-3, 4e-5, alpha=1.0)),
    ),
    optimizer=AdamW(weight_decay=1e-2),
    batch_size=16,
)

SMOKE_MODULE = dict(width=0.125, stem_stride=(1, 1, 1), stem_pool=False, units=(1, 1, 2, 1), num_frames=4)
SMOKE_RECIPE = Recipe(
    stages=(Stage(epochs=2, lr=Constant(5e-3)), Stage(epochs=1, lr=Constant(5e-4))),
    optimizer=_OPTIMIZER,
    batch_size=4,
)
SMOKE_PRETRAIN_RECIPE = Recipe(stages=(Stage(epochs=1, lr=Constant(5e-3)),), optimizer=_OPTIMIZER, batch_size=4)
