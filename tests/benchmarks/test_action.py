"""The page of ACTION-Net's speed is that of its record, and says whether the aim is met."""

from __future__ import annotations

import json

from experiments.benchmarks.action import AIM, LITERAL, OURS, TSN, markdown
from experiments.harness.store import REPOSITORY


def run(times: float) -> dict:
    rows = [{"name": OURS, "median_ms": 100.0, "over_ours": 1.0, "over_tsn": 1.26},
            {"name": LITERAL, "median_ms": 100 * times, "over_ours": times, "over_tsn": 1.26 * times},
            {"name": TSN, "median_ms": 79.0, "over_ours": 0.79, "over_tsn": 1.0}]  # fmt: skip
    return {"threads": 1, "clock": "CPU time", "turns": 5, "networks": rows}


def test_the_page_says_of_each_run_whether_the_aim_is_met():
    found = {"step": "a step", "hardware": "abacus", "versions": {"torch": "3"}, "agreement": {}}
    page = markdown(found | {"runs": [run(AIM), run(AIM - 0.01)]})
    assert page.count("(aim: 1.5, met)") == page.count("(aim: 1.5, missed)") == 1
    assert page.count("overhead over TSN: 26 %") == 2


def test_the_committed_page_is_that_of_its_record():
    folder = REPOSITORY / "results/benchmarks"
    assert (folder / "action.md").read_text() == markdown(json.loads((folder / "action.json").read_text()))
