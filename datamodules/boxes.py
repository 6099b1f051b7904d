"""Where the actor is: one box per video, from a file that a detector wrote, or the true one on the benchmark."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from datamodules.synthetic.members import Member
from datamodules.synthetic.script import script
from datamodules.transforms.tailor import Box, Tailor
from datamodules.video import Video
from datamodules.video_sampling import FrameReader

BOXES_FILE = "boxes.npz"
COMMAND = "python experiments/tools/boxes.py"


def write_boxes(path: Path, boxes: Mapping[str, Box | None], *, detector: str) -> None:
    """Write a boxes file, whole or not at all.

    Args:
        path: of the file, ``boxes.npz`` in the data set's folder.
        boxes: by :func:`box_key`; None: nobody was found.
        detector: what found them, as a user is to read it.
    """
    nobody = (np.nan,) * 4
    rows = np.array([nobody if box is None else box for box in boxes.values()], dtype=np.float32).reshape(-1, 4)
    unfinished = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.npz")
    np.savez_compressed(unfinished, ids=np.array(list(boxes), dtype=np.str_), boxes=rows, detector=np.array(detector))
    os.replace(unfinished, path)


def read_boxes(path: Path) -> dict[str, Box | None]:
    """Read a boxes file.

    Raises:
        ValueError: there is none, or it is damaged, or a box lies outside of its frame.
    """
    if not path.is_file():
        raise ValueError(f"there is no {path}: write it with `{COMMAND}`, or run without tailoring (tailor=None)")
    try:
        with np.load(path) as stored:
            ids, rows = stored["ids"].tolist(), stored["boxes"]
            pairs = list(zip(ids, rows.tolist(), strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is no boxes file, or damaged ({error}); write it again with `{COMMAND}`") from error
    found: dict[str, Box | None] = {}
    for name, row in pairs:
        if np.isnan(row).any():
            found[name] = None
            continue
        left, top, right, bottom = row
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"{path}: the box {row} of {name!r} is no left, top, right, bottom within 0 to 1")
        found[name] = (left, top, right, bottom)
    return found


def detector_of(path: Path) -> str:
    """Return what found the boxes of a file that :func:`read_boxes` accepts; nothing where it does not say."""
    with np.load(path) as stored:
        return str(stored["detector"]) if "detector" in stored else ""


def boxes_of(videos: Sequence[Video], path: Path) -> tuple[Box | None, ...]:
    """Return the box of each video.

    Raises:
        ValueError: see :func:`read_boxes`; or a video that the file does not list.
    """
    known = read_boxes(path)
    keys = [box_key(video, path.parent) for video in videos]
    missing = [key for key in keys if key not in known]
    if missing:
        raise ValueError(
            f"{path} lists {len(known)} videos and lacks {len(missing)}, first {missing[0]!r}: run `{COMMAND}` again, "
            "it adds what is missing"
        )
    return tuple(known[key] for key in keys)


def box_key(video: Video, root: Path) -> str:
    """Return the name of a video, or of the labelled part of one, in the boxes file of the folder that holds it."""
    inside = video.path.is_relative_to(root)
    name = (video.path.relative_to(root) if inside else video.path).as_posix()
    part = [video.start_sec, video.end_sec, video.start_frame, video.end_frame]
    return name if part == [None] * 4 else f"{name} {':'.join('' if side is None else f'{side:g}' for side in part)}"


def true_boxes(member: Member, subset: str) -> tuple[Box | None, ...]:
    """Return where the labelled actor of each video of a benchmark member really is: what a perfect detector finds."""
    name = "train" if subset == "train" else "val"
    return tuple(true_box(member, number) for number in member.numbers(name))  # type: ignore[arg-type]


def true_box(member: Member, number: int) -> Box:
    """Return the box that the labelled actor stays in during its action."""
    plan = script(member, number)
    actor, during = plan.actors[0], slice(plan.first, plan.end)
    stretch = np.sqrt(actor.pose.aspect[during])
    reach = actor.sprite.radius * actor.pose.zoom[during] * np.maximum(stretch, 1 / stretch)
    x = 0.5 + actor.pose.x[during] - plan.camera[0][during]
    y = 0.5 + actor.pose.y[during] - plan.camera[1][during]
    sides = ((x - reach).min(), (y - reach).min(), (x + reach).max(), (y + reach).max())
    left, top, right, bottom = (float(np.clip(side, 0, 1)) for side in sides)
    return (left, top, max(right, left + 0.02), max(bottom, top + 0.02)) if left < 0.98 and top < 0.98 else (0, 0, 1, 1)


class TailoredReader:
    """Read frames tailored to each video's box.

    Args:
        reader: of the whole frames.
        boxes: by position.
        tailor: how.
    """

    def __init__(self, reader: FrameReader, boxes: Sequence[Box | None], tailor: Tailor) -> None:
        self.reader, self.boxes, self.tailor = reader, tuple(boxes), tailor

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """See :class:`~datamodules.video_sampling.FrameReader`."""
        frames, indices, num_frames = self.reader.read(index, choose)
        return self.tailor(frames, self.boxes[index]), indices, num_frames
