"""The benchmark of KPSEM counts memory as it says, and AReSE's is what the passport states."""

from __future__ import annotations

import pytest
import torch

from experiments.benchmarks.key_points import PeakMemory, peak_megabytes


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
