"""The benchmark of KPSEM counts memory as it says, and AReSE's is what the passport states."""

from __future__ import annotations

import json

import pytest
import torch

from experiments.benchmarks.key_points import PeakMemory, aims, markdown, peak_megabytes
from experiments.harness.store import REPOSITORY


def test_peak_is_the_largest_sum_of_living_tensors():
    given = torch.zeros(1000)
    with PeakMemory() as memory:
        memory.exclude(given)
        first = given + 1  # 4 kB
        second = first + given.view(10, 100).sum()  # 8 kB and a number
        del first
        third = second.view(-1)[5:]  # shares memory
        fourth = third * 2
    assert 8_000 <= memory.peak <= 8_100
    assert memory.alive == 4_000 + fourth.nbytes


@pytest.mark.parametrize(
    ("stage", "inference", "training"), [("conv2", 106, 106), ("conv3", 53, 53), ("conv4", 31, 32), ("conv5", 21, 41)]
)
def test_memory_of_a_clip_is_as_stated(stage, inference, training):
    assert peak_megabytes(stage, training=False) == pytest.approx(inference, abs=1)
    assert peak_megabytes(stage, training=True) == pytest.approx(training, abs=1)


@pytest.mark.parametrize(
    ("times", "shares", "words"),
    [
        (100, {"conv2": 9.9, "conv4": 4.0}, ("loop: met.", "pass: met behind every stage;")),
        (99, {"conv2": 10.0, "conv4": 4.0}, ("loop: missed.", "pass: missed behind conv2;")),
        (500, {"conv2": 16.0, "conv3": 12.0, "conv4": 4.0}, ("loop: met.", "pass: missed behind conv2 and conv3;")),
    ],
)
def test_the_page_says_which_aims_are_met_and_where_not(times, shares, words):
    forward = {stage: {"share_percent": share} for stage, share in shares.items()}
    said = aims({"times_faster_than_loop": times, "forward": forward})
    assert all(word in said for word in words)


def test_the_committed_page_is_that_of_its_record():
    folder = REPOSITORY / "results/benchmarks"
    page = (folder / "key_points.md").read_text()
    assert page == markdown(json.loads((folder / "key_points.json").read_text())) and page.count("Aims: ") == 2
