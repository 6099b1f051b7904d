"""Time ACTION-Net against its equations taken literally: forward and backward of one clip in training mode.

The literal module rearranges the maps for the temporal convolution, computes y + y M per path and adds the three
(eq. 1 to 9 and the shift of the authors' figure). It has the same weights; outputs and gradients are compared first.
All variants take turns in one process, so that other load on the machine hits each of them; a ratio is the median over
the turns of the ratio within a turn. On several threads wall time counts, on one its CPU time, which other load leaves
alone. Writes results/benchmarks/action.md and .json.

Run: python experiments/benchmarks/action.py [--seconds S] [--threads 2 1]      (ResNet-50, 8 x 112 x 112, four minutes)
     python experiments/benchmarks/action.py --render-only                      (the page again from what was measured)
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.benchmarks.records import clock, measured_with, ratio, stored_record, times_of, write_record
from experiments.benchmarks.turns import take_turns
from experiments.harness.markdown import markdown_table
from experiments.harness.pool import keep_freed_memory
from lightning_modules.action_net.network import ActionNetwork
from lightning_modules.backbones.resnet2d import RESNET50
from lightning_modules.layers.segment_network import SegmentNetwork

NUM_CLASSES = 83
SIDE, SEGMENTS = 112, 8
AIM = 1.5  # times as fast as the equations taken literally; ours
OURS, LITERAL, TSN = "ACTION, ours", "ACTION, literal", "TSN"


class LiteralAction(nn.Module):
    """The ACTION module, one operation per term of its equations; weights are named as in ``ActionModule``.

    Args:
        channels: C.
        reduction: of the channels inside CE and ME.
        dense: let ME's 3x3 convolution mix channels.
    """

    def __init__(self, channels: int, reduction: int = 16, *, dense: bool = False) -> None:
        super().__init__()
        reduced = channels // reduction
        self.shift = nn.Conv1d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.ste = nn.ModuleDict({"conv": nn.Conv3d(1, 1, 3, padding=1, bias=False)})
        self.ce = nn.ModuleDict(
            {
                "squeeze": nn.Conv2d(channels, reduced, 1, bias=False),
                "conv": nn.Conv1d(reduced, reduced, 3, padding=1, bias=False),
                "expand": nn.Conv2d(reduced, channels, 1, bias=False),
            }
        )
        self.me = nn.ModuleDict(
            {
                "squeeze": nn.Conv2d(channels, reduced, 1, bias=False),
                "norm": nn.BatchNorm2d(reduced),
                "conv": nn.Conv2d(reduced, reduced, 3, padding=1, groups=1 if dense else reduced, bias=False),
                "expand": nn.Conv2d(reduced, channels, 1, bias=False),
            }
        )

    def forward(self, maps: Tensor, num_segments: int) -> Tensor:
        """Return the excited maps ``(N * T, C, H, W)``."""
        (rows, channels, height, width), frames = maps.shape, num_segments
        clips = rows // frames

        series = maps.reshape(clips, frames, channels, height, width).permute(0, 3, 4, 2, 1)  # (N, H, W, C, T)
        series = self.shift(series.reshape(-1, channels, frames)).reshape(clips, height, width, channels, frames)
        x = series.permute(0, 4, 3, 1, 2).reshape(rows, channels, height, width)

        volume = x.reshape(clips, frames, channels, height, width).transpose(1, 2)  # (N, C, T, H, W)
        mask = self.ste["conv"](volume.mean(dim=1, keepdim=True))
        mask = torch.sigmoid(mask.transpose(1, 2).reshape(rows, 1, height, width))
        by_place = x + x * mask

        pooled = self.ce["squeeze"](F.adaptive_avg_pool2d(x, 1)).reshape(clips, frames, -1).transpose(1, 2)
        pooled = F.relu(self.ce["conv"](pooled)).transpose(1, 2).reshape(rows, -1, 1, 1)
        by_channel = x + x * torch.sigmoid(self.ce["expand"](pooled))

        squeezed = self.me["norm"](self.me["squeeze"](x))
        convolved = self.me["conv"](squeezed).reshape(clips, frames, -1, height, width)
        squeezed = squeezed.reshape(clips, frames, -1, height, width)
        motion = [convolved[:, t + 1] - squeezed[:, t] for t in range(frames - 1)]
        motion.append(torch.zeros_like(squeezed[:, 0]))
        difference = torch.stack(motion, dim=1).reshape(rows, -1, height, width)
        by_motion = x + x * torch.sigmoid(self.me["expand"](F.adaptive_avg_pool2d(difference, 1)))

        return by_place + by_channel + by_motion


class ContiguousSegmentNetwork(SegmentNetwork):
    """The segment network with maps in PyTorch's default memory format."""

    def feature_maps(self, clips: Tensor) -> Tensor:
        """Return the backbone's maps ``(N, T, F, H', W')`` of every frame of clips ``(N, C, T, H, W)``."""
        num_segments = clips.shape[2]
        frames = clips.transpose(1, 2).flatten(0, 1).contiguous()
        return self.backbone(frames, num_segments).unflatten(0, (-1, num_segments))


def literal_network(cls: type[SegmentNetwork] = ContiguousSegmentNetwork) -> SegmentNetwork:
    """Build ACTION-Net on ResNet-50 with literal modules."""
    backbone = RESNET50.build(lambda stage, channels: LiteralAction(channels))
    return cls(backbone=backbone, num_classes=NUM_CLASSES)


def compared(first: SegmentNetwork, second: SegmentNetwork, clips: Tensor) -> tuple[float, float, float]:
    """Return by how much two networks differ in training mode without dropout, relative to the largest value.

    Returns:
        The logits' difference in single precision; the logits' and the input gradients' in double precision. (In single
        precision the gradients of any two orders of summation differ more: 50 layers amplify the rounding.)
    """
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for network in (first, second):
        network = copy.deepcopy(network).train()
        network.dropout.eval()
        with torch.no_grad():
            single = network(clips)
        inputs = clips.double().requires_grad_()
        logits = network.double()(inputs)
        (grad,) = torch.autograd.grad(logits.square().sum(), inputs)
        found.append((single, logits.detach(), grad))
    of_single, of_double, of_grad = (float((a - b).abs().max() / a.abs().max()) for a, b in zip(*found, strict=True))
    return of_single, of_double, of_grad


def step_of(network: nn.Module, clips: Tensor) -> Callable[[], None]:
    """Return one forward and backward pass."""

    def step() -> None:
        network.zero_grad(set_to_none=True)
        network(clips).square().sum().backward()

    return step


def all_networks() -> dict[str, SegmentNetwork]:
    """Return what is compared; ACTION-Net has the same weights in every form."""
    torch.manual_seed(0)
    ours = ActionNetwork(num_classes=NUM_CLASSES)
    nn.init.normal_(ours.head.weight, std=0.05)
    literal = {LITERAL: literal_network(), f"{LITERAL}, channels-last maps": literal_network(SegmentNetwork)}
    for network in literal.values():
        network.load_state_dict(ours.state_dict())
    return {
        TSN: ActionNetwork(num_classes=NUM_CLASSES, shift=None, excitations=()),
        "TSM": ActionNetwork(num_classes=NUM_CLASSES, shift="fixed", excitations=()),
        OURS: ours,
        **literal,
    }


def timed(networks: dict[str, SegmentNetwork], clips: Tensor, *, threads: int, budget_sec: float) -> dict[str, Any]:
    """Return the times on so many threads, and each network's ratio to ours and to TSN."""
    torch.set_num_threads(threads)
    turns = take_turns([step_of(network.train(), clips) for network in networks.values()], budget_sec=budget_sec)
    times = {name: times_of(own, threads) for name, own in zip(networks, turns, strict=True)}
    rows = [
        {"name": name, "median_ms": round(median(own), 1), "over_ours": round(ratio(own, times[OURS]), 2),
         "over_tsn": round(ratio(own, times[TSN]), 2)}
        for name, own in times.items()
    ]  # fmt: skip
    return {"threads": threads, "clock": clock(threads), "turns": len(turns[0]), "networks": rows}


def markdown(found: dict[str, Any]) -> str:
    """Return the page."""
    blocks = [
        "# ACTION-Net's speed in training",
        f"{found['step']}, {found['hardware']}, torch {found['versions']['torch']}. All take turns; ratios are medians "
        "within turns. Written by `python experiments/benchmarks/action.py`.",
        "Agreement with ours, as a share of the largest value:",
        markdown_table(
            ["", "Logits", "Logits, double precision", "Gradients, double precision"],
            [[name, *(f"{value:.1e}" for value in values)] for name, values in found["agreement"].items()],
        ),
    ]
    for run in found["runs"]:
        ours, literal = (next(row for row in run["networks"] if row["name"] == name) for name in (OURS, LITERAL))
        heads = ["", f"{run['clock']}, ms", "Over ours", "Over TSN"]
        rows = [[r["name"], f"{r['median_ms']:.0f}", f"{r['over_ours']:.2f}", f"{r['over_tsn']:.2f}"]
                for r in run["networks"]]  # fmt: skip
        blocks += [
            f"## {run['threads']} thread{'s' if run['threads'] > 1 else ''}, {run['turns']} turns",
            f"The equations taken literally take {literal['over_ours']:.2f} times as long as ours (aim: {AIM}, "
            f"{'met' if literal['over_ours'] >= AIM else 'missed'}). ACTION-Net's overhead over TSN: "
            f"{100 * (ours['over_tsn'] - 1):.0f} %.",
            markdown_table(heads, rows),
        ]
    return "\n\n".join(blocks) + "\n"


def measured(thread_numbers: Sequence[int], budget_sec: float) -> dict[str, Any]:
    """Compare outputs and measure, on each number of threads for about so many seconds."""
    keep_freed_memory()  # as trainings do
    networks, clips = all_networks(), torch.randn(1, 3, SEGMENTS, SIDE, SIDE)
    return {
        "step": f"ResNet-50, one clip of {SEGMENTS} x {SIDE} x {SIDE}, forward and backward in training mode",
        **measured_with("torch"),
        "agreement": {
            name: compared(networks[OURS], network, clips) for name, network in networks.items() if LITERAL in name
        },
        "runs": [timed(networks, clips, threads=threads, budget_sec=budget_sec) for threads in thread_numbers],
    }


def main() -> None:
    """Measure, or read what was measured; print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=90.0, help="time budget of each measurement")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1], help="numbers of threads, one after another")
    parser.add_argument("--out", type=Path, help="folder to write to; by default results/benchmarks")
    parser.add_argument("--render-only", action="store_true", help="write the page anew, without measuring")
    given = parser.parse_args()
    if min(given.threads) < 1:
        parser.error("--threads must be 1 or more")
    if given.render_only:
        found = stored_record("action", given.out)
    else:
        found = measured(given.threads, given.seconds)
    write_record("action", found, markdown(found), given.out)
    print(markdown(found))


if __name__ == "__main__":
    main()
