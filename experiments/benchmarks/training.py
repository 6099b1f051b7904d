"""Time what a training of the embedded benchmark spends: Lightning's share, waiting for data, depthwise convolutions.

LIGAR at benchmark size, one thread. What is compared takes turns in one process, so that other load on the machine
hits both sides; ratios are of medians. CPU time decides where one process does all the work, wall time where a loader
process helps.

Run: python experiments/benchmarks/training.py [--batches N]      (about two minutes; generates two members first)
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from datamodules.batch import ClipBatch
from datamodules.clip_selection import ClipSelection
from datamodules.ligar import PROXY_DATA, LigarData
from datamodules.synthetic.stand_ins import stand_in
from experiments.harness import Build, runner
from experiments.harness.callbacks import Curves, EpochCheckpoint, EpochSeed, Report
from experiments.harness.cell import Training
from experiments.harness.pool import keep_freed_memory
from experiments.harness.runner import Runtime, build_data, build_training_module
from experiments.harness.store import Store
from experiments.harness.tracking import Tracking
from lightning_modules.base import ClipClassifier
from lightning_modules.layers.depthwise import DepthwiseConv3d
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.profiles import PROXY_MODULE, PROXY_RECIPE
from lightning_modules.recipe import Stage

EPOCHS = 5  # measured ones; one more warms up
SEED = 0


def benchmark_cell(real_name: str, batches: int, clip_selection: ClipSelection | None = None) -> Training:
    """Return a training of LIGAR at benchmark size, without the head-only stage, its epochs cut short."""
    source = stand_in(real_name)
    stage = Stage(epochs=EPOCHS + 1, lr=PROXY_RECIPE.stages[-1].lr)
    return Training(
        paper="ligar",
        module=Build(Ligar, **PROXY_MODULE),
        data=Build(LigarData, source=source, clip_selection=clip_selection, **PROXY_DATA),
        recipe=dataclasses.replace(PROXY_RECIPE, stages=(stage,)),
        num_classes=source.num_classes,
        seed=SEED,
        limit_batches=batches,
    )


# -- Lightning against a bare loop ------------------------------------------------------------------------


class BareLoop:
    """Train the same module on the same batches without Lightning.

    Args:
        cell: what to train.
        num_workers: loader processes.
    """

    def __init__(self, cell: Training, num_workers: int = 0) -> None:
        torch.manual_seed(SEED)
        self.cell, self.recipe = cell, cell.recipe
        self.module: ClipClassifier = build_training_module(cell)
        self.data = build_data(cell, cell.data, num_workers)
        self.loader = self.data.train_dataloader()
        self.optimizer = self.recipe.optimizer.build(self.module.parameters(), self.recipe.lr_at(0))
        self.batches = min(cell.limit_batches or len(self.loader), len(self.loader))
        self.loss = 0.0

    def epoch(self, number: int) -> float:
        """Train one epoch; return the seconds of wall time spent waiting for batches."""
        self.loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        self.module.train()
        start = time.perf_counter()
        batches = iter(self.loader)
        waited = time.perf_counter() - start
        for i in range(self.batches):
            start = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - start
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.lr_at(number, i / self.batches)
            loss = training_loss(self.module, self.data.on_after_batch_transfer(batch, 0))
            self.optimizer.zero_grad()
            loss.backward()
            self.recipe.clipping.apply(self.module.parameters())
            self.optimizer.step()
            self.loss = float(loss.detach())
        return waited


def training_loss(module: ClipClassifier, batch: ClipBatch) -> Tensor:
    """Return the loss of one step."""
    outputs = module.training_outputs(batch)
    labels = batch.labels.repeat_interleave(batch.clips.shape[1])
    return torch.stack([*module.loss_terms(outputs, labels, batch).values()]).sum()


class TakeTurns(L.Callback):
    """Before each of Lightning's epochs run one bare epoch; measure the CPU seconds of both.

    An epoch of Lightning's reaches from there to the next one's start: its callbacks, curves and checkpoint included.
    """

    def __init__(self, bare: BareLoop) -> None:
        self.bare = bare
        self.bare_sec: list[float] = []
        self.lightning_sec: list[float] = []
        self._start: float | None = None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close Lightning's last epoch, run the bare one, open Lightning's next."""
        now = time.process_time()
        if self._start is not None:
            self.lightning_sec.append(now - self._start)
            self.bare.epoch(trainer.current_epoch)
            self.bare_sec.append(time.process_time() - now)
        self._start = time.process_time()


def lightning_overhead(cell: Training, folder: Path) -> TakeTurns:
    """Train a cell the way the harness does, taking turns with a bare loop."""
    runtime = Runtime(store=Store(folder), tracking=Tracking("none", folder), report=lambda values: None)
    place = runtime.store.folder(cell)
    place.path.mkdir(parents=True)
    turns = TakeTurns(BareLoop(cell))
    turns.bare.epoch(0)  # the first passes of a process are slower
    with runtime.tracking.run(name="", cell=cell, job_type="train") as log:
        callbacks = [
            turns,
            EpochSeed(SEED),
            Curves(log),
            EpochCheckpoint(place.last),
            Report(runtime.report),
        ]
        trainer = runner.make_trainer(cell, runtime, callbacks)
        trainer.limit_val_batches = 0  # the bare loop does not validate
        torch.manual_seed(SEED)
        trainer.fit(build_training_module(cell), datamodule=build_data(cell, cell.data, 0), weights_only=True)
    return turns


def overhead_table(batches: int) -> Table:
    """Compare epochs through the harness with bare ones."""
    table = Table(title=f"an epoch of {batches} steps, median CPU s (aim: at most 10 % more than bare)")
    for column in ("cell", "bare loop", "Lightning with our callbacks", "ratio"):
        table.add_column(column, justify="left" if column == "cell" else "right")
    cells = {
        "trimmed": benchmark_cell("UCF-101", batches),
        "untrimmed, clip selection": benchmark_cell("ActivityNet-200", batches, ClipSelection(ready_fraction=0.0)),
    }
    for name, cell in cells.items():
        with tempfile.TemporaryDirectory() as folder:
            turns = lightning_overhead(cell, Path(folder))
        bare, ours = statistics.median(turns.bare_sec), statistics.median(turns.lightning_sec)
        table.add_row(name, f"{bare:.2f}", f"{ours:.2f}", f"{ours / bare:.3f}")
    return table


# -- waiting for data -------------------------------------------------------------------------------------


def waiting_table(batches: int) -> Table:
    """Measure the share of an epoch in which the network waits for its batches."""
    table = Table(
        title=f"waiting for data, epochs of {batches} steps,\nmedians of wall time (aim: below 10 % with 1 worker)"
    )
    for column in ("loader processes", "epoch, s", "waiting, s", "share"):
        table.add_column(column, justify="right")
    loops = {workers: BareLoop(benchmark_cell("UCF-101", batches), workers) for workers in (0, 1)}
    measured: dict[int, list[tuple[float, float]]] = {workers: [] for workers in loops}
    for epoch in range(EPOCHS):
        for workers, loop in loops.items():
            start = time.perf_counter()
            waited = loop.epoch(epoch)
            measured[workers].append((time.perf_counter() - start, waited))
    for workers, rows in measured.items():
        total, waited = (statistics.median(column) for column in zip(*rows, strict=True))
        share = statistics.median(wait / whole for whole, wait in rows)
        table.add_row(str(workers), f"{total:.2f}", f"{waited:.2f}", f"{share:.1%}")
    return table


# -- depthwise convolutions ---------------------------------------------------------------------------------


def with_plain_convolutions(network: nn.Module) -> nn.Module:
    """Return a copy of a network whose depthwise convolutions are ``nn.Conv3d`` with the same weights."""
    plain = copy.deepcopy(network)
    for name, layer in [*plain.named_modules()]:
        if isinstance(layer, DepthwiseConv3d):
            (t, h, w), (step_t, step_h, step_w) = layer.kernel_size, layer.stride
            channels, padding = layer.in_channels, (t // 2, h // 2, w // 2)
            other = nn.Conv3d(
                channels, channels, (t, h, w), (step_t, step_h, step_w), padding, groups=channels, bias=False
            )  # fmt: skip
            other.weight = layer.weight
            parent, _, child = name.rpartition(".")
            setattr(plain.get_submodule(parent), child, other)
    return plain


def variants(cell: Training) -> dict[str, ClipClassifier]:
    """Return the same untrained module with both kinds of depthwise convolution."""
    torch.manual_seed(SEED)
    ours = build_training_module(cell).train()
    plain = copy.deepcopy(ours)
    plain.network = with_plain_convolutions(plain.network)
    return {"nn.Conv3d": plain, "DepthwiseConv3d": ours}


def gradient(module: ClipClassifier, batch: ClipBatch) -> tuple[Tensor, Tensor]:
    """Return the class scores and all gradients of one step, the latter in one vector of double precision."""
    module.zero_grad()
    training_loss(module, batch).backward()
    with torch.no_grad():
        scores = module.view_outputs(batch.clips.flatten(0, 1))["logits"]
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    return scores, torch.cat([grad.double().flatten() for grad in gradients])


def differences(cell: Training, batch: ClipBatch) -> str:
    """Describe how far the two variants are apart in class scores and gradients, and from the exact gradient.

    Single precision alone moves the gradients of an untrained network of 15 normalised blocks far more than the choice
    of convolution does.
    """
    lines, exact = [], torch.zeros(())
    for dtype in (torch.float64, torch.float32):
        converted = batch.with_clips(batch.clips.to(dtype))
        plain, ours = (gradient(module.to(dtype), converted) for module in variants(cell).values())
        scores, apart = float((plain[0] - ours[0]).abs().max()), float((plain[1] - ours[1]).norm() / plain[1].norm())
        lines.append(f"{str(dtype).removeprefix('torch.')}: class scores {scores:.0e}, gradients {apart:.0e}")
        if dtype == torch.float64:
            exact = plain[1]
    errors = [float((variant[1] - exact).norm() / exact.norm()) for variant in (plain, ours)]
    lines.append(f"float32 gradients against float64: nn.Conv3d {errors[0]:.0e}, ours {errors[1]:.0e}")
    return "difference of both (gradients: L2, relative)\n" + "\n".join(lines)


def steps_in_turn(modules: dict[str, ClipClassifier], batch: ClipBatch, count: int) -> dict[str, float]:
    """Return the median CPU seconds of a whole training step of each module: forward, backward, clipping, update."""
    optimizers = {name: PROXY_RECIPE.optimizer.build(m.parameters(), 1e-4) for name, m in modules.items()}
    seconds: dict[str, list[float]] = {name: [] for name in modules}
    for i in range(count + 2):
        for name, module in modules.items():
            start = time.process_time()
            optimizers[name].zero_grad()
            training_loss(module, batch).backward()
            PROXY_RECIPE.clipping.apply(module.parameters())  # type: ignore[union-attr]
            optimizers[name].step()
            if i >= 2:  # the first ones warm up
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def depthwise_table(count: int) -> Table:
    """Compare training steps with our depthwise convolution and with PyTorch's."""
    cell = benchmark_cell("UCF-101", 1)
    data = build_data(cell, cell.data, 0)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    seconds = steps_in_turn(variants(cell), batch, count)
    clips = len(batch)
    table = Table(title=f"training step on {clips} clips, median CPU ms per clip\n(aim: 2 x faster, at most 8 ms)")
    for column in (*seconds, "ratio"):
        table.add_column(column, justify="right")
    plain, ours = seconds.values()
    table.add_row(f"{1000 * plain / clips:.2f}", f"{1000 * ours / clips:.2f}", f"{plain / ours:.2f}")
    table.caption = differences(cell, batch)
    return table


def tables(batches: int) -> Iterator[Callable[[], Table]]:
    """Yield one function per table."""
    yield lambda: depthwise_table(count=max(3, batches // 2))
    yield lambda: waiting_table(batches)
    yield lambda: overhead_table(batches)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=20, help="training steps per epoch (default: %(default)s)")
    arguments: Any = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as the harness's child processes do
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    console = Console()
    for name in ("UCF-101", "ActivityNet-200"):
        cell = benchmark_cell(name, 1)
        build_data(cell, cell.data, 0).prepare_data()
    console.print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, 1 thread")
    for table in tables(arguments.batches):
        console.print(table())


if __name__ == "__main__":
    main()
