"""How LIGAR's tables are run at three sizes; shared by all of its scripts.

An initialisation is a pre-training that runs once, shared by all cells and seeds as one published checkpoint is; its
classes are none of the targets'. They build on each other as in the paper: image weights, then videos of one data set
or of two with a head each.
"""

from collections.abc import Mapping
from typing import Any

from datamodules.datasets.joint import Joint
from datamodules.datasets.kinetics import Kinetics
from datamodules.datasets.youtube8m_segments import YouTube8MSegments
from datamodules.ligar import PROXY_DATA, SMOKE_DATA, LigarData
from datamodules.synthetic.stand_ins import stand_in
from experiments.harness import Build, CheckpointFile, Pretrain, Profile
from lightning_modules.ligar import profiles

IMAGE_PRETRAINING = "imagenet"
SINGLE_PRETRAINING = "kinetics"
JOINT_PRETRAINING = "kinetics_youtube8m"  # what every table but Table 2 starts from
OWN_JOINT_PRETRAINING = "kinetics_youtube8m_own"  # the same for rows whose network it would not fit
ONE_HEAD_PRETRAINING = "kinetics_youtube8m_one_head"  # the same classes under a single head

EMPTY: Mapping[str, Any] = {}
IMAGES = Build(LigarData, source=stand_in("ImageNet"), num_frames=1, frame_interval=1)
KINETICS = Build(LigarData, source=Kinetics(num_classes=700))
JOINT = Build(LigarData, source=Joint(sources=(Kinetics(num_classes=700), YouTube8MSegments())))


def _smoke(
    data: Build, module: Mapping[str, Any] = EMPTY, *, init: str | None = IMAGE_PRETRAINING, with_row: bool = False
) -> Pretrain:
    return Pretrain(data=data, recipe=profiles.SMOKE_PRETRAIN_RECIPE, module=module, init=init, with_row=with_row)


def _proxy(
    data: Build,
    epochs: int,
    module: Mapping[str, Any] = EMPTY,
    *,
    init: str | None = IMAGE_PRETRAINING,
    with_row: bool = False,
) -> Pretrain:
    recipe = profiles.proxy_pretrain_recipe(epochs)
    module = {**profiles.PRETRAIN_MODULE, **module}
    return Pretrain(data=data, recipe=recipe, module=module, init=init, with_row=with_row)


def _paper(data: Build, module: Mapping[str, Any] = EMPTY, *, with_row: bool = False) -> Pretrain:
    recipe, module = profiles.PAPER_PRETRAIN_RECIPE, {**profiles.PRETRAIN_MODULE, **module}
    return Pretrain(data=data, recipe=recipe, module=module, init=IMAGE_PRETRAINING, with_row=with_row)


PROFILES = {
    "smoke": Profile(
        module=profiles.SMOKE_MODULE,
        data=SMOKE_DATA,
        recipe=profiles.SMOKE_RECIPE,
        inits={
            IMAGE_PRETRAINING: _smoke(IMAGES, profiles.SMOKE_IMAGE_MODULE, init=None),
            SINGLE_PRETRAINING: _smoke(KINETICS),
            JOINT_PRETRAINING: _smoke(JOINT, dict(head_sizes=(4, 4))),
            OWN_JOINT_PRETRAINING: _smoke(JOINT, dict(head_sizes=(4, 4)), with_row=True),
            ONE_HEAD_PRETRAINING: _smoke(JOINT),
        },
        stand_ins=True,
        tiny=True,
    ),
    # The joint set is twice the single one: half the epochs give both the same number of steps.
    "proxy": Profile(
        module=profiles.PROXY_MODULE,
        data=PROXY_DATA,
        recipe=profiles.PROXY_RECIPE,
        inits={
            IMAGE_PRETRAINING: _proxy(IMAGES, 16, profiles.IMAGE_MODULE, init=None),
            SINGLE_PRETRAINING: _proxy(KINETICS, 16),
            JOINT_PRETRAINING: _proxy(JOINT, 8, dict(head_sizes=(16, 16))),
            OWN_JOINT_PRETRAINING: _proxy(JOINT, 8, dict(head_sizes=(16, 16)), with_row=True),
            ONE_HEAD_PRETRAINING: _proxy(JOINT, 8),
        },
        stand_ins=True,
        val_every=4,
    ),
    "paper": Profile(
        inits={
            IMAGE_PRETRAINING: CheckpointFile("MobileNet-V3-Large's ImageNet weights (torchvision's or timm's file)"),
            SINGLE_PRETRAINING: _paper(KINETICS),
            JOINT_PRETRAINING: _paper(JOINT, dict(head_sizes=(700, 1000))),
            OWN_JOINT_PRETRAINING: _paper(JOINT, dict(head_sizes=(700, 1000)), with_row=True),
            ONE_HEAD_PRETRAINING: _paper(JOINT),
        },
    ),
}
