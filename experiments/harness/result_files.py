"""Read two CSV files of results on the same videos, and put them in one order of videos and classes (no torch).

A file has a head and one line per video and run, in UTF-8: `video`, `label`, and either `predicted` or a column per
class with its score; `seed` tells several runs apart. Whatever a file could be misread by is an error that names the
file, the line and the video: a difference of two files would hide it.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.harness.statistics import Scores

FIXED = ("video", "label", "seed", "predicted")


@dataclass(frozen=True)
class Line:
    """What one run says of one video.

    Args:
        where: file, line and video, for errors.
        label: as the file writes it.
        predicted: as the file writes it; empty if the video could not be decoded, or if the file has scores.
        scores: (K,) in the order of the file's columns, all NaN if the video could not be decoded; empty if the file
            has predictions alone.
    """

    where: str
    label: str
    predicted: str
    scores: tuple[float, ...]


@dataclass(frozen=True)
class ResultFile:
    """A file of results: its score columns in their order, none beside `predicted`, and its lines by seed and video."""

    path: Path
    classes: tuple[str, ...]
    runs: Mapping[int, Mapping[str, Line]]

    @property
    def lines(self) -> Iterator[Line]:
        """Yield the lines of all runs."""
        return (line for run in self.runs.values() for line in run.values())


@dataclass(frozen=True)
class Pair:
    """Two files in one order of videos and classes.

    Args:
        labels: (N,), from 0.
        scores: (N, K) of each seed, of both files. A file of predictions has ones and zeros, and one column more: that
            of the predicted classes which are neither a label nor a score column. A NaN row is an undecodable video.
        notes: what counts as wrong in either file for another reason than a wrong answer, in words.
    """

    labels: NDArray[np.int64]
    scores: tuple[Scores, Scores]
    notes: tuple[str, ...]


def read_results(path: Path) -> ResultFile:
    """Read a file of results.

    Raises:
        ValueError: a file that is not as the module says; the message names line and video where it is one of them.
    """
    runs: dict[int, dict[str, Line]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel starts UTF-8 with a byte-order mark
            reader = csv.reader(file)
            head = [name.strip() for name in next(reader, [])]
            classes = _score_columns(path, head)
            for cells in filter(None, reader):  # an empty line is none
                row = dict(zip(head, (cell.strip() for cell in cells), strict=False))
                where = f"{path}, line {reader.line_num}, video {row.get('video', '')!r}"
                if len(cells) != len(head):
                    raise ValueError(f"{where}: has {len(cells)} fields; accepted: {len(head)}, as the head has")
                run = runs.setdefault(_seed(row, where), {})
                if row["video"] in run:
                    raise ValueError(f"{where}: stands there twice; accepted: one line per video and seed")
                run[row["video"]] = _line(row, classes, where)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV file in UTF-8: {error}") from error
    if not runs:
        raise ValueError(f"{path} has no line below its head")
    return ResultFile(path, classes, runs)


def aligned(first: ResultFile, second: ResultFile) -> Pair:
    """Put two files in the first one's order of videos, and in one order of classes.

    Raises:
        ValueError: files with other videos, other labels, or scores of other classes; labels that are no class of the
            scores; predictions that are called otherwise than the labels.
    """
    order = {name: number for number, name in enumerate(_common_classes(first, second))}
    lookups = [_lookup(file, order) for file in (first, second)]
    seed, run = next(iter(first.runs.items()))
    numbers = {video: _class_number(line.label, lookups[0]) for video, line in run.items()}
    for file, lookup in zip((first, second), lookups, strict=True):
        _check_predictions(file)
        for own_seed, lines in file.runs.items():
            if odd := sorted(lines.keys() ^ run.keys()):
                raise ValueError(f"{file.path}, seed {own_seed}, and {first.path}, seed {seed}: "
                                 f"{len(odd)} videos are in one of them alone, such as {odd[0]!r}")  # fmt: skip
            for video, line in lines.items():
                if _class_number(line.label, lookup) != numbers[video]:
                    raise ValueError(f"{line.where}: has another label, {line.label!r}, than in "
                                     f"{run[video].where}: {run[video].label!r}")  # fmt: skip
    pairs = list(zip((first, second), lookups, strict=True))
    scores = tuple(_scores(file, list(run), order, lookup) for file, lookup in pairs)
    notes = [note for file, lookup in pairs for note in (*_undecodable(file), *_unknown(file, lookup))]
    return Pair(np.array(list(numbers.values())), (scores[0], scores[1]), tuple(notes))


def _score_columns(path: Path, head: list[str]) -> tuple[str, ...]:
    """Return the columns that hold a class's score; none if the file has predictions."""
    if missing := [name for name in ("video", "label") if name not in head]:
        raise ValueError(f"{path} lacks the column {', '.join(missing)}; it has {', '.join(head) or 'nothing'}")
    if "" in head:
        raise ValueError(f"{path}: column {head.index('') + 1} has no name; accepted: {', '.join(FIXED)}, or a class")
    if twice := [name for name in head if head.count(name) > 1]:
        raise ValueError(f"{path} has the column {twice[0]!r} twice; accepted: once")
    others = tuple(name for name in head if name not in FIXED)
    if "predicted" not in head and len(others) < 2:
        raise ValueError(f"{path} needs a column `predicted`, or one with a score per class")
    if "predicted" in head and len(others) > 1:
        raise ValueError(f"{path} has `predicted` and what may be scores ({', '.join(others)}); accepted: either")
    return () if "predicted" in head else others


def _seed(row: Mapping[str, str], where: str) -> int:
    seed = row.get("seed", "0")
    if not seed.isdecimal():
        raise ValueError(f"{where}: seed {seed!r} must be a number, 0 or more")
    return int(seed)


def _line(row: Mapping[str, str], classes: Sequence[str], where: str) -> Line:
    for name in ("video", "label"):
        if not row[name]:
            raise ValueError(f"{where}: the {name} is empty; accepted: a name, or a number from 0")
    if not classes:
        return Line(where, row["label"], row["predicted"], ())
    return Line(where, row["label"], "", _scores_of_line(row, classes, where))


def _scores_of_line(row: Mapping[str, str], classes: Sequence[str], where: str) -> tuple[float, ...]:
    """Return (K,) scores; NaN for all where the file says so, and never for some."""
    if all(row[name].lower() == "nan" for name in classes):
        return (math.nan,) * len(classes)
    scores = []
    for name in classes:
        try:
            score = float(row[name])
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            raise ValueError(
                f"{where}: the score of class {name!r} is {row[name] or 'missing'}; accepted: a finite number, "
                "or nan for every class of a video that could not be decoded"
            )
        scores.append(score)
    return tuple(scores)


def _common_classes(first: ResultFile, second: ResultFile) -> list[str]:
    """Return the classes of the score columns in the first such file's order; without any, the labels' names."""
    if first.classes and second.classes and set(first.classes) != set(second.classes):
        alone = [
            f"{', '.join(name for name in one.classes if name not in other.classes) or 'none'} in {one.path} alone"
            for one, other in ((first, second), (second, first))
        ]
        raise ValueError(
            f"{first.path} and {second.path} have scores of other classes: {'; '.join(alone)}; "
            "accepted: the same names, in any order"
        )
    columns = first.classes or second.classes
    return list(columns) or sorted({_plain(line.label) for file in (first, second) for line in file.lines})


def _lookup(file: ResultFile, order: Mapping[str, int]) -> dict[str, int]:
    """Return the number of each class in the common order, by what this file calls it: a name, or a column's number.

    A file without score columns counts those of the other.
    """
    columns = file.classes or tuple(order)
    by_name = dict(order)
    by_number = {str(number): order[name] for number, name in enumerate(columns)}
    no_names = [line for line in file.lines if _class_number(line.label, by_name) is None]
    no_numbers = [line for line in file.lines if _class_number(line.label, by_number) is None]
    if no_names and no_numbers:
        no_class = [line for line in no_names if _class_number(line.label, by_number) is None]
        odd = (no_class or no_names)[0]
        raise ValueError(
            f"{odd.where}: its label {odd.label!r} is no class of the score columns; accepted in all lines: "
            f"one of their names ({', '.join(columns)}), or in all a number from 0 to {len(columns) - 1}"
        )
    return by_number if no_names else by_name


def _check_predictions(file: ResultFile) -> None:
    """Refuse numbers beside names: all predictions would be wrong, and nobody would see why."""
    predictions = [line for line in file.lines if line.predicted]
    numbered_labels = {_is_number(line.label) for line in file.lines}
    numbered = {_is_number(line.predicted) for line in predictions}
    if (numbered_labels, numbered) in (({True}, {False}), ({False}, {True})):
        odd = predictions[0]
        raise ValueError(
            f"{odd.where}: predicted {odd.predicted!r} beside label {odd.label!r}, a number beside a name in every "
            "line; accepted: predictions that are called as the labels are"
        )


def _class_number(text: str, lookup: Mapping[str, int]) -> int | None:
    """Return the number of the class that a label or a prediction names, None if it names none of them."""
    return lookup.get(text, lookup.get(_plain(text)))


def _plain(text: str) -> str:
    """Return a number without leading zeros, and any other text as it is."""
    return str(int(text)) if text.isdecimal() else text


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+", text) is not None  # -1 is a usual way to say "none of them"


def _scores(file: ResultFile, videos: Sequence[str], order: Mapping[str, int], lookup: Mapping[str, int]) -> Scores:
    """Return (N, K) of each seed, or (N, K + 1) from predictions, in the common order."""
    if file.classes:
        columns = [file.classes.index(name) for name in order]
        return {seed: np.array([run[video].scores for video in videos])[:, columns] for seed, run in file.runs.items()}
    return {
        seed: np.array([_one_hot(run[video].predicted, lookup, len(order)) for video in videos])
        for seed, run in file.runs.items()
    }


def _one_hot(predicted: str, lookup: Mapping[str, int], num_classes: int) -> NDArray[Any]:
    """Return (K + 1,): a one at the predicted class, the last if it is none of the K; NaN without a prediction."""
    if not predicted:
        return np.full(num_classes + 1, math.nan)
    number = _class_number(predicted, lookup)
    scores = np.zeros(num_classes + 1)
    scores[num_classes if number is None else number] = 1.0
    return scores


def _undecodable(file: ResultFile) -> list[str]:
    found = [
        (seed, video)
        for seed, run in file.runs.items()
        for video, line in run.items()
        if (math.isnan(line.scores[0]) if file.classes else not line.predicted)
    ]
    if not found:
        return []
    mark = "nan in every score" if file.classes else "no prediction"
    return [f"{file.path.name}: undecodable videos ({mark}), counted as wrong: "
            f"{len({video for _, video in found})}, in {len(found)} of {len(list(file.lines))} lines"]  # fmt: skip


def _unknown(file: ResultFile, lookup: Mapping[str, int]) -> list[str]:
    found = [line.predicted for line in file.lines if line.predicted and _class_number(line.predicted, lookup) is None]
    if not found:
        return []
    return [f"{file.path.name}: predictions of a class that is neither a label nor a score column, counted as wrong: "
            f"{len(found)}, such as {found[0]!r}"]  # fmt: skip
