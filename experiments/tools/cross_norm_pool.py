"""Measure the clip statistics that CrossNorm draws from: one central clip of each training video of a real data set.

NAME is the data set's name in small letters and digits, as its folder is called (ucf101, activitynet200), or folder for
your own videos. DIR is that folder, or the one which holds it. The file cross_norm_pool.txt is written beside the
videos, where training looks for it. The embedded benchmark makes its own.

Run: python experiments/tools/cross_norm_pool.py ucf101 --data-root DATA --jobs 8
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from datamodules.augmentation_files import POOL_FILE, ClipStatistics
from datamodules.check import reported
from datamodules.datasets.joint import root_of
from datamodules.datasets.readers import readers, source_named
from datamodules.ligar import LigarData
from datamodules.transforms import write_pool
from datamodules.transforms.cross_norm import read_pool
from experiments.harness.arguments import available_cores


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pool of one data set; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("name", metavar="NAME", help=f"one of: {', '.join(readers())}")
    parse.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="folder of the data set")
    parse.add_argument("--split", type=int, help="official split, where there are several (default 1)")
    parse.add_argument("--annotations", type=Path, metavar="PATH", help="where the reader does not find them by itself")
    parse.add_argument("--frame-interval", type=int, default=2, help="of the clips (default 2; Jester: 1)")
    parse.add_argument("--jobs", type=int, default=available_cores(), metavar="N", help="processes")
    given = parse.parse_args(argv)
    try:
        if given.jobs < 1:
            raise ValueError(f"--jobs {given.jobs}: must be 1 or more")
        source = source_named(given.name, split=given.split, annotations=given.annotations)
        root = root_of(source, given.data_root)
        data = LigarData(source=source, data_root=root, frame_interval=given.frame_interval)
        print(make_pool(data, root / POOL_FILE, given.jobs))  # type: ignore[operator]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def make_pool(data: LigarData, path: Path, jobs: int) -> str:
    """Write the pool file of a data module's training videos.

    Args:
        data: the data module.
        path: the file.
        jobs: processes.

    Returns:
        The summary to print.

    Raises:
        ValueError: no video on disk, or no clip that can join the pool.
    """
    statistics = ClipStatistics(data.central_views())
    loader = DataLoader(statistics, batch_size=None, num_workers=jobs if jobs > 1 else 0, worker_init_fn=use_one_thread)
    undecodable = 0

    def decoded() -> Iterator[torch.Tensor]:
        nonlocal undecodable
        for row in reported(loader, len(statistics)):
            if row is None:
                undecodable += 1
            else:
                yield row

    written = write_pool(decoded(), path)
    left_out = len(statistics) - undecodable - written
    means, stds = read_pool(path).mean(axis=0)
    return (
        f"{data.source.name}: {len(statistics):,} training videos on disk ({len(data.missing['train']):,} listed ones "
        f"missing), {undecodable:,} undecodable, {left_out:,} too dark or flat\n"
        f"{path}: {written:,} clips, on average mean {numbers(means)}, standard deviation {numbers(stds)} (RGB, 0..255)"
    )


def use_one_thread(worker: int) -> None:
    """Keep the processes from sharing the same cores many times over."""
    torch.set_num_threads(1)


def numbers(values: Any) -> str:
    """Return numbers with one decimal, separated by spaces."""
    return " ".join(f"{value:.1f}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
