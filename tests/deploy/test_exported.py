"""An exported network scores like the original, in every format, and stands in for it in the evaluator."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import experiments.deploy.export as export
from experiments.deploy.export import ExportError, export_network
from experiments.deploy.exported import MODEL_FILES, ExportedNetwork, score_with
from experiments.deploy.network import CheckpointNetwork, open_network
from experiments.deploy.quiet_openvino import quiet_openvino
from lightning_modules.heads.nearest_centre import NearestCentre
from lightning_modules.layers.folding import folded_parameters
from tests.deploy.tiny_networks import save_tiny_checkpoint, some_normalised_clips, tiny_module, tiny_spec
from tests.tiny_cells import batch_of, ligar_data

PACKAGES = {"torch": (), "onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",)}


@pytest.fixture(scope="module", params=PACKAGES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExportedNetwork:
    """Return the tiny network in one format."""
    missing = [name for name in PACKAGES[request.param] if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (extra `export`)")
    folder = tmp_path_factory.mktemp("exports") / request.param
    return export_network(tiny_module(), tiny_spec(), folder, to=request.param)


def torch_scores(clips: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return tiny_module().view_outputs(torch.from_numpy(clips))["logits"].numpy()


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_scores_equal_those_of_pytorch_for_any_batch(exported: ExportedNetwork, batch: int):
    clips = some_normalised_clips(batch, seed=batch)
    scores = exported(clips)
    assert scores.shape == (batch, 4) and scores.dtype == np.float32
    assert np.abs(scores - torch_scores(clips)).max() < 1e-5
    assert batch == 1 or scores.std(axis=0).max() > 1e-2, "the network tells the clips apart"


def test_calls_share_no_memory_with_each_other_or_with_the_caller(exported: ExportedNetwork):
    first, second = some_normalised_clips(2, seed=1), some_normalised_clips(2, seed=2)
    kept_first, kept_second = first.copy(), second.copy()
    scores_first = exported(first)
    kept_scores = scores_first.copy()
    exported(second)
    exported(some_normalised_clips(3))
    assert np.array_equal(first, kept_first) and np.array_equal(second, kept_second)
    assert np.array_equal(scores_first, kept_scores)
    assert np.array_equal(exported(first), kept_scores)


def test_a_tensor_gives_a_tensor_and_any_memory_order_the_same(exported: ExportedNetwork):
    clips = some_normalised_clips(2)
    channels_last = torch.from_numpy(clips).contiguous(memory_format=torch.channels_last_3d)
    scores = exported(channels_last)
    assert isinstance(scores, Tensor) and np.array_equal(scores.numpy(), exported(clips))
    assert np.array_equal(exported(clips.astype(np.float64)), exported(clips))


def test_the_folder_says_all_that_its_user_needs(exported: ExportedNetwork):
    again = ExportedNetwork(exported.folder / MODEL_FILES[exported.format], threads=2)
    assert again.input_spec == tiny_spec() and again.view_score == "logits"
    manifest = json.loads((exported.folder / "network.json").read_text())
    assert set(manifest["largest_difference"]) == {"1", "3"} and max(manifest["largest_difference"].values()) < 1e-5
    assert manifest["parameters"] == folded_parameters(tiny_module().network)
    assert manifest["module"] == "lightning_modules.ligar.module.Ligar"
    assert manifest["versions"]["torch"] == torch.__version__.split("+")[0]


def test_the_model_file_alone_says_what_it_takes(exported: ExportedNetwork):
    path = exported.folder / MODEL_FILES[exported.format]
    if exported.format == "torch":
        files = {"input_spec": ""}
        torch.export.load(path, extra_files=files)
        text = files["input_spec"]
    elif exported.format == "onnx":
        import onnx

        model = onnx.load(path)
        text = {entry.key: entry.value for entry in model.metadata_props}["input_spec"]
        assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["clips", "scores"]
    else:
        with quiet_openvino() as openvino:
            model = openvino.Core().read_model(path)
        text = model.get_rt_info("input_spec").astype(str)
        assert [str(port.any_name) for port in (*model.inputs, *model.outputs)] == ["clips", "scores"]
        assert {str(op.get_element_type()) for op in model.get_ops() if op.get_type_name() == "Constant"} >= {
            "<Type: 'float32'>"
        }
        assert "f16" not in path.read_text(), "full precision"
    assert json.loads(text) == json.loads(json.dumps(dataclasses.asdict(tiny_spec())))


def test_a_module_evaluates_with_the_exported_scores_as_with_its_own(exported: ExportedNetwork):
    module, stand_in = tiny_module(), score_with(tiny_module(), exported)
    stand_in.network = nn.Identity()  # its own network is not asked
    clips = torch.from_numpy(some_normalised_clips(12)).unflatten(0, (3, 4))
    batch = batch_of(clips, torch.tensor([0, 1, 2]), num_frames=torch.tensor([9, 0, 9]))
    with torch.no_grad():
        expected, scores = module.predict_scores(batch), stand_in.predict_scores(batch)
    assert scores[1].isnan().all() and expected[1].isnan().all()
    assert torch.allclose(scores, expected, atol=1e-5, equal_nan=True)


@pytest.mark.usefixtures("benchmark_cache")
def test_the_same_evaluator_gives_the_same_scores_on_the_same_videos(exported: ExportedNetwork):
    found = []
    for module in (tiny_module(), score_with(tiny_module(), exported)):
        trainer = L.Trainer(
            accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
            use_distributed_sampler=False, limit_test_batches=2,
        )  # fmt: skip
        trainer.test(module, datamodule=ligar_data(views=2), verbose=False)
        found.append(module.collect_test_scores())
    assert torch.equal(found[0][0], found[1][0]) and len(found[0][0]) >= 2
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 4, 32, 30), (2, 3, 5, 32, 32), (3, 4, 32, 32), (0, 3, 4, 32, 32)])
def test_clips_of_another_shape_are_refused(exported: ExportedNetwork, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"takes \(M, 3, 4, 32, 32\)"):
        exported(np.zeros(shape, np.float32))


class Constant(nn.Module):
    """Give scores that are not the network's."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, clips: Tensor) -> Tensor:
        return clips.mean((1, 2, 3, 4))[:, None].expand(-1, 4) * 0 + self.value


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_a_network_that_scores_otherwise_is_not_written_and_an_earlier_export_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
):
    folder = tmp_path / "network"
    folder.mkdir()
    (folder / "network.json").write_text("earlier")
    monkeypatch.setattr(export, "inference_network", lambda module, clips: (Constant(value), 0))
    with pytest.raises(ExportError, match="differ from PyTorch's by .* in a batch of 3; at most 0.0001"):
        export_network(tiny_module(), tiny_spec(), folder, to="torch")
    assert [path.name for path in tmp_path.iterdir()] == ["network"]
    assert (folder / "network.json").read_text() == "earlier"


def test_exporting_changes_nothing_in_the_module_and_replaces_an_earlier_export(tmp_path: Path, monkeypatch):
    module = tiny_module().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for names in ("abcd", "dcba"):
        exported = export_network(module, tiny_spec(class_names=tuple(names)), tmp_path / "network", to="torch")
        assert exported.input_spec.class_names == tuple(names)
    assert module.training and all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert [path.name for path in tmp_path.iterdir()] == ["network"]


def test_the_distance_from_which_on_an_action_is_unknown_goes_with_the_export(tmp_path: Path):
    module = tiny_module()
    for threshold, expected in ((None, None), (torch.inf, None), (0.75, 0.75)):
        if threshold is not None:
            module.repository = NearestCentre(code_dim=2, num_classes=4)
            module.repository.threshold.fill_(threshold)
        exported = export_network(module, tiny_spec(), tmp_path / "network", to="torch")
        assert exported.rejection_distance == exported.manifest["rejection_distance"] == expected
    path = exported.folder / "network.json"
    path.write_text(json.dumps({k: v for k, v in exported.manifest.items() if k != "rejection_distance"}))
    assert ExportedNetwork(exported.folder).rejection_distance is None, "written before there was one"


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="no exported network: it is left alone"):
        export_network(tiny_module(), tiny_spec(), tmp_path, to="torch")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"to": "tflite"}, "accepted: openvino, onnx, torch"), ({"spec": tiny_spec(class_names=("a",))}, "1 class names")],
)
def test_what_cannot_be_exported_is_refused(tmp_path: Path, arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        export_network(tiny_module(), **{"spec": tiny_spec(), "folder": tmp_path / "x", "to": "torch", **arguments})


@pytest.mark.parametrize(("to", "package"), [("openvino", "openvino"), ("onnx", "onnxruntime")])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: Any, package: str
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"(openvino|onnx\w*) is not installed; it comes with the extra `export`"):
        export_network(tiny_module(), tiny_spec(), tmp_path / "network", to=to)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no exported network"),
        ("{", "is damaged"),
        ("[]", "another version"),
        ('{"manifest_format": 99}', "another version"),
        ('{"manifest_format": 1, "format": "caffe"}', "unknown format 'caffe'"),
        ('{"manifest_format": 1, "format": "onnx"}', "the network's file is missing"),
    ],
)
def test_a_folder_that_holds_no_network_is_refused(tmp_path: Path, text: str | None, message: str):
    if text is not None:
        (tmp_path / "network.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        ExportedNetwork(tmp_path)


def test_zero_threads_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="threads=0"):
        ExportedNetwork(tmp_path, threads=0)


def test_a_module_of_other_classes_cannot_take_the_scores(exported: ExportedNetwork):
    module = tiny_module()
    module.num_classes = 7
    with pytest.raises(ValueError, match="has 4 classes, the module 7"):
        score_with(module, exported)


def test_checkpoint_and_export_open_alike_and_agree(exported: ExportedNetwork, tmp_path: Path):
    checkpoint = open_network(save_tiny_checkpoint(tmp_path))
    other = open_network(exported.folder)
    assert isinstance(checkpoint, CheckpointNetwork) and isinstance(other, ExportedNetwork)
    assert checkpoint.input_spec == other.input_spec and checkpoint.confidence_scale == other.confidence_scale
    clips = some_normalised_clips(3)
    assert np.abs(checkpoint(clips) - other(clips)).max() < 1e-5
    assert np.array_equal(checkpoint(torch.from_numpy(clips)).numpy(), checkpoint(clips))


@pytest.mark.parametrize("before", [None, "false"])
def test_openvino_reports_no_usage_and_the_environment_stays(monkeypatch: pytest.MonkeyPatch, before: str | None):
    pytest.importorskip("openvino_telemetry")
    from openvino_telemetry.utils.opt_in_checker import OptInChecker

    monkeypatch.delenv("CI", raising=False)
    if before is not None:
        monkeypatch.setenv("CI", before)
    with quiet_openvino():
        assert OptInChecker._run_in_ci()
    assert os.environ.get("CI") == before
