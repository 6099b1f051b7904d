"""Small folders of one's own videos, sound and broken, for the tests of the doctor, the copy and fine-tuning."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from datamodules.decode_all import decoded
from datamodules.decode_index import Decoded
from datamodules.video import write_video


def picture_frames(seed: int, number: int = 6, *, height: int = 32, width: int = 48) -> np.ndarray:
    """Return frames ``(T, H, W, 3)`` of drifting blocks."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    return np.stack([np.roll(blocks, 2 * t, axis=1) for t in range(number)])


def write_own_videos(root: Path, *, train: int = 2, val: int = 1, classes: tuple[str, ...] = ("run", "walk")) -> Path:
    """Write a folder per class under train/ and val/; every video differs."""
    seed = 0
    for split, number in (("train", train), ("val", val)):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for video in range(number):
                seed += 1
                write_video(root / split / name / f"{video}.mp4", picture_frames(seed))
    return root


def decoded_or_crash(path: Path, root: Path) -> Decoded:
    """Decode a video; end the process at one whose name begins with ``crash``, as a fault in a decoder would."""
    if path.name.startswith("crash"):
        os._exit(11)
    return decoded(path, root)
