"""The multi-scale corner crop takes TSN's boxes at TSN's 13 places, one for all frames."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from datamodules.transforms.multi_scale_crop import PLACES, MultiScaleCrop


def coordinates(height: int, width: int, *, videos: int = 1, frames: int = 2) -> torch.Tensor:
    """Return clips whose red is the column and whose green is the row, at most 255."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)]).to(torch.uint8).expand(videos, frames, 3, height, width)


def test_the_boxes_are_the_ten_pairs_of_neighbouring_scales_with_a_side_near_the_size_set_to_it():
    sides = (240, 210, 180, 158)  # int(240 * 0.66) = 158
    expected = [(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) <= 1]
    assert MultiScaleCrop(size=100).boxes(240, 320) == expected and len(expected) == 10
    assert set(MultiScaleCrop(size=224).boxes(256, 340)) == {
        (256, 256), (256, 224), (224, 256), (224, 224), (224, 192), (192, 224), (192, 192), (192, 168), (168, 192),
        (168, 168),
    }  # fmt: skip
    assert MultiScaleCrop(size=208).boxes(240, 320)[2:4] == [(208, 240), (208, 208)]  # 210 lies within 2 of it
    assert MultiScaleCrop(size=207).boxes(240, 320)[3] == (210, 210)
    assert MultiScaleCrop(size=42).boxes(40, 50)[0] == (40, 40), "a box must not reach beyond the frame"


def test_every_box_is_cut_at_every_one_of_13_places_about_equally_often():
    crop, height, width = MultiScaleCrop(size=60, scales=(1.0, 0.75), snap=0), 80, 120
    clips = coordinates(height, width)
    seen: Counter[tuple[int, ...]] = Counter()
    for seed in range(3000):
        cut = MultiScaleCrop._crop(crop, clips, np.random.default_rng(seed))
        left, right = cut[0, 0, 0, 30, 0].item(), cut[0, 0, 0, 30, -1].item()
        top, bottom = cut[0, 0, 1, 0, 30].item(), cut[0, 0, 1, -1, 30].item()
        seen[round(right - left, -1), round(bottom - top, -1), round(left, -1), round(top, -1)] += 1
    wide, high = {(w, h) for w, h, *_ in seen}, len(seen)
    assert wide == {(80, 80), (80, 60), (60, 80), (60, 60)}
    # 13 places per box; where the box is as high as the frame they fall together into 5
    assert high == 2 * 13 + 2 * 5
    corners = [count for (w, h, left, top), count in seen.items() if (w, h) == (60, 60)]
    assert len(corners) == 13 and min(corners) > 0.4 * max(corners)


def test_the_places_are_corners_centre_edge_midpoints_and_quarter_points():
    corners = {(x, y) for x in (0, 4) for y in (0, 4)}
    edges = {(2, 0), (2, 4), (0, 2), (4, 2)}
    quarters = {(x, y) for x in (1, 3) for y in (1, 3)}
    assert set(PLACES) == corners | edges | quarters | {(2, 2)} and len(PLACES) == 13


def test_one_draw_serves_all_frames_and_videos_unless_each_clip_draws_its_own():
    clips = coordinates(40, 50, videos=3, frames=4)
    for seed in range(5):
        shared, label = MultiScaleCrop(size=32)(clips, 7, np.random.default_rng(seed))
        assert shared.shape == (3, 4, 3, 32, 32) and shared.dtype == torch.uint8 and label == 7
        assert (shared == shared[:1, :1]).all()
    own = [MultiScaleCrop(size=32, per_clip=True)(clips, 7, np.random.default_rng(s))[0] for s in range(5)]
    assert all((one == one[:, :1]).all() for one in own) and any((one != one[:1]).any() for one in own)


def test_nothing_is_ever_mirrored():
    clips = coordinates(40, 50)
    for seed in range(50):
        cut, _ = MultiScaleCrop(size=32)(clips, 0, np.random.default_rng(seed))
        assert (cut[0, 0, 0].int().diff(dim=1) >= 0).all() and (cut[0, 0, 1].int().diff(dim=0) >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(size=0), "size=0"),
        (dict(size=8, scales=()), r"scales=\(\)"),
        (dict(size=8, scales=(1.0, 1.2)), "1.2"),
        (dict(size=8, scales=(0.0,)), "0.0"),
        (dict(size=8, max_distortion=-1), "max_distortion=-1"),
        (dict(size=8, snap=-1), "snap=-1"),
    ],
)
def test_impossible_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiScaleCrop(**arguments)
