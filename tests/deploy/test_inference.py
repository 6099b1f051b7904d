"""Folding batch normalisation changes no score and leaves the module alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from experiments.deploy.inference import confidence_scale, folded, inference_network, rejection_distance
from lightning_modules.base import ClipClassifier
from lightning_modules.heads.nearest_centre import UNKNOWN
from lightning_modules.layers.depthwise import DepthwiseConv3d
from lightning_modules.layers.folding import folded_parameters
from lightning_modules.ligar.profiles import SMOKE_RECIPE
from lightning_modules.ms3d import Ms3d
from lightning_modules.ms3d.profiles import R3D18, SMOKE_MS3D
from lightning_modules.ms3d.repository import fill
from tests.deploy.tiny_networks import some_normalised_clips, tiny_module
from tests.tiny_cells import same_state


def norms(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def lively_norm(norm: Any) -> Any:
    generator = torch.Generator().manual_seed(3)
    for values, low, high in ((norm.running_mean, -1, 1), (norm.running_var, 0.2, 3)):
        values.uniform_(low, high, generator=generator)
    if norm.affine:
        with torch.no_grad():
            norm.weight.uniform_(-2, 2, generator=generator)
            norm.bias.uniform_(-1, 1, generator=generator)
    return norm.eval()


def test_folding_all_normalisations_of_ligar_changes_no_score():
    module = tiny_module()
    clips = torch.from_numpy(some_normalised_clips(3))
    network, num_folded = inference_network(module, clips[:1])
    with torch.no_grad():
        expected = module.view_outputs(clips)["logits"]
        assert expected.std(0).max() > 1e-2, "the network tells the clips apart"
        assert (network(clips) - expected).abs().max() < 1e-5
    assert num_folded == len(norms(module)) > 30 and not norms(network)
    assert not [layer for layer in network.modules() if isinstance(layer, DepthwiseConv3d)]
    assert sum(p.numel() for p in network.parameters()) == folded_parameters(module.network)


def test_the_module_itself_stays_as_it_was():
    module = tiny_module().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    inference_network(module, torch.from_numpy(some_normalised_clips(1)))
    assert module.training and all(parameter.requires_grad for parameter in module.parameters())
    assert same_state(module.state_dict(), before)


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Conv1d(3, 6, 3, bias=True), nn.BatchNorm1d(6), (2, 3, 9)),
        (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), nn.BatchNorm2d(6), (2, 4, 7, 7)),
        (nn.Conv2d(4, 6, 3, dilation=2, padding=2, padding_mode="reflect"), nn.BatchNorm2d(6), (2, 4, 7, 7)),
        (nn.Conv3d(3, 5, (1, 3, 3)), nn.BatchNorm3d(5, affine=False, eps=0.1), (2, 3, 4, 5, 5)),
        (DepthwiseConv3d(4, kernel_size=(3, 3, 5), stride=(2, 1, 1)), nn.BatchNorm3d(4), (2, 4, 4, 6, 6)),
        (nn.Linear(5, 7, bias=False), nn.BatchNorm1d(7), (3, 5)),
        (nn.Linear(5, 7), nn.BatchNorm1d(7), (3, 5)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_folded_layer_does_what_the_two_did(layer: nn.Module, norm: Any, shape: tuple[int, ...]):
    lively_norm(norm)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = layer(x).double()
        column = (1, -1, *[1] * (y.ndim - 2))
        expected = (y - norm.running_mean.view(column)) / (norm.running_var.double().view(column) + norm.eps).sqrt()
        if norm.affine:
            expected = expected * norm.weight.view(column) + norm.bias.view(column)
        assert torch.allclose(folded(layer, norm)(x).double(), expected, atol=1e-5)


class NormFirst(nn.Module):
    """Normalise before the convolution, as DenseNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv, self.head = lively_norm(nn.BatchNorm3d(3)), nn.Conv3d(3, 3, 1), nn.Linear(3, 4)

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.conv(self.norm(clips).relu()).mean((2, 3, 4)))


class ReluBetween(NormFirst):
    """Change the convolution's output in place before it is normalised."""

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.norm(torch.relu_(self.conv(clips))).mean((2, 3, 4)))


class UsedTwice(NormFirst):
    """Use one convolution in two places, once without normalisation."""

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(self.conv(clips))).mean((2, 3, 4)))


class OtherAxis(nn.Module):
    """Normalise over another axis than the linear layer's outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm, self.head = nn.Linear(32, 4), lively_norm(nn.BatchNorm1d(4)), nn.Linear(4, 4)

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.norm(self.linear(clips.mean((1, 3)))).mean(2))  # normalised (N, 4 frames, 4)


@pytest.mark.parametrize("network", [NormFirst, ReluBetween, UsedTwice, OtherAxis])
def test_what_does_not_directly_follow_a_layer_is_not_folded(network: type[nn.Module]):
    clips = torch.from_numpy(some_normalised_clips(2))
    copied, num_folded = inference_network(plain_classifier(network()), clips)
    assert num_folded == 0 and len(norms(copied)) == 1


class Branched(NormFirst):
    """Use the convolution's output beside its normalised form, which folding would spoil."""

    def forward(self, clips: Tensor) -> Tensor:
        maps = self.conv(clips)
        return self.head((self.norm(maps) + maps).mean((2, 3, 4)))


def test_folding_that_would_change_the_scores_is_refused():
    with pytest.raises(ValueError, match="changes the scores"):
        inference_network(plain_classifier(Branched()), torch.from_numpy(some_normalised_clips(2)))


def plain_classifier(network: nn.Module) -> Any:
    """Return a module whose scores are a network's."""
    module = ClipClassifier(num_classes=4, recipe=SMOKE_RECIPE)
    module.network = network
    return module.eval()


def test_cosines_become_confidences_by_the_scale_that_their_loss_ended_with():
    module = tiny_module()
    assert confidence_scale(module) == module.scale.end == 5.0
    assert confidence_scale(Unscaled(num_classes=2, recipe=SMOKE_RECIPE)) == 1.0


def test_a_repository_with_a_threshold_rejects_as_it_judges_and_nothing_else_rejects():
    torch.manual_seed(0)
    module = Ms3d(backbone=SMOKE_MS3D, num_classes=4, recipe=SMOKE_RECIPE)
    assert rejection_distance(module) is None, "never filled"
    codes = torch.randn(40, 16)
    fill(module.network, codes, torch.arange(4).repeat(10))
    distance = rejection_distance(module)
    assert distance is not None
    scores = module.repository(codes)
    rejected = (-scores.max(1).values).sqrt() >= distance
    assert torch.equal(rejected, module.repository.judge(codes) == UNKNOWN)
    linear = Ms3d(backbone=R3D18.smoke, loss=None, num_classes=4, recipe=SMOKE_RECIPE)
    assert rejection_distance(linear) is rejection_distance(tiny_module()) is None


class Unscaled(ClipClassifier):
    """A module whose scores are logits."""
