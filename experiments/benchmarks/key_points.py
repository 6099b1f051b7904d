"""Time KPSEM at the paper's size: against a loop over every index, and as a share of MF-KPSEM's forward pass.

    python experiments/benchmarks/key_points.py [--threads 2 1]      (a minute where nothing else runs)
    python experiments/benchmarks/key_points.py --render-only        (the page again from what was measured)

What is compared takes turns in one process, so that other load on the machine hits both. Times are medians, of wall
time on several threads, of CPU time on one, which other load leaves alone; a share is the median of those in a turn.
The loop is the one that the tests hold AReSE against: plain Python numbers, one cell, channel, frame and set at a
time, forward only; it runs over slices of channels whose times are scaled up. Peak memory of AReSE's forward pass is
counted, not sampled: the largest sum of tensors alive at a time, the given features excluded. Two aims of our own
stand on the page, met or missed: AReSE at least 100 times as fast as the loop, KPSEM below 10 % of the forward pass.
Writes results/benchmarks/key_points.md and .json.
"""

from __future__ import annotations

import argparse
import statistics
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from experiments.benchmarks import key_points_loop as literal_loop
from experiments.benchmarks.records import ONE_THREAD, clock, measured_with, ratio, stored_record, write_record
from experiments.harness.markdown import markdown_table
from lightning_modules.backbones.mfnet3d import MFNet3D
from lightning_modules.kpsem.key_points import AReSE
from lightning_modules.kpsem.network import KpsemNetwork

STAGES = {"conv2": (96, 8, 56, 56), "conv3": (192, 8, 28, 28), "conv4": (384, 8, 14, 14), "conv5": (768, 8, 7, 7)}
LOOP_SLICES = 16
LEAST_TIMES_FASTER, LARGEST_SHARE = 100, 10.0  # our aims; the share in percent


class PeakMemory(TorchDispatchMode):
    """Count the bytes of the tensors alive that were made inside; on the meta device too."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.peak = 0, 0
        self.known: set[int] = set()

    def exclude(self, tensor: Tensor) -> None:
        """Leave a tensor out that was made before."""
        self.known.add(tensor.untyped_storage()._cdata)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and follow the storages of what it returns."""
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._follow(leaf.untyped_storage())
        return out

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known.add(key)
            self.alive += size
            self.peak = max(self.peak, self.alive)
            weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.alive -= size


def peak_megabytes(stage: str, *, training: bool) -> float:
    """Return the peak memory of AReSE's forward pass for one clip at a stage, in units of 2^20 bytes.

    Args:
        stage: conv2 to conv5.
        training: keep what the backward pass needs.
    """
    channels, *size = STAGES[stage]
    with torch.device("meta"):
        module, features = AReSE(channels=channels), torch.empty(1, channels, *size, requires_grad=training)
    with torch.set_grad_enabled(training), PeakMemory() as memory:
        for tensor in (features, *module.parameters()):
            memory.exclude(tensor)
        kept = module(features)
    del kept
    return memory.peak / 2**20


def seconds(function: Callable[[], object]) -> float:
    """Return the time of one call by the clock for the number of threads."""
    now = time.process_time if clock(torch.get_num_threads()) == ONE_THREAD else time.perf_counter
    start = now()
    function()
    return now() - start


@torch.no_grad()
def against_the_loop(loop_share: float) -> tuple[float, float, float]:
    """Return the loop's and AReSE's seconds at 384 x 8 x 14 x 14, and the largest difference of their outputs."""
    module, maps = AReSE(channels=384), torch.randn(1, *STAGES["conv4"])
    assert module.bias is not None
    nn.init.uniform_(module.bias.weight, -0.05, 0.05)  # lines that follow the frame
    offsets = literal_loop.offsets_of(module.bias.weight, module.bias.bias, maps.tolist()[0], sets=8, side=2)
    lines = [
        [[literal_loop.separate(offsets[t][g][axis], 14) for axis in range(2)] for t in range(8)] for g in range(8)
    ]
    module(maps)
    loop, ours, largest = [], [], 0.0
    for part in range(max(1, round(LOOP_SLICES * loop_share))):
        channels = range(part, 384, LOOP_SLICES)
        found: list = []
        clip = maps.tolist()[0]
        loop.append(seconds(lambda: found.extend(_loop_over(channels, clip, lines))))  # noqa: B023
        ours += [seconds(lambda: module(maps)) for _ in range(5)]
        expected = torch.tensor(found).permute(2, 1, 3, 4, 0)  # (T - 1, G, R, 2, C)
        largest = max(largest, (module(maps)[0, ..., list(channels)] - expected).abs().max().item())
    return LOOP_SLICES * statistics.median(loop), statistics.median(ours), largest


def _loop_over(channels: range, clip: list, lines: list) -> list:
    return [[literal_loop.regional_shifts(clip[c], lines[g]) for g in range(8)] for c in channels]


@torch.no_grad()
def share_of_forward(position: str, rounds: int) -> dict[str, float]:
    """Return the time of KPSEM alone, of the whole MF-KPSEM for one clip of 16 x 224 x 224, and the former's share."""
    network, clip = (
        KpsemNetwork(backbone=MFNet3D(), num_classes=51, position=position).eval(),
        torch.randn(1, 3, 16, 224, 224),
    )
    maps = dict(network.backbone.stage_maps(clip))[position]
    assert network.kpsem is not None
    kpsem, whole = network.kpsem, []
    alone = []
    for _ in range(rounds + 1):
        whole.append(seconds(lambda: network(clip)))
        alone.append(seconds(lambda: kpsem(maps)))
    alone, whole = alone[1:], whole[1:]
    return {
        "kpsem_ms": round(1e3 * statistics.median(alone), 1),
        "whole_ms": round(1e3 * statistics.median(whole), 1),
        "share_percent": round(100 * ratio(alone, whole), 1),
    }


def timed(threads: int, *, loop_share: float, rounds: int) -> dict[str, Any]:
    """Return what is measured on so many threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    loop, ours, largest = against_the_loop(loop_share)
    return {
        "threads": threads,
        "clock": clock(threads),
        "loop_sec": round(loop, 2),
        "vectorised_ms": round(1e3 * ours, 1),
        "times_faster_than_loop": round(loop / ours),
        "largest_difference": largest,
        "forward": {stage: share_of_forward(stage, rounds) for stage in STAGES},
    }


def memory_of(stage: str) -> dict[str, float]:
    """Return the peak memory of AReSE's forward pass at a stage, without and with what the backward pass needs."""
    return {
        f"{name}_mib": round(peak_megabytes(stage, training=training), 1)
        for name, training in (("inference", False), ("training", True))
    }


def aims(run: dict[str, Any]) -> str:
    """Return the two aims, each met or missed, the share's with the positions that miss it."""
    too_slow = [stage for stage, own in run["forward"].items() if own["share_percent"] >= LARGEST_SHARE]
    share = f"missed behind {' and '.join(too_slow)}" if too_slow else "met behind every stage"
    fast = "met" if run["times_faster_than_loop"] >= LEAST_TIMES_FASTER else "missed"
    return (
        f"Aims: AReSE at least {LEAST_TIMES_FASTER} times as fast as the loop: {fast}. KPSEM below {LARGEST_SHARE:g} % "
        f"of the forward pass: {share}; the paper's place is conv4."
    )


def markdown(found: dict[str, Any]) -> str:
    """Return the page."""
    blocks = [
        "# KPSEM's speed and memory",
        f"{found['hardware']}, torch {found['versions']['torch']}; medians. Written by "
        "`python experiments/benchmarks/key_points.py`.",
        "Peak memory of AReSE's forward pass for one clip, its input not counted:",
        markdown_table(
            ["Behind", "Inference, MiB", "Training, MiB"],
            [[s, f"{m['inference_mib']:.1f}", f"{m['training_mib']:.1f}"] for s, m in found["memory"].items()],
        ),
    ]
    for run in found["runs"]:
        rows = [
            [stage, f"{own['kpsem_ms']:.1f}", f"{own['whole_ms']:.1f}", f"{own['share_percent']:.1f}"]
            for stage, own in run["forward"].items()
        ]
        blocks += [
            f"## {run['threads']} thread{'s' if run['threads'] > 1 else ''}, {run['clock']}",
            f"AReSE at 384 x 8 x 14 x 14 with 4 regions and 8 sets, forward: {run['vectorised_ms']:.1f} ms; the loop "
            f"over every index {run['loop_sec']:.2f} s, {run['times_faster_than_loop']} times as long. Largest "
            f"difference of their outputs: {run['largest_difference']:.1e}.",
            "KPSEM's share of MF-KPSEM's forward pass, one clip of 16 x 224 x 224:",
            markdown_table(["Position", "KPSEM, ms", "Whole, ms", "Share, %"], rows),
            aims(run),
        ]
    return "\n\n".join(blocks) + "\n"


def main() -> None:
    """Measure, or read what was measured; print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loop-share", type=float, default=0.5, help="share of the loop's channels that is run")
    parser.add_argument("--rounds", type=int, default=9, help="forward passes per measurement")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1], help="numbers of threads, one after another")
    parser.add_argument("--out", type=Path, help="folder to write to; by default results/benchmarks")
    parser.add_argument("--render-only", action="store_true", help="write the page anew, without measuring")
    given = parser.parse_args()
    if given.rounds < 1 or min(given.threads) < 1:
        parser.error("--rounds and --threads must be 1 or more")
    if given.render_only:
        found = stored_record("key_points", given.out)
    else:
        found = {
            **measured_with("torch"),
            "memory": {stage: memory_of(stage) for stage in STAGES},
            "runs": [timed(n, loop_share=given.loop_share, rounds=given.rounds) for n in given.threads],
        }
    write_record("key_points", found, markdown(found), given.out)
    print(markdown(found))


if __name__ == "__main__":
    main()
