"""Evidence is read back as it was written, by earlier versions of the code too; what cannot be read is named."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from experiments.harness.draw import draw_curves, draw_table
from experiments.harness.evidence import gather
from experiments.harness.evidence_file import EVIDENCE_FORMAT, read_evidence
from experiments.harness.render import to_csv, to_json, to_markdown
from tests.harness.test_evidence import filled


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return gather(filled(tmp_path_factory.mktemp("store")), lambda row, column: 4.5)


def written(path: Path, evidence: dict[str, Any]) -> Path:
    path.write_text(to_json(evidence))
    return path


def as_first_written(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return the evidence as the first version of the code would have written it."""
    old = copy.deepcopy(evidence)
    old["format"] = 1
    for key in ("checkpoint", "init_files", "views", "batch_size"):
        del old["conditions"][key]
    for claim in old["claims"]:
        del claim["text"]
    for column in old["columns"]:
        del column["member"]
    for cell in old["cells"]:
        cell["row"] = cell.pop("rows")[0]
        del cell["columns"]
    return old


def test_what_was_written_is_read(tmp_path: Path, evidence: dict[str, Any]):
    assert evidence["format"] == EVIDENCE_FORMAT
    assert read_evidence(written(tmp_path / "table9.json", evidence)) == evidence


def test_the_first_format_gives_the_same_evidence_and_the_same_pages(tmp_path: Path, evidence: dict[str, Any]):
    found = read_evidence(written(tmp_path / "table9.json", as_first_written(evidence)))
    assert found == evidence
    assert (to_markdown(found), to_csv(found)) == (to_markdown(evidence), to_csv(evidence))
    draw_table(found, tmp_path / "table.png")
    assert draw_curves(found, tmp_path / "curves.png") and (tmp_path / "curves.png").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "table9.json is damaged"),
        ("[]", "table9.json is no evidence of a table: it is no object"),
        ("{}", "table9.json is no evidence of a table: it lacks table, title"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, message: str):
    path = tmp_path / "table9.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_evidence(path)


def test_cells_without_their_data_are_damage_too(tmp_path: Path, evidence: dict[str, Any]):
    broken = copy.deepcopy(evidence)
    del broken["cells"][0]["data"]
    with pytest.raises(ValueError, match="table9.json is damaged .*data"):
        read_evidence(written(tmp_path / "table9.json", broken))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda e: e["rows"][0].pop("ours"), "row 'plain' lacks its values"),
        (lambda e: e["rows"][1]["published"].pop(), "row 'wide' has 3 published values and 4 of ours in 4 columns"),
        (lambda e: e["rows"][0]["ours"][0].update(mean="abc"), "row 'plain' has a value that is no number"),
        (lambda e: e["rows"][0]["ours"][0].update(mean=float("nan")), "it holds NaN, which is no number"),
        (lambda e: e["claims"][0].pop("verdict"), "claim 'X1' lacks verdict"),
        (lambda e: e["claims"][0].update(column="S/none"), "claim 'X1' is on a column 'S/none', which the table lacks"),
        (lambda e: e["claims"][0]["ours"].pop("low"), "claim 'X1' has a difference that is no number"),
        (lambda e: e["cells"][0].update(curves=None), "lacks curves"),
    ],
)
def test_a_part_that_is_damaged_is_named(tmp_path: Path, evidence: dict[str, Any], spoil: Any, message: str):
    spoilt = copy.deepcopy(evidence)
    spoil(spoilt)
    path = tmp_path / "table9.json"
    path.write_text(json.dumps(spoilt))
    with pytest.raises(ValueError, match=rf"table9\.json is damaged \(.*{re.escape(message)}"):
        read_evidence(path)


@pytest.mark.parametrize("later", [EVIDENCE_FORMAT + 1, "next"])
def test_a_later_format_is_refused_by_file(tmp_path: Path, evidence: dict[str, Any], later: Any):
    path = written(tmp_path / "table9.json", {**evidence, "format": later})
    with pytest.raises(ValueError, match=f"table9.json has format {later}; this code reads formats up to"):
        read_evidence(path)
