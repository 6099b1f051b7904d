"""Judge a difference in accuracy, of any paper: interval, paired test, verdict, and the seeds that would decide it.

Run: python experiments/tools/judge.py OURS.csv THEIRS.csv [--metric top1] [--relation ">"] [--margin 0]
     python experiments/tools/judge.py --published 93.63 --ours 93.5 --n 3783          (--ours 93.5 93.1 93.9: seeds)

A CSV file has a head and one line per test video: `video`, `label` and either `predicted` or a column per class with
its score. Labels are the names of those columns, or numbers from 0 in their order; beside `predicted`, any names. Two
files with scores have the same classes, in any order. A column `seed` tells several runs apart; they are compared seed
by seed on the same videos. A video in one file alone is an error: a model that could not decode a video has it wrong
(leave `predicted` empty, or write nan in every score; how many there are is printed). So has one that predicts a class
which no label has.

A published number is judged as a share of right videos (--metric top1 or top5). One value of ours says nothing of
training noise: then the verdict is undecided, and the test videos are given that the test noise alone would ask for.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.harness.metrics import METRICS, hits
from experiments.harness.needed import MOST_SEEDS, Spread, gap_to_decide, needed_to_decide, spread_of
from experiments.harness.noise import PublishedNoise, Z, published_noise, wilson_interval
from experiments.harness.result_files import aligned, read_results
from experiments.harness.spec import RELATIONS
from experiments.harness.statistics import Z95, Difference, Scores, estimate, paired_difference
from experiments.harness.student_t import student_t_upper
from experiments.harness.verdicts import verdict

OF_PREDICTIONS = ("top1", "mean_class_acc")  # the metrics that need no scores
OF_NUMBERS = ("top1", "top5")  # shares of right videos, whose test noise follows from the number alone


def main(argv: Sequence[str] | None = None) -> int:
    """Print the judgement; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("files", nargs="*", type=Path, metavar="CSV", help="ours and what it is compared with")
    parse.add_argument("--metric", choices=tuple(METRICS), default="top1")
    parse.add_argument("--relation", choices=RELATIONS, default=">", help="what is claimed of the first")
    parse.add_argument(
        "--margin", type=float, default=0.0, metavar="POINTS", help="more than which, or within which; 0 or more"
    )
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
            if given.metric not in OF_NUMBERS:
                raise ValueError(f"--metric {given.metric}: accepted with --published: {', '.join(OF_NUMBERS)}")
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
        ValueError: a file that cannot be read as described; other videos, labels or classes; a metric which needs
            scores, of predictions; a margin that is no number from 0.
    """
    _check_margin(margin)
    files = read_results(first), read_results(second)
    for file in files:
        if not file.classes and metric not in OF_PREDICTIONS:
            raise ValueError(
                f"{file.path} holds predictions alone, from which {metric} cannot be had: give a score per class"
            )
    pair = aligned(*files)
    scores, truth = pair.scores, pair.labels
    rows = [estimate(found, truth, metric) for found in scores]
    difference = paired_difference(scores[0], scores[1], truth, metric)
    lines = [
        f"{path.name}: {row.mean:.2f} % [{row.low:.2f}, {row.high:.2f}], {_seeds(row.num_seeds)}, "
        f"{row.num_videos:,} videos"
        for path, row in zip((first, second), rows, strict=True)
    ]
    return [*lines, *pair.notes, *_discordance(scores, truth, metric), *_judgement(difference, relation, margin)]


def judge_published(published: str, ours: Sequence[str], num_videos: int, relation: str, margin: float) -> list[str]:
    """Compare our accuracies, one per seed, with a published one, whose seed and videos' answers are not known.

    Both test noises are taken as independent: without answers per video nothing better can be assumed. What answers in
    common would leave of them is printed beside.

    Args:
        published: percent, as printed.
        ours: percent, as printed, of each seed.
        num_videos: size of both test sets.
        relation: ">" or "~", of ours to the published one.
        margin: percent points, 0 or more.

    Raises:
        ValueError: no percentage, a test set without videos, or a margin that is no number from 0.
    """
    _check_margin(margin)
    target, values = _percentage("--published", published), [_percentage("--ours", value) for value in ours]
    if num_videos < 1:
        raise ValueError(f"--n {num_videos}: must be a number of videos, 1 or more")
    mean = sum(values) / len(values)
    low, high = wilson_interval(mean, num_videos)
    other_low, other_high = wilson_interval(target, num_videos)
    lines = [
        f"published: {published} % [{other_low:.2f}, {other_high:.2f}] by the choice of {num_videos:,} videos alone",
        f"ours: {mean:.2f} % [{low:.2f}, {high:.2f}] by the choice of videos alone, {_seeds(len(values))}",
    ]
    video_sd = 100 * math.sqrt(sum(p * (1 - p) for p in (mean / 100, target / 100)) / num_videos)
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    half = _half_width_beside_one_run(sd, len(values), video_sd)
    difference = round(mean - target, 9)  # of printed decimals: what floats add to it is no difference
    lines.append(f"difference: {difference:+.2f} points [{difference - half:+.2f}, {difference + half:+.2f}], "
                 f"{difference / 100 * num_videos:+.0f} videos")  # fmt: skip
    printed = ours[0] if len(ours) == 1 else f"{mean:.6f}"  # in a mean of several the roundings even out
    noise = published_noise(printed, published, num_videos)
    lines.append(_sampling_noise(noise, len(values)))
    claim = f"ours {relation} published{_margin(relation, margin)}"
    if len(values) == 1:
        lines.append(f"verdict on {claim}: undecided; one seed says nothing of training noise, so how many seeds would "
                     "decide is unknown (give more values to --ours)")  # fmt: skip
        return [*lines, _videos_needed(noise, gap_to_decide(difference, relation, margin))]
    found = Difference(
        mean=difference, low=difference - half, high=difference + half, p_value=math.nan,
        smallest_detectable=math.nan, per_seed=(), seeds=tuple(range(len(values))), dropped_seeds=(),
        num_videos=num_videos, seed_sd=sd * math.sqrt(1 + 1 / len(values)), video_sd=video_sd,
    )  # fmt: skip
    said = verdict(found, relation, margin)
    lines.append(f"verdict on {claim}: {said}")
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


def _percentage(argument: str, printed: str) -> float:
    try:
        value = float(printed)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise ValueError(f"{argument} {printed}: must be a percentage as printed, from 0 to 100, such as 93.6")
    return value


def _widths(noise: PublishedNoise) -> list[tuple[float, str]]:
    """Return the half-widths by the choice of videos alone, each with what it supposes of the two models' answers.

    Discordance is the share of the videos which exactly one of them has right.
    """
    paired = [(width, f"at {share:g} % discordance") for share, width in noise.half_widths_paired]
    return [(noise.half_width_independent, "if independent"), *paired]


def _sampling_noise(noise: PublishedNoise, num_seeds: int) -> str:
    """Say what the choice of videos alone does to the difference: of one run, and at most that of a mean of several."""
    most = "at most " if num_seeds > 1 else ""
    widths = ", ".join(f"±{width:.2f} {supposed}" for width, supposed in _widths(noise))
    return f"by the choice of videos alone {most}{widths} (exactly one of the two is right): {noise.verdict}"


def _videos_needed(noise: PublishedNoise, gap: float) -> str:
    """Say how many videos find a true difference of ``gap`` points four times in five, were there no training noise."""
    if not gap:
        return "no number of test videos decides this difference: it stands where neither verdict holds"
    needed = []
    for width, supposed in _widths(noise):
        spread = Spread(seed_sd=0.0, video_sd=width / Z, num_seeds=1, num_videos=noise.num_videos)
        # Without a seed part the smallest difference found shrinks with the square root of the videos.
        videos = max(1, math.ceil(noise.num_videos * (spread.detectable() / gap) ** 2))
        needed.append(f"{videos:,} {supposed}")
    return "test videos to find a difference of this size four times in five, by the test noise alone: " + ", ".join(
        needed
    )


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
    said = verdict(difference, relation, margin)
    lines.append(f"verdict on first {relation} second{_margin(relation, margin)}: {said}")
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


def _discordance(scores: Sequence[Scores], truth: NDArray[Any], metric: str) -> list[str]:
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


def _seeds(number: int) -> str:
    return f"{number} seed{'s' if number != 1 else ''}"


def _margin(relation: str, margin: float) -> str:
    if relation == "~":
        return f" within {margin:g} points"
    return f" by more than {margin:g} points" if margin else ""


def _check_margin(margin: float) -> None:
    if not 0 <= margin < math.inf:
        raise ValueError(f"--margin {margin:g}: must be a number of percent points, 0 or more")


if __name__ == "__main__":
    sys.exit(main())
