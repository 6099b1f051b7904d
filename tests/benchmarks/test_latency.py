"""What the latency benchmark writes: who is timed, who is skipped and why, and the numbers of known times."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.benchmarks.latency import BASE, SEVERAL, SHIPPED, markdown, prepared, record, timed

CLIPS = np.ones((SEVERAL, 2), dtype=np.float32)


def test_who_scores_otherwise_or_cannot_be_made_is_not_timed():
    def broken():
        raise RuntimeError("no compiler\nat all")

    builders = {
        BASE: lambda: lambda clips: clips,
        "near": lambda: lambda clips: clips + 5e-5,
        "far": lambda: lambda clips: clips + 1e-3,
        "nan": lambda: lambda clips: clips * np.nan,
        "broken": broken,
    }
    ready, notes = prepared(builders, CLIPS)
    assert list(ready) == [BASE, "near"]
    assert notes["near"]["largest_difference"] == pytest.approx(5e-5, rel=0.01)
    assert notes["far"]["skipped"] == "scores differ by 1.0e-03" and "nan" in notes["nan"]["skipped"]
    assert notes["broken"]["skipped"] == "RuntimeError: no compiler"


def test_each_is_called_as_often_on_the_clips_it_was_given():
    seen: list[int] = []
    times = timed({BASE: lambda clips: seen.append(len(clips)), "other": lambda clips: None}, CLIPS, rounds=3)
    assert {name: len(own) for name, own in times.items()} == {BASE: 3, "other": 3}
    assert set(seen) == {SEVERAL}


def test_ratios_are_within_rounds_and_throughput_is_of_the_median():
    times = {BASE: [100.0, 300.0, 200.0], SHIPPED: [100.0, 300.0, 200.0], "fast": [50.0, 100.0, 40.0]}
    batched = {name: [SEVERAL * 20.0] for name in times}
    notes = {name: {"largest_difference": 1e-7} for name in times} | {"gone": {"skipped": "a|b"}}
    found = record(times, batched, notes, threads=2)
    fast = next(row for row in found["variants"] if row["name"] == "fast")
    assert fast["p50_ms"] == 50 and fast["times_faster_than_contiguous"] == 3.0, "2, 3 and 5 times within rounds"
    assert fast["clips_per_sec"] == {"1": 20.0, str(SEVERAL): 50.0}
    assert (found["rounds"], found["batch"], found["threads"]) == (3, SEVERAL, 2)
    lines = markdown(found).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1, "all rows have as many cells"
    assert "| fast | 50.0 | 95.0 | 3.00 | 3.00 | 20.0 | 50.0 | 1.0e-07 |" in lines
    assert any(line.startswith("| gone | skipped: a/b |") for line in lines)
