"""Adaptive Clip Selection counts frames and weighs starts as the authors' code does."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
import torch

from datamodules.clip_selection import ClipScores, ClipSelection, window_weights


def filled(video: int = 7, num_frames: int = 10, values=None, ready_fraction: float = 0.0) -> ClipScores:
    """Return scores where each given frame was visited once, by a clip of one frame."""
    scores = ClipScores(ClipSelection(ready_fraction=ready_fraction))
    for frame, value in (values or {0: 0.5}).items():
        scores.record([video], [frame], [frame + 1], [num_frames], [value > 0], [abs(value)])
    return scores


def random_batch(rng: np.random.Generator, size: int = 24):
    videos = rng.integers(0, 6, size)
    lengths = 20 + 5 * videos
    first = rng.integers(0, lengths - 8)
    end = first + rng.integers(1, 9, size)
    return videos, first, end, lengths, rng.random(size) < 0.6, rng.uniform(-0.1, 1, size)


def test_start_weights_are_the_authors():
    values = {0: 0.5, 1: 0.5, 2: -0.2, 3: 0.0, 5: 0.7, 6: -1.0, 8: 0.1}
    expected = [4.0, 3.5, 3.7, 3.7, 3.7, 3.8, 3.1]
    frame_scores = np.array([values.get(frame, 0.0) for frame in range(10)])
    weights = window_weights(frame_scores, 4)
    np.testing.assert_allclose(weights, expected, atol=1e-12)
    np.testing.assert_allclose(weights / weights.sum(), np.array(expected) / 25.5, atol=1e-12)
    recorded = filled(values=values).snapshot().start_weights(7, 10, 4)
    np.testing.assert_allclose(recorded, expected, atol=1e-6)


def test_weights_and_readiness_agree_with_loops_over_frames():
    rng = np.random.default_rng(0)
    scores = ClipScores(ClipSelection(ready_fraction=0.7))
    table: dict[int, dict[int, float]] = {}
    for _ in range(4):
        batch = random_batch(rng)
        scores.record(*batch)
        for video, first, end, _, correct, confidence in zip(*(column.tolist() for column in batch), strict=True):
            for frame in range(first, end):
                row = table.setdefault(video, {})
                row[frame] = row.get(frame, 0.0) + (confidence if correct else -confidence)
    snapshot = scores.snapshot()
    states = set()
    for video in range(6):
        length = 20 + 5 * video
        got = snapshot.start_weights(video, length, 8)
        states.add(got is None)
        assert (got is not None) == (len(table[video]) / length > 0.7)
        if got is not None:
            frame_scores = [table[video].get(frame, 0.0) for frame in range(length)]
            frame_weights = [1 + v if v >= 0 else 0.0 for v in frame_scores]
            expected = [sum(frame_weights[i : i + 8]) for i in range(length - 7)]
            np.testing.assert_allclose(got, expected, atol=1e-5)
    assert states == {True, False}


def test_all_negative_frames_give_uniform_starts():
    scores = ClipScores(ClipSelection())
    scores.record([0], [0], [10], [10], [False], [0.9])
    np.testing.assert_array_equal(scores.snapshot().start_weights(0, 10, 4), np.ones(7))


def test_windows_of_negative_frames_alone_are_never_chosen():
    scores = ClipScores(ClipSelection())
    scores.record([0, 0], [0, 5], [5, 10], [10, 10], [False, True], [0.3, 0.3])
    weights = scores.snapshot().start_weights(0, 10, 4)
    np.testing.assert_array_equal(weights[:2], [0, 0])
    assert (weights[2:] > 0).all()


def test_a_video_is_ready_only_above_the_fraction():
    for num_frames in (10, 30, 70, 90, 110):  # 0.7 times these is not exact in binary
        scores = ClipScores(ClipSelection(ready_fraction=0.7))
        at_limit = 7 * num_frames // 10
        scores.record([0], [0], [at_limit], [num_frames], [True], [0.5])
        assert scores.snapshot().start_weights(0, num_frames, 4) is None
        scores.record([0], [at_limit], [at_limit + 1], [num_frames], [False], [0.0])
        assert scores.snapshot().start_weights(0, num_frames, 4) is not None


def test_the_ordinary_sampler_serves_short_and_unknown_videos():
    snapshot = filled(values={frame: 0.5 for frame in range(10)}).snapshot()
    assert snapshot.start_weights(7, 10, 11) is None
    assert snapshot.start_weights(6, 10, 4) is None
    assert snapshot.start_weights(8, 10, 4) is None
    assert len(snapshot.start_weights(7, 10, 10)) == 1
    assert ClipScores(ClipSelection()).snapshot().start_weights(0, 10, 4) is None


def test_scores_do_not_depend_on_the_order_of_clips():
    batches = [random_batch(np.random.default_rng(seed)) for seed in range(5)]
    forward, backward = ClipScores(ClipSelection()), ClipScores(ClipSelection())
    for batch in batches:
        forward.record(*batch)
    for batch in reversed(batches):
        backward.record(*(column[::-1] for column in batch))
    assert forward == backward
    for name, tensor in forward.state_dict().items():
        assert torch.equal(tensor, backward.state_dict()[name])


def test_ranks_that_record_the_gathered_batch_agree_whatever_the_rank_order():
    parts = [random_batch(np.random.default_rng(seed), size=12) for seed in (1, 2)]
    first, second = ClipScores(ClipSelection()), ClipScores(ClipSelection())
    first.record(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    second.record(*(np.concatenate(columns) for columns in zip(*reversed(parts), strict=True)))
    assert first == second


def test_a_clip_recorded_twice_counts_twice():
    scores = ClipScores(ClipSelection(ready_fraction=0.0))
    scores.record([0, 0], [2, 2], [6, 6], [8, 8], [True, True], [0.25, 0.25])
    np.testing.assert_array_equal(scores.snapshot().start_weights(0, 8, 1), [1, 1, 1.5, 1.5, 1.5, 1.5, 1, 1])


def test_snapshots_do_not_change_with_later_records_and_cannot_be_written():
    scores = filled(values={frame: 0.5 for frame in range(10)})
    snapshot = scores.snapshot()
    before = snapshot.start_weights(7, 10, 4).copy()
    scores.record([7], [0], [10], [10], [False], [0.9])
    np.testing.assert_array_equal(snapshot.start_weights(7, 10, 4), before)
    with pytest.raises(ValueError, match="read-only"):
        snapshot.run_weights[0] = 1.0


def test_snapshots_survive_pickling_and_stay_small():
    scores = ClipScores(ClipSelection())
    for video in range(100):
        scores.record([video], [0], [3000], [3000], [True], [0.5])
    data = pickle.dumps(scores.snapshot())
    assert len(data) < 10_000  # 100 videos of 3,000 frames
    copy = pickle.loads(data)
    assert len(copy) == 100
    np.testing.assert_array_equal(copy.start_weights(5, 3000, 32), np.full(2969, 48.0))


def test_state_survives_a_checkpoint_loaded_with_weights_only():
    rng = np.random.default_rng(3)
    scores = ClipScores(ClipSelection())
    for _ in range(3):
        scores.record(*random_batch(rng))
    for source in (scores, ClipScores(ClipSelection())):
        file = io.BytesIO()
        torch.save(source.state_dict(), file)
        file.seek(0)
        restored = ClipScores(ClipSelection())
        restored.load_state_dict(torch.load(file, weights_only=True))
        assert restored == source
    batch = random_batch(rng)
    scores.record(*batch)
    restored = ClipScores(ClipSelection())
    restored.load_state_dict(scores.state_dict())
    assert restored == scores
    restored.record(*batch)
    assert restored != scores


def test_undecodable_videos_are_skipped_and_numbers_outside_are_refused():
    scores = ClipScores(ClipSelection())
    scores.record([0], [0], [1], [0], [True], [0.5])
    assert len(scores) == 0
    with pytest.raises(ValueError, match=r"outside its frames, in video\(s\) \[4\]"):
        scores.record([4], [5], [11], [10], [True], [0.5])
    with pytest.raises(ValueError, match="not finite"):
        scores.record([4], [0], [4], [10], [True], [float("nan")])
    with pytest.raises(ValueError, match="one entry per clip"):
        scores.record([4, 5], [0], [4], [10], [True], [0.5])
    scores.record([4], [0], [9], [10], [True], [0.5])
    with pytest.raises(ValueError, match="video 4 has 10 frames on record, got 12"):
        scores.record([4], [0], [4], [12], [True], [0.5])
    with pytest.raises(ValueError, match="video 4 has 10 frames on record, got 12"):
        scores.snapshot().start_weights(4, 12, 4)
    with pytest.raises(ValueError, match=r"span must be in \[1, 3\], got 4"):
        window_weights(np.zeros(3), 4)
    with pytest.raises(ValueError, match="got 1.0"):
        ClipSelection(ready_fraction=1.0)


def test_the_very_first_epoch_is_not_recorded():
    assert [ClipSelection().records(epoch) for epoch in range(3)] == [False, True, True]
