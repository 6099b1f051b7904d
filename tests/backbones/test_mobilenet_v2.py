"""Our MobileNetV2 is torchvision's, with a place for temporal modules."""

from __future__ import annotations

import pytest
import torch
import torchvision

from lightning_modules.backbones.mobilenet_v2 import MOBILENET_V2, MobileNetV2Spec
from tests.shape_seed import fill, video


@pytest.mark.parametrize("width", [0.35, 0.75, 1.0, 1.4])
def test_names_and_shapes_are_torchvisions(width):
    with torch.device("meta"):
        ours, theirs = MobileNetV2Spec(width=width).build(), torchvision.models.mobilenet_v2(width_mult=width)
    kept = {key: tensor.shape for key, tensor in theirs.state_dict().items() if key.startswith("features.")}
    assert {key: tensor.shape for key, tensor in ours.state_dict().items()} == kept


def test_without_temporal_modules_the_maps_are_torchvisions():
    ours, theirs = fill(MOBILENET_V2.build()), fill(torchvision.models.mobilenet_v2())
    frames = video((2, 3, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(ours(frames, 1), theirs.features(frames), rtol=1e-4, atol=1e-5)


def test_sites_are_the_expanding_convolutions_of_residual_blocks():
    asked: list[tuple[str, int]] = []
    MOBILENET_V2.build(lambda stage, channels: asked.append((stage, channels)))
    assert [channels for _, channels in asked] == [24, 32, 32, 64, 64, 64, 96, 96, 160, 160]
    assert tuple(dict.fromkeys(stage for stage, _ in asked)) == MOBILENET_V2.stages


@pytest.mark.parametrize("arguments", [dict(width=0.0), dict(rows=()), dict(rows=((6, 24, 2),))])
def test_impossible_networks_are_refused(arguments):
    with pytest.raises(ValueError, match=r"width must be positive|rows must hold"):
        MobileNetV2Spec(**arguments)
