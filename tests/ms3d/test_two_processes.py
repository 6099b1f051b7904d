"""Two processes with a pair each train by the N-pair loss over both: a process alone has no class to tell it from."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from datamodules.ms3d import SMOKE_DATA, Ms3dData
from datamodules.synthetic.stand_ins import stand_in
from experiments.harness import Build
from experiments.harness.cell import Training
from experiments.harness.launch import run_on_devices
from lightning_modules.checkpoints import read_checkpoint
from lightning_modules.ms3d import Ms3d
from lightning_modules.ms3d.profiles import SMOKE_LOSS, SMOKE_MS3D, SMOKE_RECIPE
from tests.tiny_cells import runtime

SOURCE = dataclasses.replace(stand_in("HMDB51").tiny(), num_train=16, num_val=8)
CELL = Training(
    paper="ms3d",
    module=Build(Ms3d, backbone=SMOKE_MS3D, loss=SMOKE_LOSS),
    data=Build(Ms3dData, source=SOURCE, **SMOKE_DATA),
    recipe=SMOKE_RECIPE,
    num_classes=4,
    seed=0,
    profile="smoke",
)


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("benchmark_cache")
def test_two_processes_with_one_class_each_have_the_loss_of_both(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert SMOKE_RECIPE.batch_size == 4, "two clips, one class, in each process"
    where = runtime(tmp_path, devices=2)
    run_on_devices(CELL, where, "train")
    folder = where.store.folder(CELL)
    curves = folder.record()["curves"]
    assert len(curves["train/loss_n_pair"]) == SMOKE_RECIPE.epochs
    state = read_checkpoint(folder.path / "weights.ckpt")["state_dict"]
    assert state["network.head.counts"].tolist() == [4, 4, 4, 4], "the repository has the videos of both"
    assert all(torch.isfinite(tensor).all() for tensor in state.values() if tensor.is_floating_point())
