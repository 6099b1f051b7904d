"""Time LIGAR's inference on a CPU, one clip at a time: PyTorch as it is and compiled, ONNX Runtime, OpenVINO.

The full-size network on a clip of 16 frames of 224 x 224, random weights and input; and on four clips at once, for the
throughput. Everything takes turns in one process, in another order each round, so that other load on the machine hits
all alike; a ratio is the median over the rounds of the ratio within a round. All must give the same scores to be timed.
Writes results/benchmarks/latency.md and .json.

Run: python experiments/benchmarks/latency.py [--rounds N] [--threads N]      (about four minutes; extra `export`)
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import nn

from datamodules.base import IMAGENET_MEAN, IMAGENET_STD
from datamodules.batch import InputSpec
from experiments.benchmarks.records import measured_with, ratio, write_record
from experiments.benchmarks.turns import take_turns
from experiments.deploy.export import TOLERANCE, export_network
from experiments.deploy.exported import ExportedNetwork
from experiments.deploy.inference import ScoreNetwork, inference_network
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.profiles import PAPER_RECIPE

NUM_CLASSES = 101
SPEC = InputSpec(
    num_frames=16, frame_interval=2, size=224, short_side=256, mean=IMAGENET_MEAN, std=IMAGENET_STD,
    class_names=tuple(f"class {index}" for index in range(NUM_CLASSES)),
)  # fmt: skip
BASE, SHIPPED = "PyTorch, contiguous maps", "PyTorch, as in the tables (channels-last)"
PACKAGES = ("torch", "onnxruntime", "openvino")
WARM_UP = 2
SEVERAL = 4  # clips in a batch, for the throughput
ROUNDS_PER_BATCHED = 3  # a batch takes longer, and its time varies less

Variant = Callable[[np.ndarray], np.ndarray]


def random_ligar() -> Ligar:
    """Return LIGAR whose normalisations are not the identity and whose global path is not silent."""
    torch.manual_seed(0)
    module = Ligar(num_classes=NUM_CLASSES, recipe=PAPER_RECIPE)
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
    return module.eval()


def in_torch(network: Callable[[torch.Tensor], torch.Tensor]) -> Variant:
    """Return a function of arrays that runs a PyTorch network."""

    def infer(clips: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(clips)).numpy()

    return infer


def contiguous(network: ScoreNetwork) -> ScoreNetwork:
    """Return the network with its maps in PyTorch's default layout: LIGAR's own asks for channels-last."""
    stem: Any = network.module.network.backbone.stem
    stem.register_forward_pre_hook(lambda layer, inputs: (inputs[0].contiguous(),))
    return network


def variants(module: Ligar, threads: int, folder: Path) -> dict[str, Callable[[], Variant]]:
    """Return what is compared: by name a function that prepares it."""
    example = torch.randn(1, 3, SPEC.num_frames, SPEC.size, SPEC.size)

    def folded() -> ScoreNetwork:
        return inference_network(module, example)[0]

    def exported(to: Any) -> Variant:
        export_network(module, SPEC, folder / to, to=to)
        return ExportedNetwork(folder / to, threads=threads)

    def compiled() -> Variant:
        infer = in_torch(torch.compile(folded()))
        infer(example.numpy())  # compiles, or fails where there is no compiler
        return infer

    return {
        BASE: lambda: in_torch(contiguous(ScoreNetwork(random_ligar()))),
        SHIPPED: lambda: in_torch(ScoreNetwork(module)),
        "PyTorch, folded, contiguous maps": lambda: in_torch(contiguous(folded())),
        "PyTorch, folded, channels-last": lambda: in_torch(folded()),
        "torch.compile, folded": compiled,
        "ONNX Runtime": lambda: exported("onnx"),
        "OpenVINO, float32": lambda: exported("openvino"),
    }


def prepared(
    builders: dict[str, Callable[[], Variant]], clips: np.ndarray
) -> tuple[dict[str, Variant], dict[str, Any]]:
    """Prepare and check all; return those that can be timed, and by name why others cannot or how far scores differ."""
    ready: dict[str, Variant] = {}
    notes: dict[str, Any] = {}
    expected: np.ndarray | None = None
    for name, build in track(builders.items(), "preparing"):
        try:
            infer = build()
            scores = infer(clips)
        except Exception as error:  # compilers and runtimes fail in ways of their own
            first_line = (str(error).strip().splitlines() or [""])[0]
            notes[name] = {"skipped": f"{type(error).__name__}: {first_line[:200]}"}
            continue
        expected = scores if expected is None else expected
        difference = float(np.abs(scores - expected).max())
        notes[name] = {"largest_difference": difference}
        if not difference <= TOLERANCE:
            notes[name]["skipped"] = f"scores differ by {difference:.1e}"
            continue
        ready[name] = infer
    return ready, notes


def timed(ready: dict[str, Variant], clips: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Return by name the milliseconds of each round."""
    turns = take_turns([partial(infer, clips) for infer in ready.values()], turns=rounds, warm_up=WARM_UP)
    return {name: [turn.wall_ms for turn in own] for name, own in zip(ready, turns, strict=True)}


def record(
    times: dict[str, list[float]], batched: dict[str, list[float]], notes: dict[str, Any], threads: int
) -> dict[str, Any]:
    """Return everything that was measured, and with what.

    Args:
        times: by name the milliseconds of one clip, round by round.
        batched: the same of several clips at once.
        notes: what :func:`prepared` says of each.
        threads: used by all.
    """
    rows = []
    for name, note in notes.items():
        row = {"name": name, **note}
        if name in times:
            own = times[name]
            row["p50_ms"], row["p95_ms"] = (round(float(np.percentile(own, p)), 1) for p in (50, 95))
            for key, other in (("times_faster_than_contiguous", BASE), ("times_faster_than_shipped", SHIPPED)):
                row[key] = round(ratio(times[other], own), 2)
            row["clips_per_sec"] = {
                str(clips): round(float(1e3 * clips / np.median(ms)), 2)
                for clips, ms in ((1, own), (SEVERAL, batched[name]))
            }
        rows.append(row)
    return {
        "clip": f"{SPEC.num_frames} frames of {SPEC.size} x {SPEC.size}, batch 1",
        "threads": threads,
        "rounds": len(next(iter(times.values()))),
        "batch": SEVERAL,
        **measured_with(*PACKAGES),
        "variants": rows,
    }


def markdown(found: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    lines = [
        "# LIGAR's inference on a CPU",
        "",
        f"The full-size network, {found['clip']}, {found['threads']} threads, {found['hardware']}; {versions}. "
        f"Wall time over {found['rounds']} rounds in which all take turns; ratios are medians within rounds, of one "
        "clip. Written by `python experiments/benchmarks/latency.py`.",
        "",
        f"| | p50 ms | p95 ms | × contiguous | × tables | clips/s | clips/s, {found['batch']} at once "
        "| largest difference of a score |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found["variants"]:
        if "skipped" in row:
            lines.append(f"| {row['name']} | skipped: {row['skipped'].replace('|', '/')} | | | | | | |")
        else:
            lines.append(
                f"| {row['name']} | {row['p50_ms']:.1f} | {row['p95_ms']:.1f} | "
                f"{row['times_faster_than_contiguous']:.2f} | {row['times_faster_than_shipped']:.2f} | "
                f"{row['clips_per_sec']['1']:.1f} | {row['clips_per_sec'][str(found['batch'])]:.1f} | "
                f"{row['largest_difference']:.1e} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="folder to write to; by default results/benchmarks")
    given = parser.parse_args()
    if given.rounds < 1 or given.threads < 1:
        parser.error("--rounds and --threads must be 1 or more")
    torch.set_num_threads(given.threads)
    shape = (SEVERAL, 3, SPEC.num_frames, SPEC.size, SPEC.size)
    clips = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        ready, notes = prepared(variants(random_ligar(), given.threads, Path(folder)), clips[:1])
        for name in (BASE, SHIPPED):
            if name not in ready:
                parser.exit(1, f"error: {name!r} is what ratios refer to, and cannot run: {notes[name]['skipped']}\n")
        times = timed(ready, clips[:1], given.rounds)
        batched = timed(ready, clips, max(1, given.rounds // ROUNDS_PER_BATCHED))
    found = record(times, batched, notes, given.threads)
    write_record("latency", found, markdown(found), given.out)
    print(markdown(found))


if __name__ == "__main__":
    main()
