"""The export tool writes a checked network beside the checkpoint, or says why it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.deploy import CheckpointNetwork, ExportedNetwork
from experiments.tools.export import main
from tests.deploy.tiny_networks import save_tiny_checkpoint, some_normalised_clips


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_tiny_checkpoint(tmp_path)


@pytest.mark.parametrize("to", ["torch", "onnx", "openvino"])
def test_a_checkpoint_becomes_a_network_that_scores_alike(
    checkpoint: Path, to: str, capsys: pytest.CaptureFixture[str]
):
    for package in {"torch": (), "onnx": ("onnxscript", "onnxruntime"), "openvino": ("openvino",)}[to]:
        pytest.importorskip(package)
    assert main([str(checkpoint), "--to", to]) == 0
    printed = capsys.readouterr().out
    assert "Ligar, 4 classes, clips (M, 3, 4, 32, 32)" in printed and "largest difference from PyTorch" in printed
    exported, clips = ExportedNetwork(checkpoint.with_name(f"weights_{to}")), some_normalised_clips(3)
    assert np.abs(exported(clips) - CheckpointNetwork(checkpoint)(clips)).max() < 1e-5


def test_a_refused_checkpoint_is_an_error_message_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    torch.save({"state_dict": {}}, tmp_path / "bare.ckpt")
    assert main([str(tmp_path / "bare.ckpt"), "--to", "torch"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and "lacks arguments, input_spec" in captured.err and not captured.out
    assert [path.name for path in tmp_path.iterdir()] == ["bare.ckpt"]


def test_an_unknown_format_is_refused_by_the_command_line(checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([str(checkpoint), "--to", "tflite"])
    assert "invalid choice: 'tflite'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_an_error_message(checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(checkpoint), "--to", "torch", "--out", str(checkpoint / "inside_a_file")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
