"""ACTION-Net's data module: the paper's 10 x 3 views, a quick single one, and its three data sets from their files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.action_net import (
    AUGMENTATION,
    BN_INCEPTION_INPUT,
    PROXY_DATA,
    QUICK_TEST,
    SMOKE_DATA,
    ActionNetData,
    warped,
)
from datamodules.base import ClipDataModule
from datamodules.datasets.egogesture import EgoGesture
from datamodules.datasets.folder import Folder
from datamodules.datasets.jester import Jester
from datamodules.datasets.something_something import SomethingSomethingV2
from datamodules.random_segment_views import RandomSegmentViews
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import RandomHorizontalFlip, ShortSide
from datamodules.transforms.multi_scale_crop import MultiScaleCrop
from datamodules.transforms.stretch import Square
from datamodules.video import write_video
from tests.action_net.look_alikes import small_lists, write_egogesture, write_frames, write_jester, write_something

pytestmark = pytest.mark.usefixtures("benchmark_cache")

SMALL = dict(short_side=36, size=32, test_size=36, augmentation=(ShortSide(size=36), MultiScaleCrop(size=32)))
SETS = {
    "EgoGesture": (EgoGesture(train_with_val=True), write_egogesture),
    "Something V2": (SomethingSomethingV2(), write_something),
    "Jester": (Jester(), write_jester),
}


def served(source, **changes) -> ActionNetData:
    return ActionNetData(**{"source": source, "num_frames": 8, "batch_size": 2, **SMALL, **changes})


@pytest.fixture(params=SETS)
def real(request, tmp_path, monkeypatch):
    """Return the name of a data set, its source and a look-alike tree."""
    small_lists(monkeypatch)
    source, write = SETS[request.param]
    return request.param, source, write(tmp_path / "root")


@pytest.fixture
def folder(tmp_path):
    """Return a folder of wide videos, one per class and split."""
    drawn = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            write_video(tmp_path / split / name / "0.mp4", drawn.integers(0, 255, (40, 36, 72, 3), dtype=np.uint8))
    return tmp_path


# -- defaults and views ----------------------------------------------------------------------------------


def test_the_defaults_are_the_papers():
    data = ActionNetData(source=stand_in("EgoGesture"))
    assert (data.num_frames, data.views, data.crops) == (8, 10, 3)
    assert (data.short_side, data.size, data.test_size, data.batch_size) == (256, 224, 256, 64)
    assert data.sampling == data.test_sampling == RandomSegmentViews(num_frames=8)
    assert data.augmentation == AUGMENTATION == (ShortSide(size=256), MultiScaleCrop(size=224))
    assert not any(isinstance(step, RandomHorizontalFlip) for step in (*AUGMENTATION, *PROXY_DATA["augmentation"]))
    assert data.input_spec.frame_interval is None and data.input_spec.size == 224
    assert (QUICK_TEST["views"], QUICK_TEST["crops"]) == (1, 1)


def test_what_changes_the_test_alone_is_declared_so():
    assert ActionNetData.evaluation_arguments == ClipDataModule.evaluation_arguments | {"test_size"}


def test_thirty_views_are_ten_clips_of_three_squares_each_as_high_as_the_frame(folder):
    data = served(Folder(), data_root=folder, views=10, crops=3, num_frames=4, batch_size=60)
    [batch] = list(data.test_dataloader())
    assert batch.clips.shape == (2, 30, 3, 4, 36, 36)
    _, reader = data.subset("test")
    for n in range(2):
        drawn = RandomSegmentViews(num_frames=4).test(40, 10)
        assert batch.frame_indices[n].tolist() == drawn.repeat(3, axis=0).tolist()
        frames, _, _ = reader.read(n, lambda _, drawn=drawn: drawn)  # (10, 4, 36, 72, 3)
        for view in (0, 9):
            whole = torch.from_numpy(frames[view]).permute(3, 0, 1, 2)
            for crop, left in enumerate((0, 18, 36)):
                assert torch.equal(batch.clips[n, 3 * view + crop], whole[..., left : left + 36])
    again = served(Folder(), data_root=folder, views=10, crops=3, num_frames=4, batch_size=60, seed=7)
    [other] = list(again.test_dataloader())
    assert torch.equal(other.clips, batch.clips), "the test's clips do not depend on the run's seed"


def test_the_quick_test_and_validation_take_the_middle_frames_and_the_central_square_of_the_training_size(folder):
    quick = served(Folder(), data_root=folder, **QUICK_TEST)
    full = served(Folder(), data_root=folder, views=10, crops=3)
    [batch], [val] = list(quick.test_dataloader()), list(full.val_dataloader())
    assert batch.clips.shape == (2, 1, 3, 8, 32, 32) and torch.equal(batch.clips, val.clips)
    assert batch.frame_indices[0].tolist() == [[2, 7, 12, 17, 22, 27, 32, 37]]
    _, reader = quick.subset("test")
    frames, _, _ = reader.read(0, lambda n: batch.frame_indices[0].numpy())
    whole = torch.from_numpy(frames[0]).permute(3, 0, 1, 2)
    assert torch.equal(batch.clips[0, 0], whole[..., 2:34, 20:52])


def test_the_released_scripts_warp_egogesture_and_test_one_square(folder):
    data = served(Folder(), data_root=folder, views=10, crops=1, warp=True, augmentation=warped(SMALL["augmentation"]))
    assert data.augmentation == (Square(size=32), MultiScaleCrop(size=32))
    assert warped(AUGMENTATION) == (Square(size=224), MultiScaleCrop(size=224))
    batch, val = next(iter(data.test_dataloader())), next(iter(data.val_dataloader()))
    assert batch.clips.shape[1:] == (10, 3, 8, 32, 32)
    _, reader = data.subset("test")
    frames, _, _ = reader.read(0, lambda n: val.frame_indices[0].numpy())
    whole, _ = Square(size=32)(torch.from_numpy(frames).permute(0, 1, 4, 2, 3), 0, np.random.default_rng(0))
    assert torch.equal(val.clips[0, 0], whole[0].transpose(0, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(test_size=40), "test_size=40 does not fit into short_side=36"),
        (dict(size=40), "size=40 does not fit into short_side=36"),
        (dict(warp=True, crops=3), "crops=3 with warp=True"),
        (dict(crops=2), "crops=2"),
        (dict(views=0), "views=0"),
        (dict(num_frames=0), "num_frames is 0"),
    ],
)
def test_impossible_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        served(stand_in("EgoGesture"), **changes)


@pytest.mark.parametrize("settings", [PROXY_DATA, SMOKE_DATA], ids=["proxy", "smoke"])
def test_the_small_settings_serve_clips_of_one_size(settings):
    data = ActionNetData(source=stand_in("EgoGesture").tiny(), batch_size=4, **settings)
    train, test = next(iter(data.train_dataloader())), next(iter(data.test_dataloader()))
    assert train.clips.shape == (4, 1, 3, data.num_frames, 32, 32)
    assert test.clips.shape[1:] == (data.views * data.crops, 3, data.num_frames, 32, 32)


def test_normalisation_for_bn_inception_keeps_the_range_of_its_weights():
    data = ActionNetData(source=stand_in("EgoGesture").tiny(), batch_size=4, **SMOKE_DATA, **BN_INCEPTION_INPUT)
    raw = next(iter(data.train_dataloader()))
    clips = data.on_after_batch_transfer(raw, 0).clips
    torch.testing.assert_close(clips[:, 0, 0], raw.clips[:, 0, 0].float() - 128)  # red; the files give it last
    torch.testing.assert_close(clips[:, 0, 2], raw.clips[:, 0, 2].float() - 104)


# -- the three data sets ---------------------------------------------------------------------------------


def test_each_data_set_trains_and_tests_from_its_original_files(real):
    name, source, root = real
    data = served(source, data_root=root, views=2, crops=3, batch_size=1)
    train, test = next(iter(data.train_dataloader())), list(data.test_dataloader())
    assert train.clips.shape == (1, 1, 3, 8, 32, 32) and test[0].clips.shape == (1, 6, 3, 8, 36, 36)
    videos, _ = data.subset("test")
    assert [int(batch.labels) for batch in test] == [video.label for video in videos]
    assert len(data.class_names) == {"EgoGesture": 83, "Something V2": 174, "Jester": 27}[name]
    lengths = {"EgoGesture": [20, 4], "Something V2": [30, 30], "Jester": [12]}[name]
    assert [int(batch.num_frames) for batch in test] == lengths
    for batch in test:  # frame t of a file is of level 10 + 5 t; the second gesture of EgoGesture starts at 20
        start = 20 if int(batch.num_frames) == 4 else 0
        levels = batch.clips[0, :, 0, :, 18, 18].float()
        assert (levels - (10 + 5 * (start + batch.frame_indices[0]))).abs().max() <= 3


def test_a_gesture_of_fewer_frames_than_segments_is_served_in_order(tmp_path):
    root = write_egogesture(tmp_path, rows=("5,3,5",))
    data = served(EgoGesture(), data_root=root, views=10, crops=3, batch_size=1)
    for loader in (data.train_dataloader(), data.test_dataloader()):
        [batch] = list(loader)
        assert batch.num_frames.tolist() == [3] and (batch.frame_indices.diff(dim=-1) >= 0).all()
        assert batch.frame_indices.min() >= 0 and batch.frame_indices.max() <= 2
    [batch] = list(data.val_dataloader())
    assert batch.frame_indices.tolist() == [[[0, 0, 0, 1, 1, 2, 2, 2]]]


def test_training_with_validation_adds_the_subjects_of_validation_and_none_of_the_test(tmp_path):
    root = write_egogesture(tmp_path)
    both, alone = (served(EgoGesture(train_with_val=w), data_root=root).subset("train")[0] for w in (True, False))
    assert {video.id.split("/")[0] for video in both} == {"Subject03", "Subject01"}
    assert {video.id.split("/")[0] for video in alone} == {"Subject03"}


# -- what is wrong on disk -------------------------------------------------------------------------------


def test_a_bad_row_stops_before_training_and_names_file_and_line(tmp_path):
    data = served(EgoGesture(), data_root=write_egogesture(tmp_path, rows=("1,1,20", "84,21,24")))
    with pytest.raises(ValueError, match=r"Group1\.csv, line 2.*class 84 is outside 1 to 83"):
        data.subset("train")


def test_a_class_file_of_another_count_is_refused_and_named(tmp_path, monkeypatch):
    small_lists(monkeypatch)
    root = write_egogesture(tmp_path / "egogesture")
    (root / "classIndAll.txt").write_text("".join(f"{n + 1} name{n}\n" for n in range(82)))
    with pytest.raises(ValueError, match=r"classIndAll\.txt lists 82 classes; EgoGesture has 83"):
        served(EgoGesture(), data_root=root).class_names  # noqa: B018
    root = write_jester(tmp_path / "jester")
    (root / "jester-v1-labels.csv").write_text("Swiping Left\n")
    with pytest.raises(ValueError, match=r"jester-v1-labels\.csv names 1 of Jester's 27 classes"):
        served(Jester(), data_root=root).subset("train")
    root = write_something(tmp_path / "something")
    (root / "something-something-v2-labels.json").write_text('{"Opening something": "0"}')
    with pytest.raises(ValueError, match=r"something-something-v2-labels\.json .*\b1\b.*174"):
        served(SomethingSomethingV2(), data_root=root).subset("train")


def test_recordings_that_are_not_on_disk_are_known_as_missing(real):
    name, source, root = real
    data = served(source, data_root=root)
    videos, _ = data.subset("train")
    assert len(videos) + len(data.missing["train"]) == len(source.videos(root, "train"))
    assert data.missing["train"] and all(not video.path.exists() for video in data.missing["train"])
    assert name != "EgoGesture" or len(videos) == 4


def test_a_frame_that_cannot_be_read_takes_its_neighbours_and_a_recording_without_any_counts_as_wrong(tmp_path):
    root = write_egogesture(tmp_path, rows=("1,1,8",), frames=8)
    recording = root / "Subject02" / "Scene1" / "Color" / "rgb1"
    (recording / "000004.png").write_bytes(b"no picture")
    [batch] = list(served(EgoGesture(), data_root=root, **QUICK_TEST).test_dataloader())
    assert batch.clips[0, 0, 0, :, 16, 16].tolist() == [10, 15, 20, 20, 30, 35, 40, 45]
    for picture in recording.iterdir():
        picture.write_bytes(b"no picture")
    [batch] = list(served(EgoGesture(), data_root=root, views=2, crops=3).test_dataloader())
    assert batch.num_frames.tolist() == [0] and batch.clips.shape == (1, 6, 3, 8, 36, 36)


def test_a_label_that_reaches_beyond_the_recording_is_cut_to_what_is_there(tmp_path):
    root = write_egogesture(tmp_path, rows=("1,5,60",), frames=24)
    [batch] = list(served(EgoGesture(), data_root=root, **QUICK_TEST).test_dataloader())
    assert batch.num_frames.tolist() == [20] and batch.frame_indices.max() < 20


def test_upright_frames_are_cropped_along_their_height(tmp_path):
    write_frames(tmp_path / "train/a/0", 8, height=80, width=40)
    write_frames(tmp_path / "val/a/0", 8, height=80, width=40)
    data = served(Folder(), data_root=tmp_path, views=2, crops=3, batch_size=1)
    assert next(iter(data.test_dataloader())).clips.shape == (1, 6, 3, 8, 36, 36)
