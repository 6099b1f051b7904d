"""Train any of the papers' networks on your own videos, from a checkpoint, with the harness that runs the tables.

Your videos: a folder per class under train/ and val/ (--data folder), or lists train.csv and val.csv with a header
video,label (--data csv). Without val/, --hold-out 20 tests on 20 % of each class. The command says what it found before
it trains; a run that is ended goes on when the same command is given again.

FILE is where the network starts: the image or video weights that the paper starts from, the authors' released ones, or
any checkpoint of ours; its head is left out. none starts from scratch. --size proxy trains the embedded benchmark's
small network, in minutes on a CPU.

Run: python experiments/tools/finetune.py --module action_net --init FILE --data-root MY_VIDEOS --epochs 20
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from datamodules.augmentation_files import POOL_FILE
from datamodules.data_fingerprint import data_fingerprint, files_beside
from datamodules.datasets.csv_list import CsvList
from datamodules.datasets.held_out import hold_out
from datamodules.survey import FEW, Survey, survey
from experiments.harness import Changed, Table, arguments
from experiments.harness.cell import Training
from experiments.harness.cli import run_tables
from experiments.harness.request import requested_cells
from experiments.harness.runner import build_data
from experiments.harness.store import Store, results_folder
from experiments.tools.cross_norm_pool import make_pool

METRICS = {"top1": "Top-1", "mean_class_acc": "Mean class accuracy"}


@dataclass(frozen=True)
class Start:
    """Name the table row whose network, recipe and views are taken, and the column whose protocol it is.

    Args:
        script: module of the table script.
        row: label of the row.
        column: key of the column.
    """

    script: str
    row: str
    column: str


MODULES = {
    "action_net": Start("experiments.action_net_table1", "ACTION-Net", "Jester/Top-1"),
    "kpsem": Start("experiments.kpsem_table2", "MF-KPSEM", "HMDB51 split 1/Top-1"),
    "ligar": Start("experiments.ligar_table3", "w/o ACS", "UCF-101/Top-1"),
    # Without tailoring it needs no person detector.
    "ms3d": Start("experiments.ms3d_ablations", "whole frames (no tailoring)", "Kinetics/Top-1"),
    "vipriors": Start("experiments.vipriors_table1", "SlowFast 3DResNet 50", "mod-UCF101, validation/Acc(%)"),
}
ALIASES = {"slowfast": "vipriors"}  # by its network's name


def main(argv: Sequence[str] | None = None) -> int:
    """Train, test, render and say where the weights are; return the exit status."""
    given = parser().parse_args(argv)
    given.module = ALIASES.get(given.module, given.module)
    try:
        if not given.data_root.is_dir():
            raise ValueError(f"--data-root {given.data_root}: no such folder")
        if given.hold_out is not None:
            given.data = "csv"
            given.lists, tested, total = hold_out(given.data_root, given.hold_out, results_folder() / "runs" / "lists")
            print(f"held out {tested:,} of {total:,} videos for testing; lists: {given.lists}", flush=True)
        flags = harness_flags(given)
        options = arguments.options(flags)
        found = survey(options.data, given.data_root)
        print("\n".join(description(found)), flush=True)
        table = own_table(MODULES[given.module], given.module, found.name, epochs=given.epochs)
        (training,) = trainings(table, flags)
        if given.batch_size is None and (size := fitting_batch(training, found)) is not None:
            flags.batch_size = size
            print(f"batches of {size} videos: the recipe's {training.recipe.batch_size} do not fit {num_train(found)}")
            (training,) = trainings(table, flags)
        if not given.dry_run and make_pool_if_needed(training, given.data_root, arguments.num_jobs(flags)):
            data_fingerprint.cache_clear()  # the pool is part of what the training depends on
            (training,) = trainings(table, flags)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    status = run_tables([table], flags)
    weights = Store().folder(training).weights
    if status == 0 and weights.exists():
        print(f"weights: {weights}\nexport:  python experiments/tools/export.py {weights} --to openvino\n"
              f"demo:    python experiments/tools/demo.py {weights} VIDEO --out out.mp4")  # fmt: skip
    return status


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--module", choices=(*MODULES, *ALIASES), required=True, help="which paper's network")
    parse.add_argument("--data", choices=tuple(arguments.OWN_DATA), default="folder")
    parse.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="folder of your videos")
    parse.add_argument("--lists", type=Path, metavar="DIR", help="with --data csv: where the lists are (default: DIR)")
    parse.add_argument(
        "--hold-out", type=int, metavar="PERCENT", help="test on so many of each class; there is no val/"
    )
    parse.add_argument(
        "--init", required=True, metavar="FILE|none", help="checkpoint to start from; none: from scratch"
    )
    parse.add_argument("--size", choices=("paper", "proxy"), default="paper", help="which network (default paper)")
    parse.add_argument("--epochs", type=int, help="in all, the recipe's stages in proportion (default: the recipe's)")
    parse.add_argument("--batch-size", type=int, help="videos per batch (default: the recipe's, less for few videos)")
    parse.add_argument("--seeds", type=int, default=1)
    parse.add_argument("--limit-batches", type=int, metavar="N", help="cut every epoch and test short, to try it out")
    parse.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu")
    parse.add_argument("--devices", type=int, default=1)
    parse.add_argument("--precision", default="32-true")
    parse.add_argument("--num-workers", type=int, default=None)
    parse.add_argument("--no-wandb", action="store_true", help="log curves to CSV files only")
    parse.add_argument("--dry-run", action="store_true", help="say what was found and what would run")
    return parse


def harness_flags(given: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments as those of a table script.

    Raises:
        ValueError: no such checkpoint.
    """
    if given.init != "none" and not Path(given.init).is_file():
        raise ValueError(f"--init {given.init}: no such file; give a checkpoint, or 'none' for scratch")
    flags = arguments.parser("").parse_args([])
    for name in ("data", "data_root", "lists", "size", "batch_size", "seeds", "limit_batches", "accelerator", "devices",
                 "precision", "num_workers", "no_wandb", "dry_run"):  # fmt: skip
        setattr(flags, name, getattr(given, name))
    flags.init_checkpoint = [given.init]
    return flags


def own_table(start: Start, paper: str, name: str, *, epochs: int | None) -> Table:
    """Return a table of one row: a paper's network on the user's videos.

    Args:
        start: which row of which table to take.
        paper: its slug.
        name: of the data set.
        epochs: in all; None keeps the recipe's.
    """
    table: Table = importlib.import_module(start.script).TABLE
    column = table.column(start.column)
    row = table.row(start.row)
    if epochs is not None:
        row = replace(row, recipe={**row.recipe, "stages": Changed(partial(shortened, epochs=epochs))})
    columns = tuple(replace(column, metric=metric, title=title, test_videos=None) for metric, title in METRICS.items())
    return replace(
        table, id=f"{paper}/finetune", title=f"{start.row} on {name}", columns=columns, notes=(), claims=(),
        rows=(replace(row, published=(None,) * len(columns), on=None, note=""),), baseline=None,
    )  # fmt: skip


def shortened(stages: Sequence[Any], *, epochs: int) -> tuple[Any, ...]:
    """Return a recipe's stages in proportion within a number of epochs, one at least for each.

    Raises:
        ValueError: fewer epochs than stages.
    """
    if epochs < len(stages):
        raise ValueError(f"--epochs {epochs}: the recipe has {len(stages)} stages of one epoch or more")
    total, ends, passed = sum(stage.epochs for stage in stages), [0], 0
    for number, stage in enumerate(stages, start=1):
        passed += stage.epochs
        end = round(passed * epochs / total)
        ends.append(min(max(end, ends[-1] + 1), epochs - (len(stages) - number)))
    return tuple(replace(stage, epochs=b - a) for stage, a, b in zip(stages, ends, ends[1:], strict=False))


def trainings(table: Table, flags: argparse.Namespace) -> tuple[Training]:
    """Return the training of the first seed."""
    options = arguments.options(flags)
    [cells] = requested_cells([table], options, Store(), flags)
    return (cells.evaluation(table.rows[0], cells.columns[0], 0).training,)


def num_train(found: Survey) -> int:
    """Return the number of training videos that can be used."""
    train = next(subset for subset in found.subsets if "train" in subset.names)
    return len(train.videos) - len(train.undecodable)


def fitting_batch(training: Training, found: Survey) -> int | None:
    """Return a smaller batch, a power of two, where the recipe's does not fit twice into an epoch; None if it does.

    Raises:
        ValueError: no training video.
    """
    number = num_train(found)
    if number < 2:
        raise ValueError(f"{number} training videos; a network needs more")
    if 2 * training.recipe.batch_size <= number:
        return None
    return 2 ** ((number // 2).bit_length() - 1)


def description(found: Survey) -> list[str]:
    """Return what the data set holds and what its user should know, before anything is trained.

    Raises:
        ValueError: a subset has no video, a class has none in training, or there is only one class.
    """
    if unusable := found.unusable():
        raise ValueError(f"{found.root}: {'; '.join(unusable)}")
    lines = [f"{found.name} in {found.root}: {len(found.class_names)} classes"]
    if len(found.class_names) < 2:
        raise ValueError(f"{found.root} has the one class {found.class_names[0]!r}; a classifier needs two")
    for subset in found.subsets:
        counts = ", ".join(f"{name} {number}" for name, number in zip(found.class_names, subset.per_class, strict=True))
        lines.append(f"  {'/'.join(subset.names)}: {len(subset.videos):,} videos ({counts})")
        none = [name for name, number in zip(found.class_names, subset.per_class, strict=True) if number == 0]
        if none and "train" in subset.names:
            raise ValueError(f"no training video of {', '.join(none)}: add some, or take the class away")
        if none:
            lines.append(f"  warning: no video to test {', '.join(none)}; its accuracy is unknown")
    train = next(subset for subset in found.subsets if "train" in subset.names)
    few = [name for name, number in zip(found.class_names, train.per_class, strict=True) if number < FEW]
    if few:
        lines.append(f"  warning: fewer than {FEW} training videos of {', '.join(few)}; expect little of these classes")
    if max(train.per_class) > 10 * min(train.per_class):
        lines.append("  warning: the largest class has more than ten times the videos of the smallest; nothing is "
                     "balanced: watch the mean class accuracy")  # fmt: skip
    lines += [f"  warning: {problem}" for problem in (*found.shared, *found.notes)]
    if any(subset.undecoded for subset in found.subsets):
        lines.append(f"  not every file has been decoded yet: python -m datamodules.check {kind(found)} "
                     f"--data-root {found.root} --decode")  # fmt: skip
    return lines


def kind(found: Survey) -> str:
    """Return what the doctor calls the data set."""
    return "csvlist" if found.name == CsvList().name else "folder"


def make_pool_if_needed(training: Training, root: Path, jobs: int) -> bool:
    """Write CrossNorm's pool beside the videos if the training reads one that is not there; say whether it was."""
    if Path(POOL_FILE) not in files_beside(training.data.resolved()) or (root / POOL_FILE).is_file():
        return False
    print("CrossNorm draws from the statistics of your clips; they are measured once:", flush=True)
    print(make_pool(build_data(training, training.data, 0), root / POOL_FILE, jobs), flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
