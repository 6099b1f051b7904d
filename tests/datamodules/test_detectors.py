from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.boxes import true_box
from datamodules.detectors import (
    MotionDetector,
    TorchvisionDetector,
    YoloxDetector,
    around,
    evenly,
    overlap,
    yolox_cells,
)
from datamodules.synthetic.script import render
from datamodules.synthetic.stand_ins import stand_in


def test_motion_is_found_where_it_is():
    frames = np.full((5, 40, 80, 3), 50, dtype=np.uint8)
    for t in range(5):
        frames[t, 10:20, 20 + 8 * t : 30 + 8 * t] = 250
    left, top, right, bottom = MotionDetector()(frames)
    assert (top, bottom) == (0.25, 0.5)
    assert left == pytest.approx(20 / 80, abs=0.03) and right == pytest.approx(62 / 80, abs=0.03)
    assert MotionDetector()(frames[:1].repeat(4, axis=0)) is None


def test_motion_finds_the_benchmarks_actors_where_the_camera_rests():
    member = dataclasses.replace(stand_in("HMDB51").tiny(), difficulty=0.0)
    shares = []
    for number in range(8):
        found = MotionDetector()(render(member, number))
        assert found is not None
        shares.append(overlap(found, true_box(member, number)))
    assert np.median(shares) > 0.5


def test_the_box_around_boxes_lies_within_the_frame():
    assert around(np.array([[10, 5, 20, 15], [30, -4, 90, 12]]), 80, 20) == (0.125, 0.0, 1.0, 0.75)
    assert around(np.zeros((0, 4)), 80, 20) is None
    assert around(np.array([[85, 5, 95, 10]]), 80, 20) is None, "outside of the frame"


def test_frames_are_spread_evenly_and_come_once():
    assert evenly(9, 5).tolist() == [[0, 2, 4, 6, 8]]
    assert evenly(2, 8).tolist() == [[0, 1]]


def yolox_file(folder: Path, output: np.ndarray, side: int) -> Path:
    """Write a graph with YOLOX's input and output that always finds the same."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Add", ["found", "nothing"], ["output"]),
        ],
        "yolox",
        [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, output.shape)],
        [
            helper.make_tensor("zero", onnx.TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("found", onnx.TensorProto.FLOAT, output.shape, output.flatten().tolist()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = folder / "yolox.onnx"
    onnx.save(model, str(path))
    return path


def test_yolox_outputs_are_decoded_to_boxes_in_the_frame(tmp_path):
    pytest.importorskip("onnxruntime")
    cells, strides = yolox_cells(64)
    assert len(cells) == 64 + 16 + 4 and cells[9].tolist() == [1, 1] and strides[[0, 64, 80], 0].tolist() == [8, 16, 32]
    output = np.zeros((1, 84, 7), dtype=np.float32)
    output[0, 9] = [0.5, 0.5, np.log(2), np.log(1), 0.9, 0.9, 0.0]  # cell (1, 1) of stride 8: centre 12, 16 x 8
    output[0, 12] = [0.5, 0.5, np.log(2), np.log(1), 0.9, 0.1, 0.9]  # of another class
    output[0, 15] = [0.5, 0.5, np.log(2), np.log(1), 0.3, 0.9, 0.0]  # too faint
    detector = YoloxDetector(weights=yolox_file(tmp_path, output, 64))
    box = detector(np.zeros((2, 64, 128, 3), dtype=np.uint8))  # halved to fit: pixels count double
    assert box == pytest.approx((8 / 128, 16 / 64, 40 / 128, 32 / 64))
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no YOLOX network"):
        YoloxDetector(weights=tmp_path / "broken.onnx")


def test_torchvisions_people_are_joined_to_one_box(tmp_path):
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    torch.save(ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).state_dict(), tmp_path / "w.pth")
    detector = TorchvisionDetector(weights=tmp_path / "w.pth")
    found = [
        dict(boxes=torch.tensor([[10.0, 5, 20, 15], [0, 0, 80, 20]]), labels=torch.tensor([1, 3]),
             scores=torch.ones(2)),
        dict(boxes=torch.tensor([[30.0, 6, 40, 10], [0, 0, 9, 9]]), labels=torch.tensor([1, 1]),
             scores=torch.tensor([0.6, 0.4])),
    ]  # fmt: skip
    seen: list[torch.Tensor] = []
    detector.network = lambda images: seen.extend(images) or found
    assert detector(np.full((2, 20, 80, 3), 255, dtype=np.uint8)) == pytest.approx((0.125, 0.25, 0.5, 0.75))
    assert seen[0].shape == (3, 20, 80) and seen[0].max() == 1.0
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="no weights of torchvision's SSDlite320"):
        TorchvisionDetector(weights=tmp_path / "other.pth")
