"""What a command leaves behind: pages beside evidence, names that say what was run, one line per thing that failed."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.harness import arguments as flags
from experiments.harness import cli
from experiments.harness.cli import run_tables
from experiments.harness.evidence import gather
from experiments.harness.pages import options_suffix, refuse_lesser, stem_suffix
from experiments.harness.render import to_json
from experiments.harness.spec import Table
from experiments.harness.store import RESULTS_VARIABLE
from tests.harness.fakes import Data, Net, table, without_costs
from tests.harness.test_evidence import filled, unfilled
from tests.harness.test_evidence_file import as_first_written

TABLE = without_costs(table())
OTHER = dataclasses.replace(TABLE, id="paper/table8", recipe=dataclasses.replace(TABLE.recipe, epochs=4))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    return tmp_path


def run(*argv: str, tables: tuple[Table, ...] = (TABLE,)) -> int:
    given = flags.parser("").parse_args(["--no-wandb", "--no-controls", *argv])
    return run_tables(tables, given, show=lambda evidence, jobs: None)


def pages(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.md")}


def test_evidence_of_the_first_format_is_rendered_again(results: Path, tmp_path: Path):
    (results / "paper").mkdir()
    evidence = gather(filled(tmp_path / "elsewhere", TABLE))
    (results / "paper/table9.proxy.json").write_text(to_json(as_first_written(evidence)))
    assert run("--render-only") == 0
    assert "replaced by the member" in (results / "runs/paper/table9.proxy.md").read_text()


def test_a_damaged_file_is_named_and_keeps_no_other_table_from_its_pages(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (results / "paper").mkdir()
    (results / "paper/table9.proxy.json").write_text("{")
    evidence = gather(filled(tmp_path / "elsewhere", OTHER))
    (results / "paper/table8.proxy.json").write_text(to_json(evidence))
    assert run("--render-only", tables=(TABLE, OTHER)) == 2
    error = capsys.readouterr().err
    assert "error: paper/table9: " in error and "table9.proxy.json is damaged" in error
    assert pages(results / "runs/paper") == {"table8.proxy.md"}


def test_a_table_that_cannot_be_gathered_keeps_no_other_from_its_pages(
    results: Path, capsys: pytest.CaptureFixture[str]
):
    cells = filled(results / "runs", TABLE)
    filled(results / "runs", OTHER)
    cell = cells.evaluation(TABLE.rows[0], TABLE.columns[0], 0)
    cells.store.folder(cell).record_path.write_text("{")
    assert run(tables=(TABLE, OTHER)) != 0
    assert "error: paper/table9: " in capsys.readouterr().err
    assert pages(results / "runs/paper") == {"table8.proxy.md"}


def test_a_run_of_some_rows_does_not_take_the_others_from_the_page(results: Path):
    filled(results / "runs", TABLE)
    evidence = results / "runs/paper/table9.proxy.json"
    assert run() == 0
    whole = evidence.read_text()
    assert run("--rows", "wide", "--columns", "S") == 0
    assert evidence.read_text() == whole


def test_committed_evidence_of_an_older_format_stands_beside_a_users_run(results: Path):
    (results / "paper").mkdir()
    first = filled(results / "runs", TABLE)
    committed = as_first_written(gather(first))
    committed["rows"][0]["ours"][0]["mean"] = 12.345
    (results / "paper/table9.proxy.json").write_text(to_json(committed))
    assert run() == 0
    page = (results / "runs/paper/table9.proxy.md").read_text()
    assert "Top-1 committed" in page and "12.3" in page


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "proxy"),
        (dict(profile="paper"), "paper"),
        (dict(limit_batches=1), "changed-proxy"),
        (dict(views=3), "changed-proxy"),
        (dict(batch_size=2), "changed-proxy"),
        (dict(init_checkpoint="none"), "changed-proxy"),
        (dict(profile="paper", init_checkpoint="file.pt"), "paper"),
        (dict(profile="paper", init_checkpoint="file.pt", views=3), "changed-paper"),
        (dict(checkpoint=Path("w.pt")), "checkpoint-proxy"),
    ],
)
def test_a_results_name_says_what_was_run(given: dict[str, Any], name: str):
    found = dataclasses.replace(unfilled(Path("nowhere")).options, **given)
    assert options_suffix(found) == name


@pytest.mark.parametrize("given", [{}, dict(views=3), dict(init_checkpoint="none")])
def test_asking_for_a_result_and_its_evidence_give_one_name(tmp_path: Path, given: dict[str, Any]):
    cells = unfilled(tmp_path, TABLE, **given)
    evidence = gather(cells)
    assert stem_suffix(evidence["profile"], evidence["conditions"]) == options_suffix(cells.options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": ["32-true", "bf16-mixed"]}, "cells were run in bf16-mixed; committed results are in 32-true"),
        ({"devices": [1, 4]}, "cells were run by 4 processes"),
        ({"mixed_starts": ["abc"]}, "cells started from the weights of different runs of one pre-training"),
        ({"seeds": [0]}, "results/paper has this table with 3 seeds, these are 1"),
    ],
)
def test_less_than_what_is_there_is_not_committed(results: Path, tmp_path: Path, changes: dict[str, Any], message: str):
    evidence = gather(filled(tmp_path / "elsewhere", TABLE))
    (results / "paper").mkdir()
    (results / "paper/table9.proxy.json").write_text(to_json(evidence))
    refuse_lesser(evidence, TABLE, failed=())
    with pytest.raises(ValueError, match=f"not committed: {message}"):
        refuse_lesser({**evidence, "conditions": evidence["conditions"] | changes}, TABLE, failed=())
    with pytest.raises(ValueError, match="not committed: 2 of its jobs failed"):
        refuse_lesser(evidence, TABLE, failed=("one", "two"))


def test_code_is_hashed_before_anything_runs(results: Path, monkeypatch: pytest.MonkeyPatch):
    """So that a file edited during a run gives no cell the hash of code that it was not run by."""
    hashed: list[type] = []

    class Started(Exception): ...

    def start(*given: Any, **named: Any) -> None:
        raise Started

    monkeypatch.setattr(cli, "source_hash", lambda *classes: hashed.extend(classes))
    monkeypatch.setattr("experiments.harness.pool.Pool", start)
    with pytest.raises(Started):
        run("--seeds", "1")
    assert {Net, Data} <= set(hashed)


def test_a_reader_that_closes_the_pipe_ends_a_listing_without_a_word(tmp_path: Path):
    script = Path(cli.__file__).parents[1] / "kpsem_table2.py"
    listing = subprocess.Popen(
        [sys.executable, str(script), "--dry-run", "--seeds", "150"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, RESULTS_VARIABLE: str(tmp_path)},
    )  # fmt: skip
    assert listing.stdout is not None and listing.stderr is not None
    assert listing.stdout.readline().startswith("missing")
    listing.stdout.close()
    assert listing.stderr.read() == ""
    assert listing.wait(60) == cli.EXIT_CLOSED_PIPE
