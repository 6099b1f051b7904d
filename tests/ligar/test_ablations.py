"""Each row of LIGAR's ablations changes what its label says, in every profile, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import (
    CenterCrop,
    CrossNorm,
    ImageMixUp,
    OneOf,
    Photometric,
    RandomHorizontalFlip,
    RandomRotate,
)
from experiments import ligar_ablations as script
from experiments.harness.cell import Options
from experiments.harness.resolve import data_build, training
from experiments.harness.spec import Column, Row
from experiments.ligar_ablations import TABLE
from lightning_modules.ligar.network import CANONICAL, LARGE, LARGE_S3D
from lightning_modules.recipe import CosineAnnealing

CLAIMS = Path(__file__).resolve().parents[3] / "shared" / "facts" / "claims.md"
PROFILES = ("smoke", "proxy", "paper")
ROWS = [row for row in TABLE.rows if row.label != script.BASE]


def column(row: Row) -> Column:
    """Return the first data set on which a row runs."""
    return next(c for c in TABLE.columns if c.data is not None and c.group in (row.on or script.GROUPS))


def arguments(row: Row, where: Column, profile: str) -> dict[str, Any]:
    """Return all that decides a row's test on a data set, real sets replaced by the name they have."""
    options = Options(profile=profile, seeds=(0,), data=stand_in("UCF-101").tiny(), init_checkpoint="none")
    made, data = training(TABLE, row, where, 0, options), data_build(TABLE, row, where, options)
    inits = TABLE.profiles[profile].inits
    init = inits[row.init if row.init != "table" else TABLE.init]
    return {**made.module.resolved(), **data.resolved(), "recipe": made.recipe, "init": init}


def changes(row: Row, profile: str) -> set[str]:
    where = column(row)
    base, own = arguments(TABLE.row(script.BASE), where, profile), arguments(row, where, profile)
    return {name for name in base if base[name] != own[name]}


CHANGED = {
    script.PAIRS: {"clips_per_video", "augmentation"},
    script.AUGMIX: {"clips_per_video", "augmentation", "consistency"},
    script.AUGMIX_ACS: {"clips_per_video", "augmentation", "consistency", "clip_selection"},
    script.ONE_HEAD: {"init"},
    script.RSC: {"self_challenging"},
    script.CROSS_NORM: {"augmentation"},
    script.MIX_UP: {"augmentation"},
    script.PHOTOMETRIC: {"augmentation"},
    script.NO_COLOUR: {"augmentation"},
    script.ROTATION: {"augmentation"},
    script.NO_ROTATION: {"augmentation"},
    script.NO_CROP: {"augmentation"},
    script.FLIP: {"augmentation"},
    script.NO_FLIP: {"augmentation"},
    script.S3D: {"blocks", "init"},
    script.NO_GLOBAL: {"global_path", "init"},
    script.MEAN_POOLING: {"global_path", "init"},
    script.NO_AGC: {"recipe"},
    script.PLAIN_COSINE: {"recipe"},
    script.NO_LOCAL_PUSH: {"local_push"},
    script.NO_CENTRE_PUSH: {"center_push"},
    script.NO_PENALTY: {"class_loss"},
    script.ACS: {"clip_selection"},
    script.ACS_80: {"clip_selection"},
    script.ACS_IGNORE: {"clip_selection"},
    script.CROPS: {"crops"},
}
# The profile's own augmentation has, or lacks, the part already: the row shares the first row's cells.
SAME_AS_BASE = {
    "smoke": {script.NO_COLOUR, script.NO_ROTATION, script.NO_CROP, script.NO_FLIP},
    "proxy": {script.NO_COLOUR, script.NO_ROTATION, script.NO_FLIP},
    "paper": {script.ROTATION, script.FLIP},
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_a_row_changes_what_it_says_and_nothing_else(row: Row, profile: str):
    expected = set() if row.label in SAME_AS_BASE[profile] else set(CHANGED[row.label])
    if profile == "paper" and row.label in (script.PAIRS, script.AUGMIX, script.AUGMIX_ACS):
        expected -= {"augmentation"}
    assert changes(row, profile) == expected


def augmentation(label: str, profile: str) -> tuple[Any, ...]:
    row = TABLE.row(label)
    return arguments(row, column(row), profile)["augmentation"]


@pytest.mark.parametrize("profile", ["proxy", "paper"])
@pytest.mark.parametrize(
    ("label", "kind"),
    [(script.CROSS_NORM, CrossNorm), (script.MIX_UP, ImageMixUp), (script.PHOTOMETRIC, Photometric)],
)
def test_one_colour_step_takes_the_place_of_the_others(label: str, kind: type, profile: str):
    *rest, last = augmentation(label, profile)
    assert isinstance(last, OneOf) and not any(isinstance(step, OneOf) for step in rest)
    shares = [(share, step) for share, step in last.choices]
    assert [share for share, _ in shares] == [0.55, 0.45] and shares[0][1] is None and isinstance(shares[1][1], kind)


@pytest.mark.parametrize("profile", ["proxy", "paper"])
def test_parts_of_the_augmentation_come_and_go(profile: str):
    def has(label: str, kind: type) -> bool:
        return any(isinstance(step, kind) for step in augmentation(label, profile))

    assert has(script.ROTATION, RandomRotate) and not has(script.NO_ROTATION, RandomRotate)
    assert has(script.FLIP, RandomHorizontalFlip) and not has(script.NO_FLIP, RandomHorizontalFlip)
    assert has(script.NO_CROP, CenterCrop)
    assert not any(isinstance(step, script.RANDOM_CROPS) for step in augmentation(script.NO_CROP, profile))
    assert has(script.PAIRS, RandomRotate) and has(script.PAIRS, OneOf)


def test_s3d_is_the_authors_variant_and_leaves_another_table_its_other_choices():
    assert script.s3d_blocks(LARGE) == LARGE_S3D
    moved = script.s3d_blocks(CANONICAL)
    assert [block.out_channels for block in moved] == [block.out_channels for block in CANONICAL]
    assert all(block.temporal == "projection" for block in moved)


def test_the_plain_cosine_differs_in_its_exponent_alone():
    stages = TABLE.recipe.stages
    plain = script.plain_cosine(stages)
    assert [stage.epochs for stage in plain] == [stage.epochs for stage in stages]
    annealed = [stage.lr for stage in plain if isinstance(stage.lr, CosineAnnealing)]
    assert annealed and all(lr.alpha == 1.0 for lr in annealed)
    assert [type(stage.lr) for stage in plain] == [type(stage.lr) for stage in stages]


def test_a_row_without_a_loss_has_all_others():
    where = column(TABLE.row(script.BASE))
    base = arguments(TABLE.row(script.BASE), where, "paper")
    for label, name in ((script.NO_LOCAL_PUSH, "local_push"), (script.NO_CENTRE_PUSH, "center_push")):
        assert base[name] is not None and arguments(TABLE.row(label), where, "paper")[name] is None
    without = arguments(TABLE.row(script.NO_PENALTY), where, "paper")["class_loss"]
    assert without.confidence_penalty == 0 < base["class_loss"].confidence_penalty
    assert without.margin == base["class_loss"].margin


def test_every_claim_of_the_text_is_judged_or_said_to_be_left_out():
    if not CLAIMS.exists():
        pytest.skip(f"{CLAIMS} is not there")
    line = next(text for text in CLAIMS.read_text().splitlines() if text.startswith("Without published numbers: L41"))
    told = {claim.id for claim in TABLE.claims} | set(re.findall(r"L\d+", " ".join(TABLE.notes)))
    assert set(re.findall(r"L\d+", line)) <= told
