"""Time what the VIPriors report's tests cost: shared frames, folded convolutions, residual frames.

1. The clips of all 22 settings of Table 3, ten views each, from H.264 files of UCF-101's size: every video decoded and
   scaled once for all settings, against once per setting. The clips are compared first, bit by bit.
2. The modified SlowFast R50 on one clip of 64 x 112 x 112: three parallel convolutions against the one they fold into.
3. The share of a forward pass that computing residual frames takes ("negligibly small", Sec. IV).

Variants take turns in one process, so that other load on the machine hits each of them; ratios are of medians of CPU
time with one thread.

Run: python experiments/benchmarks/settings.py [--videos N] [--seconds S]         (about three minutes)
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from datamodules.datasets.folder import Folder
from datamodules.shared_frames import SharedFrames
from datamodules.video import write_video
from datamodules.video_sampling import TestClips
from datamodules.vipriors import VipriorsData
from experiments.benchmarks.turns import median_cpu_ms, take_turns
from experiments.harness.spec import Build
from experiments.vipriors_settings import SETTINGS
from lightning_modules.layers.parallel_convolution import fold_parallel
from lightning_modules.layers.residual_frames import ResidualFrames
from lightning_modules.vipriors.network import SlowFastNetwork
from lightning_modules.vipriors.profiles import BEST

FRAMES, HEIGHT, WIDTH = 180, 240, 320  # of a UCF-101 video


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
    return [VipriorsData(**build.arguments, data_root=root) for build in builds]


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


def time_settings(videos: int, seconds: float) -> tuple[float, float]:
    """Return milliseconds per video: decoded per setting, and once."""
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
        first, second = (median_cpu_ms(own) / len(frames) for own in times)
        return first, second


def time_networks(seconds: float) -> tuple[float, float, float]:
    """Return milliseconds of a forward pass: parallel convolutions, folded, and of computing residual frames alone."""
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
    first, second, third = (median_cpu_ms(own) for own in times)
    return first, second, third


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=1, help="of each of two classes")
    parser.add_argument("--seconds", type=float, default=60.0, help="time budget of each of the two measurements")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    alone, once = time_settings(given.videos, given.seconds)
    parallel, folded, residual = time_networks(given.seconds)
    table = Table(title="CPU milliseconds, one thread, medians")
    for heading in ("what", "ms", "ratio"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    table.add_row("22 settings x 10 clips of a video, decoded per setting", f"{alone:.0f}", "")
    table.add_row("decoded and scaled once for all settings", f"{once:.0f}", f"{alone / once:.1f} times faster")
    table.add_row("SlowFast R50, ELU, POOL, three parallel convolutions", f"{parallel:.0f}", "")
    table.add_row("folded into one", f"{folded:.0f}", f"{parallel / folded:.2f} times faster")
    table.add_row(
        "residual frames of one clip", f"{residual:.1f}", f"{100 * residual / folded:.2f} % of a forward pass"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
