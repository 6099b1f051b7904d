"""What says whether a table's verdicts can be trusted, from its evidence alone: A/A controls, and rows at chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.harness.spec import Table
from experiments.harness.statistics import a_a_control
from experiments.harness.verdicts import verdict

SIGNIFICANT_DIGITS = 6
BLIND = 10.0  # percent points; a control that could not have seen less tests no verdict of ours
ANSWERS = {"reproduced": "yes", "not reproduced": "no"}  # to a question of our own
AT_CHANCE = "at chance"  # one of the two rows, which then says nothing of the other


def with_controls(evidence: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return evidence with its A/A controls, and the answers to the table's own questions.

    Both follow from the values in it, so that evidence which another version of this code wrote gets today's.
    """
    claims = evidence["claims"]
    if table.questions:
        claims = [{**claim, "answer": _answer(claim, evidence)} for claim in claims]
    controls = {**evidence["controls"], "a_a": rounded(_a_a(evidence, table.control_row.label))}
    return {**evidence, "claims": claims, "controls": controls}


def remarks_on_controls(a_a: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what follows for a table's verdicts from A/A controls that came out decided, or could not have."""
    decided = [
        f"{c['column'].replace('/', ' ')}: the seeds of {c['row']} differ from each other by {abs(c['mean']):.1f} "
        "points, which the control takes for a difference. Verdicts on differences that are no larger may be chance."
        for c in a_a
        if c["verdict"] != "undecided"
    ]
    halves = {c["column"].replace("/", " "): (c["high"] - c["low"]) / 2 for c in a_a if c["verdict"] == "undecided"}
    blind = ", ".join(f"{half:.0f} on {column}" for column, half in halves.items() if half >= BLIND)
    if not blind:
        return decided
    return [*decided, "So few seeds, in two halves, show no difference below this many points, and are no test of "
                      f"verdicts on smaller ones: {blind}."]  # fmt: skip


def _a_a(evidence: Mapping[str, Any], label: str) -> list[dict[str, Any]]:
    """Compare the halves of the control row's seeds, on every column where it has three or more."""
    found = []
    for column in evidence["columns"]:
        ours = _ours(evidence, label, column["key"])
        if ours is not None and len(ours.get("seeds", ())) >= 3:
            difference = a_a_control(dict(zip(ours["seeds"], ours["per_seed"], strict=True)), ours["num_videos"])
            control = {"column": column["key"], "row": label, **dataclasses.asdict(difference)}
            found.append({**control, "verdict": verdict(difference, ">")})
    return found


def _answer(claim: Mapping[str, Any], evidence: Mapping[str, Any]) -> str:
    """Return the answer to a question; where one of its rows is no better than guessing, that is the answer."""
    chance = _chance(evidence, claim["column"])
    values = [_ours(evidence, claim[side], claim["column"]) for side in ("better", "worse")]
    if claim["ours"] and chance is not None and any(one and one["low"] <= chance for one in values):
        return AT_CHANCE
    return ANSWERS.get(claim["verdict"], claim["verdict"])


def _chance(evidence: Mapping[str, Any], key: str) -> float | None:
    """Return the accuracy of guessing, in percent, on a column's data; None where that is not known."""
    column = next(column for column in evidence["columns"] if column["key"] == key)
    cells = [cell for cell in evidence["cells"] if key in cell["columns"]]
    if column["metric"] not in ("top1", "mean_class_acc") or not cells:
        return None
    return 100 / evidence["arguments"][cells[0]["arguments"]]["training"]["num_classes"]


def _ours(evidence: Mapping[str, Any], label: str, key: str) -> Mapping[str, Any] | None:
    index = [column["key"] for column in evidence["columns"]].index(key)
    return next((row["ours"][index] for row in evidence["rows"] if row["label"] == label), None)


def rounded(value: Any) -> Any:
    """Round every float to the digits that mean something, so that the file does not depend on the last bit."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value
