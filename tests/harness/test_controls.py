"""What says whether verdicts can be trusted follows from the evidence alone, also from another version's."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from experiments.harness.controls import remarks_on_controls, with_controls
from experiments.harness.evidence import gather
from experiments.harness.render import to_json, to_markdown
from experiments.harness.spec import Claim
from tests.harness.fakes import table
from tests.harness.test_evidence import filled

ASKED = table(
    questions=True,
    rows=tuple(dataclasses.replace(row, published=(None,) * 4) for row in table().rows if not row.cited),
    claims=(Claim("Q1", "wide", ">", "plain", columns=("S/Top-1",)),),
)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return gather(filled(tmp_path_factory.mktemp("store"), ASKED), lambda row, column: 1.0)


def test_evidence_of_another_version_gets_todays_controls_and_answers(evidence: dict[str, Any]):
    old = copy.deepcopy(evidence)
    old["controls"]["a_a"] = [{"column": "S/Top-1", "row": "plain", "verdict": "not reproduced"}]
    old["claims"][0]["answer"] = "perhaps"
    assert to_json(with_controls(old, ASKED)) == to_json(evidence)


def test_a_question_about_a_row_at_chance_has_no_other_answer(evidence: dict[str, Any]):
    """Four classes: guessing is right one time in four."""
    found = copy.deepcopy(evidence)
    assert found["claims"][0]["answer"] in ("yes", "no", "undecided")
    for low, answer in ((24.0, "at chance"), (25.5, evidence["claims"][0]["answer"])):
        found["rows"][0]["ours"][0]["low"] = low
        assert with_controls(found, ASKED)["claims"][0]["answer"] == answer
    assert "answer" not in with_controls({**found, "claims": []}, table())


def test_a_page_says_what_a_decided_control_means(tmp_path: Path, evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    assert not any("differ from each other" in said for said in remarks_on_controls(found["controls"]["a_a"]))
    found["rows"][0]["ours"][0]["per_seed"] = [10.0, 80.0, 80.0]
    page = to_markdown(with_controls(found, ASKED))
    assert "S Top-1: the seeds of plain differ from each other by 70.0 points" in page
    assert "differ from each other" not in to_markdown(evidence)


def test_a_control_that_could_not_have_seen_a_difference_is_said_to_be_none():
    def control(column: str, half: float, verdict: str = "undecided") -> dict[str, Any]:
        return dict(column=column, row="plain", mean=1.0, low=1 - half, high=1 + half, verdict=verdict)

    assert remarks_on_controls([control("S/Top-1", 9.9)]) == []
    [said] = remarks_on_controls([control("S/Top-1", 22.4), control("U/Top-1", 3.0), control("V/Top-5", 10.0)])
    assert "no difference below this many points" in said and said.endswith(": 22 on S Top-1, 10 on V Top-5.")
    both = remarks_on_controls([control("S/Top-1", 22.4), control("U/Top-1", 0.5, "not reproduced")])
    assert len(both) == 2 and "differ from each other" in both[0]
