"""What every sampler promises for any video and any setting: range, order, length, coverage, distribution."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from datamodules.frame_sampling import ContinuousSampling, DenseSampling, SegmentSampling
from datamodules.kpsem import VariedSampling
from datamodules.random_segment_views import RandomSegmentViews
from datamodules.video_sampling import EpochSampler, ShardSampler

LENGTHS, FRAMES, INTERVALS, CLIPS = st.integers(1, 400), st.integers(1, 40), st.integers(1, 8), st.integers(1, 12)
SEEDS = st.integers(0, 2**32 - 1)
quick = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def sparse(draw) -> SegmentSampling:
    return draw(st.sampled_from((SegmentSampling, RandomSegmentViews)))(num_frames=draw(FRAMES))


@st.composite
def windowed(draw) -> Any:
    kind = draw(st.sampled_from((ContinuousSampling, DenseSampling, VariedSampling)))
    return kind(num_frames=draw(FRAMES), frame_interval=draw(INTERVALS))


ANY = st.one_of(sparse(), windowed())


@quick
@given(sampling=ANY, length=LENGTHS, clips=CLIPS, seed=SEEDS)
def test_clips_have_the_asked_shape_and_frames_that_exist(sampling, length, clips, seed):
    for indices in (sampling.train(length, np.random.default_rng(seed), clips), sampling.test(length, clips)):
        assert indices.shape == (clips, sampling.num_frames) and indices.dtype == np.int64
        assert indices.min() >= 0 and indices.max() < length


@quick
@given(sampling=ANY, length=LENGTHS, clips=CLIPS, seed=SEEDS)
def test_the_generator_decides_training_and_nothing_decides_testing(sampling, length, clips, seed):
    first, again = (sampling.train(length, np.random.default_rng(seed), clips) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(sampling.test(length, clips), sampling.test(length, clips))


@quick
@given(sampling=sparse(), length=LENGTHS, clips=CLIPS, seed=SEEDS)
def test_sparse_clips_ascend_with_one_frame_of_each_segment(sampling, length, clips, seed):
    for indices in (sampling.train(length, np.random.default_rng(seed), clips), sampling.test(length, clips)):
        assert (np.diff(indices, axis=1) >= 0).all()
        if length >= sampling.num_frames:
            bounds = np.arange(sampling.num_frames + 1) * length / sampling.num_frames
            assert (indices >= np.floor(bounds[:-1])).all() and (indices < np.ceil(bounds[1:])).all()


@quick
@given(sampling=windowed(), length=LENGTHS, clips=CLIPS, seed=SEEDS)
def test_windows_run_forward_and_a_video_long_enough_is_not_looped(sampling, length, clips, seed):
    trained = sampling.train(length, np.random.default_rng(seed), clips)
    tested = sampling.test(length, clips)
    longest = sampling.span + (sampling.num_frames if isinstance(sampling, VariedSampling) else 0)
    if length >= longest:
        assert (np.diff(trained, axis=1) >= 0).all()
        assert (np.ptp(trained, axis=1) < longest).all()
    if length >= sampling.span:
        assert (np.diff(tested, axis=1) == sampling.frame_interval).all()
    starts = tested[:, 0]
    assert (np.diff(starts) >= 0).all(), "views follow each other"


@quick
@given(frames=FRAMES, interval=INTERVALS, length=LENGTHS, clips=CLIPS)
def test_test_views_are_symmetric_within_a_video(frames, interval, length, clips):
    """Played backwards a video is seen at the mirrored places, up to the rounding of one frame."""
    sampling = ContinuousSampling(num_frames=frames, frame_interval=interval)
    if length >= sampling.span:
        starts = sampling.test(length, clips)[:, 0]
        last = length - sampling.span
        assert (np.abs(starts + starts[::-1] - last) <= 1).all()


@quick
@given(frames=FRAMES, interval=INTERVALS, length=LENGTHS, clips=CLIPS, seed=SEEDS, data=st.data())
def test_weights_choose_starts_of_positive_weight_alone(frames, interval, length, clips, seed, data):
    sampling = ContinuousSampling(num_frames=frames, frame_interval=interval, jitter=False)
    if length < sampling.span:
        return
    starts = length - sampling.span + 1
    allowed = data.draw(st.sets(st.integers(0, starts - 1), min_size=1, max_size=5))
    weights = np.zeros(starts)
    weights[list(allowed)] = 1 + np.arange(len(allowed))
    drawn = sampling.train(length, np.random.default_rng(seed), clips, weights)[:, 0]
    assert set(drawn.tolist()) <= allowed and (np.diff(drawn) >= 0).all()


def p_value(values: np.ndarray, choices: int) -> float:
    found = Counter(values.tolist())
    assert set(found) <= set(range(choices))
    return float(stats.chisquare([found[value] for value in range(choices)]).pvalue)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(frames=st.integers(1, 8), interval=st.integers(1, 4), spare=st.integers(1, 30), seed=SEEDS)
def test_every_start_is_as_likely(frames, interval, spare, seed):
    rng = np.random.default_rng(seed)
    for kind, extra in ((DenseSampling, {}), (ContinuousSampling, dict(jitter=False))):
        sampling = kind(num_frames=frames, frame_interval=interval, **extra)
        length = sampling.span + spare
        starts = np.array([sampling.train(length, rng)[0, 0] for _ in range(1500)])
        assert p_value(starts, spare + 1) > 1e-5


@settings(max_examples=8, deadline=None, derandomize=True)
@given(frames=st.integers(1, 6), per_segment=st.integers(2, 12), seed=SEEDS)
def test_every_frame_of_a_segment_is_as_likely_and_segments_are_independent(frames, per_segment, seed):
    drawn = SegmentSampling(num_frames=frames).train(frames * per_segment, np.random.default_rng(seed), 2000)
    within = drawn - np.arange(frames) * per_segment
    for column in range(frames):
        assert p_value(within[:, column], per_segment) > 1e-5
    if frames > 1:
        assert p_value(within[:, 0] * per_segment + within[:, 1], per_segment**2) > 1e-5


@settings(max_examples=6, deadline=None, derandomize=True)
@given(interval=st.integers(2, 6), seed=SEEDS)
def test_the_shifts_of_continuous_frames_are_uniform(interval, seed):
    sampling = ContinuousSampling(num_frames=4, frame_interval=interval)
    drawn = sampling.train(sampling.span, np.random.default_rng(seed), 1500)  # the one start is 0
    for place in range(4):
        assert p_value(drawn[:, place] - place * interval, interval) > 1e-5


def test_the_varied_interval_is_one_less_the_same_twice_as_often_or_one_more():
    rng = np.random.default_rng(0)
    sampling = VariedSampling(num_frames=3, frame_interval=3)
    steps = Counter(int(np.diff(sampling.train(100, rng)[0])[0]) for _ in range(4000))
    assert stats.chisquare([steps[2], steps[3], steps[4]], [1000, 2000, 1000]).pvalue > 1e-5


# -- which videos ----------------------------------------------------------------------------------------


@quick
@given(
    videos=st.integers(1, 200), batch=st.integers(1, 16), world=st.integers(1, 4), seed=SEEDS, epoch=st.integers(0, 9)
)
def test_an_epoch_deals_each_video_out_at_most_once_in_whole_batches(videos, batch, world, seed, epoch):
    if videos < batch * world:
        with pytest.raises(ValueError, match="do not fill one batch"):
            EpochSampler(videos, batch_size=batch, seed=seed, world_size=world)
        return
    dealt = []
    for rank in range(world):
        sampler = EpochSampler(videos, batch_size=batch, seed=seed, rank=rank, world_size=world)
        sampler.set_epoch(epoch)
        own = [*sampler]
        assert len(own) == len(sampler) and len(own) % batch == 0 and {e for e, _ in own} == {epoch}
        dealt += [position for _, position in own]
    assert len(dealt) == len(set(dealt)) == videos // (batch * world) * batch * world
    assert set(dealt) <= set(range(videos))


@quick
@given(videos=st.integers(0, 200), world=st.integers(1, 6))
def test_a_test_deals_each_video_out_exactly_once(videos, world):
    dealt = [p for rank in range(world) for p in ShardSampler(videos, rank=rank, world_size=world)]
    assert sorted(dealt) == list(range(videos))
