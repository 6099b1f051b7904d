"""MFNet-3D has the authors' sizes, wiring and outputs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.backbones.mfnet3d import MFNet3D, MultiFibreUnit, PreActivated
from tests.shape_seed import fill, video

# The authors' network at 51 classes, filled and fed by tests/shape_seed.py: its first 12 logits.
GOLDEN_LOGITS = (
    0.264608, 0.017982, -0.276065, -0.120003, -0.118673, -0.030667,
    -0.043701, -0.14414, -0.008192, -0.299351, -0.220661, 0.315599,
)  # fmt: skip

# Units: stage, unit, output C x T x H, parameters, convolution MACs (M) at 16 x 224 x 224.
UNITS = (
    ("conv2", 0, (96, 8, 56), 14_448, 373.3),
    *(("conv2", i, (96, 8, 56), 25_968, 635.8) for i in (1, 2)),
    ("conv3", 0, (192, 8, 28), 96_672, 773.1),
    *(("conv3", i, (192, 8, 28), 102_624, 635.8) for i in (1, 2, 3)),
    ("conv4", 0, (384, 8, 14), 384_576, 773.1),
    *(("conv4", i, (384, 8, 14), 408_000, 635.8) for i in (1, 2, 3, 4, 5)),
    ("conv5", 0, (768, 8, 7), 1_534_080, 773.1),
    *(("conv5", i, (768, 8, 7), 1_627_008, 635.8) for i in (1, 2)),
)


class Classifier(nn.Module):
    """The authors' network: the backbone and one linear layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.backbone = MFNet3D()
        self.head = nn.Linear(self.backbone.feature_channels, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        *_, (_, maps) = self.backbone.stage_maps(clips)
        return self.head(self.backbone.pooled(maps))


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def macs_of(module: nn.Module, maps: Tensor) -> tuple[Tensor, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        out = module(maps)
    return out, counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("num_classes", "params", "gmacs"),
    [(400, 7_996_368, 11.0454), (200, 7_842_568, 11.0453), (174, 7_822_574, 11.0453),
     (101, 7_766_437, 11.0452), (51, 7_727_987, 11.0452)],
)  # fmt: skip
def test_parameters_and_operations_are_the_authors(num_classes, params, gmacs):
    with torch.device("meta"):
        network, clips = Classifier(num_classes).eval(), torch.empty(1, 3, 16, 224, 224)
    assert parameters_of(network) == params
    assert macs_of(network, clips)[1] / 1e9 == pytest.approx(gmacs, abs=5e-5)
    assert len(network.state_dict()) == 421


def test_every_unit_has_the_authors_shape_parameters_and_operations():
    with torch.device("meta"):
        backbone, maps = MFNet3D().eval(), torch.empty(1, 3, 16, 224, 224)
    maps, macs = macs_of(backbone.conv1, maps)
    assert (tuple(maps.shape), parameters_of(backbone.conv1)) == ((1, 16, 16, 56, 56), 3_632)
    assert macs / 1e6 == pytest.approx(722.5, abs=0.05)
    for stage, index, (channels, frames, side), params, expected in UNITS:
        unit = backbone.get_submodule(stage)[index]
        maps, macs = macs_of(unit, maps)
        assert tuple(maps.shape) == (1, channels, frames, side, side), f"{stage}.{index}"
        assert parameters_of(unit) == params, f"{stage}.{index}"
        assert macs / 1e6 == pytest.approx(expected, abs=0.05), f"{stage}.{index}"
    stages = [parameters_of(backbone.get_submodule(name)) for name in ("conv2", "conv3", "conv4", "conv5", "tail")]
    assert stages == [66_384, 404_544, 2_424_576, 4_788_096, 1_536]


def test_only_first_convolutions_of_units_span_frames_and_time_is_halved_once():
    backbone = MFNet3D(width=0.125)
    for name, layer in backbone.named_modules():
        if isinstance(layer, nn.Conv3d):
            spans = name == "conv1.0" or name.endswith(".first.conv")
            assert layer.kernel_size[0] == (3 if spans else 1), name
            assert layer.stride[0] == (2 if name in ("conv2.0.first.conv", "conv2.0.shortcut.conv") else 1), name


def test_outputs_of_the_filled_network_are_the_authors():
    with torch.no_grad():
        logits = fill(Classifier(51))(video((1, 3, 16, 224, 224)))
    torch.testing.assert_close(logits[0, :12], torch.tensor(GOLDEN_LOGITS), atol=1e-4, rtol=0)


@pytest.mark.parametrize("changes_shape", [True, False])
def test_a_unit_is_wired_as_published(changes_shape):
    torch.manual_seed(0)
    channels, stride = (16, (2, 2, 2)) if changes_shape else (8, (1, 1, 1))
    unit = MultiFibreUnit(8, channels, fibres=4, stride=stride, changes_shape=changes_shape).double().eval()

    def pre_activated(part: PreActivated, maps: Tensor) -> Tensor:
        maps = (maps / (1 + 1e-5) ** 0.5).clamp(min=0)
        kernel = part.conv.weight.shape[2:]
        return nn.functional.conv3d(
            maps, part.conv.weight, stride=part.conv.stride, padding=tuple(k // 2 for k in kernel),
            groups=maps.shape[1] // part.conv.weight.shape[1],
        )  # fmt: skip

    maps = torch.randn(2, 8, 4, 6, 6, dtype=torch.float64)
    mixed = maps + pre_activated(unit.mix_widen, pre_activated(unit.mix_narrow, maps))
    shortcut = maps if unit.shortcut is None else pre_activated(unit.shortcut, maps)
    torch.testing.assert_close(unit(maps), pre_activated(unit.second, pre_activated(unit.first, mixed)) + shortcut)
    assert unit.first.conv.groups == 4 and unit.second.conv.groups == (1 if changes_shape else 4)


def test_convolutions_start_xavier_uniform():
    torch.manual_seed(0)
    weight = MFNet3D().conv4[0].second.conv.weight
    limit = (6 / (384 + 384)) ** 0.5
    assert weight.abs().max() <= limit and weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.02)


@pytest.mark.parametrize("width", [0.0625, 0.25, 0.5])
def test_small_networks_have_fewer_fibres_of_the_same_size(width):
    small, full = MFNet3D(width=width), MFNet3D()
    for name, layer in full.named_modules():
        if isinstance(layer, nn.Conv3d) and layer.groups > 1:
            own = small.get_submodule(name)
            assert own.groups == 16 * width and own.weight.shape[1:] == layer.weight.shape[1:], name
    assert {n: type(m) for n, m in small.named_modules()} == {n: type(m) for n, m in full.named_modules()}


@pytest.mark.parametrize("num_frames", [4, 5, 16])
@pytest.mark.parametrize("stem", [((1, 2, 2), True), ((2, 1, 1), False)])
def test_frames_and_channels_of_stages_are_as_declared(num_frames, stem):
    backbone = MFNet3D(width=0.0625, stem_stride=stem[0], stem_pool=stem[1])
    with torch.no_grad():
        for name, maps in backbone.stage_maps(torch.zeros(1, 3, num_frames, 32, 32)):
            assert maps.shape[1] == backbone.stage_channels[name]
            assert maps.shape[2] == backbone.frames_after(name, num_frames), name


def test_without_the_stems_halvings_small_clips_keep_their_size():
    backbone = MFNet3D(width=0.0625, stem_stride=(1, 1, 1), stem_pool=False)
    with torch.no_grad():
        sides = {name: maps.shape[3] for name, maps in backbone.stage_maps(torch.zeros(1, 3, 4, 32, 32))}
    assert sides == {"conv1": 32, "conv2": 32, "conv3": 16, "conv4": 8, "conv5": 4}


@pytest.mark.parametrize("width", [0, 0.1, -1.0, 0.03125])
def test_a_width_without_whole_fibres_is_refused(width):
    with pytest.raises(ValueError, match=f"multiple of 1/16, got {width}"):
        MFNet3D(width=width)
