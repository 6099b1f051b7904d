"""Find the actor in every video of a real data set, and write the boxes that MS3D's tailoring cuts to.

NAME is the data set's name in small letters and digits, as its folder is called (ucf101, kinetics400), or folder for
your own videos. DIR is that folder, or the one which holds it. boxes.npz is written beside the videos, one box each
around the people in some of its frames; videos that it lists already are left alone. Detectors: torchvision (SSDlite,
BSD; downloads its weights unless --weights names them), yolox (an .onnx file of YOLOX, Apache-2.0, by --weights; needs
the extra `detector`) and motion (no weights; for a camera that rests). On the embedded benchmark the true boxes are
known.

Run: python experiments/tools/boxes.py ucf101 --data-root DATA
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from datamodules.boxes import BOXES_FILE, box_key, detector_of, read_boxes, write_boxes
from datamodules.datasets.joint import root_of
from datamodules.datasets.source import missing_videos
from datamodules.detectors import DETECTORS, Detector, evenly
from datamodules.transforms.tailor import Box
from datamodules.video import UndecodableVideoError, Video
from datamodules.video_sampling import FileReader
from experiments.tools.cross_norm_pool import readers, reported, source_named

SAVED_EVERY = 500  # videos between two writes, so that an interrupted run goes on from there


def main(argv: Sequence[str] | None = None) -> int:
    """Write the boxes of one data set; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("name", metavar="NAME", help=f"one of: {', '.join(readers())}")
    parse.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="folder of the data set")
    parse.add_argument("--split", type=int, help="official split, where there are several (default 1)")
    parse.add_argument("--detector", choices=tuple(DETECTORS), default="torchvision")
    parse.add_argument("--weights", type=Path, metavar="FILE", help="of the detector")
    parse.add_argument("--frames", type=int, default=8, metavar="N", help="frames looked at in each video (default 8)")
    parse.add_argument("--threads", type=int, default=1, metavar="N")
    given = parse.parse_args(argv)
    try:
        if min(given.frames, given.threads) < 1:
            raise ValueError(f"--frames {given.frames}, --threads {given.threads}: must be 1 or more")
        if given.detector == "yolox" and given.weights is None:
            raise ValueError("--detector yolox needs --weights FILE, an .onnx file of its authors")
        if given.detector == "motion" and given.weights is not None:
            raise ValueError("--weights: the motion detector has none")
        torch.set_num_threads(given.threads)
        source = source_named(given.name, split=given.split)
        root = root_of(source, given.data_root)
        detector = opened(given.detector, given.weights)
        listed = [video for subset in ("train", "val", "test") for video in source.videos(root, subset)]
        print(find_all(listed, root / BOXES_FILE, detector, given.frames))  # type: ignore[operator]
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def opened(name: str, weights: Path | None) -> Detector:
    """Return a detector.

    Raises:
        ValueError: weights that are none of its own.
        OSError: they cannot be read or downloaded.
        ImportError: its package is not installed.
    """
    if name == "motion":
        return DETECTORS[name]()
    way_out = "--detector motion needs neither weights nor packages, where the camera rests"
    try:
        return DETECTORS[name](weights=weights)
    except ImportError as error:
        needed = f"{error.name or error} is not installed; it comes with the extra `detector` of this project"
        raise ImportError(f"--detector {name}: {needed}. {way_out}") from error
    except OSError as error:
        raise OSError(f"--detector {name}: its weights cannot be had ({error}). {way_out}") from error


def find_all(listed: Iterable[Video], path: Path, detector: Detector, frames: int) -> str:
    """Add the boxes of the videos that are on disk and not yet in the file; return the summary to print.

    Raises:
        ValueError: no video is on disk, or the file is damaged, or another detector's.
    """
    videos, missing = missing_videos(list({box_key(video, path.parent): video for video in listed}.values()))
    if not videos:
        raise ValueError(f"none of the {len(missing)} listed videos is on disk; the first is {missing[0].path}")
    boxes: dict[str, Box | None] = read_boxes(path) if path.exists() else {}
    if boxes and (former := detector_of(path)) not in ("", detector.name):
        raise ValueError(f"{path} holds the boxes of {former}; move it away, or go on with that detector")
    keys = {box_key(video, path.parent): video for video in videos}
    todo, undecodable = [key for key in keys if key not in boxes], 0
    for number, key in enumerate(reported(todo, len(todo)), start=1):
        try:
            boxes[key] = box_of(keys[key], detector, frames)
        except UndecodableVideoError:
            boxes[key] = None
            undecodable += 1
        if number % SAVED_EVERY == 0:
            write_boxes(path, boxes, detector=detector.name)
    write_boxes(path, boxes, detector=detector.name)
    nobody = sum(boxes[key] is None for key in keys)
    return (
        f"{path}: {len(boxes):,} videos, {len(todo):,} of them new, by {detector.name}\n"
        f"{nobody:,} of the {len(videos):,} videos on disk have no box and stay whole ({undecodable:,} undecodable); "
        f"{len(missing):,} listed ones are missing"
    )


def box_of(video: Video, detector: Detector, frames: int) -> Box | None:
    """Return a video's box.

    Raises:
        UndecodableVideoError: it cannot be read.
    """
    clips, _, _ = FileReader((video,)).read(0, lambda num_frames: evenly(num_frames, frames))
    return detector(clips[0])


if __name__ == "__main__":
    sys.exit(main())
