"""MS3D's recipe; its network and those it is compared with at full size, at the benchmark's, and for smoke tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lightning_modules.backbones.bn_inception import BNInceptionSpec
from lightning_modules.backbones.c3d import C3dSpec
from lightning_modules.backbones.densenet3d import DenseNet3dSpec, SparseGraph
from lightning_modules.backbones.eco import EcoSpec
from lightning_modules.backbones.library_networks import I3dR50Spec, R3d18Spec, S3dSpec, SlowFastSpec
from lightning_modules.backbones.t3d import DENSENET3D, T3D, T3D_DEPTHS, VideoDenseNet3dSpec
from lightning_modules.losses.n_pair import NPair
from lightning_modules.ms3d.network import Ms3dSpec, Pathway
from lightning_modules.recipe import AdamW, Constant, CosineAnnealing, CosineWarmup, Recipe, Stage

# Sec. IV.B: Adam (AdamW without decay is Adam) "with speeding up optimizers", batches of 64, 500 epochs, on Kinetics
# and in fine-tuning alike. The paper gives no learning rate: 1e-3, five epochs of warm-up and a cosine are our choice.
PAPER_RECIPE = Recipe(
    stages=(
        Stage(epochs=5, lr=CosineWarmup(1e-5, 1e-3)),
        Stage(epochs=495, lr=CosineAnnealing(1e-3, 1e-6, alpha=1.0)),
    ),
    optimizer=AdamW(weight_decay=0.0),
    batch_size=64,
)

# The benchmark's clips are 32 pixels wide: one halving before the first blocks in place of two, in every network, so
# that all start with maps of 16 x 16 and end with 2 x 2. MS3D's is the pathways': at full size the fixed kernel's 16
# maps hold as much as the 2 x 2 pixels that they stand for, a quarter of them would not. All pathways have their
# kernels and lengths; a quarter of the channels, four blocks of few layers, of which the later ones are sparse. Their
# growth gives MS3D the share of SlowFast's parameters that it has at full size, three tenths.
#
# The paper's training has some million steps of 32 pairs, the benchmark's a thousand of 8. There positives come from
# the last batches and codes are normalised, chosen by MS3D's own training in trials of which no record is kept. The
# N-pair loss of raw codes, as published, is a row of the ablations.
PROXY_DENSENET = DenseNet3dSpec(
    block_layers=(2, 3, 4, 3), growth=12, graph=SparseGraph(alpha=0.7), temporal_init="length"
)
PROXY_MS3D = Ms3dSpec(
    channels=4, shared_stride=1, pathway_stride=2, densenet=PROXY_DENSENET, code_dim=64, code_norm="batch"
)
PROXY_LOSS = NPair(memory=32, length_penalty=0.0)
SMOKE_MS3D = Ms3dSpec(
    pathways=(
        Pathway(frames=1, kernel=(3, 3, 3)),
        Pathway(frames=1, kernel=(3, 5, 5)),
        Pathway(frames=2, kernel=(3, 7, 7)),
    ),
    channels=4,
    joined_frames=2,
    densenet=replace(PROXY_DENSENET, block_layers=(2, 4, 2), growth=4, pool_frames=1),
    code_dim=16,
    code_norm="batch",
)
SMOKE_LOSS = NPair(memory=2, length_penalty=0.0)


def proxy_recipe(epochs: int, lr: float = 2e-3) -> Recipe:
    """Return the benchmark's recipe: one epoch of warm-up, then a cosine, batches of 16."""
    return Recipe(
        stages=(
            Stage(epochs=1, lr=CosineWarmup(lr / 50, lr)),
            Stage(epochs=epochs - 1, lr=CosineAnnealing(lr, lr / 100, alpha=1.0)),
        ),
        optimizer=AdamW(weight_decay=0.0),
        batch_size=16,
    )


PROXY_KINETICS_RECIPE = proxy_recipe(16)  # 1,184 steps
PROXY_RECIPE = proxy_recipe(32)  # 960 steps: the other members have fewer videos
SMOKE_RECIPE = Recipe(
    stages=(Stage(epochs=1, lr=Constant(1e-3)), Stage(epochs=1, lr=Constant(1e-4))),
    optimizer=AdamW(weight_decay=0.0),
    batch_size=4,
)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Give one network at the three sizes, the clips that it sees at full size, and those on the benchmark.

    Args:
        paper: at full size.
        proxy: on the benchmark.
        smoke: for smoke tests.
        frames: of its clips at full size.
        side: of them in pixels.
    """

    paper: Any
    proxy: Any
    smoke: Any
    frames: int
    side: int

    def at(self, ms3d: Ms3dSpec) -> Any:
        """Return the network of the size that an MS3D has."""
        if ms3d == SMOKE_MS3D:
            return self.smoke
        return self.proxy if ms3d == PROXY_MS3D else self.paper


_SMALL_DENSENET = DenseNet3dSpec(block_layers=PROXY_DENSENET.block_layers, growth=PROXY_DENSENET.growth)
_SMOKE_DENSENET = DenseNet3dSpec(block_layers=(2, 2, 2), growth=4, pool_frames=1)

SLOW_FAST = Sizes(
    paper=SlowFastSpec(),
    proxy=SlowFastSpec(depth=18, stem_channels=16, stem_stride=(1, 1, 1)),
    smoke=SlowFastSpec(depth=18, stem_channels=8),
    frames=32,
    side=224,
)
I3D = Sizes(
    paper=I3dR50Spec(),
    proxy=I3dR50Spec(stem_channels=8, stem_stride=(1, 1, 1)),
    smoke=I3dR50Spec(stem_channels=4),
    frames=8,
    side=224,
)
R3D18 = Sizes(
    paper=R3d18Spec(),
    proxy=R3d18Spec(width=0.125, layers=(1, 1, 1, 1)),
    smoke=R3d18Spec(width=0.0625, layers=(1, 1, 1, 1)),
    frames=16,
    side=112,
)
S3D = Sizes(paper=S3dSpec(), proxy=S3dSpec(width=0.125, stem_stride=1), smoke=S3dSpec(width=0.03), frames=16, side=224)
C3D = Sizes(
    paper=C3dSpec(),
    proxy=C3dSpec(width=0.125, hidden=64, pools=4, last_maps=(1, 2, 2), norms=True),
    smoke=C3dSpec(width=0.03, hidden=16, pools=4, last_maps=(1, 2, 2), norms=True),
    frames=16,
    side=112,
)
DENSE = Sizes(
    paper=DENSENET3D,
    proxy=VideoDenseNet3dSpec(densenet=_SMALL_DENSENET, stem_channels=12, stem_pool=None),
    smoke=VideoDenseNet3dSpec(densenet=_SMOKE_DENSENET, stem_channels=4, stem_pool=None),
    frames=16,
    side=224,
)
TEMPORAL_DENSE = Sizes(
    paper=T3D,
    proxy=VideoDenseNet3dSpec(
        densenet=replace(_SMALL_DENSENET, temporal_depths=T3D_DEPTHS, temporal_channels=12),
        stem_channels=12,
        stem_pool=None,
    ),
    smoke=VideoDenseNet3dSpec(
        densenet=replace(_SMOKE_DENSENET, temporal_depths=T3D_DEPTHS[:2], temporal_channels=4),
        stem_channels=4,
        stem_pool=None,
    ),
    frames=16,
    side=224,
)
ECO = Sizes(
    paper=EcoSpec(),
    proxy=EcoSpec(frames_network=BNInceptionSpec(width=0.125, stem_stride=1), width=0.125),
    smoke=EcoSpec(frames_network=BNInceptionSpec(width=0.125), width=0.03),
    frames=16,
    side=224,
)
