"""The workspace is a specification that needs no server, and uploading can be interrupted and repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.harness.evidence_file import read_evidence
from experiments.harness.index import committed
from experiments.harness.render import means
from experiments.harness.store import results_folder
from experiments.harness.tracking import field_name, values_key
from experiments.tools import dashboard


def table(metrics: dict[str, str], *rows: tuple[float | None, ...], profile: str = "proxy") -> dict[str, Any]:
    """Return what a view needs of a table's evidence: columns by key, and means row by row."""
    return {
        "table": "paper/table9",
        "title": "Paper, Table 9: all",
        "profile": profile,
        "columns": [{"key": key, "metric": metric} for key, metric in metrics.items()],
        "rows": [
            {"label": f"row {n}", "ours": [None if mean is None else {"mean": mean} for mean in row]}
            for n, row in enumerate(rows)
        ],
    }


TABLE = table({"GMACs": "gmacs", "S/Top-1": "top1", "S/mAP": "map"}, (1.5, 60.0, 50.0), (2.5, 70.0, 60.0))


def panel_bank(view: Any) -> dict[str, Any]:
    return json.loads(view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))["section"]


@pytest.fixture
def views() -> list[Any]:
    pytest.importorskip("wandb_workspaces")
    return dashboard.workspaces([TABLE], "me", "mine")


def cost_panels(of: dict[str, Any]) -> list[dict[str, Any]]:
    pytest.importorskip("wandb_workspaces")
    sections = panel_bank(dashboard.workspaces([of], "me", "mine")[1])["panelBankConfig"]["sections"]
    return [panel["config"] for section in sections[2:] for panel in section["panels"]]


def test_every_table_has_a_section_in_the_first_view_and_a_view_of_its_own(views: list[Any]):
    together, own = map(panel_bank, views)
    assert [section["name"] for section in together["panelBankConfig"]["sections"]] == ["Paper, Table 9: all"]
    assert [view.name for view in views] == ["All tables", "Paper, Table 9: all"]
    filters = [view["runSets"][0]["filters"]["filters"] for view in (together, own)]
    assert [[(f["key"]["name"], f["op"], f["value"]) for f in one] for one in filters] == [
        [("jobType", "=", "table"), ("tags", "IN", ["proxy"])],
        [("group", "=", "paper_table9"), ("tags", "IN", ["proxy"])],
    ]


def test_bars_stand_row_by_row_for_each_accuracy_and_cost_meets_accuracy(views: list[Any]):
    rows, _, costs = panel_bank(views[1])["panelBankConfig"]["sections"]
    bars = [panel["config"] for panel in rows["panels"]]
    assert [bar["fieldSettings"] for bar in bars] == [
        {"label": "row", "value": "S/Top-1"},
        {"label": "row", "value": "S/mAP"},
    ]
    (point,) = [panel["config"] for panel in costs["panels"]]
    assert point["fieldSettings"] == {"x": "GMACs", "y": "S/Top-1"}
    fields = point["userQuery"]["queryFields"][0]["fields"]
    assert fields[0]["args"] == [{"name": "tableKey", "value": values_key("paper_table9")}]


AS_RUN = {"MMACs, as run": "run_mmacs", "Param. (k), as run": "run_params_k", "Latency (ms), as run": "latency_ms"}
FULL_SIZE = {"GMACs, full size": "gmacs", "Param. (M), full size": "params_m"}


def test_costs_are_of_the_networks_that_made_the_accuracies_where_a_table_has_them():
    study = table({**AS_RUN, **FULL_SIZE, "S/Top-1": "top1"}, (18.0, 170.0, 2.3, 65.0, 23.0, 36.0))
    panels = cost_panels(study)
    assert [panel["fieldSettings"]["x"] for panel in panels] == [field_name(key) for key in AS_RUN]
    assert "full-size network" not in str([panel["stringSettings"] for panel in panels])


@pytest.mark.parametrize(("profile", "said"), [("proxy", True), ("paper", False)])
def test_full_size_costs_stay_where_a_table_has_no_others_and_say_so_beside_small_networks(profile: str, said: bool):
    panels = cost_panels(table({**FULL_SIZE, "S/Top-1": "top1"}, (65.0, 23.0, 36.0), profile=profile))
    assert [panel["fieldSettings"]["x"] for panel in panels] == [field_name(key) for key in FULL_SIZE]
    for panel in panels:
        assert panel["stringSettings"]["title"].endswith(" of the full-size network") == said


def test_a_cost_that_no_row_has_beside_an_accuracy_gives_no_empty_chart():
    unmeasured = table({**AS_RUN, "T/Top-1": "top1", "S/Top-1": "top1"},
                       (18.0, 170.0, None, None, 36.0), (None, None, 2.3, None, None))  # fmt: skip
    panels = cost_panels(unmeasured)
    assert [panel["fieldSettings"] for panel in panels] == [
        {"x": field_name(key), "y": "S/Top-1"} for key in AS_RUN if key != "Latency (ms), as run"
    ]


def test_no_chart_of_a_committed_table_is_empty():
    """Every chart names columns that are logged, and some row has numbers in all of them; every curve is logged."""
    pytest.importorskip("wandb_workspaces")
    tables = [read_evidence(path) for path in committed(results_folder())]
    for view, of in zip(dashboard.workspaces(tables, "me", "mine")[1:], tables, strict=True):
        heads, rows = means(of)
        names = [field_name(head) for head in heads]
        assert len(set(names)) == len(names)
        for section in panel_bank(view)["panelBankConfig"]["sections"]:
            assert section["panels"]
            for panel in (panel["config"] for panel in section["panels"]):
                if "metrics" in panel:
                    assert any(key in cell["curves"] for key in panel["metrics"] for cell in of["cells"])
                    continue
                places = [names.index(name) for name in panel["fieldSettings"].values()]
                assert any(all(row[place] is not None for place in places) for row in rows), panel


def test_the_charts_are_those_that_wandb_itself_draws(views: list[Any]):
    wandb = pytest.importorskip("wandb")
    drawn = wandb.Table(columns=["row", "value"], data=[["a", 1.0]])
    rows, _, costs = panel_bank(views[1])["panelBankConfig"]["sections"]
    for panel, spec in (
        (rows["panels"][0], wandb.plot.bar(drawn, "row", "value").spec),
        (costs["panels"][0], wandb.plot.scatter(drawn, "row", "value").spec),
    ):
        assert panel["config"]["panelDefId"] == spec.spec_name
        assert panel["config"]["fieldSettings"].keys() == spec.fields.keys()


def test_curves_are_grouped_by_row_in_a_band_over_the_seeds(views: list[Any]):
    _, training, _ = panel_bank(views[1])["panelBankConfig"]["sections"]
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


def test_the_outline_says_what_each_section_shows_and_which_is_not_there(views: list[Any]):
    assert dashboard.outline(views[1]).splitlines() == [
        "Paper, Table 9: all: runs where Metric('Group') == 'paper_table9' and Tags() in ['proxy']",
        "  Rows",
        "    bars by row: S/Top-1 (%); S/mAP (%)",
        "  Training",
        "    lines over epochs, a band per row: Training loss (train/loss); Training top-1 (train/top1); "
        "Held-out top-1, one view (val/top1)",
        "  Accuracy against cost",
        "    a point per row: S/Top-1 against GMACs of the full-size network",
    ]
    without = dashboard.workspaces([table({"S/Top-1": "top1"}, (60.0,))], "me", "mine")
    assert "no section Accuracy against cost" in dashboard.outline(without[1])
    assert "no section" not in dashboard.outline(without[0])


def test_the_written_specification_is_what_would_be_saved_and_the_same_each_time(tmp_path: Path, capsys):
    internal = pytest.importorskip("wandb_workspaces.workspaces.internal")
    file = tmp_path / "new/views.json"
    assert dashboard.main(["--entity", "me", "--project", "mine", "--out", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    text = file.read_text()
    assert dashboard.main(["--entity", "me", "--project", "mine", "--out", str(file)]) == 0
    assert file.read_text() == text and "__id__" not in text
    written = json.loads(text)["views"]
    assert json.dumps({"views": written}, indent=2, sort_keys=True, ensure_ascii=False) + "\n" == text
    tables = [read_evidence(path) for path in committed(results_folder())]
    for view, one in zip(dashboard.workspaces(tables, "me", "mine"), written, strict=True):
        assert (one["displayName"], one["entity"], one["project"]) == (view.name, "me", "mine")
        loaded = internal.WorkspaceViewspec.model_validate(one["spec"])
        sent = view._to_model().spec
        as_json = [spec.model_dump(mode="json", by_alias=True) for spec in (loaded, sent)]
        assert dashboard._without_ids(as_json[0]) == dashboard._without_ids(as_json[1])


def test_a_specification_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch, capsys):
    pytest.importorskip("wandb_workspaces")
    file = tmp_path / "views.json"
    file.write_text("before")

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert dashboard.main(["--out", str(file)]) == 1
    assert "No space left" in capsys.readouterr().err
    assert file.read_text() == "before" and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("other", [["--save"], ["--out", "views.json"]])
def test_uploading_takes_no_other_wish_in_silence(other: list[str], monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(dashboard, "has_key", lambda: True)
    monkeypatch.setattr(dashboard, "sync", lambda runs: pytest.fail("uploads"))
    assert dashboard.main(["--sync", "--entity", "me", *other]) == 1
    assert "--sync uploads runs and nothing else" in capsys.readouterr().err


class View:
    """A view whose saving fails as it is told to."""

    entity, project = "me", "mine"

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name, self.error = name, error

    def save(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("kind", ["CommError", "AuthenticationError", "RuntimeError"])
@pytest.mark.parametrize(("before", "said"), [(0, "none is saved yet"), (1, "1 of 3 views are saved")])
def test_a_server_that_refuses_ends_in_one_line(kind: str, before: int, said: str, monkeypatch, capsys):
    error = getattr(pytest.importorskip("wandb.errors"), kind, RuntimeError)
    saved = [View("saved")] * before
    views = [*saved, View("refused", error("not\nreached")), *[View("later")] * (2 - before)]
    monkeypatch.setattr(dashboard, "has_key", lambda: True)
    monkeypatch.setattr(dashboard, "workspaces", lambda *_: views)
    assert dashboard.main(["--save", "--entity", "me"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: view 'refused' was not saved ({kind}: not reached)")
    assert "wandb login" in line and "WANDB_BASE_URL" in line and said in line


def test_a_bad_key_ends_in_one_line(tmp_path: Path):
    pytest.importorskip("wandb_workspaces")
    folders = dict.fromkeys(("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"), str(tmp_path))
    environment = {**os.environ, **folders, "WANDB_API_KEY": "short", "WANDB_BASE_URL": "http://127.0.0.1:9"}
    command = [sys.executable, str(Path(dashboard.__file__)), "--save", "--entity", "me"]
    ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("error: view 'All tables' was not saved (AuthenticationError: ")


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


def rendered(folder: Path, day: int, name: str = "offline-run") -> Path:
    """Make the folder of a table's rendering, which has the same run id each time."""
    run = folder / "wandb" / f"{name}-202602{day:02}_000000-paper_table9-0a"
    run.mkdir(parents=True)
    (run / "run-paper_table9-0a.wandb").touch()
    return run


def test_of_a_table_rendered_again_the_last_alone_is_uploaded(tmp_path: Path):
    first, *others = rendered(tmp_path, 1), *offline_runs(tmp_path, 1)
    assert dashboard.pending(tmp_path) == ([*others, first], 0), "oldest first"
    last = rendered(tmp_path, 2)
    assert dashboard.pending(tmp_path) == ([*others, last], 0)
    marked(last)
    assert dashboard.pending(tmp_path) == (others, 1), "the earlier one must not be sent over it"


def test_two_renderings_of_one_second_are_told_apart(tmp_path: Path):
    first = rendered(tmp_path, 1)
    second = first.with_name(first.name + "-1")  # so wandb names it
    second.mkdir()
    (second / "run-paper_table9-0a.wandb").touch()
    assert dashboard.pending(tmp_path) == ([second], 0)


def test_a_rendering_is_not_sent_over_a_newer_one_that_went_online(tmp_path: Path):
    offline = rendered(tmp_path, 2)
    rendered(tmp_path, 1, "run")
    assert dashboard.pending(tmp_path) == ([offline], 0)
    rendered(tmp_path, 3, "run")
    assert dashboard.pending(tmp_path) == ([], 0)
    fallen_back = rendered(tmp_path, 3)
    assert dashboard.pending(tmp_path) == ([fallen_back], 0), "in the same second, after the server refused"


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


def test_an_upload_that_ends_well_but_sent_nothing_is_not_counted(tmp_path: Path, monkeypatch, capsys):
    """``wandb sync`` exits with 0 when the server refuses the key."""
    monkeypatch.setattr(dashboard, "SYNC", (sys.executable, "-c", ""))
    runs = offline_runs(tmp_path, 1)
    assert dashboard.sync(tmp_path) == 1
    assert "0 uploaded, 1 not" in capsys.readouterr().out
    assert dashboard.pending(tmp_path) == (runs, 0)


def test_wandb_marks_an_uploaded_run_as_this_expects():
    sync = pytest.importorskip("wandb.cli.beta_sync")
    assert ".wandb.synced" in Path(sync.__file__).read_text()
