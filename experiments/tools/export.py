"""Export the trained network of any table to OpenVINO, ONNX or a PyTorch program, checked against the original.

Run: python experiments/tools/export.py CHECKPOINT --to openvino          (needs the extra `export`)

CHECKPOINT is the file of weights that a table's training leaves in results/runs/. The folder written holds the model
file and network.json: classes, input size, frames and their interval, mean and standard deviation, the distance to the
nearest class centre from which on a clip is unknown (where there are centres), the difference from PyTorch, versions.
The graph takes normalised clips (M, 3, T, H, W) of any M and returns (M, K) scores; batch normalisation is folded,
precision is full. Nothing is written if a score differs by more than 1e-4 in a batch of 1 or 3.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.deploy import export_network, load_checkpoint_module
from experiments.deploy.exported import MODEL_FILES, clip_shape


def main(argv: Sequence[str] | None = None) -> int:
    """Export one checkpoint; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("checkpoint", type=Path)
    parse.add_argument("--to", choices=tuple(MODEL_FILES), default="openvino")
    parse.add_argument("--out", type=Path, help="folder to write; by default beside the checkpoint")
    given = parse.parse_args(argv)
    folder = given.out or given.checkpoint.with_name(f"{given.checkpoint.stem}_{given.to}")
    try:
        module, spec = load_checkpoint_module(given.checkpoint)
        exported = export_network(module, spec, folder, to=given.to)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    manifest = exported.manifest
    differences = ", ".join(
        f"{value:.1e} in a batch of {size}" for size, value in manifest["largest_difference"].items()
    )
    print(
        f"{folder}: {type(module).__name__}, {len(spec.class_names)} classes, "
        f"clips (M, {', '.join(map(str, clip_shape(spec)))}), {manifest['parameters'] / 1e6:.2f} M parameters, "
        f"{manifest['folded_normalisations']} normalisations folded\nlargest difference from PyTorch: {differences}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
