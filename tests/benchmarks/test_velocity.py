"""Velocities follow from the times of the turns, and what is timed goes from frames in memory to class scores."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from experiments.benchmarks import velocity
from experiments.benchmarks.turns import Turn
from experiments.benchmarks.velocity import markdown, moving_video, prepared, record, verdict
from experiments.harness.measure import known_cost
from experiments.harness.store import REPOSITORY, RESULTS_VARIABLE
from experiments.ms3d_profiles import MS3D, SLOW_FAST, VELOCITY
from experiments.ms3d_table1 import TABLE
from lightning_modules.ms3d import Ms3d
from lightning_modules.ms3d.profiles import SMOKE_MS3D

COMMITTED = REPOSITORY / "results/benchmarks/velocity_ms3d_table1.json"


def turns(*milliseconds: float) -> list[Turn]:
    return [Turn(wall, wall) for wall in milliseconds]


def test_videos_per_second_are_those_of_the_median_and_of_all_views():
    found = record({MS3D: turns(100, 200, 900), SLOW_FAST: turns(50, 100, 300)}, threads=1)
    own, other = found["rows"]
    assert own["videos_per_sec_one_view"] == own["videos_per_sec"] == 5.0 and own["times_ms3d_one_view"] == 1.0
    assert other["videos_per_sec_one_view"] == 10.0 and other["views"] == 30
    assert other["videos_per_sec"] == pytest.approx(10 / 30, abs=1e-4)
    assert other["times_ms3d_one_view"] == 2.0, "the median of the ratios within a round: 2, 2 and 3"
    assert "reproduced, 15.0 times with SlowFast's 30 views, 0.50 times with one view each" in verdict(found)
    assert f"| {SLOW_FAST} | 0.9 | 0.10 | 10.000 | 2.00 | 30 | 0.333 |" in markdown(found)
    assert "ResNet3D" not in markdown(found) and f"{MS3D} one, without a source" in markdown(found)
    slower = record({MS3D: turns(900), SLOW_FAST: turns(10)}, threads=1)
    assert "not reproduced" in verdict(slower)
    assert "was left out" in verdict(record({MS3D: turns(1)}, threads=1))


def test_what_is_timed_samples_scales_and_judges_one_view(monkeypatch):
    seen: list[torch.Size] = []

    class Small(Ms3d):
        def forward(self, clips):
            seen.append(clips.shape)
            return clips.mean((1, 2, 3, 4, 5))[:, None]

    monkeypatch.setattr(velocity, "Ms3d", lambda **given: Small(**{**given, "backbone": SMOKE_MS3D}))
    frames = moving_video(60, 120, 160)
    assert np.array_equal(frames[1, :, :-1], frames[0, :, 1:])
    for label in (MS3D, "ResNet3D"):
        prepared(label, frames)()
    assert seen == [(1, 1, 3, 49, 224, 224), (1, 1, 3, 16, 112, 112)]


def test_the_table_takes_its_velocity_from_the_record_and_from_no_other_network(tmp_path, monkeypatch):
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    column = TABLE.column("Velocity (vps)")
    found = record({MS3D: turns(500), SLOW_FAST: turns(100)}, threads=1)
    (tmp_path / "benchmarks").mkdir()
    path = tmp_path / "benchmarks" / "velocity_ms3d_table1.json"

    def value(label: str) -> float | None:
        return known_cost(TABLE, TABLE.row(label), column, "proxy")

    assert value(MS3D) is None, "nothing was measured"
    path.write_text(json.dumps(found))
    assert (value(MS3D), value(SLOW_FAST), value("ECO")) == (2.0, pytest.approx(10 / 30, abs=1e-4), None)
    found["rows"][0]["network"] = "another"
    path.write_text(json.dumps(found))
    assert value(MS3D) is None
    path.write_text("{")
    with pytest.raises(ValueError, match=r"velocity_ms3d_table1\.json is damaged"):
        value(MS3D)


@pytest.mark.skipif(not COMMITTED.exists(), reason="no velocities are committed")
def test_the_committed_record_says_what_the_tables_note_says():
    record = json.loads(COMMITTED.read_text())
    rows = {row["row"]: row for row in record["rows"]}
    assert {label: row["views"] for label, row in rows.items() if row["views"] > 1} == velocity.VIEWS
    assert velocity.VIEWS.keys() == velocity.VIEWS_FROM.keys()
    assert rows[SLOW_FAST]["views"] == 30 and rows[MS3D]["views"] == 1
    assert rows[SLOW_FAST]["times_ms3d_one_view"] > 1, "by one view each Slow-Fast is the faster"
    for label, printed in VELOCITY.items():
        in_table = TABLE.row(label).published[-1]
        assert printed == rows[label]["published_videos_per_sec"]
        assert in_table == (printed if re.fullmatch(r"[\d.]+", printed) else None), "'< 0.5' and '-' are no numbers"


def test_the_page_is_written_again_from_the_record_alone(tmp_path, capsys):
    found = record({MS3D: turns(500), SLOW_FAST: turns(100)}, threads=1)
    (tmp_path / "velocity_ms3d_table1.json").write_text(json.dumps(found))
    velocity.main(["--render-only", "--out", str(tmp_path)])
    assert (tmp_path / "velocity_ms3d_table1.md").read_text() == markdown(found) == capsys.readouterr().out[:-1]
    assert "float32" in markdown(found) and "after 1 to warm up" in markdown(found)
    assert json.loads((tmp_path / "velocity_ms3d_table1.json").read_text()) == found
