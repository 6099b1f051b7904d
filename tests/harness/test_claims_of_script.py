"""Evidence that is rendered again has the claims that its script makes now, judged by what was measured then."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from experiments.harness.claims import with_claims_of_script
from experiments.harness.evidence import gather
from experiments.harness.spec import Claim
from tests.harness.fakes import table
from tests.harness.test_evidence import filled

COSTS = {"plain": 2.0, "wide": 3.5}
KEPT = Claim("X1", "wide", ">", "plain", columns=("S/Top-1",))
COST = Claim("X2", "wide", "~", "plain", columns=("Param. (M)",), margin=1.0)


def costs(row: Any, column: Any) -> float:
    return COSTS[row.label]


def claims_of(evidence: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(claim["id"], claim["text"], claim["verdict"]) for claim in evidence["claims"]]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return gather(filled(tmp_path_factory.mktemp("store"), table(claims=(KEPT, COST))), costs)


def test_with_the_same_script_nothing_changes(evidence: dict[str, Any]):
    assert with_claims_of_script(evidence, table(claims=(KEPT, COST)), costs) == evidence


def test_a_new_claim_is_not_run_a_changed_bound_is_judged_and_a_dropped_claim_goes(evidence: dict[str, Any]):
    assert [verdict for _, _, verdict in claims_of(evidence)] == ["reproduced", "not reproduced"]
    new = Claim("XA1", "plain", ">", "wide", columns=("S/Top-1",))
    changed = with_claims_of_script(evidence, table(claims=(new, dataclasses.replace(COST, margin=2.0), KEPT)), costs)
    assert claims_of(changed) == [
        ("XA1", "plain > wide", "not run"), ("X2", "wide ~ plain", "reproduced"), ("X1", "wide > plain", "reproduced"),
    ]  # fmt: skip
    assert changed["claims"][2] == evidence["claims"][0], "judged by what was measured then"
    assert claims_of(with_claims_of_script(evidence, table(claims=(COST,)), costs)) == claims_of(evidence)[1:]


def test_a_users_own_data_has_no_claims(evidence: dict[str, Any]):
    own = {**evidence, "claims": [], "conditions": {**evidence["conditions"], "own_data": "mine"}}
    assert with_claims_of_script(own, table(claims=(KEPT,)), costs)["claims"] == []
