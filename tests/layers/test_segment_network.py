"""A segment network averages what a 2D network says of single frames."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.backbones.resnet2d import ResNet2dSpec
from lightning_modules.layers.segment_network import SegmentNetwork
from lightning_modules.layers.temporal_shift import TemporalShift

SMALL = ResNet2dSpec(block="basic", depths=(1, 1), widths=(8, 16), stem_kernel=3, stem_pool=False)


def network(temporal=lambda stage, channels: None, **changes) -> SegmentNetwork:
    torch.manual_seed(0)
    made = SegmentNetwork(backbone=SMALL.build(temporal), **{"num_classes": 3, **changes}).eval()
    nn.init.normal_(made.head.weight)
    return made


def some_clips(frames: int = 4) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 3, frames, 16, 16)


def test_the_score_is_the_mean_over_frames_scored_alone():
    net, clips = network(), some_clips()
    with torch.no_grad():
        frames = torch.stack([net(clips[:, :, t : t + 1]) for t in range(4)], dim=1)
        torch.testing.assert_close(net.frame_logits(clips), frames)
        torch.testing.assert_close(net(clips), frames.mean(1))


def test_without_a_temporal_module_the_order_of_frames_does_not_matter_with_one_it_does():
    clips = some_clips()
    with torch.no_grad():
        plain, shifted = network(), network(lambda stage, channels: TemporalShift(channels=channels))
        torch.testing.assert_close(plain(clips), plain(clips.flip(2)))
        assert (shifted(clips) - shifted(clips.flip(2))).abs().max() > 1e-2


def test_class_activation_maps_are_exact():
    net, clips = network(lambda stage, channels: TemporalShift(channels=channels)), some_clips()
    with torch.no_grad():
        activation = torch.einsum("kf,ntfhw->nkthw", net.head.weight, net.feature_maps(clips))
        torch.testing.assert_close(activation.mean((2, 3, 4)) + net.head.bias, net(clips))


def test_any_number_of_segments_will_do():
    net = network(lambda stage, channels: TemporalShift(channels=channels))
    assert [net(some_clips(frames)).shape for frames in (1, 2, 16)] == [(2, 3)] * 3


def test_the_classifier_starts_near_zero_behind_the_stated_dropout():
    made = SegmentNetwork(backbone=SMALL.build(), num_classes=2000, dropout=0.3)
    assert made.head.weight.std().item() == pytest.approx(1e-3, rel=0.05) and not made.head.bias.any()
    assert made.dropout.p == 0.3


def test_no_class_is_refused():
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        SegmentNetwork(backbone=SMALL.build(), num_classes=0)
