"""Time ACTION-Net against its equations taken literally: forward and backward of one clip in training mode.

The literal module rearranges the maps for the temporal convolution, computes y + y M per path and adds the three
(eq. 1 to 9 and the shift of the authors' figure). It has the same weights; outputs and gradients are compared first.
All variants take turns in one process, so that other load on the machine hits each of them; ratios are of medians.
Next to other load, use one thread and its CPU time: threads that wait for one another spin.

Run: python experiments/benchmarks/action.py [--seconds S] [--threads N]      (ResNet-50, 8 x 112 x 112, two minutes)
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from experiments.benchmarks.turns import median_cpu_ms, median_wall_ms, take_turns
from experiments.harness.pool import keep_freed_memory
from lightning_modules.action_net.network import ActionNetwork
from lightning_modules.backbones.resnet2d import RESNET50
from lightning_modules.layers.segment_network import SegmentNetwork

NUM_CLASSES = 83


class LiteralAction(nn.Module):
    """The ACTION module, one operation per term of its equations; weights are named as in ``ActionModule``.

    Args:
        channels: C.
        reduction: of the channels inside CE and ME.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
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
                "conv": nn.Conv2d(reduced, reduced, 3, padding=1, groups=reduced, bias=False),
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


def main() -> None:
    """Compare outputs, then print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="time budget of the measurement")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # as trainings do
    torch.manual_seed(0)
    networks: dict[str, SegmentNetwork] = {
        "TSN": ActionNetwork(num_classes=NUM_CLASSES, shift=None, excitations=()),
        "TSM": ActionNetwork(num_classes=NUM_CLASSES, shift="fixed", excitations=()),
        "ACTION, ours": ActionNetwork(num_classes=NUM_CLASSES),
        "ACTION, literal": literal_network(),
        "ACTION, literal modules in channels-last maps": literal_network(SegmentNetwork),
    }
    ours = networks["ACTION, ours"]
    nn.init.normal_(ours.head.weight, std=0.05)
    clips, console = torch.randn(1, 3, 8, 112, 112), Console()
    for name in list(networks)[3:]:
        networks[name].load_state_dict(ours.state_dict())
        single, double, grad = compared(ours, networks[name], clips)
        console.print(
            f"{name} against ours: logits differ by {single:.1e} of the largest; in double precision by {double:.1e}, "
            f"gradients by {grad:.1e}"
        )

    def step_of(network: nn.Module) -> Callable[[], None]:
        def step() -> None:
            network.zero_grad(set_to_none=True)
            network(clips).square().sum().backward()

        return step

    times = take_turns([step_of(n.train()) for n in networks.values()], budget_sec=arguments.seconds)
    wall, cpu = [median_wall_ms(own) for own in times], [median_cpu_ms(own) for own in times]
    reference = list(networks).index("ACTION, ours")
    table = Table(
        title=f"ResNet-50, one clip of 8 x 112 x 112, forward + backward, {arguments.threads} threads, "
        f"medians of {len(times[0])} turns"
    )
    for column in ("network", "wall ms", "over ours", "CPU ms", "over ours"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for i, name in enumerate(networks):
        own_wall, own_cpu = wall[i] / wall[reference], cpu[i] / cpu[reference]
        table.add_row(name, f"{wall[i]:.0f}", f"{own_wall:.2f}", f"{cpu[i]:.0f}", f"{own_cpu:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
