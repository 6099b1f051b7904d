"""From the command line to rendered tables: plan the cells, run what is missing, gather, judge, render."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.harness import arguments as flags
from experiments.harness.cell import Evaluation, Options
from experiments.harness.console import print_cells, print_costs, print_table
from experiments.harness.display import Display
from experiments.harness.draw import draw_curves, draw_table
from experiments.harness.evidence import gather
from experiments.harness.figures import draw_figure
from experiments.harness.index import write_index
from experiments.harness.plan import Job, plan
from experiments.harness.render import table_cells, to_csv, to_json, to_markdown
from experiments.harness.spec import Figure, Table
from experiments.harness.stale import forget
from experiments.harness.store import Store, results_folder, write_atomic
from experiments.harness.table_cells import TableCells
from experiments.harness.tracking import Tracking

Show = Callable[[dict[str, Any], list[Job]], None]
EXIT_FAILED_CELLS = 1
EXIT_BAD_ARGUMENT = 2


@dataclass(frozen=True)
class Places:
    """Where cells and rendered tables go."""

    store: Store
    rendered: Path


def main(spec: Table | Figure, argv: Sequence[str] | None = None) -> None:
    """Run one script: parse the command line, run what is missing, render the table or draw the figure, exit."""
    kind = "Published values beside ours, with intervals and a verdict per claim."
    description = f"{spec.title}\n\n{kind if isinstance(spec, Table) else 'Drawn from the cells of ' + spec.table.id}"
    arguments = flags.parser(description).parse_args(argv)
    sys.exit(run_tables([spec], arguments) if isinstance(spec, Table) else run_figure(spec, arguments))


def run_figure(figure: Figure, arguments: argparse.Namespace) -> int:
    """Run the missing cells of a figure's rows, draw it, return the exit status."""
    try:
        options = flags.options(arguments)
        arguments.rows = list(figure.rows)
        with _places(arguments, options) as places:
            status = _run_tables([figure.table], arguments, options, places, lambda evidence, jobs: None)
            if status == 0 and not (arguments.dry_run or arguments.costs):
                path = places.rendered / figure.table.paper / f"{figure.id.split('/')[1]}.{options.profile}.png"
                draw_figure(figure, _cells(figure.table, options, places.store, arguments), path)
                print(f"drawn: {path}")
            return status
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_ARGUMENT


def run_tables(tables: Sequence[Table], arguments: argparse.Namespace, show: Show | None = None) -> int:
    """Run the missing cells of several tables in one pool and render each table.

    Args:
        tables: of one or several scripts.
        arguments: the command line.
        show: receives each table's evidence and the jobs that ran for it; by default prints the table.

    Returns:
        The exit status.
    """
    try:
        options = flags.options(arguments)
        with _places(arguments, options) as places:
            return _run_tables(tables, arguments, options, places, show or _show)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_ARGUMENT
    except KeyboardInterrupt:
        print("\ninterrupted: finished cells are kept, the others go on from their last epoch", file=sys.stderr)
        return 130


@contextlib.contextmanager
def _places(arguments: argparse.Namespace, options: Options) -> Iterator[Places]:
    """Yield where to write; the smoke profile lives in a temporary folder and leaves nothing behind."""
    if options.profile != "smoke":
        own = options.data is not None or options.checkpoint is not None or not arguments.commit_results
        yield Places(Store(), results_folder() / "runs" if own else results_folder())
        return
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        os.environ["ACTION_TABLES_CACHE"] = str(Path(folder) / "cache")
        yield Places(Store(Path(folder) / "runs"), Path(folder) / "rendered")


def _show(evidence: dict[str, Any], jobs: list[Job]) -> None:
    print_table(evidence)


def _run_tables(
    tables: Sequence[Table], arguments: argparse.Namespace, options: Options, places: Places, show: Show
) -> int:
    if arguments.costs:
        print_costs(tables, as_json=arguments.json)
        return 0
    if arguments.render_only:
        return max(_render_stored(table, options, places, show) for table in tables)
    cells = [_cells(table, options, places.store, arguments) for table in tables]
    wanted: dict[Evaluation, str] = {}
    for of_table in cells:
        for cell, label in of_table.wanted().items():
            wanted.setdefault(cell, label)
    _report_videos(wanted)
    if arguments.dry_run:
        print_cells(wanted, places.store)
        return 0
    if arguments.refresh is not None:
        forget(wanted, places.store, only_stale=arguments.refresh == "stale")
    jobs = plan(wanted, places.store)
    for table, of_table in zip(tables, cells, strict=True):
        for job in _jobs_of(of_table, jobs):
            job.table = job.table or table.id
    _run_jobs(jobs, arguments, places)
    for table, of_table in zip(tables, cells, strict=True):
        evidence = gather(of_table, costs=_costs(table))
        tracking = _tracking(arguments, places).for_table(table.id, options.profile)
        write_rendered(evidence, table, places.rendered, tracking)
        show(evidence, _jobs_of(of_table, jobs))
    failed = [job for job in jobs if job.state in ("failed", "blocked")]
    if failed:
        print(f"{len(failed)} of {len(jobs)} jobs failed or were blocked; the table shows a dash for their cells. "
              "Start the script again to retry them.", file=sys.stderr)  # fmt: skip
    return EXIT_FAILED_CELLS if failed else 0


def _cells(table: Table, options: Options, store: Store, arguments: argparse.Namespace) -> TableCells:
    rows = tuple(arguments.rows) if arguments.rows else tuple(row.label for row in table.rows)
    if rows == ("all",):
        rows = tuple(row.label for row in table.rows)
    for label in rows:
        table.row(label)
    run = [row.label for row in table.rows if not row.cited]
    if options.checkpoint is not None and not arguments.rows and len(run) > 1:
        raise ValueError(f"--checkpoint: say with --rows which row of {table.id} it was trained for: {', '.join(run)}")
    known = {column.group for column in table.columns if not column.is_cost}
    for group in arguments.columns or ():
        if group not in known:
            raise ValueError(f"--columns {group!r}: {table.id} has {', '.join(sorted(map(repr, known)))}")
    groups = tuple(arguments.columns) if arguments.columns and options.data is None else None
    controls = not arguments.no_controls and options.profile == "proxy" and options.data is None
    return TableCells(table, options, store, rows=rows, controls=controls, groups=groups)


def _report_videos(wanted: dict[Evaluation, str]) -> None:
    """Say of each real data set how many videos it lists and how many are on disk, before anything runs."""
    from datamodules.datasets.source import count_report

    sets = {(cell.data.arguments["source"], cell.training.data_root) for cell in wanted}
    for source, root in sorted(sets, key=str):
        if root is not None:
            for subset in ("train", "test"):
                print(count_report(source, root, subset), flush=True)


def _jobs_of(cells: TableCells, jobs: list[Job]) -> list[Job]:
    """Return the jobs behind a table's cells: tests, trainings, and all that those need."""
    keys = {key for cell in cells.wanted() for key in (cell.fingerprint, cell.training.fingerprint)}
    found = [job for job in jobs if job.key in keys]
    for job in found:  # grows: needs have needs
        found += [need for need in job.needs if need not in found]
    return found


def _run_jobs(jobs: list[Job], arguments: argparse.Namespace, places: Places) -> None:
    if not jobs:
        return
    from experiments.harness.pool import Pool, run_jobs
    from experiments.harness.runner import Runtime

    slots = min(flags.num_jobs(arguments), len(jobs))
    runtime = Runtime(
        store=places.store,
        accelerator=arguments.accelerator,
        devices=arguments.devices,
        precision=arguments.precision,
        num_workers=flags.num_workers(arguments),
        tracking=_tracking(arguments, places),
    )
    pool = Pool(jobs, runtime, slots=slots)
    try:
        with Display(slots) as display:
            run_jobs(pool, display.update)
    finally:
        pool.close()


def _tracking(arguments: argparse.Namespace, places: Places) -> Tracking:
    return Tracking.detect(places.store.root, wanted=not arguments.no_wandb and arguments.profile != "smoke")


def _costs(table: Table) -> Any:
    if not any(column.is_cost for column in table.columns):
        return None
    from experiments.harness.measure import cost_value

    return lambda row, column: cost_value(table, row, column)


def write_rendered(evidence: dict[str, Any], table: Table, folder: Path, tracking: Tracking | None = None) -> None:
    """Write a table's evidence and its pages; log the table."""
    stem = folder / table.paper / f"{table.name}.{_suffix(evidence)}"
    write_atomic(stem.with_name(stem.name + ".json"), to_json(evidence))
    write_pages(evidence, table, folder)
    if tracking is not None:
        heads, rows = table_cells(evidence)
        verdicts = {f"verdict/{c['id']}/{c['column']}": c["verdict"] for c in evidence["claims"]}
        tracking.log_table(heads, rows, verdicts)


def write_pages(evidence: dict[str, Any], table: Table, folder: Path) -> Path:
    """Write a table's Markdown, CSV and pictures; return their path without suffix."""
    stem = folder / table.paper / f"{table.name}.{_suffix(evidence)}"
    write_atomic(stem.with_name(stem.name + ".md"), to_markdown(evidence, _beside(evidence, table, folder)))
    write_atomic(stem.with_name(stem.name + ".csv"), to_csv(evidence))
    draw_table(evidence, stem.with_name(stem.name + ".png"))
    draw_curves(evidence, stem.with_name(stem.name + ".curves.png"))
    if folder == results_folder():
        write_index(folder)
    return stem


def _beside(evidence: dict[str, Any], table: Table, folder: Path) -> dict[str, Any] | None:
    """Return the committed evidence to show beside a user's own run of the same table; None where that is pointless."""
    if folder == results_folder() or evidence["conditions"]["own_data"] is not None:
        return None
    committed = _committed(table, evidence["profile"])
    return None if committed == evidence else committed


def _suffix(evidence: dict[str, Any]) -> str:
    conditions = evidence["conditions"]
    return stem_suffix(evidence["profile"], conditions["own_data"] is not None, conditions["checkpoint"] is not None)


def stem_suffix(profile: str, own_data: bool, checkpoint: bool) -> str:
    """Return the part of a result's file name that says what was run."""
    return ("own-data-" if own_data else "") + ("checkpoint-" if checkpoint else "") + profile


def _committed(table: Table, profile: str) -> dict[str, Any] | None:
    path = results_folder() / table.paper / f"{table.name}.{profile}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _render_stored(table: Table, options: Options, places: Places, show: Show) -> int:
    """Render again from the user's own evidence, else from what comes with the repository; return the exit status.

    The pages go where a run's would; evidence is read and left alone.
    """
    suffix = stem_suffix(options.profile, options.data is not None, options.checkpoint is not None)
    for folder in dict.fromkeys((places.rendered, results_folder())):
        path = folder / table.paper / f"{table.name}.{suffix}.json"
        if path.exists():
            try:
                evidence = json.loads(path.read_text())
            except json.JSONDecodeError as error:
                raise ValueError(f"{path} is damaged ({error}); run the table again or restore the file") from error
            stem = write_pages(evidence, table, places.rendered)
            show(evidence, [])
            print(f"rendered from {path} to {stem}.md, .csv, .png")
            return 0
    missing = f"{table.id}: no evidence for profile {suffix!r} under {results_folder()}; run the script first"
    print(f"error: {missing}", file=sys.stderr)
    return EXIT_BAD_ARGUMENT
