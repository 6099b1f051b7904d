"""mod-UCF101: UCF-101 as the VIPriors 2020 challenge cut it for training from scratch.

Kayhan et al.: VIPriors 1: Visual Inductive Priors for Data-Efficient Deep Learning Challenges, 2021; the lists are in
the history of the challenge's toolkit (MIT). 4,795 training, 4,742 validation, 3,783 test clips. No files of its own
are needed: all follows from UCF-101's split 1 (:mod:`datamodules.datasets.ucf101`, also for where files are looked
for and the licence). Class by class in the order of classInd.txt, the first half of trainlist01 (rounded up) is for
training, the other half for validation, and testlist01 for testing. The challenge renamed the clips in this order
(``video_train_0000001.avi``) and permuted the classes' numbers, which :func:`challenge_list` regenerates; here clips
and labels keep their UCF-101 names and order. :func:`submission_lines` writes what the challenge's server took.

Groups of clips of one scene lie on both sides of a cut through a class: 73 groups, of which 210 of the 4,742
validation clips, also have clips in training (:func:`shared_groups`). Validation accuracy is too high by what that
gives; the test split shares none.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.datasets.source import Subset, check_subset
from datamodules.datasets.ucf101 import NUM_CLASSES, UCF101
from datamodules.video import Video

OFFICIAL_COUNTS = {"train": 4_795, "val": 4_742, "test": 3_783}
CHALLENGE_NAMES = {"train": "train", "val": "validation", "test": "test"}
CHALLENGE_SEED = 1992
SUBMITTED_CLASSES = 5


@dataclass(frozen=True, kw_only=True)
class ModUCF101:
    """Read mod-UCF101 from UCF-101's original lists.

    No class is told apart by left and right, so flipping keeps every label; the challenge report also plays clips
    backwards under the same label.

    Args:
        train_with_val: train on both halves of UCF-101's training list, as for a submission to the challenge.
        annotations: folder which holds UCF-101's classInd.txt; None searches as there.
    """

    train_with_val: bool = False
    annotations: Path | None = None

    name: ClassVar[str] = "mod-UCF101"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...]] = tuple(range(NUM_CLASSES))
    reverse_labels: ClassVar[tuple[int, ...]] = tuple(range(NUM_CLASSES))

    @property
    def official_counts(self) -> Mapping[str, int]:
        """Return the number of clips per subset."""
        extra = OFFICIAL_COUNTS["val"] if self.train_with_val else 0
        return OFFICIAL_COUNTS | {"train": OFFICIAL_COUNTS["train"] + extra}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the names of UCF-101's classInd.txt in its order; its errors are those of UCF-101."""
        return UCF101(split=1, annotations=self.annotations).class_names(root)

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the clips of a subset in the challenge's order; with both halves, training before validation.

        Raises:
            ValueError: UCF-101's lists are not found, malformed or incomplete.
        """
        check_subset(subset)
        listed = UCF101(split=1, annotations=self.annotations).videos(root, "test" if subset == "test" else "train")
        by_class: list[list[Video]] = [[] for _ in range(NUM_CLASSES)]
        for video in listed:
            by_class[video.label].append(video)
        if subset == "test":
            return tuple(video for videos in by_class for video in videos)
        halves = [(len(videos) + 1) // 2 for videos in by_class]
        train = tuple(video for videos, half in zip(by_class, halves, strict=True) for video in videos[:half])
        val = tuple(video for videos, half in zip(by_class, halves, strict=True) for video in videos[half:])
        if subset == "val":
            return val
        return train + val if self.train_with_val else train


def challenge_class_numbers() -> tuple[int, ...]:
    """Return the number from 1 that the challenge gave to each class, by label."""
    numbers = list(range(1, NUM_CLASSES + 1))
    random.Random(CHALLENGE_SEED).shuffle(numbers)
    return tuple(numbers)


def challenge_list(videos: Sequence[Video], subset: Subset) -> tuple[str, ...]:
    """Return the challenge's list of a subset: new file names, and the class numbers except in the test list.

    Args:
        videos: all of the subset, in the order of :meth:`ModUCF101.videos` (of training alone, without validation).
        subset: ``train``, ``val`` or ``test``.

    Raises:
        ValueError: not as many videos as the subset has.
    """
    check_subset(subset)
    if len(videos) != OFFICIAL_COUNTS[subset]:
        raise ValueError(f"{len(videos)} videos; the {subset} list of the challenge has {OFFICIAL_COUNTS[subset]}")
    numbers = challenge_class_numbers()
    return tuple(
        f"video_{CHALLENGE_NAMES[subset]}_{position:07d}.avi" + ("" if subset == "test" else f" {numbers[video.label]}")
        for position, video in enumerate(videos, start=1)
    )


def shared_groups(train: Sequence[Video], val: Sequence[Video]) -> dict[str, int]:
    """Return the groups (``v_Class_gXX``) with clips on both sides, and how many clips of ``val`` each has."""
    trained = {group(video) for video in train}
    return {name: count for name, count in Counter(map(group, val)).items() if name in trained}


def group(video: Video) -> str:
    """Return the group of a clip: its name without the clip number."""
    return video.id.rpartition("_c")[0]


def submission_lines(rankings: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return the challenge's submission: a test clip and its most likely classes a line, best first.

    Args:
        rankings: of every test clip, in the order of :meth:`ModUCF101.videos`, labels from the likeliest on; five
            count, fewer may be given, none counts as wrong.

    Raises:
        ValueError: not one ranking per test clip, a label that there is none of, or one that stands twice.
    """
    if len(rankings) != OFFICIAL_COUNTS["test"]:
        raise ValueError(f"{len(rankings)} rankings; the challenge's test split has {OFFICIAL_COUNTS['test']} clips")
    numbers = challenge_class_numbers()
    lines = []
    for position, labels in enumerate(rankings, start=1):
        best = list(labels)[:SUBMITTED_CLASSES]
        if len({*best}) < len(best) or not {*best} <= {*range(NUM_CLASSES)}:
            raise ValueError(f"clip {position} has the labels {best}; accepted: different ones from 0 to "
                             f"{NUM_CLASSES - 1}")  # fmt: skip
        lines.append(" ".join([f"video_test_{position:07d}.avi", *(str(numbers[label]) for label in best)]))
    return tuple(lines)
