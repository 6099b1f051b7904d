"""Measure a table's baseline at several difficulties of the embedded benchmark; record it in results/calibration/.

The benchmark's difficulties are chosen by this record alone: the baseline is to sit mid-scale, whatever other rows do.

Run: python experiments/tools/calibrate.py ligar_table3 --difficulties 1 2 3 --seeds 1
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datamodules.synthetic.members import GENERATOR_VERSION, Member
from experiments.__main__ import scripts
from experiments.harness.cell import Evaluation, Options
from experiments.harness.display import Display
from experiments.harness.evidence import rounded
from experiments.harness.index import write_index
from experiments.harness.plan import plan
from experiments.harness.pool import Pool, run_jobs
from experiments.harness.resolve import evaluation
from experiments.harness.runner import Runtime
from experiments.harness.spec import Column, Table
from experiments.harness.statistics import estimate
from experiments.harness.store import Store, results_folder, write_atomic


def main(argv: Sequence[str] | None = None) -> int:
    """Run the baseline's missing cells and write the record; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("script", help="a table script's name, such as ligar_table3")
    parse.add_argument("--difficulties", type=float, nargs="+", default=[1.0, 2.0, 3.0])
    parse.add_argument("--columns", nargs="+", metavar="GROUP", help="only these data sets, as in the table's head")
    parse.add_argument("--seeds", type=int, default=1, metavar="N", help="run seeds 0 to N-1")
    parse.add_argument("--jobs", type=int, default=2)
    given = parse.parse_args(argv)
    try:
        for flag, value in (("--seeds", given.seeds), ("--jobs", given.jobs)):
            if value < 1:
                raise ValueError(f"{flag} {value}: must be 1 or more")
        table = table_of(given.script)
        columns = chosen_columns(table, given.columns)
        return calibrate(given.script, table, columns, given.difficulties, tuple(range(given.seeds)), given.jobs)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def calibrate(
    script: str,
    table: Table,
    columns: Sequence[Column],
    difficulties: Sequence[float],
    seeds: tuple[int, ...],
    jobs: int,
) -> int:
    """Run the missing cells, add them to the record; return the exit status."""
    store = Store()
    cells = {
        (column.key, difficulty, seed): baseline(table, column, difficulty, seed)
        for column in columns
        for difficulty in difficulties
        for seed in seeds
    }
    labels = {cell: f"{key} at difficulty {difficulty:g} · s{seed}" for (key, difficulty, seed), cell in cells.items()}
    pool = Pool(plan(labels, store), Runtime(store=store), slots=jobs)
    try:
        with Display(jobs) as display:
            run_jobs(pool, display.update)
    finally:
        pool.close()
    if failed := [job.label for job in pool.jobs if job.state != "done"]:
        print(f"error: {', '.join(failed)} failed; no record is written", file=sys.stderr)
        return 1
    rows = [
        measured(table, column, difficulty, seeds, cells, store) for column in columns for difficulty in difficulties
    ]
    path = results_folder() / "calibration" / f"{script}.json"
    record = {
        "table": table.id,
        "row": table.control_row.label,
        "generator_version": GENERATOR_VERSION,
        "measured": merged(earlier(path, table), rows),
    }
    write_atomic(path, json.dumps(rounded(record), indent=1, sort_keys=True) + "\n")
    write_index(results_folder())
    print(f"{path}\n" + "\n".join(f"{r['data']} at {r['difficulty']:g}: {r['top1']['mean']:.1f} %" for r in rows))
    return 0


def table_of(script: str) -> Table:
    """Import a script and return its table.

    Raises:
        ValueError: there is no such script, or it has no table.
    """
    known = {path.stem for path in scripts()}
    if script not in known:
        raise ValueError(f"{script}: no such script; there are {', '.join(sorted(known))}")
    table = getattr(importlib.import_module(f"experiments.{script}"), "TABLE", None)
    if table is None:
        raise ValueError(f"{script} draws a figure; a calibration needs a table")
    return table


def earlier(path: Path, table: Table) -> list[dict[str, Any]]:
    """Return what a record holds of the same baseline on the same videos; empty where it is of others.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.exists():
        return []
    try:
        record = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}); restore or delete it") from error
    same = (record["generator_version"], record["row"]) == (GENERATOR_VERSION, table.control_row.label)
    return record["measured"] if same else []


def merged(before: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all measurements, the newer of one data set and difficulty, data sets in order of their first one.

    Which difficulty is the chosen one is as of now, for the data sets measured now.
    """
    found = {(row["data"], row["difficulty"]): row for row in [*before, *now]}
    chosen = {row["data"]: row["chosen_difficulty"] for row in now if "chosen_difficulty" in row}
    order = list(dict.fromkeys(data for data, _ in found))
    rows = sorted(found.values(), key=lambda row: (order.index(row["data"]), row["difficulty"]))
    return [
        {key: value for key, value in row.items() if key != "chosen_difficulty"}
        | {"chosen": row["difficulty"] == chosen.get(row["data"], row["difficulty"] if row["chosen"] else None)}
        for row in rows
    ]


def chosen_columns(table: Table, groups: Sequence[str] | None) -> list[Column]:
    """Return the first accuracy column of each data set asked for.

    Raises:
        ValueError: the table has no such data set.
    """
    first: dict[str, Column] = {}
    for column in table.columns:
        if column.metric == "top1":
            first.setdefault(column.group, column)
    for group in groups or ():
        if group not in first:
            raise ValueError(f"--columns {group!r}: {table.id} has {', '.join(map(repr, first))}")
    return [column for group, column in first.items() if groups is None or group in groups]


def baseline(table: Table, column: Column, difficulty: float, seed: int) -> Evaluation:
    """Return the baseline's cell on the column's member at another difficulty."""
    cell = evaluation(table, table.control_row, column, seed, Options(profile="proxy", seeds=(seed,)))
    source = member_of(cell)
    if source.difficulty == difficulty:
        return cell  # the table's own cell, already run with it
    data = {"source": dataclasses.replace(source, difficulty=difficulty)}
    training = dataclasses.replace(cell.training, data=cell.training.data.with_arguments(data, where="calibration"))
    return Evaluation(training=training, data=cell.data.with_arguments(data, where="calibration"))


def member_of(cell: Evaluation) -> Member:
    """Return the member that a cell is tested on."""
    source = cell.data.arguments["source"]
    assert isinstance(source, Member)
    return source


def measured(
    table: Table,
    column: Column,
    difficulty: float,
    seeds: tuple[int, ...],
    cells: dict[tuple[str, float, int], Evaluation],
    store: Store,
) -> dict[str, Any]:
    """Return the baseline's top-1 at one difficulty, and whether the table uses that difficulty."""
    scores = {seed: store.folder(cells[column.key, difficulty, seed]).load_scores() for seed in seeds}
    labels = scores[seeds[0]]["labels"]
    found = estimate({seed: stored["scores"] for seed, stored in scores.items()}, labels, "top1")
    chosen = member_of(evaluation(table, table.control_row, column, 0, Options(profile="proxy", seeds=(0,))))
    return {
        "data": chosen.name,
        "difficulty": difficulty,
        "chosen": difficulty == chosen.difficulty,
        "chosen_difficulty": chosen.difficulty,
        "seeds": list(seeds),
        "top1": {"mean": found.mean, "low": found.low, "high": found.high},
    }


if __name__ == "__main__":
    sys.exit(main())
