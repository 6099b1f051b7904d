"""LIGAR's design claims that its tables leave out: each part of the network and of the training, one at a time.

Paper:      Izutov, LIGAR: Lightweight General-purpose Action Recognition, 2021, Sec. III to V; no published numbers.
Run:        python experiments/ligar_ablations.py            (embedded benchmark; --rows for some of them)
            python experiments/ligar_ablations.py --profile paper --data-root DATA --init-checkpoint FILE
Protocol:   as Table 3 without clip selection, one change per row, paired with the first row. UCF-101 with one view;
            what concerns untrimmed videos on ActivityNet-200 with ten; flipping on Jester.
            Rows whose network the shared pre-training would not fit have their own.
Deviations: the claims are the text's, in our wording and with our numbers (LA1, ...). On the benchmark the first row
            has no colour step and no rotation, so that some rows repeat it there; they share its cells.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from datamodules.clip_selection import ClipSelection
from datamodules.datasets.activitynet import ActivityNet200
from datamodules.datasets.jester import Jester
from datamodules.datasets.ucf101 import UCF101
from datamodules.ligar import JESTER_AUGMENTATION, LigarData
from datamodules.transforms import (
    CenterCrop,
    CrossNorm,
    ImageMixUp,
    OneOf,
    Photometric,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotate,
    RandomScaledCrop,
    ShortSide,
)
from experiments.harness import Build, Changed, Claim, Column, Row, Table, main
from experiments.harness.spec import Relation
from experiments.ligar_profiles import JOINT_PRETRAINING, OWN_JOINT_PRETRAINING, PROFILES
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.losses import ClipConsistency
from lightning_modules.ligar.profiles import PAPER_RECIPE
from lightning_modules.ligar.self_challenging import SelfChallenging
from lightning_modules.recipe import CosineAnnealing

RANDOM_CROPS = (RandomCrop, RandomResizedCrop, RandomScaledCrop)


def without(*kinds: type) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a change that takes these transforms out of an augmentation."""
    return lambda augmentation: tuple(step for step in augmentation if not isinstance(step, kinds))


def with_colour(step: Any) -> Changed:
    """Return a change of the colour step: ``step`` for 45 % of the clips, as in the released configuration."""
    plain = without(OneOf, Photometric, CrossNorm, ImageMixUp)
    return Changed(lambda augmentation: (*plain(augmentation), OneOf((0.55, None), (0.45, step))))


def centre_crop(augmentation: tuple[Any, ...]) -> tuple[Any, ...]:
    """Take the test's crop in place of a random one."""
    return tuple(CenterCrop(size=step.size) if isinstance(step, RANDOM_CROPS) else step for step in augmentation)


def rotated(augmentation: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rotate half of the clips by up to 10 degrees, after scaling."""
    rest = without(RandomRotate)(augmentation)
    place = 1 if isinstance(rest[0], ShortSide) else 0
    return (*rest[:place], RandomRotate(p=0.5, degrees=10.0, per_clip=True), *rest[place:])


def flipped(augmentation: tuple[Any, ...]) -> tuple[Any, ...]:
    """Mirror half of the videos, with their labels."""
    return (*without(RandomHorizontalFlip)(augmentation), RandomHorizontalFlip(p=0.5))


def plain_cosine(stages: tuple[Any, ...]) -> tuple[Any, ...]:
    """Set eq. 3's exponent to 1."""
    return tuple(
        replace(stage, lr=replace(stage.lr, alpha=1.0)) if isinstance(stage.lr, CosineAnnealing) else stage
        for stage in stages
    )


def s3d_blocks(blocks: tuple[Any, ...]) -> tuple[Any, ...]:
    """Move the temporal kernel from the depthwise into the projecting convolution (S3D)."""
    return tuple(replace(block, temporal="projection") for block in blocks)


UCF = Build(LigarData, source=UCF101(split=1), views=1)
ACTIVITYNET = Build(LigarData, source=ActivityNet200(), views=10)
JESTER = Build(LigarData, source=Jester(), frame_interval=1, augmentation=JESTER_AUGMENTATION, views=1)
GROUPS = TRIMMED, UNTRIMMED, GESTURES = ("UCF-101", "ActivityNet-200", "Jester-27")
UNPUBLISHED = (None,) * 4

BASE = "LIGAR"
AUGMIX, RSC = "AugMix pairs with the consistency loss", "self-challenging (RSC)"
CROSS_NORM, MIX_UP, PHOTOMETRIC, NO_COLOUR = "CrossNorm", "MixUp with still images", "photometric", "no colour step"
ROTATION, NO_ROTATION, NO_CROP = "rotation", "no rotation", "no random crop"
FLIP, NO_FLIP = "flip with swapped labels", "no flip"
S3D, NO_GLOBAL, MEAN_POOLING = "temporal kernels placed as in S3D", "local path only", "average pooling (GAP)"
NO_AGC, PLAIN_COSINE = "no gradient clipping (AGC)", "cosine schedule with exponent 1"
ACS, ACS_80, ACS_IGNORE = "w/ ACS", "w/ ACS, ready at 80 %", "w/ ACS, rejected videos ignored"
CROPS = "three spatial crops at test"


def _trimmed(label: str, **changes: Any) -> Row:
    return Row(label=label, published=UNPUBLISHED, on=(TRIMMED,), classes=101, **changes)


def _augmented(label: str, change: Changed) -> Row:
    return _trimmed(label, data=dict(augmentation=change))


# Which row should beat which, where; the margins of equality are ours.
CLAIMS: tuple[tuple[str, Relation, str, str, float], ...] = (
    (MEAN_POOLING, ">", NO_GLOBAL, TRIMMED, 0.0),  # II: diffusion between paths adds to the local path
    (BASE, ">", NO_GLOBAL, TRIMMED, 0.0),
    (BASE, ">", MEAN_POOLING, TRIMMED, 0.0),  # III.ii: attention is "the more accurate way"
    (BASE, ">", S3D, TRIMMED, 0.0),  # III.i: X3D's placement is the one built on
    (RSC, ">", BASE, TRIMMED, 0.0),  # IV.ii
    (AUGMIX, ">", BASE, TRIMMED, 0.0),  # IV.ii, V.i
    (MIX_UP, ">", NO_COLOUR, TRIMMED, 0.0),  # V.i: "the most impressive result"
    (CROSS_NORM, "~", MIX_UP, TRIMMED, 1.0),  # V.i: "the same model quality"
    (CROSS_NORM, ">", NO_COLOUR, TRIMMED, 0.0),
    (ROTATION, ">", NO_ROTATION, TRIMMED, 0.0),
    (BASE, ">", NO_CROP, TRIMMED, 0.0),
    (FLIP, ">", NO_FLIP, GESTURES, 0.0),
    (BASE, ">", PLAIN_COSINE, TRIMMED, 0.0),  # V.iii: alpha 1.5 against over-fitting
    (BASE, ">", NO_AGC, TRIMMED, 0.0),  # V.iii: "increases the model accuracy too"
    (ACS, ">", ACS_IGNORE, UNTRIMMED, 0.0),  # V.ii: ignoring rejected videos "was worse"
    (CROPS, "~", BASE, TRIMMED, 1.0),  # VI.iv: "spatial crops do not benefit"
    (CROPS, "~", BASE, GESTURES, 1.0),
)

TABLE = Table(
    id="ligar/ablations",
    title="LIGAR, ablations of the text's design claims",
    module=Build(Ligar),
    recipe=PAPER_RECIPE,
    init=JOINT_PRETRAINING,
    profiles=PROFILES,
    columns=(
        Column(title="GMACs", metric="gmacs"),
        Column(group=TRIMMED, title="Top-1", metric="top1", data=UCF),
        Column(group=UNTRIMMED, title="Top-1", metric="top1", data=ACTIVITYNET),
        Column(group=GESTURES, title="Top-1", metric="top1", data=JESTER),
    ),
    rows=(
        Row(label=BASE, published=UNPUBLISHED, classes=101),
        _trimmed(AUGMIX, module=dict(consistency=ClipConsistency()), data=dict(clips_per_video=2)),
        _trimmed(RSC, module=dict(self_challenging=SelfChallenging())),
        _augmented(CROSS_NORM, with_colour(CrossNorm(per_clip=True))),
        _augmented(MIX_UP, with_colour(ImageMixUp())),
        _augmented(PHOTOMETRIC, with_colour(Photometric(per_clip=True))),
        _augmented(NO_COLOUR, Changed(without(OneOf))),
        _augmented(ROTATION, Changed(rotated)),
        _augmented(NO_ROTATION, Changed(without(RandomRotate))),
        _augmented(NO_CROP, Changed(centre_crop)),
        Row(
            label=FLIP,
            published=UNPUBLISHED,
            on=(GESTURES,),
            data=dict(
                augmentation=Changed(lambda steps: (*without(RandomHorizontalFlip)(steps), RandomHorizontalFlip()))
            ),
            classes=101,
        ),
        Row(
            label=NO_FLIP,
            published=UNPUBLISHED,
            on=(GESTURES,),
            data=dict(augmentation=Changed(without(RandomHorizontalFlip))),
            classes=101,
        ),
        _trimmed(S3D, module=dict(blocks=Changed(s3d_blocks)), init=OWN_JOINT_PRETRAINING),
        _trimmed(NO_GLOBAL, module=dict(global_path=None), init=OWN_JOINT_PRETRAINING),
        _trimmed(MEAN_POOLING, module=dict(global_path="average"), init=OWN_JOINT_PRETRAINING),
        _trimmed(NO_AGC, recipe=dict(clipping=None)),
        _trimmed(PLAIN_COSINE, recipe=dict(stages=Changed(plain_cosine))),
        Row(
            label=ACS,
            published=UNPUBLISHED,
            on=(TRIMMED, UNTRIMMED),
            data=dict(clip_selection=ClipSelection()),
            classes=101,
        ),
        Row(
            label=ACS_80,
            published=UNPUBLISHED,
            on=(UNTRIMMED,),
            data=dict(clip_selection=ClipSelection(ready_fraction=0.8)),
            classes=101,
        ),
        Row(
            label=ACS_IGNORE,
            published=UNPUBLISHED,
            on=(UNTRIMMED,),
            data=dict(clip_selection=ClipSelection(ignore_rejected=True)),
            classes=101,
        ),
        Row(label=CROPS, published=UNPUBLISHED, on=(TRIMMED, GESTURES), data=dict(crops=3), classes=101),
    ),
    claims=tuple(
        Claim(f"LA{number}", better, relation, worse, columns=(f"{group}/Top-1",), margin=margin)
        for number, (better, relation, worse, group, margin) in enumerate(CLAIMS, start=1)
    ),
    notes=(
        'V.ii: "label noise can exceed more than 90 % in a worst case": the share of clips without any of the action '
        "stands under Training, for uniform and for selected clips.",
    ),
)

if __name__ == "__main__":
    main(TABLE)
