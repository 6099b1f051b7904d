"""Public ImageNet weights come in by name, and the network then computes what they were trained for."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from lightning_modules.backbones.bn_inception import BN_INCEPTION
from lightning_modules.backbones.mobilenet_v2 import MOBILENET_V2
from lightning_modules.backbones.resnet2d import ResNet2dSpec
from lightning_modules.backbones.weights import imagenet_names
from lightning_modules.layers.segment_network import SegmentNetwork
from tests.shape_seed import fill, video

RESNET18 = ResNet2dSpec(block="basic", depths=(2, 2, 2, 2))


def flat_mobilenet_v2() -> nn.Module:
    """Return torchvision's MobileNetV2 with each block as one flat list of layers, as the TSM authors name it."""
    network = torchvision.models.mobilenet_v2()
    for block in list(network.features)[1:-1]:
        layers = [layer for layer in block.conv.modules() if not list(layer.children())]
        block.conv = nn.Sequential(*layers)
    network.classifier = nn.Linear(1280, 1000)
    return network


def loaded(network: SegmentNetwork, state_dict: dict[str, Tensor]) -> SegmentNetwork:
    assert not network.load_state_dict(imagenet_names(state_dict), strict=True).missing_keys
    return network.eval()


@pytest.mark.parametrize(
    ("spec", "make"),
    [
        (RESNET18, torchvision.models.resnet18),
        (MOBILENET_V2, torchvision.models.mobilenet_v2),
        (MOBILENET_V2, flat_mobilenet_v2),
    ],
    ids=["resnet", "mobilenet_v2", "flat mobilenet_v2"],
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_image_gets_the_logits_that_the_public_network_gives(spec, make, prefix):
    torch.manual_seed(0)
    theirs = make().eval()
    for tensor in theirs.state_dict().values():
        if tensor.ndim == 1:
            nn.init.uniform_(tensor, 0.5, 1.5)
    given = {f"{prefix}{name}": tensor for name, tensor in theirs.state_dict().items()}
    ours = loaded(SegmentNetwork(backbone=spec.build(), num_classes=1000), given)
    image = video((1, 3, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(ours(image[:, :, None]), theirs(image), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("early", [False, True])
def test_bn_inception_of_caffe_is_turned_to_rgb(early):
    reference = fill(SegmentNetwork(backbone=BN_INCEPTION.build(), num_classes=10))
    given: dict[str, Tensor] = {}
    for name, tensor in reference.state_dict().items():
        words = name.split(".")
        if words[0] == "head":
            given[f"fc.{words[1]}"] = tensor
            continue
        layer = f"inception_{words[2]}_{words[4]}" if words[1] == "blocks" else words[1]
        norm = words[-2] == "norm"
        if norm and tensor.ndim == 1 and early:
            tensor = tensor[None]
        given[f"{layer}{'_bn' if norm else ''}.{words[-1]}"] = tensor
    some = {"inception_3a_double_3x3_1.bias", "inception_5b_pool_proj_bn.running_var", "conv2_3x3_reduce_bn.weight"}
    assert some <= {*given}
    given["conv1_7x7_s2.weight"] = given["conv1_7x7_s2.weight"].flip(1)  # BGR, as Caffe's
    ours = loaded(SegmentNetwork(backbone=BN_INCEPTION.build(), num_classes=10), given)
    assert all(torch.equal(tensor, ours.state_dict()[name]) for name, tensor in reference.state_dict().items())


def test_names_without_a_place_stay_as_they_are():
    names = imagenet_names(dict.fromkeys(("layer1.0.conv1.weight", "fc.weight", "extra.x"), torch.zeros(1)))
    assert {*names} == {"backbone.layer1.0.conv1.weight", "head.weight", "extra.x"}


def test_an_unknown_layout_is_refused():
    with pytest.raises(ValueError, match=r"state_dict is none of ResNet's .* it holds \['blocks.0.weight'\]"):
        imagenet_names({"blocks.0.weight": torch.zeros(1)})
