"""Tracking logs what a run did, and nothing that goes wrong with it costs a cell."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
import struct
import subprocess
import sys
import threading
import time
import types
import zlib
from pathlib import Path

import pytest

from experiments.harness import tracking
from experiments.harness.runner import run
from experiments.harness.tracking import Tracking
from tests.tiny_cells import runtime, training

CELL = training()
VARIABLES = ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_MODE", "WANDB_PROJECT", "NETRC", "LOCAL_RANK")


@pytest.fixture(autouse=True)
def nobody(tmp_path_factory, monkeypatch):
    """Be a user with no account, whose files are all temporary."""
    home = tmp_path_factory.mktemp("home")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nothing listens there
    yield home
    if "wandb" in sys.modules and hasattr(sys.modules["wandb"], "teardown"):
        sys.modules["wandb"].teardown()


def tracker(folder: Path, mode: str = "offline") -> Tracking:
    return Tracking(mode, folder).for_table("ligar/table3", "smoke")  # type: ignore[arg-type]


# -- reading W&B's files without W&B ------------------------------------------------------------------------

FULL, FIRST, LAST = 1, 2, 4
BLOCK = 32 * 1024


def records(path: Path) -> list:
    """Read a ``.wandb`` file: a 7-byte header, then a LevelDB log of protocol buffers in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, parts, found = 7, b"", []
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:
            position += BLOCK - position % BLOCK  # what is left of the block is too short for a header
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, position)
        body = data[position + 7 : position + 7 + length]
        assert zlib.crc32(bytes([kind]) + body) == checksum, f"damaged at byte {position}"
        parts = body if kind in (FULL, FIRST) else parts + body
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
        position += 7 + length
    return found


def items(rows) -> dict:
    return {row.key or "/".join(row.nested_key): json.loads(row.value_json) for row in rows}


@dataclasses.dataclass
class OfflineRun:
    """What one run left on disk."""

    folder: Path
    run: object
    config: dict
    history: list[dict]
    summary: dict


def is_complete(path: Path) -> bool:
    return any(record.WhichOneof("record_type") == "exit" for record in records(path))


def offline_runs(folder: Path) -> list[OfflineRun]:
    """Read all runs in a folder, as soon as wandb's own process has written them to the end."""
    runs, deadline = [], time.monotonic() + 30
    for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb")):
        while not is_complete(path) and time.monotonic() < deadline:
            time.sleep(0.05)
        config: dict = {}
        summary: dict = {}
        history, opened = [], None
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                opened = record.run
                config |= items(record.run.config.update)
            elif kind == "config":
                config |= items(record.config.update)
            elif kind == "history":
                history.append(items(record.history.item))
            elif kind == "summary":
                summary |= items(record.summary.update)
        runs.append(OfflineRun(path.parent, opened, config, history, summary))
    return runs


def test_an_offline_run_can_be_read_back_with_config_history_summary_and_group(tmp_path):
    with tracker(tmp_path).run(name="ligar w/ ACS · UCF-101 · s0", cell=CELL, job_type="train") as log:
        for epoch in range(3):
            log({"train/loss": 3.0 - epoch, "val/top1": 10.0 * epoch}, epoch)
    [found] = offline_runs(tmp_path)
    described = found.run.display_name, found.run.run_group, found.run.job_type
    assert described == ("ligar w/ ACS · UCF-101 · s0", "ligar_table3", "train")
    assert list(found.run.tags) == ["paper:ligar", "ligar/table3", "smoke"]
    assert found.run.project == tracking.PROJECT
    config = {key: value for key, value in found.config.items() if not key.startswith("_")}
    expected = {**CELL.arguments, "fingerprint": CELL.fingerprint, "row": "ligar w/ ACS · UCF-101"}
    assert config == json.loads(json.dumps(expected))
    kept = [{key: row[key] for key in ("train/loss", "val/top1", "epoch")} for row in found.history]
    assert kept == [{"train/loss": 3.0 - e, "val/top1": 10.0 * e, "epoch": e} for e in range(3)]
    assert found.summary["val/top1"] == 20.0 and found.summary["epoch"] == 2


def test_the_rendered_table_is_a_run_of_its_own(tmp_path):
    rows = [["w/o ACS", "93.52", 31.25], ["w/ ACS", None, 33.5]]
    numbers = ["row", "UCF-101/Top-1"], [["w/o ACS", 31.25], ["w/ ACS", None]]
    tracker(tmp_path).log_table(["row", "published", "ours"], rows, {"L26": "undecided", "cells": 4}, numbers)
    [found] = offline_runs(tmp_path)
    assert (found.run.job_type, found.run.run_group) == ("table", "ligar_table3")
    logged = found.history[0]
    assert (logged["table/_type"], logged["table/nrows"], logged["table/ncols"]) == ("table-file", 2, 3)
    table = json.loads((found.folder / "files" / logged["table/path"]).read_text())
    assert table["columns"] == ["row", "published", "ours"]
    assert table["data"] == [["w/o ACS", "93.52", "31.25"], ["w/ ACS", "None", "33.5"]]
    values = json.loads((found.folder / "files" / found.history[1]["ligar_table3_values/path"]).read_text())
    assert (values["columns"], values["data"]) == (list(numbers[0]), numbers[1])
    assert (found.summary["L26"], found.summary["cells"]) == ("undecided", 4)


def test_a_table_rendered_again_is_the_same_run(tmp_path):
    for top1 in ("31.2", "33.5"):
        tracker(tmp_path).log_table(["row", "ours"], [["w/o ACS", top1]], {"L26": "undecided"})
    first, second = offline_runs(tmp_path)
    assert first.run.run_id == second.run.run_id and first.folder != second.folder
    assert first.run.resume and second.run.resume, "else an upload does not ask for what is there"


def test_what_is_another_table_is_another_run(tmp_path):
    anew = Tracking("offline", tmp_path)
    columns = ["row", "ours"]
    anew.for_table("ligar/table3", "proxy").log_table(columns, [["a", "1"]], {})
    anew.for_table("ligar/table3", "paper").log_table(columns, [["a", "1"]], {})
    anew.for_table("ligar/table4", "proxy").log_table(columns, [["a", "1"]], {})
    anew.for_table("ligar/table3", "proxy").log_table(["row", "my data"], [["a", "1"]], {})
    anew.for_table("ligar/table3", "proxy").log_table(columns, [["a", "1"]], {}, prefix="changed-")
    found = [one.run.run_id for one in offline_runs(tmp_path)]
    assert len(set(found)) == len(found) == 5
    for run_id in found:
        assert len(run_id) <= 64 and not set(run_id) & set("/\\#?%:"), "which W&B refuses"


def test_a_table_apart_from_the_paper_s_is_logged_under_another_key(tmp_path):
    numbers = ["row", "Top-1"], [["a", 1.0]]
    tracker(tmp_path).log_table(["row"], [["a"]], {}, numbers, prefix="changed-")
    [found] = offline_runs(tmp_path)
    keys = {key.split("/")[0] for row in found.history for key in row}
    assert "changed-ligar_table3_values" in keys and "ligar_table3_values" not in keys


def test_a_table_online_is_resumed_and_an_attempt_at_a_cell_is_not(tmp_path, monkeypatch):
    opened = []
    ended = types.SimpleNamespace(log=lambda values: None, finish=lambda: None, summary={})
    monkeypatch.setitem(sys.modules, "wandb", fake_wandb(init=lambda **given: opened.append(given) or ended))
    tracker(tmp_path, "online").log_table(["row"], [["a"]], {})
    with tracker(tmp_path, "online").run(name="cell", cell=CELL, job_type="train"):
        pass
    table, attempt = opened
    assert table["id"].startswith("ligar_table3-") and table["resume"] == "allow"
    assert "id" not in attempt and "resume" not in attempt


def test_the_names_of_a_chart_s_columns_are_no_paths_to_vega(tmp_path):
    numbers = ["row", "Param. (M)", "x[0]"], [["a", 1.0, 2.0]]
    tracker(tmp_path).log_table(["row"], [["a"]], {}, numbers)
    [found] = offline_runs(tmp_path)
    values = json.loads((found.folder / "files" / found.history[1]["ligar_table3_values/path"]).read_text())
    assert values["columns"] == ["row", "Param (M)", "x0"] == [tracking.field_name(head) for head in numbers[0]]


def test_two_attempts_are_two_runs_of_one_group(tmp_path):
    for _ in range(2):
        with tracker(tmp_path).run(name="cell", cell=CELL, job_type="train") as log:
            log({"train/loss": 1.0}, 0)
    first, second = offline_runs(tmp_path)
    assert first.run.run_id != second.run.run_id and first.run.run_group == second.run.run_group
    assert len(first.history) == len(second.history) == 1


def test_a_real_training_logs_its_curves(tmp_path, benchmark_cache):
    record = run(CELL, runtime(tmp_path, tracking=tracker(tmp_path)), "row, seed 0")
    [found] = offline_runs(tmp_path)
    for key, points in record["curves"].items():
        assert [row[key] for row in found.history if key in row] == pytest.approx([value for _, value in points]), key


def test_a_process_that_ends_at_once_loses_nothing(tmp_path):
    """The harness's child processes leave by ``os._exit`` when their cell is done."""
    code = f"""
import os
from pathlib import Path
from tests.harness.test_tracking import CELL, tracker
if os.fork() == 0:
    with tracker(Path({str(tmp_path)!r})).run(name="cell", cell=CELL, job_type="train") as log:
        log({{"train/loss": 1.0}}, 0)
    os._exit(0)
os.wait()
"""
    repository = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, capture_output=True)
    [found] = offline_runs(tmp_path)
    assert found.history[0]["train/loss"] == 1.0 and found.summary["train/loss"] == 1.0


# -- CSV ------------------------------------------------------------------------------------------------------


def read_csv(folder: Path) -> list[list[str]]:
    with (folder / "trainings" / CELL.fingerprint / "curves.csv").open() as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("mode", ["none", "offline"])
def test_the_csv_holds_every_value_in_every_mode(tmp_path, mode):
    with tracker(tmp_path, mode).run(name="", cell=CELL, job_type="train") as log:
        log({"train/loss": 1.5, "val/top1": 20.0}, 0)
        log({"train/loss": 0.5}, 1)
    assert read_csv(tmp_path) == [
        ["epoch", "key", "value"], ["0", "train/loss", "1.5"], ["0", "val/top1", "20.0"], ["1", "train/loss", "0.5"],
    ]  # fmt: skip
    assert (tmp_path / "wandb").exists() == (mode == "offline")


def test_unwanted_tracking_touches_nothing_of_wandb(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    off = Tracking.detect(tmp_path, wanted=False).for_table("ligar/table3", "smoke")
    with off.run(name="", cell=CELL, job_type="train") as log:
        log({"train/loss": 1.5}, 0)
    off.log_table(["a"], [["b"]], {})
    assert len(read_csv(tmp_path)) == 2


def test_only_the_first_of_several_processes_logs(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with tracker(tmp_path).run(name="", cell=CELL, job_type="train") as log:
        log({"train/loss": 1.5}, 0)
    assert not list(tmp_path.iterdir())


# -- where to ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "wanted", "mode"),
    [
        ({}, True, "offline"),
        ({}, False, "none"),
        ({"WANDB_API_KEY": "k" * 40}, True, "online"),
        ({"WANDB_API_KEY": "k" * 40}, False, "none"),
        ({"WANDB_API_KEY": "k" * 40, "WANDB_MODE": "offline"}, True, "offline"),
        ({"WANDB_API_KEY": "k" * 40, "WANDB_MODE": "disabled"}, True, "none"),
    ],
)
def test_the_mode_follows_wish_key_and_environment(tmp_path, monkeypatch, environment, wanted, mode):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Tracking.detect(tmp_path, wanted=wanted).mode == mode


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        ("machine api.wandb.ai login user password secret", "online"),
        ("machine api.forge.coreweave.com login user password secret", "online"),
        ("machine wandb.example.org login user password secret", "online"),
        ("machine elsewhere.org login user password secret", "offline"),
        ("no netrc at all", "offline"),
    ],
)
def test_a_key_of_the_server_in_netrc_counts(nobody, tmp_path, monkeypatch, content, mode):
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    (nobody / ".netrc").write_text(content)
    (nobody / ".netrc").chmod(0o600)
    assert Tracking.detect(tmp_path, wanted=True).mode == mode


# -- what goes wrong ----------------------------------------------------------------------------------------------


def fake_wandb(**functions) -> types.SimpleNamespace:
    return types.SimpleNamespace(Settings=lambda **_: None, Table=lambda **_: None, **functions)


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


class FullRun:
    """A run on a full disk."""

    summary = types.SimpleNamespace(update=full)
    log = staticmethod(full)
    finish = staticmethod(full)


FAILURES = {
    "wandb is not installed": None,
    "wandb cannot start": fake_wandb(init=full),
    "the disk is full": fake_wandb(init=lambda **_: FullRun()),
    "wandb is of an unknown version": types.SimpleNamespace(),
}


@pytest.mark.parametrize("wandb", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("mode", ["offline", "online"])
def test_a_failing_wandb_costs_no_cell(tmp_path, monkeypatch, capfd, benchmark_cache, wandb, mode):
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    cell = dataclasses.replace(CELL, limit_batches=1)
    where = runtime(tmp_path, tracking=tracker(tmp_path, mode))
    record = run(cell, where, "cell")
    assert where.store.folder(cell).record() == record and len(record["curves"]["train/loss"]) == 3
    assert "the run goes on without it" in capfd.readouterr().err
    tracker(tmp_path, mode).log_table(["a"], [["b"]], {"verdict": "undecided"})


def test_a_full_disk_under_the_csv_costs_no_cell(tmp_path, monkeypatch, capfd, benchmark_cache):
    monkeypatch.setattr(tracking, "_append_csv", full)
    cell = dataclasses.replace(CELL, limit_batches=1)
    assert run(cell, runtime(tmp_path))["curves"]
    assert "No space left on device" in capfd.readouterr().err


def test_a_folder_that_cannot_be_written_costs_no_cell(tmp_path):
    (tmp_path / "taken").write_text("a file where wandb wants its folder")
    with tracker(tmp_path / "taken").run(name="cell", cell=CELL, job_type="train") as log:
        log({"train/loss": 1.0}, 0)
    (tmp_path / "wandb").write_text("a file where wandb wants its folder")
    with tracker(tmp_path).run(name="cell", cell=CELL, job_type="train") as log:
        log({"train/loss": 1.0}, 0)
    assert len(read_csv(tmp_path)) == 2


def test_an_unreachable_server_means_offline_after_the_timeout(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setattr(tracking, "INIT_TIMEOUT_SEC", 2)
    start = time.monotonic()
    with tracker(tmp_path, "online").run(name="cell", cell=CELL, job_type="train") as log:
        log({"train/loss": 1.0}, 0)
    assert time.monotonic() - start < 15
    [found] = offline_runs(tmp_path)
    assert found.history[0]["train/loss"] == 1.0
    assert "server not reached" in capfd.readouterr().err


def test_an_error_of_the_training_is_not_swallowed(tmp_path):
    with pytest.raises(ZeroDivisionError), tracker(tmp_path, "none").run(name="", cell=CELL, job_type="train"):
        1 / 0  # noqa: B018


def test_a_run_that_does_not_finish_is_left_behind(tmp_path, monkeypatch, capfd):
    released = threading.Event()
    hanging = types.SimpleNamespace(log=lambda values: None, finish=lambda: released.wait(30))
    monkeypatch.setitem(sys.modules, "wandb", fake_wandb(init=lambda **_: hanging))
    monkeypatch.setattr(tracking, "FINISH_TIMEOUT_SEC", 0.2)
    start = time.monotonic()
    with tracker(tmp_path).run(name="", cell=CELL, job_type="train"):
        pass
    assert time.monotonic() - start < 5
    released.set()
    assert "did not finish in time" in capfd.readouterr().err
