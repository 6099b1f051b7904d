from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.boxes import TailoredReader, box_key, boxes_of, read_boxes, true_box, true_boxes, write_boxes
from datamodules.synthetic.script import render, script
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms.disturb import Occlusion, SensorNoise
from datamodules.transforms.tailor import Tailor, squared
from datamodules.video import Video


def test_pixels_fade_ring_by_ring_around_the_box():
    """Compare with a mask written by hand: a box of 2 x 3, rings of 2 pixels."""
    rings = np.array([
        [2, 2, 2, 2, 2, 2, 2, 2, 2],
        [2, 1, 1, 1, 1, 1, 1, 1, 2],
        [2, 1, 1, 1, 1, 1, 1, 1, 2],
        [2, 1, 1, 0, 0, 0, 1, 1, 2],
        [2, 1, 1, 0, 0, 0, 1, 1, 2],
        [2, 1, 1, 1, 1, 1, 1, 1, 2],
    ])  # fmt: skip
    expected = np.where(rings == 0, 1.5, 0.5**rings)
    np.testing.assert_allclose(
        Tailor(enhancement=1.5, decay=0.5, ring_width=2).factors((3, 5), (3, 6), 6, 9), expected, rtol=1e-6
    )


def test_the_papers_rings_are_five_pixels_wide_and_a_tenth_keeps_a_third():
    factors = Tailor().factors((100, 120), (100, 120), 220, 220)
    assert factors[110, 110] == pytest.approx(1.2)
    for distance, ring in ((1, 1), (5, 1), (6, 2), (50, 10)):
        assert factors[110, 119 + distance] == pytest.approx(0.9**ring, rel=1e-5)
        assert factors[99 - distance + 1, 99 - distance + 1] == pytest.approx(0.9**ring, rel=1e-5), "corners too"


def test_frames_are_cut_around_the_box_brightened_limited_and_filled_up_to_a_square():
    frames = np.full((2, 40, 60, 3), 100, dtype=np.uint8)
    tailored = Tailor(enhancement=3.0, decay=0.5, ring_width=1, rings=2)(frames, (0.5, 0.25, 0.75, 0.75))
    assert tailored.shape == (2, 24, 24, 3)  # rows 10 to 30, columns 30 to 45, each with two more on both sides
    assert tailored[0, 12, 12, 0] == 255 and tailored.dtype == np.uint8
    middle = tailored[1, 12, :, 0].tolist()
    assert middle[:3] == [0, 0, 25] and middle[3:5] == [50, 255], "black, two rings, the box"


def test_without_a_box_whole_frames_stay_as_they_are():
    frames = np.random.default_rng(0).integers(0, 256, (1, 3, 4, 8, 3)).astype(np.uint8)
    tailored = Tailor()(frames, None)
    assert tailored.shape == (1, 3, 8, 8, 3)
    np.testing.assert_array_equal(tailored[:, :, 2:6], frames)
    assert not tailored[:, :, :2].any() and not tailored[:, :, 6:].any()
    np.testing.assert_array_equal(squared(tailored), tailored)


@pytest.mark.parametrize("name", ["HMDB51", "Kinetics-400"])  # the latter's things change their shape too
def test_true_boxes_hold_the_actor_and_little_else(name):
    tiny = dataclasses.replace(stand_in(name).tiny(), num_classes=stand_in(name).num_classes, num_val=16)
    member = dataclasses.replace(tiny, difficulty=0.0)
    still = dataclasses.replace(member.nuisances, texture=0.0)
    member = dataclasses.replace(member, nuisances=still)
    for number in range(member.num_classes):
        frames = render(member, number).astype(np.int64)
        plan = script(member, number)
        background = np.median(frames.reshape(-1, 3), axis=0)
        there = (np.abs(frames - background).max(-1) > 60).any(0)
        rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
        left, top, right, bottom = true_box(member, number)
        size = member.size
        assert left * size <= columns[0] + 1 and right * size >= columns[-1]
        assert top * size <= rows[0] + 1 and bottom * size >= rows[-1]
        room = 2.6 * max(plan.actors[0].sprite.radius, 0) * size
        assert (right - left) * size <= columns[-1] - columns[0] + room
    assert len(true_boxes(member, "train")) == member.num_train and len(true_boxes(member, "test")) == member.num_val


def video(path: Path, **part) -> Video:
    return Video(id="same", path=path, label=0, label_name="a", **part)


def test_a_boxes_file_gives_back_what_was_written(tmp_path: Path):
    path = tmp_path / "boxes.npz"
    write_boxes(path, {"a": (0.25, 0.0, 0.5, 1.0), "b": None}, detector="by hand")
    assert read_boxes(path) == {"a": (0.25, 0.0, 0.5, 1.0), "b": None}
    assert boxes_of([video(tmp_path / "b"), video(tmp_path / "a")], path) == (None, (0.25, 0.0, 0.5, 1.0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["boxes.npz"]


def test_missing_damaged_and_impossible_boxes_are_refused(tmp_path: Path):
    path = tmp_path / "boxes.npz"
    with pytest.raises(ValueError, match="write it with `python experiments/tools/boxes.py`"):
        read_boxes(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="no boxes file, or damaged"):
        read_boxes(path)
    write_boxes(path, {"a": (0.5, 0.0, 0.25, 1.0)}, detector="by hand")
    with pytest.raises(ValueError, match="the box .* of 'a'"):
        read_boxes(path)
    write_boxes(path, {"a": None}, detector="by hand")
    with pytest.raises(ValueError, match="lacks 1, first 'c'"):
        boxes_of([video(tmp_path / "a"), video(tmp_path / "c")], path)


def test_a_video_is_named_by_its_place_in_the_folder_and_by_its_part():
    root = Path("/data/set")
    assert box_key(video(root / "train/a/0.mp4"), root) == "train/a/0.mp4"
    assert box_key(video(root / "0.mp4", start_sec=1.5, end_sec=10.0), root) == "0.mp4 1.5:10::"
    assert box_key(video(root / "0.mp4", start_frame=3), root) == "0.mp4 ::3:"
    assert box_key(video(Path("/else/0.mp4")), root) == "/else/0.mp4"


def test_a_reader_tailors_each_video_to_its_own_box():
    class Grey:
        def read(self, index, choose):
            indices = choose(3)
            return np.full((*indices.shape, 10, 10, 3), 100, dtype=np.uint8), indices, 3

    reader = TailoredReader(Grey(), [None, (0.0, 0.0, 0.5, 0.5)], Tailor(rings=0))
    whole, _, _ = reader.read(0, lambda n: np.arange(n)[None])
    cut, indices, num_frames = reader.read(1, lambda n: np.arange(n)[None])
    assert whole.shape == (1, 3, 10, 10, 3) and (whole == 100).all()
    assert cut.shape == (1, 3, 5, 5, 3) and (cut == 120).all() and (indices.shape, num_frames) == ((1, 3), 3)


def test_factors_that_make_no_sense_are_refused():
    for wrong in (dict(enhancement=0.0), dict(decay=-1.0), dict(ring_width=0), dict(rings=-1)):
        with pytest.raises(ValueError, match="accepted: positive factors"):
            Tailor(**wrong)


def test_an_occlusion_covers_its_share_at_one_place_for_all_frames():
    clips = torch.zeros(1, 4, 3, 20, 20, dtype=torch.uint8)
    covered, label = Occlusion(side=0.4)(clips, 5, np.random.default_rng(0))
    assert label == 5 and not clips.any() and (covered == 128).sum() == 4 * 3 * 64
    assert (covered == covered[:, :1]).all()
    with pytest.raises(ValueError, match=r"side=1\.5"):
        Occlusion(side=1.5)


def test_sensor_noise_has_its_deviation_and_is_drawn_anew_for_every_frame():
    clips = torch.full((1, 4, 3, 32, 32), 128, dtype=torch.uint8)
    noisy, _ = SensorNoise(deviation=10.0)(clips, 0, np.random.default_rng(0))
    assert noisy.float().std().item() == pytest.approx(10, rel=0.05) and noisy.dtype == torch.uint8
    assert not torch.equal(noisy[:, 0], noisy[:, 1])
    with pytest.raises(ValueError, match=r"deviation=0"):
        SensorNoise(deviation=0)
