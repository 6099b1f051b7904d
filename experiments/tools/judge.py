"""Judge a difference in accuracy, of any paper: interval, paired test, verdict, and the seeds that would decide it.

Run: python experiments/tools/judge.py OURS.csv THEIRS.csv [--metric top1] [--relation ">"] [--margin 0]
     python experiments/tools/judge.py --published 93.63 --ours 93.5 --n 3783          (--ours 93.5 93.1 93.9: seeds)

A CSV file has a head and one line per test video: `video`, `label` and either `predicted` or a column per class with
its score. Labels are the names of those columns, or numbers from 0 in their order; beside `predicted`, any names. A
column `seed` tells several runs apart; they are compared seed by seed on the same videos. A video in one file alone is
an error: a model that could not decode a video has it wrong (leave `predicted` empty).
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.harness.metrics import METRICS, hits
from experiments.harness.needed import MOST_SEEDS, gap_to_decide, needed_to_decide, spread_of
from experiments.harness.noise import published_noise, wilson_interval
from experiments.harness.spec import RELATIONS
from experiments.harness.statistics import Z95, Difference, Scores, estimate, paired_difference, verdict
from experiments.harness.student_t import student_t_upper

FIXED = ("video", "label", "seed", "predicted")
Videos = dict[str, list[dict[str, str]]]  # seed -> rows


def main(argv: Sequence[str] | None = None) -> int:
    """Print the judgement; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("files", nargs="*", type=Path, metavar="CSV", help="ours and what it is compared with")
    parse.add_argument("--metric", choices=tuple(METRICS), default="top1")
    parse.add_argument("--relation", choices=RELATIONS, default=">", help="what is claimed of the first")
    parse.add_argument("--margin", type=float, default=0.0, metavar="POINTS")
    parse.add_argument("--published", metavar="PERCENT", help="a published accuracy as printed")
    parse.add_argument("--ours", nargs="+", metavar="PERCENT", help="our accuracy, one value per seed")
    parse.add_argument("--n", type=int, metavar="VIDEOS", help="test videos of both")
    given = parse.parse_args(argv)
    by_number = (given.published, given.ours, given.n)
    try:
        if len(given.files) == 2 and by_number == (None, None, None):
            first, second = given.files
            lines = judge_files(first, second, given.metric, given.relation, given.margin)
        elif not given.files and None not in by_number:
            lines = judge_published(given.published, given.ours, given.n, given.relation, given.margin)
        else:
            raise ValueError("give two CSV files, or --published, --ours and --n")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


def judge_files(first: Path, second: Path, metric: str, relation: str, margin: float) -> list[str]:
    """Compare two files of results on the same videos.

    Raises:
        ValueError: a file that cannot be read as described, other videos or other labels.
    """
    ours, theirs = _read(first), _read(second)
    labels, names = _labels([ours, theirs], (first, second))
    scores = [_scores(rows, path, names, labels, metric) for rows, path in ((ours, first), (theirs, second))]
    truth = np.array([names.index(label) for label in labels.values()])
    rows = [estimate(found, truth, metric) for found in scores]
    difference = paired_difference(scores[0], scores[1], truth, metric)
    lines = [
        f"{path.name}: {row.mean:.2f} % [{row.low:.2f}, {row.high:.2f}], {_seeds(row.num_seeds)}, "
        f"{row.num_videos:,} videos"
        for path, row in zip((first, second), rows, strict=True)
    ]
    return [*lines, *_discordance(scores, truth, metric), *_judgement(difference, relation, margin)]


def judge_published(published: str, ours: Sequence[str], num_videos: int, relation: str, margin: float) -> list[str]:
    """Compare our accuracies, one per seed, with a published one, whose seed and videos' answers are not known.

    Both test noises are taken as independent: without answers per video nothing better can be assumed.

    Raises:
        ValueError: no percentage, or a test set without videos.
    """
    values = [float(value) for value in ours]
    for value in ours:
        published_noise(value, published, num_videos)  # says what is no percentage
    mean = sum(values) / len(values)
    low, high = wilson_interval(mean, num_videos)
    other_low, other_high = wilson_interval(float(published), num_videos)
    lines = [
        f"published: {published} % [{other_low:.2f}, {other_high:.2f}] by the choice of {num_videos:,} videos alone",
        f"ours: {mean:.2f} % [{low:.2f}, {high:.2f}] by the choice of videos alone, {_seeds(len(values))}",
    ]
    video_sd = 100 * math.sqrt(sum(p * (1 - p) for p in (mean / 100, float(published) / 100)) / num_videos)
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    half = _half_width_beside_one_run(sd, len(values), video_sd)
    difference = mean - float(published)
    lines.append(f"difference: {difference:+.2f} points [{difference - half:+.2f}, {difference + half:+.2f}], "
                 f"{difference / 100 * num_videos:+.0f} videos")  # fmt: skip
    if len(values) == 1:
        noise = published_noise(ours[0], published, num_videos)
        paired = ", ".join(f"±{width:.2f} at {share:g} %" for share, width in noise.half_widths_paired)
        lines.append(f"if both answered alike but for a share of the videos: {paired}: {noise.verdict}")
        return [*lines, "verdict: undecided; one seed says nothing of training noise (give more values to --ours)"]
    found = Difference(
        mean=difference, low=difference - half, high=difference + half, p_value=math.nan,
        smallest_detectable=math.nan, per_seed=(), seeds=tuple(range(len(values))), dropped_seeds=(),
        num_videos=num_videos, seed_sd=sd * math.sqrt(1 + 1 / len(values)), video_sd=video_sd,
    )  # fmt: skip
    said = verdict(found, relation, margin)
    lines.append(f"verdict on ours {relation} published{_margin(margin)}: {said}")
    if said == "undecided":
        gap = gap_to_decide(difference, relation, margin)
        enough = next((s for s in range(2, MOST_SEEDS + 1) if _half_width_beside_one_run(sd, s, video_sd) < gap), None)
        limit = Z95 * math.hypot(sd, video_sd)
        lines.append(
            f"to decide, if the true difference is this one: {enough} seeds"
            if enough
            else f"no number of seeds decides this: the published run's own noise and the videos leave ±{limit:.2f}"
        )
    return lines


def _half_width_beside_one_run(sd: float, seeds: int, video_sd: float) -> float:
    """Return the interval's half-width where the published value is one run, with one seed's noise, itself."""
    student = student_t_upper(0.025, seeds - 1) if seeds > 1 else 0.0
    return math.hypot(student * sd * math.sqrt(1 + 1 / seeds), Z95 * video_sd)


def _judgement(difference: Difference, relation: str, margin: float) -> list[str]:
    lines = [
        f"difference: {difference.mean:+.2f} points [{difference.low:+.2f}, {difference.high:+.2f}], "
        f"p = {difference.p_value:.4f} (paired by seed and video)"
    ]
    if difference.dropped_seeds:
        lines.append(f"left out, in one file alone: seeds {', '.join(map(str, difference.dropped_seeds))}")
    lines.append(f"verdict on first {relation} second{_margin(margin)}: {verdict(difference, relation, margin)}")
    if difference.num_seeds == 1:
        lines.append("one seed says nothing of training noise, so it decides nothing; add runs in a column `seed`")
        return lines
    lines.append(f"smallest difference found four times in five: {difference.smallest_detectable:.2f} points")
    return [*lines, *_needed(difference, relation, margin)]


def _needed(difference: Difference, relation: str, margin: float) -> list[str]:
    if verdict(difference, relation, margin) != "undecided":
        return []
    gap = gap_to_decide(difference.mean, relation, margin)
    needed = needed_to_decide(spread_of(dataclasses.asdict(difference)), gap)
    return [f"to decide, if the true difference is this one: {needed or 'no number of seeds; there is none'}"]


def _discordance(scores: list[Scores], truth: NDArray[Any], metric: str) -> list[str]:
    """Say on how many videos exactly one of the two is right, mean over the common seeds."""
    if metric not in ("top1", "top5"):
        return []
    k = 1 if metric == "top1" else 5
    seeds = scores[0].keys() & scores[1].keys()
    pairs = [(hits(scores[0][seed], truth, k), hits(scores[1][seed], truth, k)) for seed in seeds]
    if not pairs:
        return []
    first = sum(int((a & ~b).sum()) for a, b in pairs) / len(pairs)
    second = sum(int((b & ~a).sum()) for a, b in pairs) / len(pairs)
    return [f"right in the first alone: {first:g} videos, in the second alone: {second:g}"]


def _read(path: Path) -> Videos:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        heads = reader.fieldnames or []
        if missing := [name for name in ("video", "label") if name not in heads]:
            raise ValueError(f"{path} lacks the column {', '.join(missing)}; it has {', '.join(heads) or 'nothing'}")
        if "predicted" not in heads and len(heads) - len(set(FIXED) & set(heads)) < 2:
            raise ValueError(f"{path} needs a column `predicted`, or one with a score per class")
        found: Videos = {}
        for row in reader:
            found.setdefault(row.get("seed") or "0", []).append(row)
    if not found:
        raise ValueError(f"{path} has no line below its head")
    return found


def _labels(files: list[Videos], paths: tuple[Path, Path]) -> tuple[dict[str, str], list[str]]:
    """Return each video's label, and all names of labels and predictions in order."""
    labels = {row["video"]: row["label"] for row in next(iter(files[0].values()))}
    for seeds, path in zip(files, paths, strict=True):
        for seed, rows in seeds.items():
            found = {row["video"]: row["label"] for row in rows}
            if len(found) < len(rows):
                raise ValueError(f"{path}, seed {seed}: a video stands there twice")
            if found.keys() != labels.keys():
                odd = sorted(found.keys() ^ labels.keys())
                raise ValueError(f"{path}, seed {seed}: {len(odd)} videos are in one file alone, such as {odd[0]!r}")
            if wrong := [video for video in found if found[video] != labels[video]]:
                raise ValueError(f"{path}, seed {seed}: video {wrong[0]!r} has another label than in the first file")
    return labels, _class_names(files, paths)


def _class_names(files: list[Videos], paths: tuple[Path, Path]) -> list[str]:
    """Return the classes in the order of the scores: the columns' names, or the numbers from 0, or the names found."""
    rows = [row for seeds in files for run in seeds.values() for row in run]
    found = {row[key] for row in rows for key in ("label", "predicted") if row.get(key)}
    heads = [_classes(next(iter(seeds.values()))[0]) for seeds in files]
    for columns, path in zip(heads, paths, strict=True):
        if columns and found <= set(columns):
            return columns
        if columns and not all(name.isdecimal() and int(name) < len(columns) for name in found):
            raise ValueError(
                f"{path}: its labels are neither names of its score columns nor numbers below {len(columns)}"
            )
    if all(name.isdecimal() for name in found):
        return [str(number) for number in range(max(*map(int, found), *map(len, heads), 1) + 1)]
    return sorted(found)


def _classes(row: dict[str, str]) -> list[str]:
    classes = [key for key in row if key not in FIXED]
    return classes if len(classes) >= 2 else []


def _scores(files: Videos, path: Path, names: list[str], labels: dict[str, str], metric: str) -> Scores:
    found = {}
    for seed, rows in files.items():
        if not seed.isdecimal():
            raise ValueError(f"{path}: seed {seed!r} must be a number")
        by_video = {row["video"]: row for row in rows}
        found[int(seed)] = np.array([_row_scores(by_video[video], path, names, metric) for video in labels])
    return found


def _row_scores(row: dict[str, str], path: Path, names: list[str], metric: str) -> list[float]:
    if classes := _classes(row):
        try:
            return [float(row[key]) if row[key] else math.nan for key in classes]
        except ValueError as error:
            raise ValueError(f"{path}, video {row['video']!r}: {error}") from error
    if metric not in ("top1", "mean_class_acc"):
        raise ValueError(f"{path} holds predictions alone, from which {metric} cannot be had: give a score per class")
    if not row["predicted"]:
        return [math.nan] * len(names)
    return [float(name == row["predicted"]) for name in names]


def _seeds(number: int) -> str:
    return f"{number} seed{'s' if number != 1 else ''}"


def _margin(margin: float) -> str:
    return f" by more than {margin:g}" if margin else ""


if __name__ == "__main__":
    sys.exit(main())
