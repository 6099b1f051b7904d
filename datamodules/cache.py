"""Decode a data set once: every video scaled to one short side, as an array that training maps into memory.

The copy is a data set like the original one: --data-root COPY trains on it. Each video, file or frame folder, becomes a
folder of the same name with frames.npy, (T, H, W, 3) uint8, and frames.json with its rate and the SHA-256 of its
frames; annotation files are copied. Clips tested at that short side are the same, bit for bit, as decoded ones; recipes
that crop from larger frames differ, so results made from a copy carry its own fingerprint.

The size is estimated, and asked for, before anything is written. An interrupted run goes on where it stopped. --verify
reads a copy and compares the hashes. Undecodable videos are kept as such: left out of training, wrong at test.

Run: python -m datamodules.cache ucf101 --data-root DATA --short-side 256 --to COPY --jobs 8
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.check import add_source_arguments, reported, source_and_root
from datamodules.datasets.source import IMAGE_SUFFIXES, SUBSETS, VIDEO_SUFFIXES, missing_videos
from datamodules.decode_all import CRASHED, chunks, in_processes
from datamodules.decode_index import INDEX_FILE, index_key, read_index, size_on_disk
from datamodules.frame_array import ARRAY_FILE, FACTS_FILE
from datamodules.video import UndecodableVideoError, open_video

PROBES = 40  # videos that are opened to estimate the size of those that the index does not know
MOST_ANNOTATION_BYTES = 500 * 2**20  # a larger file is no list


@dataclass(frozen=True)
class Estimate:
    """Hold how much a copy would take.

    Args:
        videos: files and frame folders to decode.
        frames: of them all.
        size: bytes of them all.
    """

    videos: int
    frames: int
    size: int

    def __str__(self) -> str:
        return f"{self.videos:,} videos, about {self.frames:,} frames, {self.size / 1e9:,.3g} GB"


def main(argv: Sequence[str] | None = None) -> int:
    """Write or verify a copy; return the exit status: 0, or 1 after an error, a refusal or a damaged copy."""
    parse = argparse.ArgumentParser(
        prog="python -m datamodules.cache", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_source_arguments(parse)
    parse.add_argument("--short-side", type=int, default=256, metavar="PIXELS", help="of the frames (default 256)")
    parse.add_argument("--to", type=Path, required=True, metavar="COPY", help="folder of the copy")
    parse.add_argument("--yes", action="store_true", help="write without asking")
    parse.add_argument("--verify", action="store_true", help="write nothing: compare a copy with its hashes")
    given = parse.parse_args(argv)
    try:
        source, root = source_and_root(given)
        if given.short_side < 1:
            raise ValueError(f"--short-side {given.short_side}: must be 1 or more")
        if given.to.resolve() == root.resolve():
            raise ValueError(f"--to {given.to}: the copy needs a folder of its own")
        paths = video_paths(source, root)
        return verify(paths, root, given.to, given.jobs) if given.verify else write(paths, root, given)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def video_paths(source: Any, root: Path) -> list[Path]:
    """Return the files and frame folders on disk of all subsets, each once.

    Raises:
        ValueError: none, or one that does not lie below the folder of the data set.
    """
    present = [missing_videos(source.videos(root, subset))[0] for subset in SUBSETS]  # type: ignore[arg-type]
    paths = list(dict.fromkeys(video.path for videos in present for video in videos))
    outside = [path for path in paths if Path(index_key(path, root)).is_absolute()]
    if outside:
        raise ValueError(f"{outside[0]} does not lie below {root}; a copy holds what does")
    if not paths:
        raise ValueError(f"{source.name}: no video is on disk under {root}")
    return paths


def write(paths: Sequence[Path], root: Path, given: argparse.Namespace) -> int:
    """Ask, then write what the copy lacks; return the exit status."""
    target: Path = given.to
    todo = [path for path in paths if not is_written(path, target / index_key(path, root), given.short_side)]
    expected = estimate(todo, root, given.short_side)
    place = next(folder for folder in (target.absolute(), *target.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    print(f"to write: {expected}; free on that disk: {free / 1e9:,.1f} GB")
    if expected.size > free:
        raise ValueError(f"{target}: there is no room for {expected.size / 1e9:,.1f} GB; take a smaller --short-side")
    if todo and not given.yes and input("write it? [y/N] ").strip().lower() not in ("y", "yes"):
        print("nothing was written")
        return 1
    copy_annotations(paths, root, target)
    decode = partial(write_video_array, root=root, target=target, short_side=given.short_side)
    crashed = partial(write_undecodable, root=root, target=target, short_side=given.short_side, error=CRASHED)
    errors = [e for e in reported(in_processes(decode, todo, jobs=given.jobs, crashed=crashed), len(todo)) if e]
    print(
        f"{target}: {len(paths):,} videos, {len(errors):,} undecodable{': ' if errors else ''}{'; '.join(errors[:10])}"
    )
    return 0


def estimate(paths: Sequence[Path], root: Path, short_side: int) -> Estimate:
    """Return what decoded frames of these videos take; from the index, else from some of them.

    Args:
        paths: videos on disk.
        root: folder of the data set.
        short_side: of the frames in pixels.
    """
    index = read_index(root)
    known = [entry for path in paths if (entry := index.get(index_key(path, root))) is not None]
    sizes = [(entry.frames, frame_bytes(entry.height, entry.width, short_side)) for entry in known if not entry.error]
    unknown = [path for path in paths if index_key(path, root) not in index]
    probed: list[tuple[int, int]] = []
    for path in unknown[:: max(1, len(unknown) // PROBES)]:
        try:
            with open_video(path) as video:
                probed.append((video.num_frames, frame_bytes(video.height, video.width, short_side)))
        except UndecodableVideoError:
            probed.append((0, 0))
    share = len(unknown) / max(1, len(probed))
    frames = sum(n for n, _ in sizes) + share * sum(n for n, _ in probed)
    size = sum(n * b for n, b in sizes) + share * sum(n * b for n, b in probed)
    return Estimate(len(paths), round(frames), round(size))


def frame_bytes(height: int, width: int, short_side: int) -> int:
    """Return the bytes of a frame scaled to a short side."""
    scale = short_side / min(height, width)
    return 3 * round(height * scale) * round(width * scale)


def copy_annotations(paths: Sequence[Path], root: Path, target: Path) -> None:
    """Copy every file below the data set's folder that is neither a video nor a frame, nor the index."""
    videos = {os.path.abspath(path) for path in paths}
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [n for n in subfolders if os.path.abspath(os.path.join(folder, n)) not in videos]
        subfolders[:] = [n for n in subfolders if Path(folder, n).resolve() != target.resolve()]
        for name in files:
            file = Path(folder, name)
            no_list = {*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, ".npy"}
            if file.suffix.lower() in no_list or name == INDEX_FILE or file.stat().st_size > MOST_ANNOTATION_BYTES:
                continue
            copied = target / file.relative_to(root)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)


def is_written(path: Path, folder: Path, short_side: int) -> bool:
    """Say whether the copy of a video is there, of the same original and short side."""
    try:
        facts = json.loads((folder / FACTS_FILE).read_text())
    except (OSError, ValueError):
        return False
    return (facts.get("short_side"), facts.get("original_size")) == (short_side, size_on_disk(path))


def write_video_array(path: Path, *, root: Path, target: Path, short_side: int) -> str:
    """Decode one video into its folder of the copy, which appears when it is complete.

    Returns:
        Empty, or why the video cannot be decoded.
    """
    import torch

    torch.set_num_threads(1)
    unfinished = unfinished_folder(path, root, target)
    digest = hashlib.sha256()
    try:
        with open_video(path) as video, (unfinished / ARRAY_FILE).open("wb") as file:
            shape: tuple[int, ...] = ()
            for frames in scaled_chunks(video, short_side):
                if not shape:
                    shape = frames.shape[1:]
                    file.write(array_header(video.num_frames, shape))
                digest.update(frames.data)
                file.write(frames.data)
            file.seek(0)
            file.write(array_header(video.num_frames, shape))  # decoding may have found fewer than expected
            facts: dict[str, Any] = {"fps": video.fps, "truncated": video.truncated, "frames": video.num_frames}
    except UndecodableVideoError as error:
        return write_undecodable(path, root=root, target=target, short_side=short_side, error=error.reason)
    facts |= {"short_side": short_side, "original_size": size_on_disk(path), "sha256": digest.hexdigest()}
    finish(unfinished, target / index_key(path, root), facts)
    return ""


def scaled_chunks(video: Any, short_side: int) -> Iterator[np.ndarray]:
    """Yield the frames of an open video as tests scale them, ``(n, H, W, 3)``, in parts that fit into memory."""
    import torch

    from datamodules.transforms import ShortSide

    scale = ShortSide(size=short_side)
    for start, number in chunks(video):
        frames = video.read(range(start, start + number))[: max(0, video.num_frames - start)]
        if len(frames):
            clips = torch.from_numpy(frames[None]).permute(0, 1, 4, 2, 3)  # (1, n, C, H, W)
            clips, _ = scale(clips, 0, np.random.default_rng(0))
            yield np.ascontiguousarray(clips[0].permute(0, 2, 3, 1).numpy())


def array_header(num_frames: int, shape: tuple[int, ...]) -> bytes:
    """Return the header of frames.npy; of one length for every number of frames (NumPy leaves room for it)."""
    buffer = BytesIO()
    facts = {"descr": "|u1", "fortran_order": False, "shape": (num_frames, *shape)}
    np.lib.format.write_array_header_1_0(buffer, facts)
    return buffer.getvalue()


def write_undecodable(path: Path, *, root: Path, target: Path, short_side: int, error: str) -> str:
    """Keep an undecodable video as one in the copy; return the error with the video's name."""
    unfinished = unfinished_folder(path, root, target)
    (unfinished / ARRAY_FILE).write_bytes(b"")
    facts = {"error": error, "short_side": short_side, "original_size": size_on_disk(path)}
    finish(unfinished, target / index_key(path, root), facts)
    return f"{index_key(path, root)} ({error})"


def unfinished_folder(path: Path, root: Path, target: Path) -> Path:
    """Return an empty hidden folder beside the one to come."""
    folder = target / index_key(path, root)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    return unfinished


def finish(unfinished: Path, folder: Path, facts: dict[str, Any]) -> None:
    """Write the facts and give a video's folder its name."""
    (unfinished / FACTS_FILE).write_text(json.dumps(facts))
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def verify(paths: Sequence[Path], root: Path, target: Path, jobs: int) -> int:
    """Compare every video of a copy with its hash, print what differs, return the exit status."""
    check = partial(damage, root=root, target=target)
    found = [text for text in reported(in_processes(check, paths, jobs=jobs, crashed=str), len(paths)) if text]
    for text in found:
        print(text)
    print(f"{target}: {len(paths) - len(found):,} of {len(paths):,} videos are as they were written")
    return 1 if found else 0


def damage(path: Path, *, root: Path, target: Path) -> str:
    """Return what is wrong with the copy of one video; empty when its frames have the hash they were written with."""
    folder = target / index_key(path, root)
    try:
        facts = json.loads((folder / FACTS_FILE).read_text())
        if "error" in facts:
            return ""
        frames = np.load(folder / ARRAY_FILE, mmap_mode="r", allow_pickle=False)
        if hashlib.sha256(frames).hexdigest() != facts["sha256"]:
            return f"{folder}: its frames are not those that were written; delete the folder and write it again"
    except (OSError, ValueError, KeyError) as error:
        return f"{folder}: missing or damaged ({error})"
    return ""


if __name__ == "__main__":
    sys.exit(main())
