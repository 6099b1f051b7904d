"""How ACTION-Net's tables are run at three sizes, and on what data; shared by all of its scripts.

Every row starts from image weights of its backbone; on the benchmark from single frames, one pre-training per backbone
shared by all rows and seeds, as one published file is.
"""

from collections.abc import Mapping
from typing import Any

from datamodules.action_net import BN_INCEPTION_INPUT, PROXY_DATA, SMOKE_DATA, ActionNetData
from datamodules.datasets.egogesture import EgoGesture
from datamodules.datasets.jester import Jester
from datamodules.datasets.something_something import SomethingSomethingV2
from datamodules.synthetic.stand_ins import stand_in
from experiments.harness import Build, CheckpointFile, Column, Pretrain, Profile
from lightning_modules.action_net import profiles

EGOGESTURE, SOMETHING, JESTER = "EgoGesture", "Something V2", "Jester"  # as printed
_TITLES = {"top1": "Top-1", "top5": "Top-5"}
# Trained on the subjects of training and validation together, tested on the test subjects, as in the released code; the
# validation curve of EgoGesture is therefore one of training videos.
_SETS = {
    EGOGESTURE: (
        Build(ActionNetData, source=EgoGesture(train_with_val=True)), profiles.EGOGESTURE_RECIPE, 4977,
    ),
    SOMETHING: (Build(ActionNetData, source=SomethingSomethingV2()), profiles.SOMETHING_RECIPE, 24777),
    JESTER: (Build(ActionNetData, source=Jester()), profiles.JESTER_RECIPE, 14787),
}  # fmt: skip


def accuracy(group: str, metric: str = "top1") -> Column:
    """Return the column of an accuracy on one of the three data sets, with that set's recipe."""
    data, recipe, videos = _SETS[group]
    return Column(group=group, title=_TITLES[metric], metric=metric, data=data, recipe=recipe, test_videos=videos)


IMAGES = "imagenet"
BN_INCEPTION_IMAGES = "imagenet_bn_inception"
MOBILENET_V2_IMAGES = "imagenet_mobilenet_v2"


def _pretrainings(recipe: Any, bn_inception: Any, mobilenet_v2: Any) -> Mapping[str, Pretrain]:
    images = dict(source=stand_in("ImageNet"), num_frames=1)
    own = profiles.PRETRAIN_MODULE
    return {
        IMAGES: Pretrain(data=Build(ActionNetData, **images), recipe=recipe, module=own),
        BN_INCEPTION_IMAGES: Pretrain(
            data=Build(ActionNetData, **images, **BN_INCEPTION_INPUT),
            recipe=recipe,
            module=dict(own, backbone=bn_inception),
        ),
        MOBILENET_V2_IMAGES: Pretrain(
            data=Build(ActionNetData, **images), recipe=recipe, module=dict(own, backbone=mobilenet_v2)
        ),
    }


PROFILES = {
    "smoke": Profile(
        module=profiles.SMOKE_MODULE,
        data=SMOKE_DATA,
        recipe=profiles.SMOKE_RECIPE,
        inits=_pretrainings(profiles.SMOKE_PRETRAIN_RECIPE, profiles.PROXY_BN_INCEPTION, profiles.SMOKE_MOBILENET_V2),
        stand_ins=True,
        tiny=True,
    ),
    "proxy": Profile(
        module=profiles.PROXY_MODULE,
        data=PROXY_DATA,
        recipe=profiles.PROXY_RECIPE,
        inits=_pretrainings(profiles.PROXY_PRETRAIN_RECIPE, profiles.PROXY_BN_INCEPTION, profiles.PROXY_MOBILENET_V2),
        stand_ins=True,
        val_every=4,
    ),
    "paper": Profile(
        inits={
            IMAGES: CheckpointFile("ResNet-50's ImageNet weights (torchvision's or timm's file)"),
            BN_INCEPTION_IMAGES: CheckpointFile("BN-Inception's ImageNet weights (the PyTorch conversion TSN uses)"),
            MOBILENET_V2_IMAGES: CheckpointFile("MobileNetV2's ImageNet weights (torchvision's file)"),
        },
    ),
}
