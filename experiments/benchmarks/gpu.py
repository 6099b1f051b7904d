"""Time a training step of every paper's full-size network on a GPU: single precision, bfloat16, compiled.

The table's own network, loss, clipping and optimiser on random clips of the paper's size that lie in the GPU's memory:
what a training costs if videos come fast enough. Precisions take turns in one process; times are medians of wall time
to the end of the step's last kernel. "single" is PyTorch's default: TF32 in convolutions, not in products. Compiling is
torch.compile of the network in bfloat16. Writes results/benchmarks/gpu.md and .json, after each network anew.

Run: python experiments/benchmarks/gpu.py [--batch N] [--only NAME ...] [--compile]    (a minute; compiled, some)
"""

from __future__ import annotations

import argparse
import copy
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from datamodules.batch import ClipBatch
from experiments.benchmarks.records import ratio, write_record
from experiments.benchmarks.training import training_loss
from experiments.benchmarks.turns import Turn, take_turns
from experiments.harness.markdown import markdown_table
from experiments.harness.measure import build_module, clip_shape, first_column
from experiments.harness.provenance import hardware, versions
from experiments.harness.resolve import protocol_build
from lightning_modules.base import ClipClassifier

NUM_CLASSES = 100
SINGLE, HALF, COMPILED = "single", "bfloat16", "bfloat16, compiled"
MODIFIED = "SlowFast+ELU+POOL+(3*3+3*1+1*3), R50, RGB"
NETWORKS = {  # the script whose table has the network, and its row there
    "LIGAR": ("ligar_table3", "w/o ACS"),
    "TSN, ResNet-50": ("action_net_table1", "TSN"),
    "ACTION-Net, ResNet-50": ("action_net_table1", "ACTION-Net"),
    "MFNet": ("kpsem_table2", "MFNet"),
    "MF-KPSEM": ("kpsem_table2", "MF-KPSEM"),
    "MS3D": ("ms3d_table1", "MS3D"),
    "SlowFast R50, modified": ("vipriors_table2", MODIFIED),
    "TSM R50": ("vipriors_table2", "TSM(with shift), R50"),
}


@dataclass(frozen=True)
class Measured:
    """One network in one precision.

    Args:
        turns: its steps.
        peak_gb: most of the GPU's memory that a step takes, with weights and optimiser, without the clips; None on a
            processor.
    """

    turns: Sequence[Turn]
    peak_gb: float | None


def random_batch(shape: tuple[int, ...], batch_size: int, device: str) -> ClipBatch:
    """Return random clips, two of each class one after another, as the N-pair loss needs them.

    Args:
        shape: ``(1, 1, 3, T, H, W)`` of one clip.
        batch_size: N.
        device: where they lie.
    """
    clips = torch.randn(batch_size, *shape[1:], generator=torch.Generator().manual_seed(0)).to(device)
    numbers = torch.arange(batch_size, device=device)
    frames = torch.arange(shape[3], device=device).expand(batch_size, 1, -1)
    return ClipBatch(
        clips=clips,
        labels=numbers // 2 % NUM_CLASSES,
        video_index=numbers,
        frame_indices=frames,
        num_frames=torch.full_like(numbers, shape[3]),
        source_index=torch.zeros_like(numbers),
    )


def step_of(module: ClipClassifier, batch: ClipBatch, precision: str) -> Callable[[], object]:
    """Return a training step: forward and loss, backward, clipping, update; it returns when all of it is done."""
    device = batch.clips.device.type
    optimizer = module.recipe.optimizer.build(module.parameters(), 1e-4)
    if precision == COMPILED:
        module.network.compile()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=precision != SINGLE):
            loss = training_loss(module, batch)
        loss.backward()
        if module.recipe.clipping is not None:
            module.recipe.clipping.apply(module.parameters())
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def time_network(
    module: ClipClassifier, batch: ClipBatch, precisions: Sequence[str], seconds: float
) -> dict[str, Measured]:
    """Return what a training step takes in each precision.

    Args:
        module: the untrained network, on the batch's device.
        batch: what it learns from.
        precisions: of ``single``, ``bfloat16``, ``bfloat16, compiled``.
        seconds: time budget after the first steps.
    """
    cuda = batch.clips.device.type == "cuda"
    steps, peaks = [], []
    for precision in precisions:
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        others = torch.cuda.memory_allocated() if cuda else 0
        steps.append(step_of(copy.deepcopy(module).train(), batch, precision))
        steps[-1]()
        peaks.append((torch.cuda.max_memory_allocated() - others) / 1e9 if cuda else None)
    turns = take_turns(steps, budget_sec=seconds, warm_up=3)
    return {name: Measured(own, peak) for name, own, peak in zip(precisions, turns, peaks, strict=True)}


def record_of(found: Mapping[str, Measured], batch_size: int) -> dict[str, Any]:
    """Return what was measured of one network: per precision ms of a step, clips per second, the ratio, and memory."""
    times = {name: [turn.wall_ms for turn in one.turns] for name, one in found.items()}
    return {
        name: {
            "ms": round(median(ms), 3),
            "clips_per_sec": round(1e3 * batch_size / median(ms), 1),
            "times_faster": round(ratio(times[SINGLE], ms), 3),
            "peak_gb": None if found[name].peak_gb is None else round(found[name].peak_gb or 0.0, 2),
            "turns": len(ms),
        }
        for name, ms in times.items()
    }


def page(found: Mapping[str, Any]) -> str:
    """Return the record as a page."""
    lines = []
    for network, precisions in found["networks"].items():
        for name, one in precisions.items():
            memory = "–" if one["peak_gb"] is None else f"{one['peak_gb']:.1f}"
            faster = "" if name == SINGLE else f"{one['times_faster']:.2f}"
            lines.append([network, name, f"{one['ms']:.1f}", f"{one['clips_per_sec']:.0f}", faster, memory])
    used = ", ".join(f"{name} {found['versions'][name]}" for name in ("torch", "python"))
    head = (
        "# Training steps at full size on a GPU\n\n"
        f"{found['hardware']}; {used}. Batches of {found['batch_size']} random clips of the paper's size, in the GPU's "
        "memory; forward, loss, backward, clipping, update; medians of wall time. Decoding is not in it. Written by "
        "`python experiments/benchmarks/gpu.py`.\n\n"
    )
    return head + markdown_table(["Network", "Precision", "ms per step", "Clips/s", "Times single", "GB"], lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16, help="clips per step, an even number (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="time budget per network (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=tuple(NETWORKS), help="these networks")
    parser.add_argument("--compile", action="store_true", help="also compiled")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, help="folder to write to; by default results/benchmarks")
    given = parser.parse_args(argv)
    if given.batch < 4 or given.batch % 2:
        parser.error(f"--batch {given.batch}: must be even and 4 or more, two clips of two classes")
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here; --device cpu measures the processor")
    precisions = [SINGLE, HALF, *([COMPILED] if given.compile else [])]
    found: dict[str, Any] = {
        "hardware": hardware("gpu" if given.device == "cuda" else "cpu"),
        "versions": versions(),
        "batch_size": given.batch,
        "networks": {},
    }
    for name in given.only or NETWORKS:
        script, row = NETWORKS[name]
        table = importlib.import_module(f"experiments.{script}").TABLE
        torch.manual_seed(0)
        module = build_module(table, row=row, num_classes=NUM_CLASSES).to(given.device)
        data = protocol_build(table, table.row(row), first_column(table, table.row(row)), "paper")
        batch = random_batch(clip_shape(data), given.batch, given.device)
        found["networks"][name] = record_of(time_network(module, batch, precisions, given.seconds), given.batch)
        write_record("gpu", found, page(found), given.out)
        print(f"{name}: {found['networks'][name]}", flush=True)
    print(page(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
