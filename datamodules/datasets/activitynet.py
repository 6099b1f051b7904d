"""ActivityNet-200 v1.3: long untrimmed videos of 200 actions, from the official json.

Caba Heilbron, Escorcia, Ghanem, Niebles: ActivityNet, CVPR 2015; http://activity-net.org, release 1.3. The annotations
are public (MIT, in the authors' repository); the videos are YouTube's and come on request. A part of them is gone:
compare :func:`count_report`.

Format of ``activity_net.v1-3.min.json``: ``{"version", "taxonomy", "database": {<11-character id>:
{"duration", "subset": "training" | "validation" | "testing", "annotations": [{"segment": [start, end],
"label"}], ...}}}``, seconds. Also accepted: ids that carry the ``v_`` of the file names, and a file which is
the inner mapping alone. The test labels are withheld, so ``val`` and ``test`` are both the official
validation subset.

One label per untrimmed video: its dominant one, which covers the longest time (overlapping segments of a
label count once; of equals, the label annotated first). A few official segments have no length or end after
the video: they stay.

Label order: a file ``action_name.csv`` or ``label_map.txt`` (one name per line, a first line ``action`` is
skipped) beside the json or in root, which must name each label of the json once and may name more (a partial
json keeps the full label order); without one, the json's labels in alphabetical order. The json itself has no
order of classes.

Where things are looked for:
    json      ``annotations`` if given, else activity_net.v1-3.min.json in root or one folder below
    videos    v_<id>.mp4, .mkv, .webm, .avi or a folder of frames v_<id>/, anywhere below root
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.datasets.annotation_rows import json_content, numbered_lines
from datamodules.datasets.source import Subset, check_subset, checked_root
from datamodules.video import Video

NUM_CLASSES = 200
OFFICIAL_COUNTS = {"train": 10024, "val": 4926, "test": 4926}
OFFICIAL_SUBSETS = {"train": "training", "val": "validation", "test": "validation"}
JSON_NAME = "activity_net.v1-3.min.json"
LABEL_FILES = ("action_name.csv", "label_map.txt")
SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", "")  # in order of preference; "" is a folder of frames


@dataclass(frozen=True)
class Instance:
    """Hold one annotated action of a video, in seconds."""

    start_sec: float
    end_sec: float
    label: str


@dataclass(frozen=True)
class Entry:
    """Hold one video of the json: its id without ``v_``, its official subset and its annotations."""

    id: str
    subset: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True, kw_only=True)
class ActivityNet200:
    """Read ActivityNet-200 v1.3.

    No class is told apart by left and right, so flipping keeps every label.

    Args:
        trimmed: False: one video per file, the whole of it, with its dominant label. True: one video per
            annotated instance, ``<id>_<number from 0>``, whose label and segment are the instance's (the
            released LIGAR scripts cut such clips); the official counts are then unknown.
        annotations: the json file; None searches (see the module).
    """

    trimmed: bool = False
    annotations: Path | None = None

    @property
    def name(self) -> str:
        """Return the name to print."""
        return "ActivityNet-200 (trimmed)" if self.trimmed else "ActivityNet-200"

    @property
    def untrimmed(self) -> bool:
        """Say whether whole files are read."""
        return not self.trimmed

    @property
    def mirror_labels(self) -> tuple[int, ...]:
        """Return the identity over the 200 classes."""
        return tuple(range(NUM_CLASSES))

    @property
    def official_counts(self) -> dict[str, int]:
        """Return the number of videos per subset; empty for instances."""
        return {} if self.trimmed else dict(OFFICIAL_COUNTS)

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        """Return the label order (see the module).

        Raises:
            ValueError: the label file lacks a label of the json, or repeats one.
        """
        path = self.json_file(root)
        return label_order(path, root, read_entries(path))

    def videos(self, root: Path | None, subset: Subset) -> tuple[Video, ...]:
        """Return the videos of a subset in the json's order; those not on disk get the path ``v_<id>.mp4``.

        Raises:
            ValueError: a malformed entry (file and key are named).
        """
        check_subset(subset)
        root = checked_root(root, source_name=self.name)
        path = self.json_file(root)
        entries = read_entries(path)
        classes = label_order(path, root, entries)
        label_of = {name: label for label, name in enumerate(classes)}
        on_disk = files_by_id(root)
        videos = []
        for entry in entries:
            if entry.subset != OFFICIAL_SUBSETS[subset]:
                continue
            file = on_disk.get(entry.id, root / f"v_{entry.id}.mp4")
            if self.trimmed:
                videos += [
                    Video(
                        id=f"{entry.id}_{number}",
                        path=file,
                        label=label_of[instance.label],
                        label_name=instance.label,
                        start_sec=instance.start_sec,
                        end_sec=instance.end_sec,
                    )
                    for number, instance in enumerate(entry.instances)
                ]
            else:
                name = dominant_label(entry.instances)
                videos.append(Video(id=entry.id, path=file, label=label_of[name], label_name=name))
        return tuple(videos)

    def json_file(self, root: Path | None) -> Path:
        """Return the annotation file (see the module for where it is looked for).

        Raises:
            ValueError: none or several found.
        """
        if self.annotations is not None:
            if not Path(self.annotations).is_file():
                raise ValueError(f"annotations={str(self.annotations)!r} is no file")
            return Path(self.annotations)
        root = checked_root(root, source_name=self.name)
        if (root / JSON_NAME).is_file():
            return root / JSON_NAME
        found = sorted(root.glob(f"*/{JSON_NAME}"))
        if len(found) != 1:
            seen = f"several were found: {', '.join(map(str, found))}" if found else "none was found"
            raise ValueError(f"{self.name}: {JSON_NAME} is looked for in {root} and one folder below; {seen}")
        return found[0]


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Read every video of an annotation file, in its order.

    Raises:
        ValueError: no json, or a malformed entry; the file and the key are named.
    """
    content = json_content(path)
    database = content.get("database", content) if isinstance(content, dict) else content
    if not isinstance(database, dict) or not database:
        raise ValueError(f"{path} holds no mapping from video id to annotations")
    entries = tuple(read_entry(key, value, where=f"{path}, {key!r}") for key, value in database.items())
    if len({entry.id for entry in entries}) != len(entries):
        raise ValueError(f"{path} lists a video twice, with and without 'v_'")
    return entries


def read_entry(key: str, value: Any, *, where: str) -> Entry:
    """Read one video.

    Raises:
        ValueError: a missing field, an unknown subset, a labelled subset without annotations, or a malformed
            segment.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("annotations"), list):
        raise ValueError(f"{where}: expected a mapping with 'subset' and a list 'annotations'")
    subset = value.get("subset")
    if subset not in ("training", "validation", "testing"):
        raise ValueError(f"{where}: subset={subset!r}; accepted: training, validation, testing")
    if subset != "testing" and not value["annotations"]:
        raise ValueError(f"{where}: a {subset} video without annotations")
    instances = tuple(
        read_instance(annotation, where=f"{where}, annotation {number}")
        for number, annotation in enumerate(value["annotations"])
    )
    # An 11-character id may itself begin with "v_": only a longer key carries the prefix of the file names.
    return Entry(key[2:] if key.startswith("v_") and len(key) > 11 else key, subset, instances)


def read_instance(annotation: Any, *, where: str) -> Instance:
    """Read one annotated action.

    Raises:
        ValueError: no label, or a segment that is not two times in order from 0.
    """
    if not isinstance(annotation, Mapping):
        raise ValueError(f"{where}: {annotation!r}; expected a mapping with 'segment' and 'label'")
    label, segment = annotation.get("label"), annotation.get("segment")
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f"{where}: label={label!r}; expected a name")
    times = segment if isinstance(segment, list) else []
    times = [float(t) for t in times if isinstance(t, int | float) and math.isfinite(t)]
    if not isinstance(segment, list) or len(segment) != 2 or len(times) != 2 or not 0 <= times[0] <= times[1]:
        raise ValueError(f"{where}: segment={segment!r}; expected [start, end] in seconds, 0 <= start <= end")
    return Instance(times[0], times[1], label.strip())


def dominant_label(instances: tuple[Instance, ...]) -> str:
    """Return the label that covers the longest time; of equals, the one annotated first."""
    covered: dict[str, float] = {instance.label: 0.0 for instance in instances}
    until = dict.fromkeys(covered, 0.0)
    for instance in sorted(instances, key=lambda instance: instance.start_sec):
        start = max(instance.start_sec, until[instance.label])
        covered[instance.label] += max(0.0, instance.end_sec - start)
        until[instance.label] = max(until[instance.label], instance.end_sec)
    return max(covered, key=lambda label: covered[label])


def label_order(path: Path, root: Path | None, entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Return the label order of a label file beside the json or in root, else the labels sorted.

    Raises:
        ValueError: the label file lacks a label of the json, or repeats one.
    """
    used = {instance.label for entry in entries for instance in entry.instances}
    for folder in (path.parent, root):
        for name in LABEL_FILES:
            if folder is None or not (folder / name).is_file():
                continue
            lines = numbered_lines(folder / name)
            names = tuple(text for line, text in lines if (line, text) != (1, "action"))
            repeated = sorted({label for label in names if names.count(label) > 1})
            if repeated or not used <= set(names):
                raise ValueError(
                    f"{folder / name} must name each label of {path} once; "
                    f"missing: {sorted(used - set(names))[:5]}, repeated: {repeated[:5]}"
                )
            return names
    return tuple(sorted(used))


def files_by_id(root: Path) -> dict[str, Path]:
    """Find ``v_<id>`` files and frame folders below root; of several of one id the best suffix wins."""
    found: dict[str, tuple[int, str, Path]] = {}
    for folder, folders, files in os.walk(root, followlinks=True):
        names = [(name, "") for name in folders if name.startswith("v_")]
        names += [os.path.splitext(name) for name in files if name.startswith("v_") and "." in name]
        for stem, suffix in names:
            if suffix.lower() in SUFFIXES:
                candidate = SUFFIXES.index(suffix.lower()), folder, Path(folder) / (stem + suffix)
                found[stem[2:]] = min(found.get(stem[2:], candidate), candidate)
        folders[:] = [name for name in folders if not name.startswith("v_")]
    return {key: path for key, (_, _, path) in found.items()}
