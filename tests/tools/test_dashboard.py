"""The workspace is a specification that needs no server, and uploading can be interrupted and repeated."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.harness.tracking import values_key
from experiments.tools import dashboard

TABLE = {
    "table": "paper/table9",
    "title": "Paper, Table 9: all",
    "columns": [
        {"key": "GMACs", "metric": "gmacs"},
        {"key": "S/Top-1", "metric": "top1"},
        {"key": "S/mAP", "metric": "map"},
    ],
}


def specification(view: Any) -> dict[str, Any]:
    return json.loads(view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))["section"]


@pytest.fixture
def views() -> list[Any]:
    pytest.importorskip("wandb_workspaces")
    return dashboard.workspaces([TABLE], "me", "mine")


def test_every_table_has_a_section_in_the_first_view_and_a_view_of_its_own(views: list[Any]):
    together, own = map(specification, views)
    assert [section["name"] for section in together["panelBankConfig"]["sections"]] == ["Paper, Table 9: all"]
    assert [view.name for view in views] == ["All tables", "Paper, Table 9: all"]
    filters = [view["runSets"][0]["filters"]["filters"] for view in (together, own)]
    assert [(f["key"]["name"], f["op"], f["value"]) for (f,) in filters] == [
        ("jobType", "=", "table"), ("group", "=", "paper_table9"),
    ]  # fmt: skip


def test_bars_stand_row_by_row_for_each_accuracy_and_cost_meets_accuracy(views: list[Any]):
    rows, _, costs = specification(views[1])["panelBankConfig"]["sections"]
    bars = [panel["config"] for panel in rows["panels"]]
    assert [bar["fieldSettings"] for bar in bars] == [
        {"label": "row", "value": "S/Top-1"},
        {"label": "row", "value": "S/mAP"},
    ]
    (point,) = [panel["config"] for panel in costs["panels"]]
    assert point["fieldSettings"] == {"x": "GMACs", "y": "S/Top-1"}
    fields = point["userQuery"]["queryFields"][0]["fields"]
    assert fields[0]["args"] == [{"name": "tableKey", "value": values_key("paper_table9")}]


def test_the_charts_are_those_that_wandb_itself_draws(views: list[Any]):
    wandb = pytest.importorskip("wandb")
    drawn = wandb.Table(columns=["row", "value"], data=[["a", 1.0]])
    rows, _, costs = specification(views[1])["panelBankConfig"]["sections"]
    for panel, spec in (
        (rows["panels"][0], wandb.plot.bar(drawn, "row", "value").spec),
        (costs["panels"][0], wandb.plot.scatter(drawn, "row", "value").spec),
    ):
        assert panel["config"]["panelDefId"] == spec.spec_name
        assert panel["config"]["fieldSettings"].keys() == spec.fields.keys()


def test_curves_are_grouped_by_row_in_a_band_over_the_seeds(views: list[Any]):
    _, training, _ = specification(views[1])["panelBankConfig"]["sections"]
    configs = [panel["config"] for panel in training["panels"]]
    assert [config["metrics"] for config in configs] == [["train/loss"], ["train/top1"], ["val/top1"]]
    for config in configs:
        assert (config["xAxis"], config["groupBy"]) == ("epoch", "row.value")
        assert (config["groupAgg"], config["groupArea"]) == ("mean", "minmax")


def test_the_committed_tables_can_be_described_without_a_key(monkeypatch: pytest.MonkeyPatch, capsys):
    pytest.importorskip("wandb_workspaces")
    monkeypatch.setattr(dashboard, "has_key", lambda: False)
    assert dashboard.main([]) == 0
    assert "All tables: runs where" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--save", "--sync"])
def test_without_a_key_nothing_is_sent(flag: str, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(dashboard, "has_key", lambda: False)
    assert dashboard.main([flag, "--entity", "me"]) == 1
    assert "WANDB_API_KEY" in capsys.readouterr().err


def test_saving_needs_an_owner(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(dashboard, "has_key", lambda: True)
    monkeypatch.delenv("WANDB_ENTITY", raising=False)
    assert dashboard.main(["--save"]) == 1
    assert "--entity" in capsys.readouterr().err


def offline_runs(folder: Path, number: int) -> list[Path]:
    runs = []
    for index in range(number):
        run = folder / "wandb" / f"offline-run-2026010{index}_000000-abc{index}"
        run.mkdir(parents=True)
        (run / f"run-abc{index}.wandb").touch()
        runs.append(run)
    return runs


def marked(run: Path) -> bool:
    (run / f"{next(run.glob('run-*.wandb')).name}.synced").touch()
    return True


def test_an_upload_that_was_interrupted_goes_on_where_it_stopped(tmp_path: Path, capsys):
    runs = offline_runs(tmp_path, 3)
    sent: list[Path] = []

    def stop_after_one(run: Path) -> bool:
        if sent:
            raise KeyboardInterrupt
        sent.append(run)
        return marked(run)

    with pytest.raises(KeyboardInterrupt):
        dashboard.sync(tmp_path, stop_after_one)
    assert dashboard.pending(tmp_path) == (runs[1:], 1)
    assert dashboard.sync(tmp_path, lambda run: sent.append(run) is None and marked(run)) == 0
    assert sent == runs, "each run once, oldest first"
    assert dashboard.sync(tmp_path, lambda run: pytest.fail("nothing is left")) == 0
    assert "nothing to upload; 3 runs are uploaded" in capsys.readouterr().out


def test_a_run_that_fails_is_named_and_keeps_no_other_from_being_sent(tmp_path: Path, capsys):
    runs = offline_runs(tmp_path, 3)
    assert dashboard.sync(tmp_path, lambda run: run != runs[1] and marked(run)) == 1
    printed = capsys.readouterr()
    assert str(runs[1]) in printed.err and "2 uploaded, 1 not" in printed.out
    assert dashboard.pending(tmp_path) == ([runs[1]], 2)


def test_a_folder_without_a_run_file_is_none(tmp_path: Path):
    (tmp_path / "wandb/offline-run-20260101_000000-abc").mkdir(parents=True)
    assert dashboard.pending(tmp_path) == ([], 0) and dashboard.pending(tmp_path / "nowhere") == ([], 0)


def test_each_run_is_handed_to_the_upload_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script = tmp_path / "upload.py"
    script.write_text("import pathlib, sys\nfor f in pathlib.Path(sys.argv[1]).glob('run-*.wandb'):\n"
                      "    pathlib.Path(str(f) + '.synced').touch()\n")  # fmt: skip
    monkeypatch.setattr(dashboard, "SYNC", (sys.executable, str(script)))
    offline_runs(tmp_path, 2)
    assert dashboard.sync(tmp_path) == 0 and dashboard.pending(tmp_path) == ([], 2)
    monkeypatch.setattr(dashboard, "SYNC", (sys.executable, "-c", "raise SystemExit(1)"))
    (tmp_path / "wandb/offline-run-20260101_000000-abc1/run-abc1.wandb.synced").unlink(missing_ok=True)
    next(tmp_path.glob("wandb/*abc0/*.synced")).unlink()
    assert dashboard.sync(tmp_path) == 1


def test_wandb_marks_an_uploaded_run_as_this_expects():
    sync = pytest.importorskip("wandb.cli.beta_sync")
    assert ".wandb.synced" in Path(sync.__file__).read_text()
