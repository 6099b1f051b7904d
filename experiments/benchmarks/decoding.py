"""Time our video reader against decord, torchcodec and a decoded copy: 16 frames of a file, opened anew for each clip.

The readers take turns on the same frames of the same files, so that other load on the machine hits all of
them; ratios are medians over clips. Ours decodes in one thread, as a loader worker should; decord is run with
one thread and as it comes; what does not install or load is left out. The decoded copy is what
``python -m datamodules.cache`` writes, here without scaling. CPU time is the fairer measure on a busy machine. The
files are made for the occasion: moving texture with noise, two sizes, short and long groups of pictures. A second table
says how many clips several processes read in a second.

Run: python experiments/benchmarks/decoding.py [FILE ...]      (about four minutes; writes results/benchmarks/decoding)
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.cache import write_video_array
from datamodules.video import open_video, write_video
from experiments.benchmarks.records import measured_with, write_record
from experiments.harness.arguments import available_cores
from experiments.harness.markdown import markdown_table

Reader = Callable[[Path, list[int]], np.ndarray]
Pattern = Callable[[int, float], list[int]]

SIZES = ((240, 320), (720, 1280))  # height, width
KEYFRAME_INTERVALS = (12, 250)
NUM_FRAMES = 300
CLIP_FRAMES, FRAME_INTERVAL = 16, 2
OURS, DECORD, COPY = "ours", "decord", "decoded copy"


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


def usable_readers(path: Path) -> dict[str, Reader]:
    """Return the readers that can read a file here, by name; ours first."""
    readers: dict[str, Reader] = {OURS: read_ours}
    others = {DECORD: read_decord, f"{DECORD}, its own threads": read_decord_threaded, "torchcodec": read_torchcodec}
    for name, reader in others.items():
        try:
            reader(path, [0])
        except (ImportError, RuntimeError, OSError):  # not installed; torchcodec finds no FFmpeg libraries
            continue
        readers[name] = reader
    return readers


def mean_difference(path: Path, num_frames: int, reader: Reader) -> float:
    """Return the mean difference of a pixel value (0 to 255) between our frames and another reader's."""
    indices = sparse(num_frames, 0.5)
    return float(np.abs(read_ours(path, indices).astype(int) - reader(path, indices)).mean())


def measure(paths: Sequence[Path], copies: Path, repetitions: int) -> list[dict[str, Any]]:
    """Return, for each file and pattern, every reader's clips per second and how many times longer than ours it takes.

    Args:
        paths: video files.
        copies: folder for their decoded copies.
        repetitions: clips per reader and row.
    """
    readers = usable_readers(paths[0])
    found: list[dict[str, Any]] = []
    for path, name, pattern, num_frames in rows(paths):
        copy = decoded_copy(path, copies)

        def read_copy(path: Path, indices: list[int], copy: Path = copy) -> np.ndarray:
            return read_ours(copy, indices)

        timed = {**readers, COPY: read_copy}
        ours, *others = time_in_turns([*timed.values()], path, pattern, num_frames, repetitions)
        found.append({
            "file": path.stem,
            "frames": name,
            "clips_per_sec": {OURS: ours.clips_per_sec()},
            "times_ours": {},
            "pixel_difference": max(mean_difference(path, num_frames, timed[other]) for other in timed),
        })  # fmt: skip
        for reader, other in zip([*timed][1:], others, strict=True):
            found[-1]["clips_per_sec"][reader] = other.clips_per_sec()
            found[-1]["times_ours"][reader] = {
                "elapsed": float(np.median(other.elapsed_sec / ours.elapsed_sec)),
                "cpu": float(np.median(other.cpu_sec / ours.cpu_sec)),
            }
    return found


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


def scaling(paths: Sequence[Path], copies: Path, clips: int = 24) -> dict[str, dict[int, float]]:
    """Return by file the clips per second that one and more processes read together, up to one per core."""
    rates: dict[str, dict[int, float]] = {}
    for count in (count for count in (1, 2, 4, 8, 16) if count <= available_cores()):
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            for path in paths:
                for name, read in ((path.stem, path), (f"{path.stem}, {COPY}", decoded_copy(path, copies))):
                    with open_video(read) as video:
                        num_frames = video.num_frames
                    phases = np.array_split((np.arange(clips * count) + 0.5) / (clips * count), count)
                    list(pool.map(partial(read_many, read, num_frames=num_frames), [p[:1] for p in phases]))  # warm
                    start = time.perf_counter()
                    done = sum(pool.map(partial(read_many, read, num_frames=num_frames), phases))
                    rates.setdefault(name, {})[count] = done / (time.perf_counter() - start)
    return rates


def page(found: dict[str, Any]) -> str:
    """Return the page: clips per second with the ratios to ours, then the scaling over processes."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    others = [*found["clips"][0]["times_ours"]]
    clips = [
        [row["file"], row["frames"], f"{row['clips_per_sec'][OURS]:.1f}", *(_against(row, other) for other in others),
         f"{row['pixel_difference']:.2f}"]
        for row in found["clips"]
    ]  # fmt: skip
    counts = [*next(iter(found["scaling"].values()))]
    scaled = [[name, *(f"{rates[count]:.1f}" for count in counts)] for name, rates in found["scaling"].items()]
    return "\n\n".join([
        "# Decoding",
        f"{found['hardware']}, {versions}; medians of {found['repetitions']} clips. Written by "
        "`python experiments/benchmarks/decoding.py`.",
        "Clips of 16 frames per second; in brackets how many times longer than ours it takes: elapsed, CPU time. The "
        "last column is the largest mean difference of a pixel value (0 to 255) from our frames.",
        markdown_table(["File", "Frames", OURS, *others, "Pixel difference"], clips),
        "Clips of 16 frames over the whole, per second, by number of processes:",
        markdown_table(["File", *map(str, counts)], scaled),
    ]) + "\n"  # fmt: skip


def _against(row: dict[str, Any], other: str) -> str:
    times = row["times_ours"][other]
    return f"{row['clips_per_sec'][other]:.1f} ({times['elapsed']:.2f}, {times['cpu']:.2f})"


def rows(paths: Sequence[Path]) -> Iterator[tuple[Path, str, Pattern, int]]:
    """Yield each file with each pattern, its name, and the file's number of frames."""
    for path in paths:
        with open_video(path) as video:
            num_frames = video.num_frames
        for name, pattern in PATTERNS.items():
            yield path, name, pattern, num_frames


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the files, time the readers, print the tables and keep them."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="more video files to time")
    parser.add_argument("--repetitions", type=int, default=9, help="clips per reader and row (default: 9)")
    parser.add_argument("--only-files", action="store_true", help="time the given files alone")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        made = [] if options.only_files else list(make_files(Path(folder)))
        paths, copies = [*made, *options.files], Path(folder) / "copies"
        if DECORD not in usable_readers(paths[0]):
            print("decord is not installed: uv sync --group decoders")
        found = {
            **measured_with("av", "decord", "torchcodec"),
            "repetitions": options.repetitions,
            "clips": measure(paths, copies, options.repetitions),
            "scaling": scaling(paths, copies),
        }
    print(page(found))
    if not options.only_files:
        write_record("decoding", found, page(found))


if __name__ == "__main__":
    main()
