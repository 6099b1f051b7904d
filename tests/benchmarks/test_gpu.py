"""The benchmark of full-size steps trains for real, in each precision, and its page says what its record holds."""

from __future__ import annotations

import json

import pytest
import torch

from experiments.benchmarks import gpu
from experiments.harness.store import REPOSITORY
from tests.tiny_cells import ligar

PUBLISHED = REPOSITORY / "results" / "benchmarks"


def test_each_precision_trains_a_copy_of_its_own():
    module, batch = ligar(), gpu.random_batch((1, 1, 3, 4, 32, 32), 4, "cpu")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = gpu.time_network(module, batch, [gpu.SINGLE, gpu.HALF], 0.0)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    record = gpu.record_of(found, 4)
    assert record[gpu.SINGLE]["times_faster"] == 1.0
    for one in record.values():
        assert one["clips_per_sec"] == pytest.approx(4e3 / one["ms"], rel=0.01) and one["peak_gb"] is None


def test_a_step_is_a_whole_one():
    module, batch = ligar(), gpu.random_batch((1, 1, 3, 4, 32, 32), 4, "cpu")
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    gpu.step_of(module, batch, gpu.HALF)()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any() or not torch.equal(parameter, before[name]), f"{name} has a gradient and stays"
    assert not torch.equal(module.network.head.centres.weight, before["network.head.centres.weight"])


def test_clips_come_in_pairs_of_a_class():
    batch = gpu.random_batch((1, 1, 3, 2, 8, 8), 6, "cpu")
    assert batch.labels.tolist() == [0, 0, 1, 1, 2, 2] and batch.clips.shape == (6, 1, 3, 2, 8, 8)


@pytest.mark.parametrize("number", ["3", "2"])
def test_a_batch_that_holds_no_two_pairs_is_refused(number: str, capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--device", "cpu", "--batch", number])
    assert f"--batch {number}: must be even and 4 or more" in capsys.readouterr().err


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "there is no GPU here" in capsys.readouterr().err


def test_the_committed_page_is_the_committed_records():
    found = json.loads((PUBLISHED / "gpu.json").read_text())
    assert (PUBLISHED / "gpu.md").read_text() == gpu.page(found)
    assert found["networks"].keys() == gpu.NETWORKS.keys()


def test_the_readme_is_right_about_half_precision():
    networks = json.loads((PUBLISHED / "gpu.json").read_text())["networks"]
    for name, one in networks.items():
        assert one[gpu.HALF]["peak_gb"] < 0.65 * one[gpu.SINGLE]["peak_gb"], f"{name}: about half the memory"
    assert networks["LIGAR"][gpu.HALF]["times_faster"] < 1
