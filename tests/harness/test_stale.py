"""What older code made is recognised through all it started from, and forgotten with all that builds on it."""

from pathlib import Path

import pytest

from experiments.harness.cell import Training
from experiments.harness.plan import plan
from experiments.harness.provenance import source_hash
from experiments.harness.stale import forget, made_by_older_code, scored_by_older_code
from experiments.harness.store import Store
from tests.harness.fakes import evaluation, training, wanted

CELL = evaluation()
PRETRAINING = CELL.training.init


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store in which every cell is finished, by today's code."""
    found = Store(tmp_path)
    for job in plan(wanted(), found):
        if job.kind != "data":
            made_with = job.work if isinstance(job.work, Training) else job.work.training
            found.folder(job.work).write_record({"sources": source_hash(made_with.module.cls, made_with.data.cls)})
            found.folder(job.work).weights.write_bytes(b"weights")
    return found


def finished(store: Store) -> set:
    """Return which of the wanted evaluations and the trainings behind them have a record."""
    cells = {cell for test in wanted() for cell in (test, *test.training.lineage)}
    return {cell for cell in cells if store.folder(cell).record_path.exists()}


def spoil(store: Store, cell: Training) -> None:
    store.folder(cell).write_record({"sources": "another"})


def test_the_lineage_ends_with_the_training_itself():
    assert CELL.training.lineage == (PRETRAINING, CELL.training)
    assert PRETRAINING.lineage == (PRETRAINING,)


def test_a_pretraining_by_older_code_makes_what_started_from_it_old(store: Store):
    assert not made_by_older_code(CELL.training, store)
    spoil(store, PRETRAINING)
    assert made_by_older_code(CELL.training, store)


def test_nothing_is_forgotten_while_the_code_is_todays(store: Store):
    before = finished(store)
    forget(wanted(), store, only_stale=True)
    assert finished(store) == before and plan(wanted(), store) == []


def test_an_old_training_is_forgotten_with_its_evaluations_alone(store: Store):
    before = finished(store)
    spoil(store, CELL.training)
    forget(wanted(), store, only_stale=True)
    gone = before - finished(store)
    assert CELL.training in gone and CELL in gone and PRETRAINING not in gone
    assert gone == {CELL.training, *(test for test in wanted() if test.training == CELL.training)}


def test_an_old_pretraining_is_forgotten_with_all_that_builds_on_it(store: Store):
    spoil(store, PRETRAINING)
    forget(wanted(), store, only_stale=True)
    left = {cell for cell in finished(store) if PRETRAINING in getattr(cell, "training", cell).lineage}
    assert left == set()


def test_all_means_all(store: Store):
    forget(wanted(), store, only_stale=False)
    assert finished(store) == set()


def test_a_training_that_goes_on_from_an_old_epoch_starts_afresh(store: Store):
    folder = store.folder(training())
    folder.last.write_bytes(b"half a training")
    spoil(store, training())
    forget(wanted(), store, only_stale=True)
    assert not folder.last.exists()


def test_a_test_by_older_code_is_forgotten_alone(store: Store):
    """Its training was run again by today's code, for another table."""
    before = finished(store)
    assert not scored_by_older_code(CELL, store)
    store.folder(CELL).write_record({"sources": "another"})
    assert scored_by_older_code(CELL, store) and not made_by_older_code(CELL.training, store)
    forget(wanted(), store, only_stale=True)
    assert before - finished(store) == {CELL}
