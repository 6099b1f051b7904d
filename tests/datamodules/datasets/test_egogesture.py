"""EgoGesture from its original csv files and from the public lists."""

from __future__ import annotations

import random

import pytest

from datamodules.datasets.egogesture import SUBJECTS, EgoGesture, read_classes, read_group, read_list
from datamodules.datasets.source import count_report
from datamodules.synthetic.stand_ins import STAND_INS


def write_groups(folder, *, files="Group{}.csv", subject="subject{:02d}"):
    """Write original annotations: per subject one scene of two groups of two gestures, Windows line ends."""
    for number in (subject for part in SUBJECTS.values() for subject in part):
        scene = folder / "labels-final-revised1" / subject.format(number) / "Scene1"
        scene.mkdir(parents=True)
        (scene / files.format(1)).write_bytes(f"{number},{number},60\r\n83,70,99\r\n".encode())
        (scene / files.format(10)).write_bytes(b"5,98.0,143.0\r\n7,,\r\nNaN,NaN,NaN\r\n\r\n,,\r\n6,150,157,,\r\n")
    return folder


def test_the_subjects_are_the_official_30_10_10():
    everyone = [subject for part in SUBJECTS.values() for subject in part]
    assert [len(part) for part in SUBJECTS.values()] == [30, 10, 10]
    assert sorted(everyone) == list(range(1, 51))


@pytest.mark.parametrize(("subset", "count"), [("train", 14_416), ("val", 4_768), ("test", 4_977)])
def test_the_real_lists_give_the_official_counts_of_83_classes(real, tmp_path, check_source, subset, count):
    source = EgoGesture(annotations=real("egogesture"))
    videos = check_source(source, tmp_path, subset)
    assert len(videos) == count == source.official_counts[subset]
    assert {video.label for video in videos} == set(range(83))
    assert source.class_names(None)[0] == "Scroll_hand_towards_right"
    subjects = {int(video.id[7:9]) for video in videos}
    assert subjects == set(SUBJECTS[subset])
    assert source.name in STAND_INS


def test_the_real_lists_have_38_gestures_shorter_than_8_frames_and_numbers_written_as_floats(real, tmp_path):
    source = EgoGesture(annotations=real("egogesture"))
    videos = [video for subset in ("train", "val", "test") for video in source.videos(tmp_path, subset)]
    assert len(videos) == 24_161
    assert sum(video.end_frame - video.start_frame < 8 for video in videos) == 38
    [video] = [video for video in videos if video.id == "Subject03/Scene2/rgb6/98"]
    assert (video.start_frame, video.end_frame, video.label) == (97, 143, 55)


def test_both_real_class_files_give_83_names_which_differ_in_one_letter(real):
    files = [read_classes(real("egogesture") / name) for name in ("classIndAll.txt", "classIndAllbutNone.txt")]
    assert [len(names) for names in files] == [83, 83]
    assert [pair for pair in zip(*files, strict=True) if pair[0] != pair[1]] == [
        ("Move_fist_upward", "Move_fist_upwards")
    ]


@pytest.mark.parametrize("files", ["Group{}.csv", "group{}.csv"])
@pytest.mark.parametrize("subject", ["subject{:02d}", "Subject{:02d}"])
@pytest.mark.parametrize("place", ["", "annotations"])
def test_the_original_files_are_read_whatever_the_case_of_their_names(tmp_path, check_source, files, subject, place):
    write_groups(tmp_path / place, files=files, subject=subject)
    counts = {subset: len(check_source(EgoGesture(), tmp_path, subset)) for subset in ("train", "val", "test")}
    assert counts == {"train": 120, "val": 40, "test": 40}
    assert EgoGesture().class_names(tmp_path)[82] == "gesture 83"


def test_frames_are_inclusive_from_1_in_the_files_and_a_half_open_range_from_0_here(tmp_path):
    first, second, third, fourth, *_ = EgoGesture().videos(write_groups(tmp_path), "test")
    assert [(v.label, v.start_frame, v.end_frame) for v in (first, second, third, fourth)] == [
        (1, 1, 60),
        (82, 69, 99),
        (4, 97, 143),
        (5, 149, 157),
    ]
    assert [v.id for v in (first, third)] == ["Subject02/Scene1/rgb1/2", "Subject02/Scene1/rgb10/98"]
    assert first.path == second.path != third.path and first.start_sec is None


def test_lists_and_original_files_give_the_same_videos(tmp_path):
    write_groups(tmp_path / "original")
    rows = []
    for subject in SUBJECTS["val"]:
        folder = f"Subject{subject:02d}/Scene1/Color"
        rows += [f"{folder}/rgb1 {subject} {subject} 60", f"{folder}/rgb1 83 70 99"]
        rows += [f"{folder}/rgb10 5 98.0 143.0", f"{folder}/rgb10 6 150 157"]
    (tmp_path / "list.txt").write_text("\n".join(rows))
    gestures = EgoGesture(annotations=tmp_path / "original").gestures(None, "val")
    assert read_list(tmp_path / "list.txt", SUBJECTS["val"]) == gestures


def test_training_with_validation_is_both_in_turn(tmp_path):
    write_groups(tmp_path)
    both = EgoGesture(train_with_val=True)
    parts = EgoGesture().videos(tmp_path, "train") + EgoGesture().videos(tmp_path, "val")
    assert both.videos(tmp_path, "train") == parts
    assert both.videos(tmp_path, "val") == EgoGesture().videos(tmp_path, "val")
    assert both.official_counts == {"train": 19_184, "val": 4_768, "test": 4_977}


@pytest.mark.parametrize("place", ["", "images", "images_320-240_3", "frames"])
def test_recordings_are_found_in_each_layout(tmp_path, place):
    write_groups(tmp_path)
    (tmp_path / "images_320-240_1" / "Subject11").mkdir(parents=True)  # the archives hold some subjects each
    (tmp_path / place / "Subject02" / "Scene1" / "Color" / "rgb1").mkdir(parents=True)
    report = count_report(EgoGesture(), tmp_path, "test")
    assert (report.listed, report.present) == (40, 2)
    assert EgoGesture().videos(tmp_path, "test")[0].path == tmp_path / place / "Subject02/Scene1/Color/rgb1"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("5,98", "line 2: '5,98'; expected 'class,start,end'"),
        ("5,98,143,7", "line 2: .*expected 'class,start,end'"),
        ("5;98;143", "line 2: .*expected 'class,start,end'"),
        ("0,98,143", "line 2: .*class 0 is outside 1 to 83"),
        ("84,98,143", "line 2: .*class 84 is outside 1 to 83"),
        ("5,143,98", "line 2: .*frames 143 to 98: expected 1 <= start <= end"),
        ("5,0,98", "line 2: .*frames 0 to 98"),
        ("5,98.5,143", "line 2: .*must be whole numbers"),
        ("5,98,", "line 2: .*must be whole numbers"),
        ("5,98,nan", "line 2: .*must be whole numbers"),
        ("five,98,143", "line 2: .*must be whole numbers"),
        ("5,10,143", "line 2: line 1 has a gesture from the same frame on"),
    ],
)
def test_a_malformed_row_is_an_error_that_names_file_and_line(tmp_path, row, message):
    path = tmp_path / "Group1.csv"
    path.write_text(f"5,10,20\n{row}\n")
    with pytest.raises(ValueError, match=rf"Group1\.csv, {message}"):
        list(read_group(path, 2, 1, 1))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Subject02/Scene1/Color/rgb1 1 324", "line 2: .*expected 'SubjectXX/SceneY/Color/rgbZ class start end'"),
        ("Subject02/Scene1/Depth/depth1 1 324 359", "line 2: .*expected 'SubjectXX"),
        ("Subject03/Scene1/Color/rgb1 1 324 359", "line 2: .*subject 3 belongs to another split"),
        ("Subject02/Scene1/Color/rgb1 84 324 359", "line 2: .*class 84 is outside"),
        ("Subject02/Scene1/Color/rgb1 1 359 324", "line 2: .*frames 359 to 324"),
        ("Subject02/Scene1/Color/rgb1 7 10 30", "line 2: .*line 1 has a gesture from the same frame on"),
    ],
)
def test_a_malformed_row_of_a_public_list_is_an_error_that_names_file_and_line(tmp_path, row, message):
    path = tmp_path / "testlistall_but_None.txt"
    path.write_text(f"Subject02/Scene1/Color/rgb1 5 10 20\n{row}\n")
    with pytest.raises(ValueError, match=rf"testlistall_but_None\.txt, {message}"):
        read_list(path, SUBJECTS["test"])


def test_what_is_missing_or_doubled_is_said(tmp_path):
    with pytest.raises(ValueError, match="neither a list .* nor the folder labels-final-revised1 is in"):
        EgoGesture().videos(tmp_path, "train")
    labels = write_groups(tmp_path) / "labels-final-revised1"
    (labels / "subject02" / "Scene1" / "group1.csv").write_text("1,1,9\n")
    with pytest.raises(ValueError, match=r"Scene1 holds both Group1\.csv and group1\.csv"):
        EgoGesture().videos(tmp_path, "test")
    (labels / "subject47").rename(labels / "47")
    with pytest.raises(ValueError, match=r"no folder of the test subjects \[47\]"):
        EgoGesture().videos(tmp_path, "test")
    (tmp_path / "vallistall_but_None.txt").write_text("Subject01/Scene1/Color/rgb1 2 178 218\n")
    with pytest.raises(ValueError, match="lists 1 videos; the official number is 4768"):
        EgoGesture().videos(tmp_path, "val")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:82], "lists 82 classes; EgoGesture has 83"),
        (lambda rows: [*rows, "84 Some"], "lists 84 classes"),
        (lambda rows: [rows[0], *rows[2:]], "line 2: '3 name3'; expected '2 Name'"),
        (lambda rows: [rows[0], "2", *rows[2:]], "line 2: '2'; expected"),
        (lambda rows: random.Random(0).sample(rows, 83), "line 1: .*expected '1 Name'"),
    ],
)
def test_a_malformed_class_file_is_an_error(tmp_path, change, message):
    rows = [f"{number} name{number}" for number in range(1, 84)]
    path = tmp_path / "classIndAllbutNone.txt"
    path.write_text("\n".join([*rows, "84 None"]))
    assert len(EgoGesture().class_names(tmp_path)) == 83
    path.write_text("\n".join(change(rows)))
    with pytest.raises(ValueError, match=message):
        EgoGesture().class_names(tmp_path)
