"""R3D is a ResNet-50 which no kernel lets look across frames."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.backbones.r3d import R3D


def small(**arguments) -> R3D:
    torch.manual_seed(0)
    return R3D(**{"width": 1 / 16, **arguments}).eval()


@pytest.mark.parametrize(("halve_frames", "gmacs"), [(True, 38.9848), (False, 65.3941)])
def test_size_is_that_of_a_resnet_50(halve_frames, gmacs):
    with torch.device("meta"):
        backbone, clips = R3D(halve_frames=halve_frames).eval(), torch.empty(1, 3, 16, 224, 224)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            shapes = {name: tuple(maps.shape[1:4]) for name, maps in backbone.stage_maps(clips)}
    head = 51 * 2048 + 51
    assert sum(p.numel() for p in backbone.parameters()) + head == 23_612_531
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmacs, abs=2e-4)
    frames = 8 if halve_frames else 16
    assert shapes == {
        "stem": (64, 16, 56), "res2": (256, frames, 56), "res3": (512, frames, 28), "res4": (1024, frames, 14),
        "res5": (2048, frames, 7),
    }  # fmt: skip


def test_no_kernel_spans_frames():
    assert {layer.kernel_size[0] for layer in small().modules() if isinstance(layer, nn.Conv3d)} == {1}


def test_frames_are_independent_up_to_the_pooling():
    backbone, clips = small(halve_frames=False), torch.randn(1, 3, 4, 32, 32)
    order = [2, 0, 3, 1]
    with torch.no_grad():
        plain, shuffled = backbone.stage_maps(clips), backbone.stage_maps(clips[:, :, order])
        for (name, maps), (_, other) in zip(plain, shuffled, strict=True):
            torch.testing.assert_close(maps[:, :, order], other, msg=name)


def test_pooling_takes_the_larger_of_two_frames():
    with_pool, without = small(), small(halve_frames=False)
    clips = torch.randn(1, 3, 4, 32, 32)
    with torch.no_grad():
        pooled, plain = dict(with_pool.stage_maps(clips))["res2"], dict(without.stage_maps(clips))["res2"]
    torch.testing.assert_close(pooled, torch.maximum(plain[:, :, ::2], plain[:, :, 1::2]))


@pytest.mark.parametrize("num_frames", [4, 5, 16])
@pytest.mark.parametrize("arguments", [{}, dict(halve_frames=False), dict(stem_stride=(2, 1, 1), stem_pool=False)])
def test_frames_and_channels_of_stages_are_as_declared(num_frames, arguments):
    backbone = small(**arguments)
    with torch.no_grad():
        for name, maps in backbone.stage_maps(torch.zeros(1, 3, num_frames, 32, 32)):
            assert maps.shape[1] == backbone.stage_channels[name]
            assert maps.shape[2] == backbone.frames_after(name, num_frames), name


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="50, 101 or 152, got 18"):
        R3D(depth=18)
    with pytest.raises(ValueError, match="multiple of 1/64, got 0.01"):
        R3D(width=0.01)
