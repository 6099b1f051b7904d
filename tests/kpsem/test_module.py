"""KPSEM's module is the paper's by default, and trains."""

from __future__ import annotations

import inspect

import pytest
import torch

from lightning_modules.backbones.mfnet3d import MFNet3D
from lightning_modules.backbones.r3d import R3D
from lightning_modules.kpsem import Kpsem
from lightning_modules.kpsem.profiles import PAPER_RECIPE, SMOKE_MODULE, SMOKE_RECIPE


def module(**arguments) -> Kpsem:
    torch.manual_seed(0)
    return Kpsem(**{**SMOKE_MODULE, "num_classes": 4, "recipe": SMOKE_RECIPE, **arguments})


def test_defaults_are_the_papers():
    with torch.device("meta"):
        network = Kpsem(num_classes=200, recipe=PAPER_RECIPE).network
    assert network.position == "conv4" and isinstance(network.backbone, MFNet3D)
    assert sum(p.numel() for p in network.parameters()) == 8_123_096
    assert network.kpsem is not None
    arese, embedding = network.kpsem.arese, network.kpsem.embedding
    assert (arese.num_sets, arese.num_regions, embedding.weight.shape) == (8, 4, (8, 24, 8))
    assert arese.bias is not None and len(network.kpsem.reduction) == 2


def test_the_tables_variants_are_arguments():
    assert module(position=None).network.kpsem is None
    assert module(num_regions=1).network.kpsem.arese.bias is None
    assert module(separation="fixed").network.kpsem.arese.offsets.shape == (8, 2, 1)
    assert module(num_sets=1).network.kpsem.embedding.weight.shape[0] == 1
    r3d = module(backbone="r3d", position="res3", num_frames=8)
    assert isinstance(r3d.network.backbone, R3D) and r3d.network.position == "res3"


def test_views_are_averaged_as_probabilities():
    own, videos = module().eval(), torch.randn(2, 3, 3, 4, 32, 32)
    with torch.no_grad():
        each = torch.stack([own.network(videos[:, v]).softmax(1) for v in range(3)])
        torch.testing.assert_close(own(videos), each.mean(0), rtol=1e-4, atol=1e-5)


def test_a_few_steps_on_four_clips_lower_the_loss():
    own, clips, labels = module(), torch.randn(4, 3, 4, 32, 32), torch.arange(4)
    optimizer = own.configure_optimizers()
    losses = []
    for _ in range(8):
        loss = torch.nn.functional.cross_entropy(own.view_outputs(clips)["logits"], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0], losses


def test_a_pretrained_backbone_comes_in_and_a_released_network_must_fit_whole():
    source, target = module(position=None), module(num_classes=9)
    report = target.load_initial(source.network.state_dict())
    assert torch.equal(source.network.backbone.conv1[0].weight, target.network.backbone.conv1[0].weight)
    assert all(name.startswith("kpsem.") for name in report.missing)
    assert module(position=None).load_released(source.network.state_dict()).missing == ()
    with pytest.raises(ValueError, match="head.weight is"):
        module(position=None, num_classes=9).load_released(source.network.state_dict())


def test_every_argument_is_described_and_keyword_only():
    for name, parameter in inspect.signature(Kpsem).parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert f"\n    {name}:" in (inspect.getdoc(Kpsem) or ""), name


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="'resnet50'"):
        module(backbone="resnet50")
