"""The doctor: what of a data set is on disk, whether its labels are right, and which videos cannot be decoded.

NAME is the data set's name in small letters and digits, as its folder is called (ucf101, egogesture), or folder or
csvlist for your own videos; DIR is that folder, or the one which holds it. One screen is printed. Lists that are too
long for it go into files: missing_<subset>.txt, short_<subset>.txt, class_counts.csv, undecodable.txt.

--decode decodes every video once into DIR/decode_index.jsonl: frames, rate, size, rotation, damage, error. It goes on
where it was interrupted. Training then leaves undecodable videos out.

Exit status: 0 all is there; 1 something is missing, damaged or shared by training and test; 2 the data set cannot be
used: its lists are not found or malformed, or a subset has no video on disk.

Run: python -m datamodules.check ucf101 --data-root DATA --decode --jobs 8
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from datamodules.datasets.joint import root_of
from datamodules.datasets.readers import readers, source_named
from datamodules.decode_all import decode_all
from datamodules.decode_index import INDEX_FILE, Decoded, append_to_index
from datamodules.survey import FEW, SHORT, SubsetSurvey, Survey, counted, survey

SHOWN = 10  # names on the screen
PROGRESS_SEC = 0.5  # between two updates of the line in a terminal
LOG_SEC = 60.0  # between two lines in a file
Item = TypeVar("Item")


def main(argv: Sequence[str] | None = None) -> int:
    """Check one data set; return the exit status."""
    parse = argparse.ArgumentParser(
        prog="python -m datamodules.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_source_arguments(parse)
    parse.add_argument("--decode", action="store_true", help="decode every video that the index does not know yet")
    parse.add_argument(
        "--out", type=Path, metavar="DIR", help="where the long lists go (default: the data set's folder)"
    )
    given = parse.parse_args(argv)
    try:
        source, root = source_and_root(given)
        found = survey(source, root)
        if given.decode and not found.unusable():
            write_index(found, root, given.jobs)
            data_fingerprint_again()
            found = survey(source, root)
        out = given.out or root
        out.mkdir(parents=True, exist_ok=True)
        print("\n".join(screen(found, out)))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 2 if found.unusable() else 1 if found.problems() else 0


def add_source_arguments(parse: argparse.ArgumentParser) -> None:
    """Add the arguments that say which data set is meant and how many processes work on it."""
    parse.add_argument("name", metavar="NAME", help=f"one of: {', '.join(readers())}")
    parse.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="folder of the data set")
    parse.add_argument("--split", type=int, help="official split, where there are several (default 1)")
    parse.add_argument("--annotations", type=Path, metavar="PATH", help="where the reader does not find them by itself")
    parse.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")


def source_and_root(given: argparse.Namespace) -> tuple:
    """Return the reader and the folder that a command line means.

    Raises:
        ValueError: unknown name, a choice that the reader does not have, or no such folder.
    """
    if given.jobs < 1:
        raise ValueError(f"--jobs {given.jobs}: must be 1 or more")
    if not given.data_root.is_dir():
        raise ValueError(f"--data-root {given.data_root}: no such folder")
    source = source_named(given.name, split=given.split, annotations=given.annotations)
    return source, root_of(source, given.data_root)


def data_fingerprint_again() -> None:
    """Forget fingerprints computed before the index was written."""
    from datamodules.data_fingerprint import data_fingerprint

    data_fingerprint.cache_clear()


def write_index(found: Survey, root: Path, jobs: int) -> None:
    """Decode what the index does not know yet and add it, video by video."""
    paths = list(dict.fromkeys(path for subset in found.subsets for path in subset.undecoded))
    if paths:
        append_to_index(root, reported(decode_all(paths, root, jobs=jobs), len(paths)))


def reported(items: Iterable[Item], total: int) -> Iterator[Item]:
    """Pass items on and say on standard error how many have come."""
    terminal, start = sys.stderr.isatty(), time.monotonic()
    last = start
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= (PROGRESS_SEC if terminal else LOG_SEC) or done == total:
            last = now
            left = (now - start) / done * (total - done)
            line = f"{done:,} of {total:,} videos, about {left / 60:.0f} min left"
            print(f"\r{line}" if terminal else line, end="\n" if done == total or not terminal else "", file=sys.stderr)


def screen(found: Survey, out: Path) -> Iterator[str]:
    """Yield the lines to print; lists too long for them are written into files of ``out``."""
    yield f"{found.name} in {found.root}"
    yield f"  labels: {found.labels}"
    for subset in found.subsets:
        yield from subset_lines(subset, found.class_names, out)
    write_class_counts(found, out / "class_counts.csv")
    yield f"  videos per class: {out / 'class_counts.csv'}"
    yield from index_lines(found, out)
    yield f"  fingerprint of the data: {found.fingerprint}"
    yield from (f"  note: {note}" for note in found.notes)
    problems = found.unusable() + found.problems()
    yield ("sound and complete" if not problems else f"{counted(len(problems), 'thing')} to look at:")
    yield from (f"  - {problem}" for problem in problems)


def subset_lines(subset: SubsetSurvey, class_names: Sequence[str], out: Path) -> Iterator[str]:
    """Yield what one subset lists and has."""
    name, report = "/".join(subset.names), subset.report
    official = "" if report.official is None else f" (official {report.official:,})"
    yield f"  {name}: {counted(report.listed, 'video')} listed{official}, {report.present:,} on disk"
    if report.missing:
        file = out / f"missing_{subset.names[-1]}.txt"
        file.write_text("".join(f"{video.id}\t{video.path}\n" for video in report.missing), encoding="utf-8")
        yield f"    {len(report.missing):,} missing: {shown([video.id for video in report.missing])}; all: {file}"
        yield f"    the first is looked for at {report.missing[0].path}"
    counts = subset.per_class
    if counts:
        least = min(range(len(counts)), key=lambda label: counts[label])
        yield f"    per class: {min(counts)} (of {class_names[least]!r}) to {max(counts)}, median {median(counts):g}"
    few = [class_names[label] for label, number in enumerate(counts) if 0 < number < FEW]
    if few and "train" in subset.names:
        yield f"    {len(few):,} with fewer than {FEW} videos: {shown(few)}"
    yield from length_lines(subset, out)


def length_lines(subset: SubsetSurvey, out: Path) -> Iterator[str]:
    """Yield how long a subset's decoded videos are, and which are so short that a frame stands in two segments."""
    if not subset.lengths:
        return
    numbers = [frames for _, frames in subset.lengths]
    yield f"    frames: {min(numbers):,} to {max(numbers):,}, median {median(numbers):g}"
    short = [(video, frames) for video, frames in subset.lengths if frames < SHORT]
    if short:
        file = out / f"short_{subset.names[-1]}.txt"
        file.write_text("".join(f"{video.id}\t{frames}\n" for video, frames in short), encoding="utf-8")
        names = shown([video.id for video, _ in short])
        number = counted(len(short), "video")
        yield f"    {number} with fewer than {SHORT} frames, of which some are then drawn twice: {names}; all: {file}"


def median(numbers: Sequence[int]) -> float:
    """Return the middle of sorted numbers, the mean of the middle two of an even count."""
    ranked, half = sorted(numbers), len(numbers) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def index_lines(found: Survey, out: Path) -> Iterator[str]:
    """Yield what the index of decoded videos says."""
    unknown = {path for subset in found.subsets for path in subset.undecoded}
    entries: dict[str, Decoded] = {
        entry.path: entry for subset in found.subsets for entry in (*subset.undecodable, *subset.damaged)
    }
    if unknown:
        yield f"  not decoded yet: {counted(len(unknown), 'file')} (--decode looks at every frame, once)"
    else:
        yield f"  every file on disk has been decoded ({found.root / INDEX_FILE})"
    if not entries:
        return
    file = out / "undecodable.txt"
    lines = [
        f"{entry.path}\t{entry.error or entry.remark or 'breaks off or misses frames'}\n" for entry in entries.values()
    ]
    file.write_text("".join(lines), encoding="utf-8")
    broken = [path for path, entry in entries.items() if entry.error]
    if broken:
        yield f"    cannot be decoded: {shown(broken)}; left out of training, wrong at test"
    if len(broken) < len(entries):
        yield f"    damaged: {shown([path for path in entries if path not in broken])}"
    yield f"    reasons: {file}"


def shown(names: Sequence[str]) -> str:
    """Return the first names and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f", ... ({len(names):,} in all)" if len(names) > SHOWN else "")


def write_class_counts(found: Survey, path: Path) -> None:
    """Write how many videos of each class are on disk, a column per subset."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "class", *("/".join(subset.names) for subset in found.subsets)])
        for label, name in enumerate(found.class_names):
            writer.writerow([label, name, *(subset.per_class[label] for subset in found.subsets)])


if __name__ == "__main__":
    sys.exit(main())
