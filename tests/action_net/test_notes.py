"""What the notes below ACTION-Net's tables say of networks and of committed results is so."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from experiments import action_net_table2, action_net_table3, action_net_table4, action_net_table5
from experiments.action_net_table5 import BACKBONES, ours, stronger_if_narrow
from experiments.harness.evidence_file import read_evidence
from experiments.harness.measure import row_costs
from experiments.harness.resolve import module_build
from experiments.harness.store import REPOSITORY
from lightning_modules.action_net import profiles
from lightning_modules.action_net.excitation import ActionModule
from lightning_modules.action_net.network import ActionNetwork
from tests.shape_seed import fill

TSM = dict(shift="fixed", excitations=())


def evidence(table: str) -> dict[str, Any]:
    return read_evidence(REPOSITORY / "results" / "action_net" / f"{table}.proxy.json")


def note_with(table: Any, words: str) -> str:
    [note] = [note for note in table.TABLE.notes if words in note]
    return note


def frames_behind_the_first(num_segments: int, **arguments: Any) -> int:
    """Return on how many frames the logits of the first one depend."""
    arguments = {"reduction": 4, "backbone": profiles.PROXY_RESNET, **arguments}
    network = fill(ActionNetwork(num_classes=7, **arguments)).double()
    clips = torch.randn(1, 3, num_segments, 32, 32, dtype=torch.float64, requires_grad=True)
    network.frame_logits(clips)[0, 0].square().sum().backward()
    assert clips.grad is not None
    return int((clips.grad.abs().amax((0, 1, 3, 4)) > 0).sum())


def test_table_2_says_how_many_frames_an_output_depends_on():
    seen = {
        (name, frames): frames_behind_the_first(frames, **arguments)
        for name, arguments in (("TSM", TSM), ("ACTION-Net", {}))
        for frames in (8, 16)
    }
    assert seen["TSM", 8] == seen["TSM", 16]
    assert (
        f"depends on {seen['TSM', 8]} (TSM) and on {seen['ACTION-Net', 8]} of 8 or {seen['ACTION-Net', 16]} of 16 "
        "frames (ACTION-Net)"
    ) in note_with(action_net_table2, "On the benchmark")
    steps = [480 // profiles.batch_of_16_segments(32), 480 // 32]
    assert 1.3 < steps[0] / steps[1] < 1.35, "a third more steps"


@pytest.mark.parametrize("arguments", [TSM, {}], ids=["TSM", "ACTION-Net"])
def test_sixteen_modules_as_in_the_papers_resnet_see_all_frames(arguments: dict[str, Any]):
    deep = dataclasses.replace(profiles.PROXY_RESNET, depths=profiles.RESNET50.depths, widths=(8, 8, 8, 8))
    with torch.device("meta"):
        network = ActionNetwork(num_classes=2, backbone=deep, reduction=4, **arguments)
    assert sum(name.endswith(".temporal") for name, _ in network.named_modules()) == 16
    assert frames_behind_the_first(16, backbone=deep, **arguments) == 16


def test_table_4_says_that_the_first_stage_alone_does_not_use_time():
    note, found = note_with(action_net_table4, "res_2 alone"), evidence("table4")
    orders = {one["row"]: one for one in found["controls"]["frame_order"]}
    alone, with_res_3 = (orders[label] for label in action_net_table4.LABELS[:2])
    assert "shuffled frames score as well" in note
    assert abs(alone["forward"] - alone["shuffled"]) < 1 < 10 < with_res_3["forward"] - with_res_3["shuffled"]


def test_table_3s_efficiency_is_in_the_other_order_on_the_benchmark():
    rows = {row["label"]: row["ours"] for row in evidence("table3")["rows"]}
    keys = [column["title"] for column in evidence("table3")["columns"]]
    [eta] = [index for index, title in enumerate(keys) if "eta" in title.lower() or "η" in title]
    assert rows["STE"][eta]["mean"] > rows["CE"][eta]["mean"]
    assert "on the benchmark it is the other way round" in note_with(action_net_table3, "A58: CE's above")


def test_table_5_says_how_many_modules_the_backbones_have():
    def modules(profile: str, label: str) -> int:
        row = action_net_table5.TABLE.row(label)
        build = module_build(action_net_table5.TABLE, row, profile)
        with torch.device("meta"):
            module = build.cls(**build.resolved(), num_classes=5, recipe=profiles.PROXY_RECIPE)
        return sum(isinstance(layer, ActionModule) for layer in module.modules())

    full, small = ([modules(profile, ours(name)) for name in BACKBONES] for profile in ("paper", "proxy"))
    note = note_with(action_net_table5, "most modules")
    assert "{} against {} and {}; on the benchmark".format(*full) in note
    assert "on the benchmark {} against {} and {}".format(*small) in note


def test_table_5_says_what_the_released_bn_inception_has():
    note = note_with(action_net_table5, "released BN-Inception")
    released, published = (
        row_costs(action_net_table5.TABLE, action_net_table5.TABLE.row(label), num_classes=83)
        for label in (action_net_table5.RELEASED, ours("BNInception"))
    )
    assert f"{released['params_m']:.2f} M parameters and {released['gmacs_ptflops']:.2f} G" in note
    assert f"{published['params_m']:.2f} M and {published['gmacs_ptflops']:.2f} G" in note


def test_table_5_says_which_training_does_not_leave_chance():
    assert note_with(action_net_table5, "does not leave chance")
    at_chance = [
        (cell["rows"], cell["data"], cell["seed"])
        for cell in evidence("table5")["cells"]
        if cell["curves"]["val/top1"][-1][1] < 2 * 100 / 16  # percent, of 16 classes
    ]
    assert at_chance == [(["MobileNet V2, ACTION-Net"], "Something V2", 1)]
    verdicts = {claim["id"]: claim["verdict"] for claim in evidence("table5")["claims"]}
    assert verdicts["A50"] == verdicts["A52"] == "undecided"


def test_table_5_says_how_strongly_bn_inception_reduces():
    assert profiles.PROXY_MODULE["reduction"] == 4 and stronger_if_narrow(4) == 8 and stronger_if_narrow(16) == 16
    assert "reduce by 8 where ResNet's and MobileNet V2's reduce by 4" in note_with(action_net_table5, "leaves one")
