"""Time our video reader against decord, torchcodec and a decoded copy: 16 frames of a file, opened anew for each clip.

The readers take turns on the same frames of the same files, so that other load on the machine hits all of
them; ratios are medians over clips. Ours decodes in one thread, as a loader worker should; decord is run with
one thread and as it comes; what does not install or load is left out. The decoded copy is what
``python -m datamodules.cache`` writes, here without scaling. CPU time is the fairer measure on a busy machine. The
files are made for the occasion: moving texture with noise, two sizes, short and long groups of pictures. A second table
says how many clips several processes read in a second.

Run: python experiments/benchmarks/decoding.py [FILE ...]      (about four minutes)
"""

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from datamodules.cache import write_video_array
from datamodules.video import open_video, write_video
from experiments.harness.arguments import available_cores

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


def read_torchcodec(path: Path, indices: list[int]) -> np.ndarray:
    """Read frames with torchcodec, in one thread."""
    from torchcodec.decoders import VideoDecoder

    frames = VideoDecoder(str(path), num_ffmpeg_threads=1, dimension_order="NHWC").get_frames_at(indices)
    return frames.data.numpy()


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


def usable_readers() -> dict[str, Reader]:
    """Return the readers that load here, by name; ours first."""
    readers: dict[str, Reader] = {"ours": read_ours}
    others = {"decord": ("decord, 1 thread", read_decord), "torchcodec.decoders": ("torchcodec", read_torchcodec)}
    for module, (name, reader) in others.items():
        try:
            importlib.import_module(module)
        except (ImportError, RuntimeError, OSError):  # torchcodec finds no FFmpeg libraries
            continue
        readers[name] = reader
    if "decord, 1 thread" in readers:
        readers["decord"] = read_decord_threaded
    return readers


def mean_difference(path: Path, num_frames: int, reader: Reader) -> float:
    """Return the mean difference of a pixel value (0 to 255) between our frames and another reader's."""
    indices = sparse(num_frames, 0.5)
    return float(np.abs(read_ours(path, indices).astype(int) - reader(path, indices)).mean())


def measure(paths: Sequence[Path], copies: Path, repetitions: int) -> Table:
    """Return the table of clips per second, and of how many times faster ours is by elapsed and by CPU time.

    Args:
        paths: video files.
        copies: folder for their decoded copies.
        repetitions: clips per reader and row.
    """
    readers = usable_readers()
    table = Table(
        title="Clips of 16 frames per second; in brackets: ours is so many times faster, by CPU time (medians)"
    )
    for column in ("file", "frames", *readers, "decoded copy", "mean pixel difference"):
        table.add_column(column)
    for path, name, pattern, num_frames in rows(paths):
        copy = decoded_copy(path, copies)

        def read_copy(path: Path, indices: list[int], copy: Path = copy) -> np.ndarray:
            return read_ours(copy, indices)

        ours, *others = time_in_turns((*readers.values(), read_copy), path, pattern, num_frames, repetitions)
        differences = [mean_difference(path, num_frames, reader) for reader in (*[*readers.values()][1:], read_copy)]
        table.add_row(path.stem, name, f"{ours.clips_per_sec():.1f}", *(against(ours, other) for other in others),
                      f"{max(differences):.2f}")  # fmt: skip
    return table


def against(ours: Timing, other: Timing) -> str:
    """Return another reader's clips per second, and how many times less time ours takes: elapsed, CPU."""
    elapsed = np.median(other.elapsed_sec / ours.elapsed_sec)
    return f"{other.clips_per_sec():.1f} ({elapsed:.2f}, {np.median(other.cpu_sec / ours.cpu_sec):.2f})"


def decoded_copy(path: Path, folder: Path) -> Path:
    """Return the folder of a video's decoded frames, in their own size."""
    copy = folder / path.name
    if not copy.is_dir():
        with open_video(path) as video:
            short_side = min(video.height, video.width)
        write_video_array(path, root=path.parent, target=folder, short_side=short_side)
    return copy


def read_many(path: Path, phases: Sequence[float], num_frames: int) -> int:
    """Read one clip for each phase; return their number."""
    for phase in phases:
        read_ours(path, sparse(num_frames, phase))
    return len(phases)


def scaling(paths: Sequence[Path], copies: Path, clips: int = 24) -> Table:
    """Return the table of clips per second that one and more processes read together, up to one per core."""
    counts = [count for count in (1, 2, 4, 8, 16) if count <= available_cores()]
    table = Table(title="Clips of 16 frames over the whole, per second, by number of processes")
    for column in ("file", *map(str, counts)):
        table.add_column(column)
    rates: dict[str, list[str]] = {}
    for count in counts:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            for path in paths:
                for name, read in ((path.stem, path), (f"{path.stem}, decoded copy", decoded_copy(path, copies))):
                    with open_video(read) as video:
                        num_frames = video.num_frames
                    phases = np.array_split((np.arange(clips * count) + 0.5) / (clips * count), count)
                    list(pool.map(partial(read_many, read, num_frames=num_frames), [p[:1] for p in phases]))  # warm
                    start = time.perf_counter()
                    done = sum(pool.map(partial(read_many, read, num_frames=num_frames), phases))
                    rates.setdefault(name, []).append(f"{done / (time.perf_counter() - start):.1f}")
    for name, found in rates.items():
        table.add_row(name, *found)
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
    if "decord" not in usable_readers():
        console.print("decord is not installed: uv sync --group decoders")
    with tempfile.TemporaryDirectory() as folder:
        made = [] if options.only_files else list(make_files(Path(folder)))
        copies = Path(folder) / "copies"
        console.print(measure([*made, *options.files], copies, options.repetitions))
        console.print(scaling([*made, *options.files], copies))


if __name__ == "__main__":
    main()
