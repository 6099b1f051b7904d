"""An evaluation with an exported network notes which export it was, and clears what an ended attempt left behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from experiments.deploy import export, exported
from experiments.harness.provenance import export_hash
from experiments.harness.runner import run
from tests.tiny_cells import SCENES, evaluation, runtime, save_lively_weights, training

pytestmark = pytest.mark.usefixtures("benchmark_cache")


def test_an_exported_evaluation_notes_its_export_and_clears_what_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[Any] = []
    monkeypatch.setattr(export, "export_network", lambda module, spec, folder, *, to: asked.append((folder, to)))
    monkeypatch.setattr(exported, "score_with", lambda module, network: module)
    where, trained = runtime(tmp_path), training(SCENES)
    save_lively_weights(trained, where.store)
    plain = evaluation(trained)
    cell = dataclasses.replace(plain, runtime="onnx")
    folder = where.store.folder(cell)
    for name in (".onnx.123/network.onnx", "onnx/network.json", ".other"):
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).touch()
    assert run(cell, where)["export_sources"] == export_hash()
    assert asked == [(folder.path / "onnx", "onnx")]
    assert not (folder.path / ".onnx.123").exists()
    assert (folder.path / "onnx/network.json").exists() and (folder.path / ".other").exists()
    assert "export_sources" not in run(plain, where)
