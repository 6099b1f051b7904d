"""KPSEM's data: MFNet's sampling, stretched crops and colours; test crops that are random and always the same."""

from __future__ import annotations

import colorsys
import dataclasses

import numpy as np
import pytest
import torch

from datamodules.datasets.hmdb51 import HMDB51
from datamodules.frame_sampling import DenseSampling, SegmentSampling
from datamodules.kpsem import AUGMENTATION, MFNET_STD, PROXY_DATA, SMOKE_DATA, KpsemData, VariedSampling
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import RandomCrop, RandomHorizontalFlip
from datamodules.transforms.hls import HlsJitter, hls_to_rgb, rgb_to_hls
from datamodules.transforms.stretch import RandomStretch, Square

pytestmark = pytest.mark.usefixtures("benchmark_cache")

MEMBER = dataclasses.replace(stand_in("HMDB51").tiny(), num_train=8, num_val=4)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def data(**changes) -> KpsemData:
    return KpsemData(**{"source": MEMBER, "batch_size": 4, **SMOKE_DATA, **changes})


# -- sampling -------------------------------------------------------------------------------------------


def test_defaults_are_16_frames_at_interval_2_and_ten_views():
    own = KpsemData(source=HMDB51(split=1))
    assert own.sampling == own.test_sampling == DenseSampling(num_frames=16, frame_interval=2)
    assert (own.views, own.crops, own.short_side, own.size, own.test_crop) == (10, 1, 256, 224, "random")
    assert own.mean == (124.0, 117.0, 104.0)
    assert own.std == pytest.approx((0.2348 * 255,) * 3, rel=1e-3) and own.std == MFNET_STD
    assert own.clips_per_video == 1 and own.clip_selection is None


def test_on_kinetics_the_training_interval_varies_between_1_and_3_and_is_mostly_2():
    sampling, drawn = VariedSampling(num_frames=16, frame_interval=2), []
    generator = rng()
    for _ in range(800):
        (clip,) = sampling.train(100, generator)
        (interval,) = set(np.diff(clip))
        assert 0 <= clip[0] and clip[-1] < 100
        drawn.append(int(interval))
    shares = np.bincount(drawn, minlength=4) / 800
    np.testing.assert_allclose(shares, (0, 0.25, 0.5, 0.25), atol=0.05)
    np.testing.assert_array_equal(sampling.test(100, 3), DenseSampling(num_frames=16, frame_interval=2).test(100, 3))


def test_varied_intervals_never_reach_0_and_clips_of_a_video_share_theirs():
    sampling = VariedSampling(num_frames=4, frame_interval=1)
    for seed in range(20):
        clips = sampling.train(30, rng(seed), 3)
        assert clips.shape == (3, 4) and len(np.unique(np.diff(clips))) == 1 and np.diff(clips).min() >= 1
    with pytest.raises(ValueError, match="start_weights"):
        sampling.train(30, rng(), 1, np.ones(27))


def test_the_input_spec_says_the_interval_and_none_for_segments():
    assert data().input_spec.frame_interval == 2
    assert data(sampling=VariedSampling).input_spec.frame_interval == 2
    assert data(sampling=SegmentSampling).input_spec.frame_interval is None


# -- augmentation ---------------------------------------------------------------------------------------


def test_the_augmentation_is_mfnets():
    assert [type(part) for part in AUGMENTATION] == [RandomStretch, RandomCrop, RandomHorizontalFlip, HlsJitter]
    stretch, crop, flip, jitter = AUGMENTATION
    assert (stretch.short_side, stretch.factor, crop.size, flip.p) == ((224, 288), (0.8, 1.25), 224, 0.5)
    assert (jitter.hue, jitter.lightness, jitter.saturation) == (15, 35, 25)


def test_stretched_frames_forget_their_aspect():
    stretch = RandomStretch()
    sizes = np.array([stretch.draw_size(rng(seed)) for seed in range(400)])
    short, aspect = sizes.min(1), sizes[:, 1] / sizes[:, 0]
    assert 224 <= short.min() < 228 and 284 < short.max() <= 288
    assert 0.63 < aspect.min() < 0.68 and 1.48 < aspect.max() < 1.57
    assert abs((aspect > 1).mean() - 0.5) < 0.08, "a factor and its inverse are as likely"
    for height, width in ((60, 80), (80, 60)):
        clips, label = stretch(torch.zeros(1, 1, 3, height, width, dtype=torch.uint8), 7, rng(3))
        assert tuple(clips.shape[-2:]) == stretch.draw_size(rng(3)) and label == 7


def test_squares_are_squares():
    clips, label = Square(size=24)(torch.randint(0, 255, (2, 3, 3, 30, 50), dtype=torch.uint8), 1, rng())
    assert clips.shape == (2, 3, 3, 24, 24) and label == 1
    for wrong in (lambda: Square(size=0), lambda: RandomStretch(short_side=(20, 10)),
                  lambda: RandomStretch(factor=(0, 1))):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()


def test_hue_lightness_and_saturation_are_the_standard_ones():
    pixels = torch.randint(0, 256, (200, 3, 1, 1), generator=torch.Generator().manual_seed(0)).float()
    pixels[:6] = torch.tensor([[0, 0, 0], [255, 255, 255], [90, 90, 90], [255, 0, 0], [0, 0, 255], [10, 10, 200.0]])[
        :, :, None, None
    ]
    ours = torch.stack(rgb_to_hls(pixels)).flatten(1).T.numpy()
    for pixel, (hue, lightness, saturation) in zip(pixels.flatten(1).tolist(), ours, strict=True):
        expected = colorsys.rgb_to_hls(*(value / 255 for value in pixel))
        assert (hue / 180, lightness / 255, saturation / 255) == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(hls_to_rgb(*rgb_to_hls(pixels)), pixels, atol=1e-2, rtol=0)


def test_colours_change_by_one_draw_for_all_frames_and_within_the_limits():
    clips = torch.full((1, 5, 3, 4, 4), 120, dtype=torch.uint8)
    clips[:, :, 0] = 150
    before = [float(part.flatten()[0]) for part in rgb_to_hls(clips[0, :1].float())]
    seen = []
    for seed in range(60):
        out, label = HlsJitter()(clips, 4, rng(seed))
        assert label == 4 and out.dtype == torch.uint8 and (out == out[:, :1, :, :1, :1]).all()
        seen.append([float(part.flatten()[0]) for part in rgb_to_hls(out[0, :1].float())])
    hue, lightness, saturation = (np.array(seen) - before).T
    assert np.abs(lightness).max() <= 35.6 and np.abs(lightness).max() > 25
    assert hue.min() >= -0.01 and hue.max() <= 17, "hue is cut at red, it does not go round"
    assert np.abs(saturation).max() < 30
    same, _ = HlsJitter(hue=0, lightness=0, saturation=0)(clips, 0, rng())
    assert torch.equal(same, clips)


@pytest.mark.parametrize("name", ["hue", "lightness", "saturation"])
@pytest.mark.parametrize("value", [-1, 256])
def test_impossible_changes_of_colour_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}; accepted: 0 to"):
        HlsJitter(**{name: value})


# -- loaders --------------------------------------------------------------------------------------------


def test_each_test_view_has_a_crop_of_its_own_and_the_same_every_time():
    own = data(views=4, short_side=32, size=16, test_crop="random")
    first, again = (next(iter(own.test_dataloader())).clips for _ in range(2))
    assert first.shape[1:] == (4, 3, 4, 16, 16) and torch.equal(first, again)
    whole = data(views=4, short_side=32, size=32, test_crop="random")
    frames = next(iter(whole.test_dataloader())).clips
    places = [_place_of(first[0, view], frames[0, view]) for view in range(4)]
    assert len(set(places)) > 1
    centre = next(iter(data(views=4, short_side=32, size=16).test_dataloader())).clips
    assert [_place_of(centre[0, view], frames[0, view]) for view in range(4)] == [(8, 8)] * 4


def _place_of(crop: torch.Tensor, frames: torch.Tensor) -> tuple[int, int]:
    """Return where a crop ``(C, T, h, w)`` lies in frames ``(C, T, H, W)``."""
    size = crop.shape[-1]
    reach = range(frames.shape[-1] - size + 1)
    return next((y, x) for y in reach for x in reach if torch.equal(crop, frames[..., y : y + size, x : x + size]))


def test_validation_takes_one_view_and_the_central_crop():
    own = data(views=4, short_side=32, size=16, test_crop="random")
    batch = next(iter(own.val_dataloader()))
    whole = next(iter(data(views=1, size=32).val_dataloader()))
    assert torch.equal(batch.clips, whole.clips[..., 8:24, 8:24])


def test_three_crops_are_the_same_three_whatever_the_test_crop():
    one, other = (data(crops=3, size=16, test_crop=crop) for crop in ("random", "centre"))
    assert torch.equal(next(iter(one.test_dataloader())).clips, next(iter(other.test_dataloader())).clips)


def test_how_a_video_is_tested_voids_no_training():
    assert KpsemData.evaluation_arguments >= {"views", "crops", "test_crop", "test_sampling", "frame_order"}


def test_an_unknown_crop_is_refused():
    with pytest.raises(ValueError, match="test_crop='corner'; accepted: 'random', 'centre'"):
        data(test_crop="corner")


def test_paper_sized_training_clips_go_the_whole_way():
    own = KpsemData(source=MEMBER, batch_size=4)
    batch = next(iter(own.train_dataloader()))
    assert batch.clips.shape == (4, 1, 3, 16, 224, 224)
    assert (batch.frame_indices.diff(dim=-1) == 2).all()
    normalised = own.on_after_batch_transfer(batch, 0).clips
    expected = (float(batch.clips[0, 0, 1, 3, 5, 7]) - 117) / 59.88
    assert float(normalised[0, 0, 1, 3, 5, 7]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("arguments", [PROXY_DATA, SMOKE_DATA], ids=["proxy", "smoke"])
def test_small_profiles_serve_small_clips_and_never_mirror(arguments):
    own = data(**arguments)
    batch = next(iter(own.train_dataloader()))
    assert batch.clips.shape == (4, 1, 3, arguments["num_frames"], 32, 32)
    assert not any(isinstance(part, RandomHorizontalFlip) for part in own.augmentation)
