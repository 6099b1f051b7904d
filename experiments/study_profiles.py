"""How the study across papers is run at three sizes: networks, their clips, what they start from, both data sets.

One protocol for all: the same videos, clips that span them, crops, budget, recipe and kind of pre-training. A network
keeps its own architecture, loss and head, and the clip length it is made for.
"""

from collections.abc import Mapping
from typing import Any

from datamodules.datasets.activitynet import ActivityNet200
from datamodules.datasets.kinetics import Kinetics
from datamodules.datasets.something_something import SomethingSomethingV2
from datamodules.ligar import LigarData
from datamodules.ms3d import Ms3dData
from datamodules.transforms import RandomCrop, ShortSide
from experiments.harness import Build, Column, Network, Pretrain, Profile
from lightning_modules.action_net import ActionNet
from lightning_modules.action_net.profiles import TSM as TSM_MODULE
from lightning_modules.action_net.profiles import TSN as TSN_MODULE
from lightning_modules.kpsem import Kpsem
from lightning_modules.ligar import Ligar
from lightning_modules.ms3d import Ms3d
from lightning_modules.recipe import Recipe
from lightning_modules.study import profiles
from lightning_modules.study.clip_selection import SelectingActionNet, SelectingSlowFast
from lightning_modules.study.codes import CentreJudgedActionNet
from lightning_modules.study.key_points import KeyPointLigar
from lightning_modules.study.residual_frames import ResidualActionNet, ResidualLigar
from lightning_modules.vipriors import Vipriors

TRIMMED, UNTRIMMED = "Something-Something V2", "ActivityNet-200"

# The networks by name; pre-trainings and rows go by the same names.
TSN, TSM, ACTION_NET, KPSEM = "TSN", "TSM", "ACTION-Net", "MF-KPSEM"
LIGAR, MS3D, SLOW_FAST = "LIGAR", "MS3D", "SlowFast"
ACTION_NET_RESIDUAL, LIGAR_RESIDUAL = "ACTION-Net on residual frames", "LIGAR on residual frames"
LIGAR_KPSEM, ACTION_NET_CENTRES = "LIGAR + KPSEM", "ACTION-Net + nearest-centre codes"
MS3D_CLASSIFIER, ACTION_NET_N_PAIR = "MS3D's network by cross-entropy", "ACTION-Net + codes by N-pair loss"
ACTION_NET_ACS, SLOW_FAST_ACS, LIGAR_ACS = "ACTION-Net + ACS", "SlowFast + ACS", "LIGAR + ACS"

# Something-Something's labels need motion and its order: one frame of each of T equal parts of the video, so that every
# network sees all of it. Ms3dData serves that to any network, and to MS3D what it is about: frames drawn by variance
# rate. Frames are not cut to the actor's box, which the other networks do not know. Nothing is mirrored.
_SPANNING: Mapping[str, Any] = dict(sampling="segments", pathway_frames=None, tailor=None, class_pairs=False)
TRIMMED_DATA = Build(Ms3dData, source=SomethingSomethingV2(), views=1, **_SPANNING)
# Untrimmed videos: continuous clips from anywhere, ten views, as LIGAR tests ACS.
UNTRIMMED_DATA = Build(LigarData, source=ActivityNet200(), views=10)
PRETRAINING_DATA = Build(Ms3dData, source=Kinetics(num_classes=400), **_SPANNING)

TRIMMED_TOP1 = Column(group=TRIMMED, title="Top-1", metric="top1", data=TRIMMED_DATA)
UNTRIMMED_TOP1 = Column(group=UNTRIMMED, title="Top-1", metric="top1", data=UNTRIMMED_DATA)

_FRAMES: profiles.BySize = {"smoke": 4, "proxy": 8, "paper": 16}
_PAIRS: Mapping[str, Any] = dict(class_pairs=True)  # what an N-pair loss needs


def networks(size: str) -> dict[str, Network]:
    """Return all networks of one profile by name, with the clips of those whose clips differ."""
    frames = _FRAMES[size]
    action, slow_fast = profiles.ACTION_NET[size], profiles.SLOW_FAST[size]
    lengths = tuple(pathway.frames for pathway in profiles.MS3D[size].pathways)
    drawn = dict(sampling="variance_rate", pathway_frames=lengths, num_frames=sum(lengths))
    one_more, twice = dict(num_frames=frames + 1), dict(num_frames=2 * frames)
    return {
        TSN: Network(module=Build(ActionNet, **action, **TSN_MODULE)),
        TSM: Network(module=Build(ActionNet, **action, **TSM_MODULE)),
        ACTION_NET: Network(module=Build(ActionNet, **action)),
        KPSEM: Network(module=Build(Kpsem, **profiles.KPSEM[size])),
        LIGAR: Network(module=Build(Ligar, **profiles.LIGAR[size])),
        MS3D: Network(module=Build(Ms3d, backbone=profiles.MS3D[size]), clips={**drawn, **_PAIRS}),
        SLOW_FAST: Network(module=Build(Vipriors, **slow_fast), clips=twice),
        ACTION_NET_RESIDUAL: Network(module=Build(ResidualActionNet, **action), clips=one_more),
        LIGAR_RESIDUAL: Network(module=Build(ResidualLigar, **profiles.LIGAR[size]), clips=one_more),
        LIGAR_KPSEM: Network(module=Build(KeyPointLigar, **profiles.LIGAR[size], **profiles.KEY_POINTS[size])),
        ACTION_NET_CENTRES: Network(module=Build(CentreJudgedActionNet, **action)),
        MS3D_CLASSIFIER: Network(module=Build(Ms3d, backbone=profiles.MS3D[size], loss=None), clips=drawn),
        ACTION_NET_N_PAIR: Network(module=Build(Ms3d, backbone=profiles.ACTION_CODES[size]), clips=_PAIRS),
        ACTION_NET_ACS: Network(module=Build(SelectingActionNet, **action)),
        SLOW_FAST_ACS: Network(module=Build(SelectingSlowFast, **slow_fast), clips=twice),
    }


# What selects clips is the training: these start from what they would without.
SELECTING = {ACTION_NET_ACS: ACTION_NET, SLOW_FAST_ACS: SLOW_FAST, LIGAR_ACS: LIGAR}
# So does what differs in loss or judgement alone: MS3D is pre-trained by cross-entropy in both of its rows, since an
# N-pair loss does not leave chance within a pre-training's 300 steps.
STARTS = {**SELECTING, MS3D: MS3D_CLASSIFIER, ACTION_NET_CENTRES: ACTION_NET}
_PRETRAINED: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys((LIGAR, LIGAR_RESIDUAL, LIGAR_KPSEM), profiles.LIGAR_PRETRAINING),
    ACTION_NET_N_PAIR: profiles.CODES_PRETRAINING,
}


def _pretrainings(size: str, recipe: Recipe) -> dict[str, Pretrain]:
    return {
        name: Pretrain(data=PRETRAINING_DATA, recipe=recipe, network=name, module=_PRETRAINED.get(name, {}))
        for name in networks(size)
        if name not in STARTS
    }


def _frames_and_crops(size: str, short_side: int, side: int) -> dict[str, Any]:
    augmentation = (ShortSide(size=short_side), RandomCrop(size=side))
    return dict(num_frames=_FRAMES[size], short_side=short_side, size=side, augmentation=augmentation)


PROFILES = {
    "smoke": Profile(
        networks=networks("smoke"),
        data=_frames_and_crops("smoke", 32, 32),
        recipe=profiles.SMOKE_RECIPE,
        inits=_pretrainings("smoke", profiles.SMOKE_RECIPE),
        stand_ins=True,
        tiny=True,
    ),
    "proxy": Profile(
        networks=networks("proxy"),
        data=_frames_and_crops("proxy", 40, 32),
        recipe=profiles.PROXY_RECIPE,
        recipe_on={UNTRIMMED: profiles.PROXY_UNTRIMMED_RECIPE},
        inits=_pretrainings("proxy", profiles.PROXY_PRETRAIN_RECIPE),
        stand_ins=True,
        val_every=4,
    ),
    "paper": Profile(
        networks=networks("paper"),
        data=_frames_and_crops("paper", 256, 224),
        inits=_pretrainings("paper", profiles.PAPER_RECIPE),
    ),
}
