"""MixUp blends one image into all frames of a clip, at most half and half, and leaves motion and label alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.transforms import ImageMixUp
from datamodules.transforms.mix_up import place

torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "n01").mkdir()
    Image.new("RGB", (60, 40), (200, 10, 90)).save(tmp_path / "n01" / "one.png")
    return tmp_path


def grey(level: int, videos: int = 1, frames: int = 3, size: int = 16) -> torch.Tensor:
    return torch.full((videos, frames, 3, size, size), level, dtype=torch.uint8)


def weights(transform: ImageMixUp, count: int) -> np.ndarray:
    """Return the image weights of many draws, read off a black clip mixed with the image of one colour."""
    rng = np.random.default_rng(0)
    return np.array([float(transform(grey(0), 0, rng)[0][0, 0, 0, 0, 0]) / 200 for _ in range(count)])


def test_weights_are_half_a_beta_of_two_tenths(folder):
    got = weights(ImageMixUp(images=folder).opened(), 600)
    assert got.min() >= 0 and got.max() <= 0.5
    assert abs(got.mean() - 0.25) < 0.03
    assert abs(got.var() - 0.25 * 0.2**2 / (0.4**2 * 1.4)) < 0.005  # a quarter of the variance of Beta(0.2, 0.2)


def test_every_pixel_is_the_weighted_mean_of_frame_and_image(folder):
    mix = ImageMixUp(images=folder).opened()
    for seed in range(5):
        clips = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (2, 3, 3, 9, 9), dtype=np.uint8))
        before = clips.clone()
        out, label = mix(clips, 5, np.random.default_rng(seed))
        assert label == 5 and torch.equal(clips, before) and out.dtype == torch.uint8
        rng = np.random.default_rng(seed)
        rng.random()
        a = 0.5 * rng.beta(0.2, 0.2)
        for channel, level in enumerate((200, 10, 90)):
            expected = (1 - a) * before[:, :, channel].double() + a * level
            assert (out[:, :, channel].double() - expected).abs().max() <= 0.51


def test_one_image_serves_all_frames_and_per_clip_draws_anew(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (30, 30, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    shared, own = (ImageMixUp(images=tmp_path, per_clip=flag).opened() for flag in (False, True))
    differ = 0
    for seed in range(8):
        once = shared(grey(128, videos=2), 0, np.random.default_rng(seed))[0]
        assert torch.equal(once, once[:1, :1].expand_as(once))
        twice = own(grey(128, videos=2), 0, np.random.default_rng(seed))[0]
        assert torch.equal(twice, twice[:, :1].expand_as(twice))
        differ += not torch.equal(twice[0], twice[1])
    assert differ >= 6


def test_the_window_lies_in_the_scaled_image_at_every_place_and_side():
    y, x = torch.meshgrid(torch.arange(100.0), torch.arange(150.0), indexing="ij")
    image = torch.stack([x, y, x]).to(torch.uint8)
    rng, lefts, mirrored = np.random.default_rng(0), [], 0
    for _ in range(200):
        window = place(image, 40, 40, rng).double()
        assert window.shape == (3, 40, 40)
        step = float((window[0, :, -3] - window[0, :, 2]).mean()) / 35
        assert abs(abs(step) - 100 / 46) < 0.1  # the short side of 100 became 1.15 * 40 = 46
        mirrored += step < 0
        lefts.append(float(window[0].min()))
    assert 70 < mirrored < 130
    assert min(lefts) < 5 and max(lefts) > 150 - 40 * 100 / 46 - 8


def test_the_step_comes_with_its_probability(folder):
    never, always = ImageMixUp(images=folder, p=0.0).opened(), ImageMixUp(images=folder).opened()
    half = ImageMixUp(images=folder, p=0.5).opened()
    assert not weights(never, 50).any()
    assert 0.3 < (weights(half, 200) > 0).mean() / (weights(always, 200) > 0).mean() < 0.7


def test_it_travels_to_loader_processes_and_compares_by_what_it_says(folder):
    mix = ImageMixUp(images=folder)
    ready = pickle.loads(pickle.dumps(mix.opened()))
    assert ready == mix and hash(ready) == hash(mix)
    first, second = (m(grey(9), 0, np.random.default_rng(3))[0] for m in (ready, mix.opened()))
    assert torch.equal(first, second)


def test_what_cannot_be_mixed_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="p=1.5; accepted: 0 to 1"):
        ImageMixUp(p=1.5)
    with pytest.raises(ValueError, match="does not know its images yet"):
        ImageMixUp().opened()
    with pytest.raises(ValueError, match="is not opened"):
        ImageMixUp(images=folder)(grey(0), 0, np.random.default_rng(0))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "bad.jpg").write_bytes(b"no image")
    broken = ImageMixUp(images=tmp_path / "broken").opened()
    with pytest.raises(ValueError, match="bad.jpg' cannot be read"):
        broken(grey(0), 0, np.random.default_rng(0))
