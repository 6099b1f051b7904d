"""Both shifts move channels as published, and the learnable one is a temporal convolution that starts as TSM's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_modules.layers.temporal_shift import LearnableTemporalShift, TemporalShift

CLIPS, SEGMENTS, CHANNELS = 2, 5, 19  # 19 channels: groups of 2, the rest is no multiple of 8
KINDS = pytest.mark.parametrize("kind", [TemporalShift, LearnableTemporalShift])


def some_maps(segments: int = SEGMENTS, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(CLIPS * segments, CHANNELS, 3, 4, dtype=dtype)


def element_by_element(maps: torch.Tensor, segments: int) -> torch.Tensor:
    shifted = torch.zeros_like(maps)
    for clip in range(CLIPS):
        for t in range(segments):
            for c in range(CHANNELS):
                source = t + 1 if c < 2 else t - 1 if c < 4 else t
                if 0 <= source < segments:
                    shifted[clip * segments + t, c] = maps[clip * segments + source, c]
    return shifted


def permuted_convolution(maps: torch.Tensor, weight: torch.Tensor, segments: int) -> torch.Tensor:
    series = maps.unflatten(0, (-1, segments)).permute(0, 3, 4, 2, 1)  # (N, H, W, C, T)
    mixed = nn.functional.conv1d(series.flatten(0, 2), weight, padding=1, groups=CHANNELS)
    return mixed.unflatten(0, series.shape[:3]).permute(0, 4, 3, 1, 2).flatten(0, 1)


@KINDS
@pytest.mark.parametrize("segments", [1, 2, SEGMENTS])
def test_an_eighth_comes_from_the_next_frame_and_an_eighth_from_the_previous(kind, segments):
    maps = some_maps(segments)
    torch.testing.assert_close(
        kind(channels=CHANNELS).double()(maps, segments), element_by_element(maps, segments), rtol=0, atol=0
    )


@KINDS
def test_clips_do_not_mix(kind):
    shift, maps = kind(channels=CHANNELS).double(), some_maps()
    torch.testing.assert_close(shift(maps, SEGMENTS)[:SEGMENTS], shift(maps[:SEGMENTS], SEGMENTS))


@KINDS
def test_the_memory_format_stays(kind):
    maps = some_maps().contiguous(memory_format=torch.channels_last)
    assert kind(channels=CHANNELS).double()(maps, SEGMENTS).is_contiguous(memory_format=torch.channels_last)
    assert kind(channels=CHANNELS).double()(some_maps(), SEGMENTS).is_contiguous()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("segments", [1, SEGMENTS])
def test_outputs_and_gradients_are_those_of_the_permuted_convolution(memory_format, segments):
    maps = some_maps(segments).contiguous(memory_format=memory_format)
    shift = LearnableTemporalShift(channels=CHANNELS).double()
    nn.init.normal_(shift.weight)
    found, expected = [], []
    for function, kept in ((lambda x: shift(x, segments), found),
                           (lambda x: permuted_convolution(x, shift.weight, segments), expected)):  # fmt: skip
        inputs = maps.clone().requires_grad_()
        out = function(inputs)
        kept += [out, *torch.autograd.grad(out.sin().sum(), (inputs, shift.weight))]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_are_right_by_finite_differences():
    shift = LearnableTemporalShift(channels=8).double()
    nn.init.normal_(shift.weight)
    maps = torch.randn(6, 8, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: torch.func.functional_call(shift, {"weight": w}, (x, 3)),
                                    (maps, shift.weight))  # fmt: skip


def test_frozen_weights_or_inputs_get_no_gradient():
    shift = LearnableTemporalShift(channels=8)
    maps = torch.randn(4, 8, 2, 2)
    shift(maps, 2).sum().backward()
    assert maps.grad is None and shift.weight.grad is not None
    shift.requires_grad_(False)
    maps.requires_grad_()
    shift(maps, 2).sum().backward()
    assert maps.grad is not None


def test_counts_and_exports_see_the_convolution():
    shift, maps = LearnableTemporalShift(channels=CHANNELS), some_maps(dtype=torch.float32)
    nn.init.normal_(shift.weight)
    program = torch.export.export(shift, (maps, SEGMENTS))
    assert "conv3d" in str(program.graph)
    torch.testing.assert_close(program.module()(maps, SEGMENTS), shift(maps, SEGMENTS))


@KINDS
@pytest.mark.parametrize(("channels", "divisor"), [(4, 8), (8, 1), (8, 0)])
def test_groups_that_do_not_fit_are_refused(kind, channels, divisor):
    with pytest.raises(ValueError, match=rf"at least 2 and at most channels \({channels}\), got {divisor}"):
        kind(channels=channels, divisor=divisor)
