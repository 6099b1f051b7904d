"""The ACTION module computes what the authors' does, and each path what its equations say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from experiments.benchmarks.action import LiteralAction
from lightning_modules.action_net.excitation import CE, ME, STE, ActionModule, SingleChannelConv3d, scale
from lightning_modules.action_net.weights import convert
from tests.shape_seed import fill, video

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "goldens" / "action_module_c32.npz"
ALL = (STE, CE, ME)
# Of the module that agrees with the authors' outputs: mean, deviation and four values, by tests/shape_seed.py.
PINNED = (-0.973309, 2.720245, -0.41296, 1.834142, -0.053694, -3.297258)
PATHS = pytest.mark.parametrize("excitations", [(STE,), (CE,), (ME,), (STE, ME), ALL], ids="+".join)


def module(excitations=ALL, channels: int = 32, **changes) -> ActionModule:
    torch.manual_seed(0)
    made = ActionModule(channels=channels, excitations=excitations, **changes)
    if changes.get("shift", "learnable") == "learnable":
        nn.init.normal_(made.shift.weight)
    return made


def some_maps(channels: int = 32, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(2 * 4, channels, 5, 6, dtype=dtype)


@pytest.mark.skipif(not GOLDEN.exists(), reason="the stored outputs of the authors' module are not here")
@pytest.mark.parametrize(
    ("excitations", "stored", "train"),
    [
        ((STE,), "out_ste", False),
        ((CE,), "out_ce", False),
        ((ME,), "out_me", False),
        (ALL, "out_action", False),
        (ALL, "out_action_train", True),
    ],
)
def test_outputs_are_those_of_the_authors_module(excitations, stored, train):
    with np.load(GOLDEN) as arrays:
        kept = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    weights = {f"base_model.layer1.0.conv1.{name[4:]}": kept[name] for name in kept if name.startswith("sd::")}
    weights["base_model.layer1.0.conv1.net.weight"] = torch.zeros(1)
    prefix = "backbone.layer1.0.temporal."
    own = {name.removeprefix(prefix): tensor for name, tensor in convert(weights).items() if name.startswith(prefix)}
    made = ActionModule(channels=32, excitations=excitations).train(train)
    assert not made.load_state_dict(own, strict=False).missing_keys
    with torch.no_grad():
        torch.testing.assert_close(made.shift(kept["input"], 8), kept["out_shift"], rtol=0, atol=1e-5)
        torch.testing.assert_close(made(kept["input"], 8), kept[stored], rtol=0, atol=1e-5)


def test_outputs_have_not_changed_since_they_agreed_with_the_authors():
    with torch.no_grad():
        out = fill(module())(video((8, 32, 5, 6)), 4)
    found = [out.mean(), out.std(), out[0, 0, 0, 0], out[3, 7, 2, 1], out[4, 31, 4, 5], out[7, 16, 1, 3]]
    torch.testing.assert_close(torch.stack(found), torch.tensor(PINNED), rtol=0, atol=1e-5)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dense", [False, True], ids=["a kernel per channel", "dense"])
def test_outputs_and_gradients_are_those_of_the_equations_taken_literally(train, memory_format, dense):
    ours, literal = module(reduction=8, dense_motion=dense), LiteralAction(32, 8, dense=dense)
    ours, literal = ours.double().train(train), literal.double().train(train)
    literal.load_state_dict(ours.state_dict())
    maps = some_maps(dtype=torch.float64).contiguous(memory_format=memory_format)
    results = []
    for made in (ours, literal):
        inputs = maps.clone().requires_grad_()
        out = made(inputs, 4)
        results.append([out, *torch.autograd.grad(out.sin().sum(), (inputs, *made.parameters()))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("segments", [1, 2, 3, 7])
def test_the_single_channel_convolution_is_conv3d(segments):
    torch.manual_seed(0)
    conv = SingleChannelConv3d().double()
    volume = torch.randn(2, 1, segments, 4, 5, dtype=torch.float64, requires_grad=True)
    results = []
    for out in (conv(volume), nn.functional.conv3d(volume, conv.weight, padding=1)):
        results.append([out, *torch.autograd.grad(out.sin().sum(), (volume, conv.weight))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@PATHS
def test_the_sum_of_single_paths_is_the_whole(excitations):
    maps, whole = some_maps(), module(excitations).eval()
    parts = []
    for excitation in excitations:
        part = module((excitation,)).eval()
        part.load_state_dict(whole.state_dict(), strict=False)
        parts.append(part(maps, 4))
    torch.testing.assert_close(whole(maps, 4), sum(parts))


def test_motion_gates_are_a_half_where_nothing_follows_and_where_nothing_moves():
    motion = module((ME,)).me.eval()
    gates = motion(some_maps(), 4).unflatten(0, (-1, 4))
    torch.testing.assert_close(gates[:, -1], torch.full_like(gates[:, -1], 0.5), rtol=0, atol=0)
    assert (gates[:, :-1] - 0.5).abs().max() > 1e-3
    motion.conv.weight.data.zero_()
    motion.conv.weight.data[:, :, 1, 1] = 1  # the identity: still frames differ by nothing
    still = some_maps()[:1].expand(8, -1, -1, -1)
    torch.testing.assert_close(motion(still, 4), torch.full((8, 32, 1, 1), 0.5))


def test_one_segment_has_no_motion_and_no_neighbours():
    made = module(shift=None).eval()
    maps = some_maps()
    assert torch.equal(made.me(maps, 1), torch.full((8, 32, 1, 1), 0.5))
    torch.testing.assert_close(made(maps, 1)[2:3], made(maps[2:3], 1))


def test_at_the_start_the_maps_grow_four_and_a_half_times():
    torch.manual_seed(0)
    made, maps = ActionModule(channels=64).eval(), some_maps(64)
    ratio = made(maps, 4) / made.shift(maps, 4)
    assert ratio.nanmedian().item() == pytest.approx(4.5, abs=0.05)
    assert 3 <= ratio.nan_to_num(4.5).min() and ratio.nan_to_num(4.5).max() <= 6


@pytest.mark.parametrize("reduction", [4, 16])
@pytest.mark.parametrize("dense", [False, True])
def test_parameters_are_as_many_as_published(reduction, dense):
    made, c = module(channels=64, reduction=reduction, dense_motion=dense), 64
    r = c // reduction
    expected = 3 * c + 27 + (2 * c * r + 3 * r * r) + (2 * c * r + 2 * r + 9 * r * (r if dense else 1))
    assert sum(p.numel() for p in made.parameters()) == expected


@pytest.mark.parametrize("given", [(True, True), (True, False), (False, True)])
def test_scaling_has_the_right_gradients(given):
    torch.manual_seed(0)
    maps = torch.randn(3, 4, 2, 5, dtype=torch.float64, requires_grad=True)
    masks = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 1, 2, 5), (3, 4, 1, 1))]
    places, channels = (mask if there else None for mask, there in zip(masks, given, strict=True))
    factor = 2.0 + (0 if places is None else places) + (0 if channels is None else channels)
    torch.testing.assert_close(scale(maps, places, channels, 2.0), maps * factor)
    assert torch.autograd.gradcheck(scale, (maps, places, channels, 2.0))


def test_an_export_computes_the_same():
    made, maps = module().eval(), some_maps()
    program = torch.export.export(made, (maps, 4))
    torch.testing.assert_close(program.module()(maps, 4), made(maps, 4))


def test_half_precision_training_runs_and_is_close():
    made, maps = module(), some_maps()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = made(maps.bfloat16(), 4)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16 and all(p.grad is not None for p in made.parameters())
    assert ((out.float() - module()(maps, 4)).abs().mean() / out.float().abs().mean()).item() < 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(excitations=()), r"excitations must be some of 'ste', 'ce', 'me', each once, got \(\)"),
        (dict(excitations=("ste", "ste")), "each once, got"),
        (dict(excitations=("se",)), "excitations must be some of"),
        (dict(reduction=64), r"reduction must be at most channels \(32\), got 64"),
        (dict(shift="random"), "shift must be 'learnable', 'fixed' or None, got 'random'"),
    ],
)
def test_impossible_modules_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ActionModule(channels=32, **arguments)
