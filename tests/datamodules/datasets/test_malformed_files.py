"""Every malformed annotation file is refused by a sentence that names the file and the place in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datamodules.datasets import (
    activitynet,
    egogesture,
    hmdb51,
    jester,
    kinetics,
    mini_kinetics,
    something_something,
    ucf101,
    youtube8m_segments,
)
from datamodules.datasets.annotation_rows import read_id_label_rows, read_label_lines
from datamodules.datasets.csv_list import CsvList

CLASSES = tuple(f"Class{number:03d}" for number in range(1, 102))
CLASS_ROWS = [f"{number} {name}" for number, name in enumerate(CLASSES, start=1)]
EGO_ROWS = [f"{number} Gesture" for number in range(1, 84)]
HMDB_ROWS = [f"train{n}.avi 1 " for n in range(70)] + [f"test{n}.avi 2 " for n in range(30)]
HEADER = "label,youtube_id,time_start,time_end,split"
CLIP = "abseiling,-abcdefghij,10,20,train"
JESTER = list(jester.CLASSES)
SEGMENTS = "video,start,end,label"
Reader = Callable[[Path], Any]


def with_row(rows: list[str], line: int, row: str) -> str:
    """Return the text of rows of which one (from 1) is another."""
    return "\n".join([*rows[: line - 1], row, *rows[line:]]) + "\n"


def ucf_classes(path: Path) -> Any:
    return ucf101.read_classes(path)


def ucf_train(path: Path) -> Any:
    return ucf101.read_list(path, CLASSES, labelled=True)


def ucf_test(path: Path) -> Any:
    return ucf101.read_list(path, CLASSES, labelled=False)


def id_rows(path: Path) -> Any:
    return read_id_label_rows(path, ("Doing this, and that", "Doing other things"))


def kinetics_clips(path: Path) -> Any:
    return kinetics.read_clips(path, "train", ("abseiling",))


def mini_list(path: Path) -> Any:
    (path.parent / "kinetics.csv").write_text(f"{HEADER}\n{CLIP}\n")
    return mini_kinetics.join(path, path.parent / "kinetics.csv", "train")


def something_list(path: Path) -> Any:
    return something_something.read_entries(path, ("Moving something",))


def ego_group(path: Path) -> Any:
    return [*egogesture.read_group(path, 3, 1, 1)]


def ego_list(path: Path) -> Any:
    return egogesture.read_list(path, egogesture.SUBJECTS["train"])


def segments(path: Path) -> Any:
    return youtube8m_segments.read_segments(path, ("3", "7"))


def own_list(path: Path) -> Any:
    path.rename(path.with_name("train.csv"))
    (path.parent / "labels.txt").write_text("run\nwalk\n")
    return CsvList().videos(path.parent, "train")


def activity(entry: str, key: str = "abcdefghijk") -> str:
    return f'{{"database": {{"{key}": {entry}}}}}'


CASES: tuple[tuple[Reader, str | bytes, str], ...] = (
    # UCF-101
    (ucf_classes, with_row(CLASS_ROWS, 3, "4 Class003"), "line 3: .*expected '3 ClassName'"),
    (ucf_classes, with_row(CLASS_ROWS, 101, "101 "), "line 101: .*expected '101 ClassName'"),
    (ucf_classes, "\n".join(CLASS_ROWS[:100]), "lists 100 classes; UCF-101 has 101"),
    (ucf_classes, with_row(CLASS_ROWS, 2, "2 Caf").encode() + b"\xe9\xff", "line 102: not UTF-8"),
    (ucf_train, "Class001/v_a.avi 1\r\nClass002/v_b.avi 1\r\n", "line 2: .*the number 2"),
    (ucf_train, "Class001/v_a.avi 1\n\nClass001/v_a.avi 1\n", "line 3: .*the same video is on line 1"),
    (ucf_train, "Class001/v_a.avi\n", "line 1: .*expected 'Class/file.avi N'"),
    (ucf_train, "Class999/v_a.avi 1\n", "line 1: .*'Class999' is no class"),
    (ucf_test, "Class001/v_a.avi\nv_b.avi\n", "line 2: .*expected 'Class/file.avi'"),
    (ucf_test, "Class001/\n", "line 1: .*no file name"),
    # HMDB51
    (hmdb51.read_list, with_row(HMDB_ROWS, 5, "train4.avi 3"), "line 5: .*F 0, 1 or 2"),
    (hmdb51.read_list, with_row(HMDB_ROWS, 5, "train4.txt 1"), "line 5: .*expected 'name.avi F'"),
    (hmdb51.read_list, with_row(HMDB_ROWS, 5, "a/train4.avi 1"), "line 5: .*is a path"),
    (hmdb51.read_list, with_row(HMDB_ROWS, 5, "train0.avi 1"), "line 5: .*already on line 1"),
    (hmdb51.read_list, with_row(HMDB_ROWS, 5, "train4.avi 0"), "has 69 training and 30 test clips"),
    # Jester, Something-Something V1
    (id_rows, "1;Doing this, and that\n2,Doing other things\n", "line 2: .*expected 'id;label name'"),
    (id_rows, "1;Doing this\n", "line 1: 'Doing this' is none of the 2"),
    (id_rows, "x1;Doing other things\n", "line 1: .*the id a number"),
    (id_rows, "1;Doing other things\n1;Doing other things\n", "line 2: video 1 is already on line 1"),
    (jester.check_label_file, with_row(JESTER, 7, "Sliding"), "line 7: 'Sliding' is no class of Jester"),
    (jester.check_label_file, with_row(JESTER, 7, JESTER[0]), "line 7: .*already on line 1"),
    (jester.check_label_file, "\n".join(JESTER[:-1]), "names 26 of Jester's 27 classes; missing: Doing other things"),
    (read_label_lines, "a\nb\na\n", "line 3: 'a' is already on line 1"),
    # Something-Something V2
    (something_something.read_label_numbers, '{"a": "0", "b": "x"}', "'b': 'x'; expected a number"),
    (something_something.read_label_numbers, '{"a": "1", "b": "2"}', "expected 0 to 1, each once"),
    (something_something.read_label_numbers, '{"a": "0", "b": 0}', "'b': the number 0 is already that of 'a'"),
    (something_something.read_label_numbers, '{"a": "0",\n"b"', "line 2: no json"),
    (something_something.read_label_numbers, "[]", "expected a mapping"),
    (something_list, '[{"id": "1", "template": "Moving [something]"}, {"id": "2"}]', "entry 2 .*template=None"),
    (something_list, '[{"id": "one", "template": "Moving [something]"}]', "entry 1: .*'id' is a number"),
    (something_list, '[{"id": "1", "template": "Eating [something]"}]', "entry 1 .*none of the 1 classes"),
    (
        something_list,
        '[{"id": "1", "template": "Moving [something]"}]'.replace("}]", "}," * 1 + "]"),
        "line 1: no json",
    ),
    (something_list, "{}", "expected a list of videos"),
    # Kinetics, Mini-Kinetics
    (kinetics_clips, "label,youtube_id,time_start,time_end\n", "line 1: the header is .*expected"),
    (kinetics_clips, f"{HEADER}\n{CLIP}\nabseiling,short,10,20,train\n", "line 3: youtube_id='short'"),
    (kinetics_clips, f"{HEADER}\n{CLIP.replace('train', 'val')}\n", "line 2: split='val'"),
    (kinetics_clips, f"{HEADER}\n{CLIP.replace('abseiling', 'flying')}\n", "line 2: label='flying' is none"),
    (kinetics_clips, f"{HEADER}\n{CLIP.replace('10,20', '20,10')}\n", "line 2: start='20', end='10'"),
    (kinetics_clips, f"{HEADER}\n{CLIP.replace('10,20', 'ten,20')}\n", "line 2: start='ten'"),
    (kinetics_clips, f"{HEADER}\n{CLIP},1\n", "line 2: .*has 6 values; the header has 5"),
    (kinetics_clips, f"{HEADER}\n{CLIP}\n{CLIP}\n", "line 3: "),
    (kinetics_clips, f'{HEADER}\n"abseiling,-abcdefghij,10,20,train\n', "line [23]: "),
    (mini_list, "-abcdefghij\nshort\n", "line 2: 'short'; expected a YouTube id"),
    (mini_list, "-abcdefghij\n-abcdefghij\n", "line 2: -abcdefghij is already on line 1"),
    (mini_list, "-abcdefghij\nzabcdefghij\n", "line 2: zabcdefghij is not in "),
    # EgoGesture
    (egogesture.read_classes, with_row(EGO_ROWS, 9, "10 Gesture"), "line 9: .*expected '9 Name'"),
    (egogesture.read_classes, "\n".join(EGO_ROWS[:80]), "lists 80 classes; EgoGesture has 83"),
    (ego_group, "1,1,20\n2,30\n", "line 2: .*expected 'class,start,end'"),
    (ego_group, "84,1,20\n", "line 1: .*class 84 is outside 1 to 83"),
    (ego_group, "1,20,1\n", "line 1: .*expected 1 <= start <= end"),
    (ego_group, "1,1.5,20\n", "line 1: .*whole numbers"),
    (ego_group, "1,one,20\n", "line 1: .*whole numbers"),
    (ego_group, "1,1,20\n2,1,30\n", "line 2: line 1 has a gesture from the same frame on"),
    (ego_list, "Subject03/Scene1/Color/rgb1 1 1 20\nSubject02/Scene1/Color/rgb1 1 1 20\n", "line 2: .*another split"),
    (ego_list, "Subject03/Scene1/Depth/rgb1 1 1 20\n", "line 1: .*expected 'SubjectXX"),
    # ActivityNet
    (activitynet.read_entries, '{"database": {"a": \n', "line [12]: no json"),
    (activitynet.read_entries, "[]", "holds no mapping"),
    (activitynet.read_entries, activity('{"subset": "training"}'), "'abcdefghijk': expected a mapping"),
    (activitynet.read_entries, activity('{"subset": "train", "annotations": []}'), "'abcdefghijk': subset='train'"),
    (activitynet.read_entries, activity('{"subset": "training", "annotations": []}'), "training video without"),
    (
        activitynet.read_entries,
        activity('{"subset": "training", "annotations": [{"label": "a", "segment": [5, 1]}]}'),
        r"'abcdefghijk', annotation 0: segment=\[5, 1\]",
    ),
    (
        activitynet.read_entries,
        activity('{"subset": "training", "annotations": [{"label": "", "segment": [1, 5]}]}'),
        "'abcdefghijk', annotation 0: label=''",
    ),
    (activitynet.read_entries, b'{"database": {"caf\xe9": 1}}', "line 1: not UTF-8"),
    # YouTube-8M Segments
    (youtube8m_segments.read_label_numbers, "Index\n3\nseven\n", "line 3: 'seven'; expected a number"),
    (youtube8m_segments.read_label_numbers, "Index\n3\n3\n", "line 3: 3 is already on line 2"),
    (segments, f"{SEGMENTS}\na,0,5,3\nb,0,10,3\n", "line 3: start=0, end=10; a segment has 5 seconds"),
    (segments, f"{SEGMENTS}\na,0,5,4\n", "line 2: label='4' is none of the 2"),
    (segments, f"{SEGMENTS}\n,0,5,3\n", "line 2: video=''"),
    (segments, f"{SEGMENTS}\na,0,5,3\na,0,5,3\n", "line 3: the same segment and label are on line 2"),
    # one's own lists
    (own_list, "video,label\na.mp4,run\nb.mp4,fly\n", "line 3: label='fly'; accepted: run, walk"),
    (own_list, "video,label\n,run\n", "line 2: no video"),
    (own_list, "video,label,start,end\na.mp4,run,1,\n", "line 2: start='1', end=''; give both or neither"),
    (own_list, "video,label\na.mp4,run\na.mp4,walk\n", "line 3: a.mp4 is already on line 2"),
    (own_list, "video,label\n", "lists no video"),
    (own_list, b"video,label\nb\xffd.mp4,run\n", "line 2: not UTF-8"),
)


@pytest.mark.parametrize(("reader", "content", "message"), CASES, ids=range(len(CASES)))
def test_the_error_names_file_and_place(tmp_path: Path, reader: Reader, content: str | bytes, message: str):
    path = tmp_path / "annotations of the day.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=message) as raised:
        reader(path)
    named = "train.csv" if reader is own_list else path.name
    assert re.search(re.escape(str(path.with_name(named))), str(raised.value)), "the file is named"


def test_every_reader_of_real_data_is_covered_by_forty_cases_or_more():
    assert len(CASES) >= 40
    files = {case[0].__module__ for case in CASES if case[0].__module__.startswith("datamodules")}
    assert len(files) >= 6
