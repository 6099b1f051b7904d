"""The command line of every table script: what a user may ask for, checked before anything starts (no torch)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from experiments.harness.cell import Options
from experiments.harness.spec import PROFILES

DEFAULT_SEEDS = 3
OWN_DATA = {"folder": "train/ and val/", "csv": "the videos, and train.csv and val.csv"}


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
    own = (
        "your own data set in place of the table's: a folder per class under train/ and val/, or train.csv and val.csv"
    )
    what.add_argument("--data", choices=OWN_DATA, help=own)
    what.add_argument("--lists", type=Path, metavar="DIR", help="with --data csv: where the lists are (default: root)")
    what.add_argument("--size", choices=("proxy", "paper"), help="with --data: which network (default proxy)")
    what.add_argument("--rows", nargs="+", metavar="LABEL", help="only these rows; 'all': every row")
    sets = "only these data sets, as printed in the table's head; with --data: the one whose protocol is used"
    what.add_argument("--columns", nargs="+", metavar="GROUP", help=sets)
    seeds = f"run seeds 0 to N-1 (default {DEFAULT_SEEDS})"
    what.add_argument("--seeds", type=int, metavar="N", help=seeds)
    cut = "a real run cut short, and marked so: N batches per epoch and test, one epoch per stage"
    what.add_argument("--limit-batches", type=int, metavar="N", help=cut)
    what.add_argument("--batch-size", type=int, help="videos per batch in place of the recipes', pre-trainings' too")
    what.add_argument("--views", type=int, help="temporal views of a test video in place of the table's")
    squares = "crops of each test view in place of the table's: 1 (centre) or 3; --views 1 --crops 1 is the quick test"
    what.add_argument("--crops", type=int, choices=(1, 3), help=squares)
    start = "start from this checkpoint, in place of every row's initialisation or of the named one; 'none': scratch"
    what.add_argument("--init-checkpoint", action="append", default=[], metavar="[NAME=]FILE", help=start)
    trained = "trained weights in place of every training (ours, or the authors' released ones); with --test-only"
    what.add_argument("--checkpoint", type=Path, metavar="FILE", help=trained)
    what.add_argument(
        "--test-only", action="store_true", help="train nothing: test --checkpoint by the table's protocol"
    )
    what.add_argument("--refresh", choices=("stale", "all"), help="run cells again that older code made, or all")
    what.add_argument("--no-controls", action="store_true", help="skip the tests on shuffled and repeated frames")
    shown = "figures of clips: draw this video (a file, or a folder of frames) in place of test videos"
    what.add_argument("--video", type=Path, metavar="FILE", help=shown)
    what.add_argument("--video-class", metavar="NAME", help="what --video shows, by the data set's own name for it")
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
    show.add_argument("--costs", action="store_true", help="parameters and operations of the rows, no training")
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
    _refuse_contradictions(arguments)
    if arguments.commit_results:
        _refuse_parts(arguments)
    start, named = _init_checkpoints(arguments.init_checkpoint)
    seeds = arguments.seeds or DEFAULT_SEEDS
    seeds = seeds if arguments.profile != "smoke" else min(seeds, 2)
    return Options(
        profile=arguments.size or "proxy" if arguments.data is not None else arguments.profile,
        seeds=tuple(range(seeds)) if arguments.checkpoint is None else (0,),
        data_root=arguments.data_root,
        data=_own_data(arguments),
        limit_batches=arguments.limit_batches,
        init_checkpoint=start,
        init_files=named,
        checkpoint=arguments.checkpoint,
        batch_size=arguments.batch_size,
        views=arguments.views,
        crops=arguments.crops,
        video=arguments.video,
        video_class=arguments.video_class,
    )


def _refuse_contradictions(given: argparse.Namespace) -> None:
    """Raise a ValueError for flags that need, exclude or would silently ignore each other."""
    own, root, checkpoint = given.data is not None, given.data_root, given.checkpoint
    smoke = given.profile == "smoke"
    for refused, message in (
        (own and root is None, f"--data {given.data} needs --data-root, the folder of {OWN_DATA.get(given.data)}"),
        (given.lists is not None and given.data != "csv", "--lists is for --data csv"),
        (root is not None and not root.is_dir(), f"--data-root {root}: no such folder"),
        (root is not None and not own and given.profile != "paper",
         "--data-root is for --profile paper or --data; the embedded benchmark makes its own videos"),
        (own and given.profile != "proxy",
         f"--data {given.data} takes its network from --size, not from --profile {given.profile}"),
        (given.size is not None and not own, "--size is for --data; the table's own size is its --profile"),
        (own and given.commit_results, "--commit-results is for the paper's own tables, not for --data"),
        ((checkpoint is not None) != given.test_only,
         "--checkpoint FILE and --test-only go together; to train on from a file: --init-checkpoint FILE"),
        (checkpoint is not None and not checkpoint.is_file(), f"--checkpoint {checkpoint}: no such file"),
        (checkpoint is not None and given.commit_results,
         "--commit-results is for what was trained here, not for --checkpoint"),
        (checkpoint is not None and given.init_checkpoint,
         "--init-checkpoint says where a training starts; with --checkpoint nothing is trained"),
        (checkpoint is not None and given.seeds is not None,
         "--seeds: the weights of --checkpoint are tested once, there is no seed"),
        ((given.video is None) != (given.video_class is None), "--video FILE and --video-class NAME go together"),
        (given.video is not None and not given.video.exists(), f"--video {given.video}: no such video"),
        (given.video is not None and given.commit_results, "--commit-results is for the paper's data, not for --video"),
        (given.json and not given.costs, "--json is for --costs"),
        (smoke and given.commit_results, "--commit-results: the smoke profile leaves nothing behind"),
        (smoke and given.render_only, "--render-only: the smoke profile leaves no evidence behind"),
    ):  # fmt: skip
        if refused:
            raise ValueError(message)


def _refuse_parts(given: argparse.Namespace) -> None:
    """Raise a ValueError for flags by which less, or something else, than the table would be committed."""
    rows = given.rows if given.rows != ["all"] else None
    for flag, value in (("--rows", rows), ("--columns", given.columns), ("--limit-batches", given.limit_batches),
                        ("--views", given.views), ("--crops", given.crops), ("--batch-size", given.batch_size),
                        ("--no-controls", given.no_controls), ("--devices", given.devices > 1),
                        ("--precision", given.precision != "32-true")):  # fmt: skip
        if value:
            raise ValueError(f"--commit-results writes the whole table as published; {flag} would leave out or change "
                             "a part of it: run without one of the two")  # fmt: skip


def _init_checkpoints(given: list[str]) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Split ``FILE`` and ``NAME=FILE`` arguments; a file whose own name holds a ``=`` can be given as ``./a=b``."""
    named = tuple((text.split("=", 1)[0], text.split("=", 1)[1]) for text in given if _is_named(text))
    plain = [text for text in given if not _is_named(text)]
    if len(plain) > 1:
        raise ValueError(f"--init-checkpoint {plain[1]}: only one without a name; write NAME=FILE for the others")
    names = [name for name, _ in named]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"--init-checkpoint {twice[0]}=...: given twice")
    return (plain[0] if plain else None), named


def _is_named(text: str) -> bool:
    return "=" in text and "/" not in text.split("=", 1)[0]


def _own_data(arguments: argparse.Namespace) -> Any:
    if arguments.data is None:
        return None
    from datamodules.datasets.csv_list import CsvList
    from datamodules.datasets.folder import Folder

    return Folder() if arguments.data == "folder" else CsvList(annotations=arguments.lists)


def num_jobs(arguments: argparse.Namespace) -> int:
    """Return how many cells run at the same time."""
    if arguments.jobs is not None:
        return arguments.jobs
    if arguments.accelerator == "gpu":
        return 1
    return max(1, available_cores() // arguments.devices)


def available_cores() -> int:
    """Return how many processor cores this process may use; where the system does not say, all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def num_workers(arguments: argparse.Namespace) -> int:
    """Return how many loader processes each cell has."""
    if arguments.num_workers is not None:
        return arguments.num_workers
    return 4 if arguments.accelerator == "gpu" else 0
