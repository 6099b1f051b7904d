"""CrossNorm on pixels: give a clip the colour statistics of another one, taken from a pool file.

LIGAR, Sec. V.i names it (after Tang et al., CrossNorm and SelfNorm, ICCV 2021); the form is the released
code's. The pool is a text file with one line per clip, ``mean,mean,mean std,std,std`` (RGB, 0..255), written
by :func:`write_pool`. The released code does nothing when the file is absent; here that is an error. A recipe states
the step alone; the data module says which pool belongs to its videos when it builds a loader.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from datamodules.transforms.draw import draw_once_or_per_clip

MIN_STD = 1e-3  # a clip with a flatter channel is left alone
MIN_POOL_STATISTIC = 1.0  # darker or flatter clips do not join the pool


@dataclass(frozen=True, kw_only=True)
class CrossNorm:
    """Give each channel of a clip the mean and standard deviation of a random clip of the pool.

    Statistics are over T, H and W of each clip; results are clamped to 0..255, so that they are met but for
    clamping and rounding. A clip with a channel of standard deviation up to 0.001 stays as it is.

    Args:
        pool: file of clip statistics, or several; ``"of source"``: the data module's choice.
        per_clip: draw from the pool for each clip (LIGAR does).

    Raises:
        ValueError: the file is missing, empty or malformed (file and line are named).
    """

    pool: Path | tuple[Path, ...] | Literal["of source"] = "of source"
    per_clip: bool = False

    def __post_init__(self) -> None:
        if self.pool == "of source":
            return
        files = self.pool if isinstance(self.pool, tuple) else (self.pool,)
        object.__setattr__(self, "_statistics", np.concatenate([read_pool(Path(file)) for file in files]))

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips of the same shape and the same label.

        Raises:
            ValueError: the pool is not known yet.
        """
        if self.pool == "of source":
            raise ValueError("CrossNorm does not know its pool yet: the data module says which it is")
        return draw_once_or_per_clip(self._normalise, clips, rng, per_clip=self.per_clip), label

    def _normalise(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        statistics: np.ndarray = self._statistics  # type: ignore[attr-defined]
        drawn = torch.from_numpy(statistics[rng.integers(len(statistics))])  # (2, 3)
        target_mean, target_std = drawn[:, :, None, None]  # (3, 1, 1) each
        changed = []
        for clip in clips:
            mean, std = clip_statistics(clip)[..., None, None]  # (3, 1, 1) each
            if bool((std > MIN_STD).all()):
                clip = (clip.float() - mean) * (target_std / std) + target_mean
                clip = clip.round().clamp(0, 255).to(torch.uint8)
            changed.append(clip)
        return torch.stack(changed)


def clip_statistics(clip: Tensor) -> Tensor:
    """Return the mean and (population) standard deviation of each channel over time and space.

    Args:
        clip: ``(T, 3, H, W)``, 0..255.

    Returns:
        ``(2, 3)``: means, standard deviations.
    """
    values = clip if clip.is_floating_point() else clip.float()
    std, mean = torch.std_mean(values, dim=(0, 2, 3), correction=0)
    return torch.stack([mean, std])


def write_pool(statistics: Iterable[Tensor], path: Path) -> int:
    """Write a pool file, whole or not at all.

    Args:
        statistics: ``(2, 3)`` each, by :func:`clip_statistics` from clips prepared as for testing (centre crops, not
            normalised). Those with a mean or standard deviation up to 1 are left out.
        path: the file to write.

    Returns:
        Number of lines written.

    Raises:
        ValueError: no clip is left.
    """
    rows = [row for row in statistics if bool((row > MIN_POOL_STATISTIC).all())]
    if not rows:
        raise ValueError("no clip has means and standard deviations above 1 in all channels: the pool would be empty")
    lines = [" ".join(",".join(f"{number:.4f}" for number in triple) for triple in row.tolist()) for row in rows]
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return len(rows)


def read_pool(path: Path) -> np.ndarray:
    """Read a pool file.

    Returns:
        ``(clips, 2, 3)`` float32: means and standard deviations.

    Raises:
        ValueError: the file is missing, empty or malformed (file and line are named).
    """
    if not path.is_file():
        raise ValueError(f"CrossNorm: the pool file {str(path)!r} does not exist; write_pool makes one")
    rows = []
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            row = [[float(number) for number in triple.split(",")] for triple in text.split()]
        except ValueError:
            row = []
        numbers = [number for triple in row for number in triple]
        if [len(triple) for triple in row] != [3, 3] or not all(math.isfinite(n) and n >= 0 for n in numbers):
            raise ValueError(f"{path}, line {line}: {text!r}; expected 'mean,mean,mean std,std,std'")
        rows.append(row)
    if not rows:
        raise ValueError(f"{path} holds no clip statistics")
    return np.array(rows, dtype=np.float32)
