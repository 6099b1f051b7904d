"""Mini-Kinetics-200: 80,000 + 5,000 clips of the 200 largest classes of Kinetics-400.

Xie, Sun, Huang, Tu, Murphy: Rethinking Spatiotemporal Feature Learning, ECCV 2018; the two lists are published by the
first author (https://github.com/s9xie/Mini-Kinetics-200) without a stated licence. 400 training and 25 validation
clips per class. Other sets of this name exist (121,215 + 9,867 clips in AR-Net); this is the one of the paper above.
``val`` and ``test`` are both the validation list.

Lists: ``train_ytid_list.txt`` and ``val_ytid_list.txt``, one YouTube id per line. They have neither labels nor times,
which come from Kinetics-400's csv lists (:mod:`datamodules.datasets.kinetics`) by id. Label order: alphabetical.

Where things are looked for:
    lists     ``annotations`` if given, else root, <root>/annotations; Kinetics-400's lists in the same places, and
              in <root>/kinetics400
    videos    as for Kinetics-400
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.datasets.annotation_rows import annotation_file, check_classes, check_count, numbered_lines
from datamodules.datasets.kinetics import YOUTUBE_ID, Clip, clip_videos, list_names, read_clips
from datamodules.datasets.source import Subset, check_subset, checked_root
from datamodules.video import Video

NUM_CLASSES = 200
PER_CLASS = {"train": 400, "val": 25}
LISTS = {"train": "train_ytid_list.txt", "val": "val_ytid_list.txt"}


@dataclass(frozen=True, kw_only=True)
class MiniKinetics200:
    """Read Mini-Kinetics-200; ``val`` and ``test`` are both its validation list.

    No class is told apart by left and right, so flipping keeps every label.

    Args:
        annotations: folder of the id lists and of Kinetics-400's lists; None searches (see the module).
    """

    annotations: Path | None = None

    name: ClassVar[str] = "Mini-Kinetics-200"
    untrimmed: ClassVar[bool] = False
    mirror_labels: ClassVar[tuple[int, ...]] = tuple(range(NUM_CLASSES))
    official_counts: ClassVar[Mapping[str, int]] = {"train": 80_000, "val": 5_000, "test": 5_000}

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the labels of the validation list, in alphabetical order.

        Raises:
            ValueError: see :meth:`clips`.
        """
        return tuple(sorted({clip.label for clip in self.clips(root, "val")}))

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the list of a subset in its order; those not on disk keep the path they should have.

        Raises:
            ValueError: see :meth:`clips`; or the two lists differ in their labels.
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        names = self.class_names(root)
        clips = self.clips(root, "train" if subset == "train" else "val")
        unknown = sorted({clip.label for clip in clips} - set(names))
        if unknown:
            raise ValueError(f"{self.name}: the validation list has no clip of {unknown[:5]}, which the other list has")
        return clip_videos(clips, names, root)

    def clips(self, root: Path | None, split: str) -> list[Clip]:
        """Return the listed clips of ``train`` or ``val``, with the label and the times that Kinetics-400 gives them.

        Raises:
            ValueError: a list is not found or malformed, an id is not in Kinetics-400's list, or the numbers of
                classes or of clips per class are not the official ones.
        """
        path = annotation_file((LISTS[split],), root, self.annotations, source_name=self.name)
        kinetics = annotation_file(
            list_names(400, split),
            root,
            self.annotations,
            source_name=self.name,
            places=("", "annotations", "kinetics400"),
        )
        clips = join(path, kinetics, split)
        check_count(path, len(clips), self.official_counts[split])
        per_class = Counter(clip.label for clip in clips)
        check_classes(path, tuple(per_class), NUM_CLASSES, source_name=self.name)
        wrong = {label: count for label, count in sorted(per_class.items()) if count != PER_CLASS[split]}
        if wrong:
            raise ValueError(
                f"{path} with {kinetics} gives numbers of clips {dict(list(wrong.items())[:5])}; "
                f"expected {PER_CLASS[split]} of each class"
            )
        return clips


def join(path: Path, kinetics: Path, split: str) -> list[Clip]:
    """Look the ids of a list up in Kinetics-400's list of the same split.

    Raises:
        ValueError: a row that is no YouTube id, an id listed twice, or one that Kinetics-400 does not have; file and
            line are named.
    """
    clip_of = {clip.youtube_id: clip for clip in read_clips(kinetics, split)}
    clips: list[Clip] = []
    first_line: dict[str, int] = {}
    for line, text in numbered_lines(path):
        if not YOUTUBE_ID.fullmatch(text):
            raise ValueError(f"{path}, line {line}: {text!r}; expected a YouTube id, 11 letters, digits, - or _")
        if text in first_line:
            raise ValueError(f"{path}, line {line}: {text} is already on line {first_line[text]}")
        if text not in clip_of:
            raise ValueError(f"{path}, line {line}: {text} is not in {kinetics}")
        first_line[text] = line
        clips.append(clip_of[text])
    return clips
