"""Members of the embedded benchmark: frozen descriptions of generated sets."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datamodules.synthetic.classes import KINDS, Kind, class_names, max_classes, mirror_labels
from datamodules.video import Video

GENERATOR_VERSION = 1  # raise when the same member would give other frames
MANIFEST = "manifest.json"
PARTITIONS = (1, 2, 3)
Subset = Literal["train", "val", "test"]


@dataclass(frozen=True, kw_only=True)
class Nuisances:
    """How strongly each nuisance disturbs at difficulty 1.

    Args:
        drift: slow camera path, in frame widths.
        jitter: frame-to-frame camera shake, standard deviation in frame widths.
        texture: standard deviation of the background's brightness, 0..1.
        distractors: mean number of small moving things.
        flicker: standard deviation of the brightness over time, as a factor.
        noise: sensor noise per pixel and frame, standard deviation, 0..1.
        hue: standard deviation of a thing's hue about its class's, in turns of the colour circle.
    """

    drift: float = 0.10
    jitter: float = 0.008
    texture: float = 0.17
    distractors: float = 1.5
    flicker: float = 0.05
    noise: float = 0.03
    hue: float = 0.02

    def scaled(self, difficulty: float) -> Nuisances:
        """Return every nuisance times ``difficulty``."""
        return Nuisances(**{f.name: difficulty * getattr(self, f.name) for f in dataclasses.fields(self)})


@dataclass(frozen=True, kw_only=True)
class Member:
    """Describe one generated set; implements the ``Source`` protocol of the real data sets.

    The pool of videos depends on all fields but ``name`` and ``partition``; the three partitions divide the same pool
    into train and val differently, like the three official splits of UCF-101.

    Args:
        name: printed name.
        kind: ``scenes``, ``gestures``, ``untrimmed`` or ``source`` (see ``classes.py``).
        seed: of the generator.
        num_classes: K; even for gestures.
        num_train: videos to train on.
        num_val: videos to test on.
        size: height and width in pixels, even.
        frames: shortest and longest video.
        difficulty: factor on all nuisances.
        nuisances: each nuisance at difficulty 1.
        partition: 1, 2 or 3.
        action_fraction: smallest and largest part of an untrimmed video that the labelled action takes.
        other_motion: chance that each of the two gaps before and after it shows a hand doing something else.

    Raises:
        ValueError: a value out of range.
    """

    name: str
    kind: Kind
    seed: int
    num_classes: int
    num_train: int
    num_val: int
    size: int = 40
    frames: tuple[int, int] = (32, 40)
    difficulty: float = 1.0
    nuisances: Nuisances = field(default_factory=Nuisances)
    partition: int = 1
    action_fraction: tuple[float, float] = (0.2, 0.4)
    other_motion: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r}; accepted: {', '.join(KINDS)}")
        if not 2 <= self.num_classes <= max_classes(self.kind):
            raise ValueError(f"num_classes={self.num_classes}; accepted for {self.kind}: 2 to {max_classes(self.kind)}")
        if self.kind == "gestures" and self.num_classes % 2:
            raise ValueError(f"num_classes={self.num_classes}; gestures come in pairs: accepted are even numbers")
        if min(self.num_train, self.num_val) < self.num_classes:
            raise ValueError(
                f"num_train={self.num_train}, num_val={self.num_val}; accepted: at least num_classes={self.num_classes}"
            )
        if self.size < 16 or self.size % 2:
            raise ValueError(f"size={self.size}; accepted: even numbers from 16")
        if not 8 <= self.frames[0] <= self.frames[1]:
            raise ValueError(f"frames={self.frames}; accepted: (shortest, longest) with 8 <= shortest <= longest")
        if self.partition not in PARTITIONS:
            raise ValueError(f"partition={self.partition}; accepted: 1, 2, 3")
        if not 0 < self.action_fraction[0] <= self.action_fraction[1] <= 1:
            raise ValueError(f"action_fraction={self.action_fraction}; accepted: (lowest, highest) in ]0, 1]")
        if self.difficulty < 0 or not 0 <= self.other_motion <= 1:
            raise ValueError(
                f"difficulty={self.difficulty}, other_motion={self.other_motion}; accepted: difficulty >= 0 and "
                "other_motion in [0, 1]"
            )

    @property
    def untrimmed(self) -> bool:
        """Say whether the labelled action fills only a part of a video."""
        return self.kind == "untrimmed"

    @property
    def official_counts(self) -> dict[str, int]:
        """Return nothing: there is no official split."""
        return {}

    @property
    def mirror_labels(self) -> tuple[int, ...]:
        """Return the class that each class becomes when mirrored left to right."""
        return mirror_labels(self.kind, self.num_classes)

    @property
    def num_videos(self) -> int:
        """Return the size of the pool."""
        return self.num_train + self.num_val

    def class_names(self, root: Path | None = None) -> tuple[str, ...]:
        """Return the label order; known without any file."""
        return class_names(self.kind, self.num_classes)

    def label(self, number: int) -> int:
        """Return the class of a video of the pool: classes take turns."""
        return number % self.num_classes

    def numbers(self, subset: Subset) -> tuple[int, ...]:
        """Return the numbers of the videos in a subset, ascending; ``test`` is ``val``.

        Both subsets hold every class equally often, give or take one.

        Raises:
            ValueError: unknown subset.
        """
        if subset not in ("train", "val", "test"):
            raise ValueError(f"subset={subset!r}; accepted: train, val, test")
        rng = np.random.default_rng([self.seed, self.partition])
        by_class = [rng.permutation(np.arange(c, self.num_videos, self.num_classes)) for c in range(self.num_classes)]
        turns = range(len(by_class[0]))
        order = np.array([numbers[turn] for turn in turns for numbers in by_class if turn < len(numbers)])
        chosen = order[: self.num_train] if subset == "train" else order[self.num_train :]
        return tuple(sorted(chosen.tolist()))

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the videos of a subset by number.

        Args:
            root: folder that ``files.prepare`` returned for this member.
            subset: ``train``, ``val``; ``test`` is ``val``.

        Raises:
            ValueError: no folder, or the folder of something else.
        """
        files = {row["number"]: row["file"] for row in read_manifest(root, self)["videos"]}
        names = self.class_names()
        return tuple(
            Video(
                id=Path(files[number]).stem,
                path=pool_folder(root) / files[number],
                label=self.label(number),
                label_name=names[self.label(number)],
            )
            for number in self.numbers(subset)
        )

    def tiny(self) -> Member:
        """Return the smoke test's size: 4 classes, 16 + 8 videos of 32 pixels, rendered in under a second."""
        return dataclasses.replace(
            self,
            name=f"{self.name}, tiny",
            num_classes=4,
            num_train=16,
            num_val=8,
            size=32,
            frames=(64, 64) if self.untrimmed else (34, 34),
        )


def slug(member: Member) -> str:
    """Return the member's name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", member.name.lower()).strip("-")


def describe(member: Member) -> dict[str, Any]:
    """Return what shapes the pool of videos as JSON values: all fields but the name and the partition."""
    fields = json.loads(json.dumps(dataclasses.asdict(member)))
    return {key: value for key, value in fields.items() if key not in ("name", "partition")}


def member_fingerprint(member: Member) -> str:
    """Return 12 hexadecimal digits that identify the pool of videos, without generating it."""
    text = json.dumps({"generator": GENERATOR_VERSION, **describe(member)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def pool_folder(root: Path | None) -> Path:
    """Return the folder of the pool, of which ``root`` is one partition.

    Raises:
        ValueError: no folder given.
    """
    if root is None:
        raise ValueError("the benchmark's videos need the folder that prepare(member, cache_dir) returned; got none")
    return Path(root).parent


def read_manifest(root: Path | None, member: Member) -> dict[str, Any]:
    """Return the pool's manifest.

    Raises:
        ValueError: no folder, no manifest, or the manifest of another member or generator.
    """
    folder = pool_folder(root)
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no {MANIFEST}: it is no folder of the benchmark's videos, or a damaged one; "
            "call prepare(member, cache_dir), after deleting the folder if it exists"
        )
    manifest = json.loads(path.read_text())
    if manifest.get("fingerprint") != member_fingerprint(member):
        raise ValueError(
            f"{folder} holds {manifest.get('name')!r} (fingerprint {manifest.get('fingerprint')}), not {member.name!r} "
            f"({member_fingerprint(member)}); use the folder that prepare returns for this member, or delete it"
        )
    return manifest


def true_segments(root: Path, member: Member, subset: Subset) -> np.ndarray:
    """Return where the labelled action really is; for analysis only, training never sees it.

    Returns:
        ``(n, 2)`` first frame and end frame (one past the last) of the videos in the order of ``member.videos``.
    """
    rows = {row["number"]: (row["first"], row["end"]) for row in read_manifest(root, member)["videos"]}
    return np.array([rows[number] for number in member.numbers(subset)], dtype=np.int64)
