"""Checkpoints under the names of the authors' releases load completely, and what has no place is reported."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torchvision
from torch import Tensor, nn

from datamodules.base import IMAGENET_MEAN, IMAGENET_STD
from experiments import action_net_table2
from experiments.harness import Build
from experiments.harness.cell import Options
from experiments.harness.evidence import gather
from experiments.harness.render import to_markdown
from experiments.harness.runner import run
from experiments.harness.table_cells import TableCells
from lightning_modules.action_net import ActionNet
from lightning_modules.action_net.network import BN_INCEPTION_RELEASED, ActionNetwork
from lightning_modules.action_net.profiles import JESTER_RECIPE
from lightning_modules.action_net.weights import convert
from lightning_modules.backbones.mobilenet_v2 import MOBILENET_V2
from lightning_modules.backbones.resnet2d import ResNet2dSpec
from lightning_modules.checkpoints import read_checkpoint
from tests.action_net.look_alikes import pictures, small_lists, write_all
from tests.backbones.test_weights import flat_mobilenet_v2
from tests.shape_seed import fill
from tests.tiny_cells import runtime

CLASSES = 27
SHALLOW = ResNet2dSpec(depths=(1, 1, 1, 1))


class Wrapper(nn.Module):
    """Hold a convolution and the ACTION module's layers under the released names."""

    def __init__(self, net: nn.Conv2d, action: bool = True) -> None:
        super().__init__()
        self.net, c, r = net, net.in_channels, net.in_channels // 16
        if action:
            self.action_shift = nn.Conv1d(c, c, 3, groups=c, bias=False)
            self.action_p1_conv1 = nn.Conv3d(1, 1, 3, bias=False)
            self.action_p2_squeeze = nn.Conv2d(c, r, 1, bias=False)
            self.action_p2_conv1 = nn.Conv1d(r, r, 3, bias=False)
            self.action_p2_expand = nn.Conv2d(r, c, 1, bias=False)
            self.action_p3_squeeze = nn.Conv2d(c, r, 1, bias=False)
            self.action_p3_bn1 = nn.BatchNorm2d(r)
            self.action_p3_conv1 = nn.Conv2d(r, r, 3, groups=r, bias=False)
            self.action_p3_expand = nn.Conv2d(r, c, 1, bias=False)


def randomised(base: nn.Module, features: int) -> dict[str, Tensor]:
    """Return the state dict of a released checkpoint around a base network, with random values that keep maps small."""
    released = nn.Module()
    released.module = nn.Module()
    released.module.base_model, released.module.new_fc = base, nn.Linear(features, CLASSES)
    torch.manual_seed(0)

    def value(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        fan_in = tensor[0].numel()
        return torch.randn_like(tensor) / fan_in**0.5 if tensor.ndim > 1 else 0.5 + torch.rand_like(tensor)

    return {name: value(tensor) for name, tensor in released.state_dict().items()}


def released_resnet(action: bool = True) -> dict[str, Tensor]:
    base = torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, [1, 1, 1, 1])
    for i in range(4):
        block = base.get_submodule(f"layer{i + 1}.0")
        block.conv1 = Wrapper(block.conv1, action)
    base.fc = nn.Dropout()
    return randomised(base, 2048)


def released_mobilenet_v2() -> dict[str, Tensor]:
    base = flat_mobilenet_v2()
    for block in base.features:
        if getattr(block, "use_res_connect", False) and len(block.conv) == 8:
            block.conv[0] = Wrapper(block.conv[0])
    base.classifier = nn.Dropout()
    return randomised(base, 1280)


def released_bn_inception() -> dict[str, Tensor]:
    """Return BN-Inception's released names around our network's shapes."""
    order = ("2", "3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    ours, base = ActionNetwork(num_classes=CLASSES, **BN_INCEPTION_RELEASED).backbone, nn.Module()
    for name in ("conv1_7x7_s2", "conv2_3x3_reduce", "conv2_3x3"):
        base.add_module(name, ours.get_submodule(name).conv)
        base.add_module(f"{name}_bn", ours.get_submodule(name).norm)
    for block, inception in ours.blocks.items():
        for name, unit in inception.units.items():
            base.add_module(f"inception_{block}_{name}", unit.conv)
            base.add_module(f"inception_{block}_{name}_bn", unit.norm)
    for before, block in zip(order[:-1], order[1:], strict=True):
        first = "1x1" if f"inception_{block}_1x1" in dict(base.named_children()) else "3x3_reduce"
        base.add_module(f"shift_{before}", Wrapper(base.get_submodule(f"inception_{block}_{first}")))
    return randomised(base, 1024)


def module(**arguments) -> ActionNet:
    return ActionNet(num_classes=CLASSES, recipe=JESTER_RECIPE, **arguments)


@pytest.mark.parametrize(
    ("released", "arguments", "skipped"),
    [
        (released_resnet, dict(backbone=SHALLOW), 0),
        (lambda: released_resnet(action=False), dict(backbone=SHALLOW, shift="fixed", excitations=()), 0),
        (released_mobilenet_v2, dict(backbone=MOBILENET_V2), 0),
        (released_bn_inception, BN_INCEPTION_RELEASED, 20),  # weight and bias of ten second copies
    ],
    ids=["resnet", "tsm resnet", "mobilenet_v2", "bn_inception"],
)
def test_a_released_file_fills_the_whole_network(released, arguments, skipped, tmp_path):
    state = released()
    torch.save({"epoch": 25, "arch": "resnet50", "state_dict": state, "best_prec1": 0.97}, tmp_path / "released.pth")
    made = module(**arguments)
    report = made.load_released(read_checkpoint(tmp_path / "released.pth"))
    assert len(report.loaded) == len(made.network.state_dict()) == len(state) - skipped
    assert not report.missing and not report.mismatched and len(report.unused) == skipped
    assert all(".net." in name for name in report.unused)
    given = sorted(float(t.double().sum()) for name, t in state.items() if ".net." not in name or not skipped)
    own = sorted(float(t.double().sum()) for t in made.network.state_dict().values())
    assert own == pytest.approx(given, rel=1e-5)


def test_a_released_file_is_tested_by_the_papers_protocol_without_training(tmp_path, monkeypatch):
    small_lists(monkeypatch)
    root, file = write_all(tmp_path / "data"), tmp_path / "jester_resnet.pth"
    torch.save({"epoch": 25, "state_dict": released_resnet()}, file)
    table = dataclasses.replace(action_net_table2.TABLE, module=Build(ActionNet, backbone=SHALLOW))
    options = Options(profile="paper", seeds=(0,), data_root=root, checkpoint=file, views=1, crops=1)
    where = runtime(tmp_path / "runs")
    cells = TableCells(table, options, where.store, rows=("ACTION-Net, 8 frames",), controls=False, groups=("Jester",))
    [cell] = cells.wanted()
    record = run(cell.training, where)
    assert record["curves"] == {} and record["num_train_videos"] == 0
    record = run(cell, where)
    assert (record["num_test_videos"], record["missing_test_videos"]) == (1, 1)
    page = to_markdown(gather(cells))
    assert "- trained weights taken from jester_resnet.pth; nothing was trained here" in page
    number = len(ActionNetwork(num_classes=CLASSES, backbone=SHALLOW).state_dict())
    assert f"- trained weights of jester_resnet.pth: {number} tensors loaded, 0 missing, 0 of another shape" in page

    made = module(backbone=SHALLOW).eval()
    made.load_released(read_checkpoint(file))
    clip = torch.from_numpy(pictures(12)[[0, 2, 3, 5, 6, 8, 9, 11]].copy())  # the middles of eight segments of twelve
    grey = clip[..., 0].float().mean((1, 2))[:, None] - torch.tensor(IMAGENET_MEAN)
    values = (grey / torch.tensor(IMAGENET_STD)).t()[None, :, :, None, None].expand(1, 3, 8, 224, 224)
    with torch.no_grad():
        expected, of_another_clip = made.network(torch.cat((values, -values))).softmax(1)
    assert (expected - of_another_clip).abs().max() > 0.05, "the network tells clips apart"
    torch.testing.assert_close(
        torch.from_numpy(where.store.folder(cell).load_scores()["scores"][0]).float(), expected, atol=1e-3, rtol=1e-2
    )


def test_each_layer_of_the_module_goes_to_its_place():
    state, own = released_resnet(), convert(released_resnet())
    there, here = "module.base_model.layer2.0.conv1", "backbone.layer2.0.temporal"
    pairs = {
        "action_shift.weight": "shift.weight", "action_p1_conv1.weight": "ste.conv.weight",
        "action_p2_squeeze.weight": "ce.squeeze.weight", "action_p2_conv1.weight": "ce.conv.weight",
        "action_p2_expand.weight": "ce.expand.weight", "action_p3_squeeze.weight": "me.squeeze.weight",
        "action_p3_bn1.running_var": "me.norm.running_var", "action_p3_conv1.weight": "me.conv.weight",
        "action_p3_expand.weight": "me.expand.weight",
    }  # fmt: skip
    for released, ours in pairs.items():
        assert torch.equal(state[f"{there}.{released}"], own[f"{here}.{ours}"])
    assert torch.equal(state[f"{there}.net.weight"], own["backbone.layer2.0.conv1.weight"])
    assert torch.equal(state["module.new_fc.bias"], own["head.bias"])


def test_bn_inceptions_modules_go_in_front_of_the_next_block():
    state, own = released_bn_inception(), convert(released_bn_inception())
    for after, block in (("2", "3a"), ("4c", "4d"), ("5a", "5b")):
        weight = state[f"module.base_model.shift_{after}.action_shift.weight"]
        assert torch.equal(own[f"backbone.blocks.{block}.temporal.shift.weight"], weight)


def test_a_wrong_network_is_refused_and_says_why():
    with pytest.raises(ValueError, match=r"another shape: head.weight is 27 x 2048"):
        ActionNet(num_classes=83, recipe=JESTER_RECIPE, backbone=SHALLOW).load_released(released_resnet())
    with pytest.raises(ValueError, match=r"lacks .* tensors, such as \['backbone.layer1.0.temporal"):
        module(backbone=SHALLOW).load_released(released_resnet(action=False))


def test_training_starts_from_imagenet_with_new_modules_and_a_new_head():
    made, theirs = module(backbone=MOBILENET_V2), fill(torchvision.models.mobilenet_v2())
    head = made.network.head.weight.clone()
    report = made.load_initial(theirs.state_dict())
    assert {name.split(".")[3] for name in report.missing} == {"temporal"} and not report.unused
    assert torch.equal(made.network.head.weight, head)
    assert torch.equal(made.network.backbone.features[3].conv[0][0].weight, theirs.features[3].conv[0][0].weight)


def test_own_checkpoints_come_back():
    first, second = module(backbone=SHALLOW), module(backbone=SHALLOW)
    fill(first)
    assert not second.load_released({"state_dict": first.state_dict()}).unused
    assert all(torch.equal(t, second.state_dict()[name]) for name, t in first.state_dict().items())
