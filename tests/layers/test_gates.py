"""Gates: squeeze-and-excitation of a whole clip, and CBAM with a time axis."""

from __future__ import annotations

import math

import pytest
import torch

from lightning_modules.layers.gates import Cbam, ChannelGate, PositionGate


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("pools", [("mean",), ("max",), ("mean", "max")])
def test_a_channels_gate_is_computed_from_the_clips_pooled_channels(pools):
    torch.manual_seed(0)
    gate = ChannelGate(channels=6, reduction=3, pools=pools).double()
    maps = torch.randn(2, 6, 3, 2, 4, dtype=torch.float64)
    out = gate(maps)
    pool = {"mean": torch.mean, "max": torch.max}
    for n in range(2):
        logits = torch.zeros(6, dtype=torch.float64)
        for name in pools:
            values = torch.stack([pool[name](maps[n, c]) for c in range(6)])
            hidden = [
                max(0.0, float(values @ w + b)) for w, b in zip(gate.squeeze.weight, gate.squeeze.bias, strict=True)
            ]
            logits += gate.excite.weight @ torch.tensor(hidden, dtype=torch.float64) + gate.excite.bias
        for c in range(6):
            torch.testing.assert_close(out[n, c], maps[n, c] * sigmoid(float(logits[c])))


def test_a_position_is_gated_by_what_surrounds_it():
    torch.manual_seed(0)
    gate, maps = PositionGate(kernel=3).double().eval(), torch.randn(1, 5, 3, 4, 4, dtype=torch.float64)
    around = torch.stack([maps[0].mean(0), maps[0].amax(0)])[:, 0:3, 1:4, 0:3]  # about frame 1, row 2, column 1
    logit = float((around * gate.conv.weight[0]).sum()) / math.sqrt(1 + gate.norm.eps)
    torch.testing.assert_close(gate(maps)[0, :, 1, 2, 1], maps[0, :, 1, 2, 1] * sigmoid(logit))


def test_cbam_gates_channels_before_positions_and_keeps_the_shape():
    torch.manual_seed(0)
    cbam, maps = Cbam(channels=4, reduction=2, kernel=3).double(), torch.randn(2, 4, 2, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(cbam(maps), cbam[1](cbam[0](maps)))
    assert torch.autograd.gradcheck(cbam.eval(), (maps[:1, :, :, :2, :2].clone().requires_grad_(),))


def test_unknown_pools_are_refused():
    with pytest.raises(ValueError, match="pools must be some of 'mean', 'max'"):
        ChannelGate(channels=4, pools=("median",))  # type: ignore[arg-type]
