"""A benchmark's record is written whole, and its page says what the record holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from experiments.benchmarks import action, key_points
from experiments.benchmarks.records import clock, measured_with, ratio, times_of, write_record
from experiments.benchmarks.turns import Turn


def test_a_ratio_is_the_median_of_those_within_a_turn():
    assert ratio([4.0, 9.0, 100.0], [2.0, 3.0, 10.0]) == 3.0
    with pytest.raises(ValueError, match=r"zip\(\)"):
        ratio([1.0], [1.0, 2.0])


def test_one_thread_is_timed_by_its_own_work_and_several_by_the_clock():
    turns = [Turn(wall_ms=5.0, cpu_ms=2.0), Turn(wall_ms=6.0, cpu_ms=3.0)]
    assert (clock(1), times_of(turns, 1)) == ("CPU time", [2.0, 3.0])
    assert (clock(2), times_of(turns, 2)) == ("wall time", [5.0, 6.0])


def test_a_record_and_its_page_lie_side_by_side(tmp_path: Path):
    write_record("speed", {"a": 1}, "# Speed\n", tmp_path / "new")
    assert json.loads((tmp_path / "new/speed.json").read_text()) == {"a": 1}
    assert (tmp_path / "new/speed.md").read_text() == "# Speed\n"
    assert measured_with("torch", "no-such-package")["versions"] == {"torch": torch.__version__.split("+")[0]}


def test_action_nets_page_states_the_literal_ratio_and_the_overhead(monkeypatch: pytest.MonkeyPatch):
    def times(functions, *, budget_sec):
        assert budget_sec == 3.0
        return [[Turn(wall_ms=ms, cpu_ms=1.0)] * 5 for ms in (100.0, 110.0, 150.0, 300.0, 270.0)]

    monkeypatch.setattr(action, "take_turns", times)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    names = (action.TSN, "TSM", action.OURS, action.LITERAL, "other")
    run = action.timed({name: nn.Identity() for name in names}, torch.zeros(1), threads=2, budget_sec=3.0)  # type: ignore[misc]
    assert [(row["over_ours"], row["over_tsn"]) for row in run["networks"]] == [
        (0.67, 1.0), (0.73, 1.1), (1.0, 1.5), (2.0, 3.0), (1.8, 2.7),
    ]  # fmt: skip
    found = {"step": "step", "hardware": "abacus", "versions": {"torch": "2"}, "runs": [run],
             "agreement": {action.LITERAL: (1e-6, 1e-13, 1e-12)}}  # fmt: skip
    page = action.markdown(found)
    assert "literally take 2.00 times as long as ours (aim: 1.5, met). ACTION-Net's overhead over TSN: 50 %." in page
    assert "## 2 threads, 5 turns" in page and "1.0e-13" in page


def test_kpsems_page_states_ratio_share_and_memory():
    forward = {"conv4": {"kpsem_ms": 12.0, "whole_ms": 240.0, "share_percent": 5.0}}
    run = {"threads": 1, "clock": "CPU time", "loop_sec": 3.5, "vectorised_ms": 7.0, "times_faster_than_loop": 500,
           "largest_difference": 2e-6, "forward": forward}  # fmt: skip
    memory = {"conv4": key_points.memory_of("conv4")}
    page = key_points.markdown({"hardware": "abacus", "versions": {"torch": "2"}, "memory": memory, "runs": [run]})
    assert "the loop over every index 3.50 s, 500 times as long" in page and "## 1 thread, CPU time" in page
    words = " ".join(page.split())
    assert "| conv4 | 12.0 | 240.0 | 5.0 |" in words and "| conv4 | 30.5 | 32.2 |" in words
