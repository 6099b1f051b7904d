from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_modules.layers.temporal_init import initialise_over_time, temporal_factors


def test_the_two_readings_of_equation_4():
    assert temporal_factors(3) == pytest.approx((5 / 3, -1 / 3, -1 / 3))
    assert temporal_factors(3, positive=1) == pytest.approx((-1 / 3, 5 / 3, -1 / 3))
    assert temporal_factors(3, reading="index") == pytest.approx((1, -1 / 2, -1 / 3))
    assert temporal_factors(1) == temporal_factors(1, reading="index") == (1.0,)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
def test_by_length_the_factors_add_up_to_one(length):
    assert sum(temporal_factors(length)) == pytest.approx(1)
    assert sum(factor > 0 for factor in temporal_factors(length)) == 1


@pytest.mark.parametrize("centred", [False, True])
def test_on_a_still_clip_the_kernel_does_what_the_2d_kernel_does(centred):
    torch.manual_seed(0)
    kernel, image = torch.randn(4, 2, 3, 3), torch.randn(1, 2, 6, 6)
    layer = nn.Conv3d(2, 4, 3, bias=False)
    initialise_over_time(layer, kernel=kernel, centred=centred)
    still = image[:, :, None].expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(layer(still)[:, :, 0], nn.functional.conv2d(image, kernel), rtol=1e-4, atol=1e-5)
    positive = 1 if centred else 0
    assert torch.equal(layer.weight[:, :, positive], (5 / 3) * kernel)


def test_without_a_kernel_one_is_drawn_as_for_the_2d_convolution():
    torch.manual_seed(0)
    layer = nn.Conv3d(64, 64, (3, 5, 5), bias=False)
    initialise_over_time(layer)
    kernel = layer.weight.sum(2)
    assert kernel.std().item() == pytest.approx((2 / (64 * 25)) ** 0.5, rel=0.02)
    torch.testing.assert_close(layer.weight[:, :, 1], -kernel / 3)


def test_factors_that_do_not_exist_are_refused():
    for wrong in (dict(length=0), dict(length=3, reading="first"), dict(length=3, positive=3),
                  dict(length=3, reading="index", positive=1)):  # fmt: skip
        with pytest.raises(ValueError, match="accepted|at least one slice"):
            temporal_factors(**wrong)
