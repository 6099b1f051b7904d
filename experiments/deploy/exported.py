"""An exported network: a folder that needs none of this repository's network code to score clips."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor

from datamodules.batch import InputSpec
from experiments.deploy.checkpoint import input_spec
from experiments.deploy.quiet_openvino import quiet_openvino
from lightning_modules.base import ClipClassifier

Format = Literal["openvino", "onnx", "torch"]
MODEL_FILES: dict[str, str] = {"openvino": "network.xml", "onnx": "network.onnx", "torch": "network.pt2"}
MANIFEST = "network.json"
MANIFEST_FORMAT = 1
INPUT, OUTPUT = "clips", "scores"  # names in the exported graph

Infer = Callable[[np.ndarray], np.ndarray]


class ExportedNetwork:
    """Score clips with an exported network, in place of a module's own.

    OpenVINO files run in OpenVINO, in full precision; ONNX files in ONNX Runtime; PyTorch's in PyTorch. The input is
    copied before it is read, and never changed.

    Args:
        path: the folder that :func:`experiments.deploy.export_network` wrote, or a file in it.
        threads: processor threads of OpenVINO and ONNX Runtime. PyTorch has one setting for the whole process
            (``torch.set_num_threads``), which is left alone.

    Attributes:
        format: ``openvino``, ``onnx`` or ``torch``.
        manifest: what the export recorded: classes, input, differences, versions.
        input_spec: what the network expects.
        view_score: what is averaged over views, ``logits`` or ``probs``.
        confidence_scale: factor of the scores before a softmax makes confidences of them.
        rejection_distance: to the nearest class centre, from which on a clip is of no known class; None rejects none.

    Raises:
        ValueError: no exported network there, or fewer than one thread.
        ImportError: the format's runtime is not installed.
    """

    def __init__(self, path: Path | str, *, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads={threads}; accepted: 1 or more")
        path = Path(path)
        self.folder = path.parent if path.is_file() else path
        self.manifest = read_manifest(self.folder)
        self.format: Format = self.manifest["format"]
        self.input_spec: InputSpec = input_spec(self.manifest["input_spec"])
        self.view_score: str = self.manifest["view_score"]
        self.confidence_scale: float = self.manifest["confidence_scale"]
        self.rejection_distance: float | None = self.manifest.get("rejection_distance")  # earlier exports have none
        self._infer = _RUNTIMES[self.format](self.folder / MODEL_FILES[self.format], threads)

    @overload
    def __call__(self, clips: Tensor) -> Tensor: ...
    @overload
    def __call__(self, clips: np.ndarray) -> np.ndarray: ...
    def __call__(self, clips: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """Return ``(M, K)`` float32 scores of clips ``(M, C, T, H, W)``: an array of an array, a tensor of a tensor.

        Args:
            clips: normalised RGB of the size in ``input_spec``.

        Raises:
            ValueError: clips of another shape.
        """
        if isinstance(clips, Tensor):
            scores = self(clips.detach().cpu().float().numpy())
            return torch.from_numpy(scores).to(clips.device)
        expected = clip_shape(self.input_spec)
        if clips.ndim != 5 or clips.shape[1:] != expected or len(clips) == 0:
            raise ValueError(
                f"clips are {clips.shape}; this network takes (M, {', '.join(map(str, expected))}), M >= 1"
            )
        return self._infer(np.ascontiguousarray(clips, dtype=np.float32))


def score_with(module: ClipClassifier, exported: ExportedNetwork) -> ClipClassifier:
    """Let a module evaluate with the scores of its exported network: views, metrics and videos stay the module's.

    Args:
        module: of the same classes; changed in place. It cannot be trained or saved afterwards.
        exported: gives the scores.

    Returns:
        The same module.

    Raises:
        ValueError: another number of classes.
    """
    num_classes = len(exported.input_spec.class_names)
    if num_classes != module.num_classes:
        raise ValueError(f"{exported.folder} has {num_classes} classes, the module {module.num_classes}")
    module.view_outputs = lambda clips: {"logits": exported(clips)}  # type: ignore[method-assign]
    return module


def clip_shape(spec: InputSpec) -> tuple[int, int, int, int]:
    """Return ``(C, T, H, W)`` of one clip."""
    return 3, spec.num_frames, spec.size, spec.size


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what an export recorded about itself.

    Raises:
        ValueError: there is none, or of another version.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no exported network ({MANIFEST} is missing)") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("manifest_format") != MANIFEST_FORMAT:
        raise ValueError(f"{path} is of another version than {MANIFEST_FORMAT}; export the network again")
    if manifest["format"] not in MODEL_FILES or not (folder / MODEL_FILES[manifest["format"]]).is_file():
        raise ValueError(f"{folder}: the network's file is missing, or of the unknown format {manifest['format']!r}")
    return manifest


# -- runtimes: from a model file and a number of threads to a function of float32 clips --------------------


def _openvino(path: Path, threads: int) -> Infer:
    try:
        with quiet_openvino() as openvino:
            options = {
                "INFERENCE_PRECISION_HINT": "f32",  # processors with bfloat16 units would use those
                "INFERENCE_NUM_THREADS": threads,
                "PERFORMANCE_HINT": "LATENCY",
            }
            request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    except ModuleNotFoundError as error:
        raise missing_package(error) from error

    def infer(clips: np.ndarray) -> np.ndarray:
        # A request copies its input; calling the compiled model would share the caller's memory with later calls.
        return np.array(request.infer({0: clips}, share_inputs=False, share_outputs=False)[0])

    return infer


def _onnxruntime(path: Path, threads: int) -> Infer:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda clips: session.run([OUTPUT], {INPUT: clips})[0]


def _torch(path: Path, threads: int) -> Infer:
    network = torch.export.load(path).module()

    def infer(clips: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.tensor(clips)).numpy()

    return infer


_RUNTIMES: dict[str, Callable[[Path, int], Infer]] = {"openvino": _openvino, "onnx": _onnxruntime, "torch": _torch}


def missing_package(error: ModuleNotFoundError) -> ImportError:
    """Return an error that names the missing package and where it comes from."""
    return ImportError(f"{error.name} is not installed; it comes with the extra `export` of this project")
