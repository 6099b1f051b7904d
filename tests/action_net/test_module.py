"""ACTION-Net trains with the authors' parameter groups and averages views after the softmax."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from lightning_modules.action_net import ActionNet
from lightning_modules.action_net.network import BN_INCEPTION_PUBLISHED
from lightning_modules.action_net.profiles import EGOGESTURE_RECIPE, SMOKE_MODULE, SMOKE_RECIPE
from tests.tiny_cells import lively, some_clips


def module(recipe=SMOKE_RECIPE, **changes) -> ActionNet:
    torch.manual_seed(0)
    return ActionNet(num_classes=5, recipe=recipe, **{**SMOKE_MODULE, **changes})


def group_sizes(made: ActionNet) -> dict[tuple[float, bool], int]:
    """Return how many tensors each (relative rate, decays) has."""
    sizes: dict[tuple[float, bool], int] = defaultdict(int)
    for group in made.parameter_groups():
        sizes[group["lr_scale"], "weight_decay" not in group] += len(group["params"])
    return sizes


def test_groups_on_resnet50_are_the_authors():
    with torch.device("meta"):
        made = ActionNet(num_classes=83, recipe=EGOGESTURE_RECIPE)
    assert group_sizes(made) == {(1.0, True): 1 + 52 + 128, (1.0, False): 106 + 32, (5.0, True): 1, (10.0, False): 1}


def test_only_bn_inception_has_biases_which_learn_twice_as_fast():
    with torch.device("meta"):
        made = ActionNet(num_classes=83, recipe=EGOGESTURE_RECIPE, **BN_INCEPTION_PUBLISHED)
    assert group_sizes(made)[2.0, False] == 69


def test_every_parameter_is_in_one_group():
    made = module()
    grouped = [id(parameter) for group in made.parameter_groups() for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in made.parameters())


def test_one_step_moves_each_group_at_its_own_rate():
    made = module(head_lr_scale=5.0)
    optimizer = made.configure_optimizers()
    made._trainer = SimpleNamespace(  # type: ignore[assignment]
        optimizers=[optimizer], num_training_batches=4, current_epoch=0, fit_loop=None
    )
    made.on_train_batch_start(None, 0)  # type: ignore[arg-type]
    rate, decay = SMOKE_RECIPE.lr_at(0, 0.0), SMOKE_RECIPE.optimizer.weight_decay
    before = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    for parameter in made.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    expected = {
        "network.backbone.conv1.weight": (1, decay),
        "network.backbone.layer1.0.temporal.shift.weight": (1, decay),
        "network.backbone.layer1.0.temporal.me.norm.weight": (1, 0.0),
        "network.backbone.bn1.bias": (1, 0.0),
        "network.head.weight": (5, decay),
        "network.head.bias": (10, 0.0),
    }
    for name, (scale, decays) in expected.items():
        moved = before[name] - made.get_parameter(name)
        torch.testing.assert_close(moved, scale * rate * (1 + decays * before[name]), rtol=1e-4, atol=1e-6)


def test_rates_do_not_build_up_over_steps():
    made = module(head_lr_scale=5.0)
    optimizer = made.configure_optimizers()
    made._trainer = SimpleNamespace(  # type: ignore[assignment]
        optimizers=[optimizer], num_training_batches=4, current_epoch=0, fit_loop=None
    )
    for step in range(3):
        made.on_train_batch_start(None, step)  # type: ignore[arg-type]
    rates = {group["lr_scale"]: group["lr"] for group in optimizer.param_groups}
    assert rates == {scale: pytest.approx(scale * SMOKE_RECIPE.lr_at(0, 0.5)) for scale in (1.0, 5.0, 10.0)}


def test_views_are_averaged_after_the_softmax():
    made = lively(module())
    clips = some_clips(3, 4)
    with torch.no_grad():
        logits = torch.stack([made.network(clips[:, v]) for v in range(4)])
        after, before = logits.softmax(-1).mean(0), logits.mean(0).softmax(-1)
        assert (after - before).abs().max() > 1e-3, "here it makes a difference"
        torch.testing.assert_close(made(clips), after)


@pytest.mark.parametrize("changes", [{}, dict(shift=None, excitations=()), dict(excitations=("me",))])
def test_gradients_reach_every_parameter(changes):
    made = lively(module(**changes)).train()
    clips = some_clips(3, 1)[:, 0]
    labels = torch.arange(3)
    sum(made.loss_terms(made.view_outputs(clips), labels, None).values()).backward()  # type: ignore[arg-type]
    for name, parameter in made.network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
