"""Which member of the embedded benchmark stands for which real data set.

A cell's arguments hold every field of its member, so this file takes no part in the hash of a cell's sources: a member
that is added or calibrated here leaves the results on the others as they are.
"""

from __future__ import annotations

import dataclasses

from datamodules.synthetic.members import Member, Nuisances


def _scenes(letter: str, real: str, *, seed: int, difficulty: float, num_classes: int = 12) -> Member:
    return Member(
        name=f"scenes {letter} (for {real})", kind="scenes", seed=seed, difficulty=difficulty, num_classes=num_classes,
        num_train=480, num_val=400,
    )  # fmt: skip


def _gestures(letter: str, real: str, *, seed: int, difficulty: float, nuisances: Nuisances | None = None) -> Member:
    return Member(
        name=f"gestures {letter} (for {real})", kind="gestures", seed=seed, difficulty=difficulty, num_classes=16,
        num_train=960, num_val=480, nuisances=nuisances or Nuisances(),
    )  # fmt: skip


def _source(letter: str, real: str, *, seed: int) -> Member:
    return Member(
        name=f"source {letter} (for {real})", kind="source", seed=seed, num_classes=16, num_train=1200, num_val=160
    )


# Difficulties put the baseline mid-scale, whatever the other rows do: results/README.md has what was measured.
STAND_INS: dict[str, Member] = {
    "UCF-101": _scenes("A", "UCF-101", seed=101, difficulty=2.0),
    "HMDB51": _scenes("B", "HMDB51", seed=51, difficulty=2.8),
    "Mini-Kinetics-200": _scenes("C", "Mini-Kinetics-200", seed=200, difficulty=2.4, num_classes=16),
    "mod-UCF101": _scenes("D", "mod-UCF101", seed=1011, difficulty=2.0),
    "ActivityNet-200": Member(
        name="untrimmed A (for ActivityNet-200)", kind="untrimmed", seed=13, num_classes=8, num_train=480, num_val=400,
        frames=(64, 96), difficulty=2.0,
    ),
    "Jester": _gestures("A", "Jester", seed=27, difficulty=1.0),
    "Something-Something V1": _gestures("B", "Something-Something V1", seed=174, difficulty=1.4),
    "Something-Something V2": _gestures("C", "Something-Something V2", seed=1742, difficulty=1.2),
    "EgoGesture": _gestures("D", "EgoGesture", seed=83, difficulty=1.0, nuisances=Nuisances(drift=0.2, jitter=0.016)),
    "Kinetics-400": _source("A", "Kinetics-400", seed=400),
    "Kinetics-700": _source("B", "Kinetics-700", seed=700),
    "YouTube-8M Segments": _source("C", "YouTube-8M Segments", seed=8),
    "ImageNet": _source("D", "ImageNet", seed=2012),  # its frames are the images: num_frames=1
}  # fmt: skip


def stand_in(name: str, partition: int = 1) -> Member:
    """Return the member that stands for a real data set.

    Args:
        name: the real data set's name, such as ``UCF-101``.
        partition: the official split, 1 to 3.

    Raises:
        ValueError: unknown name or partition.
    """
    if name not in STAND_INS:
        raise ValueError(f"no member of the benchmark stands for {name!r}; accepted: {', '.join(STAND_INS)}")
    return dataclasses.replace(STAND_INS[name], partition=partition)
