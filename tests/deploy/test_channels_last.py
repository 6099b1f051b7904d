"""Attention pooling in an OpenVINO graph: rewritten where it flattens maps, left alone elsewhere, the same result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.deploy.channels_last import pool_in_place
from experiments.deploy.export import export_network
from experiments.deploy.exported import MODEL_FILES
from lightning_modules.layers.global_context import GlobalContextPooling
from tests.deploy.tiny_networks import tiny_module, tiny_spec

openvino = pytest.importorskip("openvino", reason="openvino is not installed (extra `export`)")
SHAPE = (6, 4, 5, 7)


class Queries(nn.Module):
    """Attend to all positions with as many rows as asked for."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.score = nn.Conv3d(SHAPE[0], rows, kernel_size=1)

    def forward(self, maps: Tensor) -> Tensor:
        weights = self.score(maps).flatten(2).softmax(dim=2)  # (N, rows, THW)
        return torch.bmm(weights, maps.flatten(2).transpose(1, 2))


class Halves(nn.Module):
    """Pool two halves of the channels as positions of one: what is flattened are not all positions of a channel."""

    def forward(self, maps: Tensor) -> Tensor:
        halves = maps.reshape(maps.shape[0], 3, -1)  # (N, 3, 2THW)
        weights = maps[:, :2].flatten(1).softmax(dim=1)  # (N, 2THW)
        return torch.bmm(weights.unsqueeze(1), halves.transpose(1, 2))


def converted(network: nn.Module, *, reshaped: bool = True) -> Any:
    example = torch.randn(2, *SHAPE)
    program = torch.export.export(network.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
    model = openvino.convert_model(program)
    if reshaped:
        model.reshape([-1, *SHAPE])
    return model


def scores(model: Any, maps: Tensor) -> np.ndarray:
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", options)(maps.numpy())[0]


def flattening_products(model: Any) -> int:
    return sum(
        op.get_type_name() == "MatMul" and op.input_value(1).get_node().get_type_name() == "Reshape"
        for op in model.get_ops()
    )


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("network", [GlobalContextPooling(channels=SHAPE[0]), Queries(rows=1)])
def test_pooling_reads_the_maps_as_they_lie_and_gives_the_same(network: nn.Module, batch: int):
    model, maps = converted(network), torch.randn(batch, *SHAPE)
    with torch.no_grad():
        expected = network(maps).numpy()
    assert flattening_products(model) == 1
    assert pool_in_place(model) == 1
    assert flattening_products(model) == 0
    assert scores(model, maps).shape == expected.shape
    assert np.allclose(scores(model, maps), expected, atol=1e-6) and np.abs(expected).max() > 1e-2
    assert pool_in_place(model) == 0, "nothing is left to do"


@pytest.mark.parametrize("network", [Queries(rows=2), Halves(), nn.Conv3d(SHAPE[0], 2, kernel_size=1)])
def test_other_products_are_left_alone(network: nn.Module):
    model, maps = converted(network), torch.randn(2, *SHAPE)
    assert pool_in_place(model) == 0
    with torch.no_grad():
        assert np.allclose(scores(model, maps), network.eval()(maps).numpy(), atol=1e-5)


def test_maps_of_unknown_size_are_left_alone():
    network, maps = GlobalContextPooling(channels=SHAPE[0]), torch.randn(2, *SHAPE)
    model = converted(network, reshaped=False)
    assert pool_in_place(model) == 0
    with torch.no_grad():
        assert np.allclose(scores(model, maps), network(maps).numpy(), atol=1e-6)


def test_an_exported_ligar_flattens_no_maps(tmp_path: Path):
    export_network(tiny_module(), tiny_spec(), tmp_path / "network", to="openvino")
    model = openvino.Core().read_model(tmp_path / "network" / MODEL_FILES["openvino"])
    assert flattening_products(model) == 0
    assert sum(op.get_type_name() == "ReduceSum" for op in model.get_ops()) >= 4, "one per block with a global path"
    assert model.input().get_partial_shape().to_string() == "[?,3,4,32,32]"
