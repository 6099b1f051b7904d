"""Jester from its original lists: real ids where present, and generated look-alikes."""

from __future__ import annotations

import pytest

from datamodules.datasets.annotation_rows import numbered_lines, read_id_label_rows
from datamodules.datasets.jester import CLASSES, Jester, check_label_file
from datamodules.datasets.source import count_report
from datamodules.synthetic.stand_ins import STAND_INS


def write_list(path, rows):
    path.write_text("".join(f"{key};{CLASSES[label]}\n" for key, label in rows))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jester")
    write_list(folder / "jester-v1-train.csv", ((number, number % 27) for number in range(1, 118_563)))
    write_list(folder / "jester-v1-validation.csv", ((number, number % 27) for number in range(118_563, 133_350)))
    return folder


def test_the_lists_give_the_official_counts_and_27_classes(root, check_source):
    train, val = check_source(Jester(), root), Jester().videos(root, "val")
    assert (len(train), len(val)) == (118_562, 14_787)
    assert {video.label for video in val} == set(range(27))
    assert Jester().videos(root, "test") == val
    assert train[0].id == "1" and train[0].label_name == "Swiping Right"
    assert Jester.name in STAND_INS


def test_the_real_validation_ids_keep_their_labels_whatever_the_numbering(real, tmp_path):
    folder = real("jester")
    named = dict(text.split(" ", 1) for _, text in numbered_lines(folder / "gesrec_classInd.txt"))
    name_of = {name.lower().replace(" ", "_"): name for name in CLASSES}
    wanted = [text.split() for _, text in numbered_lines(folder / "gesrec_vallist01.txt")]
    rows = [(key, name_of[named[number].lower()]) for key, number in wanted]
    (tmp_path / "jester-v1-validation.csv").write_text("".join(f"{key};{name}\r\n" for key, name in rows))
    videos = Jester().videos(tmp_path, "val")
    assert [(video.id, video.label_name) for video in videos] == rows
    assert len(videos) == Jester.official_counts["val"]


@pytest.mark.parametrize("copy", ["jester-v1-labels.csv", "mmaction2_label_map.txt"])
def test_real_label_files_of_another_order_are_accepted_and_change_nothing(real, tmp_path, copy):
    (tmp_path / "jester-v1-labels.csv").write_bytes((real("jester") / copy).read_bytes())
    assert Jester().class_names(tmp_path) == CLASSES


def test_the_order_is_that_of_the_released_label_file(real):
    assert tuple(text for _, text in numbered_lines(real("jester") / "jester-v1-labels.csv")) == CLASSES


def test_mirroring_exchanges_exactly_the_classes_that_say_left_or_right_or_a_sense_of_rotation():
    pairs = {CLASSES[a]: CLASSES[b] for a, b in enumerate(Jester.mirror_labels) if a < b}
    assert pairs == {
        "Swiping Left": "Swiping Right",
        "Sliding Two Fingers Left": "Sliding Two Fingers Right",
        "Turning Hand Clockwise": "Turning Hand Counterclockwise",
    }
    assert Jester.reverse_labels is None


@pytest.mark.parametrize("place", ["20bn-jester-v1", "frames", "."])
def test_frame_folders_are_found(root, place, tmp_path):
    (tmp_path / place / "118564").mkdir(parents=True)
    report = count_report(Jester(annotations=root), tmp_path, "val")
    assert (report.listed, report.present, report.official) == (14_787, 1, 14_787)
    videos = Jester(annotations=root).videos(tmp_path, "val")
    assert videos[1].path == tmp_path / place / "118564"
    assert videos[0].path == tmp_path / "20bn-jester-v1" / "118563"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1;Swiping Left\n2,Swiping Left\n", "line 2: '2,Swiping Left'; expected 'id;label name'"),
        ("1;Swiping Left\n\nx7;Swiping Left\n", "line 3: .*expected 'id;label name', the id a number"),
        ("1;Swiping Left\n;Swiping Left\n", "line 2: .*the id a number"),
        ("1;Swiping_Left\n", "line 1: 'Swiping_Left' is none of the 27 label names"),
        ("1;\n", "line 1: '' is none of the 27 label names"),
        ("1;Swiping Left;Thumb Up\n", "line 1: 'Swiping Left;Thumb Up' is none"),
        ("1;Swiping Left\n2;Thumb Up\n1;Thumb Up\n", "line 3: video 1 is already on line 1"),
        ("1\n", "line 1: '1'; expected"),
    ],
)
def test_a_malformed_row_is_an_error_that_names_file_and_line(tmp_path, text, message):
    (tmp_path / "jester-v1-train.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"jester-v1-train\.csv, {message}"):
        Jester().videos(tmp_path, "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda names: names[:-1], r"names 26 of Jester's 27 classes; missing: Doing other things"),
        (lambda names: [*names[:4], "Pull Hand In", *names[5:]], r", line 5: 'Pull Hand In' is no class of Jester"),
        (lambda names: [*names[:4], names[0], *names[5:]], r", line 5: 'Swiping Left' is already on line 1"),
        (lambda names: [f"{n} {name}" for n, name in enumerate(names)], r", line 1: '0 Swiping Left' is no class"),
        (lambda names: [], r"names 0 of Jester's 27 classes"),
    ],
)
def test_a_wrong_label_file_is_an_error_that_names_file_and_line(tmp_path, change, message):
    path = tmp_path / "jester-v1-labels.csv"
    path.write_text("\n".join(change(list(CLASSES))))
    with pytest.raises(ValueError, match=rf"jester-v1-labels\.csv{'' if message[0] == ',' else ' '}{message}"):
        Jester().class_names(tmp_path)
    with pytest.raises(ValueError, match="jester-v1-labels"):
        check_label_file(path)


def test_a_list_of_another_length_is_refused(tmp_path):
    write_list(tmp_path / "jester-v1-train.csv", [(1, 0), (2, 1)])
    with pytest.raises(ValueError, match="lists 2 videos; the official number is 118562"):
        Jester().videos(tmp_path, "train")
    assert read_id_label_rows(tmp_path / "jester-v1-train.csv", CLASSES) == [("1", 0), ("2", 1)]
