"""The tool writes the pool where training looks for it, from what is there, and says what it left out."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.augmentation_files import POOL_FILE
from datamodules.datasets.folder import Folder
from datamodules.datasets.readers import readers, source_named
from datamodules.ligar import GENERAL_AUGMENTATION, LigarData
from datamodules.transforms.cross_norm import read_pool
from datamodules.video import write_video
from experiments.tools.cross_norm_pool import main


@pytest.fixture
def videos(tmp_path):
    """Return a folder of two good training videos, a black one and a broken one."""
    drawn = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            frames = drawn.integers(40, 200, (2, 1, 6, 8, 3)).repeat(40, 2).repeat(40, 3).repeat(10, 1)
            write_video(tmp_path / split / name / "0.mp4", frames[0].astype(np.uint8))
    write_video(tmp_path / "train/a/black.mp4", np.zeros((10, 240, 320, 3), np.uint8))
    (tmp_path / "train/b/broken.mp4").write_bytes(b"no video" * 100)
    return tmp_path


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_pool_of_a_folder_is_that_of_its_central_crops(videos, capsys, jobs):
    assert main(["folder", "--data-root", str(videos), "--jobs", jobs]) == 0
    printed = capsys.readouterr()
    assert "4 training videos" in printed.out and "1 undecodable, 1 too dark or flat" in printed.out
    assert f"{videos / POOL_FILE}: 2 clips" in printed.out
    assert "4 of 4 videos" in printed.err
    data = LigarData(source=Folder(), data_root=videos)
    _, reader = data.subset("train")
    got = read_pool(videos / POOL_FILE)
    for row, index in zip(got, (0, 2), strict=True):  # a/0.mp4, then a/black.mp4, b/0.mp4, b/broken.mp4
        frames, *_ = reader.read(index, lambda n: data.sampling.test(n, 1))  # (1, T, 240, 320, 3)
        square = frames[0, :, 15:225, 55:265].astype(np.float64)  # 224 of 256, before scaling
        expected = [square.mean((0, 1, 2)), square.std((0, 1, 2))]
        np.testing.assert_allclose(row, expected, atol=1.5)
    assert not list(videos.glob(f".{POOL_FILE}*"))


def test_training_finds_what_the_tool_wrote(videos):
    data = LigarData(source=Folder(), data_root=videos, augmentation=GENERAL_AUGMENTATION, batch_size=2)
    with pytest.raises(ValueError, match="cross_norm_pool.py folder --data-root"):
        data.train_dataloader()
    assert main(["folder", "--data-root", str(videos), "--jobs", "1"]) == 0
    data.train_dataloader()


def test_every_reader_goes_by_its_name_on_disk():
    known = readers()
    assert {"ucf101", "activitynet200", "activitynet200trimmed", "folder", "kinetics400", "kinetics700"} <= set(known)
    assert known["activitynet200trimmed"].trimmed and not known["activitynet200"].trimmed
    assert source_named("ucf101", split=3, annotations=None).split == 3 and source_named("ucf101").split == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no reader is called 'nothing'; accepted: activitynet200"),
        (["folder", "--split", "2"], "--split 2: folder has no such choice"),
        (["folder", "--jobs", "0"], "--jobs 0: must be 1 or more"),
        (["folder"], "needs the folders train/ and val/"),
    ],
)
def test_what_cannot_be_measured_is_an_error_in_one_line(tmp_path, capsys, arguments, message):
    assert main([*arguments, "--data-root", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
