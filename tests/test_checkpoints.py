"""Checkpoints are read without running code, and fill a backbone with a report of what they held."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

from lightning_modules.checkpoints import load_backbone, read_checkpoint


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
