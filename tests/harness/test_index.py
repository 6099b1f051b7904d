"""The index lists what is committed, and nothing else."""

import json
from pathlib import Path

from datamodules.synthetic.members import GENERATOR_VERSION
from datamodules.synthetic.stand_ins import STAND_INS
from experiments.harness.index import verdict_counts, word_counts, write_index

EVIDENCE = {
    "table": "paper/table9",
    "title": "Paper, Table 9: nothing at all",
    "profile": "proxy",
    "conditions": {"seeds": [0, 1, 2]},
    "claims": [
        {
            "id": "X01",
            "column": "S/Top-1",
            "better": "wide",
            "relation": ">",
            "worse": "plain",
            "margin": 0.0,
            "published": None,
            "ours": None,
            "verdict": verdict,
        }
        for verdict in ("reproduced", "undecided", "reproduced")
    ],
    "columns": [{"key": "S/Top-1", "title": "Top-1", "group": "S", "metric": "top1", "data": None}],
    "rows": [],
    "cells": [],
}
CALIBRATION = {
    "table": "paper/table9",
    "row": "plain",
    "generator_version": 7,
    "measured": [
        {
            "data": "scenes Z",
            "difficulty": 1.0,
            "chosen": False,
            "seeds": [0],
            "top1": dict(mean=90.0, low=85.0, high=94.0),
        },
        {
            "data": "scenes Z",
            "difficulty": 2.0,
            "chosen": True,
            "seeds": [0],
            "top1": dict(mean=61.5, low=55.0, high=67.0),
        },
    ],
}


def results(folder: Path) -> str:
    for name, value in (
        ("paper/table9.proxy", EVIDENCE),
        ("calibration/paper_table9", CALIBRATION),
        ("runs/table8.proxy", {"table": "a user's own run"}),
    ):
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    write_index(folder)
    return (folder / "README.md").read_text()


def test_a_committed_table_stands_with_its_seeds_verdicts_and_files(tmp_path: Path):
    line = next(line for line in results(tmp_path).splitlines() if "Table 9: nothing" in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:4] == ["proxy", "3", "2 reproduced, 1 undecided"]
    assert "[table](paper/table9.proxy.md)" in cells[4]


def test_a_users_own_runs_are_no_committed_tables(tmp_path: Path):
    assert "a user's own run" not in results(tmp_path)


def test_every_member_is_listed_with_the_generators_version(tmp_path: Path):
    page = results(tmp_path)
    assert f"Generator version {GENERATOR_VERSION}." in page
    assert all(member.name in page for member in STAND_INS.values())


def test_the_calibration_says_which_difficulty_was_chosen(tmp_path: Path):
    page = results(tmp_path)
    assert "### Calibration on paper/table9, row plain, generator version 7" in page
    assert "| scenes Z | 2 (chosen)" in page and "61.5 [55.0, 67.0]" in page


def test_a_table_without_claims_says_so():
    assert verdict_counts({"claims": []}) == "no claims"


def test_verdicts_are_listed_from_good_to_unknown():
    claims = [{"id": "X01", "verdict": verdict} for verdict in ("not run", "cited", "not reproduced", "reproduced")]
    assert verdict_counts({"claims": claims}) == "1 reproduced, 1 not reproduced, 1 cited, 1 not run"


def test_claims_on_costs_are_named():
    claims = [{"id": f"X0{i}", "verdict": "reproduced", **({"costs": [2.0, 1.0]} if i else {})} for i in range(3)]
    claims.append({"id": "XA1", "verdict": "not reproduced", "costs": [1.0, 2.0]})
    said = "3 reproduced (2 of costs); own comparisons: 1 not reproduced (1 of costs)"
    assert verdict_counts({"claims": claims}) == said


def test_comparisons_of_our_own_are_no_claims_of_the_paper():
    claims = [{"id": "L05", "verdict": "reproduced"}, {"id": "LA5", "verdict": "not reproduced"}]
    assert verdict_counts({"claims": claims}) == "1 reproduced; own comparisons: 1 not reproduced"
    assert word_counts({"claims": claims})["not reproduced"] == 0
    assert verdict_counts({"claims": claims[1:]}) == "no claims; own comparisons: 1 not reproduced"
