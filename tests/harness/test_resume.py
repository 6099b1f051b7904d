from __future__ import annotations

import csv
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.harness.cell import Options, Training
from experiments.harness.resolve import evaluation
from experiments.harness.store import REPOSITORY, RESULTS_VARIABLE, CellFolder, Store
from tests.harness import tiny_table
from tests.harness.tiny_table import EPOCHS, TABLE

CACHE_VARIABLE = "ACTION_TABLES_CACHE"
SCRIPT = Path(tiny_table.__file__)
FLAGS = ("--no-wandb", "--jobs", "1", "--seeds", "1")
WARM_IMPORTS = [
    "tests.harness.tiny_table",
    "experiments.harness.runner",
    "experiments.harness.pool",
    "matplotlib.pyplot",
]
DEADLINE_SEC = 60.0
ENDS_WITHIN_SEC = 5.0

OPTIONS = Options(seeds=(0,))
WITHOUT, WITH = (evaluation(TABLE, TABLE.row(label), TABLE.columns[0], 0, OPTIONS) for label in ("w/o ACS", "w/ ACS"))
PRETRAINING = WITHOUT.training.init
CELLS = (PRETRAINING, WITHOUT.training, WITHOUT, WITH.training, WITH)


@dataclass
class Place:
    """A results folder and a cache of generated videos, and scripts started in them."""

    results: Path
    cache: Path

    @property
    def environment(self) -> dict[str, str]:
        return {RESULTS_VARIABLE: str(self.results), CACHE_VARIABLE: str(self.cache)}

    @property
    def log(self) -> Path:
        return self.results / "script.log"

    def folder(self, cell: object) -> CellFolder:
        return Store(self.results / "runs").folder(cell)  # type: ignore[arg-type]

    def rendered(self) -> dict[str, bytes]:
        """Return what the run wrote into results: evidence, page and values, but not the pictures."""
        files = [self.results / "runs" / TABLE.paper / f"{TABLE.name}.proxy.{kind}" for kind in ("json", "md", "csv")]
        return {file.name: file.read_bytes() for file in files}

    def start(self, *flags: str, table: str = TABLE.id) -> multiprocessing.Process:
        """Start a script in a session of its own."""
        self.results.mkdir(parents=True, exist_ok=True)
        arguments = (table, [*FLAGS, *flags], self.environment, str(self.log))
        process = context().Process(target=tiny_table.start, args=arguments)
        process.start()
        return process

    def run(self, *flags: str, table: str = TABLE.id) -> int | None:
        """Run a script to its end; return its exit status."""
        return self.wait(self.start(*flags, table=table))

    def wait(self, process: multiprocessing.Process) -> int | None:
        """Return a script's exit status; None, after killing it, if it does not end."""
        process.join(DEADLINE_SEC)
        if process.exitcode is None:
            kill_tree(process)
            return None
        return process.exitcode

    def records(self) -> dict[Path, tuple[int, int]]:
        """Return the identity and time of every finished cell's record: another run of the cell would change them."""
        found = {path: path.stat() for path in (self.results / "runs").glob("*/*/record.json")}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}

    def epochs(self, training: object) -> list[int]:
        """Return the epochs that were trained, over all attempts."""
        with (self.folder(training).path / "curves.csv").open() as file:
            return [int(row["epoch"]) for row in csv.DictReader(file) if row["key"] == "train/loss"]

    def attempts(self, cell: object) -> int:
        """Return how often a cell was begun: Lightning greets each trainer with its devices."""
        return self.folder(cell).log.read_text().count("GPU available")


def context() -> multiprocessing.context.ForkServerContext:
    """Return where warm processes come from: torch is imported once for all scripts that are started here."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(WARM_IMPORTS)
    return made


def session(leader: int) -> list[int]:
    """Return the living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def wait_until(condition: Callable[[], bool], place: Place, process: multiprocessing.Process) -> None:
    deadline = time.monotonic() + DEADLINE_SEC
    while not condition():
        log = place.log.read_text() if place.log.exists() else ""
        assert process.is_alive() and time.monotonic() < deadline, f"it never came to that point:\n{log}"
        time.sleep(0.002)


def kill_parent(process: multiprocessing.Process) -> None:
    """Kill the script alone: its children have to notice."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    deadline = time.monotonic() + ENDS_WITHIN_SEC
    while left := session(process.pid):
        assert time.monotonic() < deadline, f"{len(left)} processes outlive the script"
        time.sleep(0.01)


def kill_tree(process: multiprocessing.Process) -> None:
    """Kill the script and all its children at once."""
    assert process.pid is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.join()


def in_training(place: Place, training: object) -> Callable[[], bool]:
    """Say whether a training is past an epoch and not at its end."""
    folder = place.folder(training)
    return lambda: folder.last.exists() and not folder.record_path.exists()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Run the script as a user does, cold, from nothing to the table."""
    place = Place(tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cache"))
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), *FLAGS], env={**os.environ, **place.environment}, capture_output=True, text=True,
        cwd=REPOSITORY, timeout=DEADLINE_SEC, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    yield place


def test_a_script_killed_while_videos_are_generated_ends_in_the_same_bytes(uninterrupted: Place, tmp_path: Path):
    place = Place(tmp_path / "results", tmp_path / "cache")
    script = place.start()
    wait_until(lambda: any(place.cache.glob(".*.part-*/videos/*.mp4")), place, script)
    kill_parent(script)
    assert not any(place.cache.glob("[!.]*")), "the set should be unfinished"
    assert place.run() == 0
    assert place.rendered() == uninterrupted.rendered()
    assert not any(place.cache.glob(".*.part-*")), "the dead process's unfinished folder is left over"


def test_a_script_killed_again_and_again_repeats_no_cell_and_ends_in_the_same_bytes(
    uninterrupted: Place, tmp_path: Path
):
    place = Place(tmp_path / "results", uninterrupted.cache)
    moments = (
        (kill_tree, in_training(place, PRETRAINING)),
        (kill_parent, in_training(place, WITHOUT.training)),
        (kill_tree, lambda: place.folder(WITHOUT).record_path.exists()),
        (kill_parent, in_training(place, WITH.training)),
        (kill_tree, lambda: place.folder(WITH.training).record_path.exists()),
    )
    finished: dict[Path, tuple[int, int]] = {}
    for kill, reached in moments:
        script = place.start()
        wait_until(reached, place, script)
        kill(script)
        assert finished.items() <= place.records().items(), "a finished cell was run again"
        finished = place.records()
    assert len(finished) == 4, "the last kill leaves one test to do"

    assert place.run() == 0
    assert finished.items() <= place.records().items(), "a finished cell was run again"
    assert len(place.records()) == len(CELLS)
    assert place.rendered() == uninterrupted.rendered()
    for training, length in ((PRETRAINING, 3), (WITHOUT.training, EPOCHS), (WITH.training, EPOCHS)):
        assert place.attempts(training) == 2, "every training was interrupted once"
        epochs = place.epochs(training)
        assert sorted(set(epochs)) == list(range(length))
        assert epochs.count(0) == 1, "an interrupted training began anew"
        assert len(epochs) <= length + 1, "resuming repeats at most one epoch"


def test_two_starts_at_once_share_the_work(uninterrupted: Place, tmp_path: Path):
    place = Place(tmp_path / "results", uninterrupted.cache)
    scripts = [place.start("--seeds", "2"), place.start("--seeds", "2")]
    assert [place.wait(script) for script in scripts] == [0, 0], place.log.read_text()
    records = place.records()
    assert len(records) == 9  # a pre-training, four trainings, four tests
    for path in records:
        assert CellFolder(path.parent).log.read_text().count("GPU available") == 1, "a cell was run twice"
    for seed in (0, 1):
        training = evaluation(TABLE, TABLE.rows[0], TABLE.columns[0], seed, Options(seeds=(0, 1))).training
        assert place.epochs(training) == list(range(EPOCHS))


def test_a_second_start_runs_nothing_and_rendering_alone_gives_the_same_bytes(uninterrupted: Place):
    records, rendered = uninterrupted.records(), uninterrupted.rendered()
    for flags in ((), ("--render-only",)):
        assert uninterrupted.run(*flags) == 0
        assert uninterrupted.records() == records
        assert uninterrupted.rendered() == rendered
    assert [uninterrupted.attempts(cell) for cell in CELLS] == [1] * len(CELLS)


def test_a_failed_cell_is_named_with_its_log_and_stops_nothing_else(uninterrupted: Place, tmp_path: Path):
    place = Place(tmp_path / "results", uninterrupted.cache)
    assert place.run(table="tiny/table2") == 1
    printed = place.log.read_text()
    assert "train tiny broken · untrimmed · s0: failed" in printed
    assert "width" in printed and "ValueError" in printed, "the last lines of the failed cell's log are missing"
    assert "log.txt" in printed, "the log is not named"
    assert "test  tiny broken · untrimmed · s0: blocked (blocked by tiny broken · untrimmed · s0 (train))" in printed
    assert place.folder(WITHOUT).record_path.exists(), "the healthy row has to be finished"
    page = (place.results / "runs/tiny/table2.proxy.md").read_text()
    assert re.search(r"^\| broken +\| 51\.0 +\| – ", page, re.MULTILINE), "a dash stands for what did not run"
    assert "**not run**" in page


def test_cells_of_this_file_are_the_ones_the_script_runs(uninterrupted: Place):
    assert isinstance(PRETRAINING, Training) and WITH.training.init == PRETRAINING
    assert {path.parent for path in uninterrupted.records()} == {uninterrupted.folder(cell).path for cell in CELLS}
