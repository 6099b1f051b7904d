"""SlowFast: pathways, traps of the library that builds it, and sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_modules.backbones.slowfast import RESNET101, SLOW, Lateral, SlowFast

TINY = dict(width=0.125, depths=(1, 1, 1, 1), num_frames=8, alpha=4, stem_pool=False)


@pytest.fixture(scope="module")
def tiny() -> SlowFast:
    torch.manual_seed(0)
    return SlowFast(**TINY).eval()


def test_the_pathways_see_every_second_and_every_sixteenth_frame():
    clips = torch.arange(64.0).view(1, 1, 64, 1, 1).expand(1, 3, 64, 2, 2)
    with torch.device("meta"):
        backbone = SlowFast()
    slow, fast = backbone.pathways(clips)
    assert slow[0, 0, :, 0, 0].tolist() == [0, 16, 32, 48] and fast[0, 0, :, 0, 0].tolist() == list(range(0, 64, 2))
    assert backbone.pathway_frames == (4, 32) and backbone.feature_channels == 2048 + 256


def test_a_second_call_gives_the_same_and_crops_may_have_any_size(tiny):
    clips = torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        first = tiny(clips)
        torch.testing.assert_close(tiny(clips), first)
        assert tiny(torch.randn(1, 3, 8, 40, 24)).shape == (1, tiny.feature_channels) == (1, 288)


def test_the_fast_pathway_reaches_the_slow_one_through_the_lateral_alone(tiny):
    lateral = Lateral(channels=2, kernel=3, alpha=2, activation=nn.ReLU).eval()
    slow, fast = torch.randn(1, 3, 2, 4, 4), torch.randn(1, 2, 4, 4, 4)
    widened, same = lateral([slow, fast])
    assert same is fast and widened.shape == (1, 7, 2, 4, 4)
    torch.testing.assert_close(widened[:, :3], slow)
    literal = sum(
        torch.einsum("nchw,oc->nohw", fast[:, :, tap - 1], lateral.conv.weight[:, :, tap, 0, 0]) for tap in (1, 2)
    )  # frame 0: taps at -1 (padding), 0, 1
    torch.testing.assert_close(widened[:, 3:, 0], (literal / (1 + 1e-5) ** 0.5).relu(), rtol=1e-4, atol=1e-5)


def test_blocks_are_named_by_pathway_stage_and_number(tiny):
    blocks = list(tiny.residual_blocks())
    assert [(b.stage, b.pathway) for b in blocks] == [(f"res{s}", p) for s in (2, 3, 4, 5) for p in (0, 1)]
    assert {b.num_frames for b in blocks if b.pathway == SLOW} == {1}
    with torch.device("meta"):
        deep = SlowFast(depths=RESNET101)
    assert sum(b.stage == "res4" and b.pathway == SLOW for b in deep.residual_blocks()) == 23


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(depths=(3, 4, 24, 3)), "depths must be 1 to"),
        (dict(width=0.1), "width must be a positive multiple of 1/8, got 0.1"),
        (dict(num_frames=60), "num_frames must be a multiple of fast_stride \\* alpha = 16, got 60"),
    ],
)
def test_impossible_networks_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SlowFast(**arguments)
