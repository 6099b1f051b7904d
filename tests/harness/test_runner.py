"""A training becomes record, weights and curves; interrupted anywhere it ends in the same bits."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from datamodules.boxes import TailoredReader
from datamodules.known_classes import PickedReader
from datamodules.transforms.tailor import Tailor
from experiments.harness import runner
from experiments.harness.boxless import without_box
from experiments.harness.cell import file_hash
from experiments.harness.metrics import METRICS
from experiments.harness.runner import build_training_module, load_trained, run
from experiments.harness.store import LockedError
from lightning_modules.checkpoints import read_checkpoint
from tests.tiny_cells import EAGER, SOURCE, evaluation, runtime, same_state, save_lively_weights, training

pytestmark = pytest.mark.usefixtures("benchmark_cache")

CELL = training(clip_selection=EAGER)
EPOCHS = CELL.recipe.epochs


class Killed(Exception):
    """Stand for the end of the process."""


class KillAt(L.Callback):
    """End the training at a step of an epoch, before that step's update counts for anything."""

    def __init__(self, epoch: int, step: int) -> None:
        self.epoch, self.step = epoch, step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, self.step):
            raise Killed


class CountSteps(L.Callback):
    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.steps.append((trainer.current_epoch, batch_idx))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, benchmark_cache):
    """Train once without interruption."""
    where = runtime(tmp_path_factory.mktemp("whole"))
    return where, run(CELL, where)


def with_callback(monkeypatch, callback: L.Callback) -> None:
    original = runner.make_trainer
    monkeypatch.setattr(runner, "make_trainer", lambda cell, where, calls: original(cell, where, [*calls, callback]))


def interrupt(monkeypatch, where, callback: L.Callback, cell=CELL) -> None:
    with monkeypatch.context() as patch:
        with_callback(patch, callback)
        with pytest.raises(Killed):
            run(cell, where)


def weights(where, cell=CELL) -> dict[str, torch.Tensor]:
    return read_checkpoint(where.store.folder(cell).weights)["state_dict"]


# -- what a training leaves ---------------------------------------------------------------------------------


def test_a_training_leaves_record_weights_and_nothing_to_resume(whole):
    where, record = whole
    folder = where.store.folder(CELL)
    assert folder.record() == record and folder.state() == "done"
    assert folder.weights.exists() and not folder.last.exists()
    assert record["kind"] == "training" and record["fingerprint"] == CELL.fingerprint
    assert record["arguments"] == CELL.arguments and record["num_train_videos"] == 8
    assert record["params"] == sum(p.numel() for p in build_training_module(CELL).parameters())
    assert {"torch", "lightning", "numpy"} <= record["versions"].keys() and record["hardware"]
    left = {path.name for path in folder.path.iterdir() if not path.name.startswith(".guard")}
    assert left == {"record.json", "weights.ckpt", "curves.csv"}


def test_curves_have_one_value_per_epoch(whole):
    curves = whole[1]["curves"]
    assert {"train/loss", "train/top1", "train/lr", "train/action_share", "val/top1"} <= set(curves)
    assert {"train/loss_am_softmax", "train/loss_local_push", "train/loss_center_push"} <= set(curves)
    for key, points in curves.items():
        assert [epoch for epoch, _ in points] == list(range(EPOCHS)), key
        assert np.isfinite([value for _, value in points]).all(), key
    last_step = (EPOCHS - 1, 0.5)  # of two steps an epoch
    assert curves["train/lr"][-1][1] == CELL.recipe.lr_at(*last_step)


def test_validation_is_looked_at_only_every_so_many_epochs(tmp_path):
    cell = dataclasses.replace(CELL, val_every=2)
    record = run(cell, runtime(tmp_path))
    assert [epoch for epoch, _ in record["curves"]["val/top1"]] == [1]
    assert len(record["curves"]["train/loss"]) == EPOCHS


def test_looking_at_validation_changes_no_weight(whole, tmp_path):
    cell, where = dataclasses.replace(CELL, val_every=3), runtime(tmp_path)
    run(cell, where)
    assert same_state(weights(where, cell), weights(whole[0]))


def test_a_finished_cell_is_not_run_again(whole, monkeypatch):
    where, record = whole
    monkeypatch.setattr(runner, "_run", lambda *_: pytest.fail("ran again"))
    assert run(CELL, where) == record


def test_the_same_cell_gives_the_same_bits_with_workers(whole, tmp_path):
    where = runtime(tmp_path, num_workers=2)
    record = run(CELL, where)
    assert same_state(weights(where), weights(whole[0]))
    assert record["curves"] == whole[1]["curves"]


def test_another_seed_gives_other_weights(whole, tmp_path):
    where, cell = runtime(tmp_path), dataclasses.replace(CELL, seed=1)
    run(cell, where)
    assert not same_state(weights(where, cell), weights(whole[0]))


def test_limit_batches_cuts_every_epoch_short(tmp_path, monkeypatch):
    steps, cell = CountSteps(), dataclasses.replace(CELL, limit_batches=1)
    with_callback(monkeypatch, steps)
    run(cell, runtime(tmp_path))
    assert steps.steps == [(epoch, 0) for epoch in range(EPOCHS)]


# -- interruption ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epoch", "step"), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)])
def test_an_interrupted_training_ends_in_the_same_bits_and_repeats_at_most_one_epoch(
    whole, tmp_path, monkeypatch, epoch, step
):
    where, folder = runtime(tmp_path), runtime(tmp_path).store.folder(CELL)
    interrupt(monkeypatch, where, KillAt(epoch, step))
    assert folder.last.exists() == (epoch > 0) and folder.record() is None
    assert folder.state() == ("interrupted" if epoch > 0 else "missing")
    steps = CountSteps()
    with monkeypatch.context() as patch:
        with_callback(patch, steps)
        record = run(CELL, where)
    assert steps.steps == [(e, s) for e in range(epoch, EPOCHS) for s in range(2)]
    assert same_state(weights(where), weights(whole[0]))
    assert record["curves"] == whole[1]["curves"]


def test_interrupted_at_every_epoch_it_still_ends_in_the_same_bits(whole, tmp_path, monkeypatch):
    where = runtime(tmp_path)
    for epoch in range(EPOCHS):
        interrupt(monkeypatch, where, KillAt(epoch, 1))
    record = run(CELL, where)
    assert same_state(weights(where), weights(whole[0]))
    assert record["curves"] == whole[1]["curves"]


@pytest.mark.parametrize("workers", [(0, 2), (2, 0)], ids=["then with workers", "then without workers"])
def test_resuming_with_another_number_of_workers_ends_in_the_same_bits(whole, tmp_path, monkeypatch, workers):
    interrupt(monkeypatch, runtime(tmp_path, num_workers=workers[0]), KillAt(2, 0))
    where = runtime(tmp_path, num_workers=workers[1])
    run(CELL, where)
    assert same_state(weights(where), weights(whole[0]))


def test_what_other_code_began_is_not_gone_on_with(whole, tmp_path, monkeypatch):
    where = runtime(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(runner, "source_hash", lambda *classes: "another")
        interrupt(patch, where, KillAt(1, 0))
    steps = CountSteps()
    with monkeypatch.context() as patch:
        with_callback(patch, steps)
        run(CELL, where)
    assert steps.steps == [(e, s) for e in range(EPOCHS) for s in range(2)], "from its first epoch"
    assert same_state(weights(where), weights(whole[0]))


def test_a_kill_before_the_record_is_written_repeats_no_epoch_but_the_last(tmp_path, monkeypatch):
    where = runtime(tmp_path)

    def killed(*given):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(runner, "finish", killed)
        with pytest.raises(Killed):
            run(CELL, where)
    assert where.store.folder(CELL).last.exists()
    steps = CountSteps()
    with monkeypatch.context() as patch:
        with_callback(patch, steps)
        run(CELL, where)
    assert {epoch for epoch, _ in steps.steps} == {EPOCHS - 1}
    assert not where.store.folder(CELL).last.exists()


def test_a_training_that_runs_again_forgets_its_tests_and_no_others(tmp_path):
    where = runtime(tmp_path)
    own, other = evaluation(CELL), evaluation(training(seed=9))
    for cell in (own, other):
        where.store.folder(cell).write_record({"arguments": cell.arguments})
    damaged = where.store.root / "evaluations" / "damaged" / "record.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    run(CELL, where)
    assert where.store.folder(own).record() is None and where.store.folder(other).record() is not None
    assert damaged.exists()


@pytest.mark.parametrize("size", ["half", "nothing"])
def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path, monkeypatch, size):
    where, folder = runtime(tmp_path), runtime(tmp_path).store.folder(CELL)
    interrupt(monkeypatch, where, KillAt(1, 0))
    data = folder.last.read_bytes()
    folder.last.write_bytes(data[: len(data) // 2] if size == "half" else b"")
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged; delete it to start this training again"):
        run(CELL, where)
    assert not (folder.path / "lock").exists()
    folder.last.unlink()
    run(CELL, where)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'exploded'}",)

    where, folder = runtime(tmp_path), runtime(tmp_path).store.folder(CELL)
    folder.path.mkdir(parents=True)
    torch.save({"state_dict": Bomb()}, folder.last)
    with pytest.raises(ValueError, match=r"last\.ckpt.*weights_only"):
        run(CELL, where)
    assert not (tmp_path / "exploded").exists()


def test_a_cell_that_a_live_process_works_on_is_left_alone(tmp_path):
    where = runtime(tmp_path)
    with where.store.folder(CELL).lock(), pytest.raises(LockedError):
        run(CELL, where)


# -- initialisation ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, benchmark_cache):
    where, cell = runtime(tmp_path_factory.mktemp("pretrained")), training(SOURCE)
    run(cell, where)
    return where, cell


def backbone(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if name.startswith("network.backbone.")}


@pytest.mark.parametrize("by_file", [False, True], ids=["cell", "file"])
def test_a_training_starts_from_the_backbone_of_another(pretrained, monkeypatch, by_file):
    where, source = pretrained
    init: object = where.store.folder(source).weights if by_file else source
    cell = training(init=init)
    started = {}

    class Start(L.Callback):
        def on_train_start(self, trainer, pl_module) -> None:
            started.update({name: tensor.clone() for name, tensor in pl_module.state_dict().items()})

    with_callback(monkeypatch, Start())
    record = run(cell, where)
    given = weights(where, source)
    assert same_state(backbone(started), backbone(given))
    assert not torch.equal(started["network.head.centres.weight"], given["network.head.centres.weight"])
    assert record["initialised"] == f"{len(backbone(given))} tensors loaded, 0 missing, 0 of another shape, 0 unused"
    assert record["start"] == file_hash(where.store.folder(source).weights)


def test_what_a_starting_checkpoint_lacks_is_on_record(pretrained, tmp_path):
    where, source = pretrained
    state = weights(where, source)
    del state["network.backbone.out.0.weight"]
    state["network.backbone.stem.0.weight"] = torch.zeros(1)
    state["network.backbone.fifth_wheel"] = torch.zeros(1)
    torch.save({"state_dict": state}, tmp_path / "given.ckpt")
    record = run(training(init=tmp_path / "given.ckpt"), runtime(tmp_path))
    loaded = len(backbone(state)) - 2
    assert record["initialised"] == (
        f"{loaded} tensors loaded, 1 missing, 1 of another shape, 1 unused; missing: backbone.out.0.weight; "
        "of another shape: backbone.stem.0.weight; unused: backbone.fifth_wheel"
    )


def test_an_untrained_start_is_an_error_that_names_the_file(tmp_path):
    cell = training(init=training(SOURCE, seed=7))
    with pytest.raises(ValueError, match=r"weights\.ckpt: no such checkpoint"):
        run(cell, runtime(tmp_path))


# -- evaluation ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tested(tmp_path_factory, benchmark_cache):
    where = runtime(tmp_path_factory.mktemp("tested"))
    save_lively_weights(CELL, where.store)
    return where


def test_an_evaluation_leaves_scores_and_their_metrics(tested):
    where, cell = tested, evaluation(CELL, views=3)
    record = run(cell, where)
    scores = where.store.folder(cell).load_scores()
    assert scores["scores"].shape == (7, 4) and scores["video_index"].tolist() == list(range(7))
    assert len(set(scores["ids"].tolist())) == 7 == record["num_test_videos"]
    for name, value in record["metrics"].items():
        assert value == pytest.approx(METRICS[name](scores["scores"], scores["labels"])), name
    module = load_trained(CELL, where.store)
    data = runner.build_data(CELL, cell.data, 0)
    videos, reader = data.subset("test")
    with torch.no_grad():
        for index in range(7):  # decoded, normalised and averaged by hand
            frames = reader.frames(index, data.sampling.test(reader.num_frames(index), 3))  # (V, T, H, W, 3)
            clips = (torch.from_numpy(frames) - torch.tensor(data.mean)) / torch.tensor(data.std)
            expected = module.network(clips.permute(0, 4, 1, 2, 3)).mean(0)
            np.testing.assert_allclose(scores["scores"][index], expected, atol=1e-5)
            assert scores["labels"][index] == videos[index].label
    assert np.ptp(scores["scores"], axis=0).max() > 0.01, "all videos score alike: this test shows nothing"


def test_videos_without_a_box_are_counted_where_frames_are_tailored():
    box = (0.1, 0.1, 0.9, 0.9)
    tailored: Any = TailoredReader(None, (box, None, None, box), Tailor())  # type: ignore[arg-type]

    def counted(reader: Any, videos: int) -> dict[str, int]:
        return without_box(SimpleNamespace(subset=lambda name: ([None] * videos, reader)), "train")

    assert counted(tailored, 4) == {"boxless_train_videos": 2}
    assert counted(PickedReader(tailored, (0, 2, 3)), 3) == {"boxless_train_videos": 1}
    assert counted(PickedReader(tailored, (0, 3)), 2) == {}
    assert counted(PickedReader(object(), (0, 3)), 2) == {}, "frames that nothing tailors"  # type: ignore[arg-type]


def test_evaluations_share_the_training_and_differ_by_their_views(tested):
    where = tested
    one, three = evaluation(CELL, views=1), evaluation(CELL, views=3)
    assert one.fingerprint != three.fingerprint and one.training == three.training
    scores = [run(cell, where) and where.store.folder(cell).load_scores()["scores"] for cell in (one, three)]
    assert np.abs(scores[0] - scores[1]).max() > 0.01


def test_an_evaluation_without_its_training_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"weights\.ckpt is missing: run this cell first"):
        run(evaluation(training(seed=9)), runtime(Path(tmp_path)))
