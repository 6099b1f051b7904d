"""Which finished cells were made by older code, and forgetting them so that they run again."""

from __future__ import annotations

from collections.abc import Iterable

from experiments.harness.cell import Evaluation, Training
from experiments.harness.provenance import export_hash, source_hash
from experiments.harness.store import Store


def made_by_older_code(training: Training, store: Store) -> bool:
    """Say whether this training, or one that it started from, has a record made by other sources than today's."""
    return any(_outdated(step, store) for step in training.lineage)


def scored_by_older_code(evaluation: Evaluation, store: Store) -> bool:
    """Say whether an evaluation's scores were computed by other sources than today's, or by another export."""
    record = store.folder(evaluation).record()
    if record is None:
        return False
    exported = evaluation.runtime != "torch" and record.get("export_sources", export_hash()) != export_hash()
    return exported or record["sources"] != source_hash(evaluation.training.module.cls, evaluation.training.data.cls)


def forget(evaluations: Iterable[Evaluation], store: Store, *, only_stale: bool) -> None:
    """Remove the records of evaluations and of the trainings behind them, so that they run again.

    Args:
        evaluations: the cells wanted.
        store: where their records are.
        only_stale: only what older code made, and all that builds on it.
    """
    for evaluation in list(evaluations):
        again = not only_stale
        for step in evaluation.training.lineage:
            # Missing means forgotten a moment ago for another evaluation: what builds on it must go too.
            again = again or _outdated(step, store) or not store.folder(step).record_path.exists()
            if again:
                _remove(step, store)
        if again or scored_by_older_code(evaluation, store):
            _remove(evaluation, store)


def _outdated(training: Training, store: Store) -> bool:
    record = store.folder(training).record()
    return record is not None and record["sources"] != source_hash(training.module.cls, training.data.cls)


def _remove(cell: Training | Evaluation, store: Store) -> None:
    folder = store.folder(cell)
    for path in (folder.record_path, folder.last):
        path.unlink(missing_ok=True)
