from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.variance_rate import (
    FRAMES_AT_ONCE,
    VarianceRates,
    VarianceRateSampling,
    reordered,
    step_changes,
    step_probabilities,
)


class Frames:
    """Read one video that is given as an array; count how often."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames, self.reads = frames, 0

    def read(self, index, choose):
        self.reads += 1
        indices = choose(len(self.frames))
        return self.frames[indices], indices, len(self.frames)


def moving_square(num_frames: int = 60, first: int = 20, end: int = 40, size: int = 24) -> np.ndarray:
    """Return a video in which a white square rests, crosses from frame ``first`` to ``end``, and rests."""
    frames = np.zeros((num_frames, size, size, 3), dtype=np.uint8)
    for t in range(num_frames):
        x = int(np.clip(t - first, 0, end - first)) * (size - 6) // (end - first)
        frames[t, 8:14, x : x + 6] = 255
    return frames


def test_the_rate_of_a_step_is_its_share_of_all_absolute_differences():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)
    grey = frames.astype(np.float64).mean(-1)
    literal = np.array([
        sum(abs(grey[z + 1, y, x] - grey[z, y, x]) for y in range(4) for x in range(6)) for z in range(4)
    ])  # fmt: skip
    np.testing.assert_allclose(step_changes(frames), literal, rtol=1e-5)
    expected = (literal / literal.sum() + 1e-6) / (1 + 4e-6)
    np.testing.assert_allclose(step_probabilities(literal), expected, rtol=1e-9)


def test_large_frames_are_averaged_before_they_are_compared():
    frames = np.zeros((2, 112, 224, 3), dtype=np.uint8)
    frames[1, :2, :4] = 200  # one cell of 56 x 56
    assert step_changes(frames) == pytest.approx([200.0])


def test_drawn_frames_concentrate_where_the_picture_moves():
    """Compare the distribution of draws with the known motion: total variation distance, not a single draw."""
    p = step_probabilities(step_changes(moving_square()))
    sampling, rng = VarianceRateSampling(pathway_frames=(5,)), np.random.default_rng(0)
    drawn = sampling.train(60, rng, 3000, p)
    share = np.bincount(drawn.flatten(), minlength=60) / drawn.size
    moving = np.zeros(60)
    moving[np.flatnonzero(p > 1e-3) + 1] = 1
    assert moving[21:41].sum() == moving.sum() >= 15, "the motion is in frames 21 to 40"
    distance = 0.5 * np.abs(share - moving / moving.sum()).sum()
    assert distance < 0.05
    uniform = sampling.train(60, rng, 3000)
    share = np.bincount(uniform.flatten(), minlength=60) / uniform.size
    assert 0.5 * np.abs(share[1:] - 1 / 59).sum() < 0.03 and share[0] == 0


def test_a_single_draw_follows_the_probabilities():
    p = np.array([0.5, 0.1, 0.4])
    drawn = VarianceRateSampling(pathway_frames=(1,)).train(4, np.random.default_rng(0), 6000, p)
    np.testing.assert_allclose(np.bincount(drawn[:, 0], minlength=4) / 6000, [0, 0.5, 0.1, 0.4], atol=0.02)


def test_clips_keep_the_order_of_time_within_each_pathway_and_repeat_no_frame():
    sampling, p = VarianceRateSampling(), step_probabilities(np.arange(40.0))
    clips = sampling.train(41, np.random.default_rng(0), 20, p)
    assert clips.shape == (20, 49) and clips.dtype == np.int64
    for clip in clips:
        for part in np.split(clip, [7, 24]):
            assert (np.diff(part) > 0).all()
    assert not np.array_equal(clips[0], clips[1]) and clips.min() >= 1 and clips.max() <= 40


def test_pathways_are_drawn_independently():
    drawn = VarianceRateSampling(pathway_frames=(2, 2)).train(21, np.random.default_rng(0), 4000)
    both = np.corrcoef(drawn[:, 0], drawn[:, 2])[0, 1]
    assert abs(both) < 0.05


@pytest.mark.parametrize("num_frames", [1, 2, 5, 12])
def test_short_and_static_videos_do_not_fail(num_frames):
    sampling = VarianceRateSampling()
    p = step_probabilities(step_changes(np.full((num_frames, 8, 8, 3), 90, dtype=np.uint8)))
    assert len(p) == num_frames - 1 and (num_frames == 1 or p == pytest.approx(1 / (num_frames - 1)))
    for clips in (sampling.train(num_frames, np.random.default_rng(0), 2, p), sampling.test(num_frames, 2, p)):
        assert clips.shape == (2, 49) and clips.min() >= 0 and clips.max() < num_frames


def test_the_earlier_frame_of_a_step_is_one_before_the_later_one():
    later, earlier = (VarianceRateSampling(frame_of_step=f) for f in ("later", "earlier"))
    first, second = (s.train(30, np.random.default_rng(1)) for s in (later, earlier))
    np.testing.assert_array_equal(first - 1, second)


def test_views_are_the_same_every_time_and_fewer_are_the_first_of_more():
    sampling, p = VarianceRateSampling(), step_probabilities(np.arange(40.0))
    three, one = sampling.test(41, 3, p, np.random.default_rng(5)), sampling.test(41, 1, p, np.random.default_rng(5))
    np.testing.assert_array_equal(three[:1], one)
    assert not np.array_equal(three[0], three[1])


def test_quantiles_of_even_rates_are_evenly_spread():
    sampling = VarianceRateSampling(pathway_frames=(4,), test_draw="quantiles")
    assert sampling.test(13)[0].tolist() == [2, 5, 8, 11]  # steps at 1/8, 3/8, 5/8 and 7/8 of twelve
    lopsided = np.array([0.97, 0.01, 0.01, 0.01])
    assert sampling.test(5, 1, lopsided)[0].tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="num_views=2"):
        sampling.test(9, 2)


def test_rates_are_computed_once_in_parts_that_fit_together(tmp_path: Path):
    frames = np.random.default_rng(0).integers(0, 256, (2 * FRAMES_AT_ONCE + 10, 4, 4, 3)).astype(np.uint8)
    reader = Frames(frames)
    rates = VarianceRates(reader, folder=tmp_path, names=lambda position: f"video {position}")
    np.testing.assert_allclose(rates(3), step_probabilities(step_changes(frames)))
    assert reader.reads == 3 and rates(3) is rates(3) and reader.reads == 3
    again = VarianceRates(Frames(frames), folder=tmp_path, names=lambda position: f"video {position}")
    np.testing.assert_array_equal(again(3), rates(3))
    assert again.reader.reads == 0 and len(list(tmp_path.iterdir())) == 1
    again(4)
    assert len(list(tmp_path.iterdir())) == 2, "another name is another video"


def test_shuffling_stays_within_a_pathway_and_one_frame_serves_all_when_repeated():
    indices, rng = np.arange(9)[None], np.random.default_rng(0)
    shuffled = reordered(indices, (2, 3, 4), "shuffled", rng)[0]
    assert [sorted(part) for part in np.split(shuffled, [2, 5])] == [[0, 1], [2, 3, 4], [5, 6, 7, 8]]
    assert reordered(indices, (2, 3, 4), "repeated", rng).tolist() == [[4] * 9]
    np.testing.assert_array_equal(reordered(indices, (2, 3, 4), "forward", rng), indices)


def test_what_cannot_be_drawn_is_refused():
    for wrong in (dict(pathway_frames=()), dict(pathway_frames=(3, 0)), dict(frame_of_step="first"),
                  dict(test_draw="random")):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(wrong))):
            VarianceRateSampling(**wrong)
    sampling, rng = VarianceRateSampling(), np.random.default_rng(0)
    with pytest.raises(ValueError, match="3 probabilities for the 4 steps"):
        sampling.train(5, rng, 1, np.full(3, 1 / 3))
    with pytest.raises(ValueError, match="video_frames=0"):
        sampling.train(0, rng)
