"""Run tests that share their frames: one pass over the videos, each test's record and scores as if it had run alone."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from datamodules.shared_frames import SharedFrames
from datamodules.video_sampling import collate
from experiments.harness.callbacks import set_all_seeds
from experiments.harness.cell import Evaluation
from experiments.harness.runner import Runtime, build_data, finish, keep_scores, load_trained, run
from experiments.harness.shared_tests import SharedTests

SHARED_PRECISION = "32-true"


def run_together(tests: SharedTests, runtime: Runtime) -> None:
    """Run the tests that are not finished and whose trainings are.

    With several devices or another precision each runs alone, through Lightning.

    Raises:
        LockedError: another live process works on one of them.
    """
    todo = [cell for cell in tests.evaluations if not runtime.store.finished(cell)]
    todo = [cell for cell in todo if runtime.store.finished(cell.training)]
    if runtime.devices > 1 or runtime.precision != SHARED_PRECISION or len(todo) < 2:
        for cell in todo:
            run(cell, runtime)
        return
    with contextlib.ExitStack() as locks:
        for cell in todo:
            locks.enter_context(runtime.store.folder(cell).lock())
            runtime.store.folder(cell).failure.unlink(missing_ok=True)
        _run(todo, runtime)


def _run(todo: list[Evaluation], runtime: Runtime) -> None:
    start, cpu_start = time.time(), time.process_time()
    first = todo[0].training
    set_all_seeds(first.seed)
    device = _device(runtime)
    modules = {cell.training: load_trained(cell.training, runtime.store) for cell in todo}
    for module in modules.values():
        module.on_test_start()
        module.to(device)
    parts = [build_data(cell.training, cell.data, runtime.num_workers) for cell in todo]
    for data in parts:
        data.prepare_data()
    _, reader = parts[0].subset("test")
    clips = [data.test_clips(reader) for data in parts]
    frames = SharedFrames(clips, reader, parts[0].frame_preparation())
    batch_size = max(1, first.recipe.batch_size // max(data.views for data in parts))
    loader = DataLoader(frames, batch_size=batch_size, num_workers=runtime.num_workers, collate_fn=list)
    positions: list[int] = []
    scores: list[list[np.ndarray]] = [[] for _ in todo]
    with torch.inference_mode():
        for number, videos in enumerate(loader):
            if number == first.limit_batches:
                break
            positions += [video.position for video in videos]
            for cell, data, own, found in zip(todo, parts, clips, scores, strict=True):
                found.append(_score(modules[cell.training], data, own, videos, device))
            runtime.report({"done": (number + 1) / len(loader)})
    spent = (time.time() - start) / len(todo), (time.process_time() - cpu_start) / len(todo)
    for cell, data, found in zip(todo, parts, scores, strict=True):
        folder = runtime.store.folder(cell)
        finish(cell, folder, keep_scores(folder, data, np.array(positions), np.concatenate(found)), runtime, spent)


def _score(module: Any, data: Any, clips: Any, videos: list[Any], device: torch.device) -> np.ndarray:
    """Return the class scores ``(N, K)`` of some decoded videos in one way of testing."""
    samples = []
    for video in videos:
        clips.reader = video
        samples.append(clips[video.position])
    batch = data.on_after_batch_transfer(collate(samples).to(device), 0)
    return module.predict_scores(batch).cpu().numpy()


def _device(runtime: Runtime) -> torch.device:
    return torch.device("cuda" if runtime.accelerator != "cpu" and torch.cuda.is_available() else "cpu")
