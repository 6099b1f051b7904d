"""Class activation maps are exact: their mean and the classifier's bias make the logit."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.action_net import ActionNet
from lightning_modules.action_net.class_activation import class_activation_maps
from lightning_modules.action_net.profiles import SMOKE_MODULE, SMOKE_RECIPE, TSM, TSN
from tests.tiny_cells import lively

NUM_CLASSES = 5


def network(**changes):
    torch.manual_seed(0)
    made = lively(ActionNet(num_classes=NUM_CLASSES, recipe=SMOKE_RECIPE, **{**SMOKE_MODULE, **changes})).network
    torch.nn.init.normal_(made.head.weight)
    torch.nn.init.normal_(made.head.bias)
    return made.double()


@pytest.mark.parametrize("changes", [TSN, TSM, {}], ids=["TSN", "TSM", "ACTION-Net"])
@pytest.mark.parametrize("size", [32, 48])
def test_the_mean_of_the_maps_and_the_bias_make_the_logit_of_every_class(changes, size):
    net, clips = network(**changes), torch.randn(2, 3, 4, size, size, dtype=torch.float64)
    logits = net(clips)
    for label in range(NUM_CLASSES):
        maps = class_activation_maps(net, clips, torch.tensor([label, label]))
        assert maps.shape == (2, 4, size // 16, size // 16)
        torch.testing.assert_close(maps.mean((1, 2, 3)) + net.head.bias[label], logits[:, label])


def test_a_position_contributes_what_the_logit_loses_without_its_features(monkeypatch):
    net, clips = network(), torch.randn(1, 3, 4, 48, 48, dtype=torch.float64)
    features = net.feature_maps(clips)
    maps = class_activation_maps(net, clips, torch.tensor([3]))
    whole = net(clips)[0, 3]
    for place in ((0, 1, 2), (3, 0, 0), (2, 2, 1)):
        without = features.clone()
        without[0, place[0], :, place[1], place[2]] = 0
        monkeypatch.setattr(net, "feature_maps", lambda _, without=without: without)
        torch.testing.assert_close(maps[0][place] / maps[0].numel(), whole - net(clips)[0, 3])


def test_each_clip_has_its_own_class():
    net, clips = network(), torch.randn(2, 3, 4, 32, 32, dtype=torch.float64)
    both = class_activation_maps(net, clips, torch.tensor([1, 4]))
    torch.testing.assert_close(both[:1], class_activation_maps(net, clips[:1], torch.tensor([1])))
    torch.testing.assert_close(both[1:], class_activation_maps(net, clips[1:], torch.tensor([4])))


def test_a_network_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="evaluation mode"):
        class_activation_maps(network().train(), torch.randn(1, 3, 4, 32, 32).double(), torch.tensor([0]))
