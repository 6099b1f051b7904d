"""Trees of EgoGesture, Jester and Something-Something V2 with their original annotation files and a few videos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from datamodules.datasets.egogesture import SUBJECTS
from datamodules.datasets.jester import CLASSES, Jester
from datamodules.datasets.something_something import SomethingSomethingV2

SMALL = {"train": 4, "val": 2, "test": 2}
FOLDERS = {"EgoGesture": "egogesture", "Something V2": "somethingsomethingv2", "Jester": "jester"}


def small_lists(patch: pytest.MonkeyPatch) -> None:
    """Let the readers accept lists of :data:`SMALL` rows."""
    for source in (Jester, SomethingSomethingV2):
        patch.setattr(source, "official_counts", SMALL)


def pictures(number: int, *, height: int = 48, width: int = 64) -> np.ndarray:
    """Return frames ``(T, H, W, 3)`` of which frame t is of grey level 10 + 5 t."""
    levels = 10 + 5 * np.arange(number, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (number, height, width, 3))


def write_frames(folder: Path, number: int, name: str = "{:06d}.png", **size: int) -> None:
    """Write frames as images, numbered from 1."""
    from PIL import Image

    folder.mkdir(parents=True)
    for t, picture in enumerate(pictures(number, **size)):
        Image.fromarray(picture).save(folder / name.format(t + 1))


def write_egogesture(root: Path, *, rows: Sequence[str] = ("1,1,20", "83,21,24"), frames: int = 24) -> Path:
    """Write the original annotations: a recording of each subject; the pictures of one subject of each split."""
    for number in (subject for part in SUBJECTS.values() for subject in part):
        scene = root / "labels-final-revised1" / f"subject{number:02d}" / "Scene1"
        scene.mkdir(parents=True)
        (scene / "Group1.csv").write_text("".join(f"{row}\n" for row in rows))
    for part in SUBJECTS.values():
        write_frames(root / f"Subject{part[0]:02d}" / "Scene1" / "Color" / "rgb1", frames)
    return root


def write_jester(root: Path) -> Path:
    """Write lists of :data:`SMALL` rows, and the pictures of the first of each."""
    root.mkdir(parents=True, exist_ok=True)
    for part, count, first in (("train", SMALL["train"], 1), ("validation", SMALL["val"], 100)):
        rows = "".join(f"{first + n};{CLASSES[n]}\n" for n in range(count))
        (root / f"jester-v1-{part}.csv").write_text(rows)
        write_frames(root / "20bn-jester-v1" / str(first), 12, "{:05d}.png")
    return root


def something_names() -> list[str]:
    """Return 174 names which say left and right where the official ones do."""
    names = [f"Doing number {label} to something" for label in range(174)]
    for a, b in enumerate(SomethingSomethingV2.mirror_labels):
        if a < b:
            names[a], names[b] = f"Moving {a} from left to right", f"Moving {a} from right to left"
    return names


def write_something(root: Path) -> Path:
    """Write lists of :data:`SMALL` rows; the first of each as a video file, the second as frames."""
    from datamodules.video import write_video

    base = root / "20bn-something-something-v2"
    base.mkdir(parents=True)
    names = something_names()
    numbers = {name: str(number) for number, name in enumerate(names)}
    (root / "something-something-v2-labels.json").write_text(json.dumps(numbers))
    for part, count, first in (("train", SMALL["train"], 1), ("validation", SMALL["val"], 100)):
        entries = [
            {"id": str(first + n), "label": "", "template": names[n].replace("something", "[something]")}
            for n in range(count)
        ]
        (root / f"something-something-v2-{part}.json").write_text(json.dumps(entries))
        write_video(base / f"{first}.mkv", np.ascontiguousarray(pictures(30)))
        (base / f"{first}.mkv").rename(base / f"{first}.webm")
        write_frames(base / str(first + 1), 30)
    return root


def write_all(root: Path) -> Path:
    """Write the three data sets side by side; return the folder for ``--data-root``."""
    write_egogesture(root / FOLDERS["EgoGesture"])
    write_something(root / FOLDERS["Something V2"])
    write_jester(root / FOLDERS["Jester"])
    return root
