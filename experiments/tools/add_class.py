"""Teach a trained MS3D network a new action from a few videos, without training: one more centre in its repository.

CHECKPOINT is the weights file that a training of MS3D leaves in results/runs/. Its network turns the videos into codes,
whose mean becomes the centre of the class NAME, the last one; everything else stays as it is. The new file is written
beside the old one or to --out, and can be tested, exported and grown again like any other. A repository that another
network filled is refused.

Run: python experiments/tools/add_class.py CHECKPOINT NAME VIDEO [VIDEO ...]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from datamodules.detectors import DETECTORS, Detector
from datamodules.ms3d import Ms3dData
from datamodules.video import UndecodableVideoError, Video
from datamodules.video_sampling import collate
from experiments.deploy import load_checkpoint_module
from experiments.deploy.checkpoint import rebuild_data
from experiments.tools.boxes import box_of, opened
from lightning_modules.checkpoints import read_checkpoint
from lightning_modules.heads.nearest_centre import NearestCentre

FRAMES = 8  # that a detector looks at in each video


def main(argv: Sequence[str] | None = None) -> int:
    """Add one class to a checkpoint; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("checkpoint", type=Path)
    parse.add_argument("name", metavar="NAME", help="of the new class")
    parse.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="file or frame folder")
    parse.add_argument("--detector", choices=tuple(DETECTORS), help="tailor the frames to what it finds")
    parse.add_argument("--whole-frames", action="store_true", help="leave them whole, whatever it learnt on")
    parse.add_argument("--weights", type=Path, metavar="FILE", help="of the detector")
    parse.add_argument("--out", type=Path, help="file to write; by default <checkpoint>_with_<NAME>.ckpt")
    given = parse.parse_args(argv)
    suffix = re.sub(r"[^\w.-]+", "_", given.name)  # "push/pull" is no file's name
    out = given.out or given.checkpoint.with_name(f"{given.checkpoint.stem}_with_{suffix}.ckpt")
    try:
        if given.out is not None and not out.parent.is_dir():
            raise ValueError(f"--out {out}: there is no folder {out.parent}")
        detector = None if given.detector is None else opened(given.detector, given.weights)
        grown = grown_checkpoint(given.checkpoint, given.name, given.videos, detector, whole=given.whole_frames)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    torch.save(grown, unfinished)
    os.replace(unfinished, out)
    print(f"{out}: {len(grown['input_spec']['class_names'])} classes, the last is {given.name!r} "
          f"from {len(given.videos)} video(s)")  # fmt: skip
    return 0


def grown_checkpoint(
    path: Path, name: str, paths: Sequence[Path], detector: Detector | None, *, whole: bool = False
) -> dict[str, Any]:
    """Return a checkpoint's content with one more class.

    Args:
        path: of the checkpoint.
        name: of the class.
        paths: its videos.
        detector: finds the actor in each; None leaves the frames whole.
        whole: accept whole frames for a network that learnt on tailored ones, whose codes may lie apart.

    Raises:
        ValueError: no MS3D checkpoint, a name that it has already, a repository of another network, whole frames that
            were not asked for, or a video that cannot be read.
    """
    module: Any
    module, spec = load_checkpoint_module(path)
    head = getattr(module.network, "head", None)
    if not isinstance(head, NearestCentre):
        raise ValueError(
            f"{path}: a {type(head).__name__} judges its classes; only a repository of class centres grows"
        )
    module.check_repository()
    if name in spec.class_names:
        raise ValueError(f"{path} has a class {name!r} already")
    checkpoint = read_checkpoint(path)
    data = rebuild_data(checkpoint["arguments"], Ms3dData)
    if detector is None and data.tailor is not None and not whole:
        raise ValueError(
            f"{path} learnt on frames tailored to the actor: choose a --detector ({', '.join(DETECTORS)}), or accept "
            "--whole-frames"
        )
    label = len(spec.class_names)
    videos = tuple(Video(id=p.name, path=p, label=label, label_name=name) for p in paths)
    grown = head.with_class(codes_of(module, data, videos, detector))
    prefix = "network.head."
    state = {key: value for key, value in checkpoint["state_dict"].items() if not key.startswith(prefix)}
    state |= {f"{prefix}{key}": value for key, value in grown.state_dict().items()}
    return {
        **checkpoint,
        "state_dict": state,
        "input_spec": {**checkpoint["input_spec"], "class_names": [*spec.class_names, name]},
        "arguments": {**checkpoint["arguments"], "num_classes": label + 1},
    }


def codes_of(module: Any, data: Ms3dData, videos: Sequence[Video], detector: Detector | None) -> torch.Tensor:
    """Return the code ``(n, D)`` of each video.

    Raises:
        ValueError: a video that is not there, or cannot be read.
    """
    boxes = None
    try:
        if detector is not None:
            boxes = [box_of(video, detector, FRAMES) for video in videos]
        clips = data.clips_of(videos, boxes)
        samples = [clips[position] for position in range(len(videos))]
    except (FileNotFoundError, UndecodableVideoError) as error:
        raise ValueError(str(error)) from error
    for video, sample in zip(videos, samples, strict=True):
        if not sample.num_frames:
            raise ValueError(f"{video.path}: none of its frames can be decoded")
    return module.codes(data.on_after_batch_transfer(collate(samples), 0).clips)


if __name__ == "__main__":
    sys.exit(main())
