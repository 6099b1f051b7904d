"""Time our video reader against decord: 16 frames of a file, opened anew for each clip.

The readers take turns on the same frames of the same files, so that other load on the machine hits all of
them; ratios are medians over clips. Ours decodes in one thread, as a loader worker should; decord is run with
one thread and as it comes. CPU time is the fairer measure on a busy machine. The files are made for the
occasion: moving texture with noise, two sizes, short and long groups of pictures.

Run: python experiments/benchmarks/decoding.py [FILE ...]      (about two minutes)
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from datamodules.video import open_video, write_video

Reader = Callable[[Path, list[int]], np.ndarray]
Pattern = Callable[[int, float], list[int]]

SIZES = ((240, 320), (720, 1280))  # height, width
KEYFRAME_INTERVALS = (12, 250)
NUM_FRAMES = 300
CLIP_FRAMES, FRAME_INTERVAL = 16, 2


def read_ours(path: Path, indices: list[int]) -> np.ndarray:
    """Read frames with :func:`datamodules.video.open_video`."""
    with open_video(path) as video:
        return video.read(indices)


def read_decord(path: Path, indices: list[int]) -> np.ndarray:
    """Read frames with decord, in one thread."""
    import decord

    return decord.VideoReader(str(path), num_threads=1).get_batch(indices).asnumpy()


def read_decord_threaded(path: Path, indices: list[int]) -> np.ndarray:
    """Read frames with decord, in as many threads as it chooses."""
    import decord

    return decord.VideoReader(str(path)).get_batch(indices).asnumpy()


def sparse(num_frames: int, phase: float) -> list[int]:
    """Return one frame of each of 16 equal segments; ``phase`` in [0, 1) is the place within the segments."""
    return [int((t + phase) * num_frames / CLIP_FRAMES) for t in range(CLIP_FRAMES)]


def continuous(num_frames: int, phase: float) -> list[int]:
    """Return 16 frames at interval 2; ``phase`` in [0, 1) is the place of their window within the video."""
    start = int(phase * max(num_frames - CLIP_FRAMES * FRAME_INTERVAL + 1, 1))
    return [min(start + t * FRAME_INTERVAL, num_frames - 1) for t in range(CLIP_FRAMES)]


PATTERNS: dict[str, Pattern] = {"16 over the whole": sparse, "16 at interval 2": continuous}


def make_files(folder: Path) -> Iterator[Path]:
    """Write the files of the benchmark and yield their paths."""
    for height, width in SIZES:
        rng = np.random.default_rng(0)
        walk = rng.normal(size=(height, width, 3)).cumsum(axis=0).cumsum(axis=1)
        texture = 128 + 60 * np.sin(walk / np.sqrt(height))
        shape = (NUM_FRAMES, height, width, 3)
        raw = folder / "frames.raw"
        frames = np.memmap(raw, np.uint8, "w+", shape=shape)  # 0.8 GB at the larger size
        for number in range(NUM_FRAMES):
            moved = np.roll(texture, (2 * number, 3 * number), axis=(0, 1))
            frames[number] = np.clip(moved + rng.normal(scale=2, size=(height, width, 1)), 0, 255)
        for interval in KEYFRAME_INTERVALS:
            path = folder / f"{width}x{height}, keyframe every {interval}.mp4"
            write_video(path, frames, keyframe_interval=interval)
            yield path
        del frames
        raw.unlink()


@dataclass(frozen=True)
class Timing:
    """Hold the times of one reader, clip by clip."""

    elapsed_sec: np.ndarray
    cpu_sec: np.ndarray

    def clips_per_sec(self) -> float:
        """Return the clips read in a second, by the median clip."""
        return 1 / float(np.median(self.elapsed_sec))


def time_in_turns(
    readers: Sequence[Reader], path: Path, pattern: Pattern, num_frames: int, repetitions: int
) -> list[Timing]:
    """Return each reader's times for the same clips, at places all over the video."""
    seconds = np.empty((len(readers), 2, repetitions))
    for repetition in range(repetitions):
        indices = pattern(num_frames, (repetition + 0.5) / repetitions)
        turn = repetition % len(readers)  # who begins changes too
        for reader in (*range(turn, len(readers)), *range(turn)):
            elapsed, cpu = time.perf_counter(), time.process_time()
            readers[reader](path, indices)
            seconds[reader, :, repetition] = time.perf_counter() - elapsed, time.process_time() - cpu
    return [Timing(elapsed, cpu) for elapsed, cpu in seconds]


def mean_difference(path: Path, num_frames: int) -> float:
    """Return the mean difference of a pixel value (0 to 255) between our frames and decord's."""
    indices = sparse(num_frames, 0.5)
    ours, theirs = read_ours(path, indices).astype(int), read_decord(path, indices)
    return float(np.abs(ours - theirs).mean())


def measure(paths: Sequence[Path], repetitions: int) -> Table:
    """Return the table of clips per second and of the ratios to decord."""
    table = Table(title="Clips of 16 frames per second, and how many times faster than decord (medians)")
    for column in ("file", "frames", "ours", "decord 1 thread", "decord"):
        table.add_column(column)
    for column in ("vs 1 thread", "vs 1 thread, CPU time", "vs decord", "mean pixel difference"):
        table.add_column(column, justify="right")
    for path, name, pattern, num_frames in rows(paths):
        readers = (read_ours, read_decord, read_decord_threaded)
        ours, single, threaded = time_in_turns(readers, path, pattern, num_frames, repetitions)
        table.add_row(
            path.stem,
            name,
            *(f"{timing.clips_per_sec():.1f}" for timing in (ours, single, threaded)),
            f"{np.median(single.elapsed_sec / ours.elapsed_sec):.2f}",
            f"{np.median(single.cpu_sec / ours.cpu_sec):.2f}",
            f"{np.median(threaded.elapsed_sec / ours.elapsed_sec):.2f}",
            f"{mean_difference(path, num_frames):.2f}",
        )
    return table


def measure_ours(paths: Sequence[Path], repetitions: int) -> Table:
    """Return the table of clips per second where decord is not installed."""
    table = Table("file", "frames", "ours", title="Clips of 16 frames per second (medians)")
    for path, name, pattern, num_frames in rows(paths):
        (ours,) = time_in_turns((read_ours,), path, pattern, num_frames, repetitions)
        table.add_row(path.stem, name, f"{ours.clips_per_sec():.1f}")
    return table


def rows(paths: Sequence[Path]) -> Iterator[tuple[Path, str, Pattern, int]]:
    """Yield each file with each pattern, its name, and the file's number of frames."""
    for path in paths:
        with open_video(path) as video:
            num_frames = video.num_frames
        for name, pattern in PATTERNS.items():
            yield path, name, pattern, num_frames


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the files, time the readers and print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="more video files to time")
    parser.add_argument("--repetitions", type=int, default=9, help="clips per reader and row (default: 9)")
    parser.add_argument("--only-files", action="store_true", help="time the given files alone")
    options = parser.parse_args(arguments)
    console = Console()
    has_decord = importlib.util.find_spec("decord") is not None
    if not has_decord:
        console.print("decord is not installed (it is in the development group): timing our reader alone")
    with tempfile.TemporaryDirectory() as folder:
        made = [] if options.only_files else list(make_files(Path(folder)))
        table = (measure if has_decord else measure_ours)([*made, *options.files], options.repetitions)
    console.print(table)


if __name__ == "__main__":
    main()
