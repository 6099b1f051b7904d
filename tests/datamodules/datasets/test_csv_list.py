"""Lists of one's own videos."""

from __future__ import annotations

import pytest

from datamodules.datasets.csv_list import CsvList
from datamodules.datasets.source import count_report


def write(folder, **lists: str):
    for name, text in lists.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def test_rows_become_videos_in_their_order(tmp_path, check_source):
    write(tmp_path, train="video,label\na.mp4,walk\nsub/b,run\na2.mp4,run\n", val="label,video,note\nwalk,c.mp4,x\n")
    (tmp_path / "sub" / "b").mkdir(parents=True)
    videos = check_source(CsvList(), tmp_path)
    assert CsvList().class_names(tmp_path) == ("run", "walk")
    assert [(v.id, v.path, v.label) for v in videos] == [
        ("a.mp4", tmp_path / "a.mp4", 1),
        ("sub/b", tmp_path / "sub" / "b", 0),
        ("a2.mp4", tmp_path / "a2.mp4", 0),
    ]
    assert str(count_report(CsvList(name="mine"), tmp_path, "train")).startswith("mine train: 3 listed, 1 on disk")


@pytest.mark.parametrize("first", [0, 1, 7])
def test_numbers_as_labels_may_start_anywhere(tmp_path, first):
    rows = "".join(f"{n}.mp4,{first + n}\n" for n in range(12))
    write(tmp_path, train=f"video,label\n{rows}", val=f"video,label\n0.mp4,{first + 11}\n")
    assert CsvList().class_names(tmp_path) == tuple(str(first + n) for n in range(12))
    assert [video.label for video in CsvList().videos(tmp_path, "train")] == list(range(12))
    assert CsvList().videos(tmp_path, "val")[0].label == 11


def test_a_label_file_gives_the_order(tmp_path):
    write(tmp_path, train="video,label\na.mp4,walk\n", val="video,label\na.mp4,run\n")
    with pytest.raises(ValueError, match=r"val\.csv, line 2: label='run'; accepted: walk$"):
        CsvList().videos(tmp_path, "val")
    (tmp_path / "labels.txt").write_text("walk\r\nrun\r\nsit\r\n")
    assert CsvList().class_names(tmp_path) == ("walk", "run", "sit")
    assert CsvList().videos(tmp_path, "val")[0].label == 1
    (tmp_path / "labels.txt").write_text("walk\nrun\nwalk\n")
    with pytest.raises(ValueError, match=r"labels\.txt, line 3: 'walk' is already on line 1"):
        CsvList().class_names(tmp_path)


def test_parts_of_videos_have_times_and_testing_prefers_a_list_of_its_own(tmp_path):
    write(
        tmp_path,
        train="video,label,start,end\na.mp4,x,0,2.5\na.mp4,x,2.5,4\nb.mp4,x,,\n",
        val="video,label\nv.mp4,x\n",
    )
    rows = [(v.id, v.start_sec, v.end_sec) for v in CsvList().videos(tmp_path, "train")]
    assert rows == [("a.mp4@0-2.5", 0.0, 2.5), ("a.mp4@2.5-4", 2.5, 4.0), ("b.mp4", None, None)]
    assert CsvList().videos(tmp_path, "test")[0].id == "v.mp4"
    write(tmp_path, test="video,label\nt.mp4,x\n")
    assert CsvList().videos(tmp_path, "test")[0].id == "t.mp4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4,x\n", ", line 1: the header is 'a.mp4,x'"),
        ("video,label\na.mp4\n", ", line 2: .* has 1 values"),
        ("video,label\n,x\n", ", line 2: no video"),
        ("video,label\na.mp4,x\nb.mp4,\n", ", line 3: label=''; accepted: x"),
        ("video,label\na.mp4,x\nb.mp4,x\na.mp4,x\n", ", line 4: a.mp4 is already on line 2"),
        ("video,label,start,end\na.mp4,x,1,\n", ", line 2: start='1', end=''; give both or neither"),
        ("video,label,start\na.mp4,x,1\n", ", line 2: start='1', end=''; give both or neither"),
        ("video,label,start,end\na.mp4,x,2,1\n", ", line 2: start='2', end='1'; expected seconds"),
        ("video,label\n", " lists no video"),
    ],
)
def test_a_malformed_list_is_an_error_that_names_file_and_line(tmp_path, text, message):
    write(tmp_path, train=text)
    with pytest.raises(ValueError, match=rf"train\.csv{message}"):
        CsvList().videos(tmp_path, "train")


def test_a_missing_list_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ValueError, match=r"mine: the annotation file is none of .*train\.csv"):
        CsvList(name="mine").class_names(tmp_path)


def test_flipping_is_declared_by_the_user():
    assert CsvList().mirror_labels == () and CsvList(mirror_labels=None).mirror_labels is None
    assert CsvList().official_counts == {}
