"""The doctor finds what a data set lacks, decodes once, goes on where it stopped, and training heeds what it found."""

from __future__ import annotations

import csv
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from datamodules.base import ClipDataModule
from datamodules.check import main
from datamodules.data_fingerprint import data_fingerprint
from datamodules.datasets.folder import Folder
from datamodules.decode_all import CRASHED, in_processes
from datamodules.decode_index import INDEX_FILE, Decoded, index_key, read_index, without_undecodable
from datamodules.frame_sampling import SegmentSampling
from datamodules.survey import length_of
from datamodules.transforms import CenterCrop, ShortSide
from datamodules.video import Video, write_video
from tests.datamodules.own_videos import decoded_or_crash, write_own_videos
from tests.datamodules.test_datasets_ucf101 import write_lists


def check(root: Path, *flags: str, name: str = "folder") -> int:
    data_fingerprint.cache_clear()
    return main([name, "--data-root", str(root), "--jobs", "1", *flags])


def clips_of(root: Path) -> ClipDataModule:
    return ClipDataModule(
        source=Folder(), sampling=SegmentSampling, test_sampling=None, num_frames=2, frame_interval=1, views=1, crops=1,
        short_side=32, size=32, augmentation=(ShortSide(size=32), CenterCrop(size=32)), clip_selection=None,
        frame_order="forward", clips_per_video=1, mean=(0, 0, 0), std=(1, 1, 1), batch_size=1, seed=0, data_root=root,
        num_workers=0,
    )  # fmt: skip


def test_a_sound_folder_is_complete_and_its_counts_and_fingerprint_are_printed(tmp_path, capsys):
    root = write_own_videos(tmp_path)
    assert check(root, "--decode") == 0
    printed = capsys.readouterr().out
    assert "train: 4 videos listed, 4 on disk" in printed and "sound and complete" in printed
    assert f"fingerprint of the data: {data_fingerprint(Folder(), root)}" in printed
    with (root / "class_counts.csv").open() as file:
        assert [*csv.reader(file)] == [["label", "class", "train", "val/test"], ["0", "run", "2", "1"],
                                       ["1", "walk", "2", "1"]]  # fmt: skip


def test_decoding_writes_what_every_video_is_and_a_second_run_decodes_nothing(tmp_path, capsys):
    root = write_own_videos(tmp_path)
    (root / "train/run/broken.mp4").write_bytes(b"no video" * 50)
    assert check(root, "--decode") == 1
    assert "6 of 7 videos" not in capsys.readouterr().err
    index = read_index(root)
    assert len(index) == 7 and index["train/run/broken.mp4"].error
    sound = index["train/walk/1.mp4"]
    assert (sound.frames, sound.fps, sound.height, sound.width, sound.rotation, sound.error) == (6, 25, 32, 48, 0, "")
    before = (root / INDEX_FILE).read_bytes()
    assert check(root, "--decode") == 1
    assert (root / INDEX_FILE).read_bytes() == before and capsys.readouterr().err == ""


def test_an_interrupted_index_is_completed_and_a_changed_file_decoded_again(tmp_path):
    root = write_own_videos(tmp_path)
    check(root, "--decode")
    whole = (root / INDEX_FILE).read_text().splitlines(keepends=True)
    (root / INDEX_FILE).write_text("".join(whole[:2]) + whole[2][:20])
    changed = root / index_key(root / json.loads(whole[0])["path"], root)
    changed.write_bytes(b"now broken")
    assert check(root, "--decode") == 1
    index = read_index(root)
    assert len(index) == 6 and index[index_key(changed, root)].error
    assert [json.loads(line)["path"] for line in (root / INDEX_FILE).read_text().splitlines()][:2] == [
        json.loads(line)["path"] for line in whole[:2]
    ]


def test_videos_with_fewer_frames_than_segments_are_named(tmp_path, capsys):
    root = write_own_videos(tmp_path)
    write_video(root / "train/walk/1.mp4", np.zeros((9, 32, 48, 3), dtype=np.uint8))
    check(root)
    assert "frames:" not in capsys.readouterr().out, "nothing is known before videos are decoded"
    assert check(root, "--decode") == 0, "short videos are served"
    printed = capsys.readouterr().out
    assert "    frames: 6 to 9, median 6\n    3 videos with fewer than 8 frames, of which some are" in printed
    assert (root / "short_train.txt").read_text() == "run/0.mp4\t6\nrun/1.mp4\t6\nwalk/0.mp4\t6\n"


@pytest.mark.parametrize(
    ("part", "frames"),
    [
        ({}, 50),
        (dict(start_frame=10, end_frame=17), 7),
        (dict(start_frame=45, end_frame=70), 5),
        (dict(start_sec=1.0, end_sec=1.2), 5),
        (dict(start_sec=1.6), 10),
        (dict(start_sec=3.0, end_sec=4.0), 1),
        (dict(start_frame=60, end_frame=70), 0),
    ],
)
def test_the_length_of_a_labelled_part_is_its_own(part, frames):
    video = Video(id="a", path=Path("a.mp4"), label=0, label_name="run", **part)
    assert length_of(video, Decoded(path="a.mp4", size=1, frames=50, fps=25.0)) == frames


def test_a_foreign_line_in_an_index_is_named(tmp_path):
    (tmp_path / INDEX_FILE).write_text('{"path": "a", "size": 1}\n{"path": "b"}\n')
    with pytest.raises(ValueError, match=rf"{INDEX_FILE}, line 2: .* no entry"):
        read_index(tmp_path)


def test_training_leaves_undecodable_videos_out_and_tests_count_them(tmp_path):
    root = write_own_videos(tmp_path)
    for split in ("train", "val"):
        (root / split / "run/broken.mp4").write_bytes(b"no video" * 50)
    data_fingerprint.cache_clear()
    unchecked = data_fingerprint(Folder(), root)
    assert len(clips_of(root).subset("train")[0]) == 5
    assert check(root, "--decode") == 1
    data = clips_of(root)
    assert [video.id for video in data.subset("train")[0]] == ["run/0.mp4", "run/1.mp4", "walk/0.mp4", "walk/1.mp4"]
    assert [video.id for video in data.undecodable["train"]] == ["run/broken.mp4"]
    assert "run/broken.mp4" in [video.id for video in data.subset("test")[0]] and not data.undecodable["test"]
    assert data_fingerprint(Folder(), root) != unchecked, "another training set is another result"
    (root / "train/run/broken.mp4").write_bytes((root / "train/run/0.mp4").read_bytes())
    assert not without_undecodable(Folder().videos(root, "train"), root)[1], "a repaired file joins again"


def test_a_set_of_which_nothing_can_be_decoded_is_refused(tmp_path):
    root = write_own_videos(tmp_path, train=1)
    for path in root.glob("train/*/*"):
        path.write_bytes(b"no video")
    check(root, "--decode")
    with pytest.raises(ValueError, match="none of the 2 train videos on disk can be decoded"):
        clips_of(root).subset("train")


def test_a_video_that_ends_the_decoder_is_an_entry_with_an_error_and_the_others_are_decoded(tmp_path):
    root = write_own_videos(tmp_path)
    paths = sorted(root.glob("*/*/*"))
    shutil.copyfile(paths[0], root / "train/run/crash.mp4")
    paths.insert(2, root / "train/run/crash.mp4")

    def crashed(path: Path) -> Decoded:
        return Decoded(path=index_key(path, root), size=0, error=CRASHED)

    found = {e.path: e for e in in_processes(partial(decoded_or_crash, root=root), paths, jobs=2, crashed=crashed)}
    assert {path for path, entry in found.items() if entry.error} == {"train/run/crash.mp4"}
    assert len(found) == 7 and sum(entry.frames for entry in found.values()) == 36


def test_missing_videos_are_listed_in_a_file_and_shared_ones_are_named(tmp_path, capsys):
    write_lists(tmp_path / "ucfTrainTestlist")
    folder = tmp_path / "UCF-101/Class001"
    folder.mkdir(parents=True)
    (folder / "v_Class001_g01_c01.avi").write_bytes(b"the same bytes")
    (folder / "v_Class001_g901_c01.avi").write_bytes(b"the same bytes")
    assert check(tmp_path, name="ucf101") == 1
    printed = capsys.readouterr().out
    assert "train: 9,537 videos listed (official 9,537), 1 on disk" in printed
    assert "9,536 missing: v_Class001_g01_c02, " in printed
    assert "val/test: 1 file of the same bytes as one of train, such as v_Class001_g901_c01" in printed
    assert "not all of the official names" in printed, "these class names are made up"
    rows = (tmp_path / "missing_train.txt").read_text().splitlines()
    assert len(rows) == 9_536 and rows[0].split("\t") == ["v_Class001_g01_c02", str(folder / "v_Class001_g01_c02.avi")]


def test_a_data_set_that_cannot_be_used_has_status_2(tmp_path, capsys):
    assert check(tmp_path, name="ucf101") == 2
    assert "classInd.txt is looked for" in capsys.readouterr().err
    write_lists(tmp_path / "ucfTrainTestlist")
    assert check(tmp_path, name="ucf101") == 2
    assert "no train video is on disk" in capsys.readouterr().out
    assert main(["nothing", "--data-root", str(tmp_path)]) == 2
    assert main(["ucf101", "--data-root", str(tmp_path / "none")]) == 2


def test_frames_that_a_folder_lacks_are_in_the_index(tmp_path):
    from PIL import Image

    root = write_own_videos(tmp_path)
    folder = root / "train/run/frames"
    folder.mkdir()
    for number in (3, 4, 6):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / f"{number:05d}.png")
    assert check(root, "--decode") == 1
    entry = read_index(root)["train/run/frames"]
    assert (entry.frames, entry.size, entry.truncated, entry.fps) == (4, 3, True, None)
    assert "1 of the images 3 to 6 absent (5)" in entry.remark and "first image has the number 3" in entry.remark
