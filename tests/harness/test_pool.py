from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.harness import pool as pool_module
from experiments.harness.plan import Job
from experiments.harness.pool import LOCKED_STATUS, Pool, run_jobs
from experiments.harness.store import Store
from tests.harness.fakes import SCENES, evaluation, training

Action = Callable[[Connection], int]


class Acting(Pool):
    """Run a function of the test in place of a cell."""

    def __init__(self, actions: dict[Job, Action], store: Store, *, slots: int) -> None:
        self.actions = actions
        super().__init__([*actions], SimpleNamespace(store=store, devices=1), slots=slots)

    def _work(self, job: Job, channel: Connection) -> int:
        return self.actions[job](channel)


@contextmanager
def pool(actions: dict[Job, Action], folder: Path, *, slots: int = 1) -> Iterator[Acting]:
    made = Acting(actions, Store(folder / "store"), slots=slots)
    try:
        yield made
    finally:
        made.close()


def run(actions: dict[Job, Action], folder: Path, *, slots: int = 1) -> list[list[str]]:
    """Run jobs to their end; return the states seen on the way."""
    seen: list[list[str]] = []
    with pool(actions, folder, slots=slots) as made:
        run_jobs(made, lambda jobs: seen.append([job.state for job in jobs]))
    return seen


def job(name: str, *needs: Job, seed: int = 0) -> Job:
    return Job(name, name, training(seed=seed), needs)


def note(folder: Path, name: str) -> Action:
    """Append a name to a file."""

    def act(channel: Connection) -> int:
        with (folder / "order").open("a") as file:
            file.write(f"{name}\n")
        return 0

    return act


def order(folder: Path) -> list[str]:
    return (folder / "order").read_text().split()


def fail(channel: Connection) -> int:
    return 3


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def sleeper(folder: Path) -> Action:
    """Write the process id and sleep."""

    def act(channel: Connection) -> int:
        (folder / ".pid").write_text(str(os.getpid()))
        (folder / ".pid").rename(folder / "pid")
        time.sleep(60)
        return 0

    return act


def test_jobs_run_after_what_they_need(tmp_path: Path):
    data = job("data")
    train = job("train", data)
    test = job("test", train)
    run({one: note(tmp_path, one.key) for one in (test, train, data)}, tmp_path, slots=2)
    assert order(tmp_path) == ["data", "train", "test"]
    assert {one.state for one in (data, train, test)} == {"done"}
    assert all(one.seconds > 0 for one in (data, train, test))


def test_as_many_run_at_once_as_there_are_slots(tmp_path: Path):
    def crowd(name: str) -> Action:
        def act(channel: Connection) -> int:
            (tmp_path / f"in {name}").touch()
            time.sleep(0.3)
            note(tmp_path, str(len([*tmp_path.glob("in *")])))(channel)
            (tmp_path / f"in {name}").unlink()
            return 0

        return act

    run({job(name): crowd(name) for name in "abc"}, tmp_path, slots=2)
    assert max(order(tmp_path)) == "2"


def test_a_failure_is_told_with_the_last_lines_of_its_log_and_blocks_what_needs_it_alone(tmp_path: Path):
    broken, healthy = job("broken"), job("healthy", seed=1)
    waits = job("waits", broken)
    folder = Store(tmp_path / "store").folder(broken.work)  # type: ignore[arg-type]
    folder.path.mkdir(parents=True)
    folder.log.write_text("".join(f"line {number}\n" for number in range(100)))
    run({broken: fail, waits: note(tmp_path, "waits"), healthy: note(tmp_path, "healthy")}, tmp_path)
    assert (broken.state, waits.state, healthy.state) == ("failed", "blocked", "done")
    assert broken.reason.splitlines()[0] == f"exit status 3; log: {folder.log}"
    assert broken.reason.splitlines()[-1] == "line 99" and "line 80" not in broken.reason
    assert waits.reason == "blocked by broken (train)"
    assert order(tmp_path) == ["healthy"]


def test_a_failure_note_is_told_in_place_of_the_log(tmp_path: Path):
    broken = job("broken")
    folder = Store(tmp_path / "store").folder(broken.work)  # type: ignore[arg-type]
    folder.path.mkdir(parents=True)
    folder.log.write_text("chatter\n")

    def refuse(channel: Connection) -> int:
        folder.failure.write_text("Traceback\nValueError: width=-1\n")
        return 1

    run({broken: refuse}, tmp_path)
    assert broken.reason.endswith("Traceback\nValueError: width=-1") and "chatter" not in broken.reason


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_that_dies_of_a_signal_is_named_by_it_and_noted(tmp_path: Path, number: signal.Signals):
    crashing, healthy = job("crashing"), job("healthy", seed=1)
    folder = Store(tmp_path / "store").folder(crashing.work)  # type: ignore[arg-type]

    def crash(channel: Connection) -> int:
        folder.path.mkdir(parents=True)
        folder.log.write_text("about to crash\n")
        os.kill(os.getpid(), number)
        time.sleep(10)
        return 0

    run({crashing: crash, healthy: note(tmp_path, "healthy")}, tmp_path)
    assert (crashing.state, healthy.state) == ("failed", "done")
    assert crashing.reason == f"killed by signal {int(number)}; log: {folder.log}\nabout to crash"
    assert folder.state() == "failed"


def test_an_exception_that_nothing_catches_is_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    def explode(channel: Connection) -> int:
        raise RuntimeError("boom")

    broken = job("broken")
    run({broken: explode}, tmp_path)
    assert broken.state == "failed" and "RuntimeError: boom" in capfd.readouterr().err


def test_a_failure_of_generated_data_blocks_its_cells(tmp_path: Path):
    data = Job("data", "scenes", SCENES)
    cell = Job("cell", "cell", evaluation(), (data,))
    run({data: fail, cell: note(tmp_path, "cell")}, tmp_path)
    assert data.reason == "exit status 3" and cell.reason == "blocked by scenes (data)"


def test_a_child_does_not_run_its_parents_exit_handlers(tmp_path: Path):
    def leave(channel: Connection) -> int:
        sys.exit(0)

    leaving = job("leaving")
    run({leaving: leave}, tmp_path)
    assert leaving.state == "failed", "a cell that leaves without its record is not done"


def test_progress_reaches_the_parent(tmp_path: Path):
    shown: list[tuple[float, str]] = []
    training_job = job("training")

    def train(channel: Connection) -> int:
        channel.send({"epoch": 2, "epochs": 4, "done": 0.4, "loss": 1.25})
        time.sleep(0.6)
        return 0

    with pool({training_job: train}, tmp_path) as made:
        run_jobs(made, lambda jobs: shown.append((jobs[0].done, jobs[0].note)))
    assert (0.4, "epoch 2/4  loss 1.250") in shown
    assert training_job.done == 1.0


def test_a_cell_that_another_process_runs_is_tried_again_until_that_one_is_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pool_module, "RETRY_SEC", 0.05)

    def locked_twice(channel: Connection) -> int:
        with (tmp_path / "order").open("a") as file:
            file.write("tried\n")
        return LOCKED_STATUS if len(order(tmp_path)) < 3 else 0

    elsewhere, here = job("elsewhere"), job("here", seed=1)
    waits = job("waits", elsewhere)
    seen = run({elsewhere: locked_twice, waits: note(tmp_path, "waits"), here: note(tmp_path, "here")}, tmp_path)
    assert {elsewhere.state, waits.state, here.state} == {"done"}
    assert any(states[0] == "elsewhere" for states in seen)
    assert order(tmp_path).index("here") < 2, "its slot was not given to another job"
    assert order(tmp_path)[-1] == "waits"


def test_children_end_when_the_pool_closes(tmp_path: Path):
    with pool({job("sleeping"): sleeper(tmp_path)}, tmp_path) as made:
        made.start(made.jobs[0], 0)
        wait_for((tmp_path / "pid").exists, "the job did not start")
        child = int((tmp_path / "pid").read_text())
    wait_for(lambda: not alive(child), "the child outlives the pool")


def test_children_end_when_the_server_is_killed_and_the_parent_says_what_to_do(tmp_path: Path):
    made = Acting({job("sleeping"): sleeper(tmp_path)}, Store(tmp_path), slots=1)

    def kill_server(jobs: list[Job]) -> None:
        if (tmp_path / "pid").exists():
            os.kill(made.server, signal.SIGKILL)

    with pytest.raises(
        RuntimeError, match="the process that starts cells died; start the script again, it will resume"
    ):
        run_jobs(made, kill_server)
    made.close()
    child = int((tmp_path / "pid").read_text())
    wait_for(lambda: not alive(child), "the child outlives the server")


def test_server_and_children_end_when_the_parent_is_killed(tmp_path: Path):
    parent = os.fork()
    if parent == 0:
        made = Acting({job("sleeping"): sleeper(tmp_path)}, Store(tmp_path), slots=1)
        (tmp_path / "server").write_text(str(made.server))
        run_jobs(made, lambda jobs: None)
        os._exit(0)
    wait_for((tmp_path / "pid").exists, "the job did not start")
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    for name in ("pid", "server"):
        pid = int((tmp_path / name).read_text())
        wait_for(lambda pid=pid: not alive(pid), f"{name} outlives the script")


def test_an_interrupt_of_the_terminal_reaches_the_parent_alone(tmp_path: Path):
    """Ctrl-C goes to the whole group; children go on until the parent ends them."""
    slow = job("slow")

    def work(channel: Connection) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.2)
        return 0

    run({slow: work}, tmp_path)
    assert slow.state == "done"
