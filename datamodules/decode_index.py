"""What decoding every video of a data set once has found: the index that the doctor writes and training reads.

The index is a file of one JSON object per line, ``decode_index.jsonl`` in the folder of the data set, appended video by
video, so that an interrupted run goes on where it stopped. A file that changed since (another size) is unknown again.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datamodules.frame_array import ARRAY_FILE, holds_array
from datamodules.video import Video

INDEX_FILE = "decode_index.jsonl"


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Hold what was found of one file or frame folder.

    Args:
        path: relative to the folder of the data set where it lies below it.
        size: of the file in bytes; the number of files in a frame folder.
        frames: number of frames that were decoded; 0 with an error.
        fps: frames per second on average; None where the container does not say.
        height: of a frame in pixels, upright.
        width: of a frame in pixels, upright.
        rotation: degrees, counter-clockwise, by which frames are turned to be upright.
        truncated: whether the video breaks off, or misses frames.
        error: why no frame can be decoded; empty when it can.
        remark: what else its user should know; empty when there is nothing.
    """

    path: str
    size: int
    frames: int = 0
    fps: float | None = None
    height: int = 0
    width: int = 0
    rotation: int = 0
    truncated: bool = False
    error: str = ""
    remark: str = ""


FIELDS = frozenset(field.name for field in dataclasses.fields(Decoded))


def index_key(path: Path, root: Path) -> str:
    """Return what the index calls a file: its path below root, else its absolute path."""
    path = Path(os.path.abspath(path))
    root = Path(os.path.abspath(root))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def read_index(root: Path) -> dict[str, Decoded]:
    """Return the index of a data set's folder by path, empty without one; of two lines of a file the later counts.

    Raises:
        ValueError: a malformed line, named, other than an unfinished last one.
    """
    path = Path(root) / INDEX_FILE
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").split("\n")
    unfinished = lines.pop()  # empty after a whole line
    found: dict[str, Decoded] = {}
    for number, line in enumerate(lines, start=1):
        entry = _entry(line)
        if entry is None and line.strip():
            raise ValueError(
                f"{path}, line {number}: {line[:80]!r} is no entry of an index; delete the line or the file"
            )
        if entry is not None:
            found[entry.path] = entry
    entry = _entry(unfinished)
    return found if entry is None else found | {entry.path: entry}


def _entry(line: str) -> Decoded | None:
    try:
        values = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(values, dict) or not {"path", "size"} <= values.keys() <= FIELDS:
        return None
    return Decoded(**values)


def append_to_index(root: Path, entries: Iterable[Decoded]) -> None:
    """Add entries to the index as they come, each at once.

    An unfinished last line, of a run that was killed, is taken off first.
    """
    path = Path(root) / INDEX_FILE
    if path.is_file():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)
    with path.open("a", encoding="utf-8") as file:
        for entry in entries:
            file.write(json.dumps(dataclasses.asdict(entry), ensure_ascii=False) + "\n")
            file.flush()


def size_on_disk(path: Path) -> int | None:
    """Return the bytes of a file, or of a video's decoded frames; the number of files in another folder.

    None where nothing is there.
    """
    if holds_array(path):
        return (path / ARRAY_FILE).stat().st_size
    if path.is_dir():
        return sum(1 for _ in path.iterdir())
    return path.stat().st_size if path.exists() else None


def without_undecodable(
    videos: Sequence[Video], root: Path | None
) -> tuple[tuple[Video, ...], tuple[tuple[Video, str], ...]]:
    """Split videos by what the index says of their files; without an index all are kept.

    Args:
        videos: on disk.
        root: folder of the data set.

    Returns:
        ``(decodable or unknown, undecodable with the reason)``, each in the given order.
    """
    index: Mapping[str, Decoded] = {} if root is None else read_index(root)
    broken = {key: entry for key, entry in index.items() if entry.error}
    if not broken or root is None:
        return tuple(videos), ()
    kept: list[Video] = []
    refused: list[tuple[Video, str]] = []
    for video in videos:
        entry = broken.get(index_key(video.path, root))
        if entry is not None and size_on_disk(video.path) == entry.size:
            refused.append((video, entry.error))
        else:
            kept.append(video)
    return tuple(kept), tuple(refused)
