"""Checkpoints are read without running code, and fill a backbone with a report of what they held."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

from lightning_modules.checkpoints import load_backbone, load_network, read_checkpoint, tensors_of


class Network(nn.Module):
    """Two layers under a head."""

    def __init__(self, *, width: int = 4, num_classes: int = 3) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(width, 5))
        self.head = nn.Linear(5, num_classes)


class Bomb:
    """Run a command when unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


BACKBONE = (
    "backbone.0.weight", "backbone.0.bias", "backbone.1.weight", "backbone.1.bias", "backbone.1.running_mean",
    "backbone.1.running_var", "backbone.1.num_batches_tracked", "backbone.2.weight", "backbone.2.bias",
)  # fmt: skip


def test_tensors_and_plain_values_come_back(tmp_path):
    content = {"state_dict": {"a": torch.arange(3)}, "names": ["x", "y"], "number": 1.5, "nothing": None}
    torch.save(content, tmp_path / "good.ckpt")
    read = read_checkpoint(tmp_path / "good.ckpt")
    assert torch.equal(read.pop("state_dict")["a"], torch.arange(3))
    assert read == {"names": ["x", "y"], "number": 1.5, "nothing": None}


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(tmp_path):
    torch.save({"state_dict": {}, "extra": Bomb(tmp_path / "exploded")}, tmp_path / "bomb.ckpt")
    with pytest.raises(ValueError, match=r"bomb\.ckpt is refused.*weights_only=True"):
        read_checkpoint(tmp_path / "bomb.ckpt")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\x00" * len(data),
        lambda data: b"<html>404: not found</html>",
        lambda data: data[:40] + bytes(byte ^ 0x5A for byte in data[40:400]) + data[400:],
    ],
    ids=["half", "empty", "zeros", "web page", "flipped bits"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    torch.save({"state_dict": {"weight": torch.randn(50, 50)}}, tmp_path / "whole.ckpt")
    (tmp_path / "damaged.ckpt").write_bytes(damage((tmp_path / "whole.ckpt").read_bytes()))
    with pytest.raises(ValueError, match=r"damaged\.ckpt is refused"):
        read_checkpoint(tmp_path / "damaged.ckpt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.ckpt: no such checkpoint"):
        read_checkpoint(tmp_path / "nowhere.ckpt")


@pytest.mark.parametrize("prefix", ["", "network.", "module.network."])
def test_a_backbone_is_filled_whatever_wrapped_it_and_the_head_is_left_alone(prefix):
    torch.manual_seed(0)
    given, network = Network(num_classes=7), Network()
    head = network.head.weight.clone()
    report = load_backbone(network, {prefix + name: tensor for name, tensor in given.state_dict().items()})
    assert report.loaded == BACKBONE
    assert report.missing == report.mismatched == report.unused == ()
    for name in BACKBONE:
        assert torch.equal(network.state_dict()[name], given.state_dict()[name])
    assert torch.equal(network.head.weight, head)


def test_a_head_of_the_same_shape_is_not_taken_over_either():
    given, network = Network(), Network()
    head = network.head.weight.clone()
    load_backbone(network, given.state_dict())
    assert torch.equal(network.head.weight, head)


def test_the_report_says_what_is_missing_unused_and_of_another_shape():
    network, given = Network(), dict(Network(width=6).state_dict())
    del given["backbone.2.bias"]
    given["backbone.9.weight"] = torch.zeros(1)
    given |= {name: tensor for name, tensor in Network().state_dict().items() if name.startswith("backbone.1.")}
    before = network.state_dict()["backbone.0.weight"].clone()
    report = load_backbone(network, given)
    assert report.missing == ("backbone.2.bias",)
    assert report.unused == ("backbone.9.weight",)
    assert report.mismatched == ("backbone.0.weight", "backbone.0.bias", "backbone.2.weight")
    assert set(report.loaded) == {name for name in BACKBONE if name.startswith("backbone.1.")}
    assert str(report) == "5 tensors loaded, 1 missing, 3 of another shape, 1 unused"
    assert torch.equal(network.state_dict()["backbone.0.weight"], before)


def test_a_checkpoint_that_fills_nothing_is_refused():
    with pytest.raises(ValueError, match=r"nothing could be loaded.*backbone\.0\.weight.*conv1"):
        load_backbone(Network(), {"conv1": torch.zeros(1)})


class Video(nn.Module):
    """A convolution over 3 frames, one over 1, and a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict(
            {"long": nn.Conv3d(2, 4, (3, 5, 5)), "short": nn.Conv3d(4, 4, (1, 3, 3)), "linear": nn.Linear(4, 4)}
        )
        self.head = nn.Linear(4, 3)


@pytest.mark.parametrize(
    "drop", [lambda kernel: kernel[:, :, 0], lambda kernel: kernel[:, :, :1]], ids=["2D", "1 frame"]
)
def test_a_kernel_without_time_is_spread_over_the_frames_and_reported(drop):
    torch.manual_seed(0)
    given, network = {name: tensor.clone() for name, tensor in Video().state_dict().items()}, Video()
    kernel = given["backbone.long.weight"][:, :, 0].clone()
    given["backbone.long.weight"] = drop(given["backbone.long.weight"])
    report = load_backbone(network, given)
    assert report.inflated == ("backbone.long.weight",)
    assert set(report.inflated) < set(report.loaded) and report.mismatched == ()
    loaded = network.backbone["long"].weight
    for frame in range(3):
        torch.testing.assert_close(loaded[:, :, frame], kernel / 3)
    torch.testing.assert_close(loaded.sum(2), kernel)
    assert "(1 inflated)" in str(report)


def test_an_inflated_convolution_sees_a_still_clip_as_the_image():
    torch.manual_seed(0)
    flat, network, image = nn.Conv2d(2, 4, 5), Video(), torch.randn(1, 2, 7, 7)
    given = {"backbone.long.weight": flat.weight, "backbone.long.bias": flat.bias}
    load_backbone(network, given)
    clip = image[:, :, None].expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(network.backbone["long"](clip)[:, :, 0], flat(image))


@pytest.mark.parametrize("shape", [(4, 2, 5, 3), (4, 2, 2, 5, 5), (4, 3, 5, 5), (4, 2, 1, 5, 3), (4, 2, 5)])
def test_only_the_time_axis_may_differ(shape):
    network = Video()
    given = dict(network.state_dict()) | {"backbone.long.weight": torch.zeros(shape)}
    report = load_backbone(network, given)
    assert report.mismatched == ("backbone.long.weight",) and report.inflated == ()
    assert network.backbone["long"].weight.abs().max() > 0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: {"state_dict": tensors, "optimizer": {"lr": 1.0}, "epoch": 3},
        lambda tensors: {"model": tensors, "epoch": 3},
        lambda tensors: {"model": {"state_dict": tensors}},
        lambda tensors: {f"module.{name}": tensor for name, tensor in tensors.items()} | {"note": "text"},
    ],
    ids=["state_dict", "model", "nested", "module."],
)
@pytest.mark.parametrize("load", [load_backbone, load_network])
def test_wrapped_tensors_are_found(wrap, load):
    given, network = Network(), Network()
    report = load(network, wrap(given.state_dict()))
    assert set(BACKBONE) <= set(report.loaded) and report.missing == report.unused == ()
    assert torch.equal(network.backbone[0].weight, given.backbone[0].weight)


def test_a_checkpoint_without_tensors_says_what_it_holds():
    with pytest.raises(ValueError, match=r"no tensors.*'state_dict' or 'model'.*'epoch'"):
        tensors_of({"epoch": 3})
    with pytest.raises(ValueError, match=r"no tensors"):
        load_backbone(Network(), {"state_dict": {}})


def test_a_whole_network_is_loaded_with_its_head():
    torch.manual_seed(0)
    given, network = Network(), Network()
    report = load_network(network, given.state_dict() | {"extra": torch.zeros(1)})
    assert report.loaded == tuple(network.state_dict()) and report.unused == ("extra",)
    for name, tensor in given.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)


def test_a_head_of_other_classes_is_an_error_with_both_sizes_and_changes_nothing():
    network = Network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ValueError, match=r"head\.weight is 7 x 5 in the checkpoint and 3 x 5 in the network"):
        load_network(network, Network(num_classes=7).state_dict())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_whole_network_may_lack_counters_alone():
    given = Network().state_dict()
    del given["backbone.1.num_batches_tracked"]
    assert load_network(Network(), given).missing == ("backbone.1.num_batches_tracked",)
    del given["backbone.2.bias"]
    with pytest.raises(ValueError, match=r"lacks 1 of the network's 11 tensors, such as \['backbone\.2\.bias'\]"):
        load_network(Network(), given)


def test_a_whole_network_is_never_inflated():
    given = Video().state_dict()
    given["backbone.long.weight"] = given["backbone.long.weight"][:, :, 0]
    with pytest.raises(ValueError, match=r"backbone\.long\.weight is 4 x 2 x 5 x 5 .* 4 x 2 x 3 x 5 x 5"):
        load_network(Video(), given)
