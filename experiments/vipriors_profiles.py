"""What the VIPriors report's scripts share: how they run at three sizes, the data column, and the networks of Table 2.

Every network starts from a plain one of its depth that was trained until it was half right: phase 1, one training for
all rows and seeds. On the benchmark the held-out videos are as many for validation as for testing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from datamodules.datasets.mod_ucf101 import ModUCF101
from datamodules.synthetic.stand_ins import stand_in
from datamodules.vipriors import PROXY_DATA, SMOKE_DATA, VipriorsData
from experiments.harness import Build, Changed, Column, Pretrain, Profile
from lightning_modules.recipe import Recipe
from lightning_modules.vipriors import profiles
from lightning_modules.vipriors.profiles import BEST, deeper, of_tsm, with_one_frame_more

# On the benchmark a single frame says less than 53 % of a video's class; both depths of TSM reach this, R101 later.
PROXY_TSM_STOP_AT, PROXY_TSM_EPOCHS = 45.0, 90
SLOWFAST50_DIFF, SLOWFAST50_FORWARD = "slowfast_r50_diff", "slowfast_r50_forward"
SLOWFAST50, SLOWFAST101, TSM50, TSM101 = "slowfast_r50", "slowfast_r101", "tsm_r50", "tsm_r101"
CLASSES = 101
MOD_UCF101 = ModUCF101()
# Twice the stand-in's held-out videos, since they are shared out between validation and testing.
MEMBER = dataclasses.replace(stand_in(MOD_UCF101.name), num_val=2 * stand_in(MOD_UCF101.name).num_val)

VALIDATION = Column(
    title="Acc(%)",
    group="mod-UCF101, validation",
    metric="mean_class_acc",
    data=Build(VipriorsData, source=MOD_UCF101, views=1),
    test_videos=4742,
)

# What a network changes in the table's: SlowFast R50 on frames. Each is a row's arguments, but for its label.
DEEPER: dict[str, Any] = dict(depths=Changed(deeper))
MODIFIED: dict[str, Any] = dict(module=dict(modifications=BEST), init=SLOWFAST50, classes=CLASSES)
MODIFIED_DIFF: dict[str, Any] = dict(
    module=dict(modifications=BEST, residual=True),
    data=dict(num_frames=Changed(with_one_frame_more)),
    init=SLOWFAST50,
    classes=CLASSES,
)
TSM: dict[str, Any] = dict(
    module=dict(architecture="tsm"), data=dict(num_frames=Changed(of_tsm)), init=TSM50, classes=CLASSES
)
TSM_UNSHIFTED = TSM | dict(module=dict(architecture="tsm", shift=False))


def _phase_one(
    recipe: Recipe,
    own: Mapping[str, Any],
    *,
    tsm_recipe: Recipe | None = None,
    tsm_stop_at: float = profiles.TSM_STOP_AT,
) -> Mapping[str, Pretrain]:
    """Return the plain networks; TSM's sees one frame at a time, and so needs no shift.

    Those on residual frames and on clips that are never played backward are for the ablations alone.

    Args:
        recipe: of phase 1.
        own: the profile's data arguments: ``source`` and ``num_frames``.
        tsm_recipe: TSM's, where it differs.
        tsm_stop_at: held-out accuracy in percent at which TSM's ends.
    """
    source, num_frames = own["source"], own["num_frames"]
    clips = Build(VipriorsData, source=source)
    frames = Build(VipriorsData, source=source, num_frames=1)
    residual = Build(VipriorsData, source=source, num_frames=num_frames + 1)
    forward = Build(VipriorsData, source=source, playbacks=("forward",))
    slowfast: dict[str, Any] = dict(stop_at=profiles.SLOWFAST_STOP_AT)
    tsm: dict[str, Any] = dict(architecture="tsm", shift=False, stop_at=tsm_stop_at)
    tsm_recipe = tsm_recipe or recipe
    return {
        SLOWFAST50: Pretrain(data=clips, recipe=recipe, module=slowfast),
        SLOWFAST101: Pretrain(data=clips, recipe=recipe, module=slowfast | DEEPER),
        SLOWFAST50_DIFF: Pretrain(data=residual, recipe=recipe, module=slowfast | dict(residual=True)),
        SLOWFAST50_FORWARD: Pretrain(data=forward, recipe=recipe, module=slowfast),
        TSM50: Pretrain(data=frames, recipe=tsm_recipe, module=tsm),
        TSM101: Pretrain(data=frames, recipe=tsm_recipe, module=tsm | DEEPER),
    }


_WARM, _LONG = profiles.PROXY_PRETRAIN_RECIPE.stages
_PROXY_TSM_RECIPE = dataclasses.replace(
    profiles.PROXY_PRETRAIN_RECIPE,
    stages=(_WARM, dataclasses.replace(_LONG, epochs=PROXY_TSM_EPOCHS - _WARM.epochs)),
)
_SMOKE, _PROXY = (dict(data, source=MEMBER) for data in (SMOKE_DATA, PROXY_DATA))
PROFILES = {
    "smoke": Profile(
        module=profiles.SMOKE_MODULE,
        data=_SMOKE,
        recipe=profiles.SMOKE_RECIPE,
        inits=_phase_one(profiles.SMOKE_PRETRAIN_RECIPE, _SMOKE),
        stand_ins=True,
        tiny=True,
    ),
    "proxy": Profile(
        module=profiles.PROXY_MODULE,
        data=_PROXY,
        recipe=profiles.PROXY_RECIPE,
        inits=_phase_one(
            profiles.PROXY_PRETRAIN_RECIPE, _PROXY, tsm_recipe=_PROXY_TSM_RECIPE, tsm_stop_at=PROXY_TSM_STOP_AT
        ),
        stand_ins=True,
    ),
    "paper": Profile(inits=_phase_one(profiles.PAPER_RECIPE, dict(source=MOD_UCF101, num_frames=64))),
}
