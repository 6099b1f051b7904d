"""MS3D's data module: clips by variance rate, pairs of a class, tailored frames, unknown classes."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch

from datamodules.datasets.folder import Folder
from datamodules.ms3d import SMOKE_DATA, Ms3dData
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms.disturb import Occlusion
from datamodules.video import write_video

MEMBER = dataclasses.replace(stand_in("HMDB51").tiny(), num_train=16, num_val=8)

pytestmark = pytest.mark.usefixtures("benchmark_cache")


def data(**changes) -> Ms3dData:
    return Ms3dData(**{"source": MEMBER, "batch_size": 4, **SMOKE_DATA, **changes})


def indices(loader) -> torch.Tensor:
    return torch.cat([batch.frame_indices for batch in loader])


def test_training_batches_are_pairs_of_a_class_and_change_from_epoch_to_epoch():
    source = data()
    loader = source.train_dataloader()
    for batch in loader:
        assert sorted(Counter(batch.labels.tolist()).values()) == [2, 2]
    first = indices(loader)
    assert torch.equal(first, indices(data().train_dataloader()))
    loader.sampler.set_epoch(1)
    assert not torch.equal(first, indices(loader))


def test_frames_are_drawn_by_the_rates_of_their_own_video():
    source = data(num_frames=49, pathway_frames=(7, 17, 25))
    rates = source.rates("train")
    assert rates is not None
    clips = source.train_dataloader().dataset
    for position in (0, 3):
        sample = clips[(0, position)]
        rng = np.random.default_rng([0, 0, position])
        expected = source.sampling.train(sample.num_frames, rng, 1, rates(position))
        np.testing.assert_array_equal(sample.indices, expected)
        assert len(rates(position)) == sample.num_frames - 1
    assert data(sampling="uniform").rates("train") is None


def test_views_of_a_test_video_are_the_same_every_time_and_differ_from_each_other():
    source = data(num_frames=10, pathway_frames=(4, 6), views=3)
    first, second = (indices(source.test_dataloader()) for _ in range(2))
    assert torch.equal(first, second) and first.shape == (8, 3, 10)
    assert not torch.equal(first[:, 0], first[:, 1])
    assert torch.equal(indices(source.val_dataloader()), first[:, :1])


def test_compared_networks_see_segments_in_ordinary_batches():
    source = data(sampling="segments", pathway_frames=None, tailor=None, class_pairs=False, num_frames=8)
    batch = next(iter(source.test_dataloader()))
    assert (batch.frame_indices[:, 0].diff() > 0).all()
    assert len(list(source.train_dataloader())) == 4


def test_the_repository_sees_every_training_video_and_pass_once():
    source = data(repository_passes=3)
    batches = list(source.repository_dataloader())
    assert torch.cat([batch.video_index for batch in batches]).tolist() == list(range(16))
    assert batches[0].clips.shape[1:3] == (3, 3)


def test_unknown_classes_are_in_the_test_alone():
    source = data(unknown_classes=1)
    assert {video.label for video in source.subset("train")[0]} == {0, 1, 2}
    assert {video.label for video in source.subset("val")[0]} == {0, 1, 2}
    assert {video.label for video in source.subset("test")[0]} == {0, 1, 2, 3}
    whole = data()
    position = [video.label for video in whole.subset("train")[0]].index(2)
    kept = [video.id for video in source.subset("train")[0]].index(whole.subset("train")[0][position].id)
    first, second = (
        d.subset("train")[1].read(p, lambda n: np.zeros((1, 1), int))[0] for d, p in ((whole, position), (source, kept))
    )
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="leave none to train"):
        data(unknown_classes=4).subset("train")


def test_disturbances_reach_the_test_alone():
    source = data(disturbances=(Occlusion(side=1.0),))
    assert (next(iter(source.test_dataloader())).clips == 128).all()
    assert not (next(iter(source.val_dataloader())).clips == 128).all()


def test_a_folder_needs_its_boxes_and_videos_without_one_are_counted(tmp_path):
    from datamodules.boxes import box_key, write_boxes

    rng = np.random.default_rng(0)
    for subset in ("train", "val"):
        for label in ("a", "b"):
            (tmp_path / subset / label).mkdir(parents=True)
            for number in range(2):
                frames = rng.integers(0, 256, (6, 32, 48, 3)).astype(np.uint8)
                write_video(tmp_path / subset / label / f"{number}.mp4", frames)
    source = data(source=Folder(), data_root=tmp_path)
    with pytest.raises(ValueError, match=r"there is no .*boxes\.npz: write it with"):
        source.subset("train")
    listed = [video for subset in ("train", "val") for video in Folder().videos(tmp_path, subset)]
    boxes = {box_key(video, tmp_path): None for video in listed}
    write_boxes(tmp_path / "boxes.npz", boxes, detector="nobody")
    with pytest.warns(UserWarning, match="4 of 4 train videos have no box and stay whole"):
        batch = next(iter(source.train_dataloader()))
    assert batch.clips.shape == (4, 1, 3, 4, 32, 32)
    again = data(source=Folder(), data_root=tmp_path)
    with pytest.warns(UserWarning):
        again.subset("train")
    reader = again.subset("train")[1].reader
    reader.read = None  # the rates are known from the first time: nothing is decoded again
    np.testing.assert_array_equal(again.rates("train")(0), source.rates("train")(0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(sampling="dense"), "sampling='dense'"),
        (dict(sampling="segments"), "takes None"),
        (dict(pathway_frames=None), "pathway_frames=None"),
        (dict(num_frames=5), "num_frames=5; the pathways"),
        (dict(repository_passes=0), "repository_passes=0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        data(**wrong)
