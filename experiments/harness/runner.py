"""Run one cell to its record: a training to weights and curves, an evaluation to scores and metrics."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import lightning as L
import numpy as np
import torch

from experiments.harness.boxless import without_box
from experiments.harness.callbacks import (
    Curves,
    EpochCheckpoint,
    EpochSeed,
    LeftOut,
    MadeBy,
    Report,
    UnscaleBeforeClipping,
    set_all_seeds,
)
from experiments.harness.cell import Evaluation, Training, file_hash, plain
from experiments.harness.checkpoint_contents import check_class_names, described, label_order
from experiments.harness.metrics import METRICS
from experiments.harness.provenance import export_hash, hardware, source_hash, versions
from experiments.harness.spec import ACCURACY_METRICS
from experiments.harness.store import CellFolder, Store
from experiments.harness.tracking import Tracking
from lightning_modules.checkpoints import read_checkpoint

RECORD_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How to run, which never changes a result's identity.

    Args:
        store: where cells live.
        accelerator: ``cpu``, ``gpu`` or ``auto``.
        devices: number of processes for one cell.
        precision: Lightning's precision flag.
        num_workers: loader processes per cell.
        tracking: where curves are logged.
        report: receives progress.
    """

    store: Store = field(default_factory=Store)
    accelerator: str = "cpu"
    devices: int = 1
    precision: str = "32-true"
    num_workers: int = 0
    tracking: Tracking = field(default_factory=Tracking.none)
    report: Callable[[dict[str, Any]], None] = print


def run(cell: Training | Evaluation, runtime: Runtime, name: str = "") -> dict[str, Any]:
    """Run a cell unless its record exists; return the record.

    Raises:
        LockedError: another live process works on it.
    """
    folder = runtime.store.folder(cell)
    if runtime.store.finished(cell) and (record := folder.record()) is not None:
        return record
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:  # the launching process holds the lock
        return _run(cell, folder, runtime, name)
    with folder.lock():
        if runtime.store.finished(cell) and (record := folder.record()) is not None:
            return record
        folder.failure.unlink(missing_ok=True)
        return _run(cell, folder, runtime, name)


def _run(cell: Training | Evaluation, folder: CellFolder, runtime: Runtime, name: str) -> dict[str, Any]:
    start, cpu_start = time.time(), time.process_time()
    record = _train(cell, folder, runtime, name) if isinstance(cell, Training) else _evaluate(cell, folder, runtime)
    return finish(cell, folder, record, runtime, (time.time() - start, time.process_time() - cpu_start))


def finish(
    cell: Training | Evaluation, folder: CellFolder, record: dict[str, Any], runtime: Runtime,
    seconds: tuple[float, float],
) -> dict[str, Any]:  # fmt: skip
    """Write a cell's record, with what it was made by and in how many seconds (by the clock, of the processor)."""
    if isinstance(cell, Evaluation) and cell.runtime != "torch":
        record["export_sources"] = export_hash()
    training = cell if isinstance(cell, Training) else cell.training
    record |= {
        "format": RECORD_FORMAT,
        "fingerprint": cell.fingerprint,
        "arguments": cell.arguments,
        "versions": versions(),
        "hardware": hardware(runtime.accelerator),
        "devices": runtime.devices,
        "precision": runtime.precision,
        "sources": source_hash(training.module.cls, training.data.cls),
        "wall_sec": round(seconds[0], 2),
        "cpu_sec": round(seconds[1], 2),
    }
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        folder.write_record(record)
        folder.last.unlink(missing_ok=True)  # only now: without a record a training goes on from it
    return record


def build_training_module(training: Training) -> Any:
    """Return the untrained LightningModule of a training."""
    arguments = training.module.resolved()
    return training.module.cls(**arguments, num_classes=training.num_classes, recipe=training.recipe)


def build_data(training: Training, data: Any, num_workers: int, devices: int = 1) -> Any:
    """Return the data module of a training, or of one of its evaluations.

    Raises:
        ValueError: the recipe's batch cannot be shared equally by the devices.
    """
    if training.recipe.batch_size % devices:
        raise ValueError(f"batch_size={training.recipe.batch_size} cannot be shared equally by {devices} devices")
    return data.cls(
        **data.resolved(),
        batch_size=training.recipe.batch_size // devices,  # the number of devices must not change the training
        seed=training.seed,
        data_root=training.data_root,
        num_workers=num_workers,
    )


def make_trainer(training: Training, runtime: Runtime, callbacks: list[L.Callback]) -> L.Trainer:
    """Return the trainer of a cell, for training and testing."""
    limit: dict[str, Any] = {f"limit_{stage}_batches": training.limit_batches for stage in ("train", "val", "test")}
    return L.Trainer(
        max_epochs=training.recipe.epochs,
        accelerator=runtime.accelerator,
        devices=runtime.devices,
        strategy="ddp_find_unused_parameters_true" if runtime.devices > 1 else "auto",
        precision=runtime.precision,  # type: ignore[arg-type]
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=any(isinstance(callback, EpochCheckpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=training.val_every,
        use_distributed_sampler=False,  # the data module deals the videos out itself, without padding
        **(limit if training.limit_batches is not None else {}),
    )


def _train(training: Training, folder: CellFolder, runtime: Runtime, name: str) -> dict[str, Any]:
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        runtime.store.forget_tests(training)
    set_all_seeds(training.seed)
    module = build_training_module(training)
    data = build_data(training, training.data, runtime.num_workers, runtime.devices)
    if training.weights is not None:
        return _take_weights(module, data, training, folder)
    initialised = _initialise(module, training, runtime.store)
    with runtime.tracking.run(name=name, cell=training, job_type="train") as log:
        curves, left_out, sources = Curves(log), LeftOut(), MadeBy(source_hash(training.module.cls, training.data.cls))
        kept = [curves, left_out, sources]
        others = [EpochSeed(training.seed), EpochCheckpoint(folder.last), Report(runtime.report)]
        trainer = make_trainer(training, runtime, [*others, *kept, UnscaleBeforeClipping()])
        resume = folder.last if folder.last.exists() and sources.began(folder.last) else None
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    if trainer.is_global_zero:
        _save_weights(module, data, training, folder)
    return {
        "kind": "training",
        "curves": curves.values,
        "initialised": initialised,
        "start": None if training.init is None else file_hash(_start(training.init, runtime.store)),
        "params": sum(parameter.numel() for parameter in module.parameters()),
        "num_train_videos": len(data.subset("train")[0]),
        "missing_train_videos": len(data.missing["train"]),
        "undecodable_train_videos": len(data.undecodable["train"]),
        "undecodable_train_clips": left_out.count,
    } | without_box(data, "train")


def _take_weights(module: Any, data: Any, training: Training, folder: CellFolder) -> dict[str, Any]:
    """Take trained weights from a file in place of a training."""
    assert training.weights is not None
    checkpoint = read_checkpoint(training.weights)
    try:
        check_class_names(checkpoint, data.class_names)
        report = module.load_released(checkpoint.get("state_dict", checkpoint))
    except ValueError as error:
        raise ValueError(f"{training.weights}: {error}") from error
    _save_weights(module, data, training, folder)
    return {
        "kind": "training",
        "curves": {},
        "initialised": f"trained weights of {training.weights.name}: {described(report)}"
        + label_order(checkpoint, data.class_names),
        "params": sum(parameter.numel() for parameter in module.parameters()),
        "num_train_videos": 0,
        "missing_train_videos": 0,
    }


def _initialise(module: Any, training: Training, store: Store) -> str:
    if training.init is None:
        module.initialise_from_scratch()
        return "from scratch"
    checkpoint = read_checkpoint(_start(training.init, store))
    return described(module.load_initial(checkpoint.get("state_dict", checkpoint)))


def _start(init: Training | Path, store: Store) -> Path:
    """Return the file of the weights that a training starts from."""
    return store.folder(init).weights if isinstance(init, Training) else init


def _save_weights(module: Any, data: Any, training: Training, folder: CellFolder) -> None:
    """Write the final weights with all that their user needs to feed the network."""
    temporary = folder.path / f".weights.{os.getpid()}"
    checkpoint = {
        "format": RECORD_FORMAT,
        "state_dict": module.state_dict(),
        "input_spec": plain(dataclasses.asdict(data.input_spec)),
        "arguments": training.arguments,
    }
    torch.save(checkpoint, temporary)
    os.replace(temporary, folder.weights)


def load_trained(training: Training, store: Store) -> Any:
    """Return the trained LightningModule of a finished training, in evaluation mode.

    Raises:
        ValueError: it has not been trained here.
    """
    path = store.folder(training).weights
    if not path.exists():
        raise ValueError(f"{path} is missing: run this cell first (full weights are not part of the committed results)")
    module = build_training_module(training)
    module.load_state_dict(read_checkpoint(path)["state_dict"])
    return module.eval()


def _evaluate(evaluation: Evaluation, folder: CellFolder, runtime: Runtime) -> dict[str, Any]:
    training = evaluation.training
    set_all_seeds(training.seed)
    module = load_trained(training, runtime.store)
    data = build_data(training, evaluation.data, runtime.num_workers, runtime.devices)
    check_class_names(read_checkpoint(runtime.store.folder(training).weights), data.class_names)
    if evaluation.runtime != "torch":
        module = _exported(module, data, folder, evaluation.runtime)
    trainer = make_trainer(training, runtime, [])
    trainer.test(module, datamodule=data, verbose=False)
    return keep_scores(folder, data, *(tensor.numpy() for tensor in module.collect_test_scores()))


def keep_scores(folder: CellFolder, data: Any, video_index: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """Store the class scores ``(N, K)`` of test videos, given by their positions; return the record."""
    videos, _ = data.subset("test")
    labels = np.array([videos[index].label for index in video_index])
    undecodable = np.isnan(scores).any(axis=1)
    folder.save_scores(video_index, labels, scores, [videos[index].id for index in video_index])
    return {
        "kind": "evaluation",
        "metrics": {name: float(METRICS[name](scores, labels)) for name in ACCURACY_METRICS},
        "num_test_videos": len(labels),
        "missing_test_videos": len(data.missing["test"]),
        "undecodable_test_videos": int(undecodable.sum()),
        **({"undecodable_test_ids": [videos[i].id for i in video_index[undecodable]]} if undecodable.any() else {}),
    } | without_box(data, "test")


def _exported(module: Any, data: Any, folder: CellFolder, to: Literal["openvino", "onnx"]) -> Any:
    """Return a module whose scores an exported copy of its network computes; it is written into the cell's folder."""
    from experiments.deploy.export import export_network
    from experiments.deploy.exported import score_with

    for left in folder.path.glob(f".{to}.*"):  # by an attempt that was ended; the lock says that nobody writes there
        shutil.rmtree(left)
    return score_with(module, export_network(module, data.input_spec, folder.path / to, to=to))


def log_to(path: Path) -> None:
    """Send this process's output to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
