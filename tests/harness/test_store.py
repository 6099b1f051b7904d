from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.harness import store as store_module
from experiments.harness.store import RESULTS_VARIABLE, CellFolder, LockedError, Store, results_folder, write_atomic
from tests.harness.fakes import evaluation, training

HOLDER = """
import sys, time
from pathlib import Path
from experiments.harness.store import CellFolder
with CellFolder(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> CellFolder:
    return CellFolder(tmp_path / "cell")


def held_by(folder: CellFolder, **owner: object) -> Path:
    """Write the lock of another owner."""
    path = folder.path / "lock"
    me = {"host": socket.gethostname(), "pid": os.getpid(), "started": "0"}
    write_atomic(path, json.dumps({**me, **owner}))
    return path


def start_time(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]


def test_a_reader_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "record.json"
    write_atomic(path, "old")

    def full_disk(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_atomic(path, "new and longer")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"], "a temporary file is left over"


def test_trainings_and_evaluations_have_a_folder_each_named_by_their_fingerprint(tmp_path: Path):
    store = Store(tmp_path)
    assert store.folder(training()).path == tmp_path / "trainings" / training().fingerprint
    assert store.folder(evaluation()).path == tmp_path / "evaluations" / evaluation().fingerprint


def test_results_go_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    assert results_folder() == tmp_path and Store().root == tmp_path / "runs"
    monkeypatch.delenv(RESULTS_VARIABLE)
    assert results_folder() == store_module.REPOSITORY / "results"


def test_the_state_of_a_cell_is_told_by_its_files(folder: CellFolder):
    assert folder.state() == "missing"
    write_atomic(folder.last, b"")
    assert folder.state() == "interrupted"
    write_atomic(folder.failure, "ValueError")
    assert folder.state() == "failed"
    with folder.lock():
        assert folder.state() == "running"
    folder.write_record({"a": 1})
    assert folder.state() == "done"


def test_a_record_comes_back_as_it_was_written(folder: CellFolder):
    assert folder.record() is None
    folder.write_record({"metrics": {"top1": 12.5}, "params": 3})
    assert folder.record() == {"metrics": {"top1": 12.5}, "params": 3}


def test_a_damaged_record_is_named_with_what_to_do(folder: CellFolder):
    write_atomic(folder.record_path, '{"metrics": ')
    with pytest.raises(ValueError, match=r"record\.json is damaged .*; delete it to run the cell again"):
        folder.record()


def test_scores_come_back_as_they_were_stored(folder: CellFolder):
    scores = np.array([[0.25, -1.0], [np.nan, np.nan]], dtype=np.float32)
    folder.save_scores(np.array([3, 5]), np.array([1, 0]), scores, ["a", "b"])
    stored = folder.load_scores()
    np.testing.assert_array_equal(stored["scores"], scores)
    assert stored["video_index"].tolist() == [3, 5] and stored["labels"].tolist() == [1, 0]
    assert stored["ids"].tolist() == ["a", "b"]
    assert [path.name for path in folder.path.iterdir()] == ["scores.npz"]


def test_a_cell_has_one_owner_at_a_time(folder: CellFolder):
    with folder.lock():
        with pytest.raises(LockedError, match="is being worked on by"), CellFolder(folder.path).lock():
            pass
        assert folder.owner_alive(), "the refused one took the lock away"
    assert not folder.owner_alive()
    with folder.lock():
        pass


def test_a_cell_is_free_again_after_an_error(folder: CellFolder):
    with pytest.raises(RuntimeError), folder.lock():
        raise RuntimeError
    assert not folder.owner_alive()


def test_the_lock_of_a_living_process_is_respected_and_of_a_killed_one_taken_over(folder: CellFolder):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        with pytest.raises(LockedError), folder.lock():
            pass
        os.kill(holder.pid, signal.SIGKILL)
        while (fields := Path(f"/proc/{holder.pid}/stat").read_text().rsplit(")", 1)[1].split())[0] != "Z":
            time.sleep(0.01)
        assert fields  # a zombie: dead, its number still taken
        with folder.lock():
            pass
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()


def test_a_process_number_used_again_is_not_its_former_owner(folder: CellFolder):
    held_by(folder, pid=os.getppid(), started="1")
    assert not folder.owner_alive()
    held_by(folder, pid=os.getppid(), started=start_time(os.getppid()))
    assert folder.owner_alive()


def test_an_owner_on_another_host_lives_as_long_as_its_heartbeat(folder: CellFolder, monkeypatch: pytest.MonkeyPatch):
    path = held_by(folder, host="elsewhere", pid=1)
    assert folder.owner_alive()
    old = time.time() - store_module.STALE_SEC - 1
    os.utime(path, (old, old))
    assert not folder.owner_alive()
    folder.heartbeat()
    assert folder.owner_alive()
    os.utime(path, (old, old))
    with folder.lock():
        assert json.loads(path.read_text())["host"] == socket.gethostname()


def test_a_lock_that_was_taken_over_is_not_removed_by_its_former_owner(folder: CellFolder):
    with folder.lock():
        taken = held_by(folder, host="elsewhere", pid=1)
    assert taken.exists() and folder.owner_alive()


def test_what_a_killed_owner_did_not_finish_writing_is_removed_by_the_next(folder: CellFolder):
    write_atomic(folder.last, b"whole")
    for name in (".last.ckpt.123", ".weights.123", ".scores.123.npz"):
        write_atomic(folder.path / name, b"half")
    with folder.lock():
        assert {path.name for path in folder.path.iterdir()} == {".guard", "lock", "last.ckpt"}


@pytest.mark.parametrize("content", ["", "{", "null"])
def test_half_a_lock_is_nobodys(folder: CellFolder, content: str):
    write_atomic(folder.path / "lock", content)
    assert not folder.owner_alive()
    with folder.lock():
        assert folder.owner_alive()


def test_a_heartbeat_without_a_lock_does_nothing(folder: CellFolder):
    folder.heartbeat()
    assert not (folder.path / "lock").exists()


def test_racing_processes_let_one_in(folder: CellFolder):
    """Fork several processes that all try at once; each notes whether it came in."""
    children = []
    start = time.monotonic() + 0.3
    for number in range(8):
        child = os.fork()
        if child == 0:
            time.sleep(max(0.0, start - time.monotonic()))
            try:
                with folder.lock():
                    (folder.path / f"in{number}").touch()
                    time.sleep(1.0)
            except LockedError:
                pass
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert len([*folder.path.glob("in*")]) == 1
