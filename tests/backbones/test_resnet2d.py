"""Our ResNet is torchvision's, with a place for temporal modules."""

from __future__ import annotations

import pytest
import torch
import torchvision

from lightning_modules.backbones.resnet2d import RESNET50, RESNET101, ResNet2dSpec
from lightning_modules.layers.temporal_shift import TemporalShift
from tests.shape_seed import fill, video

RESNET18 = ResNet2dSpec(block="basic", depths=(2, 2, 2, 2))


@pytest.mark.parametrize(("spec", "name"), [(RESNET18, "resnet18"), (RESNET50, "resnet50"), (RESNET101, "resnet101")])
def test_names_and_shapes_are_torchvisions(spec, name):
    with torch.device("meta"):
        ours, theirs = spec.build(), torchvision.models.get_model(name)
    kept = {key: tensor.shape for key, tensor in theirs.state_dict().items() if not key.startswith("fc.")}
    assert {key: tensor.shape for key, tensor in ours.state_dict().items()} == kept


@pytest.mark.parametrize(("spec", "name"), [(RESNET18, "resnet18"), (RESNET50, "resnet50")])
def test_without_temporal_modules_the_maps_are_torchvisions(spec, name):
    ours, theirs = fill(spec.build()), fill(torchvision.models.get_model(name))
    theirs.avgpool = theirs.fc = torch.nn.Identity()
    frames = video((2, 3, 64, 64))
    with torch.no_grad():
        maps = ours(frames, 1)
        torch.testing.assert_close(maps.flatten(1), theirs(frames), rtol=1e-4, atol=1e-4)
    assert maps.shape[1] == ours.out_channels


def test_initial_weights_have_torchvisions_scale():
    torch.manual_seed(0)
    ours, theirs = RESNET18.build().state_dict(), torchvision.models.resnet18().state_dict()
    for name, tensor in ours.items():
        if tensor.ndim == 4 and tensor.numel() > 10_000:
            assert tensor.std().item() == pytest.approx(theirs[name].std().item(), rel=0.05)


def test_only_the_residual_branch_sees_the_shift():
    spec = ResNet2dSpec(block="basic", depths=(1,), widths=(8,), stem_kernel=3, stem_pool=False)
    net = fill(spec.build(lambda stage, channels: TemporalShift(channels=channels)))
    torch.nn.init.zeros_(net.layer1[0].bn2.weight)
    torch.nn.init.zeros_(net.layer1[0].bn2.bias)  # the branch is silent: what is left is the unshifted input
    frames = video((4, 3, 8, 8))
    with torch.no_grad():
        torch.testing.assert_close(net(frames, 4), net.relu(net.bn1(net.conv1(frames))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(block="wide"), "block must be 'bottleneck' or 'basic', got 'wide'"),
        (dict(depths=(1, 1)), "depths and widths must be as many positive numbers"),
        (dict(stem_kernel=4), "stem_kernel must be odd and positive, got 4"),
        (dict(temporal_every=0), "temporal_every must be at least 1, got 0"),
    ],
)
def test_impossible_networks_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet2dSpec(**arguments)
