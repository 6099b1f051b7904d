"""Time MS3D and the networks of its Table I, in videos per second: the table's third column by one stated protocol.

Full-size networks with 400 classes and random weights, one video at a time, its frames decoded and in memory: 300
frames of 320 x 240, ten seconds of a Kinetics video. What is timed is all that follows: rates and sampling, tailoring
(MS3D), scaling and cropping, the network, and the nearest class centre or the classifier. All take turns in one
process, in another order each round, in float32 on the processor. One view is timed and multiplied by those that are
counted: where a source states them those that it tests with, else one. Writes
results/benchmarks/velocity_ms3d_table1.md and .json, of which the table's script takes the videos per second: a network
that has changed since has none there.

Run: python experiments/benchmarks/velocity.py [--rounds N] [--threads N] [--only NAME ...]      (some minutes)
     python experiments/benchmarks/velocity.py --render-only        (the page again from what was measured)
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from datamodules.ms3d import Ms3dData
from datamodules.video import Video
from datamodules.video_sampling import collate
from experiments.benchmarks.records import stored_record, write_record
from experiments.benchmarks.turns import Turn, take_turns
from experiments.harness import Build
from experiments.harness.measure import network_as_run
from experiments.harness.measurements import velocity_name
from experiments.harness.provenance import hardware, versions
from experiments.ms3d_profiles import MS3D, NETWORKS, SLOW_FAST, VELOCITY, own_clips
from experiments.ms3d_table1 import TABLE
from lightning_modules.ms3d import Ms3d, profiles

NUM_CLASSES = 400
FRAMES, HEIGHT, WIDTH = 300, 240, 320
BOX = (0.3, 0.2, 0.7, 0.9)  # of an actor; where it lies hardly matters for time
VIDEO = Video(id="in memory", path=Path("in memory"), label=0, label_name="")
# Of the test on Kinetics, C3D's on Sports-1M. The others are counted with one, MS3D too: its paper states no views.
VIEWS = {SLOW_FAST: 30, "I3D": 30, "ResNet3D": 10, "C3D": 10}
VIEWS_FROM = {
    SLOW_FAST: "10 clips of three crops, its paper (Feichtenhofer et al. 2019)",
    "I3D": "10 clips of three crops, the model zoo of pytorchvideo, whose ResNet-50 it is (I3D's own paper tests "
    "another network)",
    "ResNet3D": "10 clips, its paper (Tran et al. 2018)",
    "C3D": "10 clips on Sports-1M, its paper (Tran et al. 2015)",
}
WARM_UP, PRECISION = 1, "float32"
CLAIM = "M15"  # MS3D > Slow-Fast, videos per second: 11.9 against 0.9

Infer = Callable[[], torch.Tensor]


class InMemory:
    """Read the frames of a video that is in memory.

    Args:
        frames: ``(n, H, W, 3)`` uint8.
    """

    def __init__(self, frames: np.ndarray) -> None:
        self.frames = frames

    def read(self, index: int, choose: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        """See :class:`~datamodules.video_sampling.FrameReader`."""
        indices = choose(len(self.frames))
        return self.frames[indices], indices, len(self.frames)


def moving_video(num_frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return a video in which noise shifts by a pixel each frame."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width + num_frames, 3)).astype(np.uint8)
    return np.stack([noise[:, t : t + width] for t in range(num_frames)])


def prepared(label: str, frames: np.ndarray) -> Infer:
    """Return a function that judges a video with one of Table I's networks, from frames in memory to scores.

    Args:
        label: row of the table.
        frames: ``(n, H, W, 3)`` uint8.
    """
    torch.manual_seed(0)
    data = Build(Ms3dData, source=None)
    if label == MS3D:
        module = Ms3d(num_classes=NUM_CLASSES, recipe=profiles.PAPER_RECIPE).eval()
    else:
        module = Ms3d(
            backbone=NETWORKS[label].paper, loss=None, num_classes=NUM_CLASSES, recipe=profiles.PAPER_RECIPE
        ).eval()
        data = data.with_arguments(own_clips(NETWORKS[label]), where=label)
    source, reader = Ms3dData(**data.resolved()), InMemory(frames)

    def infer() -> torch.Tensor:
        sample = source.clips_of((VIDEO,), (BOX,), reader)[0]  # new each time: nothing is remembered of the video
        batch = source.on_after_batch_transfer(collate([sample]), 0)
        with torch.inference_mode():
            return module(batch.clips)

    return infer


def record(times: Mapping[str, Sequence[Turn]], threads: int) -> dict[str, Any]:
    """Return what was measured: per network the median seconds of a view, and videos per second.

    Args:
        times: of each network, in turns; MS3D among them.
        threads: torch's.
    """
    seconds = {label: statistics.median(turn.wall_ms for turn in turns) / 1e3 for label, turns in times.items()}
    rows = []
    for label, turns in times.items():
        ratios = [other.wall_ms / own.wall_ms for own, other in zip(turns, times[MS3D], strict=True)]
        views = VIEWS.get(label, 1)
        rows.append({
            "row": label,
            "network": network_as_run(TABLE, TABLE.row(label), "paper").key,
            "published_videos_per_sec": VELOCITY.get(label),
            "seconds_per_view": round(seconds[label], 4),
            "videos_per_sec_one_view": round(1 / seconds[label], 4),
            "times_ms3d_one_view": round(statistics.median(ratios), 3),
            "views": views,
            "videos_per_sec": round(1 / seconds[label] / views, 4),
        })  # fmt: skip
    return {
        "video": f"{FRAMES} frames of {WIDTH} x {HEIGHT}, in memory",
        "threads": threads,
        "rounds": len(times[MS3D]),
        "warm_up_rounds": WARM_UP,
        "precision": PRECISION,
        "hardware": hardware(),
        "versions": versions(),
        "rows": rows,
    }


def verdict(found: Mapping[str, Any]) -> str:
    """Say of the published claim whether MS3D judges more videos per second than SlowFast by the views counted."""
    rows = {row["row"]: row for row in found["rows"]}
    if SLOW_FAST not in rows:
        return f"{CLAIM}: not measured, {SLOW_FAST} was left out"
    ratio = rows[MS3D]["videos_per_sec"] / rows[SLOW_FAST]["videos_per_sec"]
    single = 1 / rows[SLOW_FAST]["times_ms3d_one_view"]
    said = "reproduced" if ratio > 1 else "not reproduced"
    return (
        f"{CLAIM}: {MS3D} > {SLOW_FAST} (published 11.9 against 0.9, 13.2 times): {said}, {ratio:.1f} times with "
        f"SlowFast's {rows[SLOW_FAST]['views']} views, {single:.2f} times with one view each"
    )


def markdown(found: Mapping[str, Any]) -> str:
    """Return the record as a page."""
    warm_up, precision = found.get("warm_up_rounds", WARM_UP), found.get("precision", PRECISION)  # the first had none
    without = [row["row"] for row in found["rows"] if row["row"] not in VIEWS_FROM]
    named = [f"{row['row']} {VIEWS_FROM[row['row']]}" for row in found["rows"] if row["row"] in VIEWS_FROM]
    lines = [
        "# Velocity of MS3D and the networks of its Table I",
        "",
        f"Full-size networks, 400 classes, one video at a time ({found['video']}), {found['threads']} thread(s), "
        f"{precision}, {found['hardware']}; medians over {found['rounds']} rounds in which all take turns, after "
        f"{warm_up} to warm up. Sampling, scaling, network and judgement are timed, decoding is not. The paper names "
        "no hardware and no protocol. Written by `python experiments/benchmarks/velocity.py`.",
        "",
        f"Views counted: {'; '.join([*named, ', '.join(without) + ' one, without a source'])}.",
        "",
        "| | published, videos/s | s per view | videos/s, one view | × MS3D, one view | views counted | videos/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found["rows"]:
        lines.append(
            f"| {row['row']} | {row['published_videos_per_sec'] or '–'} | {row['seconds_per_view']:.2f} | "
            f"{row['videos_per_sec_one_view']:.3f} | {row['times_ms3d_one_view']:.2f} | {row['views']} | "
            f"{row['videos_per_sec']:.3f} |"
        )
    return "\n".join([*lines, "", verdict(found)]) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=tuple(NETWORKS), help="these beside MS3D")
    parser.add_argument("--out", type=Path, help="folder to write to; by default results/benchmarks")
    parser.add_argument("--render-only", action="store_true", help="write the page anew, without measuring")
    given = parser.parse_args(argv)
    if given.rounds < 1 or given.threads < 1:
        parser.error("--rounds and --threads must be 1 or more")
    name = velocity_name(TABLE)
    if given.render_only:
        found = stored_record(name, given.out)
    else:
        found = measured(given.only or tuple(NETWORKS), rounds=given.rounds, threads=given.threads)
    write_record(name, found, markdown(found), given.out)
    print(markdown(found))


def measured(others: Sequence[str], *, rounds: int, threads: int) -> dict[str, Any]:
    """Return the record of MS3D and the others, timed in turns."""
    torch.set_num_threads(threads)
    frames, labels = moving_video(), [MS3D, *others]
    ready = [prepared(label, frames) for label in track(labels, "building")]
    turns = take_turns(ready, turns=rounds, warm_up=WARM_UP)
    return record(dict(zip(labels, turns, strict=True)), threads)


if __name__ == "__main__":
    main()
