"""On a GPU every paper's network scores and learns as on the processor, in each precision that the scripts offer."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.batch import ClipBatch
from experiments.benchmarks.training import training_loss
from experiments.harness.cell import Options, Training
from experiments.harness.resolve import evaluation
from experiments.harness.runner import Runtime, build_data, load_trained, run
from experiments.harness.store import Store
from experiments.harness.tracking import Tracking
from lightning_modules.base import ClipClassifier
from lightning_modules.losses.code_memory import CodeMemory
from lightning_modules.losses.n_pair import NPair
from tests.deploy.test_every_paper import ROWS, network_of

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
    pytest.mark.usefixtures("benchmark_cache", "exact_products"),
]


@pytest.fixture
def exact_products(monkeypatch):
    """Let convolutions and products keep all digits of single precision, as on the processor."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def cell_of(name: str) -> Training:
    table, row = ROWS[name]
    column = next(column for column in table.columns if column.data is not None)
    return evaluation(table, table.row(row), column, 0, Options(profile="smoke", init_checkpoint="none")).training


def first_batch(name: str) -> ClipBatch:
    cell = cell_of(name)
    data = build_data(cell, cell.data, num_workers=0)
    data.prepare_data()
    return data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)


def loss_and_gradients(module: ClipClassifier, batch: ClipBatch) -> tuple[float, np.ndarray]:
    torch.manual_seed(0)
    loss = training_loss(module, batch)
    loss.backward()
    found = [p.grad.double().cpu().flatten() for p in module.parameters() if p.grad is not None]
    return float(loss.detach()), torch.cat(found).numpy()


@pytest.mark.parametrize("name", ROWS)
def test_it_scores_as_on_the_processor(name: str):
    module, _ = network_of(*ROWS[name])
    clips = first_batch(name).clips
    with torch.inference_mode():
        expected = module.eval()(clips).numpy()
        found = module.cuda()(clips.cuda()).cpu().numpy()
    assert np.abs(found - expected).max() <= 1e-3 * max(1.0, np.ptp(expected))


@pytest.mark.parametrize("name", [name for name in ROWS if name != "ligar"])
def test_it_learns_as_on_the_processor(name: str):
    """In double precision: in single precision an untrained normalised network magnifies any rounding.

    LIGAR draws masks from the device's own generator, so that its steps differ between devices.
    """
    module, _ = network_of(*ROWS[name])
    module, batch = module.double().train(), first_batch(name)
    batch = batch.with_clips(batch.clips.double())
    for layer in module.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    other = copy.deepcopy(module).cuda()
    loss, gradients = loss_and_gradients(module, batch)
    loss_there, gradients_there = loss_and_gradients(other, batch.to("cuda"))
    assert loss_there == pytest.approx(loss, rel=1e-4)
    assert np.linalg.norm(gradients_there - gradients) <= 1e-3 * np.linalg.norm(gradients)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("name", ROWS)
def test_a_cell_trains_and_tests(tmp_path: Path, name: str, precision: str):
    runtime = Runtime(
        store=Store(tmp_path), accelerator="gpu", precision=precision, tracking=Tracking("none", tmp_path),
        report=lambda values: None,
    )  # fmt: skip
    table, row = ROWS[name]
    column = next(column for column in table.columns if column.data is not None)
    cell = evaluation(table, table.row(row), column, 0, Options(profile="smoke", init_checkpoint="none"))
    record = run(cell.training, runtime)
    assert record["hardware"] == torch.cuda.get_device_name(0) and record["precision"] == precision
    losses = [value for _, value in record["curves"]["train/loss"]]
    assert losses and np.isfinite(losses).all()
    trained = load_trained(cell.training, runtime.store)
    assert all(torch.isfinite(value).all() for value in trained.state_dict().values() if value.is_floating_point())
    tested = run(cell, runtime)
    assert tested["num_test_videos"] > 0 and tested["undecodable_test_videos"] == 0


@pytest.mark.parametrize("name", ["action_net", "kpsem"])
def test_a_compiled_network_scores_alike(name: str):
    module, _ = network_of(*ROWS[name])
    module, clips = module.eval().cuda(), first_batch(name).clips.cuda()
    with torch.inference_mode():
        expected = module(clips)
        module.network.compile()
        found = module(clips)
    assert (found - expected).abs().max() <= 1e-3 * max(1.0, float(expected.max() - expected.min()))


def test_codes_remembered_on_the_processor_are_compared_on_the_gpu():
    codes, labels = torch.randn(8, 5, device="cuda"), torch.arange(4, device="cuda").repeat_interleave(2)
    memory, read = CodeMemory(num_classes=4, size=4), CodeMemory(num_classes=4, size=4)
    for _ in range(2):
        memory.add(codes.cpu(), labels.cpu())
    read.load_state_dict(memory.state_dict())  # as a checkpoint is read: onto the processor
    loss = NPair(memory=4)
    expected = loss(codes.cpu(), labels.cpu(), memory)
    found = {name: term.cpu() for name, term in loss(codes, labels, read).items()}
    torch.testing.assert_close(found, expected)
