"""Look-alikes of the official data sets: original annotation format, official counts, a few videos."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.augmentation_files import IMAGE_FOLDER, POOL_FILE
from datamodules.boxes import BOXES_FILE, box_key, read_boxes, write_boxes
from datamodules.datasets.jester import CLASSES as JESTER_CLASSES
from datamodules.datasets.something_something import SomethingSomethingV1, SomethingSomethingV2
from datamodules.transforms import write_pool
from datamodules.video import Video, write_video
from tests.action_net.look_alikes import something_names, write_frames
from tests.datamodules.datasets.test_hmdb51 import write_lists as write_hmdb51_lists
from tests.datamodules.test_datasets_ucf101 import write_lists as write_ucf101_lists

ON_DISK = {"train": 4, "val": 1, "test": 1}  # classes of which a few videos are there
KINETICS_HEADER = "label,youtube_id,time_start,time_end,split"
FRAMES, PIXELS = 24, (48, 64)


def write_ucf101(root: Path) -> None:
    for split, train, test in ((1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)):
        write_ucf101_lists(root / "ucfTrainTestlist", train=train, test=test, split=split)


def write_hmdb51(root: Path) -> None:
    write_hmdb51_lists(root / "testTrainMulti_7030_splits", splits=(1, 2, 3))


def write_jester(root: Path) -> None:
    for part, count, first in (("train", 118_562, 1), ("validation", 14_787, 500_000)):
        rows = (f"{first + n};{JESTER_CLASSES[n % 27]}\n" for n in range(count))
        (root / f"jester-v1-{part}.csv").write_text("".join(rows))


def something_v1_names() -> list[str]:
    names = [f"Doing number {label} to something" for label in range(174)]
    for a, b in enumerate(SomethingSomethingV1.mirror_labels):
        if a < b:
            names[a], names[b] = f"Moving {a} from left to right", f"Moving {a} from right to left"
    return names


def write_something_v1(root: Path) -> None:
    names = something_v1_names()
    (root / "something-something-v1-labels.csv").write_text("\n".join(names))
    for part, subset, first in (("train", "train", 1), ("validation", "val", 500_000)):
        count = SomethingSomethingV1.official_counts[subset]
        rows = (f"{first + n};{names[n % 174]}\n" for n in range(count))
        (root / f"something-something-v1-{part}.csv").write_text("".join(rows))


def write_something_v2(root: Path) -> None:
    names = something_names()
    numbers = {name: str(number) for number, name in enumerate(names)}
    (root / "something-something-v2-labels.json").write_text(json.dumps(numbers))
    for part, subset, first in (("train", "train", 1), ("validation", "val", 500_000)):
        count = SomethingSomethingV2.official_counts[subset]
        entries = [
            {"id": str(first + n), "label": "", "template": names[n % 174].replace("something", "[something]")}
            for n in range(count)
        ]
        (root / f"something-something-v2-{part}.json").write_text(json.dumps(entries))


def write_activitynet(root: Path) -> None:
    database = {}
    for subset, count, letter in (("training", 10_024, "t"), ("validation", 4_926, "v"), ("testing", 5_044, "x")):
        for n in range(count):
            annotations = [{"segment": [0.2, 0.7], "label": f"Action {n % 200}"}] if subset != "testing" else []
            database[f"{letter}{n:010d}"] = {"duration": 1.0, "subset": subset, "annotations": annotations}
    (root / "activity_net.v1-3.min.json").write_text(json.dumps({"version": "VERSION 1.3", "database": database}))


def write_egogesture(root: Path) -> None:
    from datamodules.datasets.egogesture import SUBJECTS

    for number in (subject for part in SUBJECTS.values() for subject in part):
        scene = root / "labels-final-revised1" / f"subject{number:02d}" / "Scene1"
        scene.mkdir(parents=True)
        (scene / "Group1.csv").write_text("1,1,20\n83,21,24\n")


def write_kinetics400(root: Path) -> None:
    for part, count, letter in (("train", 246_535, "t"), ("val", 19_906, "v")):
        rows = [f"action {n % 400},{letter}{n:010d},0,10,{part}" for n in range(count)]
        (root / f"kinetics-400_{part}.csv").write_text("\n".join([KINETICS_HEADER, *rows]) + "\n")


def write_mini_kinetics(root: Path) -> None:
    for part, each, letter in (("train", 400, "t"), ("val", 25, "v")):
        ids = [f"{letter}{n:010d}" for n in range(200 * each)]
        (root / f"{part}_ytid_list.txt").write_text("\n".join(ids) + "\n")
        rows = [f"action {n % 200},{key},0,10,{part}" for n, key in enumerate(ids)]
        (root / f"kinetics-400_{part}.csv").write_text("\n".join([KINETICS_HEADER, *rows]) + "\n")


TREES: dict[str, Callable[[Path], None]] = {  # by the folder's name, which is that of the data set
    "activitynet200": write_activitynet,
    "egogesture": write_egogesture,
    "hmdb51": write_hmdb51,
    "jester": write_jester,
    "kinetics400": write_kinetics400,
    "minikinetics200": write_mini_kinetics,
    "moducf101": write_ucf101,  # follows from UCF-101's lists
    "somethingsomethingv1": write_something_v1,
    "somethingsomethingv2": write_something_v2,
    "ucf101": write_ucf101,
}


def ensure_tree(source: Any, name: str, data_root: Path) -> None:
    """Write the look-alike of a data set if it is not there, and the videos of this reader's lists (its split).

    Args:
        source: the reader.
        name: of the folder.
        data_root: holds a folder per data set.
    """
    root = data_root / name
    if not root.is_dir():
        root.mkdir(parents=True)
        TREES[name](root)
        write_pool(torch.rand(8, 2, 3, generator=torch.Generator().manual_seed(0)) * 50 + 60, root / POOL_FILE)
        write_frames(root / IMAGE_FOLDER, 2, "{:03d}.jpg", height=48, width=64)
    present = [video for subset, number in ON_DISK.items() for video in some(source.videos(root, subset), number)]
    for video in present:
        write_one(video)
    boxes = read_boxes(root / BOXES_FILE) if (root / BOXES_FILE).exists() else {}
    boxes |= {box_key(video, root): None for video in present}
    write_boxes(root / BOXES_FILE, boxes, detector="none: whole frames")


def some(videos: Sequence[Video], classes: int) -> list[Video]:
    """Return the first two videos of each of some classes."""
    chosen: dict[int, list[Video]] = {}
    for video in videos:
        if video.label in chosen or len(chosen) < classes:
            chosen.setdefault(video.label, []).append(video)
    return [video for of_class in chosen.values() for video in of_class[:2]]


def write_one(video: Video) -> None:
    """Write a video where a list says that it is: a file, or a folder of frames where the path has no suffix."""
    path = video.path
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.suffix or path.suffix.lower() not in (".avi", ".mp4", ".webm"):
        six_digits = video.start_frame is not None
        write_frames(path, FRAMES, "{:06d}.jpg" if six_digits else "{:05d}.jpg", height=PIXELS[0], width=PIXELS[1])
        return
    blocks = np.random.default_rng(len(video.id)).integers(0, 255, (*(n // 8 for n in PIXELS), 3), dtype=np.uint8)
    picture = blocks.repeat(8, 0).repeat(8, 1)
    frames = np.stack([np.roll(picture, 2 * t, axis=1) for t in range(FRAMES)])
    written = path.with_name(f"{path.stem}.writing{'.mkv' if path.suffix == '.webm' else path.suffix}")
    write_video(written, frames)
    written.rename(path)
