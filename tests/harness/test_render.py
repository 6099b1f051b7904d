from __future__ import annotations

import copy
import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest

from experiments.harness.draw import _rows_on, _where
from experiments.harness.evidence import gather
from experiments.harness.evidence_file import read_evidence
from experiments.harness.index import NO_TABLES
from experiments.harness.markdown import DASH, markdown_table
from experiments.harness.render import means, table_cells, to_csv, to_json, to_markdown, value
from experiments.harness.render_claims import _verdict, p_text
from experiments.harness.store import REPOSITORY
from tests.harness.fakes import table
from tests.harness.test_evidence import filled, unfilled

COMMITTED = sorted(path for path in (REPOSITORY / "results").glob("*/*.json") if path.parent.name not in NO_TABLES)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return gather(filled(tmp_path_factory.mktemp("store"), controls=True), lambda row, column: 4.5067)


def changed(evidence: dict[str, Any], **conditions: Any) -> dict[str, Any]:
    found = copy.deepcopy(evidence)
    found["conditions"].update(conditions)
    return found


def grid(page: str, first: str, number: int = 0) -> list[list[str]]:
    """Return the cells of a Markdown table whose head starts with ``first``: the first of them, or a later one."""
    lines = page.splitlines()
    start = [i for i, line in enumerate(lines) if line.startswith(f"| {first}")][number]
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.replace("\\|", "\0").strip("|").split("|")])
    return [rows[0], *rows[2:]]


def test_the_same_evidence_gives_the_same_page_also_after_its_file(evidence: dict[str, Any]):
    again = json.loads(to_json(evidence))
    assert to_markdown(again) == to_markdown(evidence)
    assert to_csv(again) == to_csv(evidence)
    reordered = dict(reversed(list(evidence.items())))
    assert (to_markdown(reordered), to_json(reordered)) == (to_markdown(evidence), to_json(evidence))


def test_published_and_our_value_stand_side_by_side(evidence: dict[str, Any]):
    head, plain, _, quoted = grid(to_markdown(evidence), "Method")
    assert head[:3] == ["Method", "Top-1 published", "Top-1 ours"]
    mean, low, high = (evidence["rows"][0]["ours"][0][key] for key in ("mean", "low", "high"))
    assert plain[:3] == ["plain", "70.0", f"{mean:.1f} [{low:.1f}, {high:.1f}]"]
    assert quoted == ["quoted", "73", DASH, DASH, DASH]


def test_each_data_set_and_the_costs_have_a_table_of_their_own(evidence: dict[str, Any]):
    page = to_markdown(evidence)
    groups = list(dict.fromkeys(column["group"] for column in evidence["columns"]))
    assert [line for line in page.splitlines() if line.startswith("**S**")] == [
        "**S**, replaced by the member *scenes A (for UCF-101), tiny*"
    ]
    costs = grid(page, "Method", groups.index(""))
    assert costs[0] == ["Method", "Param. (M) published", "Param. (M) ours"], "parameters are counted by no rule"
    assert costs[2] == ["wide", "2.4", "4.51"]
    assert costs[3] == ["quoted", "4", DASH]


def test_an_operation_count_names_its_rule(evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    found["columns"][-1].update(metric="gmacs", rule="fvcore", title="GMACs")
    assert "GMACs (fvcore rule) ours" in to_markdown(found)


def test_real_data_whose_column_is_named_otherwise_are_no_member(evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    for column in found["columns"]:
        column["member"] = False
    assert "replaced by the member" not in to_markdown(found)


@pytest.mark.parametrize(
    ("profile", "own_data", "title"),
    [
        ("paper", None, "the paper's data"),
        ("proxy", None, "ours on the embedded benchmark"),
        ("paper", "mine", "your own data set (mine)"),
        ("proxy", "mine", "your own data set (mine)"),
    ],
)
def test_a_picture_says_whose_videos_it_shows(evidence: dict[str, Any], profile: str, own_data: str | None, title: str):
    assert _where({**changed(evidence, own_data=own_data), "profile": profile}) == title


def test_a_cell_that_two_rows_share_stands_under_both(evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    alone = [cell for cell in found["cells"] if cell["rows"] == ["plain"]]
    for cell in alone:
        cell["rows"].append("plain again")
    lines = {row[1]: row[2:] for row in grid(to_markdown(found), "On")}
    assert lines["plain again"] == lines["plain"]


def test_a_missing_cell_is_a_dash(tmp_path: Path):
    page = to_markdown(gather(unfilled(tmp_path)))
    assert [row[2] for row in grid(page, "Method")[1:]] == [DASH] * 3
    for claim in grid(page, "Claim")[1:]:
        assert claim[4:] == [DASH, DASH, DASH, "**not run**"]


def test_a_row_without_a_value_on_a_data_set_is_not_listed_there(evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    on_costs = [i for i, column in enumerate(found["columns"]) if column["group"] == ""]
    for index in range(len(found["columns"])):
        if index not in on_costs:
            found["rows"][1]["ours"][index] = found["rows"][1]["published"][index] = None
    page = to_markdown(found)
    groups = list(dict.fromkeys(column["group"] for column in found["columns"]))
    assert [row[0] for row in grid(page, "Method", groups.index(""))[1:]] == ["plain", "wide", "quoted"]
    assert [row[0] for row in grid(page, "Method", groups.index("S"))[1:]] == ["plain", "quoted"]
    assert "Not run:" not in page
    for index in on_costs:
        found["rows"][1]["ours"][index] = found["rows"][1]["published"][index] = None
    assert "Not run: wide." in to_markdown(found)


def test_a_column_without_published_values_has_no_room_for_them(evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    for row in found["rows"]:
        row["published"][0] = None
    assert grid(to_markdown(found), "Method")[0][1] == "Top-1 ours"


@pytest.mark.parametrize("difference", [-0.07, 0.07])
def test_a_verdict_against_the_published_numbers_says_whose_words_it_is_about(difference: float):
    claim = {"verdict": "reproduced", "relation": ">", "published": {"difference": difference}}
    said = _verdict(claim)
    if difference > 0:
        assert said == "**reproduced**"
    else:
        assert said == "the words: **reproduced**; the published numbers contradict them"
        assert _verdict({**claim, "verdict": "undecided"}) == "**undecided**"


def test_the_committed_value_stands_between_the_published_and_ours(evidence: dict[str, Any]):
    committed = copy.deepcopy(evidence)
    committed["rows"][1]["ours"][0].update(mean=11.11, low=9.99, high=12.22)
    committed["columns"], committed["rows"][0]["ours"] = committed["columns"][:3], committed["rows"][0]["ours"][:3]
    head, _, wide, _ = grid(to_markdown(evidence, committed), "Method")
    assert head[1:4] == ["Top-1 published", "Top-1 committed", "Top-1 ours"]
    assert wide[2] == "11.1 [10.0, 12.2]"
    groups = list(dict.fromkeys(column["group"] for column in evidence["columns"]))
    costs = grid(to_markdown(evidence, committed), "Method", groups.index(""))
    assert costs[1][2] == DASH, "the committed table had no such column"


def test_what_means_something_in_markdown_is_escaped(tmp_path: Path):
    assert markdown_table(["a|b"], [["1\n2"]]).splitlines() == ["| a\\|b |", "| ---- |", "| 1 2  |"]
    made = table(rows=(*table().rows[:2], dataclasses.replace(table().rows[2], label="x | y")), claims=())
    page = to_markdown(gather(unfilled(tmp_path, made)))
    assert "| x \\| y |" in page


def test_every_line_of_a_table_is_as_wide_as_the_others():
    lines = markdown_table(["a", "bb"], [["long cell", ""], ["–", "1|2"]]).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_claims_are_printed_with_difference_noise_and_verdict(evidence: dict[str, Any]):
    head, first, second = grid(to_markdown(evidence), "Claim")
    claim = evidence["claims"][0]
    assert first[0] == "X1: wide > plain" and first[1] == "S Top-1"
    assert first[2] == "+2.50 (25 of 1,000 videos)" and first[3] == claim["published"]["noise"]["verdict"]
    assert first[4] == f"{claim['ours']['mean']:+.1f} [{claim['ours']['low']:+.1f}, {claim['ours']['high']:+.1f}]"
    assert first[-1] == f"**{claim['verdict']}**"
    assert second[2:4] == ["+1.00", DASH]
    assert len(head) == len(first)


def test_controls_and_conditions_are_on_the_page(evidence: dict[str, Any]):
    page = to_markdown(evidence)
    assert "A/A: one row's seeds in two halves" in page
    assert "what remains when frames are shuffled" in page
    assert "- hardware: abacus (CPU)" in page and "- versions: python 3" in page and "seeds 0, 1, 2" in page
    assert "embedded benchmark, generator version" in page


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        (dict(limit_batches=2), "**cut short to 2 batches**"),
        (dict(older_code=3), "**3 cells were trained by older code**"),
        (dict(mixed_starts=["abc"]), "**cells started from the weights of different runs of one pre-training**"),
        (dict(init_checkpoint="my.ckpt"), "started from my.ckpt instead of the table's initialisation"),
        (dict(own_data="mine"), "your own data set (mine)"),
        (dict(views=7), "tested with 7 views instead of the table's"),
        (dict(crops=3), "tested with 3 crops of each view instead of the table's"),
        (dict(batch_size=5), "trained with 5 videos per batch instead of the recipe's"),
        (dict(init_files={"images": "none"}), "initialisation images: from scratch"),
    ],
)
def test_anything_reduced_or_changed_is_said(evidence: dict[str, Any], conditions: dict[str, Any], text: str):
    assert text in to_markdown(changed(evidence, **conditions))
    assert text not in to_markdown(evidence)


def test_missing_and_undecodable_videos_are_counted_on_the_page(evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    found["cells"][0]["counts"].update(missing_train_videos=2, undecodable_test_videos=1, boxless_test_videos=3)
    assert "16 / 40 (2 missing train videos) (1 undecodable test videos) (3 boxless test videos)" in to_markdown(found)


def test_the_values_can_be_read_back_from_csv(evidence: dict[str, Any]):
    rows = list(csv.DictReader(io.StringIO(to_csv(evidence))))
    assert len(rows) == 3 * 4
    first = rows[0]
    assert (first["table"], first["row"], first["column"], first["published"]) == (
        "paper/table9",
        "plain",
        "S/Top-1",
        "70.0",
    )
    assert float(first["ours"]) == evidence["rows"][0]["ours"][0]["mean"] and first["seeds"] == "3"
    assert first["test_videos"] == "40" and first["data"] == "scenes A (for UCF-101), tiny"
    cost = next(row for row in rows if row["column"] == "Param. (M)" and row["row"] == "wide")
    assert (cost["ours"], cost["low"], cost["data"]) == ("4.5067", "", "")
    quoted = [row for row in rows if row["row"] == "quoted"]
    assert [row["published"] for row in quoted] == ["73", "", "", "4"] and {row["ours"] for row in quoted} == {""}


def test_the_console_and_the_tracker_get_the_same_cells(evidence: dict[str, Any]):
    heads, rows = table_cells(evidence)
    assert heads[0] == "Method" and len(heads) == 9 and all(len(row) == 9 for row in rows)
    assert rows[2][1:3] == ["73", DASH]


def test_percentages_have_an_interval_and_costs_do_not():
    assert value({"mean": 12.345, "low": 10.0, "high": 15.06}, "top1") == "12.3 [10.0, 15.1]"
    assert value({"mean": 4.506674}, "params_m") == "4.51"
    assert value(None, "top1") == DASH


@pytest.mark.skipif(not COMMITTED, reason="no results are committed")
@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_committed_pages_are_what_their_evidence_renders_to(path: Path):
    assert path.read_text() == to_json(json.loads(path.read_text()))
    evidence = read_evidence(path)
    assert path.with_suffix(".md").read_text() == to_markdown(evidence)
    assert path.with_suffix(".csv").read_text() == to_csv(evidence)


def test_a_tiny_p_value_is_not_nil():
    assert (p_text(0.0004), p_text(0.0005), p_text(0.0451)) == ("<0.001", "0.001", "0.045")


def test_the_means_for_charts_are_numbers_of_the_rows_that_have_any(evidence: dict[str, Any]):
    heads, rows = means(evidence)
    assert heads == ["row", *(column["key"] for column in evidence["columns"])]
    assert [row[0] for row in rows] == ["plain", "wide"], "a quoted row has no value of ours"
    assert rows[0][1] == pytest.approx(evidence["rows"][0]["ours"][0]["mean"])


def test_a_picture_lists_the_rows_that_have_a_value_on_its_data_set(evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    found["rows"][1]["ours"][0] = found["rows"][1]["published"][0] = None
    assert [row["label"] for row in _rows_on(found, [0])] == ["plain", "quoted"]
    for row in found["rows"]:
        row["ours"][0] = row["published"][0] = None
    assert len(_rows_on(found, [0])) == 3, "a picture is never empty"


def test_a_curve_of_videos_that_are_trained_on_is_no_held_out_one(evidence: dict[str, Any]):
    found = copy.deepcopy(evidence)
    for cell in found["cells"]:
        cell["curves"]["val/top1"] = [[0, 10.0], [1, 90.0]]
    assert {row[-1] for row in grid(to_markdown(found), "On")[1:]} == {"10.0 → 90.0"}
    for arguments in found["arguments"].values():
        arguments["training"]["data"]["source"]["train_with_val"] = True
    marked = grid(to_markdown(found), "On")[1:]
    assert {row[-1] for row in marked} == {"10.0 → 90.0 (of videos that are trained on)"}
