"""The smallest whole table script: two rows, one data set, a shared pre-training; what test_resume.py starts and kills.

It is a script like any other: ``python tests/harness/tiny_table.py --no-wandb``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence

from datamodules.clip_selection import ClipSelection
from datamodules.ligar import SMOKE_DATA, LigarData
from datamodules.synthetic.stand_ins import stand_in
from experiments.harness import Build, Claim, Column, Pretrain, Profile, Row, Table, main
from lightning_modules.ligar.network import LARGE
from lightning_modules.recipe import SGD, AdaptiveClipping, Constant, CosineAnnealing, Recipe, Stage
from tests.harness.noisy_ligar import NoisyLigar

EPOCHS = 10

UNTRIMMED = dataclasses.replace(stand_in("ActivityNet-200").tiny(), num_train=24, num_val=8)
SOURCE = dataclasses.replace(stand_in("Kinetics-700").tiny(), num_train=8, num_val=4)
DATA = Build(LigarData, source=UNTRIMMED, views=2)


def _recipe(epochs: int) -> Recipe:
    return Recipe(
        stages=(
            Stage(epochs=1, lr=Constant(1e-1), trainable="head"),
            Stage(epochs=epochs - 1, lr=CosineAnnealing(1e-1, 1e-3)),
        ),
        optimizer=SGD(),
        batch_size=4,
        clipping=AdaptiveClipping(factor=0.2),
    )


PROFILE = Profile(
    module=dict(width=0.25, blocks=LARGE[:3], feature_channels=64, embedding_dim=16, scale_epochs=3),
    data=SMOKE_DATA,
    inits={"source": Pretrain(data=Build(LigarData, source=SOURCE), recipe=_recipe(3))},
    val_every=2,
)

TABLE = Table(
    id="tiny/table1",
    title="Tiny, Table 1: what the tests of the harness run",
    module=Build(NoisyLigar),
    recipe=_recipe(EPOCHS),
    init="source",
    profiles={"smoke": PROFILE, "proxy": PROFILE, "paper": PROFILE},
    columns=(
        Column(group="untrimmed", title="Top-1", metric="top1", data=DATA, test_videos=100),
        Column(group="untrimmed", title="mAP", metric="map", data=DATA),
    ),
    rows=(
        Row(label="w/o ACS", published=("50.0", "40.0"), classes=4),
        Row(
            label="w/ ACS",
            published=("51.0", None),
            data=dict(clip_selection=ClipSelection(ready_fraction=0.0, first_epoch=0)),
            classes=4,
        ),
        Row(label="quoted | elsewhere", published=("60.0", None), cited=True),
    ),
    claims=(Claim("T1", "w/ ACS", ">", "w/o ACS"),),
)

# No such width: the network's constructor refuses it when the training starts.
BROKEN = dataclasses.replace(
    TABLE,
    id="tiny/table2",
    rows=(TABLE.rows[0], dataclasses.replace(TABLE.rows[1], label="broken", module=dict(width=-1.0))),
    claims=(Claim("T2", "broken", ">", "w/o ACS"),),
)
TABLES = {table.id: table for table in (TABLE, BROKEN)}


def start(table: str, arguments: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """Do what starting a script of this table does, in a process that has its imports already."""
    os.setsid()
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    main(TABLES[table], arguments)


if __name__ == "__main__":
    main(TABLE)
