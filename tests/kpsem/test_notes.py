"""What the notes below KPSEM's tables say of committed results is so."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean
from typing import Any

from experiments import kpsem_table1
from experiments.harness.evidence_file import read_evidence
from experiments.harness.store import REPOSITORY
from experiments.kpsem_profiles import BASELINE, OURS

WITHOUT_GRADIENT = "no gradient by eq. (9)"


def evidence(table: str) -> dict[str, Any]:
    return read_evidence(REPOSITORY / "results" / "kpsem" / f"{table}.proxy.json")


def last_losses(found: dict[str, Any]) -> dict[tuple[str, str], float]:
    """Return the last training loss, mean over the seeds, by data set and row."""
    losses = defaultdict(list)
    for cell in found["cells"]:
        for row in cell["rows"]:
            losses[cell["data"], row].append(cell["curves"]["train/loss"][-1][1])
    return {key: mean(values) for key, values in losses.items()}


def test_table_1_says_what_training_losses_show():
    assert any("ends with a higher training loss than MFNet on every" in note for note in kpsem_table1.TABLE.notes)
    losses = last_losses(evidence("table1"))
    data = {name for name, _ in losses}
    assert len(data) == 8, "two data sets of three splits, two of one"
    assert all(losses[name, OURS] > losses[name, BASELINE] for name in data)
    ablations = evidence("table2")
    losses = {row: loss for (_, row), loss in last_losses(ablations).items()}
    assert losses[WITHOUT_GRADIENT] < losses[BASELINE] < losses[OURS]
    top1 = {row["label"]: row["ours"][0]["mean"] for row in ablations["rows"]}
    assert top1[WITHOUT_GRADIENT] <= top1[BASELINE]
