"""Where results live on disk: atomic records, locks that survive a crash, one folder per cell (no torch).

``record.json`` present means done; ``last.ckpt`` alone means resume; neither means start.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.harness.cell import Evaluation, Training

HEARTBEAT_SEC = 20.0
STALE_SEC = 120.0
UNFINISHED = (".last.ckpt.*", ".weights.*", ".scores.*")  # the large files of a cell, before they are whole
REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS_VARIABLE = "ACTION_TABLES_RESULTS"  # a folder in place of the repository's results/


class LockedError(RuntimeError):
    """Say that a live process works on a cell."""


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: a reader never sees half of it, whatever kills the writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # temporary files are private; results are not
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def results_folder() -> Path:
    """Return where results go: ``$ACTION_TABLES_RESULTS``, else ``results/`` of this repository."""
    return Path(os.environ.get(RESULTS_VARIABLE) or REPOSITORY / "results")


@dataclass(frozen=True)
class Store:
    """The folder of all cells."""

    root: Path = field(default_factory=lambda: results_folder() / "runs")

    def folder(self, cell: Training | Evaluation) -> CellFolder:
        """Return the folder of one training or evaluation."""
        kind = "trainings" if isinstance(cell, Training) else "evaluations"
        return CellFolder(self.root / kind / cell.fingerprint)

    def finished(self, cell: Training | Evaluation) -> bool:
        """Say whether a cell has all that others need of it; a training whose weights were deleted runs again."""
        folder = self.folder(cell)
        return folder.record_path.exists() and (not isinstance(cell, Training) or folder.weights.exists())

    def forget_tests(self, training: Training) -> None:
        """Remove the records of all tests of a training, whichever table asked for them: its weights will be others."""
        for path in self.root.glob("evaluations/*/record.json"):
            with contextlib.suppress(json.JSONDecodeError, OSError):  # a damaged one is reported by whoever needs it
                if json.loads(path.read_text())["arguments"]["training"] == training.fingerprint:
                    path.unlink(missing_ok=True)


@dataclass(frozen=True)
class CellFolder:
    """One cell's files."""

    path: Path

    @property
    def record_path(self) -> Path:
        """Return where the finished cell's record stands."""
        return self.path / "record.json"

    @property
    def weights(self) -> Path:
        """Return where a training leaves its final weights."""
        return self.path / "weights.ckpt"

    @property
    def last(self) -> Path:
        """Return the checkpoint from which an interrupted training goes on."""
        return self.path / "last.ckpt"

    @property
    def scores_path(self) -> Path:
        """Return where an evaluation leaves the scores of each video."""
        return self.path / "scores.npz"

    @property
    def log(self) -> Path:
        """Return what the cell's process printed."""
        return self.path / "log.txt"

    @property
    def failure(self) -> Path:
        """Return the note a failed attempt left; removed by the next attempt."""
        return self.path / "failure.txt"

    def record(self) -> dict[str, Any] | None:
        """Return the record of a finished cell, else None.

        Raises:
            ValueError: the file is damaged; it says which and what to do.
        """
        if not self.record_path.exists():
            return None
        try:
            return json.loads(self.record_path.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.record_path} is damaged ({error}); delete it to run the cell again") from error

    def write_record(self, record: dict[str, Any]) -> None:
        """Mark the cell as done."""
        write_atomic(self.record_path, json.dumps(record, indent=1, sort_keys=True))

    def state(self) -> str:
        """Return ``done``, ``running``, ``failed``, ``interrupted`` or ``missing``."""
        if self.record_path.exists():
            return "done"
        if self.owner_alive():
            return "running"
        if self.failure.exists():
            return "failed"
        return "interrupted" if self.last.exists() else "missing"

    def save_scores(self, video_index: np.ndarray, labels: np.ndarray, scores: np.ndarray, ids: list[str]) -> None:
        """Store class scores ``(N, K)`` of the test videos."""
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f".scores.{os.getpid()}.npz"
        np.savez_compressed(
            temporary, video_index=video_index, labels=labels, scores=scores.astype(np.float32), ids=ids
        )
        os.replace(temporary, self.scores_path)

    def load_scores(self) -> dict[str, np.ndarray]:
        """Return what :meth:`save_scores` stored."""
        with np.load(self.scores_path) as file:
            return {name: file[name] for name in ("video_index", "labels", "scores", "ids")}

    # -- locking ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Own the cell while the block runs.

        Raises:
            LockedError: a live process owns it. A dead owner on this host is taken over at once; one on another host
                when its heartbeat has been silent for two minutes.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self._guard():
            if self.owner_alive():
                raise LockedError(f"{self.path} is being worked on by {self._owner()}")
            write_atomic(self.path / "lock", json.dumps(_me()))
            for left_over in [path for pattern in UNFINISHED for path in self.path.glob(pattern)]:
                left_over.unlink(missing_ok=True)  # of an owner that was killed while it wrote
        released = threading.Event()
        threading.Thread(target=self._beat, args=(released,), daemon=True).start()
        try:
            yield
        finally:
            released.set()
            with self._guard(), contextlib.suppress(OSError):
                if self._owner() == _me():
                    (self.path / "lock").unlink()

    def _beat(self, released: threading.Event) -> None:
        while not released.wait(HEARTBEAT_SEC):
            self.heartbeat()

    def heartbeat(self) -> None:
        """Tell processes on other hosts that the owner lives."""
        with contextlib.suppress(OSError):
            os.utime(self.path / "lock")

    def owner_alive(self) -> bool:
        """Say whether a live process owns the cell."""
        owner = self._owner()
        if owner is None:
            return False
        if owner["host"] == socket.gethostname():
            return _start_time(owner["pid"]) == owner["started"]
        with contextlib.suppress(OSError):
            return time.time() - (self.path / "lock").stat().st_mtime < STALE_SEC
        return False

    def _owner(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.path / "lock").read_text())
        except (OSError, json.JSONDecodeError):
            return None

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """Serialise the short moment in which a lock is inspected and taken."""
        with (self.path / ".guard").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _me() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _start_time(os.getpid())}


def _start_time(pid: int) -> str | None:
    """Return when a process started, None if it is gone: tells a reused process id from its former owner."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        if Path("/proc/self").exists():
            return None
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return "alive"  # no /proc: the id alone has to do
        return None
    return None if fields[0] in "ZX" else fields[19]
