"""Decode many videos once, in several processes, into the entries of an index."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from datamodules.decode_index import Decoded, index_key, size_on_disk
from datamodules.frame_folder import FrameFolder
from datamodules.video import UndecodableVideoError, open_video

CHUNK_BYTES = 32 * 2**20  # of decoded frames held at once
COUNTED_CHUNK_BYTES = 512 * 2**20  # of a file that every read decodes from its start
CRASHED = "decoding it ends the process"
Result = TypeVar("Result")


def decoded(path: Path, root: Path) -> Decoded:
    """Decode every frame of a video and say what was found; a video that gives none is an entry with an error.

    Args:
        path: file or frame folder.
        root: folder of the data set.
    """
    facts: dict[str, Any] = {"path": index_key(path, root), "size": size_on_disk(path) or 0}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            with open_video(path) as video:
                facts |= {"height": video.height, "width": video.width, "fps": video.fps}
                if not getattr(video, "counted", False):  # such a file has been decoded to the end already
                    for start, number in chunks(video):
                        video.read(range(start, start + number))
                facts |= {"frames": video.num_frames, "truncated": video.truncated}
                facts["rotation"] = 90 * getattr(video, "quarter_turns", 0)
                if isinstance(video, FrameFolder) and video.first_number > 1:
                    warnings.warn(f"its first image has the number {video.first_number}", stacklevel=1)
        except UndecodableVideoError as error:
            return Decoded(path=facts["path"], size=facts["size"], error=error.reason or str(error))
        except OSError as error:
            return Decoded(path=facts["path"], size=facts["size"], error=f"{type(error).__name__}: {error}")
    return Decoded(**facts, remark="; ".join(str(one.message).removeprefix(f"{path}: ") for one in said))


def chunks(video: Any) -> Iterator[tuple[int, int]]:
    """Yield ``(first frame, number)`` of parts of an open video that fit into memory, to its end as then known."""
    held = COUNTED_CHUNK_BYTES if getattr(video, "counted", False) else CHUNK_BYTES
    step = max(1, held // (3 * video.height * video.width))
    start = 0
    while start < video.num_frames:
        yield start, min(step, video.num_frames - start)
        start += step


def decode_all(paths: Sequence[Path], root: Path, *, jobs: int) -> Iterator[Decoded]:
    """Yield the entry of each video as it is done, in any order.

    A video whose decoding ends the process (a fault in the decoder) is an entry with an error.

    Args:
        paths: files and frame folders.
        root: folder of the data set.
        jobs: processes; 1 decodes in this one.
    """

    def crashed(path: Path) -> Decoded:
        return Decoded(path=index_key(path, root), size=size_on_disk(path) or 0, error=CRASHED)

    yield from in_processes(partial(decoded, root=root), paths, jobs=jobs, crashed=crashed)


def in_processes(
    function: Callable[[Path], Result], paths: Iterable[Path], *, jobs: int, crashed: Callable[[Path], Result]
) -> Iterator[Result]:
    """Yield ``function`` of each path as it is done, in any order.

    Args:
        function: is sent to the processes, so it must be importable.
        paths: what to call it with.
        jobs: processes; 1 calls it in this one.
        crashed: gives the result of a path whose call ended its process.
    """
    if jobs == 1:
        yield from map(function, paths)
        return
    waiting = iter(paths)
    while unfinished := dict.fromkeys(islice(waiting, 2 * jobs)):
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            try:
                running = {pool.submit(function, path): path for path in unfinished}
                while running:
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        del unfinished[running.pop(future)]
                        yield result
                        for path in islice(waiting, 1):
                            unfinished[path] = None
                            running[pool.submit(function, path)] = path
            except BrokenProcessPool:
                pass
        for path in unfinished:  # one of these did it
            yield _alone(function, path, crashed)


def _alone(function: Callable[[Path], Result], path: Path, crashed: Callable[[Path], Result]) -> Result:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, path).result()
        except BrokenProcessPool:
            return crashed(path)
