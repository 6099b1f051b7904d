"""SlowFast, I3D-R50, R3D-18 and S3D are the libraries' networks; C3D, DenseNet3D, T3D and ECO follow their papers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.backbones.bn_inception import BNInceptionSpec
from lightning_modules.backbones.c3d import C3dSpec
from lightning_modules.backbones.eco import EcoSpec
from lightning_modules.backbones.library_networks import I3dR50Spec, R3d18Spec, S3dSpec, SlowFastSpec
from lightning_modules.backbones.t3d import DENSENET3D, T3D

# Millions of parameters with 400 classes, billions of multiply-accumulates of a clip: published or the library's own.
SIZES: dict[str, tuple[Any, int, int, float, float]] = {
    "SlowFast": (SlowFastSpec(), 32, 224, 34.566, 50.31),
    "I3D-R50": (I3dR50Spec(), 8, 224, 28.043, 28.41),
    "R3D-18": (R3d18Spec(), 16, 112, 33.371, 40.70),
    "S3D": (S3dSpec(), 16, 224, 8.320, 17.98),
    "C3D": (C3dSpec(), 16, 112, 79.635, 38.55),
    "DenseNet3D": (DENSENET3D, 16, 224, 11.659, 62.55),
    "T3D": (T3D, 16, 224, 29.868, 244.10),
    "ECO": (EcoSpec(), 16, 224, 43.695, 69.06),
    "ECO Lite": (EcoSpec(parallel_2d=False), 16, 224, 33.696, 50.19),
}


@pytest.mark.parametrize("name", SIZES)
def test_parameters_and_operations(name):
    spec, frames, side, params, gmacs = SIZES[name]
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad(), counter:
        network = spec.build().eval()
        head = nn.Linear(network.feature_channels, 400)
        assert head(network(torch.empty(1, 3, frames, side, side))).shape == (1, 400)
    assert sum(p.numel() for part in (network, head) for p in part.parameters()) / 1e6 == pytest.approx(
        params, abs=6e-4
    )
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmacs, abs=6e-3)


def same_values(own: nn.Module, library: nn.Module) -> None:
    """Give one network the other's tensors in order; shapes must agree."""
    tensors = [t for name, t in library.state_dict().items() if not name.startswith(("fc.", "classifier."))]
    names = list(own.state_dict())
    assert [t.shape for t in own.state_dict().values()] == [t.shape for t in tensors]
    own.load_state_dict(dict(zip(names, tensors, strict=True)))


def test_r3d_18_computes_what_torchvisions_does():
    from torchvision.models.video import r3d_18

    torch.manual_seed(0)
    library, own = r3d_18().eval(), R3d18Spec().build().eval()
    same_values(own, library)
    library.fc = nn.Identity()
    clips = torch.randn(1, 3, 4, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(own(clips), library(clips), rtol=1e-4, atol=1e-4)


def test_s3d_computes_what_torchvisions_does():
    from torchvision.models.video import s3d

    torch.manual_seed(0)
    library, own = s3d().eval(), S3dSpec().build().eval()
    same_values(own, library)
    clips = torch.randn(1, 3, 16, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(own(clips), library.features(clips).mean((2, 3, 4)), rtol=1e-4, atol=1e-4)


def test_the_slow_pathway_sees_every_fourth_frame():
    torch.manual_seed(0)
    network = SlowFastSpec(depth=18, stem_channels=8).build().eval()
    seen: list[torch.Tensor] = []
    network.network.register_forward_pre_hook(lambda layer, inputs: seen.extend(inputs[0]))
    clips = torch.randn(1, 3, 8, 32, 32)
    assert network(clips).shape == (1, network.feature_channels)
    assert torch.equal(seen[0], clips[:, :, [0, 4]]) and torch.equal(seen[1], clips)
    with pytest.raises(ValueError, match="stem_channels=12"):
        SlowFastSpec(stem_channels=12)


def test_ecos_lite_network_runs_nothing_behind_the_maps_that_it_shares():
    small = BNInceptionSpec(width=0.125)
    torch.manual_seed(0)
    lite = EcoSpec(frames_network=small, width=0.1, parallel_2d=False).build()
    clips = torch.randn(2, 3, 4, 32, 32)
    lite(clips).square().sum().backward()
    assert [name for name, p in lite.named_parameters() if p.grad is None] == []
    full = EcoSpec(frames_network=small, width=0.1).build()
    assert full(clips).shape == (2, full.feature_channels) and full.feature_channels > lite.feature_channels


def test_eco_joins_frames_in_its_3d_network_alone():
    small = EcoSpec(frames_network=BNInceptionSpec(width=0.125), width=0.1)
    torch.manual_seed(0)
    network = small.build().eval()
    clips = torch.randn(1, 3, 4, 32, 32)
    with torch.no_grad():
        forward, backward = network(clips)[0], network(clips.flip(2))[0]
    volume = network.feature_channels - network.frames_network.out_channels
    torch.testing.assert_close(forward[volume:], backward[volume:], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(forward[:volume], backward[:volume], rtol=1e-3)


def test_c3ds_poolings_leave_its_papers_maps_and_no_time_in_the_first():
    network = C3dSpec(width=1 / 64, hidden=8).build().eval()
    maps = network.convolutions(torch.randn(1, 3, 16, 112, 112))
    assert maps.shape[2:] == (1, 4, 4)
    with pytest.raises(ValueError, match="pools=6"):
        C3dSpec(pools=6)
