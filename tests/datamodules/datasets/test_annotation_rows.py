"""Annotation files: where they are found, and that errors name file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from datamodules.datasets.annotation_rows import (
    annotation_file,
    csv_rows,
    find_annotation_file,
    json_content,
    label_order,
    numbered_lines,
    seconds,
)


def test_the_first_place_wins_and_in_it_the_first_name(tmp_path):
    (tmp_path / "annotations").mkdir()
    for name in ("annotations/a.csv", "annotations/b.csv", "b.csv"):
        (tmp_path / name).write_text("x")
    assert find_annotation_file(("a.csv", "b.csv"), tmp_path, None) == tmp_path / "b.csv"
    (tmp_path / "b.csv").unlink()
    assert find_annotation_file(("a.csv", "b.csv"), tmp_path, None) == tmp_path / "annotations" / "a.csv"
    assert find_annotation_file(("c.csv",), tmp_path, None) is None


def test_a_given_folder_is_the_only_place(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(ValueError, match=r"Set: the annotation file is none of .*other/a\.csv$"):
        annotation_file(("a.csv",), tmp_path, tmp_path / "other", source_name="Set")
    with pytest.raises(ValueError, match="Set needs the folder of its files"):
        annotation_file(("a.csv",), None, None, source_name="Set")


def test_lines_keep_their_numbers_and_lose_windows_ends_and_a_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffone\r\n\r\n two \x0b \r\nthree".encode())
    assert numbered_lines(tmp_path / "a.txt") == [(1, "one"), (3, "two"), (4, "three")]


def test_text_that_is_not_utf8_is_an_error_that_names_the_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\ncaf\xe9\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 3: not UTF-8"):
        numbered_lines(tmp_path / "a.txt")


def test_csv_columns_are_found_by_name_in_any_order(tmp_path):
    (tmp_path / "a.csv").write_text('extra,b,a\n1,"x, y",z\n\n2,"say ""hi""", w \n')
    assert list(csv_rows(tmp_path / "a.csv", ("a", "b"), optional=("c", "extra"))) == [
        (2, ["z", "x, y", "", "1"]),
        (4, ["w", 'say "hi"', "", "2"]),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: the header is ''; expected 'a,b'"),
        ("a\n1\n", r"line 1: the header is 'a'; expected 'a,b'"),
        ("a,b,a\n1,2,3\n", r"line 1: the header is 'a,b,a'"),
        ("a,b\n1,2\n3\n", r"line 3: '3' has 1 values; the header has 2"),
        ("a,b\n1,2,3\n", r"line 2: '1,2,3' has 3 values"),
        ('a,b\n1,"2\n', r"line 2: unexpected end of data"),
    ],
)
def test_a_malformed_csv_file_is_an_error_that_names_the_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.csv, {message}"):
        list(csv_rows(tmp_path / "a.csv", ("a", "b")))


def test_broken_json_is_an_error_that_names_the_line(tmp_path):
    (tmp_path / "a.json").write_text('{\n"a": 1,\n}')
    with pytest.raises(ValueError, match=r"a\.json, line 3: no json"):
        json_content(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("start", "end"), [("3", "3"), ("4", "3"), ("-1", "3"), ("x", "3"), ("0", "inf"), ("nan", "1")]
)
def test_times_out_of_order_are_refused(start, end):
    with pytest.raises(ValueError, match=f"there: start='{start}', end='{end}'; expected seconds"):
        seconds(start, end, where="there")
    assert seconds("0", "2.5", where="there") == (0.0, 2.5)


def test_labels_that_are_numbers_are_ordered_as_numbers():
    assert label_order(["10", "9", "9", "100"]) == ("9", "10", "100")
    assert label_order(["10", "9", "x"]) == ("10", "9", "x")


def test_reading_lists_does_not_import_torch():
    names = "csv_list egogesture hmdb51 jester kinetics mini_kinetics mod_ucf101 something_something youtube8m_segments"
    code = f"import sys; {'; '.join(f'import datamodules.datasets.{name}' for name in names.split())}; "
    code += "sys.exit('torch' in sys.modules or 'av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0
