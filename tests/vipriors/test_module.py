"""The LightningModule: which network it builds, residual frames, folding at test."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.layers.parallel_convolution import ParallelConvolution
from lightning_modules.vipriors import Vipriors, profiles
from lightning_modules.vipriors.network import ELU
from tests.tiny_cells import lively


def module(**changes) -> Vipriors:
    torch.manual_seed(0)
    return Vipriors(**{**profiles.SMOKE_MODULE, **changes}, num_classes=4, recipe=profiles.SMOKE_RECIPE)


def test_the_network_of_residual_frames_sees_the_changes_alone():
    diff = module(residual=True).eval()
    clips = torch.randn(2, 1, 3, 9, 32, 32)
    with torch.no_grad():
        shifted = diff(clips + 5.0)  # a brighter film moves as before
        torch.testing.assert_close(shifted, diff(clips), rtol=1e-3, atol=1e-3)
        changes = 4.0 * (clips[:, 0, :, 1:] - clips[:, 0, :, :-1])
        torch.testing.assert_close(diff(clips), diff.network(changes))


def test_a_test_folds_the_parallel_convolutions_and_scores_alike():
    best, clips = module(modifications=profiles.BEST), torch.randn(2, 1, 3, 8, 32, 32)
    best.network.head.weight.data.mul_(10)
    for layer in best.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)
    best.eval()
    with torch.no_grad():
        before = best(clips)
        assert any(isinstance(layer, ParallelConvolution) for layer in best.modules())
        best.on_test_start()
        assert not any(isinstance(layer, ParallelConvolution) for layer in best.modules())
        torch.testing.assert_close(best(clips), before, rtol=1e-4, atol=1e-5)


def test_tsm_without_shift_scores_frames_by_themselves():
    still = lively(module(architecture="tsm", shift=False), size=32)
    clips = torch.randn(1, 1, 3, 8, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(still(clips.flip(3)), still(clips), rtol=1e-4, atol=1e-5)
        shifted = lively(module(architecture="tsm"), size=32)
        assert (shifted(clips.flip(3)) - shifted(clips)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(architecture="c3d"), "architecture must be 'slowfast' or 'tsm', got 'c3d'"),
        (dict(architecture="tsm", modifications=(ELU,)), "are SlowFast's; tsm has none"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        module(**changes)
