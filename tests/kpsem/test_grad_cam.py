"""Grad-CAM against its definition: finite differences for the weights, a plain sum for the map."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.backbones.mfnet3d import MFNet3D
from lightning_modules.kpsem.grad_cam import grad_cam, heat_on_frames
from lightning_modules.kpsem.network import KpsemNetwork


def tiny(position: str | None = "conv4") -> KpsemNetwork:
    torch.manual_seed(0)
    backbone = MFNet3D(width=0.0625, stem_stride=(1, 1, 1), stem_pool=False)
    return KpsemNetwork(backbone=backbone, num_classes=3, position=position, num_frames=4, num_sets=2).double().eval()


CLIPS = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
CLASSES = torch.tensor([2, 0])


@pytest.mark.parametrize("position", [None, "conv4"])
def test_the_map_is_the_positive_part_of_the_channels_weighted_by_their_mean_gradient(position):
    network = tiny(position)
    heat = grad_cam(network, CLIPS, CLASSES)
    with torch.no_grad():
        *_, (_, maps) = network.backbone.stage_maps(CLIPS)
        spatial = network.backbone.feature_channels

        def logit(clip: int, changed: torch.Tensor) -> float:
            features = network.backbone.pooled(changed)
            weight = network.head.weight[CLASSES[clip], :spatial]
            return float(features[0] @ weight)

        for clip in range(2):
            own, expected = maps[clip : clip + 1], torch.zeros_like(maps[0, 0])
            for channel in range(own.shape[1]):
                # adding e everywhere in a channel changes the logit by e times the sum of its gradients
                changes = []
                for step in (1e-6, -1e-6):
                    changed = own.clone()
                    changed[:, channel] += step
                    changes.append(logit(clip, changed))
                mean_gradient = (changes[0] - changes[1]) / 2e-6 / own[0, channel].numel()
                expected += mean_gradient * own[0, channel]
            expected = expected.relu()
            assert expected.any(), "this test shows nothing"
            torch.testing.assert_close(heat[clip], expected / expected.max(), rtol=1e-4, atol=1e-6)


def test_each_clip_has_its_own_map_whatever_else_is_in_the_batch():
    network = tiny()
    both = grad_cam(network, CLIPS, CLASSES)
    for clip in range(2):
        alone = grad_cam(network, CLIPS[clip : clip + 1], CLASSES[clip : clip + 1])
        torch.testing.assert_close(alone[0], both[clip], rtol=1e-6, atol=1e-9)
    assert both.shape == (2, 2, 4, 4) and both.flatten(1).amax(1).tolist() == [1.0, 1.0] and both.min() == 0


def test_parameters_and_modes_are_left_alone():
    network = tiny()
    with torch.no_grad():
        grad_cam(network, CLIPS, CLASSES)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training and not network.backbone.conv5._forward_hooks


def test_a_class_without_evidence_has_an_empty_map():
    network = tiny(None)
    torch.nn.init.zeros_(network.head.weight)
    assert not grad_cam(network, CLIPS, CLASSES).any()


def test_a_network_in_training_is_refused():
    with pytest.raises(ValueError, match="evaluation mode"):
        grad_cam(tiny().train(), CLIPS, CLASSES)


def test_heat_spreads_over_frames_and_pixels_and_keeps_level_maps():
    heat = torch.full((1, 2, 4, 4), 0.5)
    heat[0, 1] = 1.0
    spread = heat_on_frames(heat, (4, 32, 32))
    assert spread.shape == (1, 4, 32, 32)
    # centres of the two maps are at frames 0.5 and 2.5
    torch.testing.assert_close(spread[0, :, 5, 7], torch.tensor([0.5, 0.625, 0.875, 1.0]))
