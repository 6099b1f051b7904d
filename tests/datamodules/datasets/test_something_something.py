"""Something-Something V1 and V2 in their exact schemas, with the real label names where present."""

from __future__ import annotations

import json

import pytest

from datamodules.datasets.annotation_rows import read_label_lines
from datamodules.datasets.mirrored_names import mirror_by_name
from datamodules.datasets.something_something import (
    SomethingSomethingV1,
    SomethingSomethingV2,
    check_label_order,
    read_entries,
    read_label_numbers,
)
from datamodules.datasets.source import count_report
from datamodules.synthetic.stand_ins import STAND_INS


def names_of(source) -> list[str]:
    """Return 174 names which say left and right where the official ones do."""
    names = [f"Doing number {label} to something, then something" for label in range(174)]
    for a, b in enumerate(source.mirror_labels):
        if a < b:
            names[a], names[b] = f"Moving {a} from left to right", f"Moving {a} from right to left"
    return names


def write_v1(folder, *, counts=(300, 100)):
    names = names_of(SomethingSomethingV1)
    (folder / "something-something-v1-labels.csv").write_text("\n".join(names) + "\n")
    for part, count, first in (("train", counts[0], 1), ("validation", counts[1], 10**6)):
        rows = [f"{first + n};{names[n % 174]}" for n in range(count)]
        (folder / f"something-something-v1-{part}.csv").write_text("\n".join(rows) + "\n")
    return folder


def entry(key, name: str) -> dict:
    template = name.replace("something", "[something]")
    return {"id": key, "label": name.replace("something", "a cup"), "template": template, "placeholders": ["a cup"]}


def write_v2(folder, *, counts=(300, 100), prefix="something-something-v2-"):
    folder.mkdir(exist_ok=True)
    names = names_of(SomethingSomethingV2)
    numbers = {name: str(number) for number, name in reversed(list(enumerate(names)))}
    (folder / f"{prefix}labels.json").write_text(json.dumps(numbers, indent=1))
    for part, count, first in (("train", counts[0], 1), ("validation", counts[1], 10**6)):
        entries = [entry(str(first + n), names[n % 174]) for n in range(count)]
        (folder / f"{prefix}{part}.json").write_text(json.dumps(entries))
    return folder


@pytest.mark.parametrize("source", [SomethingSomethingV1(), SomethingSomethingV2()])
def test_lists_of_the_official_lengths_are_read_in_their_order(tmp_path, check_source, source):
    counts = source.official_counts
    write = write_v1 if source.name.endswith("V1") else write_v2
    write(tmp_path, counts=(300, counts["val"]))
    videos = check_source(source, tmp_path, "val")
    assert len(videos) == counts["val"] == counts["test"]
    assert videos == source.videos(tmp_path, "test")
    assert [video.label for video in videos[:200]] == [n % 174 for n in range(200)]
    assert source.class_names(tmp_path) == tuple(names_of(source))
    assert source.name in STAND_INS
    with pytest.raises(ValueError, match=f"lists 300 videos; the official number is {counts['train']}"):
        source.videos(tmp_path, "train")


def test_the_official_counts_are_those_of_the_papers():
    assert list(SomethingSomethingV1.official_counts.values()) == [86_017, 11_522, 11_522]
    assert list(SomethingSomethingV2.official_counts.values()) == [168_913, 24_777, 24_777]


@pytest.mark.parametrize(
    ("folder", "source"), [("sthv1", SomethingSomethingV1), ("sthv2", SomethingSomethingV2)], ids=["V1", "V2"]
)
def test_real_names_have_left_and_right_where_the_mirror_labels_say(real, folder, source):
    path = real(folder) / "mmaction2_label_map.txt"
    names = read_label_lines(path)
    check_label_order(path, names, source.mirror_labels, source_name=source.name)
    assert mirror_by_name(names) == source.mirror_labels
    exchanged = {names[a]: names[b] for a, b in enumerate(source.mirror_labels) if a < b}
    assert {frozenset(pair) for pair in exchanged.items()} == {
        frozenset(f"Turning the camera {side} while filming something" for side in ("left", "right")),
        frozenset(("Pushing something from left to right", "Pushing something from right to left")),
        frozenset(("Pulling something from left to right", "Pulling something from right to left")),
    }
    assert source.reverse_labels is None


@pytest.mark.parametrize(
    ("source", "pairs"),
    [(SomethingSomethingV1, {(2, 4), (30, 41), (52, 66)}), (SomethingSomethingV2, {(86, 87), (93, 94), (166, 167)})],
)
def test_mirroring_exchanges_three_pairs_of_the_official_orders(source, pairs):
    assert {(a, b) for a, b in enumerate(source.mirror_labels) if a < b} == pairs


def test_v1_labels_that_a_copy_has_sorted_are_refused(real):
    path = real("sthv1") / "mmaction2_label_map.txt"
    names = tuple(sorted(read_label_lines(path)))
    with pytest.raises(ValueError, match="not in the official order of Something-Something V1: class 2 is"):
        check_label_order(path, names, SomethingSomethingV1.mirror_labels, source_name="Something-Something V1")


def test_v1_and_v2_have_the_same_real_classes_and_v2_sorts_them(real):
    v1, v2 = (read_label_lines(real(part) / "mmaction2_label_map.txt") for part in ("sthv1", "sthv2"))
    assert len(v1) == 174 and tuple(sorted(v1)) == v2 != v1


def test_a_real_foreign_label_file_with_numbers_from_1_is_refused(real):
    with pytest.raises(ValueError, match="12 names have the numbers 1 to 12; expected 0 to 11"):
        read_label_numbers(real("sthv2") / "custom13_something-something-v2-labels.json")


@pytest.mark.parametrize("prefix", ["something-something-v2-", ""])
@pytest.mark.parametrize("place", ["", "labels", "annotations"])
def test_v2_lists_are_found_under_both_names(tmp_path, prefix, place):
    write_v2(tmp_path / place, prefix=prefix)
    assert len(SomethingSomethingV2().class_names(tmp_path)) == 174


def test_v2_files_and_frame_folders_and_v1_frame_folders_are_found(tmp_path):
    write_v2(tmp_path, counts=(300, 24_777))
    base = tmp_path / "20bn-something-something-v2"
    (base / "1000001").mkdir(parents=True)
    (base / "1000000.webm").write_bytes(b"")
    assert count_report(SomethingSomethingV2(), tmp_path, "val").present == 2
    paths = [video.path for video in SomethingSomethingV2().videos(tmp_path, "val")[:3]]
    assert paths == [base / "1000000.webm", base / "1000001", base / "1000002.webm"]
    write_v1(tmp_path, counts=(300, 11_522))
    (tmp_path / "frames" / "1000001").mkdir(parents=True)
    paths = [video.path for video in SomethingSomethingV1().videos(tmp_path, "val")[:2]]
    assert paths == [tmp_path / "20bn-something-something-v1" / "1000000", tmp_path / "frames" / "1000001"]


NAMES = ("Holding something next to something", "Opening something")


def test_the_class_is_the_template_without_brackets_and_numbers_may_be_strings_or_not(tmp_path):
    path = tmp_path / "train.json"
    entries = [
        {"id": "78687", "label": "holding potato next to vicks vaporub bottle",
         "template": "Holding [something] next to [something]", "placeholders": ["potato", "vicks vaporub bottle"]},
        {"id": 7, "label": "opening something", "template": "Opening [something]", "placeholders": ["something"]},
    ]  # fmt: skip
    path.write_text(json.dumps(entries))
    assert read_entries(path, NAMES) == [("78687", 0), ("7", 1)]
    (tmp_path / "labels.json").write_text(json.dumps({NAMES[1]: 1, NAMES[0]: "0"}))
    assert read_label_numbers(tmp_path / "labels.json") == NAMES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": "1"}', "expected a list of videos"),
        ('[{"id": "1",]', "train.json, line 1: no json"),
        ([entry("1", NAMES[0]), "2"], "entry 2: '2'; expected a mapping whose 'id' is a number"),
        ([{"template": NAMES[1]}], "entry 1: .*expected a mapping whose 'id' is a number"),
        ([entry("one", NAMES[0])], "entry 1: .*whose 'id' is a number"),
        ([{"id": "1"}], r"entry 1 \(id 1\): template=None; expected a text"),
        ([{"id": "1", "template": 3}], r"entry 1 \(id 1\): template=3"),
        ([entry("1", "Closing something")], r"entry 1 \(id 1\): 'Closing something' is none of the 2 classes"),
        ([entry("1", NAMES[0]), entry("1", NAMES[1])], "entry 2: video 1 is already entry 1"),
    ],
)
def test_a_malformed_v2_list_is_an_error_that_names_file_and_entry(tmp_path, content, message):
    (tmp_path / "train.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        read_entries(tmp_path / "train.json", NAMES)
    assert "train.json" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected a mapping from name to number"),
        ({}, "expected a mapping from name to number"),
        ({"a": "0", "b": "one"}, "'b': 'one'; expected a number from 0"),
        ({"a": "0", "b": "-1"}, "'b': '-1'; expected a number"),
        ({"a": "0", "b": None}, "'b': None; expected a number"),
        ({"a": "0", "b": "0"}, "'b': the number 0 is already that of 'a'"),
        ({"a": "0", "b": "2"}, "2 names have the numbers 0 to 2; expected 0 to 1"),
    ],
)
def test_a_malformed_v2_label_file_is_an_error(tmp_path, content, message):
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_label_numbers(tmp_path / "labels.json")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("labels", "Holding something\n", "lists 1 classes; Something-Something V1 has 174"),
        ("labels", "Holding something\n\nHolding something\n", "line 3: 'Holding something' is already on line 1"),
        ("labels", None, "the annotation file is none of"),
        ("train", "1,Holding something\n", "line 1: .*expected 'id;label name'"),
        ("train", "1;Doing nothing\n", "line 1: 'Doing nothing' is none of the 174"),
        ("train", "1;Moving 2 from left to right\n1;Moving 2 from left to right\n", "line 2: video 1 is already"),
        ("train", "a;Moving 2 from left to right\n", "line 1: .*the id a number"),
    ],
)
def test_a_malformed_v1_file_is_an_error_that_names_file_and_line(tmp_path, file, text, message):
    path = write_v1(tmp_path) / f"something-something-v1-{file}.csv"
    path.write_text(text) if text is not None else path.unlink()
    with pytest.raises(ValueError, match=rf"something-something-v1-{file}\.csv.*{message}|{message}"):
        SomethingSomethingV1().videos(tmp_path, "train")
