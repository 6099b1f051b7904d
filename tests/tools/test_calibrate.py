"""The calibration's record grows, and mistakes on its command line end in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datamodules.synthetic.members import GENERATOR_VERSION
from experiments.ligar_table3 import TABLE
from experiments.tools import calibrate
from experiments.tools.calibrate import earlier, main, merged


def row(data: str, difficulty: float, mean: float, chosen: float = 2.0) -> dict[str, Any]:
    return {"data": data, "difficulty": difficulty, "chosen": difficulty == chosen, "top1": mean}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("ligar_table99",), "error: ligar_table99: no such script; there are "),
        (("ligar_table3", "--seeds", "0"), "error: --seeds 0: must be 1 or more"),
        (("ligar_table3", "--jobs", "0"), "error: --jobs 0: must be 1 or more"),
        (("ligar_table3", "--columns", "HMDB"), "error: --columns 'HMDB': ligar/table3 has 'UCF-101'"),
    ],
)
def test_mistakes_end_in_one_line(argv: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]):
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_measurements_of_other_data_sets_and_difficulties_are_kept():
    before = [row("A", 2.0, 60.0), row("B", 1.0, 90.0), row("A", 1.0, 80.0)]
    now = [row("A", 2.0, 61.0), row("C", 2.0, 50.0)]
    found = [(line["data"], line["difficulty"], line["top1"]) for line in merged(before, now)]
    assert found == [("A", 1.0, 80.0), ("A", 2.0, 61.0), ("B", 1.0, 90.0), ("C", 2.0, 50.0)]


def test_one_difficulty_of_a_data_set_is_the_chosen_one_after_another_choice():
    before = [row("A", 1.0, 80.0), row("A", 2.0, 60.0), row("B", 2.0, 70.0)]
    now = [{**row("A", 3.0, 40.0, chosen=3.0), "chosen_difficulty": 3.0}]
    assert [(line["data"], line["difficulty"]) for line in merged(before, now) if line["chosen"]] == [
        ("A", 3.0),
        ("B", 2.0),
    ]
    assert all("chosen_difficulty" not in line for line in merged(before, now))


def test_a_record_is_gone_on_with_only_if_it_is_of_the_same_videos_and_row(tmp_path: Path):
    path = tmp_path / "ligar_table3.json"
    assert earlier(path, TABLE) == []
    measured = [row("A", 2.0, 60.0)]
    same = {"generator_version": GENERATOR_VERSION, "row": TABLE.control_row.label, "measured": measured}
    for changes, expected in (({}, measured), ({"generator_version": -1}, []), ({"row": "another"}, [])):
        path.write_text(json.dumps({**same, **changes}))
        assert earlier(path, TABLE) == expected
    path.write_text("{")
    with pytest.raises(ValueError, match="ligar_table3.json is damaged"):
        earlier(path, TABLE)


def test_a_figure_is_nothing_to_calibrate(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calibrate, "scripts", lambda: [Path("ligar_figure9.py")])
    monkeypatch.setattr(calibrate.importlib, "import_module", lambda name: object())
    with pytest.raises(ValueError, match="ligar_figure9 draws a figure"):
        calibrate.table_of("ligar_figure9")
