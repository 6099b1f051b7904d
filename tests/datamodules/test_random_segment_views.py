"""Several test views are random clips, the same every time; a single one takes the middle of each segment."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.frame_sampling import SegmentSampling
from datamodules.random_segment_views import RandomSegmentViews

SAMPLING = RandomSegmentViews(num_frames=8)


@pytest.mark.parametrize("video_frames", [1, 5, 8, 9, 36, 250])
def test_one_view_takes_the_middle_frame_of_each_segment(video_frames):
    middle = [int((t + 0.5) * video_frames / 8) for t in range(8)]
    assert SAMPLING.test(video_frames).tolist() == [middle] == SegmentSampling(num_frames=8).test(video_frames).tolist()


@pytest.mark.parametrize("video_frames", [8, 9, 36, 250])
def test_every_view_has_a_frame_of_each_segment(video_frames):
    views = SAMPLING.test(video_frames, 10)
    edges = np.arange(9) * video_frames / 8
    assert views.shape == (10, 8) and views.dtype == np.int64
    assert (views + 1 > edges[:-1]).all() and (views < edges[1:]).all()


def test_views_are_random_but_the_same_every_time_and_fewer_are_the_first_of_more():
    ten = SAMPLING.test(80, 10)
    assert (ten == SAMPLING.test(80, 10)).all() and (ten[:4] == SAMPLING.test(80, 4)).all()
    assert len({tuple(view) for view in ten.tolist()}) == 10
    assert (ten != SAMPLING.test(81, 10)).any(), "videos of other lengths have draws of their own"
    phases = np.concatenate([SAMPLING.test(n * 8, 10).ravel() % n / n for n in range(20, 60)])
    assert abs(phases.mean() - 0.5) < 0.03, "all phases of a segment are drawn"


@pytest.mark.parametrize("video_frames", [1, 3, 7])
def test_fewer_frames_than_segments_repeat_frames_in_order(video_frames):
    for indices in (SAMPLING.test(video_frames, 10), SAMPLING.train(video_frames, np.random.default_rng(0), 10)):
        assert indices.shape == (10, 8)
        assert (np.diff(indices) >= 0).all() and indices.min() >= 0 and indices.max() < video_frames


def test_training_is_that_of_plain_segments():
    for seed in range(5):
        drawn = [s.train(50, np.random.default_rng(seed), 3) for s in (SAMPLING, SegmentSampling(num_frames=8))]
        assert (drawn[0] == drawn[1]).all()


@pytest.mark.parametrize(("video_frames", "views"), [(0, 10), (0, 1), (5, 0)])
def test_no_frames_and_no_views_are_refused(video_frames, views):
    with pytest.raises(ValueError, match="must be at least 1"):
        SAMPLING.test(video_frames, views)
