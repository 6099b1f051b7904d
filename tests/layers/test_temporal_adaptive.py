"""TAM: each clip and channel is gated per frame and filtered over time by its own softmax kernel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_modules.layers.temporal_adaptive import TemporalAdaptive


def module(**changes) -> TemporalAdaptive:
    torch.manual_seed(0)
    made = TemporalAdaptive(**{"channels": 4, "num_frames": 5, **changes}).double().eval()
    for layer in made.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d):
            nn.init.normal_(layer.weight)
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return made


def test_it_is_the_papers_sum_over_taps():
    tam, maps = module(), torch.randn(2, 4, 5, 3, 2, dtype=torch.float64)
    expected = torch.zeros_like(maps)
    for n in range(2):
        means = maps[n].mean((2, 3))  # (C, T)
        gates = tam.gate(means[None])[0]
        for c in range(4):
            taps = tam.taps(means[c][None])[0]
            assert float(taps.sum()) == pytest.approx(1.0) and (taps > 0).all()
            for t in range(5):
                for tap in range(3):
                    source = t + tap - 1
                    if 0 <= source < 5:
                        expected[n, c, t] += taps[tap] * gates[c, source] * maps[n, c, source]
    torch.testing.assert_close(tam(maps), expected)


def test_gradients_are_right():
    maps = torch.randn(2, 4, 5, 2, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module(), (maps,))


def test_another_number_of_frames_is_refused():
    with pytest.raises(ValueError, match="maps have 4 frames, the module was built for num_frames=5"):
        module()(torch.randn(1, 4, 4, 2, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match="kernel must be odd and positive, got 2"):
        TemporalAdaptive(channels=4, num_frames=5, kernel=2)
