"""A command line that no cell, or the wrong one, would answer is refused before anything runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from experiments.deploy import export
from experiments.harness import arguments as flags
from experiments.harness import request
from experiments.harness.evidence import gather
from experiments.harness.request import requested_cells
from experiments.harness.spec import CheckpointFile, Table
from experiments.harness.store import Store
from experiments.harness.table_cells import TableCells
from tests.harness.fakes import profile, table, with_row


def cells(*argv: str, made: Table | None = None, others: tuple[Table, ...] = ()) -> TableCells:
    arguments = flags.parser("").parse_args(argv)
    return requested_cells([made or table(), *others], flags.options(arguments), Store(Path("nowhere")), arguments)[0]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "epoch=12-step=100.ckpt"
    path.write_bytes(b"weights")
    return str(path)


def refuses(message: str, *argv: str, **tables: Any) -> None:
    with pytest.raises(ValueError, match=message):
        cells(*argv, **tables)


def test_a_named_file_needs_an_initialisation_of_that_name(file: str, monkeypatch: pytest.MonkeyPatch):
    given = ("--init-checkpoint", f"kinetics={file}")
    refuses("no initialisation 'kinetics' in paper/table9; it has 'source'", *given)
    refuses("no initialisation 'kinetics' in paper/table9; its rows start from scratch", *given, made=table(init=None))
    monkeypatch.chdir(Path(file).parent)
    refuses(r"given as \./epoch=12-step=100.ckpt", "--init-checkpoint", Path(file).name)
    assert cells("--init-checkpoint", f"./{Path(file).name}").options.init_checkpoint == f"./{Path(file).name}"


def test_of_several_tables_one_has_to_know_the_name(file: str):
    scratch = table(id="paper/table8", init=None)
    given = ("--init-checkpoint", f"source={file}")
    assert cells(*given, made=scratch, others=(table(),)).options.init_files == (("source", file),)
    refuses("no initialisation 'source' in paper/table8; its rows", *given, made=scratch)


def test_a_file_that_no_row_would_start_from_is_refused(file: str):
    refuses("no row of paper/table9 would start from it", "--init-checkpoint", file, made=table(init=None))
    assert cells("--init-checkpoint", "none", made=table(init=None)).wanted()


@pytest.mark.parametrize("given", ["nowhere.pt", "source=nowhere.pt"])
def test_a_file_that_is_not_there_is_refused_before_anything_runs(given: str):
    refuses(f"--init-checkpoint {given}: no such file", "--init-checkpoint", given)


def test_only_a_file_that_the_table_asks_for_can_stand_behind_committed_results(file: str):
    asks = table(profiles={name: profile(inits={"source": CheckpointFile("a file")}) for name in table().profiles})
    assert cells("--commit-results", "--init-checkpoint", f"source={file}", made=asks).wanted()
    refuses("'source' is trained here as the table says", "--commit-results", "--init-checkpoint", f"source={file}")
    refuses("'source' is trained here", "--commit-results", "--init-checkpoint", "source=none", made=asks)
    for start in (file, "none"):
        refuses("--commit-results writes the table as published", "--commit-results", "--init-checkpoint", start)


def test_rows_that_are_all_quoted_are_refused():
    refuses("--rows 'quoted': quoted from elsewhere, never run; paper/table9 runs 'plain', 'wide'", "--rows", "quoted")
    assert len(cells("--rows", "quoted", "wide", "--seeds", "1").wanted()) == len(
        cells("--rows", "wide", "--seeds", "1").wanted()
    )


def test_rows_and_columns_that_never_meet_are_refused():
    made = with_row(table(claims=()), "wide", on=("U",))
    refuses("none of the rows 'wide' is run on 'S'", "--rows", "wide", "--columns", "S", made=made)
    refuses("--columns 'V': paper/table9 has 'S', 'U'", "--columns", "V")


def test_one_checkpoint_is_for_one_data_set(file: str):
    given = ("--checkpoint", file, "--test-only")
    refuses("say with --rows which row of paper/table9", *given)
    refuses("one checkpoint has one head; say with --columns for which .*: 'S', 'U'", *given, "--rows", "wide")
    assert len(cells(*given, "--rows", "wide", "--columns", "S", "--no-controls").wanted()) == 1
    only = with_row(table(claims=()), "wide", on=("U",))
    assert len(cells(*given, "--rows", "wide", "--no-controls", made=only).wanted()) == 1


def test_a_row_whose_runtime_is_not_installed_is_left_out_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(request.RUNTIME_PACKAGES, "onnx", ("no_such_package",))
    made = with_row(table(), "wide", runtime="onnx")
    found = cells("--seeds", "1", made=made)
    said = "left out, onnx is not installed; `uv sync --extra export` installs it"
    assert capsys.readouterr().err == f"paper/table9, row 'wide': {said}\n"
    assert not [label for label in found.wanted().values() if "wide" in label]
    assert gather(found)["notes"] == [f"wide: {said}"]
    assert cells("--rows", "wide", made=made).wanted() == {}
    installed = dataclasses.replace(made, rows=table().rows)
    assert cells("--seeds", "1", made=installed).left_out == {}


def test_the_packages_of_a_runtime_are_those_that_an_export_needs():
    known = {name: packages for name, packages in export._PACKAGES.items() if name in request.RUNTIME_PACKAGES}
    assert {name: request.RUNTIME_PACKAGES[name] for name in known} == known
