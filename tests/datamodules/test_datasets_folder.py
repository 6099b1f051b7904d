"""The folder-per-class data set and the count report."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules.datasets.folder import Folder
from datamodules.datasets.source import count_report, missing_videos
from datamodules.video import Video

REAL_CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "real_clips"


def make(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    return root


def two_classes(root: Path) -> Path:
    return make(
        root,
        "train/walk/b.mp4",
        "train/walk/a.avi",
        "train/run it's/x.MKV",
        "val/walk/c.mp4",
        "val/run it's/y.mp4",
    )


def test_labels_follow_the_sorted_class_folders_and_videos_their_names(tmp_path):
    root = two_classes(tmp_path)
    assert Folder().class_names(root) == ("run it's", "walk")
    videos = Folder().videos(root, "train")
    assert [(video.id, video.label) for video in videos] == [
        ("run it's/x.MKV", 0),
        ("walk/a.avi", 1),
        ("walk/b.mp4", 1),
    ]
    assert videos[1].path == root / "train/walk/a.avi" and videos[1].label_name == "walk"


def test_testing_uses_the_validation_folder(tmp_path):
    root = two_classes(tmp_path)
    assert Folder().videos(root, "test") == Folder().videos(root, "val")
    assert {video.path.parts[-3] for video in Folder().videos(root, "test")} == {"val"}


def test_a_folder_of_frames_is_a_video_and_hidden_entries_are_none(tmp_path):
    root = make(two_classes(tmp_path), "train/walk/frames one/00001.jpg", "train/walk/.DS_Store", "train/.cache/x.mp4")
    assert [video.path.name for video in Folder().videos(root, "train")[1:]] == [
        "a.avi",
        "b.mp4",
        "frames one",
    ]


def test_a_file_that_is_no_video_is_named_in_a_warning(tmp_path):
    root = make(two_classes(tmp_path), "train/walk/notes.txt")
    with pytest.warns(UserWarning, match="notes.txt"):
        assert len(Folder().videos(root, "train")) == 3


def test_a_missing_split_is_named_with_what_is_there(tmp_path):
    with pytest.raises(ValueError, match="val/ is missing, it holds other, train"):
        Folder().videos(make(tmp_path, "train/walk/a.mp4", "other/b.mp4"), "train")


def test_an_empty_split_is_refused(tmp_path):
    (tmp_path / "val").mkdir()
    with pytest.raises(ValueError, match="val holds no class folder; it holds nothing"):
        Folder().class_names(make(tmp_path, "train/walk/a.mp4"))


def test_splits_that_differ_in_classes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"only in train \['walk'\], only in val \['run'\]"):
        Folder().class_names(make(tmp_path, "train/walk/a.mp4", "val/run/a.mp4"))


def test_an_empty_class_is_refused(tmp_path):
    root = two_classes(tmp_path)
    (root / "train/zoo").mkdir()
    make(root, "val/zoo/a.mp4")
    with pytest.raises(ValueError, match="zoo holds no video"):
        Folder().videos(root, "train")


def test_a_nested_folder_without_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no jpg or png; it holds a.mp4"):
        Folder().videos(make(two_classes(tmp_path), "train/walk/nested/a.mp4"), "train")


@pytest.mark.parametrize("root", [None, Path("/does/not/exist")])
def test_a_root_that_is_not_there_is_refused(root):
    with pytest.raises(ValueError, match="was given|does not exist"):
        Folder().class_names(root)


def test_an_unknown_subset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="subset='dev'; accepted: train, val, test"):
        Folder().videos(two_classes(tmp_path), "dev")


def test_sources_are_hashable_and_equal_by_value():
    assert hash(Folder()) == hash(Folder()) and Folder() != Folder(name="mine")


def test_missing_videos_are_split_off_in_order_and_never_dropped(tmp_path):
    make(tmp_path, "1", "3")
    videos = [Video(id=str(n), path=tmp_path / str(n), label=0, label_name="x") for n in range(5)]
    present, missing = missing_videos(videos)
    assert [v.id for v in present] == ["1", "3"] and [v.id for v in missing] == ["0", "2", "4"]


def test_the_count_report_says_listed_and_present(tmp_path):
    report = count_report(Folder(), two_classes(tmp_path), "train")
    assert (report.listed, report.present, report.official) == (3, 3, None)
    assert str(report) == "folder train: 3 listed, 3 on disk"


def test_the_real_clips_are_42_videos_of_6_classes():
    if not REAL_CLIPS.is_dir():
        pytest.skip("needs shared/data/real_clips beside the repository")
    assert len(Folder().class_names(REAL_CLIPS)) == 6
    assert sum(len(Folder().videos(REAL_CLIPS, subset)) for subset in ("train", "val")) == 42
