from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments import __main__ as many
from experiments.harness import main
from experiments.harness.cell import Options
from experiments.harness.spec import ALL, PROFILES, Claim, Table
from experiments.harness.store import RESULTS_VARIABLE, Store
from experiments.harness.table_cells import TableCells
from tests.audit.test_published import TURNED

ROOT = Path(__file__).resolve().parents[1]
SHARED_CLAIMS = ROOT.parent / "shared" / "facts" / "claims.json"
SCRIPTS = [path for path in many.scripts() if "_figure" not in path.stem]
TABLES: dict[str, Table] = {path.stem: importlib.import_module(f"experiments.{path.stem}").TABLE for path in SCRIPTS}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], table: Table, *flags: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(table, flags)
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


def published_claims() -> dict[str, dict[str, Any]]:
    if not SHARED_CLAIMS.exists():
        pytest.skip(f"{SHARED_CLAIMS} is not there")
    return {claim["id"]: claim for claim in json.loads(SHARED_CLAIMS.read_text())["claims"]}


def columns_of(table: Table, claim: Claim) -> list[int]:
    return [
        i for i, column in enumerate(table.columns)
        if (column.is_accuracy if claim.columns == ALL else column.key in claim.columns)
    ]  # fmt: skip


each_table = pytest.mark.parametrize("name", TABLES)


@each_table
def test_a_table_is_named_like_its_script_and_has_all_profiles(name: str):
    table = TABLES[name]
    assert f"{table.paper}_{table.name}" == name
    assert set(PROFILES) <= set(table.profiles)


@each_table
def test_published_values_are_text_as_printed(name: str):
    for row in TABLES[name].rows:
        assert all(
            value is None or (isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value))
            for value in row.published
        )


@each_table
def test_costs_need_no_training_and_no_data(name: str, results: Path, capsys: pytest.CaptureFixture[str]):
    table = TABLES[name]
    status, printed, _ = run(capsys, table, "--costs", "--json")
    costs = json.loads(printed)
    assert status == 0
    assert list(costs) == [f"{table.id}: {row.label}" for row in table.rows if not row.cited]
    for cost in costs.values():
        assert 0 < cost["folded_params_m"] <= cost["params_m"] and 0 < cost["gmacs"] <= cost["gmacs_fvcore"]
    status, printed, _ = run(capsys, table, "--costs")
    assert status == 0 and all(f"{table.id}: {row.label}" in printed for row in table.rows if not row.cited)
    assert not any(results.iterdir())


@each_table
def test_a_dry_run_lists_every_cell_and_touches_nothing(name: str, results: Path, capsys: pytest.CaptureFixture[str]):
    table = TABLES[name]
    status, printed, _ = run(capsys, table, "--dry-run", "--seeds", "2", "--no-controls", "--rows", "all")
    assert status == 0
    labels = tuple(row.label for row in table.rows)
    cells = TableCells(table, Options(seeds=(0, 1)), Store(results / "runs"), rows=labels, controls=False)
    listed = cells.wanted()
    lines = printed.splitlines()
    assert len(lines) == len(listed) and all(line.startswith("missing") for line in lines)
    assert all(any(f" {label}  (" in line for line in lines) for label in listed.values())
    for row in table.rows:
        columns = [c for c in table.columns if c.is_accuracy and (row.on is None or c.group in row.on)]
        for column in columns if not row.cited else ():  # rows and columns that ask for the same share a line
            asked = {cell for seed in (0, 1) for _, cell in cells.evaluations(row, column, seed)}
            assert asked <= listed.keys(), row.label
    assert not any(results.iterdir())


@each_table
def test_mistakes_on_the_command_line_end_before_anything_runs(
    name: str, results: Path, capsys: pytest.CaptureFixture[str]
):
    for flags, message in (
        (("--rows", "no such row"), "has no row 'no such row'"),
        (("--profile", "paper"), "needs --data-root"),
        (("--seeds", "0"), "--seeds 0: must be 1 or more"),
        (("--init-checkpoint", "nowhere.ckpt"), "nowhere.ckpt: no such file"),
        (("--render-only",), f"{TABLES[name].id}: no evidence for profile 'proxy'"),
    ):
        status, _, error = run(capsys, TABLES[name], *flags)
        assert status == 2 and message in error
    assert not any(results.iterdir())


@each_table
def test_claims_are_the_published_ones_with_their_differences(name: str):
    table, known = TABLES[name], published_claims()
    if not any(value is not None for row in table.rows for value in row.published):
        pytest.skip(f"{table.id} has no published values: its claims are the text's")
    compared: set[str] = set()
    others: set[str] = set()
    for claim in table.claims:
        if re.fullmatch("[A-Z]A[0-9]+", claim.id):  # a question of our own beside the published ones
            assert claim.id not in known
            continue
        assert claim.id in known, f"{claim.id} is not among the published claims"
        published = known[claim.id]
        assert published["paper"].replace("-", "_").lower() == table.paper
        columns = columns_of(table, claim)
        if len(columns) != 1 or published["value_A"] is None:  # read off a bar without a number
            continue
        other = columns[0] if claim.worse_column is None else table.columns.index(table.column(claim.worse_column))
        better, worse = table.row(claim.better).published[columns[0]], table.row(claim.worse).published[other]
        assert better is not None and worse is not None, f"{claim.id} compares a value that is not printed"
        if claim.gains_over is not None:  # against each other row; the list has one of these comparisons
            first, _ = (float(table.row(over).published[columns[0]]) for over in claim.gains_over)
            assert float(better) - first == pytest.approx(published["value_A"], abs=1e-6), claim.id
            continue
        values, difference = (published["value_A"], published["value_B"]), published["difference"]
        if claim.id in TURNED:
            values, difference = values[::-1], -difference
        if (float(better), float(worse)) != values and [other.id for other in table.claims].count(claim.id) > 1:
            others.add(claim.id)  # the list has one of these comparisons
            continue
        compared.add(claim.id)
        assert (float(better), float(worse)) == values, claim.id
        assert float(better) - float(worse) == pytest.approx(difference, abs=1e-6), claim.id
        if table.columns[columns[0]].test_videos is not None:
            assert table.columns[columns[0]].test_videos == published["n"], claim.id
    assert others <= compared


@each_table
def test_no_published_claim_about_the_table_is_left_out(name: str):
    table = TABLES[name]
    number = table.name.removeprefix("table")
    about = {
        claim["id"]
        for claim in published_claims().values()
        if claim["paper"].replace("-", "_").lower() == table.paper and re.match(rf"Table {number}\b", claim["where"])
    }
    explained = {id for id in about if any(re.search(rf"\b{id}\b", note) for note in table.notes)}
    assert about - explained <= {claim.id for claim in table.claims}


SMOKED = ("ligar_table2", "ligar_table3")  # a chain of pre-trainings; several data sets; CI smokes every script


def test_tables_run_in_one_pool_at_smoke_size(tmp_path: Path):
    """Start every cell of some scripts, cut to seconds, and get one line per table."""
    flags = ("--profile", "smoke", "--seeds", "1", "--jobs", "1", "--only", *SMOKED)
    ended = subprocess.run(
        [sys.executable, "-m", "experiments", *flags], cwd=ROOT,
        env={**os.environ, RESULTS_VARIABLE: str(tmp_path / "results")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = {line.split()[0]: line for line in ended.stdout.splitlines() if line.split()[:1] and "/" in line.split()[0]}
    for table in (TABLES[name] for name in SMOKED):
        assert f"{table.id} " in lines[table.id] + " " and "smoke, 1 seed: " in lines[table.id]
        assert float(lines[table.id].split()[-2]) > 0
    assert not (tmp_path / "results").exists(), "the smoke profile leaves nothing behind"


def test_listing_reads_results_alone_and_at_once(tmp_path: Path):
    claim = {"id": "L26", "column": "UCF-101/Top-1", "better": "w/ ACS", "relation": ">", "worse": "w/o ACS",
             "published": None, "ours": None, "verdict": "undecided"}  # fmt: skip
    column = {"key": "UCF-101/Top-1", "title": "Top-1", "group": "UCF-101", "metric": "top1", "data": None}
    evidence = {"table": "ligar/table3", "title": "", "profile": "proxy", "conditions": {"seeds": [0, 1]},
                "columns": [column], "rows": [], "claims": [claim] * 3, "cells": []}  # fmt: skip
    (tmp_path / "ligar").mkdir()
    (tmp_path / "ligar/table3.proxy.json").write_text(json.dumps(evidence))
    code = (
        "import sys; from experiments.__main__ import main; status = main(['--list'])\n"
        "print(status, [m for m in ('torch', 'lightning', 'rich', 'experiments.ligar_table3') if m in sys.modules])"
    )
    environment = {**os.environ, RESULTS_VARIABLE: str(tmp_path)}
    before = os.times()
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1.0
    assert printed[-1] == "0 []"
    listed = {line.split()[0]: line for line in printed[:-1]}
    assert list(listed) == [path.stem for path in many.scripts()]
    assert "proxy, 2 seeds: 3 undecided" in listed["ligar_table3"]


def test_scripts_are_chosen_by_paper_or_by_name():
    assert [path.stem for path in many.scripts(["ligar_table3"])] == ["ligar_table3"]
    assert {path.stem for path in many.scripts(["ligar"])} == {name for name in TABLES if name.startswith("ligar_")}
    with pytest.raises(ValueError, match="--only nothing: no such paper or script; there are "):
        many.scripts(["ligar", "nothing"])


def test_a_figure_is_listed_as_drawn_and_a_script_without_results_as_uncommitted(results: Path, tmp_path: Path):
    script = tmp_path / "ligar_figure9.py"
    script.write_text('"""LIGAR, Figure 9: nothing."""\n')
    assert re.fullmatch(r"ligar_figure9 +nothing committed +LIGAR, Figure 9: nothing\.", many.committed_line(script))
    (results / "ligar").mkdir()
    (results / "ligar/figure9.proxy.png").touch()
    assert "drawn" in many.committed_line(script)


def test_a_damaged_file_among_the_results_is_named(results: Path, capsys: pytest.CaptureFixture[str]):
    (results / "ligar").mkdir()
    (results / "ligar/table3.proxy.json").write_text("{")
    assert many.main(["--list"]) == 2
    assert "table3.proxy.json is damaged" in capsys.readouterr().err


def test_costs_of_chosen_rows_are_those_rows_alone(capsys: pytest.CaptureFixture[str]):
    table = TABLES["ligar_table3"]
    status, printed, _ = run(capsys, table, "--costs", "--json", "--rows", "w/ ACS")
    assert status == 0 and list(json.loads(printed)) == [f"{table.id}: w/ ACS"]
    status, _, error = run(capsys, table, "--costs", "--rows", "no such row")
    assert status == 2 and "has no row 'no such row'" in error
