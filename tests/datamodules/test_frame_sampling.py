"""Hand-written indices and properties of the frame samplings."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from datamodules.frame_sampling import ContinuousSampling, DenseSampling, SegmentSampling

LENGTHS = [300, 100, 47, 33, 32, 31, 17, 16, 15, 10, 3, 1]
SAMPLINGS = [
    SegmentSampling(),
    SegmentSampling(num_frames=8),
    ContinuousSampling(),
    ContinuousSampling(num_frames=8, frame_interval=4, jitter=False),
    DenseSampling(),
    DenseSampling(num_frames=5, frame_interval=1),
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---------------------------------------------------------------- segment sampling


@pytest.mark.parametrize(
    ("video_frames", "expected"),
    [
        (300, [9, 28, 46, 65, 84, 103, 121, 140, 159, 178, 196, 215, 234, 253, 271, 290]),
        (33, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31]),
        (16, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        (10, [0, 0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 9]),
        (3, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]),
        (1, [0] * 16),
    ],
)
def test_one_segment_view_takes_the_middle_of_each_segment(video_frames: int, expected: list[int]) -> None:
    assert SegmentSampling().test(video_frames).tolist() == [expected]


def test_segment_views_differ_in_phase_only() -> None:
    views = SegmentSampling(num_frames=4).test(80, num_views=5)
    assert views.tolist() == [[p, 20 + p, 40 + p, 60 + p] for p in (2, 6, 10, 14, 18)]


@pytest.mark.parametrize("video_frames", LENGTHS)
@pytest.mark.parametrize("num_views", [1, 3, 10])
def test_segment_views_follow_the_rule_in_exact_arithmetic(video_frames: int, num_views: int) -> None:
    expected = [
        [floor((t + (v + Fraction(1, 2)) / num_views) * video_frames / 16) for t in range(16)] for v in range(num_views)
    ]
    assert SegmentSampling().test(video_frames, num_views).tolist() == expected


@pytest.mark.parametrize("video_frames", [16, 33, 300])
def test_segment_training_takes_each_frame_from_its_own_segment(video_frames: int) -> None:
    clips = SegmentSampling().train(video_frames, rng(), num_clips=500)
    edges = np.arange(17) * video_frames / 16
    assert (clips >= np.floor(edges[:-1])).all()
    assert (clips < edges[1:]).all()


def test_segment_training_reaches_every_frame_evenly() -> None:
    clips = SegmentSampling(num_frames=4).train(10, rng(), num_clips=20_000)
    assert np.bincount(clips.ravel(), minlength=10) / 20_000 == pytest.approx(np.full(10, 0.4), abs=0.02)


def test_segment_training_draws_sorted_with_replacement_from_a_short_video() -> None:
    clips = SegmentSampling().train(3, rng(), num_clips=1000)
    assert (np.diff(clips, axis=1) >= 0).all()
    assert np.bincount(clips.ravel()) / clips.size == pytest.approx(np.full(3, 1 / 3), abs=0.02)


# ---------------------------------------------------------------- continuous sampling


@pytest.mark.parametrize(
    ("video_frames", "num_views", "starts"),
    [
        (33, 1, [1]),
        (33, 10, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
        (100, 1, [34]),
        (100, 10, [3, 10, 17, 24, 31, 37, 44, 51, 58, 65]),
        (300, 1, [134]),
        (300, 10, [13, 40, 67, 94, 121, 147, 174, 201, 228, 255]),
        (32, 10, [0] * 10),
        (10, 2, [0, 0]),
        (3, 1, [0]),
        (1, 1, [0]),
    ],
)
def test_continuous_views_start_where_the_authors_code_starts_them(
    video_frames: int, num_views: int, starts: list[int]
) -> None:
    views = ContinuousSampling().test(video_frames, num_views)
    assert views[:, 0].tolist() == starts
    assert views.tolist() == [[(start + 2 * t) % video_frames for t in range(16)] for start in starts]


@pytest.mark.parametrize(
    ("video_frames", "expected"),
    [
        (300, list(range(134, 166, 2))),
        (33, list(range(1, 33, 2))),
        (10, [0, 2, 4, 6, 8, 0, 2, 4, 6, 8, 0, 2, 4, 6, 8, 0]),
        (3, [0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0]),
        (1, [0] * 16),
    ],
)
def test_continuous_view_indices(video_frames: int, expected: list[int]) -> None:
    assert ContinuousSampling().test(video_frames).tolist() == [expected]


def test_continuous_training_puts_one_start_in_each_stratum() -> None:
    sampling = ContinuousSampling(jitter=False)  # 300 frames: two strata of 134 starts, one left over
    starts = np.array([sampling.train(300, rng(seed), num_clips=2)[:, 0] for seed in range(3000)])
    assert starts[:, 0].min() == 0 and starts[:, 0].max() == 133
    assert starts[:, 1].min() == 134 and starts[:, 1].max() == 267
    assert starts.mean(axis=0) == pytest.approx([66.5, 200.5], abs=3)


def test_jitter_moves_each_frame_by_less_than_the_interval() -> None:
    sampling = ContinuousSampling(num_frames=8, frame_interval=3)
    plain = ContinuousSampling(num_frames=8, frame_interval=3, jitter=False)
    moved = np.array([sampling.train(40, rng(seed)) - plain.train(40, rng(seed)) for seed in range(300)])
    assert sorted(set(moved.ravel())) == [0, 1, 2]  # the start is drawn before the jitter
    assert (np.ptp(moved, axis=2) > 0).mean() > 0.9, "frames of one clip move independently"


def test_continuous_training_never_wraps_a_video_of_at_least_one_window() -> None:
    for video_frames in (32, 33, 34, 40):
        for num_clips in (1, 2, 3, 7):
            clips = ContinuousSampling().train(video_frames, rng(), num_clips)
            assert (np.diff(clips, axis=1) >= 0).all()


def test_continuous_training_loops_a_short_video_from_its_first_frame() -> None:
    clips = ContinuousSampling(jitter=False).train(10, rng(), num_clips=2)
    assert clips.tolist() == [[0, 2, 4, 6, 8, 0, 2, 4, 6, 8, 0, 2, 4, 6, 8, 0]] * 2


def test_fewer_starts_than_clips_are_all_drawn_from_and_sorted() -> None:
    sampling = ContinuousSampling(jitter=False)  # 33 frames: 2 starts, 3 clips
    starts = np.array([sampling.train(33, rng(seed), num_clips=3)[:, 0] for seed in range(300)])
    assert (np.diff(starts, axis=1) >= 0).all()
    assert {tuple(row) for row in starts} == {(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)}


def test_more_clips_than_frames_are_spaced_evenly() -> None:
    sampling = ContinuousSampling(num_frames=2, frame_interval=1, jitter=False)  # 4 frames: 3 starts
    assert sampling.train(4, rng(), num_clips=6)[:, 0].tolist() == [0, 0, 1, 2, 2, 2]


def test_start_weights_set_the_distribution_of_starts() -> None:
    weights = np.array([4.0, 3.5, 3.7, 3.7, 3.7, 3.8, 3.1])  # measured on the authors' code
    sampling = ContinuousSampling(num_frames=4, frame_interval=1)
    starts = sampling.train(10, rng(), num_clips=50_000, start_weights=weights)[:, 0]
    assert np.bincount(starts, minlength=7) / 50_000 == pytest.approx(weights / 25.5, abs=0.006)


def test_weighted_starts_are_sorted_and_avoid_zero_weights() -> None:
    weights = np.zeros(269)
    weights[[5, 200]] = 1.0
    for seed in range(20):
        starts = ContinuousSampling(jitter=False).train(300, rng(seed), 4, weights)[:, 0]
        assert (np.diff(starts) >= 0).all()
        assert set(starts) <= {5, 200}


def test_all_zero_weights_mean_uniform_starts() -> None:
    sampling = ContinuousSampling(num_frames=4, frame_interval=1, jitter=False)
    starts = sampling.train(10, rng(), num_clips=20_000, start_weights=np.zeros(7))[:, 0]
    assert np.bincount(starts, minlength=7) / 20_000 == pytest.approx(np.full(7, 1 / 7), abs=0.01)


def test_weights_do_not_matter_where_there_is_no_choice_of_start() -> None:
    weighted = ContinuousSampling().train(10, rng(1), 2, np.zeros(0))
    assert weighted.tolist() == ContinuousSampling().train(10, rng(1), 2).tolist()


@pytest.mark.parametrize("weights", [np.ones(268), np.ones((269, 1)), np.full(269, -1), np.full(269, np.nan)])
def test_wrong_start_weights_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match="start_weights"):
        ContinuousSampling().train(300, rng(), start_weights=weights)


# ---------------------------------------------------------------- dense sampling


@pytest.mark.parametrize(
    ("video_frames", "num_views", "starts"),
    [(300, 1, [134]), (300, 3, [0, 134, 269]), (300, 2, [0, 269]), (33, 2, [0, 2]), (31, 4, [0, 0, 0, 0])],
)
def test_dense_views_reach_from_the_first_to_the_last_frame(
    video_frames: int, num_views: int, starts: list[int]
) -> None:
    views = DenseSampling().test(video_frames, num_views)
    assert views.tolist() == [[start + 2 * t for t in range(16)] for start in starts]
    if num_views > 1:
        assert views[0, 0] == 0 and views[-1, -1] == video_frames - 1


@pytest.mark.parametrize(
    ("video_frames", "expected"),
    [(10, [0, 2, 4, 6, 8, 0, 2, 4, 6, 8, 0, 2, 4, 6, 8, 0]), (3, [0, 2, 1] * 5 + [0]), (1, [0] * 16)],
)
def test_dense_views_of_a_short_video_loop(video_frames: int, expected: list[int]) -> None:
    assert DenseSampling().test(video_frames, 2).tolist() == [expected, expected]


def test_dense_training_starts_are_uniform() -> None:
    starts = DenseSampling(num_frames=4, frame_interval=2).train(12, rng(), num_clips=30_000)[:, 0]
    assert np.bincount(starts) / 30_000 == pytest.approx(np.full(6, 1 / 6), abs=0.01)


# ---------------------------------------------------------------- every sampling


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=repr)
@pytest.mark.parametrize("video_frames", LENGTHS)
def test_indices_are_in_range_and_of_the_promised_shape(sampling, video_frames: int) -> None:
    for count in (1, 2, 5):
        for indices in (sampling.train(video_frames, rng(count), count), sampling.test(video_frames, count)):
            assert indices.shape == (count, sampling.num_frames)
            assert indices.dtype == np.int64
            assert indices.min() >= 0 and indices.max() < video_frames


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=repr)
def test_clips_depend_on_the_generator_alone(sampling) -> None:
    assert sampling.train(300, rng(5), 3).tolist() == sampling.train(300, rng(5), 3).tolist()
    assert sampling.train(300, rng(5), 3).tolist() != sampling.train(300, rng(6), 3).tolist()


def test_span_is_the_number_of_frames_that_a_clip_covers() -> None:
    assert SegmentSampling().span is None
    assert ContinuousSampling().span == 32
    assert DenseSampling().span == 31


def test_samplings_compare_and_hash_by_value() -> None:
    assert len({SegmentSampling(), SegmentSampling(num_frames=16), SegmentSampling(num_frames=8)}) == 2


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=repr)
def test_counts_below_one_are_refused(sampling) -> None:
    with pytest.raises(ValueError, match="video_frames is 0"):
        sampling.train(0, rng())
    with pytest.raises(ValueError, match="num_clips is 0"):
        sampling.train(10, rng(), 0)
    with pytest.raises(ValueError, match="num_views is 0"):
        sampling.test(10, 0)
    with pytest.raises(ValueError, match="num_frames is 0"):
        type(sampling)(num_frames=0)


@pytest.mark.parametrize("sampling", [SegmentSampling(), DenseSampling()], ids=repr)
def test_start_weights_are_refused_where_they_mean_nothing(sampling) -> None:
    with pytest.raises(ValueError, match="ContinuousSampling"):
        sampling.train(300, rng(), start_weights=np.ones(300))
