"""BN-Inception has the published channels, and its wiring is that of the Caffe model."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.backbones.bn_inception import BN_INCEPTION, ROWS, BNInceptionSpec
from lightning_modules.layers.temporal_shift import TemporalShift
from tests.shape_seed import fill, video

# Maps after each block at 224 pixels: channels and side.
BLOCKS = {"3a": (256, 28), "3b": (320, 28), "3c": (576, 14), "4a": (576, 14), "4b": (576, 14), "4c": (608, 14),
          "4d": (608, 14), "4e": (1056, 7), "5a": (1024, 7), "5b": (1024, 7)}  # fmt: skip


def unit(state: dict[str, Tensor], name: str, maps: Tensor, stride: int = 1) -> Tensor:
    weight = state[f"{name}.conv.weight"]
    maps = F.conv2d(maps, weight, state[f"{name}.conv.bias"], stride, padding=weight.shape[-1] // 2)
    mean, var = state[f"{name}.norm.running_mean"], state[f"{name}.norm.running_var"]
    return F.batch_norm(maps, mean, var, state[f"{name}.norm.weight"], state[f"{name}.norm.bias"]).relu()


def step_by_step(state: dict[str, Tensor], frames: Tensor, before=lambda maps: maps) -> Tensor:
    """Compute the maps from a state dict by functions alone; ``before`` acts on the input of each site."""

    def halved(maps: Tensor) -> Tensor:
        return F.max_pool2d(maps, 3, 2, ceil_mode=True)

    maps = before(halved(unit(state, "conv1_7x7_s2", frames, 2)))
    maps = halved(unit(state, "conv2_3x3", unit(state, "conv2_3x3_reduce", maps)))
    for name in ROWS:
        maps, at, stride = before(maps), f"blocks.{name}.units", 2 if name in ("3c", "4e") else 1
        three = unit(state, f"{at}.3x3", unit(state, f"{at}.3x3_reduce", maps), stride)
        double = unit(state, f"{at}.double_3x3_1", unit(state, f"{at}.double_3x3_reduce", maps))
        double = unit(state, f"{at}.double_3x3_2", double, stride)
        if stride == 2:
            maps = torch.cat([three, double, halved(maps)], dim=1)
            continue
        pooled = F.max_pool2d(maps, 3, 1, 1) if name == "5b" else F.avg_pool2d(maps, 3, 1, 1)
        maps = torch.cat([unit(state, f"{at}.1x1", maps), three, double, unit(state, f"{at}.pool_proj", pooled)], dim=1)
    return maps


def test_maps_have_the_published_shapes():
    with torch.device("meta"):
        net, frames = BN_INCEPTION.build(), torch.empty(1, 3, 224, 224)
    shapes: dict[str, tuple[int, int]] = {}
    for name, block in net.blocks.items():
        block.register_forward_hook(lambda _, __, out, name=name: shapes.__setitem__(name, tuple(out.shape[1:3])))
    net(frames, 1)
    assert shapes == BLOCKS
    assert sum(p.numel() for p in net.parameters()) == 10_355_315 - 1025 * 83


@pytest.mark.parametrize("segments", [None, 2])
def test_maps_are_those_computed_step_by_step(segments):
    spec = BNInceptionSpec(width=0.25)
    net, frames = fill(spec.build()), video((2, 3, 96, 96))
    expected = step_by_step(net.state_dict(), frames)
    if segments is not None:
        net = fill(spec.build(lambda stage, channels: TemporalShift(channels=channels)))
        shift = lambda maps: TemporalShift(channels=maps.shape[1])(maps, segments)  # noqa: E731
        plain, expected = expected, step_by_step(net.state_dict(), frames, before=shift)
        assert (plain - expected).abs().max() > 1e-2
    with torch.no_grad():
        torch.testing.assert_close(net(frames, segments or 1), expected, rtol=1e-4, atol=1e-5)


def test_sites_are_the_inputs_of_all_blocks_but_the_first():
    asked: list[tuple[str, int]] = []
    BN_INCEPTION.build(lambda stage, channels: asked.append((stage, channels)))
    assert sorted(c for _, c in asked) == sorted([64, 192, 256, 320, 576, 576, 576, 608, 608, 1056, 1024])
    assert {stage for stage, _ in asked} == {*BN_INCEPTION.stages} and len(asked) == 11


def test_batch_normalisations_keep_most_of_their_statistics():
    with torch.device("meta"):
        norms = [layer for layer in BN_INCEPTION.build().modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 69 and {norm.momentum for norm in norms} == {0.1} and {norm.eps for norm in norms} == {1e-5}


def test_a_width_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"width must be positive, got 0"):
        BNInceptionSpec(width=0)
