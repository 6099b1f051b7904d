"""The MFNet authors' checkpoints and 2D ResNets come into KPSEM's networks, each tensor where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.backbones.mfnet3d import MFNet3D
from lightning_modules.backbones.r3d import R3D
from lightning_modules.checkpoints import load_backbone, load_network
from lightning_modules.kpsem.network import KpsemNetwork
from lightning_modules.kpsem.weights import convert, load_pretrained

CLASSES = 7


class AuthorsPart(nn.Module):
    def __init__(self, before: int, after: int, kernel, stride=1, groups: int = 1) -> None:
        super().__init__()
        self.bn = nn.BatchNorm3d(before)
        self.conv = nn.Conv3d(
            before, after, kernel, stride, tuple(k // 2 for k in kernel), groups=groups, bias=False
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        return self.conv(self.bn(maps).relu())


class AuthorsUnit(nn.Module):
    def __init__(self, before: int, after: int, groups: int, stride, first: bool) -> None:
        super().__init__()
        middle = after // 4
        self.conv_i1 = AuthorsPart(before, middle, (1, 1, 1))
        self.conv_i2 = AuthorsPart(middle, before, (1, 1, 1))
        self.conv_m1 = AuthorsPart(before, after, (3, 3, 3), stride, groups)
        self.conv_m2 = AuthorsPart(after, after, *(((1, 1, 1),) if first else ((1, 3, 3), 1, groups)))
        if first:
            self.conv_w1 = AuthorsPart(before, after, (1, 1, 1), stride)

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = self.conv_w1(maps) if hasattr(self, "conv_w1") else maps
        return self.conv_m2(self.conv_m1(maps + self.conv_i2(self.conv_i1(maps)))) + shortcut


class AuthorsNetwork(nn.Module):
    """The published network under its authors' names, with 4 fibres instead of 16."""

    def __init__(self) -> None:
        super().__init__()
        stem = [("conv", nn.Conv3d(3, 4, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False)), ("bn", nn.BatchNorm3d(4))]
        self.conv1 = nn.ModuleDict(stem)
        before = 4
        for stage, units in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True):
            after = 24 * 2 ** (stage - 2)
            stride = (2, 1, 1) if stage == 2 else (1, 2, 2)
            shapes = [(before, after, 4, stride, True), *[(after, after, 4, 1, False)] * (units - 1)]
            parts = {f"B{i + 1:02d}": AuthorsUnit(*shape) for i, shape in enumerate(shapes)}
            self.add_module(f"conv{stage}", nn.ModuleDict(parts))
            before = after
        self.tail = nn.ModuleDict([("bn", nn.BatchNorm3d(before))])
        self.classifier = nn.Linear(before, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        maps = self.conv1["bn"](self.conv1["conv"](clips)).relu()
        maps = nn.functional.max_pool3d(maps, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        for stage in (2, 3, 4, 5):
            for unit in self.get_submodule(f"conv{stage}").values():
                maps = unit(maps)
        return self.classifier(self.tail["bn"](maps).relu().mean((2, 3, 4)))


def lively(network: nn.Module) -> nn.Module:
    """Give normalisations statistics and weights that would show a mix-up."""
    generator = torch.Generator().manual_seed(3)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor, low in ((layer.weight, 0.5), (layer.bias, -0.3), (layer.running_mean, -0.3),
                                (layer.running_var, 0.5)):  # fmt: skip
                tensor.data.copy_(low + torch.rand(len(tensor), generator=generator))
    return network.eval()


def authors() -> nn.Module:
    torch.manual_seed(0)
    return lively(AuthorsNetwork())


def released(network: nn.Module) -> dict[str, Tensor]:
    """Return weights as in the authors' files: saved from several devices by a PyTorch without counters."""
    return {f"module.{name}": value for name, value in network.state_dict().items() if "num_batches" not in name}


def ours(**arguments) -> KpsemNetwork:
    torch.manual_seed(1)
    backbone = arguments.pop("backbone", None) or MFNet3D(width=0.25)
    return KpsemNetwork(**{"backbone": backbone, "num_classes": CLASSES, "num_frames": 4, **arguments}).eval()


def clips() -> Tensor:
    return torch.randn(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(2))


def test_the_authors_network_computes_the_same_under_our_names():
    theirs, network = authors(), ours(position=None)
    load_network(network, convert(released(theirs), network))
    with torch.no_grad():
        torch.testing.assert_close(network(clips()), theirs(clips()), rtol=1e-4, atol=1e-5)


def test_the_authors_file_fills_the_backbone_beside_a_new_kpsem_and_the_report_says_so(tmp_path: Path):
    theirs, network = authors(), ours(num_classes=3)
    new_head = network.head.weight.clone()
    torch.save({"epoch": 20, "state_dict": released(theirs), "optimizer": {"lr": 0.1}}, tmp_path / "kinetics.pth")
    report = load_pretrained(network, tmp_path / "kinetics.pth")
    backbone = {f"backbone.{name}" for name in network.backbone.state_dict()}
    assert set(report.loaded) == backbone
    assert report.missing and all(name.startswith("kpsem.") for name in report.missing)
    assert report.unused == report.mismatched == report.inflated == ()
    assert torch.equal(network.head.weight, new_head)
    with torch.no_grad():
        spatial = network.features(clips())[:, : network.backbone.feature_channels]
        torch.testing.assert_close(theirs.classifier(spatial), theirs(clips()), rtol=1e-4, atol=1e-5)


def test_a_2d_file_is_inflated_so_that_a_still_clip_looks_like_its_image():
    theirs, network = authors(), ours(position=None)
    flat = {name: value.sum(2) if value.dim() == 5 else value for name, value in released(theirs).items()}
    report = load_backbone(network, convert(flat, network))
    kernels = [name for name, value in network.backbone.state_dict().items() if value.dim() == 5]
    assert {f"backbone.{name}" for name in kernels} == set(report.inflated)
    weight = network.backbone.conv2[1].first.conv.weight
    torch.testing.assert_close(weight.sum(2), flat["module.conv2.B02.conv_m1.conv.weight"])
    assert (weight[:, :, 0] == weight[:, :, 1]).all()


@pytest.mark.parametrize("depth", [50, 101])
def test_a_2d_resnet_computes_the_same_on_each_frame(depth):
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    image_network = lively(torchvision.models.get_model(f"resnet{depth}"))
    network = ours(backbone=R3D(depth=depth, halve_frames=False), position="res3", num_frames=2)
    report = load_backbone(network, convert(image_network.state_dict(), network))
    assert all(name.startswith("kpsem.") for name in report.missing)
    assert report.unused == report.mismatched == () and len(report.inflated) == depth + 3  # and four shortcuts
    clip = torch.randn(1, 3, 2, 32, 32, dtype=torch.float64)  # features grow large: 32 bits would hide a mistake
    image_network.fc = nn.Identity()
    image_network.double(), network.double()
    with torch.no_grad():
        expected = torch.stack([image_network(frame) for frame in clip.unbind(2)]).mean(0)
        torch.testing.assert_close(network.features(clip)[:, :2048], expected)


def test_our_own_checkpoints_pass_unchanged():
    network = ours()
    assert list(convert(network.state_dict(), network)) == list(network.state_dict())


def test_unknown_layouts_and_other_backbones_are_refused():
    with pytest.raises(ValueError, match="unknown layout: the checkpoint holds .*'stem.weight'"):
        convert({"stem.weight": torch.zeros(1)}, ours())
    with pytest.raises(ValueError, match="another backbone"):
        convert(released(authors()), ours(backbone=R3D(width=1 / 16), position="res3"))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="none.pth: no such checkpoint"):
        load_pretrained(ours(), tmp_path / "none.pth")
