"""KPSEM's module is the paper's by default, and trains."""

from __future__ import annotations

import inspect

import pytest
import torch

from lightning_modules.backbones.mfnet3d import MFNet3D
from lightning_modules.backbones.r3d import R3D
from lightning_modules.kpsem import Kpsem
from lightning_modules.kpsem.profiles import PAPER_RECIPE, SMOKE_MODULE, SMOKE_RECIPE
from tests.tiny_cells import batch_of


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
    r3d = module(backbone="r3d", position="res3", num_frames=8, units=None)
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


def test_backbone_and_lines_train_at_a_fifth_of_the_rate_and_every_parameter_once():
    own = module()
    groups = backbone, lines, new = own.parameter_groups()
    assert [group["lr_scale"] for group in groups] == [0.2, 0.2, 1.0]
    assert module(lines_lr_scale=0.01).parameter_groups()[1]["lr_scale"] == 0.01
    names = {id(parameter): name for name, parameter in own.network.named_parameters()}
    for group, prefix in ((backbone, "backbone."), (lines, "kpsem.arese.")):
        assert {names[id(p)] for p in group["params"]} == {name for name in names.values() if name.startswith(prefix)}
    assert sorted(names[id(p)] for group in groups for p in group["params"]) == sorted(names.values())
    plain = module(position=None, backbone_lr_scale=0.3).parameter_groups()
    assert plain[0]["lr_scale"] == 0.3 and len(plain[1]["params"]) == 2


class Trainer:
    """What the learning rate depends on, without a training."""

    num_training_batches = 10

    def __init__(self, optimizer: torch.optim.Optimizer, global_step: int) -> None:
        self.optimizers, self.global_step = [optimizer], global_step


@pytest.mark.parametrize(("step", "factor"), [(0, 0.5), (98, 0.5), (99, 1.0), (5000, 1.0)])
def test_the_first_99_steps_take_half_the_rate(step, factor):
    own = module(recipe=PAPER_RECIPE)
    optimizer = own.configure_optimizers()
    own._trainer = Trainer(optimizer, step)
    type(own).current_epoch = property(lambda self: 0)
    try:
        for _ in range(2):  # the second time nothing has piled up
            own.on_train_batch_start(batch_of(torch.zeros(1, 1, 3, 4, 8, 8), torch.zeros(1, dtype=torch.long)), 3)
    finally:
        del type(own).current_epoch
    expected = [5e-3 * scale * factor for scale in (0.2, 0.2, 1.0)]  # backbone, lines, what is new
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(expected)


def test_units_shorten_the_stages_and_keep_what_the_whole_network_computes_first():
    whole, short = module(units=None), module(units=(1, 2, 3, 1))
    stages = ("conv2", "conv3", "conv4", "conv5")
    assert [len(short.network.backbone.get_submodule(name)) for name in stages] == [1, 2, 3, 1]
    assert [len(whole.network.backbone.get_submodule(name)) for name in stages] == [3, 4, 6, 3]
    own = short.network.state_dict()
    assert {name: t.shape for name, t in whole.network.state_dict().items() if name in own} == {
        name: t.shape for name, t in own.items()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(units=(1, 1, 7, 1)), "conv4 keeps 1 to 6"),
        (dict(units=(0, 1, 1, 1)), "conv2 keeps 1 to 3"),
        (dict(backbone="r3d", position="res3", units=(1, 1, 1, 1)), "is for mfnet3d"),
    ],
)
def test_units_that_do_not_exist_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        module(**arguments)


def test_a_silent_kpsem_starts_with_the_plain_backbones_logits():
    clips = torch.randn(2, 1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = []
    for position in (None, "conv4"):
        torch.manual_seed(3)
        own = module(position=position, start_at_zero=True).eval()
        with torch.no_grad():
            logits.append(own(clips))
    torch.testing.assert_close(*logits)
