"""Keep what a benchmark measured: a record for programs and a page for people, in results/benchmarks."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from experiments.benchmarks.turns import Turn
from experiments.harness.provenance import hardware
from experiments.harness.store import results_folder, write_atomic

SEVERAL_THREADS, ONE_THREAD = "wall time", "CPU time"


def measured_with(*packages: str) -> dict[str, Any]:
    """Return the processor, and the versions of those packages that are installed."""
    return {"hardware": hardware(), "versions": {name: version(name) for name in packages if find_spec(name)}}


def clock(threads: int) -> str:
    """Return what is measured: on one thread CPU time, which other load leaves alone; threads wait for each other."""
    return ONE_THREAD if threads == 1 else SEVERAL_THREADS


def times_of(turns: Sequence[Turn], threads: int) -> list[float]:
    """Return each turn's milliseconds by the clock for so many threads."""
    return [turn.cpu_ms if clock(threads) == ONE_THREAD else turn.wall_ms for turn in turns]


def ratio(own: Sequence[float], other: Sequence[float]) -> float:
    """Return how many times longer ``own`` takes: the median over the turns of the ratio within a turn."""
    return statistics.median(a / b for a, b in zip(own, other, strict=True))


def write_record(name: str, found: dict[str, Any], page: str, folder: Path | None = None) -> None:
    """Write ``<name>.json`` and ``<name>.md``, by default into results/benchmarks."""
    folder = folder or results_folder() / "benchmarks"
    write_atomic(folder / f"{name}.json", json.dumps(found, indent=1) + "\n")
    write_atomic(folder / f"{name}.md", page)


def stored_record(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Return what :func:`write_record` kept, for a page that is written anew without measuring."""
    return json.loads(((folder or results_folder() / "benchmarks") / f"{name}.json").read_text())
