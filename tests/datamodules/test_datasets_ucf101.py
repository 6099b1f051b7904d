"""UCF-101 from its original lists: real ones where present, and generated look-alikes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from datamodules.datasets.source import count_report
from datamodules.datasets.ucf101 import UCF101

REAL_LISTS = Path(__file__).parents[2].parent / "shared" / "data" / "annotations" / "ucf101"
CLASSES = [f"Class{number:03d}" for number in range(1, 101)]
CLASSES.insert(36, "HandstandPushups")  # number 37, as in the original


def deal(total: int) -> list[tuple[str, str]]:
    """Spread ``total`` videos over the classes: (class, file) in class order."""
    rows = []
    for index, name in enumerate(CLASSES):
        in_file = name.replace("Handstand", "HandStand")
        share = total // 101 + (index < total % 101)
        rows += [(name, f"v_{in_file}_g{n // 7 + 1:02d}_c{n % 7 + 1:02d}.avi") for n in range(share)]
    return rows


def write_lists(folder: Path, *, train: int = 9537, test: int = 3783, split: int = 1) -> Path:
    """Write lists in the original form: Windows line ends, train labels from 1, no test labels."""
    folder.mkdir(parents=True, exist_ok=True)
    class_lines = [f"{number} {name}" for number, name in enumerate(CLASSES, start=1)]
    train_lines = [f"{name}/{file} {CLASSES.index(name) + 1}" for name, file in deal(train)]
    test_lines = [f"{name}/{file.replace('_g', '_g9')}" for name, file in deal(test)]
    files = {"classInd": class_lines, f"trainlist0{split}": train_lines, f"testlist0{split}": test_lines}
    for file, lines in files.items():
        (folder / f"{file}.txt").write_bytes(("\r\n".join(lines) + "\r\n").encode())
    return folder


def replace_line(path: Path, line: int, text: str) -> None:
    lines = path.read_bytes().split(b"\r\n")
    lines[line - 1] = text.encode()
    path.write_bytes(b"\r\n".join(lines))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_lists(tmp_path / "ucfTrainTestlist")
    return tmp_path


@pytest.mark.parametrize(("split", "train", "test"), [(1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)])
def test_the_real_lists_give_the_official_counts_and_101_labels(tmp_path, split, train, test):
    if not REAL_LISTS.is_dir():
        pytest.skip("needs shared/data/annotations/ucf101 beside the repository")
    source = UCF101(split=split, annotations=REAL_LISTS)
    videos = {subset: source.videos(tmp_path, subset) for subset in ("train", "val", "test")}
    assert [len(videos[subset]) for subset in ("train", "val", "test")] == [train, test, test]
    for subset in videos.values():
        assert {video.label for video in subset} == set(range(101))
        assert all(video.label_name.lower() == video.id.split("_")[1].lower() for video in subset)

    def groups(subset):
        return {re.match(r"v_(.+)_c\d+$", video.id).group(1) for video in subset}

    assert not groups(videos["train"]) & groups(videos["test"])
    assert len({video.id for video in videos["train"] + videos["test"]}) == 13320


def test_generated_lists_give_the_official_counts_and_101_labels(root):
    for subset, count in (("train", 9537), ("val", 3783), ("test", 3783)):
        videos = UCF101().videos(root, subset)
        assert len(videos) == count == UCF101().official_counts[subset]
        assert {video.label for video in videos} == set(range(101))
        assert all(CLASSES[video.label] == video.label_name for video in videos)


def test_windows_line_ends_leave_no_trace(root):
    assert UCF101().class_names(root) == tuple(CLASSES)
    assert not any("\r" in video.id + str(video.path) for video in UCF101().videos(root, "test"))


def test_official_order_is_kept(root):
    lines = (root / "ucfTrainTestlist/testlist01.txt").read_text().split()
    assert [f"{video.label_name}/{video.id}.avi" for video in UCF101().videos(root, "test")] == lines


@pytest.mark.parametrize("layout", ["UCF-101", "videos", "."])
def test_videos_are_found_in_each_layout(root, layout):
    path = root / layout / "Class001" / "v_Class001_g01_c01.avi"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    report = count_report(UCF101(), root, "train")
    assert (report.listed, report.present, report.official) == (9537, 1, 9537)
    assert UCF101().videos(root, "train")[0].path == path
    assert "9,537 listed (official 9,537), 1 on disk, 9,536 missing (v_Class001_g01_c02, " in str(report)


@pytest.mark.parametrize("folder", ["HandstandPushups", "HandStandPushups"])
@pytest.mark.parametrize("in_file", ["HandstandPushups", "HandStandPushups"])
def test_handstand_pushups_is_found_in_any_spelling(root, folder, in_file):
    path = root / "UCF-101" / folder / f"v_{in_file}_g01_c01.avi"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    [video] = [v for v in UCF101().videos(root, "train") if v.id == "v_HandStandPushups_g01_c01"]
    assert video.path == path and video.label == 36 and video.label_name == "HandstandPushups"


def test_other_suffixes_and_frame_folders_are_found_and_avi_wins(root):
    folder = root / "UCF-101" / "Class001"
    (folder / "v_Class001_g01_c01").mkdir(parents=True)
    for name in ("v_Class001_g01_c01.avi", "v_Class001_g01_c02.mp4", "v_Class001_g01_c02.jpg"):
        (folder / name).write_bytes(b"")
    (folder / "v_Class001_g01_c03").mkdir()
    names = [video.path.name for video in UCF101().videos(root, "train")[:3]]
    assert names == ["v_Class001_g01_c01.avi", "v_Class001_g01_c02.mp4", "v_Class001_g01_c03"]


def test_lists_are_found_in_any_one_folder_below_root(tmp_path):
    folder = write_lists(tmp_path / "annotations" / "official")
    assert UCF101().list_folder(tmp_path) == folder
    write_lists(tmp_path / "again")
    with pytest.raises(ValueError, match="several folders hold one"):
        UCF101().list_folder(tmp_path)
    write_lists(tmp_path / "ucfTrainTestlist")
    assert UCF101().list_folder(tmp_path) == tmp_path / "ucfTrainTestlist"
    assert UCF101(annotations=folder).list_folder(tmp_path) == folder


def test_missing_lists_are_an_error_that_says_where_was_looked(tmp_path):
    with pytest.raises(ValueError, match="classInd.txt is looked for in .*ucfTrainTestlist.*no folder there holds one"):
        UCF101().class_names(tmp_path)
    with pytest.raises(ValueError, match="holds no classInd.txt"):
        UCF101(annotations=tmp_path).class_names(None)


def test_a_list_of_another_length_is_an_error_that_names_the_file(tmp_path):
    write_lists(tmp_path, train=9536)
    with pytest.raises(ValueError, match="trainlist01.txt lists 9536 videos; the official number is 9537"):
        UCF101().videos(tmp_path, "train")
    assert len(UCF101().videos(tmp_path, "test")) == 3783


@pytest.mark.parametrize(
    ("file", "line", "text", "message"),
    [
        ("trainlist01.txt", 3, "Class001/v_x.avi", "line 3: .*expected 'Class/file.avi N'"),
        ("trainlist01.txt", 3, "Class001/v_x.avi 2", "line 3: .*gives Class001 the number 1"),
        ("trainlist01.txt", 3, "Class001/v_x.avi one", "line 3: .*gives Class001 the number 1"),
        ("trainlist01.txt", 3, "Class001/v_Class001_g01_c01.avi 1", "line 3: .*the same video is on line 1"),
        ("trainlist01.txt", 3, "Nothing/v_x.avi 1", "line 3: .*'Nothing' is no class"),
        ("testlist01.txt", 7, "v_x.avi", "line 7: .*expected 'Class/file.avi'"),
        ("testlist01.txt", 7, "Class001/v_x.avi 1", "line 7: .*expected 'Class/file.avi'"),
        ("testlist01.txt", 7, "Class001/", "line 7: .*no file name"),
        ("classInd.txt", 5, "6 Class005", "line 5: .*expected '5 ClassName'"),
        ("classInd.txt", 5, "5", "line 5: .*expected '5 ClassName'"),
    ],
)
def test_a_malformed_row_is_an_error_that_names_file_and_line(root, file, line, text, message):
    replace_line(root / "ucfTrainTestlist" / file, line, text)
    with pytest.raises(ValueError, match=f"{file}, {message}"):
        UCF101().videos(root, "train" if file.startswith("train") else "test")


def test_a_wrong_number_of_classes_is_refused(root):
    replace_line(root / "ucfTrainTestlist" / "classInd.txt", 101, "")
    with pytest.raises(ValueError, match="lists 100 classes; UCF-101 has 101"):
        UCF101().class_names(root)


@pytest.mark.parametrize("split", [0, 4, "1"])
def test_an_unknown_split_is_refused(split):
    with pytest.raises(ValueError, match="accepted: 1, 2, 3"):
        UCF101(split=split)


def test_flipping_keeps_every_label():
    assert UCF101().mirror_labels == tuple(range(101))


def test_reading_lists_does_not_import_torch():
    code = (
        "import sys, datamodules.datasets.ucf101, datamodules.datasets.activitynet;"
        "import datamodules.datasets.folder;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
