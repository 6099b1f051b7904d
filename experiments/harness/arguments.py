"""The command line of every table script: what a user may ask for, checked before anything starts (no torch)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from experiments.harness.cell import Options
from experiments.harness.spec import PROFILES

DEFAULT_SEEDS = 3


def parser(description: str) -> argparse.ArgumentParser:
    """Return the parser shared by table scripts and ``python -m experiments``."""
    parse = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parse.add_argument_group("what to run")
    profiles = (
        "smoke: seconds, shows that it runs; proxy: the embedded benchmark (default); paper: real data, full size"
    )
    what.add_argument("--profile", choices=PROFILES, default="proxy", help=profiles)
    roots = (
        "folder with the real videos and annotations; with several data sets, a folder each (ucf101, activitynet200)"
    )
    what.add_argument("--data-root", type=Path, help=roots)
    own = "your own data set in place of the table's: a folder per class under train/ and val/"
    what.add_argument("--data", choices=("folder",), help=own)
    what.add_argument("--size", choices=("proxy", "paper"), default="proxy", help="with --data: which network")
    what.add_argument("--rows", nargs="+", metavar="LABEL", help="only these rows")
    what.add_argument(
        "--columns", nargs="+", metavar="GROUP", help="only these data sets, as printed in the table's head"
    )
    what.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, metavar="N", help="run seeds 0 to N-1 (default 3)")
    cut = "a real run cut short, and marked so: N batches per epoch and test, one epoch per stage"
    what.add_argument("--limit-batches", type=int, metavar="N", help=cut)
    what.add_argument("--batch-size", type=int, help="videos per batch in place of the recipe's")
    what.add_argument("--views", type=int, help="test views in place of the table's")
    start = "start from this checkpoint, in place of every initialisation or of the named one; 'none': from scratch"
    what.add_argument("--init-checkpoint", action="append", default=[], metavar="[NAME=]FILE", help=start)
    trained = "trained weights in place of every training (ours, or the authors' released ones); with --test-only"
    what.add_argument("--checkpoint", type=Path, metavar="FILE", help=trained)
    what.add_argument(
        "--test-only", action="store_true", help="train nothing: test --checkpoint by the table's protocol"
    )
    what.add_argument("--refresh", choices=("stale", "all"), help="run cells again that older code made, or all")
    what.add_argument("--no-controls", action="store_true", help="skip the tests on shuffled and repeated frames")
    how = parse.add_argument_group("how to run")
    how.add_argument("--jobs", type=int, metavar="N", help="cells at the same time (default: one per core; 1 on a GPU)")
    how.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu")
    how.add_argument("--devices", type=int, default=1, help="processes per cell (data parallel)")
    how.add_argument("--precision", default="32-true", help="Lightning's precision, such as bf16-mixed")
    how.add_argument(
        "--num-workers", type=int, default=None, help="loader processes per cell (default: 0, or 4 on a GPU)"
    )
    how.add_argument("--no-wandb", action="store_true", help="log curves to CSV files only")
    show = parse.add_argument_group("what to show")
    show.add_argument("--dry-run", action="store_true", help="list the cells and their state")
    show.add_argument("--costs", action="store_true", help="parameters and operations of every row, no training")
    show.add_argument("--json", action="store_true", help="with --costs: as JSON")
    show.add_argument("--render-only", action="store_true", help="render again from stored evidence, no training")
    show.add_argument(
        "--commit-results", action="store_true", help="write into results/<paper>/ instead of results/runs/"
    )
    return parse


def options(arguments: argparse.Namespace) -> Options:
    """Turn the command line into options.

    Raises:
        ValueError: flags that contradict each other, or values out of range.
    """
    for flag, value in (("--seeds", arguments.seeds), ("--jobs", arguments.jobs), ("--devices", arguments.devices),
                        ("--limit-batches", arguments.limit_batches), ("--batch-size", arguments.batch_size),
                        ("--views", arguments.views)):  # fmt: skip
        if value is not None and value < 1:
            raise ValueError(f"{flag} {value}: must be 1 or more")
    if arguments.data is not None and arguments.data_root is None:
        raise ValueError("--data folder needs --data-root, the folder that holds train/ and val/")
    if arguments.data_root is not None and not arguments.data_root.is_dir():
        raise ValueError(f"--data-root {arguments.data_root}: no such folder")
    if arguments.data_root is not None and arguments.data is None and arguments.profile != "paper":
        raise ValueError(
            "--data-root is for --profile paper or --data folder; the embedded benchmark makes its own videos"
        )
    if arguments.data is not None and arguments.profile != "proxy":
        raise ValueError(
            f"--data {arguments.data} takes its network from --size, not from --profile {arguments.profile}"
        )
    if arguments.data is not None and arguments.commit_results:
        raise ValueError("--commit-results is for the paper's own tables, not for --data")
    start, named = _init_checkpoints(arguments.init_checkpoint)
    if (arguments.checkpoint is not None) != arguments.test_only:
        raise ValueError(
            "--checkpoint FILE and --test-only go together; to train on from a file: --init-checkpoint FILE"
        )
    if arguments.checkpoint is not None and not arguments.checkpoint.is_file():
        raise ValueError(f"--checkpoint {arguments.checkpoint}: no such file")
    if arguments.checkpoint is not None and arguments.commit_results:
        raise ValueError("--commit-results is for what was trained here, not for --checkpoint")
    seeds = arguments.seeds if arguments.profile != "smoke" else min(arguments.seeds, 2)
    return Options(
        profile=arguments.size if arguments.data is not None else arguments.profile,
        seeds=tuple(range(seeds)) if arguments.checkpoint is None else (0,),
        data_root=arguments.data_root,
        data=_own_data(arguments),
        limit_batches=arguments.limit_batches,
        init_checkpoint=start,
        init_files=named,
        checkpoint=arguments.checkpoint,
        batch_size=arguments.batch_size,
        views=arguments.views,
    )


def _init_checkpoints(given: list[str]) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Split ``FILE`` and ``NAME=FILE`` arguments; a file whose own name holds a ``=`` can be given as ``./a=b``."""
    named = tuple((text.split("=", 1)[0], text.split("=", 1)[1]) for text in given if _is_named(text))
    plain = [text for text in given if not _is_named(text)]
    if len(plain) > 1:
        raise ValueError(f"--init-checkpoint {plain[1]}: only one without a name; write NAME=FILE for the others")
    return (plain[0] if plain else None), named


def _is_named(text: str) -> bool:
    return "=" in text and "/" not in text.split("=", 1)[0]


def _own_data(arguments: argparse.Namespace) -> Any:
    if arguments.data is None:
        return None
    from datamodules.datasets.folder import Folder

    return Folder()


def num_jobs(arguments: argparse.Namespace) -> int:
    """Return how many cells run at the same time."""
    if arguments.jobs is not None:
        return arguments.jobs
    if arguments.accelerator == "gpu":
        return 1
    return max(1, len(os.sched_getaffinity(0)) // arguments.devices)


def num_workers(arguments: argparse.Namespace) -> int:
    """Return how many loader processes each cell has."""
    if arguments.num_workers is not None:
        return arguments.num_workers
    return 4 if arguments.accelerator == "gpu" else 0
