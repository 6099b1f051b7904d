"""Time what the VIPriors report's tests cost: shared frames, folded convolutions, residual frames.

1. The clips of all 22 settings of Table 3, ten views each, from H.264 files of UCF-101's size: every video decoded and
   scaled once for all settings, against once per setting. The clips are compared first, bit by bit.
2. The modified SlowFast R50 on one clip of 64 x 112 x 112: three parallel convolutions against the one they fold into.
3. The share of a forward pass that computing residual frames takes ("negligibly small", Sec. IV).

Variants take turns in one process, so that other load on the machine hits each of them; CPU time on one thread, a ratio
is the median over the turns of the ratio within a turn. Writes results/benchmarks/settings.md and .json.

Run: python experiments/benchmarks/settings.py [--videos N] [--seconds S]         (about three minutes)
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from datamodules.datasets.folder import Folder
from datamodules.shared_frames import SharedFrames
from datamodules.video import write_video
from datamodules.video_sampling import TestClips
from datamodules.vipriors import VipriorsData
from experiments.benchmarks.records import clock, measured_with, ratio, times_of, write_record
from experiments.benchmarks.turns import take_turns
from experiments.harness.markdown import markdown_table
from experiments.harness.spec import Build
from experiments.vipriors_settings import SETTINGS
from lightning_modules.layers.parallel_convolution import fold_parallel
from lightning_modules.layers.residual_frames import ResidualFrames
from lightning_modules.vipriors.network import SlowFastNetwork
from lightning_modules.vipriors.profiles import BEST

FRAMES, HEIGHT, WIDTH = 180, 240, 320  # of a UCF-101 video
VIEWS = 10


def write_videos(root: Path, number: int) -> None:
    """Write moving noise of UCF-101's size as a folder data set of two classes."""
    rng = np.random.default_rng(0)
    for index in range(2 * number):
        texture = rng.integers(0, 256, (HEIGHT // 8 + 30, WIDTH // 8 + 30, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        frames = np.stack([texture[t : t + HEIGHT, t : t + WIDTH] for t in range(FRAMES)])
        for subset in ("train", "val") if index < 2 else ("val",):
            folder = root / subset / f"class{index % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            write_video(folder / f"{index}.mp4", frames)


def settings(root: Path) -> list[VipriorsData]:
    """Return the 22 ways of testing, on these videos."""
    plain = Build(VipriorsData, source=Folder())
    builds = [plain.with_arguments(setting.row().data, where=setting.label) for setting in SETTINGS]
    return [VipriorsData(**build.arguments, views=VIEWS, data_root=root) for build in builds]


def per_setting(tests: list[TestClips], position: int) -> list[torch.Tensor]:
    """Return each setting's clips of a video, decoded by each for itself."""
    return [test[position].clips for test in tests]


def shared(frames: SharedFrames, tests: list[TestClips], position: int) -> list[torch.Tensor]:
    """Return each setting's clips of a video that is decoded and scaled once."""
    video = frames[position]
    found = []
    for test in tests:
        test.reader = video
        found.append(test[position].clips)
    return found


def time_settings(videos: int, seconds: float) -> tuple[list[float], list[float]]:
    """Return milliseconds per video, turn by turn: decoded per setting, and once.

    Args:
        videos: test videos of each of two classes.
        seconds: time budget.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_videos(Path(folder), videos)
        data = settings(Path(folder))
        _, reader = data[0].subset("test")
        alone, together = ([own.test_clips(reader) for own in data] for _ in range(2))
        frames = SharedFrames(together, reader, data[0].frame_preparation())
        for one, other in zip(per_setting(alone, 0), shared(frames, together, 0), strict=True):
            assert torch.equal(one, other), "the two ways give other clips"
        numbers = range(len(frames))
        times = take_turns(
            [
                lambda: [per_setting(alone, i) and None for i in numbers],
                lambda: [shared(frames, together, i) and None for i in numbers],
            ],
            budget_sec=seconds,
            turns=2,
            warm_up=0,
        )
        first, second = ([turn.cpu_ms / len(frames) for turn in own] for own in times)
        return first, second


def time_networks(seconds: float) -> tuple[list[float], list[float], list[float]]:
    """Return milliseconds of a forward pass, turn by turn: parallel convolutions, folded; and of residual frames alone.

    Args:
        seconds: time budget.
    """
    network = SlowFastNetwork(num_classes=101, modifications=BEST).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm3d):
            nn.init.uniform_(layer.weight, 0.5, 1.0)
    folded = copy.deepcopy(network)
    assert fold_parallel(folded) > 0
    clip, residual = torch.randn(1, 3, 65, 112, 112), ResidualFrames(gain=4.0)
    with torch.inference_mode():
        before, after = network(residual(clip)), folded(residual(clip))
        assert (before - after).abs().max() <= 1e-5 * before.abs().max().clamp(min=1), "folding changes the logits"
        seen = residual(clip)
        times = take_turns([lambda: network(seen), lambda: folded(seen), lambda: residual(clip)], budget_sec=seconds)
    first, second, third = (times_of(own, threads=1) for own in times)
    return first, second, third


def record(
    alone: list[float], once: list[float], parallel: list[float], folded: list[float], residual: list[float]
) -> dict[str, Any]:
    """Return what was measured, from the milliseconds of each turn."""
    return {
        **measured_with("torch", "av"),
        "clock": clock(1),
        "settings": len(SETTINGS),
        "views": VIEWS,
        "turns": {"settings": len(alone), "networks": len(parallel)},
        "ms_per_video": {"decoded per setting": median(alone), "decoded once": median(once)},
        "ms_per_forward_pass": {"three parallel convolutions": median(parallel), "folded into one": median(folded)},
        "ms_residual_frames": median(residual),
        "times_faster_decoded_once": ratio(alone, once),
        "times_faster_folded": ratio(parallel, folded),
        "residual_share_of_forward_pass": ratio(residual, folded),
    }


def page(found: Mapping[str, Any]) -> str:
    """Return the record as a page."""
    per_video, passes = found["ms_per_video"], found["ms_per_forward_pass"]
    lines = [
        [f"{found['settings']} settings x {found['views']} clips of a video, decoded per setting",
         f"{per_video['decoded per setting']:.0f}", ""],
        ["decoded and scaled once for all settings", f"{per_video['decoded once']:.0f}",
         f"{found['times_faster_decoded_once']:.1f} times faster"],
        ["SlowFast R50, ELU, POOL, three parallel convolutions", f"{passes['three parallel convolutions']:.0f}", ""],
        ["folded into one", f"{passes['folded into one']:.0f}", f"{found['times_faster_folded']:.2f} times faster"],
        ["residual frames of one clip", f"{found['ms_residual_frames']:.1f}",
         f"{100 * found['residual_share_of_forward_pass']:.2f} % of a forward pass"],
    ]  # fmt: skip
    versions = ", ".join(f"{name} {value}" for name, value in found["versions"].items())
    turns = f"{found['turns']['settings']} and {found['turns']['networks']} turns"
    head = (
        "# What the VIPriors report's tests cost\n\n"
        f"{found['hardware']}, one thread, {found['clock']}; {versions}; medians over {turns}. Videos of {FRAMES} "
        f"frames of {WIDTH} x {HEIGHT}, clips of 64 x 112 x 112; both ways give the same clips, both networks the same "
        "logits. V34 (residual frames cost next to nothing) is the last line. Written by "
        "`python experiments/benchmarks/settings.py`.\n\n"
    )
    return head + markdown_table(["What", "ms", "Ratio"], lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=1, help="of each of two classes")
    parser.add_argument("--seconds", type=float, default=60.0, help="time budget of each of the two measurements")
    parser.add_argument("--out", type=Path, help="folder to write to; by default results/benchmarks")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = record(*time_settings(given.videos, given.seconds), *time_networks(given.seconds))
    write_record("settings", found, page(found), given.out)
    print(page(found))


if __name__ == "__main__":
    main()
