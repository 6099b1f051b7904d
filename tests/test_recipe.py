"""Recipes give the paper's learning rates, and clipping the authors' gradients."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.recipe import (
    SGD,
    AdamW,
    AdaptiveClipping,
    Constant,
    CosineAnnealing,
    CosineWarmup,
    NormClipping,
    Recipe,
    Stage,
)

LIGAR_FINE_TUNING = Recipe(
    stages=(
        Stage(epochs=5, lr=Constant(1e-2), trainable="head"),
        Stage(epochs=5, lr=CosineWarmup(1e-5, 1e-3)),
        Stage(epochs=55, lr=CosineAnnealing(1e-3, 1e-5, alpha=1.5)),
    ),
    optimizer=SGD(),
    batch_size=24,
    clipping=AdaptiveClipping(),
)


def with_gradients(shapes, seed: int, size: float = 1.0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    parameters = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = size * torch.randn(parameter.shape, generator=generator)
    return parameters


@pytest.mark.parametrize(
    ("iteration", "lr", "precision"),
    [
        (0, 1e-2, 1e-12),
        (499, 1e-2, 1e-12),
        (500, 1e-5, 1e-12),
        (750, 5.05e-4, 1e-12),
        (999, 9.9999e-4, 5e-9),
        (1000, 1e-3, 1e-12),
        (1001, 1e-3, 5e-9),
        (2000, 9.85390e-4, 5e-10),
        (3750, 7.24788e-4, 5e-10),
        (5000, 3.22460e-4, 5e-10),
        (6000, 5.27207e-5, 5e-11),
        (6499, 1.000018e-5, 5e-12),
    ],
)
def test_learning_rate_is_the_authors_at_100_iterations_per_epoch(iteration, lr, precision):
    epoch, step = divmod(iteration, 100)
    assert LIGAR_FINE_TUNING.lr_at(epoch, step / 100) == pytest.approx(lr, abs=precision)


def test_stages_follow_each_other_and_only_the_first_trains_the_head_alone():
    assert LIGAR_FINE_TUNING.epochs == 65
    trainable = [LIGAR_FINE_TUNING.stage_at(epoch).trainable for epoch in range(65)]
    assert trainable == ["head"] * 5 + ["all"] * 60


def test_learning_rate_is_continuous_where_warm_up_ends():
    assert LIGAR_FINE_TUNING.lr_at(9, 1 - 1e-9) == pytest.approx(LIGAR_FINE_TUNING.lr_at(10, 0.0), abs=1e-12)


def test_alpha_above_one_keeps_the_rate_high_for_longer():
    plain, slow = CosineAnnealing(1.0, 0.0, alpha=1.0), CosineAnnealing(1.0, 0.0, alpha=1.5)
    assert plain(0.5) == pytest.approx(0.5)
    assert all(slow(p / 10) > plain(p / 10) for p in range(1, 10))
    assert (slow(0.0), slow(1.0)) == (1.0, pytest.approx(0.0))


def test_epochs_and_fractions_outside_the_recipe_are_refused():
    for epoch in (-1, 65):
        with pytest.raises(ValueError, match=rf"epoch must be in \[0, 65\), got {epoch}"):
            LIGAR_FINE_TUNING.lr_at(epoch)
    with pytest.raises(ValueError, match="got 1.0"):
        LIGAR_FINE_TUNING.lr_at(0, 1.0)
    with pytest.raises(ValueError, match="at least one stage"):
        Recipe(stages=(), optimizer=SGD(), batch_size=1)
    with pytest.raises(ValueError, match="got 0"):
        Stage(epochs=0, lr=Constant(1.0))
    with pytest.raises(ValueError, match="got 'backbone'"):
        Stage(epochs=1, lr=Constant(1.0), trainable="backbone")  # type: ignore[arg-type]


def test_recipes_are_values():
    assert hash(LIGAR_FINE_TUNING) == hash(Recipe(**vars(LIGAR_FINE_TUNING)))


def test_optimisers_carry_their_settings_and_sgd_takes_the_textbook_step():
    (parameter,) = with_gradients([(3,)], seed=0)
    before, grad = parameter.detach().clone(), parameter.grad.clone()
    optimizer = SGD(momentum=0.9, weight_decay=0.1).build([parameter], lr=0.5)
    optimizer.step()
    first = grad + 0.1 * before
    torch.testing.assert_close(parameter.detach(), before - 0.5 * first)
    middle = parameter.detach().clone()
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), middle - 0.5 * (0.9 * first + grad + 0.1 * middle))
    assert AdamW(weight_decay=0.3).build([parameter], lr=0.1).defaults["weight_decay"] == 0.3


def test_adaptive_clipping_is_the_authors():
    matrix = torch.nn.Parameter(torch.tensor([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]]))
    vector = torch.nn.Parameter(torch.tensor([1.0, 0.0, -2.0]))
    matrix.grad = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.1, 0.0]])
    vector.grad = torch.tensor([0.5, 0.5, 0.1])
    AdaptiveClipping().apply([matrix, vector])
    torch.testing.assert_close(matrix.grad, torch.tensor([[0.6, 0.8], [2e-4, 0.0], [0.1, 0.0]]))
    torch.testing.assert_close(vector.grad, torch.tensor([0.2, 2e-4, 0.1]))


@pytest.mark.parametrize("size", [0.01, 0.3, 10.0])
def test_adaptive_clipping_agrees_with_a_loop_over_units(size):
    parameters = with_gradients([(4, 3, 1, 2, 2), (5,), (), (6, 2), (1, 7, 1, 1, 1), (2, 1)], seed=1, size=size)
    expected = []
    for parameter in parameters:
        rows = len(parameter) if parameter.ndim >= 2 else parameter.numel()
        weights = parameter.detach().double().reshape(rows, -1)
        grads = parameter.grad.double().reshape(rows, -1)
        for i in range(rows):
            limit = 0.2 * max(float(weights[i].norm()), 1e-3)
            if float(grads[i].norm()) > limit:
                grads[i] *= limit / max(float(grads[i].norm()), 1e-6)
        expected.append(grads.reshape(parameter.shape).float())
    AdaptiveClipping().apply(parameters)
    for parameter, grad in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, grad)


def test_adaptive_clipping_agrees_with_timm_on_tensors_of_two_and_more_axes():
    agc = pytest.importorskip("timm.utils.agc", reason="timm is a development dependency")
    shapes = [(8, 3, 3, 3, 3), (16, 8), (4, 1, 1, 1, 1)]
    ours, theirs = with_gradients(shapes, seed=2), with_gradients(shapes, seed=2)
    AdaptiveClipping(factor=0.1).apply(ours)
    agc.adaptive_clip_grad(theirs, clip_factor=0.1)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_adaptive_clipping_keeps_directions_small_gradients_and_parameters_without_one():
    parameters = with_gradients([(4, 3)], seed=3, size=100.0) + with_gradients([(4, 3), (4,)], seed=3, size=1e-6)
    before = [parameter.grad.clone() for parameter in parameters]
    AdaptiveClipping().apply([*parameters, torch.nn.Parameter(torch.ones(2))])
    cosines = torch.nn.functional.cosine_similarity(parameters[0].grad, before[0])
    torch.testing.assert_close(cosines, torch.ones(4))
    for parameter, grad in zip(parameters[1:], before[1:], strict=True):
        torch.testing.assert_close(parameter.grad, grad, atol=0, rtol=0)
    AdaptiveClipping().apply([])


def test_adaptive_clipping_is_the_same_in_channels_last_memory():
    plain, last = (with_gradients([(4, 6, 3, 5, 5)], seed=4)[0] for _ in range(2))
    last.data = last.data.to(memory_format=torch.channels_last_3d)
    last.grad = last.grad.to(memory_format=torch.channels_last_3d)
    AdaptiveClipping().apply([plain])
    AdaptiveClipping().apply([last])
    torch.testing.assert_close(plain.grad, last.grad)


def test_norm_clipping_limits_the_norm_over_all_gradients():
    parameters = with_gradients([(4, 3), (5,)], seed=5, size=10.0)
    NormClipping(max_norm=2.0).apply(parameters)
    total = torch.cat([parameter.grad.flatten() for parameter in parameters]).norm()
    assert total.item() == pytest.approx(2.0, rel=1e-5)
