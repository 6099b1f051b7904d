"""Write a trained network as OpenVINO, ONNX or PyTorch program, and refuse what does not score like the original."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from datamodules.batch import InputSpec
from experiments.deploy.channels_last import pool_in_place
from experiments.deploy.exported import (
    INPUT,
    MANIFEST,
    MANIFEST_FORMAT,
    MODEL_FILES,
    OUTPUT,
    ExportedNetwork,
    Format,
    clip_shape,
    missing_package,
)
from experiments.deploy.inference import (
    confidence_scale,
    inference_network,
    largest_difference,
    largest_score,
    rejection_distance,
)
from experiments.deploy.quiet_openvino import quiet_openvino
from lightning_modules.base import ClipClassifier

TOLERANCE = 1e-4  # of a score, relative to the largest where that is beyond 1
CHECKED_BATCHES = (3, 1)
MOST_CLIPS = 1024  # in one batch
_PACKAGES: dict[str, tuple[str, ...]] = {
    "openvino": ("openvino",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "torch": (),
}


class ExportError(ValueError):
    """Say that an exported network does not do what the original does."""


def export_network(
    module: ClipClassifier, spec: InputSpec, folder: Path | str, *, to: Format = "openvino"
) -> ExportedNetwork:
    """Write a module's network to a folder and check it against PyTorch.

    The graph takes normalised clips ``clips`` ``(M, 3, T, H, W)`` of any M up to 1024 and returns ``scores``
    ``(M, K)``: of one clip, before views are averaged. Normalisation, scaling and cropping are outside of it, as they
    are in the tables, so that the same evaluator serves both; their numbers are in the folder and in the model file.
    Batch normalisation is folded into the convolutions, which then are PyTorch's plain ones; full precision.

    Args:
        module: a trained module; it is not changed.
        spec: what it expects as input.
        folder: where to write; an earlier export there is replaced. It appears only if the check is passed.
        to: ``openvino`` (``network.xml`` and ``.bin``), ``onnx`` (``network.onnx``) or ``torch`` (``network.pt2``, a
            program of ``torch.export``).

    Returns:
        The exported network, read back from the folder.

    Raises:
        ExportError: its scores differ from the module's by more than 1e-4 in a batch of 3 or of 1; where they are
            larger than 1, as distances are, by more than 1e-4 of the largest.
        ValueError: an unknown format, class names that do not fit, or a folder with other things in it.
        ImportError: the format's packages are not installed (extra ``export``).
    """
    folder = Path(folder)
    if to not in MODEL_FILES:
        raise ValueError(f"to={to!r}; accepted: {', '.join(MODEL_FILES)}")
    if len(spec.class_names) != module.num_classes:
        raise ValueError(f"{len(spec.class_names)} class names for the module's {module.num_classes} classes")
    if folder.exists() and not (folder / MANIFEST).exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is no exported network: it is left alone")
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    unfinished.mkdir(parents=True)
    try:
        manifest = _write(module, spec, unfinished, to)
        differences = _differences(module, spec, ExportedNetwork(unfinished))
        _write_manifest(unfinished, manifest | {"largest_difference": differences})
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return ExportedNetwork(folder)


def _write(module: ClipClassifier, spec: InputSpec, folder: Path, to: Format) -> dict[str, Any]:
    clips = torch.randn(
        2, *clip_shape(spec), generator=torch.Generator().manual_seed(1)
    )  # of a batch of 1 the exporter would conclude that it is always 1
    network, num_folded = inference_network(module, clips[:1])
    _start_autograd()
    batch = torch.export.Dim("batch", min=1, max=MOST_CLIPS)
    with torch.no_grad():
        program = torch.export.export(network, (clips,), dynamic_shapes=({0: batch},))
    metadata = {"input_spec": json.dumps(dataclasses.asdict(spec))}
    try:
        _WRITERS[to](program, folder / MODEL_FILES[to], metadata)
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    manifest = {
        "manifest_format": MANIFEST_FORMAT,
        "format": to,
        "module": f"{type(module).__module__}.{type(module).__qualname__}",
        "input_spec": dataclasses.asdict(spec),
        "view_score": module.view_score,
        "confidence_scale": confidence_scale(module),
        "rejection_distance": rejection_distance(module),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "folded_normalisations": num_folded,
        "versions": {name: version(name) for name in ("torch", *_PACKAGES[to])},
    }
    _write_manifest(folder, manifest)
    return manifest


def _start_autograd() -> None:
    """Let autograd count the devices before an export pretends that there is a GPU.

    On PyTorch's CUDA build without one it would count that pretended GPU in its first backward pass, start a thread for
    it, and refuse to work in any process that is forked later, as the trainings of a table are.
    """
    torch.ones((), requires_grad=True).backward()


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def _openvino(program: torch.export.ExportedProgram, path: Path, metadata: dict[str, str]) -> None:
    with quiet_openvino() as openvino:
        model = openvino.convert_model(program)
        model.reshape([-1, *program.example_inputs[0][0].shape[1:]])  # the conversion forgets all sizes but channels
        pool_in_place(model)
        model.inputs[0].get_tensor().set_names({INPUT})
        model.outputs[0].get_tensor().set_names({OUTPUT})
        for name, text in metadata.items():
            model.set_rt_info(text, [name])
        openvino.save_model(model, path, compress_to_fp16=False)


def _onnx(program: torch.export.ExportedProgram, path: Path, metadata: dict[str, str]) -> None:
    onnx_program: Any = torch.onnx.export(
        program, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
    )
    onnx_program.model.metadata_props.update(metadata)
    onnx_program.save(path)


def _torch(program: torch.export.ExportedProgram, path: Path, metadata: dict[str, str]) -> None:
    torch.export.save(program, path, extra_files=dict(metadata))


_WRITERS: dict[str, Callable[[torch.export.ExportedProgram, Path, dict[str, str]], None]] = {
    "openvino": _openvino,
    "onnx": _onnx,
    "torch": _torch,
}


def _differences(module: ClipClassifier, spec: InputSpec, exported: ExportedNetwork) -> dict[str, float]:
    """Return the largest absolute difference of a score from the module's, by batch size.

    Raises:
        ExportError: above the tolerance, not a number, or of another shape.
    """
    generator = torch.Generator().manual_seed(0)
    parameter = next(module.parameters())
    was_training = module.training
    found: dict[str, float] = {}
    try:
        module.eval()
        for size in CHECKED_BATCHES:
            clips = torch.randn(size, *clip_shape(spec), generator=generator)
            with torch.no_grad():
                expected = module.view_outputs(clips.to(parameter))["logits"].float().cpu()
            scores = exported(clips)
            if scores.shape != expected.shape:
                raise ExportError(f"batch {size}: scores are {tuple(scores.shape)}, PyTorch's {tuple(expected.shape)}")
            found[str(size)] = difference = largest_difference(scores, expected)
            tolerance = TOLERANCE * max(1.0, largest_score(expected))
            if not difference <= tolerance:  # not-a-number is refused too
                raise ExportError(
                    f"the {exported.format} network's scores differ from PyTorch's by {difference:.2g} in a batch of "
                    f"{size}; at most {tolerance:.2g} is accepted"
                )
    finally:
        module.train(was_training)
    return found
