"""Tests that share their frames: the same scores as alone, each video read once, failures kept apart."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.base import ClipDataModule
from datamodules.video import UndecodableVideoError
from experiments.harness.cell import Options
from experiments.harness.plan import block_dependents, plan
from experiments.harness.resolve import control, evaluation
from experiments.harness.runner import run
from experiments.harness.shared_tests import SharedTests, shared
from experiments.harness.store import Store
from experiments.harness.together import run_together
from experiments.vipriors_settings import LABELS
from experiments.vipriors_table3 import TABLE
from experiments.vipriors_table4 import TABLE as ON_BOTH_SPLITS
from tests.tiny_cells import runtime, save_lively_weights

IDS = (1, 5, 16, 20, 12)  # frames, residual frames and TSM; both intervals; random crops and playback

pytestmark = pytest.mark.usefixtures("benchmark_cache")


def cells(table=TABLE, ids=IDS, seed: int = 0, column: int = 0):
    options = Options(profile="smoke", seeds=(seed,), init_checkpoint="none")
    return [evaluation(table, table.row(LABELS[i]), table.columns[column], seed, options) for i in ids]


def pretend_trained(evaluations, store: Store) -> None:
    for training in {cell.training for cell in evaluations}:
        save_lively_weights(training, store)
        store.folder(training).write_record({"kind": "training"})


class Counting:
    """Count what is read of each video; some of them are broken."""

    def __init__(self, reader, broken=()) -> None:
        self.reader, self.broken, self.reads = reader, broken, []

    def read(self, index, choose):
        self.reads.append(index)
        if index in self.broken:
            raise UndecodableVideoError(f"{index}.mp4", "no frame")
        return self.reader.read(index, choose)


def test_together_they_score_as_alone_and_read_each_video_once(tmp_path, monkeypatch):
    tests = cells()
    tests.append(control(tests[0], "shuffled"))
    alone, together = runtime(tmp_path / "alone"), runtime(tmp_path / "together")
    pretend_trained(tests, alone.store)
    pretend_trained(tests, together.store)
    readers = []
    original = ClipDataModule.subset

    def subset(self, name):
        videos, reader = original(self, name)
        readers.append(Counting(reader, broken=(2,)))
        return videos, readers[-1]

    monkeypatch.setattr(ClipDataModule, "subset", subset)
    records = [run(cell, alone) for cell in tests]
    reads_alone = sum(len(reader.reads) for reader in readers)
    readers.clear()
    [group] = shared(tests)
    run_together(group, together)
    reads = [position for reader in readers for position in reader.reads]
    assert sorted(reads) == list(range(4)) and reads_alone == len(tests) * 4
    for cell, record in zip(tests, records, strict=True):
        first, second = (where.store.folder(cell) for where in (alone, together))
        one, other = first.load_scores(), second.load_scores()
        np.testing.assert_allclose(other["scores"], one["scores"], rtol=1e-4, atol=1e-5)
        assert (other["ids"] == one["ids"]).all() and np.isnan(other["scores"][2]).all()
        own = second.record()
        assert own is not None and own.keys() == record.keys()
        for name in ("metrics", "arguments", "fingerprint", "sources", "num_test_videos", "undecodable_test_videos"):
            assert own[name] == pytest.approx(record[name]) if name == "metrics" else own[name] == record[name], name


def test_what_is_finished_is_left_and_what_has_no_training_is_not_run(tmp_path):
    tests, where = cells(ids=(1, 3, 10)), runtime(tmp_path)
    pretend_trained(tests[:2], where.store)
    run(tests[0], where)
    before = where.store.folder(tests[0]).record_path.stat().st_mtime_ns
    run_together(SharedTests(evaluations=tuple(tests)), where)
    assert [where.store.finished(cell) for cell in tests] == [True, True, False]
    assert where.store.folder(tests[0]).record_path.stat().st_mtime_ns == before


def test_splits_seeds_and_other_papers_are_kept_apart():
    both = cells(ON_BOTH_SPLITS, column=0) + cells(ON_BOTH_SPLITS, column=1) + cells(seed=1)
    groups = shared(both)
    assert sorted(len(group.evaluations) for group in groups) == [5, 5, 5]
    assert {cell.training.seed for cell in groups[0].evaluations} == {0}
    assert len({group.fingerprint for group in groups}) == 3 and shared(cells(ids=(1,))) == []


def test_the_plan_has_one_job_for_them_which_a_failed_training_does_not_block(tmp_path):
    tests = cells()
    jobs = plan({cell: f"test {i}" for i, cell in enumerate(tests)}, Store(tmp_path))
    [group] = [job for job in jobs if isinstance(job.work, SharedTests)]
    trainings = [job for job in jobs if job.kind == "train"]
    assert group.kind == "test" and group.label == "test 0 and 4 more" and len(trainings) == 3
    assert {*trainings} <= {*group.needs} and {cell.fingerprint for cell in tests} < group.makes
    for number, failed in enumerate(trainings, start=1):
        failed.state = "failed"
        block_dependents(jobs, failed)
        assert group.state == ("blocked" if number == 3 else "waiting") and failed not in group.needs[: 3 - number]
    assert group.work.evaluations == ()
