"""Spatial crops at test: view after view, each cut at the two ends and in the centre of the long side."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.datasets.folder import Folder
from datamodules.frame_sampling import SegmentSampling
from datamodules.transforms import CenterCrop, RandomScaledCrop, ThreeCrops
from datamodules.video import write_video
from tests.tiny_cells import UNTRIMMED, ligar_data

pytestmark = pytest.mark.usefixtures("benchmark_cache")


def noise(videos: int = 2, frames: int = 3, height: int = 20, width: int = 24) -> torch.Tensor:
    drawn = np.random.default_rng(0).integers(0, 256, (videos, frames, 3, height, width), dtype=np.uint8)
    return torch.from_numpy(drawn)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- the transforms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(20, 24), (20, 29), (24, 20), (20, 20)])
def test_three_crops_lie_along_the_long_side_and_the_middle_one_is_the_centre(height, width):
    clips, size = noise(height=height, width=width), 16
    out, label = ThreeCrops(size=size)(clips, 4, rng())
    assert out.shape == (6, 3, 3, size, size) and label == 4
    top, left = (height - size) // 2, (width - size) // 2
    centre = CenterCrop(size=size)(clips, 0, rng())[0]
    for view in range(2):
        if height > width:
            ends = clips[view, :, :, :size, left : left + size], clips[view, :, :, -size:, left : left + size]
        else:
            ends = clips[view, :, :, top : top + size, :size], clips[view, :, :, top : top + size, -size:]
        assert torch.equal(out[3 * view], ends[0]) and torch.equal(out[3 * view + 2], ends[1])
        assert torch.equal(out[3 * view + 1], centre[view])


def test_crops_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="21 x 21 does not fit into frames of 24 x 20"):
        ThreeCrops(size=21)(noise(), 0, rng())
    with pytest.raises(ValueError, match="size=0; accepted"):
        ThreeCrops(size=0)


def test_a_random_scaled_crop_is_a_square_of_the_asked_side_anywhere_in_the_frame():
    y, x = torch.meshgrid(torch.arange(100), torch.arange(160), indexing="ij")
    clips = torch.stack([x, y, x]).to(torch.uint8).expand(1, 1, 3, 100, 160)
    transform, sides, places = RandomScaledCrop(size=50), [], []
    for seed in range(300):
        out = transform(clips, 0, rng(seed))[0][0, 0].double()
        assert out.shape == (3, 50, 50)
        width, height = (float(out[0, :, -6:-4].mean() - out[0, :, 4:6].mean()) / 40 * 50,
                         float(out[1, -6:-4].mean() - out[1, 4:6].mean()) / 40 * 50)  # fmt: skip
        assert abs(width - height) < 0.5, "the aspect changed"
        sides.append(width)
        places.append((float(out[0].min()) / (160 - width), float(out[1].min()) / max(1, 100 - width)))
    assert 86.5 < min(sides) < 89 and 98.5 < max(sides) < 101 and abs(np.mean(sides) - 93.75) < 1
    lefts, tops = np.array(places).T
    for share in (lefts, tops[np.array(sides) < 96]):
        assert share.min() < 0.2 and share.max() > 0.8
    with pytest.raises(ValueError, match=r"scale=\(0.9, 1.1\)"):
        RandomScaledCrop(size=4, scale=(0.9, 1.1))


def test_a_crop_of_scale_one_in_a_square_frame_is_the_whole_frame():
    clips = noise(height=20, width=20)
    assert torch.equal(RandomScaledCrop(size=20, scale=(1.0, 1.0))(clips, 0, rng())[0], clips)


# -- the loader ------------------------------------------------------------------------------------------


def write_wide_videos(root, *, broken: bool = False) -> None:
    drawn = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            write_video(root / split / name / "0.mp4", drawn.integers(0, 255, (10, 32, 64, 3), dtype=np.uint8))
    if broken:
        (root / "val/b/0.mp4").write_bytes(b"no video" * 100)


@pytest.mark.parametrize("frame_order", ["forward", "shuffled", "repeated"])
def test_test_clips_are_the_crops_of_the_first_view_then_those_of_the_next(tmp_path, frame_order):
    write_wide_videos(tmp_path)
    settings = dict(data_root=tmp_path, views=2, batch_size=12, frame_order=frame_order)
    [batch] = list(ligar_data(Folder(), crops=3, **settings).test_dataloader())
    assert batch.clips.shape == (2, 6, 3, 4, 32, 32) and batch.frame_indices.shape == (2, 6, 4)
    data = ligar_data(Folder(), **settings)
    [centre] = list(data.test_dataloader())
    assert torch.equal(batch.clips[:, [1, 4]], centre.clips)
    _, reader = data.subset("test")
    for n in range(2):
        for view in range(2):
            indices = batch.frame_indices[n, 3 * view : 3 * view + 3]
            assert torch.equal(indices, centre.frame_indices[n, view].expand(3, 4))
            frames, _, _ = reader.read(n, lambda _, i=indices: i[:1].numpy())
            whole = torch.from_numpy(frames[0]).permute(3, 0, 1, 2)  # (C, T, 32, 64)
            for crop, left in enumerate((0, 16, 32)):
                assert torch.equal(batch.clips[n, 3 * view + crop], whole[..., left : left + 32])


def test_an_undecodable_video_has_as_many_clips_as_the_others(tmp_path):
    write_wide_videos(tmp_path, broken=True)
    [batch] = list(ligar_data(Folder(), data_root=tmp_path, views=2, crops=3, batch_size=12).test_dataloader())
    assert batch.num_frames.tolist() == [10, 0] and batch.clips.shape[:2] == batch.frame_indices.shape[:2] == (2, 6)
    assert not batch.clips[1].any()


def test_a_batch_holds_about_as_many_clips_as_in_training_and_validation_one_view():
    data = ligar_data(UNTRIMMED, views=2, crops=3, batch_size=12)
    assert [len(batch) for batch in data.test_dataloader()] == [2, 2, 2, 1]
    assert {batch.clips.shape[1] for batch in data.val_dataloader()} == {1}
    sparse = ligar_data(UNTRIMMED, views=2, crops=3, batch_size=6, test_sampling=SegmentSampling)
    assert next(iter(sparse.test_dataloader())).clips.shape[:2] == (1, 6)


def test_crops_belong_to_the_evaluation():
    assert "crops" in type(ligar_data(UNTRIMMED)).evaluation_arguments
