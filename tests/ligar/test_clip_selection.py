"""Clip selection from training step to next epoch's clips, through a real Trainer, workers and checkpoints."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import lightning as L
import numpy as np
import pytest
import torch

from datamodules.batch import ClipBatch
from datamodules.clip_selection import ClipScores, ClipSelection
from lightning_modules.ligar.clip_selection import ClipSelectionFeedback, clip_outcome
from tests.tiny_cells import EAGER, UNTRIMMED, fit, ligar, ligar_data, recipe, same_state

pytestmark = pytest.mark.usefixtures("benchmark_cache")


class Watch(L.Callback):
    """Keep each step's clips and, at each epoch's end, the scores."""

    def __init__(self) -> None:
        self.clips: dict[int, list[tuple[int, list[list[int]]]]] = {}
        self.outcomes: dict[int, list[dict]] = {}
        self.scores: dict[int, ClipScores] = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        rows = self.clips.setdefault(trainer.current_epoch, [])
        rows += zip(batch.video_index.tolist(), batch.frame_indices.tolist(), strict=True)
        outcome = clip_outcome(outputs["logits"], batch, "cosine")
        self.outcomes.setdefault(trainer.current_epoch, []).append(outcome)

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.scores[trainer.current_epoch] = copy.deepcopy(trainer.datamodule.clip_scores)


class SaveAfter(L.Callback):
    """Save a checkpoint at the end of one epoch, as an interrupted training leaves it."""

    def __init__(self, epoch: int, path) -> None:
        self.epoch, self.path = epoch, path

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path, weights_only=False)


EPOCHS = 5
RECIPE = dataclasses.replace(recipe(), stages=(dataclasses.replace(recipe().stages[1], epochs=EPOCHS),))


def train(*, num_workers: int = 0, epochs: int = EPOCHS, callbacks=(), ckpt_path=None, selection=EAGER):
    watch = Watch()
    data = ligar_data(UNTRIMMED, clip_selection=selection, num_workers=num_workers, clips_per_video=2)
    module = ligar(UNTRIMMED, recipe=RECIPE)
    fit(module, data, epochs=epochs, callbacks=[*callbacks, watch], ckpt_path=ckpt_path)
    return watch, module, data


@pytest.fixture(scope="module")
def in_process(benchmark_cache):
    return train()


def expected_clips(epoch: int, scores: ClipScores | None) -> dict[int, np.ndarray]:
    """Draw an epoch's clips by hand from the scores that were known when it began."""
    data = ligar_data(UNTRIMMED)
    _, reader = data.subset("train")
    clips = {}
    for video in range(UNTRIMMED.num_train):
        length = reader.num_frames(video)
        weights = None if scores is None else scores.snapshot().start_weights(video, length, data.sampling.span)
        clips[video] = data.sampling.train(length, np.random.default_rng([0, epoch, video]), 2, weights)
    return clips


def assert_sampled_by(watch: Watch, epoch: int, scores: ClipScores | None) -> None:
    expected = expected_clips(epoch, scores)
    assert len(watch.clips[epoch]) == UNTRIMMED.num_train
    for video, indices in watch.clips[epoch]:
        np.testing.assert_array_equal(indices, expected[video], err_msg=f"epoch {epoch}, video {video}")


def test_an_epoch_samples_by_the_scores_of_the_epochs_before_it(in_process):
    watch, *_ = in_process
    for epoch in range(EPOCHS):
        assert_sampled_by(watch, epoch, watch.scores[epoch - 1] if epoch > 0 else None)


def test_selection_really_changed_clips(in_process):
    watch, *_ = in_process
    changed = [
        any(not np.array_equal(clip, expected_clips(epoch, None)[video]) for video, clip in watch.clips[epoch])
        for epoch in range(EPOCHS)
    ]
    assert changed == [False, False, True, True, True]  # epoch 0 is not recorded, so epoch 1 is uniform too


def test_worker_processes_sample_by_the_same_snapshot(in_process):
    alone, two = in_process[0], train(num_workers=2)[0]
    assert two.clips == alone.clips
    assert two.scores == alone.scores
    for epoch in range(1, EPOCHS):
        assert_sampled_by(two, epoch, two.scores[epoch - 1])


def test_scores_are_what_a_loop_over_clips_and_frames_adds_up(in_process):
    watch, _, data = in_process
    _, reader = data.subset("train")
    table = {video: [0.0] * reader.num_frames(video) for video in range(UNTRIMMED.num_train)}
    for epoch in range(1, EPOCHS):
        for outcome in watch.outcomes[epoch]:
            for i in range(len(outcome["video_index"])):
                sign = 1 if outcome["correct"][i] else -1
                for frame in range(outcome["first"][i], outcome["end"][i]):
                    table[int(outcome["video_index"][i])][frame] += sign * float(outcome["confidence"][i])
    state = data.state_dict()["clip_scores"]
    runs = np.split(state["run_scores"].numpy(), np.cumsum(state["run_counts"])[:-1])
    lengths = np.split(state["run_lengths"].numpy(), np.cumsum(state["run_counts"])[:-1])
    for video, values, counts in zip(state["video_index"].tolist(), runs, lengths, strict=True):
        np.testing.assert_allclose(np.repeat(values, counts), table[video], atol=1e-6)
    assert state["video_index"].tolist() == list(range(UNTRIMMED.num_train))


def test_the_first_epoch_is_not_recorded(in_process):
    watch, *_ = in_process
    assert len(watch.scores[0]) == 0 and len(watch.scores[1]) == UNTRIMMED.num_train
    from_the_start = train(epochs=1, selection=ClipSelection(first_epoch=0))[2]
    assert len(from_the_start.clip_scores) == UNTRIMMED.num_train


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("saved_epoch", [1, 2])
def test_a_resumed_training_goes_on_with_the_saved_scores(in_process, tmp_path, saved_epoch, num_workers):
    watch, module, data = in_process
    path = tmp_path / "last.ckpt"
    train(epochs=saved_epoch + 1, callbacks=[SaveAfter(saved_epoch, path)])
    resumed, resumed_module, resumed_data = train(ckpt_path=path, num_workers=num_workers)
    assert sorted(resumed.clips) == list(range(saved_epoch + 1, EPOCHS))
    for epoch in range(saved_epoch + 1, EPOCHS):
        assert resumed.clips[epoch] == watch.clips[epoch], f"epoch {epoch}"
    assert resumed_data.clip_scores == data.clip_scores
    assert same_state(resumed_module.state_dict(), module.state_dict())


def test_the_checkpoint_with_scores_needs_no_code_to_be_read(tmp_path):
    train(epochs=3, callbacks=[SaveAfter(1, tmp_path / "last.ckpt")])
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    scores = checkpoint["LigarData"]["clip_scores"]
    assert scores["video_index"].tolist() == list(range(UNTRIMMED.num_train))


def test_the_snapshot_travels_to_spawned_workers():
    data = ligar_data(UNTRIMMED, clip_selection=EAGER)
    data.record_clips(
        video_index=np.array([2]), first=np.array([0]), end=np.array([64]), num_frames=np.array([64]),
        correct=np.array([True]), confidence=np.array([0.5]),
    )  # fmt: skip
    clips = data.train_dataloader().dataset
    copied = pickle.loads(pickle.dumps(clips))
    for key in ((3, 2), (3, 1)):
        np.testing.assert_array_equal(copied[key][3], clips[key][3])
    assert copied.start_weights(2, 64, 8) is not None and copied.start_weights(1, 64, 8) is None


def test_without_clip_selection_nothing_is_recorded():
    module, data = ligar(UNTRIMMED, recipe=RECIPE), ligar_data(UNTRIMMED)
    fit(module, data, epochs=2)
    assert data.clip_scores is None


# -- what one training step reports -----------------------------------------------------------------------


def batch(rng: np.random.Generator, n: int, v: int, t: int) -> ClipBatch:
    return ClipBatch(
        clips=torch.zeros(n, v, 1, t, 1, 1),
        labels=torch.from_numpy(rng.integers(0, 5, n)),
        video_index=torch.from_numpy(rng.permutation(100)[:n]),
        frame_indices=torch.from_numpy(rng.integers(0, 50, (n, v, t))),
        num_frames=torch.full((n,), 50),
        source_index=torch.zeros(n, dtype=torch.long),
    )


@pytest.mark.parametrize("confidence", ["cosine", "probability"])
def test_clip_outcome_agrees_with_a_loop(confidence):
    rng = np.random.default_rng(3)
    clips = batch(rng, 6, 3, 4)
    logits = torch.from_numpy(rng.uniform(-1, 1, (6, 3, 5)).astype(np.float32))
    got = clip_outcome(logits, clips, confidence)
    i = 0
    for n in range(6):
        for v in range(3):
            row = logits[n, v].double().numpy()
            exponentials = np.exp(row)
            best = int(row.argmax())
            assert got["video_index"][i] == clips.video_index[n]
            assert got["first"][i] == min(clips.frame_indices[n, v].tolist())
            assert got["end"][i] == max(clips.frame_indices[n, v].tolist()) + 1
            assert got["num_frames"][i] == 50
            assert got["correct"][i] == (best == clips.labels[n])
            expected = row[best] if confidence == "cosine" else exponentials[best] / exponentials.sum()
            assert got["confidence"][i] == pytest.approx(expected, rel=1e-6)
            i += 1
    assert {len(column) for column in got.values()} == {i}


def test_an_unknown_confidence_is_refused():
    with pytest.raises(ValueError, match="confidence='logit'; accepted: 'cosine', 'probability'"):
        ClipSelectionFeedback(confidence="logit")
