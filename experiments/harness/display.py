"""Show what runs: which cells, their epoch and loss, and the time left; one line per finished cell off a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from experiments.harness.plan import Job

REDRAW_SEC = 0.25
GUESS_SEC = {"data": 40.0, "train": 90.0, "test": 5.0}  # before the first of its kind has finished


class Display:
    """Draw the state of all jobs; use as a context manager around ``run_jobs``.

    Args:
        slots: how many run at the same time, to estimate the time left.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.started = time.monotonic()
        self.live: Any = None
        self._finished: set[int] = set()
        self._running_since: dict[int, float] = {}
        self._drawn = 0.0

    def __enter__(self) -> Display:
        if sys.stdout.isatty():
            from rich.live import Live

            self.live = Live(refresh_per_second=4, transient=True)
            self.live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, traceback)

    def update(self, jobs: list[Job]) -> None:
        """Draw, at most four times a second."""
        now = time.monotonic()
        for job in jobs:
            if job.state == "running":
                self._running_since.setdefault(id(job), now)
            if job.state in ("done", "failed", "blocked") and id(job) not in self._finished:
                self._finished.add(id(job))
                self._say(job, jobs)
        if self.live is not None and now - self._drawn > REDRAW_SEC:
            self._drawn = now
            self.live.update(self._panel(jobs, now))

    def _say(self, job: Job, jobs: list[Job]) -> None:
        count = f"[{len(self._finished)}/{len(jobs)}]"
        line = f"{count} {job.kind:5} {job.label}: {job.state}"
        line += f" in {job.seconds:.0f} s, about {clock(self.seconds_left(jobs))} left" if job.state == "done" else ""
        if job.state == "failed":
            line += f"\n{job.reason}"
        elif job.state == "blocked":
            line += f" ({job.reason})"
        if self.live is not None:
            if job.state != "done":
                self.live.console.print(line, markup=False)
        else:
            print(line, flush=True)

    def _panel(self, jobs: list[Job], now: float):
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid.grid(padding=(0, 2))
        for job in jobs:
            if job.state not in ("running", "elsewhere"):
                continue
            share = job.done if job.kind == "train" else None
            bar = ProgressBar(total=1.0, completed=share or 0.0, width=24, pulse=share is None)
            elapsed = clock(now - self._running_since.get(id(job), now))
            grid.add_row(job.kind, job.label, bar, job.note or job.state, elapsed)
        done = sum(job.state == "done" for job in jobs)
        failed = sum(job.state in ("failed", "blocked") for job in jobs)
        head = f"{done} of {len(jobs)} done" + (f", {failed} failed or blocked" if failed else "")
        head += f" · {clock(now - self.started)} so far · about {clock(self.seconds_left(jobs))} left"
        return Group(Text(head, style="bold"), grid)

    def seconds_left(self, jobs: list[Job]) -> float:
        """Return the estimated wall time left: what finished jobs of each kind took, spread over the slots."""
        left = 0.0
        for job in jobs:
            if job.state in ("waiting", "running", "elsewhere"):
                left += self._expected(job, jobs) * (1 - job.done)
        return left / self.slots

    def _expected(self, job: Job, jobs: list[Job]) -> float:
        taken = [other.seconds for other in jobs if other.kind == job.kind and other.state == "done"]
        if taken:
            return sum(taken) / len(taken)
        now = time.monotonic()
        running = [o for o in jobs if o.kind == job.kind and o.state == "running" and o.done > 0.05]
        started = [(now - self._running_since[id(o)]) / o.done for o in running if id(o) in self._running_since]
        return sum(started) / len(started) if started else GUESS_SEC[job.kind]


def clock(seconds: float) -> str:
    """Return a duration as people say it: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
