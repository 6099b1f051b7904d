"""What the benchmark's videos show: reproducible, reversible, placed as said, and visible only where they should be."""

import dataclasses

import numpy as np
import pytest

from datamodules.synthetic.drawing import Sprite, draw, hand, moving_crop, noise_image, rgb
from datamodules.synthetic.gestures import GESTURE_PAIRS, gesture
from datamodules.synthetic.members import Member, Nuisances
from datamodules.synthetic.motion import SCENE_MOTIONS, SOURCE_MOTIONS, phase_over_time, pose
from datamodules.synthetic.script import num_frames, render, script
from datamodules.synthetic.stand_ins import stand_in

HAND = Sprite(shape=hand, radius=0.23, hue=0.05, saturation=0.5, value=0.9)
KINDS = ("UCF-101", "Jester", "ActivityNet-200", "Kinetics-700")


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- reproducible ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_a_video_is_a_function_of_member_and_number(name):
    member = stand_in(name)
    first = render(member, 5)
    render(member, 6)
    again = render(dataclasses.replace(member, name="renamed", partition=3), 5)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8 and first.shape == (num_frames(member, 5), 40, 40, 3)
    assert (render(dataclasses.replace(member, seed=member.seed + 1), 5)[:5] != first[:5]).mean() > 0.5
    assert (render(member, 5 + member.num_classes)[:5] != first[:5]).mean() > 0.5


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [32, 112])
def test_the_same_scene_is_drawn_at_every_size(name, size):
    member = dataclasses.replace(stand_in(name), size=size, frames=(33, 40), difficulty=0.0)
    large = render(member, 3)
    small = render(dataclasses.replace(member, size=16), 3)
    factor = size / 16
    grid = ((np.arange(16) + 0.5) * factor).astype(int)
    sampled = large[:, grid][:, :, grid].astype(float)
    assert np.abs(sampled - small).mean() < 12  # of 255; two different scenes differ by 40 and more


def test_video_numbers_outside_the_pool_are_refused():
    with pytest.raises(ValueError, match="number 880; accepted"):
        script(stand_in("UCF-101"), 880)


def test_lengths_stay_in_the_asked_range_and_use_all_of_it():
    member = stand_in("ActivityNet-200")
    lengths = [num_frames(member, number) for number in range(400)]
    assert (min(lengths), max(lengths)) == (64, 96)
    assert [script(member, n).num_frames for n in range(20)] == lengths[:20]


# -- gestures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", range(len(GESTURE_PAIRS)))
def test_the_odd_class_is_the_even_class_backwards(pair):
    even, odd = gesture(2 * pair, 37, generator(pair)), gesture(2 * pair + 1, 37, generator(pair))
    for field in dataclasses.fields(even):
        np.testing.assert_array_equal(getattr(odd, field.name), getattr(even, field.name)[::-1])
    moved = max(np.ptp(even.x), np.ptp(even.y), np.ptp(even.zoom), np.ptp(even.angle), np.ptp(even.openness))
    assert moved > 0.2


@pytest.mark.parametrize("pair", range(len(GESTURE_PAIRS)))
def test_a_pair_shows_the_same_bag_of_frames_in_another_order(pair):
    clips = []
    for label in (2 * pair, 2 * pair + 1):
        clip = np.full((37, 32, 32, 3), 0.4, np.float32)
        draw(clip, HAND, gesture(label, 37, generator(pair)))
        clips.append(clip)
    even, odd = (clip.reshape(37, -1) for clip in clips)
    np.testing.assert_array_equal(np.sort(even, axis=0), np.sort(odd, axis=0))
    assert np.abs(even - odd).max() > 0.3


def test_gestures_begin_as_late_as_they_end_early():
    curves = np.stack([phase_over_time(36, generator(seed), rest=0.2) for seed in range(3000)])
    assert (np.diff(curves, axis=1) >= -1e-9).all()
    assert curves.min() >= 0 and curves.max() <= 1 + 1e-9
    backwards = 1 - curves[:, ::-1]
    sigma = curves.std(axis=0) * np.sqrt(2 / len(curves)) + 1e-6
    assert (np.abs(curves.mean(axis=0) - backwards.mean(axis=0)) < 4.5 * sigma).all()
    assert (np.abs(curves.std(axis=0) - backwards.std(axis=0)) < 0.02).all()


def order_free(clip: np.ndarray) -> np.ndarray:
    """Statistics of the set of frames: mean, spread, extremes and quartiles of each cell over time."""
    cells = clip.reshape(len(clip), 8, 4, 8, 4, 3).mean(axis=(2, 4)).reshape(len(clip), -1)
    quantiles = np.sort(cells, axis=0)[np.linspace(0, len(cells) - 1, 5).astype(int)]
    return np.concatenate([cells.mean(axis=0), cells.std(axis=0), *quantiles])


def order_aware(clip: np.ndarray) -> np.ndarray:
    """Mean of the last third minus mean of the first third."""
    cells = clip.reshape(len(clip), 8, 4, 8, 4, 3).mean(axis=(2, 4)).reshape(len(clip), -1)
    return cells[-len(cells) // 3 :].mean(axis=0) - cells[: len(cells) // 3].mean(axis=0)


def accuracy(features: np.ndarray, labels: np.ndarray, train: np.ndarray, num_classes: int) -> float:
    """Test accuracy of a ridge classifier."""
    x = (features - features[train].mean(axis=0)) / (features[train].std(axis=0) + 1e-6)
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    gram = x[train] @ x[train].T + 300 * np.eye(train.sum())
    scores = x[~train] @ x[train].T @ np.linalg.solve(gram, np.eye(num_classes)[labels[train]])
    return float((scores.argmax(axis=1) == labels[~train]).mean())


def test_no_order_blind_classifier_gets_more_than_one_half_of_the_gestures():
    member = Member(
        name="blind", kind="gestures", seed=3, num_classes=4, num_train=320, num_val=200, size=32, frames=(24, 26),
        difficulty=0.1,
    )  # fmt: skip
    clips = [render(member, number).astype(np.float32) / 255 for number in range(member.num_videos)]
    labels = np.array([member.label(number) for number in range(member.num_videos)])
    train = np.isin(np.arange(member.num_videos), member.numbers("train"))
    blind = accuracy(np.stack([order_free(clip) for clip in clips]), labels, train, 4)
    aware = accuracy(np.stack([order_aware(clip) for clip in clips]), labels, train, 4)
    three_sigma = 3 * np.sqrt(0.25 / member.num_val)
    print(f"order-blind {blind:.3f}, order-aware {aware:.3f}")
    assert 0.35 < blind < 0.5 + three_sigma, "it should find the pair, and no more"
    assert aware > 0.5 + 2 * three_sigma


# -- untrimmed -------------------------------------------------------------------------------------------


def test_untrimmed_actions_fill_the_asked_fraction_and_lie_anywhere():
    member = stand_in("ActivityNet-200")
    plans = [script(member, number) for number in range(300)]
    fractions = np.array([(plan.end - plan.first) / plan.num_frames for plan in plans])
    assert fractions.min() >= 0.2 and fractions.max() <= 0.4
    assert fractions.min() < 0.23 and fractions.max() > 0.37
    starts = np.array([plan.first / (plan.num_frames - (plan.end - plan.first)) for plan in plans])
    assert abs(starts.mean() - 0.5) < 0.06 and starts.min() < 0.05 and starts.max() > 0.95
    others = np.array([len(plan.actors) - 1 for plan in plans])
    assert 0.5 < others.mean() < 1.0 and set(others) == {0, 1, 2}


def test_the_labelled_hand_is_visible_exactly_during_its_action():
    member = stand_in("ActivityNet-200")
    for number in range(40):
        plan = script(member, number)
        seen = np.flatnonzero(plan.actors[0].pose.opacity > 0)
        assert (seen[0], seen[-1] + 1, len(seen)) == (plan.first, plan.end, plan.end - plan.first)
        for other in plan.actors[1:]:
            assert not (other.pose.opacity[plan.first : plan.end] > 0).any()


@pytest.mark.parametrize("name", ["UCF-101", "Jester", "Kinetics-700"])
def test_trimmed_actions_fill_the_video(name):
    plan = script(stand_in(name), 7)
    assert (plan.first, plan.end) == (0, plan.num_frames) and len(plan.actors) == 1


# -- drawing and motion ----------------------------------------------------------------------------------


@pytest.mark.parametrize("motion", [*SCENE_MOTIONS, *SOURCE_MOTIONS], ids=lambda m: m.__name__)
def test_motions_stay_in_sight_and_move(motion):
    for seed in range(20):
        path = motion(np.linspace(0, 1, 36), generator(seed))
        assert np.abs(path.x).max() < 0.36 and np.abs(path.y).max() < 0.36
        assert max(np.ptp(path.x), np.ptp(path.y), np.ptp(path.zoom), np.ptp(path.angle), np.ptp(path.aspect)) > 0.2


def test_a_drawn_disc_has_the_area_and_place_asked_for():
    frames = 5
    clip = np.zeros((frames, 64, 64, 3), np.float32)
    x = np.linspace(-0.2, 0.2, frames)
    disc = dataclasses.replace(HAND, shape=lambda u, v, _: np.sqrt(u * u + v * v) - np.float32(1), radius=0.2)
    draw(clip, disc, pose(np.zeros(frames), x=x, y=0.1))
    covered = clip[..., 0] > 0.15
    np.testing.assert_allclose(covered.sum(axis=(1, 2)), np.pi * 12.8**2, rtol=0.04)
    columns = (covered * (np.arange(64) + 0.5)).sum(axis=(1, 2)) / covered.sum(axis=(1, 2))
    np.testing.assert_allclose(columns, (0.5 + x) * 64, atol=0.3)


def test_things_outside_the_frame_leave_it_alone():
    clip = np.zeros((3, 32, 32, 3), np.float32)
    draw(clip, HAND, pose(np.zeros(3), x=5.0, y=np.array([-4.0, 0, 4])))
    draw(clip, HAND, pose(np.zeros(3), opacity=0.0))
    assert not clip.any()


def test_hue_saturation_value_agree_with_the_standard_library():
    import colorsys

    for h, s, v in generator().random((50, 3)):
        np.testing.assert_allclose(rgb(h, s, v), colorsys.hsv_to_rgb(h, s, v), atol=1e-6)


def test_the_moving_crop_interpolates_linearly():
    ramp = np.broadcast_to(np.arange(20.0, dtype=np.float32)[None, :, None], (20, 20, 3))
    clip = moving_crop(ramp, 8, np.array([[0.0, 0.25, -2.5], [0.0, 1.0, 3.3]]))
    np.testing.assert_allclose(clip[:, 4, 0, 0], [6.0, 6.25, 3.5], atol=1e-5)


def test_background_noise_has_unit_spread_at_every_size():
    for side in (40, 130):
        image = np.stack([noise_image(side, generator(seed), octaves=4, channels=3) for seed in range(20)])
        assert 0.8 < image.std() < 1.2 and abs(image.mean()) < 0.15


def test_difficulty_scales_every_nuisance():
    assert Nuisances().scaled(0.0) == Nuisances(**{f.name: 0.0 for f in dataclasses.fields(Nuisances)})
    calm = script(dataclasses.replace(stand_in("Jester"), difficulty=0.0), 4)
    assert not calm.distractors and np.ptp(calm.camera) == 0 and np.ptp(calm.brightness) == 0
