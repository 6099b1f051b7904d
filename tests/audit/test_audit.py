"""Claims and evidence are joined: a claim fails by one column, waits where nothing was run, and says what it needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.audit.audit import (
    MEANING,
    Results,
    audit,
    count_verdicts,
    count_withstanding,
    own_questions,
    read_results,
)
from experiments.audit.published import published_claims
from experiments.harness.index import VERDICTS
from experiments.report.summary import COLOURS


def entry(verdict: str, claim: str = "L26", ours: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "id": claim, "verdict": verdict, "ours": ours, "relation": ">", "margin": 0.0, "published": None, **changed
    }  # fmt: skip


def results(*entries: dict[str, Any]) -> Results:
    return Results(((Path("results/ligar/table3.proxy.json"), {"claims": list(entries)}),), ())


def verdict_of(claim: str, found: Results) -> str:
    return next(one.verdict for one in audit(found) if one.claim.id == claim)


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([], "not run"),
        (["not run", "not run"], "not run"),
        (["cited"], "cited"),
        (["reproduced", "not run"], "undecided"),
        (["reproduced", "undecided"], "undecided"),
        (["reproduced", "not reproduced", "undecided"], "not reproduced"),
    ],
)
def test_a_claim_is_as_good_as_the_worst_column_that_was_run(verdicts: list[str], together: str):
    assert verdict_of("L26", results(*map(entry, verdicts))) == together


def test_a_claim_about_a_figure_is_not_judged_once_the_figure_is_drawn_and_not_run_before():
    drawn = Results((), (), ("kpsem/figure9.proxy", "ms3d/figure_graph.proxy"))
    found = {one.claim.id: one for one in audit(drawn)}
    assert (found["K30"].verdict, found["K30"].pictures) == ("not judged", ("kpsem/figure9.proxy",))
    assert (found["K22"].verdict, found["K22"].pictures) == ("not run", ())
    assert count_verdicts(audit(drawn))["not judged"] == 2, "and one is about private videos"
    judged = Results(results(entry("undecided", "K30")).tables, (), drawn.pictures)
    assert verdict_of("K30", judged) == "undecided", "a table's verdict stands above"


def test_a_claim_on_videos_that_nobody_has_is_not_judged_and_says_why():
    found = next(one for one in audit(results()) if one.claim.id == "M16")
    assert found.verdict == "not judged" and not found.findings and "private" in found.claim.note


def test_pictures_are_found_beside_the_evidence(tmp_path: Path):
    (tmp_path / "kpsem").mkdir()
    for name in ("figure9.proxy.png", "figure9.proxy.csv", "table2.proxy.png"):
        (tmp_path / "kpsem" / name).touch()
    assert read_results(tmp_path).pictures == ("kpsem/figure9.proxy", "kpsem/table2.proxy")


def test_each_verdict_has_a_meaning_and_a_colour():
    assert list(MEANING) == list(VERDICTS) == list(COLOURS)


def test_all_claims_are_counted_whether_run_or_not():
    counts = count_verdicts(audit(results(entry("reproduced"), entry("undecided", "L27"))))
    assert counts == {
        "reproduced": 1, "not reproduced": 0, "undecided": 1, "cited": 0, "not judged": 1,
        "not run": len(published_claims()) - 3,
    }  # fmt: skip


def test_questions_of_our_own_are_kept_apart():
    found = results(entry("reproduced"), entry("undecided", "LA5"))
    assert list(own_questions(found)) == ["LA5"]
    assert [one.page for one in own_questions(found)["LA5"]] == ["ligar/table3.proxy"]


def test_an_undecided_claim_says_what_would_decide_it():
    ours = {"mean": 1.0, "seed_sd": 0.8, "video_sd": 0.1, "seeds": [0, 1, 2], "num_videos": 400, "p_value": 0.2}
    one = next(one for one in audit(results(entry("undecided", ours=ours))) if one.claim.id == "L26")
    assert str(one.findings[0].needed).endswith("seeds")
    decided = next(one for one in audit(results(entry("reproduced", ours=ours))) if one.claim.id == "L26")
    assert decided.findings[0].needed is None


def test_verdicts_are_corrected_over_all_comparisons_of_their_paper():
    """Holm: 0.01 of three, 0.02 of two, 0.2; another paper's comparisons and claims of equality count nothing."""
    found = results(
        entry("reproduced", "L26", {"p_value": 0.01}), entry("reproduced", "L27", {"p_value": 0.02}),
        entry("undecided", "L27", {"p_value": 0.2}), entry("reproduced", "L40", {"p_value": 0.0}, relation="~"),
        entry("not reproduced", "K12", {"p_value": 0.04}),
    )  # fmt: skip
    by_id = {one.claim.id: one for one in audit(found)}
    assert [f.p_paper for f in by_id["L26"].findings] == [pytest.approx(0.03)]
    assert [f.p_paper for f in by_id["L27"].findings] == pytest.approx([0.04, 0.2])
    assert by_id["L40"].findings[0].p_paper is None and by_id["K12"].findings[0].p_paper == pytest.approx(0.04)
    assert by_id["L26"].withstands is True and by_id["K12"].withstands is True
    assert by_id["L27"].withstands is None, "it is undecided"
    assert by_id["L40"].withstands is None and by_id["L28"].withstands is None
    assert count_withstanding(by_id.values()) == {"tested": 2, "withstand": 2}


def test_a_reproduced_claim_withstands_with_all_its_parts_and_a_refuted_one_with_its_worst():
    parts = [entry("reproduced", "L26", {"p_value": p}) for p in (0.0001, 0.04)]
    weak = next(one for one in audit(results(*parts, entry("undecided", "L27", {"p_value": 0.5}))) if one.findings)
    assert weak.withstands is False
    parts = [entry("not reproduced", "L26", {"p_value": p}) for p in (0.0001, 0.04)]
    strong = next(one for one in audit(results(*parts, entry("undecided", "L27", {"p_value": 0.5}))) if one.findings)
    assert strong.withstands is True


@pytest.mark.parametrize(
    ("relation", "margin", "difference", "against"),
    [(">", 0.0, 1.0, False), (">", 0.0, -0.1, True), ("~", 1.0, 0.8, False), ("~", 1.0, -1.2, True)],
)
def test_published_values_may_contradict_the_words(relation: str, margin: float, difference: float, against: bool):
    one = entry("undecided", relation=relation, margin=margin, published={"difference": difference, "noise": None})
    assert next(found for found in audit(results(one)) if found.findings).against is against


def test_a_damaged_file_is_named_and_the_rest_is_read(tmp_path: Path):
    good = {"table": "ligar/table3", "title": "", "profile": "proxy", "conditions": {"seeds": []}, "columns": [],
            "rows": [], "claims": [], "cells": []}  # fmt: skip
    (tmp_path / "ligar").mkdir()
    (tmp_path / "ligar/table3.proxy.json").write_text(json.dumps(good))
    (tmp_path / "ligar/table4.proxy.json").write_text("{")
    found = read_results(tmp_path)
    assert [path.name for path, _ in found.tables] == ["table3.proxy.json"]
    assert [path.name for path, _ in found.broken] == ["table4.proxy.json"] and "damaged" in found.broken[0][1]
