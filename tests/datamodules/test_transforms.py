"""Transforms of clips: what stays, what is shared, and that nothing but the generator decides."""

from __future__ import annotations

import colorsys
import math
import pickle
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
import torch

from datamodules.transforms import (
    CenterCrop,
    Compose,
    CrossNorm,
    OneOf,
    Photometric,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotate,
    ShortSide,
    clip_statistics,
    write_pool,
)
from datamodules.transforms.colour import scale_saturation, turn_hue
from datamodules.transforms.cross_norm import read_pool

torch.set_num_threads(1)
SWAP = (1, 0, 2)


def noise(videos: int = 2, frames: int = 3, height: int = 20, width: int = 24, seed: int = 0) -> torch.Tensor:
    """Return clips in which every pixel of every frame differs."""
    drawn = np.random.default_rng(seed).integers(20, 236, (videos, frames, 3, height, width), dtype=np.uint8)
    return torch.from_numpy(drawn)


def smooth(videos: int = 2, frames: int = 3, size: int = 24) -> torch.Tensor:
    """Return equal clips of one still colour gradient."""
    y, x = torch.meshgrid(torch.linspace(30, 200, size), torch.linspace(60, 220, size), indexing="ij")
    return torch.stack([y, x, (x + y) / 2]).to(torch.uint8).expand(videos, frames, 3, size, size).clone()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Rigged:
    """Stand in for a generator: passes every coin, gives the chosen end of every range."""

    def __init__(self, *, high: bool = True) -> None:
        self.high = high

    def random(self, size=None):
        return np.zeros(size) if size else 0.0

    def uniform(self, low, high):
        return high if self.high else low

    def integers(self, bound):
        return 0


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.txt"
    path.write_text("100,110,120 20,25,30\n90,80,70 10,12,14\n140,130,120 30,20,10\n")
    return path


def random_transforms(pool, *, per_clip: bool) -> list:
    return [
        RandomCrop(size=12, per_clip=per_clip),
        RandomResizedCrop(size=16, per_clip=per_clip),
        RandomRotate(p=1.0, per_clip=per_clip),
        Photometric(p=0.9, per_clip=per_clip),
        CrossNorm(pool=pool, per_clip=per_clip),
        RandomHorizontalFlip(mirror_labels=(), per_clip=per_clip),
    ]


# -- properties of all -------------------------------------------------------------------------------


def test_one_draw_serves_all_clips_of_a_video_and_per_clip_draws_anew(pool):
    clips = smooth(videos=6)
    for shared, own in zip(
        random_transforms(pool, per_clip=False), random_transforms(pool, per_clip=True), strict=True
    ):
        assert all(
            torch.equal(clip, out[0]) for seed in range(5) for out in [shared(clips, 0, rng(seed))[0]] for clip in out
        )
        outs = own(clips, 0, rng(1))[0]
        assert outs.shape == shared(clips, 0, rng(1))[0].shape
        assert not all(torch.equal(clip, outs[0]) for clip in outs), own


@pytest.mark.parametrize("per_clip", [False, True])
def test_all_frames_of_a_clip_are_treated_alike(pool, per_clip):
    for transform in random_transforms(pool, per_clip=per_clip):
        for seed in range(5):
            out, _ = transform(smooth(), 0, rng(seed))
            assert torch.equal(out, out[:, :1].expand_as(out)), transform


@pytest.mark.parametrize("per_clip", [False, True])
def test_the_generator_alone_decides_and_the_input_is_not_changed(pool, per_clip):
    for transform in random_transforms(pool, per_clip=per_clip):
        clips = noise()
        torch.manual_seed(1)
        first, label = transform(clips, 2, rng(7))
        state = torch.get_rng_state()
        torch.manual_seed(2)
        second, _ = transform(clips, 2, rng(7))
        assert torch.equal(first, second) and first.dtype == torch.uint8 and label == 2
        torch.manual_seed(1)
        assert torch.equal(state, torch.get_rng_state()), "the global generator was used"
        assert torch.equal(clips, noise())
        others = [transform(clips, 2, rng(seed))[0] for seed in range(8, 14)]
        assert any(not torch.equal(first, other) for other in others)


def test_transforms_are_frozen_comparable_and_travel_to_loader_processes(pool):
    recipe = Compose(*random_transforms(pool, per_clip=True), OneOf((0.5, None), (0.5, Photometric())))
    again = pickle.loads(pickle.dumps(recipe))
    assert again == recipe and hash(again) == hash(recipe)
    clips = noise()
    assert torch.equal(again(clips, 0, rng(3))[0], recipe(clips, 0, rng(3))[0])
    assert RandomCrop(size=3) != RandomCrop(size=4)
    assert [field.name for field in fields(RandomRotate)] == ["p", "degrees", "per_clip"]
    with pytest.raises(FrozenInstanceError):
        RandomCrop(size=3).size = 4


# -- scale and crop ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(20, 30, (10, 15)), (30, 20, (15, 10)), (40, 40, (10, 10)), (5, 8, (10, 16))],
)
def test_short_side_keeps_the_aspect(height, width, expected):
    out, label = ShortSide(size=10)(noise(height=height, width=width), 1, rng())
    assert tuple(out.shape[-2:]) == expected and label == 1


def test_short_side_of_the_given_size_changes_nothing():
    clips = noise(height=20, width=24)
    assert torch.equal(ShortSide(size=20)(clips, 0, rng())[0], clips)


def test_scaling_keeps_a_gradient():
    out, _ = ShortSide(size=12)(smooth(size=24), 0, rng())
    expected = smooth(size=24).float().unflatten(-1, (12, 2)).unflatten(-3, (12, 2)).mean(dim=(-1, -3))
    assert (out.float() - expected)[..., 1:-1, 1:-1].abs().max() <= 1.01


def test_centre_crop_is_the_centre():
    clips = noise(height=20, width=24)
    assert torch.equal(CenterCrop(size=10)(clips, 0, rng())[0], clips[..., 5:15, 7:17])
    assert torch.equal(CenterCrop(size=7)(clips, 0, rng())[0], clips[..., 6:13, 8:15])


def test_random_crop_is_a_window_of_the_input_and_reaches_every_place():
    clips = noise(videos=1, frames=2, height=6, width=7)
    places = {(top, left): clips[..., top : top + 4, left : left + 4] for top in range(3) for left in range(4)}
    generator, hits = rng(), []
    for _ in range(300):
        out, _ = RandomCrop(size=4)(clips, 0, generator)
        [place] = [place for place, window in places.items() if torch.equal(window, out)]
        hits.append(place)
    assert set(hits) == set(places)
    assert max(hits.count(place) for place in places) < 50  # 25 expected each


@pytest.mark.parametrize("transform", [CenterCrop(size=21), RandomCrop(size=21)])
def test_a_crop_larger_than_the_frame_is_refused(transform):
    with pytest.raises(ValueError, match="21 x 21 does not fit into frames of 24 x 20"):
        transform(noise(height=20, width=24), 0, rng())


def test_boxes_have_the_asked_area_and_a_log_uniform_aspect():
    transform, generator = RandomResizedCrop(size=8, area=(0.1, 0.3), aspect=(0.5, 2.0)), rng()
    boxes = np.array([transform.draw_box(1000, 1000, generator) for _ in range(2000)])
    top, left, height, width = boxes.T
    assert (top >= 0).all() and (left >= 0).all() and (top + height <= 1000).all() and (left + width <= 1000).all()
    area, aspect = height * width / 1e6, width / height
    assert 0.099 < area.min() < 0.11 and 0.29 < area.max() < 0.301 and abs(area.mean() - 0.2) < 0.005
    assert 0.498 < aspect.min() and aspect.max() < 2.01
    quartiles = np.quantile(np.log2(aspect), [0.25, 0.5, 0.75])
    assert np.abs(quartiles - [-0.5, 0, 0.5]).max() < 0.06


def test_a_box_that_never_fits_becomes_the_central_square():
    transform = RandomResizedCrop(size=20, area=(1.0, 1.0), aspect=(4.0, 4.0))
    clips = noise(height=20, width=24)
    assert transform.draw_box(20, 24, rng()) == (0, 2, 20, 20)
    assert torch.equal(transform(clips, 0, rng())[0], clips[..., 2:22])


def test_the_whole_frame_as_box_is_the_identity():
    clips = noise(height=20, width=20)
    assert torch.equal(RandomResizedCrop(size=20, area=(1.0, 1.0), aspect=(1.0, 1.0))(clips, 0, rng())[0], clips)


def test_the_result_is_square_whatever_the_aspect():
    transform = RandomResizedCrop(size=9, area=(0.3, 0.5), aspect=(0.5, 0.6))
    assert transform(noise(), 0, rng())[0].shape == (2, 3, 3, 9, 9)


# -- rotation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [RandomRotate(p=1.0, degrees=0.0), RandomRotate(p=0.0, degrees=90.0)])
def test_rotation_by_nothing_is_the_identity(transform):
    assert torch.equal(transform(noise(), 0, rng())[0], noise())


def test_rotation_by_a_half_turn_mirrors_both_axes():
    out, _ = RandomRotate(p=1.0, degrees=180.0)(noise(), 0, Rigged())
    assert (out.int() - noise().flip(-1, -2).int()).abs().max() <= 1


def test_rotation_leaves_black_corners_and_the_centre_in_place():
    clips = torch.full((1, 2, 3, 21, 21), 200, dtype=torch.uint8)
    out, _ = RandomRotate(p=1.0, degrees=45.0)(clips, 0, Rigged())
    assert out[..., 0, 0].max() == 0 and out[..., -1, -1].max() == 0
    assert (out[..., 6:15, 6:15] == 200).all()


def test_angles_are_spread_to_both_sides():
    clips = torch.zeros((1, 1, 3, 31, 31), dtype=torch.uint8)
    clips[..., 15, 25:] = 255  # a bar to the right of the centre
    sides = []
    for seed in range(40):
        out, _ = RandomRotate(p=1.0, degrees=30.0)(clips, 0, rng(seed))
        sides.append(int(out[..., :15, :].sum()) > int(out[..., 16:, :].sum()))
    assert 10 < sum(sides) < 30


# -- flip --------------------------------------------------------------------------------------------


def test_flipping_twice_is_the_identity_for_picture_and_label():
    flip = RandomHorizontalFlip(p=1.0, mirror_labels=SWAP)
    for label in range(3):
        once = flip(noise(), label, rng())
        assert torch.equal(once[0], noise().flip(-1)) and once[1] == SWAP[label]
        twice = flip(*once, rng())
        assert torch.equal(twice[0], noise()) and twice[1] == label


def test_the_label_changes_exactly_when_the_picture_is_mirrored():
    flip, outcomes = RandomHorizontalFlip(p=0.5, mirror_labels=SWAP), []
    for seed in range(60):
        out, label = flip(noise(), 0, rng(seed))
        mirrored = torch.equal(out, noise().flip(-1))
        assert mirrored or torch.equal(out, noise())
        assert label == (1 if mirrored else 0)
        outcomes.append(mirrored)
    assert 15 < sum(outcomes) < 45


def test_no_class_changes_with_an_empty_map():
    assert RandomHorizontalFlip(p=1.0, mirror_labels=())(noise(), 999, rng())[1] == 999


def test_a_data_set_that_refuses_flipping_cannot_build_a_flip():
    with pytest.raises(ValueError, match="refuses flipping"):
        RandomHorizontalFlip(mirror_labels=None)
    for recipe in (
        Compose(RandomHorizontalFlip()),
        Compose(Compose(RandomHorizontalFlip())),
        Compose(OneOf((0.5, None), (0.5, RandomHorizontalFlip()))),
    ):
        with pytest.raises(ValueError, match="refuses flipping"):
            recipe.with_mirror_labels(None)
    assert Compose(RandomCrop(size=2)).with_mirror_labels(None) == Compose(RandomCrop(size=2))


def test_a_recipes_flip_learns_the_data_sets_classes_at_any_depth():
    recipe = Compose(OneOf((1.0, Compose(RandomHorizontalFlip(p=1.0)))))
    with pytest.raises(ValueError, match="does not know the data set yet"):
        recipe(noise(), 0, rng())
    assert recipe.with_mirror_labels(SWAP)(noise(), 0, rng())[1] == 1


@pytest.mark.parametrize("mirror", [(1, 2, 0), (0, 0), (1, 2), (-1,)])
def test_a_map_that_is_no_mirror_is_refused(mirror):
    with pytest.raises(ValueError, match="its own inverse"):
        RandomHorizontalFlip(mirror_labels=mirror)


def test_a_label_outside_the_map_is_refused():
    with pytest.raises(ValueError, match=r"label=3; mirror_labels has the classes 0\.\.2"):
        RandomHorizontalFlip(p=1.0, mirror_labels=SWAP)(noise(), 3, rng())


def test_flipping_clips_one_by_one_is_refused_where_classes_change():
    with pytest.raises(ValueError, match="share one label"):
        RandomHorizontalFlip(mirror_labels=SWAP, per_clip=True)
    out, _ = RandomHorizontalFlip(mirror_labels=(0, 1), per_clip=True)(noise(videos=8), 0, rng())
    mirrored = [torch.equal(clip, before.flip(-1)) for clip, before in zip(out, noise(videos=8), strict=True)]
    assert 0 < sum(mirrored) < 8


# -- colour ------------------------------------------------------------------------------------------


def only(**ranges) -> Photometric:
    """Return the jitter in which contrast, saturation and hue do nothing unless given."""
    closed = {
        "contrast": (1.0, 1.0),
        "saturation": (1.0, 1.0),
        "hue_degrees": 0.0,
        "brightness": (0.0, 255.0),
    }
    return Photometric(**{**closed, **ranges}, p=1.0)


class NoBrightness(Rigged):
    """Pass every coin but the one for brightness; contrast comes first."""

    def random(self, size=None):
        return np.array([1.0, 0.0, 0.0, 0.0]) if size else 0.0


def test_brightness_shifts_every_pixel_of_every_frame_alike_to_a_mean_in_range():
    clips = torch.from_numpy(rng(3).integers(110, 140, (1, 4, 3, 8, 8), dtype=np.uint8))
    clips[:, 1] += 10
    for seed in range(20):
        out, _ = only(brightness=(115.0, 150.0))(clips, 0, rng(seed))
        shift = out.int() - clips.int()
        assert shift.max() - shift.min() <= 1  # rounding
        means = out.float().mean(dim=(2, 3, 4))
        assert ((means > 114) & (means < 151)).any()


def test_the_brightness_range_widens_to_hold_the_clip():
    dark = torch.full((1, 2, 3, 4, 4), 10, dtype=torch.uint8)
    levels = {int(only(brightness=(65.0, 65.0))(dark, 0, rng(seed))[0][0, 0, 0, 0, 0]) for seed in range(40)}
    assert min(levels) >= 10 and max(levels) <= 65 and len(levels) > 15


class ContrastLast(Rigged):
    """Pass every coin but the one for brightness; contrast comes last."""

    def random(self, size=None):
        return np.array([1.0, 0.0, 0.0, 0.0]) if size else 1.0


def test_contrast_comes_before_or_after_the_colours_and_the_place_is_felt_where_it_saturates():
    bright = torch.tensor([200, 180, 160], dtype=torch.uint8)[None, None, :, None, None].expand(1, 2, 3, 4, 4)
    changed = only(contrast=(1.4, 1.4), saturation=(1.3, 1.3))
    first, last = (changed(bright, 0, rigged())[0][0, 0, :, 0, 0].tolist() for rigged in (NoBrightness, ContrastLast))
    # by hand: contrast first clamps to 255, 252, 224, and saturation is 1.3 times 31/255 of it; last: 200, 174, 148
    assert first == [255, 251, 215] and last == [255, 244, 207]


def test_the_photometric_ranges_are_the_released_ones():
    default = Photometric()
    assert (default.brightness, default.contrast, default.saturation) == ((65.0, 190.0), (0.6, 1.4), (0.7, 1.3))
    assert (default.hue_degrees, default.p) == (18.0, 0.5)


def test_contrast_multiplies_and_is_clamped():
    out, _ = only(contrast=(1.0, 1.4))(noise(), 0, NoBrightness())
    assert (out.float() - (noise().float() * 1.4).clamp(0, 255)).abs().max() <= 0.51


def test_saturation_and_hue_agree_with_a_pixel_by_pixel_conversion():
    pixels = noise(videos=1, frames=1, height=5, width=6).float()
    flat = pixels[0, 0].flatten(1).T.tolist()
    for factor in (0.0, 0.7, 1.3, 5.0):
        slow = []
        for r, g, b in flat:
            hue, saturation, value = colorsys.rgb_to_hsv(r, g, b)
            slow.append(colorsys.hsv_to_rgb(hue, min(1.0, saturation * factor), value))
        assert torch.allclose(scale_saturation(pixels, factor)[0, 0].flatten(1).T, torch.tensor(slow), atol=1e-3)
    for degrees in (-18.0, 0.0, 7.5, 180.0):
        slow = []
        for r, g, b in flat:
            hue, saturation, value = colorsys.rgb_to_hsv(r, g, b)
            slow.append(colorsys.hsv_to_rgb((hue + degrees / 360) % 1.0, saturation, value))
        assert torch.allclose(turn_hue(pixels, degrees)[0, 0].flatten(1).T, torch.tensor(slow), atol=0.02)


def test_grey_and_black_pixels_have_no_colour_to_change():
    grey = torch.tensor([0, 1, 128, 255], dtype=torch.uint8).view(1, 1, 1, 2, 2).expand(1, 2, 3, 2, 2)
    out, _ = Photometric(p=1.0, contrast=(1.0, 1.0))(grey, 0, NoBrightness())
    assert torch.equal(out, grey)


def test_probability_zero_changes_nothing():
    assert torch.equal(Photometric(p=0.0)(noise(), 0, rng())[0], noise())


def test_each_part_comes_with_its_own_coin():
    clips, changed, generator = smooth(videos=1, frames=1), [], rng()
    transform = Photometric(p=0.5, brightness=(0.0, 0.0), saturation=(1.0, 1.0), hue_degrees=0.0, contrast=(0.5, 0.5))
    for _ in range(500):
        out, _ = transform(clips, 0, generator)
        changed.append(not torch.equal(out, clips))
    assert 0.65 < np.mean(changed) < 0.85  # brightness or contrast: 3/4


# -- CrossNorm ---------------------------------------------------------------------------------------


def test_cross_norm_gives_the_pools_mean_and_deviation_up_to_rounding(pool):
    clips = noise(videos=3, frames=4)
    for seed in range(10):
        out, _ = CrossNorm(pool=pool, per_clip=True)(clips, 0, rng(seed))
        for clip in out:
            errors = np.abs(read_pool(pool) - clip_statistics(clip).numpy()).max(axis=(1, 2))
            assert errors.min() < 0.1  # no value of this noise leaves 0..255


def test_statistics_are_over_time_and_space_of_each_channel():
    clip = noise()[0]
    expected = [
        [clip[:, c].double().numpy().mean() for c in range(3)],
        [clip[:, c].double().numpy().std() for c in range(3)],
    ]
    assert np.allclose(clip_statistics(clip).numpy(), expected, atol=1e-4)


def test_clips_differ_from_each_other_after_as_before_with_a_shared_target(pool):
    clips = noise(videos=2)
    clips[1] //= 2
    out, _ = CrossNorm(pool=pool)(clips, 0, rng())
    assert torch.allclose(clip_statistics(out[0]), clip_statistics(out[1]), atol=0.5)


def test_a_flat_channel_leaves_the_clip_alone(pool):
    clips = noise(videos=1)
    clips[:, :, 1] = 77
    assert torch.equal(CrossNorm(pool=pool)(clips, 0, rng())[0], clips)


def test_a_missing_pool_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="none.txt' does not exist"):
        CrossNorm(pool=tmp_path / "none.txt")


@pytest.mark.parametrize(
    "text", ["1,2,3", "1,2,3 4,5", "1,2,3 4,5,x", "1,2,3 4,5,6 7,8,9", "1,2,3 4,5,nan", "1,2,3 4,5,-6"]
)
def test_a_malformed_pool_is_an_error_that_names_file_and_line(tmp_path, text):
    (tmp_path / "pool.txt").write_text(f"1,2,3 4,5,6\n{text}\n")
    with pytest.raises(ValueError, match="pool.txt, line 2: "):
        CrossNorm(pool=tmp_path / "pool.txt")


def test_an_empty_pool_is_an_error(tmp_path):
    (tmp_path / "pool.txt").write_text("\n")
    with pytest.raises(ValueError, match="holds no clip statistics"):
        CrossNorm(pool=tmp_path / "pool.txt")


def test_a_written_pool_is_read_back_without_flat_clips(tmp_path):
    clips, flat = noise(videos=3), torch.full((3, 3, 4, 4), 9, dtype=torch.uint8)
    path = tmp_path / "pool.txt"
    assert write_pool(map(clip_statistics, [*clips, flat]), path) == 3
    assert np.allclose(read_pool(path), torch.stack([clip_statistics(clip) for clip in clips]).numpy(), atol=1e-4)
    with pytest.raises(ValueError, match="the pool would be empty"):
        write_pool([clip_statistics(flat)], path)


# -- combination -------------------------------------------------------------------------------------


def test_one_of_draws_by_its_probabilities_once_for_all_clips():
    transform = OneOf((0.1, None), (0.6, CenterCrop(size=4)), (0.3, CenterCrop(size=6)))
    clips, generator = noise(videos=2, frames=1), rng()
    sizes = [transform(clips, 0, generator)[0].shape[-1] for _ in range(2000)]
    for size, probability in ((24, 0.1), (4, 0.6), (6, 0.3)):
        assert abs(sizes.count(size) / 2000 - probability) < 4 * math.sqrt(probability * (1 - probability) / 2000)


@pytest.mark.parametrize("choices", [(), ((0.5, None),), ((1.5, None), (-0.5, None)), ((0.6, None), (0.6, None))])
def test_probabilities_that_are_none_are_refused(choices):
    with pytest.raises(ValueError, match="of sum 1"):
        OneOf(*choices)


def test_compose_applies_in_order():
    clips = noise(height=20, width=24)
    flip = RandomHorizontalFlip(p=1.0, mirror_labels=SWAP)
    out, label = Compose(CenterCrop(size=10), flip, CenterCrop(size=7))(clips, 0, rng())
    assert torch.equal(out, clips[..., 5:15, 7:17].flip(-1)[..., 1:8, 1:8]) and label == 1


@pytest.mark.parametrize("clips", [noise().float(), noise()[0], noise()[:, :, :2]])
def test_clips_of_another_kind_are_refused(clips):
    with pytest.raises(ValueError, match=r"expected torch.uint8 \(V, T, 3, H, W\)"):
        Compose()(clips, 0, rng())


def test_the_general_recipe_of_ligar_ends_at_its_size(pool):
    recipe = Compose(
        ShortSide(size=32),
        RandomRotate(p=0.5, degrees=10.0, per_clip=True),
        RandomResizedCrop(size=28, area=(0.4, 1.0), aspect=(0.5, 1.5)),
        RandomHorizontalFlip(p=0.5),
        OneOf((0.10, None), (0.45, Photometric(per_clip=True)), (0.45, CrossNorm(pool=pool, per_clip=True))),
    ).with_mirror_labels(())
    channels_last = noise(height=24, width=40).permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    for seed in range(20):
        out, label = recipe(channels_last, 5, rng(seed))
        assert out.shape == (2, 3, 3, 28, 28) and out.dtype == torch.uint8 and label == 5


@pytest.mark.parametrize(
    "build",
    [
        lambda: ShortSide(size=0),
        lambda: CenterCrop(size=0),
        lambda: RandomCrop(size=-1),
        lambda: RandomResizedCrop(size=0),
        lambda: RandomResizedCrop(size=4, area=(0.5, 0.4)),
        lambda: RandomResizedCrop(size=4, area=(0.5, 1.1)),
        lambda: RandomResizedCrop(size=4, aspect=(0.0, 1.0)),
        lambda: RandomRotate(p=1.1),
        lambda: RandomRotate(degrees=-1.0),
        lambda: RandomHorizontalFlip(p=-0.1),
        lambda: Photometric(brightness=(-1.0, 10.0)),
        lambda: Photometric(contrast=(1.2, 0.8)),
        lambda: Photometric(saturation=(-0.1, 1.0)),
        lambda: Photometric(hue_degrees=200.0),
        lambda: Photometric(p=2.0),
    ],
)
def test_values_out_of_range_are_refused_with_the_accepted_ones(build):
    with pytest.raises(ValueError, match="accepted: |expected "):
        build()
