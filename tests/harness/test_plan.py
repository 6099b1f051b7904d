from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from experiments.harness.cell import Evaluation, Training
from experiments.harness.plan import Job, block_dependents, plan
from experiments.harness.store import Store
from tests.harness.fakes import SCENES, SOURCE, UNTRIMMED, evaluation, profile, training, wanted, write_results

LABELS = np.arange(8) % 4

PRETRAINING = "paper pre-training on source B (for Kinetics-700), tiny"


def finish(store: Store, cell: Evaluation) -> None:
    write_results(store, cell, np.eye(4)[LABELS], LABELS)


def finish_training(store: Store, cell: Training | Path | None) -> None:
    assert isinstance(cell, Training)
    store.folder(cell).write_record({})
    store.folder(cell).weights.write_bytes(b"weights")


def one_after_another(jobs: list[Job]) -> list[Job]:
    """Return the order in which a single slot runs the jobs: always the first whose needs are done."""
    done: list[Job] = []
    while len(done) < len(jobs):
        done.append(next(job for job in jobs if job not in done and all(need in done for need in job.needs)))
    return done


def test_every_piece_of_work_is_planned_once(tmp_path: Path):
    jobs = plan(wanted(), Store(tmp_path))
    assert len({job.key for job in jobs}) == len(jobs)
    assert sum(job.kind == "data" for job in jobs) == 3
    assert {job.work.name for job in jobs if job.kind == "data"} == {SCENES.name, UNTRIMMED.name, SOURCE.name}
    # two rows on two data sets with two seeds, and one pre-training for all of them
    assert sum(job.kind == "train" for job in jobs) == 9
    assert sum(job.kind == "test" for job in jobs) == 8


def test_the_shared_pretraining_is_one_job_that_all_trainings_need(tmp_path: Path):
    jobs = plan(wanted(), Store(tmp_path))
    pretraining = [job for job in jobs if job.kind == "train" and job.work.init is None]
    assert [job.label for job in pretraining] == [PRETRAINING]
    assert sum(pretraining[0] in job.needs for job in jobs) == 8


def test_pretrainings_per_seed_are_told_apart(tmp_path: Path):
    each = dataclasses.replace(profile().inits["source"], shared_by_seeds=False)
    made = {name: profile(inits={"source": each}) for name in ("smoke", "proxy", "paper")}
    labels = [job.label for job in plan(wanted(profiles=made), Store(tmp_path)) if "pre-training" in job.label]
    assert sorted(labels) == [PRETRAINING, f"{PRETRAINING} s1"]


def test_needs_are_the_data_and_what_a_cell_starts_from(tmp_path: Path):
    jobs = {job.key: job for job in plan(wanted(), Store(tmp_path))}
    cell = evaluation(column="U/Top-1")
    test, train = jobs[cell.fingerprint], jobs[cell.training.fingerprint]
    assert isinstance(cell.training.init, Training)
    assert {need.work for need in train.needs} == {UNTRIMMED, cell.training.init}
    assert {need.work for need in test.needs} == {UNTRIMMED, cell.training}
    assert {need.work for need in jobs[cell.training.init.fingerprint].needs} == {SOURCE}


def test_a_single_slot_makes_the_pretraining_first_and_tests_each_training_at_once(tmp_path: Path):
    order = one_after_another(plan(wanted(), Store(tmp_path)))
    assert [job.work for job in order[:2]] == [SOURCE, training().init]
    for before, job in zip(order, order[1:], strict=False):
        if job.kind == "test":
            assert before.work == job.work.training


def test_cells_of_the_first_seed_run_before_those_of_the_second(tmp_path: Path):
    order = [job for job in one_after_another(plan(wanted(), Store(tmp_path))) if job.kind == "test"]
    assert [job.work.training.seed for job in order] == [0] * 4 + [1] * 4


def test_finished_cells_are_not_planned_nor_what_only_they_need(tmp_path: Path):
    store = Store(tmp_path)
    cells = wanted()
    for cell in cells:
        finish(store, cell)
    assert plan(cells, store) == []
    cell = evaluation(row="wide", column="U/Top-1", seed=1)
    store.folder(cell).record_path.unlink()
    assert [(job.work, job.kind) for job in plan(cells, store)] == [(cell, "test"), (UNTRIMMED, "data")]
    store.folder(cell.training).record_path.unlink()
    assert {job.work for job in plan(cells, store)} == {UNTRIMMED, SOURCE, cell.training.init, cell.training, cell}


def test_a_finished_pretraining_is_not_run_for_new_cells(tmp_path: Path):
    store = Store(tmp_path)
    finish_training(store, training().init)
    works = {job.work for job in plan(wanted(), store)}
    assert training().init not in works and SOURCE not in works and training() in works


def test_tables_that_share_cells_run_them_once(tmp_path: Path):
    both = {**wanted(), **wanted(id="paper/table10")}
    assert len(plan(both, Store(tmp_path))) == len(plan(wanted(), Store(tmp_path)))


def test_a_failure_blocks_all_that_waits_for_it_and_says_by_what(tmp_path: Path):
    jobs = plan(wanted(seeds=(0,)), Store(tmp_path))
    pretraining = next(job for job in jobs if job.work == training().init)
    pretraining.state = "failed"
    block_dependents(jobs, pretraining)
    assert {job.kind for job in jobs if job.state == "waiting"} == {"data"}
    blocked = [job for job in jobs if job.state == "blocked"]
    assert len(blocked) == 8
    assert {job.reason for job in blocked if job.kind == "train"} == {f"blocked by {PRETRAINING} (train)"}
    test = next(job for job in blocked if job.kind == "test")
    assert test.reason == f"blocked by {test.label} (train)"


@pytest.mark.parametrize("state", ["done", "running", "failed"])
def test_a_failure_leaves_alone_what_no_longer_waits(state: str):
    failed = Job("a", "a", training(), state="failed")
    other = Job("b", "b", evaluation(), (failed,), state=state)  # type: ignore[arg-type]
    block_dependents([failed, other], failed)
    assert other.state == state


def test_weights_that_were_deleted_are_trained_again_where_something_needs_them(tmp_path: Path):
    store, cell = Store(tmp_path), evaluation()
    for lost in (cell.training, cell.training.init):
        finish_training(store, cell.training)
        finish_training(store, cell.training.init)
        store.folder(lost).weights.unlink()
        trainings = [job.work for job in plan({cell: "cell"}, store) if job.kind == "train"]
        assert trainings == ([lost] if lost is cell.training else [])
    store.folder(cell.training).weights.unlink()
    assert {job.work for job in plan({cell: "cell"}, store) if job.kind == "train"} == set(cell.training.lineage)
