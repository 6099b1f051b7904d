"""Read annotation files row by row: find them, number their lines, and name file and line where one is malformed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from datamodules.datasets.source import checked_root

PLACES = ("", "annotations")  # below the folder of the data set


def find_annotation_file(
    names: Sequence[str], root: Path | None, annotations: Path | None, *, places: Sequence[str] = PLACES
) -> Path | None:
    """Return the first of several possible files that exists; None when there is none.

    Args:
        names: file names, the most official first.
        root: folder of the data set.
        annotations: the one folder to look into; None looks into ``places`` of ``root``.
        places: folders below ``root``, the first to hold one of the names wins.
    """
    return next((path for path in candidates(names, root, annotations, places) if path.is_file()), None)


def annotation_file(
    names: Sequence[str],
    root: Path | None,
    annotations: Path | None,
    *,
    source_name: str,
    places: Sequence[str] = PLACES,
) -> Path:
    """Return the first of several possible files that exists (see :func:`find_annotation_file`).

    Raises:
        ValueError: none exists; every path looked for is named.
    """
    if annotations is None:
        root = checked_root(root, source_name=source_name)
    found = find_annotation_file(names, root, annotations, places=places)
    if found is None:
        looked_for = ", ".join(map(str, candidates(names, root, annotations, places)))
        raise ValueError(f"{source_name}: the annotation file is none of {looked_for}")
    return found


def candidates(
    names: Sequence[str], root: Path | None, annotations: Path | None, places: Sequence[str]
) -> tuple[Path, ...]:
    """Return the paths to look for, in order of preference."""
    if annotations is not None:
        folders = [Path(annotations)]
    else:
        folders = [] if root is None else [Path(root) / place for place in places]
    return tuple(folder / name for folder in folders for name in names)


def read_text(path: Path) -> str:
    """Return the text of an annotation file; a byte order mark is dropped.

    Raises:
        ValueError: no such file, or it is not UTF-8 (the line is named).
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist")
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8 text ({error.reason})") from error


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return the non-empty lines of a text file, stripped, with their numbers from 1.

    Raises:
        ValueError: see :func:`read_text`.
    """
    lines = read_text(path).split("\n")  # not splitlines, which also breaks at rarer marks
    return [(number, text.strip()) for number, text in enumerate(lines, start=1) if text.strip()]


def csv_rows(path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a comma-separated file with a header, by column name.

    Args:
        path: the file.
        columns: columns that the header must have, in any order; further ones are passed over.
        optional: columns that it may have; without one the value is empty.

    Yields:
        ``(line from 1, values)``, stripped, first of ``columns``, then of ``optional``; empty rows are left out.

    Raises:
        ValueError: no header, a column missing or repeated, a row of another length, or broken quotes.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if any(header.count(name) != 1 for name in columns) or any(header.count(name) > 1 for name in optional):
            raise ValueError(f"{path}, line 1: the header is {','.join(header)!r}; expected {','.join(columns)!r}")
        positions = [header.index(name) if name in header else None for name in (*columns, *optional)]
        for row in reader:
            if not any(row):
                continue
            if len(row) != len(header):
                where = f"{path}, line {reader.line_num}: {','.join(row)!r}"
                raise ValueError(f"{where} has {len(row)} values; the header has {len(header)}")
            yield reader.line_num, ["" if position is None else row[position].strip() for position in positions]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def read_id_label_rows(path: Path, classes: tuple[str, ...]) -> list[tuple[str, int]]:
    """Read a list of rows ``id;label name`` without a header, the form of Jester and Something-Something V1.

    Args:
        path: the list.
        classes: label names in label order.

    Returns:
        ``(id, label from 0)`` per row, in the file's order.

    Raises:
        ValueError: a row of another form, an unknown label, or an id listed twice; file and line are named.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    rows: list[tuple[str, int]] = []
    first_line: dict[str, int] = {}
    for line, text in numbered_lines(path):
        key, separator, name = (part.strip() for part in text.partition(";"))
        if not separator or not (key.isascii() and key.isdigit()):
            raise ValueError(f"{path}, line {line}: {text!r}; expected 'id;label name', the id a number")
        if name not in label_of:
            raise ValueError(f"{path}, line {line}: {name!r} is none of the {len(classes)} label names")
        if key in first_line:
            raise ValueError(f"{path}, line {line}: video {key} is already on line {first_line[key]}")
        first_line[key] = line
        rows.append((key, label_of[name]))
    return rows


def read_label_lines(path: Path) -> tuple[str, ...]:
    """Read a label file: one name per line, in label order.

    Raises:
        ValueError: a name listed twice; file and line are named.
    """
    first_line: dict[str, int] = {}
    for line, text in numbered_lines(path):
        if text in first_line:
            raise ValueError(f"{path}, line {line}: {text!r} is already on line {first_line[text]}")
        first_line[text] = line
    return tuple(first_line)


def label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Return distinct labels, ascending if all are numbers, else alphabetically."""
    distinct = set(labels)
    return tuple(sorted(distinct, key=int) if all(map(str.isdecimal, distinct)) else sorted(distinct))


def json_content(path: Path) -> Any:
    """Return the content of a json file.

    Raises:
        ValueError: no such file, or no json (the line is named).
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: no json: {error.msg}") from error


def seconds(start: str, end: str, *, where: str) -> tuple[float, float]:
    """Return start and end as numbers.

    Raises:
        ValueError: not ``0 <= start < end``, both finite.
    """
    try:
        first, last = float(start), float(end)
    except ValueError:
        first, last = 0.0, 0.0
    if not 0 <= first < last < float("inf"):
        raise ValueError(f"{where}: start={start!r}, end={end!r}; expected seconds with 0 <= start < end")
    return first, last


def check_count(path: Path, found: int, official: int) -> None:
    """Refuse a list that is not as long as the official one.

    Raises:
        ValueError: another number of rows.
    """
    if found != official:
        raise ValueError(
            f"{path} lists {found} videos; the official number is {official}. "
            "For a smaller copy keep the official list: videos missing on disk are reported"
        )


def check_classes(path: Path, names: Sequence[str], expected: int, *, source_name: str) -> None:
    """Refuse a list of classes that is not as long as the official one.

    Raises:
        ValueError: another number of classes.
    """
    if len(names) != expected:
        raise ValueError(f"{path} lists {len(names)} classes; {source_name} has {expected}")
