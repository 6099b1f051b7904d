"""Videos rejected by Adaptive Clip Selection: left out of the loss for an epoch, served and recorded all the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from datamodules.clip_selection import ClipScores, ClipSelection
from tests.tiny_cells import UNTRIMMED, ligar_data

pytestmark = pytest.mark.usefixtures("benchmark_cache")

IGNORING = ClipSelection(ready_fraction=0.7, ignore_rejected=True)


def snapshot(*clips: tuple[int, int, bool], num_frames: int = 20, selection: ClipSelection = IGNORING):
    """Return the snapshot after clips (first, end, correct) of video 3."""
    scores = ClipScores(selection)
    for first, end, correct in clips:
        scores.record([3], [first], [end], [num_frames], [correct], [0.5])
    return scores.snapshot()


@pytest.mark.parametrize(
    ("clips", "expected"),
    [
        ([(0, 20, False)], True),
        ([(0, 20, False), (5, 6, True)], False),  # the frame is back at 0, which counts for the video
        ([(0, 19, False)], False),  # one frame was never seen
        ([(0, 14, False)], False),  # not ready: exactly 70 %
        ([(0, 20, True)], False),
        ([], False),
    ],
)
def test_a_video_is_rejected_when_every_frame_of_it_counts_against_it(clips, expected):
    assert snapshot(*clips).rejects(3, 20, 8) is expected
    assert snapshot(*clips, selection=ClipSelection()).rejects(3, 20, 8) is False, "off by default"
    assert snapshot(*clips).rejects(2, 20, 8) is False


def test_rejection_agrees_with_the_weights_of_all_windows():
    rng, outcomes = np.random.default_rng(0), set()
    for _ in range(200):
        clips = [(int(f), int(f) + 12, bool(rng.random() < 0.15)) for f in rng.integers(0, 9, 6)]
        got, scores = snapshot(*clips), np.zeros(20)
        visited = np.zeros(20, dtype=bool)
        for first, end, correct in clips:
            scores[first:end] += 0.5 if correct else -0.5
            visited[first:end] = True
        windows = [sum(0 if v < 0 else 1 + v for v in scores[i : i + 8]) for i in range(13)]
        expected = bool(visited.mean() > 0.7 and not any(windows))
        assert got.rejects(3, 20, 8) is expected
        outcomes.add(expected)
        if expected:
            np.testing.assert_array_equal(got.start_weights(3, 20, 8), np.ones(13))  # served from anywhere
    assert outcomes == {True, False}


def test_a_video_shorter_than_the_window_is_never_rejected():
    rejected = snapshot((0, 20, False))
    assert rejected.rejects(3, 20, 20) and not rejected.rejects(3, 20, 21)
    with pytest.raises(ValueError, match="video 3 has 20 frames on record, got 25"):
        rejected.rejects(3, 25, 8)


def recorded(data, correct: dict[int, bool]) -> None:
    lengths = {i: data.subset("train")[1].num_frames(i) for i in correct}
    data.record_clips(
        video_index=np.array(list(correct)), first=np.zeros(len(correct), int), end=np.array(list(lengths.values())),
        num_frames=np.array(list(lengths.values())), correct=np.array(list(correct.values())),
        confidence=np.full(len(correct), 0.5),
    )  # fmt: skip


def epoch(data, loader, number: int) -> tuple[dict[int, bool], list]:
    """Return which videos an epoch marks as ignored, and its batches."""
    loader.sampler.set_epoch(number)
    data.begin_epoch()
    batches = list(loader)
    marks = {}
    for batch in batches:
        ignored = torch.zeros(len(batch), dtype=torch.bool) if batch.ignored is None else batch.ignored
        marks.update(zip(batch.video_index.tolist(), ignored.tolist(), strict=True))
    return marks, batches


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_rejected_video_is_marked_from_the_next_epoch_until_it_recovers(num_workers):
    data = ligar_data(UNTRIMMED, clip_selection=IGNORING, num_workers=num_workers)
    videos, _ = data.subset("train")
    loader = data.train_dataloader()
    marks, batches = epoch(data, loader, 0)
    assert not any(marks.values()) and all(batch.ignored is None for batch in batches)
    recorded(data, {1: False, 4: False, 6: True})
    assert not any(mark for batch in loader for mark in (batch.ignored if batch.ignored is not None else ()))
    marks, batches = epoch(data, loader, 1)
    assert {video for video, mark in marks.items() if mark} == {1, 4} and len(marks) == 8
    for batch in batches:  # labels stay the true ones and clips are served
        assert batch.labels.tolist() == [videos[i].label for i in batch.video_index.tolist()]
        assert batch.ignored is None or (batch.ignored.dtype == torch.bool and batch.clips[batch.ignored].any())
    recorded(data, {1: True})
    assert {video for video, mark in epoch(data, loader, 2)[0].items() if mark} == {4}


def test_workers_and_a_restored_checkpoint_mark_the_same_videos():
    data = ligar_data(UNTRIMMED, clip_selection=IGNORING)
    recorded(data, {0: False, 5: False, 7: True})
    for num_workers in (0, 2):
        restored = ligar_data(UNTRIMMED, clip_selection=IGNORING, num_workers=num_workers)
        restored.load_state_dict(data.state_dict())
        for one, other in zip(*(epoch(d, d.train_dataloader(), 3)[1] for d in (data, restored)), strict=True):
            for field in dataclasses.fields(one):
                first, second = getattr(one, field.name), getattr(other, field.name)
                assert first is second is None or torch.equal(first, second), field.name


def test_without_the_option_nothing_is_marked_and_the_same_clips_are_served():
    plain, ignoring = (
        ligar_data(UNTRIMMED, clip_selection=dataclasses.replace(IGNORING, ignore_rejected=flag))
        for flag in (False, True)
    )
    for data in (plain, ignoring):
        recorded(data, {0: False, 5: False})
    pairs = list(zip(*(epoch(d, d.train_dataloader(), 1)[1] for d in (plain, ignoring)), strict=True))
    assert all(torch.equal(one.clips, other.clips) and one.ignored is None for one, other in pairs)
    assert any(other.ignored is not None for _, other in pairs)
