"""Write a member's videos as real mp4 files once, decode them once, and describe them in a manifest.

    <cache>/<name>-<fingerprint>/
        manifest.json       member, generator version, and per video: file, label, frames, true action, nuisances
        videos/00000.mp4    H.264, 25 frames per second
        frames.npy          every frame decoded again, (total frames, H, W, 3) uint8, read as a memory map
        partition1/         the root of partition 1, and so on: train.json and val.json list positions in the manifest

The folder appears under its name only when it is complete. A file lock lets one process at a time work on a member; if
that process dies the lock is free and its unfinished folder is removed by the next.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import multiprocessing
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, cast

import numpy as np

from datamodules.synthetic.decoded import FRAMES, create_frames, decode_video
from datamodules.synthetic.members import (
    GENERATOR_VERSION,
    MANIFEST,
    PARTITIONS,
    Member,
    describe,
    member_fingerprint,
    slug,
)
from datamodules.synthetic.script import num_frames, render, script
from datamodules.video import write_video

Progress = Callable[[int, int], None]  # (videos done, videos in all)
VIDEOS = "videos"
PRESET = "superfast"  # slower ones turn on x264's macroblock tree, whose bytes vary from one call to the next
DONE, END = "done", "end"  # what a process reports: a video, all of its videos
CACHE_VARIABLE = "ACTION_TABLES_CACHE"


class DamagedCacheError(ValueError):
    """Say which generated folder is damaged, how, and what to do."""

    def __init__(self, folder: Path | str, reason: str = "") -> None:
        message = f"{folder} is damaged: {reason}. Delete the folder and start again: its videos are generated anew"
        super().__init__(message if reason else str(folder))


def default_cache() -> Path:
    """Return the folder for generated videos: ``$ACTION_TABLES_CACHE``, else one in the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "action-recognition-tables"


def folder_name(member: Member) -> str:
    """Return the name of the member's folder in a cache; the same for all its partitions."""
    return f"{slug(member)}-{member_fingerprint(member)}"


def prepare(member: Member, cache_dir: Path, *, processes: int = 1, progress: Progress | None = None) -> Path:
    """Return the folder with the member's videos, generating them if they are not there.

    Safe to call from several processes at once: one works, the others wait and find the result.

    Args:
        member: what to generate.
        cache_dir: where; see :func:`default_cache`.
        processes: how many processes share the work. A process that may not have children works alone.
        progress: called with (videos done, videos in all).

    Returns:
        The member's root: the ``root`` of ``member.videos``, of ``true_segments`` and of ``DecodedVideos``.

    Raises:
        DamagedCacheError: files are missing or changed.
        ValueError: ``processes`` below 1.
        RuntimeError: a process died or failed.
    """
    if processes < 1:
        raise ValueError(f"processes={processes}; accepted: 1 or more")
    folder = Path(cache_dir) / folder_name(member)
    if not folder.exists():
        with _locked(folder.with_name(f".{folder.name}.lock")):
            if not folder.exists():
                _generate(member, folder, processes, progress)
    check(member, folder)
    return folder / f"partition{member.partition}"


def check(member: Member, folder: Path) -> None:
    """Compare a generated folder with its manifest: every file there and as long as it was written.

    Raises:
        DamagedCacheError: something is missing or changed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        wanted = {row["file"]: row["bytes"] for row in manifest["videos"]}
        fingerprint = manifest["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCacheError(folder, f"its {MANIFEST} cannot be read ({type(error).__name__}: {error})") from error
    if fingerprint != member_fingerprint(member):
        raise DamagedCacheError(folder, f"its {MANIFEST} is that of another member ({fingerprint})")
    wanted[FRAMES] = manifest["frames_bytes"]
    wanted.update({_list_file(partition, subset): None for partition in PARTITIONS for subset in ("train", "val")})
    wrong = [name for name, size in wanted.items() if not _as_written(folder / name, size)]
    if wrong:
        raise DamagedCacheError(folder, f"{len(wrong)} of {len(wanted)} files are missing or changed, first {wrong[0]}")


def _as_written(path: Path, size: int | None) -> bool:
    try:
        found = path.stat().st_size
    except OSError:
        return False
    return size is None or found == size


def _list_file(partition: int, subset: str) -> str:
    return f"partition{partition}/{subset}.json"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the system frees it when the process ends, however it ends
        yield


def _generate(member: Member, folder: Path, processes: int, progress: Progress | None) -> None:
    for left_over in folder.parent.glob(f".{folder.name}.part-*"):
        shutil.rmtree(left_over)  # of a process that died: the lock is ours
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
    try:
        (part / VIDEOS).mkdir()
        lengths = [num_frames(member, number) for number in range(member.num_videos)]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        create_frames(part, int(starts[-1]), member.size)
        _write_videos(member, part, starts, processes, progress)
        for partition in PARTITIONS:
            _write_lists(dataclasses.replace(member, partition=partition), part)
        (part / MANIFEST).write_text(json.dumps(_manifest(member, part, starts), indent=1))
        part.chmod(0o755)
        os.replace(part, folder)
    except OSError:
        if not folder.exists():  # otherwise somebody else was faster on a file system without locks: theirs is as good
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_lists(member: Member, part: Path) -> None:
    for subset in ("train", "val"):
        path = part / _list_file(member.partition, subset)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(member.numbers(subset)))


def _manifest(member: Member, part: Path, starts: np.ndarray) -> dict[str, Any]:
    rows = []
    for number in range(member.num_videos):
        plan, file = script(member, number), video_file(number)
        rows.append(
            {
                "number": number,
                "file": file,
                "bytes": (part / file).stat().st_size,
                "label": plan.label,
                "start": int(starts[number]),  # first frame in frames.npy
                "num_frames": plan.num_frames,
                "first": plan.first,
                "end": plan.end,
                "others": len(plan.actors) - 1,
                "distractors": len(plan.distractors),
                "background_hue": round(plan.background, 4),
                "camera_path": round(float(np.abs(np.diff(plan.camera)).sum()), 4),  # frame widths
                "flicker": round(float(plan.brightness.std()), 4),
            }
        )
    return {
        "name": member.name,
        "fingerprint": member_fingerprint(member),
        "generator_version": GENERATOR_VERSION,
        "member": describe(member),
        "class_names": member.class_names(),
        "counts": {"train": member.num_train, "val": member.num_val, "frames": int(starts[-1])},
        "frames_bytes": (part / FRAMES).stat().st_size,
        "videos": rows,
    }


def video_file(number: int) -> str:
    """Return the path of a video within the member's folder."""
    return f"{VIDEOS}/{number:05d}.mp4"


def _write_videos(member: Member, part: Path, starts: np.ndarray, processes: int, progress: Progress | None) -> None:
    if processes == 1 or multiprocessing.current_process().daemon:
        for number in range(member.num_videos):
            _write_video(member, part, starts, number)
            if progress is not None:
                progress(number + 1, member.num_videos)
        return
    context = multiprocessing.get_context("fork")
    workers, ends = [], {}
    for first in range(min(processes, member.num_videos)):
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(member, part, starts, first, processes, theirs))
        worker.start()
        theirs.close()
        workers.append(worker)
        ends[ours] = worker
    try:
        _follow(ends, member.num_videos, progress)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _follow(workers: dict[Connection, Any], total: int, progress: Progress | None) -> None:
    """Count what the processes report until each has said that it ended."""
    done, running = 0, dict(workers)
    while running:
        for end in cast(list[Connection], wait(list(running))):
            try:
                message: str = end.recv()
            except EOFError:
                running[end].join()
                raise RuntimeError(
                    f"a process that generates videos died (exit code {running[end].exitcode}); "
                    "it may have run out of memory: try fewer processes"
                ) from None
            if message == DONE:
                done += 1
                if progress is not None:
                    progress(done, total)
            elif message == END:
                del running[end]
            else:
                raise RuntimeError(f"generating videos failed in a process:\n{message}")


def _work(member: Member, part: Path, starts: np.ndarray, first: int, step: int, report: Connection) -> None:
    parent = os.getppid()
    try:
        for number in range(first, member.num_videos, step):
            if os.getppid() != parent:
                return  # the parent was killed: nobody will use this
            _write_video(member, part, starts, number)
            report.send(DONE)
        report.send(END)
    except BrokenPipeError:
        return
    except Exception:
        report.send(traceback.format_exc())


def _write_video(member: Member, part: Path, starts: np.ndarray, number: int) -> None:
    path = part / video_file(number)
    write_video(path, render(member, number), preset=PRESET)
    decode_video(path, part, int(starts[number]), int(starts[number + 1] - starts[number]))
