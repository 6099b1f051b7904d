"""Every paper's network can be exported in every format, and scores there as in PyTorch."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.batch import InputSpec
from experiments import action_net_table3, kpsem_table2, ligar_table3, ms3d_table1, vipriors_table2
from experiments.deploy import export
from experiments.deploy.export import ExportError, export_network
from experiments.harness.cell import Options
from experiments.harness.resolve import evaluation
from experiments.harness.runner import build_data, build_training_module
from experiments.harness.spec import Table
from lightning_modules.base import ClipClassifier
from lightning_modules.heads.nearest_centre import NearestCentre
from tests.deploy.test_exported import PACKAGES
from tests.tiny_cells import lively

ROWS = {
    "ligar": (ligar_table3.TABLE, "w/ ACS"),
    "action_net": (action_net_table3.TABLE, "ACTION-Net"),
    "kpsem": (kpsem_table2.TABLE, "MF-KPSEM"),
    "ms3d": (ms3d_table1.TABLE, "MS3D"),
    "slowfast on residual frames": (vipriors_table2.TABLE, vipriors_table2.DIFF[0]),
    "tsm": (vipriors_table2.TABLE, vipriors_table2.SHIFT[0]),
}


def network_of(table: Table, row: str) -> tuple[ClipClassifier, InputSpec]:
    """Return a row's network at smoke size, telling clips apart, and what it expects."""
    column = next(column for column in table.columns if column.data is not None)
    cell = evaluation(table, table.row(row), column, 0, Options(profile="smoke", init_checkpoint="none"))
    torch.manual_seed(0)
    module = lively(build_training_module(cell.training))
    return module, build_data(cell.training, cell.data, num_workers=0).input_spec


@pytest.mark.usefixtures("benchmark_cache")
@pytest.mark.parametrize("to", PACKAGES)
@pytest.mark.parametrize("name", ROWS)
def test_it_scores_alike_in_every_format(tmp_path: Path, name: str, to):
    missing = [package for package in PACKAGES[to] if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (extra `export`)")
    module, spec = network_of(*ROWS[name])
    exported = export_network(module, spec, tmp_path / "network", to=to)
    clips = torch.randn(2, 3, spec.num_frames, spec.size, spec.size, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = module.view_outputs(clips)["logits"].numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3, "the network tells the clips apart"
    assert np.allclose(exported(clips.numpy()), expected, atol=1e-4, rtol=1e-4)
    assert json.loads((tmp_path / "network" / "network.json").read_text())["view_score"] == module.view_score


@pytest.mark.usefixtures("benchmark_cache")
def test_distances_are_compared_by_their_size_and_a_class_without_a_centre_stays_out(tmp_path: Path):
    module, spec = network_of(*ROWS["ms3d"])
    head = module.network.head
    assert isinstance(head, NearestCentre)
    head.centres += 30  # squared distances of thousands, of which float32 keeps three digits after the point
    head.counts.fill_(1)[-1] = 0
    scores = export_network(module, spec, tmp_path / "network", to="torch")(
        np.zeros((2, 3, spec.num_frames, spec.size, spec.size), np.float32)
    )
    assert np.isneginf(scores[:, -1]).all() and (scores[:, :-1] < -1000).all() and np.isfinite(scores[:, :-1]).all()


@pytest.mark.usefixtures("benchmark_cache")
def test_a_difference_beyond_rounding_is_refused_however_large_the_scores(tmp_path: Path, monkeypatch):
    module, spec = network_of(*ROWS["ms3d"])
    module.network.head.centres += 30

    def shifted(given: ClipClassifier, clips: torch.Tensor):
        network, folded = original(given, clips)
        network.module.network.head.centres += 0.02
        return network, folded

    original = export.inference_network
    monkeypatch.setattr(export, "inference_network", shifted)
    with pytest.raises(ExportError, match="differ from PyTorch's"):
        export_network(module, spec, tmp_path / "network", to="torch")


FORKED_AFTER_AN_EXPORT = """
import os, sys, tempfile, torch
from tests.deploy.tiny_networks import tiny_module, tiny_spec
from experiments.deploy.export import export_network
export_network(tiny_module(), tiny_spec(), os.path.join(tempfile.mkdtemp(), "network"), to="torch")
torch.ones((), requires_grad=True).backward()
if not (child := os.fork()):
    torch.ones((), requires_grad=True).backward()
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_after_an_export_forked_processes_can_train():
    """In a process of its own: a backward pass before the export would settle it."""
    done = subprocess.run([sys.executable, "-c", FORKED_AFTER_AN_EXPORT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
