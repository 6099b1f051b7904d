"""Run jobs in child processes forked from a warm server: importing torch and Lightning is paid for once.

The server is forked before any thread, CUDA context or logger exists, and only forks and reaps. It ends when its
parent does, and its children end when it does, however either of them dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from datamodules.synthetic.members import Member
from experiments.harness.cell import Training
from experiments.harness.plan import Job, block_dependents
from experiments.harness.shared_tests import SharedTests
from experiments.harness.store import LockedError, write_atomic

POLL_SEC = 0.05
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, KEPT_BYTES = -1, -3, 1 << 30  # glibc's malloc.h
LOCKED_STATUS = 75
RETRY_SEC = 2.0
LOG_TAIL_LINES = 12


class Pool:
    """A server process and ``slots`` channels to its children.

    Args:
        jobs: everything that may be asked for; children inherit it by forking.
        runtime: how to run a cell.
        slots: how many run at the same time.
        threads: torch threads of each child.
    """

    def __init__(self, jobs: list[Job], runtime: Any, *, slots: int, threads: int = 1) -> None:
        self.jobs, self.runtime, self.slots, self.threads = jobs, runtime, slots, threads
        self.reports = [Pipe(duplex=False) for _ in range(slots)]  # (read in the parent, write in a child)
        self.commands, self._server_commands = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.server = os.fork()
        if self.server == 0:
            self.commands.close()
            _exit_after(self._serve)
        self._server_commands.close()

    def start(self, job: Job, slot: int) -> None:
        """Start a job in a free slot."""
        self.commands.send((self.jobs.index(job), slot))

    def events(self, timeout: float) -> list[tuple[str, int, Any]]:
        """Return what happened: ``("report", slot, values)`` or ``("exit", slot, status)``.

        Raises:
            RuntimeError: the server died.
        """
        readers: dict[Any, int] = {reader: slot for slot, (reader, _) in enumerate(self.reports)}
        found: list[tuple[str, int, Any]] = []
        for ready in wait([*readers, self.commands], timeout):
            try:
                message = ready.recv()  # type: ignore[union-attr, call-arg]
            except EOFError:
                raise RuntimeError(
                    "the process that starts cells died; start the script again, it will resume"
                ) from None
            found.append(("report", readers[ready], message) if ready in readers else ("exit", *message))
        return found

    def close(self) -> None:
        """End the server and with it every child."""
        self.commands.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.server, 0)

    # -- in the server and its children -------------------------------------------------------------------

    def _serve(self) -> int:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
        children: dict[int, int] = {}
        server = os.getpid()
        try:
            while True:
                if wait([self._server_commands], POLL_SEC):
                    index, slot = self._server_commands.recv()
                    pid = os.fork()
                    if pid == 0:
                        self._server_commands.close()
                        end_with(server)
                        _exit_after(functools.partial(self._work, self.jobs[index], self.reports[slot][1]))
                    children[pid] = slot
                for pid in [*children]:
                    finished, status = os.waitpid(pid, os.WNOHANG)
                    if finished:
                        self._server_commands.send((children.pop(pid), os.waitstatus_to_exitcode(status)))
        except (EOFError, BrokenPipeError, OSError):
            return 0  # the parent is gone
        finally:
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _work(self, job: Job, channel: Connection) -> int:
        if isinstance(job.work, Member):
            from datamodules.synthetic.files import default_cache, prepare

            prepare(job.work, default_cache(), processes=1)
            return 0
        import torch

        from experiments.harness.runner import log_to, run

        torch.set_num_threads(self.threads)
        keep_freed_memory()
        folder = self.runtime.store.folder(_cell_of(job))
        log_to(folder.log)
        profile = job.work.profile if isinstance(job.work, Training) else _cell_of(job).training.profile
        tracking = self.runtime.tracking.for_table(job.table, profile)
        runtime = replace(self.runtime, tracking=tracking, report=lambda values: _send(channel, values))
        try:
            if isinstance(job.work, SharedTests):
                from experiments.harness.together import run_together

                run_together(job.work, runtime)
            elif self.runtime.devices > 1:
                from experiments.harness.launch import run_on_devices

                run_on_devices(job.work, runtime, job.label)
            else:
                run(job.work, runtime, job.label)
        except LockedError:
            return LOCKED_STATUS
        except BaseException:
            write_atomic(folder.failure, traceback.format_exc())
            raise
        return 0


def _cell_of(job: Job) -> Any:
    """Return the cell in whose folder a job's log is; of tests that share a run the first."""
    return job.work.evaluations[0] if isinstance(job.work, SharedTests) else job.work


def _send(channel: Connection, values: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        channel.send(values)


def _exit_after(work: Callable[[], int]) -> None:
    """Leave a forked process without running its parent's exit handlers."""
    status = 1
    try:
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def keep_freed_memory() -> None:
    """Let the allocator keep what a step frees for the next one: returning it costs 5 to 15 % of a step."""
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def end_with(parent: int) -> None:
    """End this process soon after its parent, of this process id, is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# -- in the parent ---------------------------------------------------------------------------------------


def run_jobs(pool: Pool, update: Callable[[list[Job]], None]) -> None:
    """Run every job of the pool; a failure blocks what needs it and nothing else.

    Args:
        pool: idle.
        update: called often with the jobs, to draw progress.
    """
    running: dict[int, tuple[Job, float]] = {}
    jobs = pool.jobs
    while any(job.state in ("waiting", "running", "elsewhere") for job in jobs):
        _fill_slots(pool, running)
        for kind, slot, value in pool.events(timeout=0.25):
            if slot not in running:
                continue  # the last report of a child that has been reaped
            job, started = running[slot]
            if kind == "report":
                job.done = value.get("done", job.done)
                if "epoch" in value:
                    job.note = f"epoch {value['epoch']}/{value['epochs']}  loss {value['loss']:.3f}"
            else:
                del running[slot]
                job.seconds = time.monotonic() - started
                _settle(job, value, pool)
        update(jobs)


def _fill_slots(pool: Pool, running: dict[int, tuple[Job, float]]) -> None:
    now = time.monotonic()
    for job in pool.jobs:
        if len(running) == pool.slots:
            return
        if job.state == "elsewhere" and now >= job.retry_at:
            job.state = "waiting"
        if job.state != "waiting" or any(need.state != "done" for need in job.needs):
            continue
        slot = next(slot for slot in range(pool.slots) if slot not in running)
        job.state = "running"
        running[slot] = (job, now)
        pool.start(job, slot)


def _settle(job: Job, status: int, pool: Pool) -> None:
    if status == 0:
        job.state, job.done = "done", 1.0
    elif status == LOCKED_STATUS:
        job.state, job.retry_at = "elsewhere", time.monotonic() + RETRY_SEC
        job.note = "another process runs it"
    else:
        job.state, job.reason = "failed", _why(job, status, pool)
        block_dependents(pool.jobs, job)


def _why(job: Job, status: int, pool: Pool) -> str:
    cause = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    if isinstance(job.work, Member):
        return cause
    folder = pool.runtime.store.folder(_cell_of(job))
    if status < 0:
        write_atomic(folder.failure, f"{cause}\n")
    source = folder.failure if folder.failure.exists() and status > 0 else folder.log
    try:
        lines = source.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        lines = []
    return "\n".join([f"{cause}; log: {folder.log}", *lines])
