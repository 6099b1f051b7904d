"""How LIGAR's tables are run at three sizes; shared by all of its scripts."""

from datamodules.ligar import PROXY_DATA, SMOKE_DATA, LigarData
from datamodules.synthetic.members import stand_in
from experiments.harness import Build, CheckpointFile, Pretrain, Profile
from lightning_modules.ligar import profiles

# What the paper fine-tunes from. Its benchmark counterpart is one pre-training on the source member, whose classes are
# none of the targets', shared by all cells and seeds as one published checkpoint is.
JOINT_PRETRAINING = "kinetics_youtube8m"

PROFILES = {
    "smoke": Profile(
        module=profiles.SMOKE_MODULE,
        data=SMOKE_DATA,
        recipe=profiles.SMOKE_RECIPE,
        inits={
            JOINT_PRETRAINING: Pretrain(
                data=Build(LigarData, source=stand_in("Kinetics-700")), recipe=profiles.SMOKE_PRETRAIN_RECIPE
            )
        },
        stand_ins=True,
        tiny=True,
    ),
    "proxy": Profile(
        module=profiles.PROXY_MODULE,
        data=PROXY_DATA,
        recipe=profiles.PROXY_RECIPE,
        inits={
            JOINT_PRETRAINING: Pretrain(
                data=Build(LigarData, source=stand_in("Kinetics-700")),
                module=profiles.PROXY_PRETRAIN_MODULE,
                recipe=profiles.PROXY_PRETRAIN_RECIPE,
            )
        },
        stand_ins=True,
        val_every=4,
    ),
    "paper": Profile(
        inits={
            JOINT_PRETRAINING: CheckpointFile(
                "a LIGAR checkpoint pre-trained jointly on Kinetics-700 and YouTube-8M Segments (Sec. IV.i)"
            )  # fmt: skip
        },
    ),
}
