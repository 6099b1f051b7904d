"""Two processes test like one, train one network, and keep one set of clip scores."""

from __future__ import annotations

import dataclasses
import inspect
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.batch import ClipBatch
from datamodules.ligar import SMOKE_DATA, LigarData
from experiments.harness import Build
from experiments.harness.cell import Evaluation, Training
from experiments.harness.launch import run_on_devices
from experiments.harness.runner import build_data, run
from lightning_modules.checkpoints import read_checkpoint
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.profiles import SMOKE_MODULE, SMOKE_RECIPE
from tests.tiny_cells import EAGER, UNTRIMMED, runtime, save_lively_weights, training

pytestmark = [pytest.mark.usefixtures("benchmark_cache"), pytest.mark.timeout(180)]

NOTES_VARIABLE = "TEST_DDP_NOTES"
SOURCE = dataclasses.replace(UNTRIMMED, num_train=13)  # 3 batches of 4; 7 test videos, which two cannot share equally
RECIPE = dataclasses.replace(
    SMOKE_RECIPE, stages=(SMOKE_RECIPE.stages[0], dataclasses.replace(SMOKE_RECIPE.stages[1], epochs=2))
)


class Noting(LigarData):
    """LIGAR's data module, which leaves a note of what its process saw."""

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.notes: dict = {"train": [], "test": [], "parameters": [], "batch_size": self.batch_size}

    __init__.__signature__ = inspect.signature(LigarData.__init__)  # type: ignore[attr-defined]  # as Build checks it

    def begin_epoch(self) -> None:
        super().begin_epoch()
        network = self.trainer.lightning_module.network
        self.notes["parameters"].append({name: p.detach().clone() for name, p in network.named_parameters()})

    def on_after_batch_transfer(self, batch: ClipBatch, dataloader_idx: int) -> ClipBatch:
        stage = "train" if self.trainer.training else "test" if self.trainer.testing else None
        if stage is not None:
            self.notes[stage].append((self.trainer.current_epoch, batch.video_index.tolist()))
        return super().on_after_batch_transfer(batch, dataloader_idx)

    def teardown(self, stage: str) -> None:
        path = Path(os.environ[NOTES_VARIABLE]) / f"{getattr(stage, 'value', stage)}.{self.trainer.global_rank}"
        torch.save(self.notes | {"scores": self.state_dict(), "world_size": self.trainer.world_size}, path)


CELL = Training(
    paper="ligar",
    module=Build(Ligar, **SMOKE_MODULE),
    data=Build(Noting, source=SOURCE, views=2, clip_selection=EAGER, **SMOKE_DATA),
    recipe=RECIPE,
    num_classes=4,
    seed=0,
    profile="smoke",
)


@pytest.fixture(scope="module")
def two(tmp_path_factory, benchmark_cache):
    """Train in two processes, then test other weights in two; return the runtime and each process's notes."""
    folder = tmp_path_factory.mktemp("two")
    where = runtime(folder, devices=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NOTES_VARIABLE, str(folder))
        patch.setenv("OMP_NUM_THREADS", "1")
        run_on_devices(CELL, where, "train")
        tested = Evaluation(training=dataclasses.replace(CELL, seed=1), data=CELL.data)
        save_lively_weights(tested.training, where.store)
        run_on_devices(tested, where, "test")
    notes = {stage: [torch.load(folder / f"{stage}.{rank}") for rank in range(2)] for stage in ("fit", "test")}
    return where, notes, tested


def test_there_were_two_processes_with_half_a_batch_each(two):
    _, notes, _ = two
    assert [note["world_size"] for stage in notes.values() for note in stage] == [2] * 4
    assert [note["batch_size"] for note in notes["fit"]] == [2, 2]


def test_two_processes_give_the_metrics_of_one(two, tmp_path):
    where, _, tested = two
    alone = runtime(tmp_path)
    save_lively_weights(tested.training, alone.store)
    os.environ[NOTES_VARIABLE] = str(tmp_path)
    try:
        expected = run(tested, alone)
    finally:
        del os.environ[NOTES_VARIABLE]
    got = where.store.folder(tested).record()
    assert got["metrics"] == expected["metrics"]
    assert (got["num_test_videos"], got["devices"]) == (7, 2)
    scores, reference = (place.store.folder(tested).load_scores() for place in (where, alone))
    for name in ("video_index", "labels", "ids"):
        np.testing.assert_array_equal(scores[name], reference[name])
    np.testing.assert_allclose(scores["scores"], reference["scores"], atol=1e-6)
    assert np.ptp(reference["scores"], axis=0).max() > 0.01, "all videos score alike: this test shows nothing"


def test_no_test_video_is_seen_twice(two):
    _, notes, _ = two
    seen = [[video for _, batch in note["test"] for video in batch] for note in notes["test"]]
    assert sorted(len(videos) for videos in seen) == [3, 4]
    assert sorted(video for videos in seen for video in videos) == list(range(7))


def test_the_processes_train_on_different_videos_of_one_permutation(two):
    _, notes, _ = two
    for epoch in range(RECIPE.epochs):
        first, second = ([v for e, batch in note["train"] if e == epoch for v in batch] for note in notes["fit"])
        assert len(first) == len(second) == 6 and len({*first, *second}) == 12


def test_clip_scores_are_equal_in_both_processes_and_hold_the_clips_of_both(two):
    first, second = (note["scores"]["clip_scores"] for note in two[1]["fit"])
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    trained = {v for note in two[1]["fit"] for epoch, batch in note["train"] if epoch >= 1 for v in batch}
    assert first["video_index"].tolist() == sorted(trained)


def test_both_processes_hold_the_same_parameters_at_every_epoch(two):
    first, second = (note["parameters"] for note in two[1]["fit"])
    assert len(first) == len(second) == RECIPE.epochs + 1  # once more when the loader is made
    for ours, theirs in zip(first, second, strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_head_stage_trains_the_head_alone_in_two_processes_too(two):
    _, start, after_head, after_all = two[1]["fit"][0]["parameters"]
    for name, tensor in start.items():
        assert torch.equal(after_head[name], tensor) == (not name.startswith("head.")), name
    moved = [not torch.equal(after_all[name], after_head[name]) for name in start]
    assert sum(moved) > 0.9 * len(moved)


def test_the_record_weights_and_curves_are_written_once(two):
    where, *_ = two
    folder = where.store.folder(CELL)
    record = folder.record()
    assert record["devices"] == 2 and not (folder.path / "lock").exists()
    assert read_checkpoint(folder.weights)["state_dict"].keys()
    for key, points in record["curves"].items():
        assert [epoch for epoch, _ in points] == list(range(RECIPE.epochs)), key
    sevenths = [value * 7 / 100 for _, value in record["curves"]["val/top1"]]
    assert sevenths == pytest.approx([round(value) for value in sevenths])
    rows = (folder.path / "curves.csv").read_text().splitlines()[1:]
    assert len(rows) == len(set(rows)) == sum(len(points) for points in record["curves"].values())


def test_a_batch_that_the_devices_cannot_share_is_refused():
    with pytest.raises(ValueError, match="batch_size=4 cannot be shared equally by 3 devices"):
        build_data(training(), CELL.data, 0, devices=3)


def test_a_failed_run_is_an_error_that_names_the_cell(tmp_path):
    with pytest.raises(RuntimeError, match="row X, seed 0: the data-parallel run ended with status"):
        run_on_devices(Evaluation(training=CELL, data=CELL.data), runtime(tmp_path, devices=1), "row X, seed 0")
