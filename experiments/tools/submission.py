"""Write the VIPriors challenge's submission file from stored scores: of a test setting, or of an ensemble of them.

The row's cells on the test split must have run with --profile paper: nothing is trained or tested here.

Run: python experiments/tools/submission.py --row "SlowFast +TSM, interval 1" --data-root DATA --out submission.txt
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datamodules.datasets.mod_ucf101 import ModUCF101, submission_lines
from experiments.harness.cell import Options
from experiments.harness.spec import Table
from experiments.harness.store import Store, write_atomic
from experiments.harness.table_cells import TableCells
from experiments.vipriors_table4 import TABLE, TEST


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--row", required=True, help="label of a row of vipriors_table4")
    parse.add_argument("--data-root", type=Path, required=True, help="as for the table")
    parse.add_argument("--seed", type=int, default=0, help="of the networks")
    parse.add_argument("--out", type=Path, required=True, help="file to write")
    given = parse.parse_args(argv)
    try:
        options = Options(profile="paper", seeds=(given.seed,), data_root=given.data_root)
        scores, ids = test_scores(TABLE, given.row, options, Store())
        listed = [video.id for video in ModUCF101().videos(given.data_root, "test")]
        write_atomic(given.out, "\n".join(submission_lines(rankings(scores, ids, listed))) + "\n")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{given.out}: {len(listed)} clips, {len(ids)} of them scored")
    return 0


def test_scores(table: Table, label: str, options: Options, store: Store) -> tuple[np.ndarray, list[str]]:
    """Return a row's stored scores ``(N, K)`` on the test split, and the names of the N videos.

    Raises:
        ValueError: an unknown row, or one that has not been run.
    """
    row = table.row(label)
    cells = TableCells(table, options, store, rows=(label,), controls=False)
    column = next(column for column in cells.columns if column.group == TEST)
    found, _ = cells.scores(row, column)
    seed = options.seeds[0]
    if seed not in found:
        raise ValueError(f"{table.id}, row {label!r} has no scores for seed {seed}: run "
                         f"`python experiments/vipriors_table4.py --profile paper --rows {label!r}` first")  # fmt: skip
    _, cell = cells.evaluations(row, column, seed)[0]
    return found[seed], [str(name) for name in store.folder(cell).load_scores()["ids"]]


def rankings(scores: np.ndarray, ids: Sequence[str], listed: Sequence[str]) -> list[list[int]]:
    """Return the labels of each listed video, likeliest first; none where it was not scored."""
    order = np.argsort(-scores, axis=1, kind="stable")
    decoded = ~np.isnan(scores).any(axis=1)
    known = {name: order[i].tolist() for i, name in enumerate(ids) if decoded[i]}
    return [known.get(name, []) for name in listed]


if __name__ == "__main__":
    sys.exit(main())
