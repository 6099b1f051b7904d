"""Consecutive frames, forward, backward, and forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.playback_sampling import PLAYBACKS, PlaybackSampling, check_playbacks, played_order


def sampling(**changes) -> PlaybackSampling:
    return PlaybackSampling(**{"num_frames": 8, **changes})


def test_reversal_twice_is_the_identity():
    order = played_order(9, "reverse")
    assert order[order].tolist() == list(range(9)) and order.tolist() == list(range(8, -1, -1))


@pytest.mark.parametrize(
    ("num_frames", "expected"), [(1, [0]), (2, [0, 0]), (6, [0, 1, 2, 2, 1, 0]), (5, [0, 1, 2, 1, 0])]
)
def test_a_concatenated_clip_is_its_first_half_and_the_same_backward(num_frames, expected):
    assert played_order(num_frames, "concatenated").tolist() == expected


def test_residual_frames_of_a_concatenated_clip_are_the_halfs_and_their_negatives_backward():
    frames = np.cumsum(np.arange(1, 10)) ** 2
    changes = np.diff(frames[played_order(9, "concatenated")])
    assert changes[:4].tolist() == (-changes[4:][::-1]).tolist()


@pytest.mark.parametrize("interval", [1, 2])
@pytest.mark.parametrize("playback", PLAYBACKS)
def test_test_views_start_at_the_same_places_whatever_the_playback(interval, playback):
    views = sampling(intervals=(interval,), playbacks=(playback,)).test(40, 10)
    forward = sampling(intervals=(interval,)).test(40, 10)
    order = played_order(8, playback)
    assert (views == forward[:, order]).all() and (np.diff(forward) == interval).all()
    assert forward.min() >= 0 and forward.max() < 40 and len({*forward[:, 0]}) > 3
    assert (sampling(intervals=(interval,), playbacks=(playback,)).test(40, 10) == views).all()


def test_one_view_is_the_middle_window():
    assert sampling().test(20)[0].tolist() == list(range(6, 14))
    assert sampling(intervals=(2,)).test(20)[0].tolist() == list(range(2, 18, 2))


def test_training_draws_every_interval_and_playback_and_reaches_both_ends():
    drawn = sampling(intervals=(1, 2), playbacks=PLAYBACKS)
    seen, frames = set(), set()
    for number in range(300):
        clip = drawn.train(17, np.random.default_rng(number))[0]
        steps = np.diff(clip)
        kind = "concatenated" if 0 in steps else "forward" if steps[0] > 0 else "reverse"
        seen.add((kind, int(abs(steps).max())))
        frames |= {*clip.tolist()}
    assert seen == {(kind, interval) for kind in PLAYBACKS for interval in (1, 2)} and frames == set(range(17))
    assert drawn.span == 15


def test_a_short_video_is_played_in_a_loop():
    assert sampling().test(3)[0].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    clip = sampling(intervals=(2,)).train(5, np.random.default_rng(0))[0]
    assert ((np.diff(clip) - 2) % 5 == 0).all() and clip.max() < 5


def test_labels_must_survive_backward_playback():
    check_playbacks(("forward",), None)
    check_playbacks(PLAYBACKS, ())
    check_playbacks(PLAYBACKS, (0, 1, 2))
    for labels in (None, (1, 0)):
        with pytest.raises(ValueError, match="backward, some classes of the data set mean another class"):
            check_playbacks(("forward", "concatenated"), labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(num_frames=0), "num_frames is 0"),
        (dict(intervals=(0,)), r"intervals=\(0,\); accepted"),
        (dict(playbacks=("sideways",)), r"playbacks=\('sideways',\); accepted"),
    ],
)
def test_what_cannot_be_sampled_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        sampling(**changes)
    with pytest.raises(ValueError, match="must be at least 1"):
        sampling().train(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="start_weights"):
        sampling().train(9, np.random.default_rng(0), 1, np.ones(2))
