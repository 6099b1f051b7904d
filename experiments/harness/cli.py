"""From the command line to rendered tables: plan the cells, run what is missing, gather, judge, render."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datamodules.synthetic.members import Member
from experiments.harness import arguments as flags
from experiments.harness.cell import Evaluation, Options
from experiments.harness.claims import Costs, with_claims_of_script
from experiments.harness.console import print_cells, print_costs, print_table
from experiments.harness.controls import with_controls
from experiments.harness.display import Display
from experiments.harness.evidence import gather, with_notes_of_script
from experiments.harness.evidence_file import read_evidence
from experiments.harness.figures import draw_figure, figure_rows
from experiments.harness.pages import options_suffix, refuse_lesser, write_pages, write_rendered
from experiments.harness.plan import Job, plan
from experiments.harness.provenance import export_hash, source_hash
from experiments.harness.render import to_json
from experiments.harness.request import chosen_rows, requested_cells
from experiments.harness.shared_tests import SharedTests
from experiments.harness.spec import Figure, Table
from experiments.harness.stale import forget
from experiments.harness.store import Store, results_folder, write_atomic
from experiments.harness.table_cells import TableCells
from experiments.harness.tracking import Tracking

Show = Callable[[dict[str, Any], list[Job]], None]
EXIT_FAILED_CELLS = 1
EXIT_BAD_ARGUMENT = 2
EXIT_CLOSED_PIPE = 141  # as the shell names the end by that signal


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
    """Run the missing cells of a figure's rows, draw it, return the exit status; its table's pages are left alone."""

    def run(options: Options, places: Places) -> int:
        if arguments.render_only:
            raise ValueError("--render-only is for tables; a figure is drawn again from its cells: run it without")
        if options.video is not None and not figure.of_clips:
            raise ValueError(f"--video is for figures that show clips; {figure.id} shows test sets as a whole")
        if options.checkpoint is not None and figure.compares:
            raise ValueError(f"--checkpoint is the weights of one network; {figure.id} compares "
                             f"{', '.join(map(repr, figure.rows))}")  # fmt: skip
        arguments.rows = list(figure_rows(figure, arguments.rows))
        if options.checkpoint is not None and len(arguments.rows) > 1:
            rows = ", ".join(map(repr, arguments.rows))
            raise ValueError(f"--checkpoint: say with --rows which row of {figure.id} it was trained for: {rows}")
        if arguments.costs:
            print_costs([(figure.table, arguments.rows)], as_json=arguments.json)
            return 0
        arguments.no_controls = True  # no figure draws them
        arguments.columns = arguments.columns or list(figure.groups) or None
        if figure.of_clips and arguments.seeds is None:
            options = replace(options, seeds=options.seeds[:1])
        [cells] = requested_cells([figure.table], options, places.store, arguments)
        jobs = _run_missing([cells], arguments, options, places)
        if jobs is None or (status := _say_failed(jobs)):
            return 0 if jobs is None else status
        name = f"{figure.id.split('/')[1]}.{options_suffix(options)}.png"
        draw_figure(figure, cells, places.rendered / figure.table.paper / name)
        print(f"drawn: {places.rendered / figure.table.paper / name}")
        return 0

    return _run(run, arguments)


def run_tables(tables: Sequence[Table], arguments: argparse.Namespace, show: Show | None = None) -> int:
    """Run the missing cells of several tables in one pool and render each table.

    Args:
        tables: of one or several scripts.
        arguments: the command line.
        show: receives each table's evidence and the jobs that ran for it; by default prints the table.

    Returns:
        The exit status.
    """
    return _run(lambda options, places: _run_tables(tables, arguments, options, places, show or _show), arguments)


def _run(work: Callable[[Options, Places], int], arguments: argparse.Namespace) -> int:
    """Do what a command line asks; what cannot be done, or is interrupted, ends in one line and an exit status."""
    try:
        options = flags.options(arguments)
        with _places(arguments, options) as places:
            return work(options, places)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_ARGUMENT
    except KeyboardInterrupt:
        print("\ninterrupted: finished cells are kept, the others go on from their last epoch", file=sys.stderr)
        return 130
    except BrokenPipeError:  # what reads the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more at its end
        return EXIT_CLOSED_PIPE


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
    if options.video is not None:
        raise ValueError("--video is for figures that show clips; a table is of test sets")
    if arguments.costs:
        print_costs(
            [(table, chosen_rows(table, arguments.rows or ["all"])) for table in tables], as_json=arguments.json
        )
        return 0
    if arguments.render_only:
        return _for_each(tables, lambda table: _render_stored(table, options, places, show))
    cells = {
        table.id: of
        for table, of in zip(tables, requested_cells(tables, options, places.store, arguments), strict=True)
    }
    jobs = _run_missing([*cells.values()], arguments, options, places)
    if jobs is None:
        return 0

    def render(table: Table) -> None:
        evidence = gather(cells[table.id], costs=_costs(table, options.profile))
        if arguments.commit_results:
            refuse_lesser(evidence, table, failed=_failed(_jobs_of(cells[table.id], jobs)))
        tracking = _tracking(arguments, places).for_table(table.id, options.profile)
        write_rendered(evidence, table, places.rendered, tracking)
        show(evidence, _jobs_of(cells[table.id], jobs))

    return max(_for_each(tables, render), _say_failed(jobs))


def _for_each(tables: Sequence[Table], work: Callable[[Table], None]) -> int:
    """Render each table; one that cannot be keeps no other one from it. Return the exit status."""
    failed = 0
    for table in tables:
        try:
            work(table)
        except ValueError as error:
            print(f"error: {table.id}: {error}", file=sys.stderr)
            failed = EXIT_BAD_ARGUMENT
    return failed


def _run_missing(
    cells: Sequence[TableCells], arguments: argparse.Namespace, options: Options, places: Places
) -> list[Job] | None:
    """Run what is missing; return the jobs, None after a dry run."""
    wanted: dict[Evaluation, str] = {}
    for of_table in cells:
        for cell, label in of_table.wanted().items():
            wanted.setdefault(cell, label)
    _report_videos(wanted)
    if arguments.dry_run:
        print_cells(wanted, places.store)
        return None
    if arguments.refresh is not None:
        forget(wanted, places.store, only_stale=arguments.refresh == "stale")
    jobs = plan(wanted, places.store)
    for of_table in cells:
        for job in _jobs_of(of_table, jobs):
            job.table = job.table or of_table.table.id
    _run_jobs(jobs, arguments, places)
    return jobs


def _say_failed(jobs: list[Job]) -> int:
    """Print how many jobs failed; return the exit status."""
    if failed := _failed(jobs):
        print(f"{len(failed)} of {len(jobs)} jobs failed or were blocked; the table shows a dash for their cells. "
              "Start the script again to retry them.", file=sys.stderr)  # fmt: skip
    return EXIT_FAILED_CELLS if failed else 0


def _failed(jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if job.state in ("failed", "blocked")]


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
    found = [job for job in jobs if job.makes & keys]
    for job in found:  # grows: needs have needs
        found += [need for need in job.needs if need not in found]
    return found


def _run_jobs(jobs: list[Job], arguments: argparse.Namespace, places: Places) -> None:
    if not jobs:
        return
    from experiments.harness.pool import Pool, run_jobs
    from experiments.harness.runner import Runtime

    _hash_sources(jobs)
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


def _hash_sources(jobs: Sequence[Job]) -> None:
    """Hash the code that the jobs need before any runs: children inherit the hashes, whatever is edited meanwhile."""
    export_hash()
    for job in jobs:
        cells = job.work.evaluations if isinstance(job.work, SharedTests) else (job.work,)
        for cell in cells:
            if not isinstance(cell, Member):
                training = cell.training if isinstance(cell, Evaluation) else cell
                source_hash(training.module.cls, training.data.cls)


def _tracking(arguments: argparse.Namespace, places: Places) -> Tracking:
    return Tracking.detect(places.store.root, wanted=not arguments.no_wandb and arguments.profile != "smoke")


def _costs(table: Table, profile: str) -> Costs | None:
    if not any(column.is_cost for column in table.columns):
        return None
    from experiments.harness.measure import known_cost

    return lambda row, column: known_cost(table, row, column, profile)


def _render_stored(table: Table, options: Options, places: Places, show: Show) -> None:
    """Render the user's own evidence, else the repository's, with today's claims, notes and controls.

    Pages go where a run's would. Of what is committed these three are written too."""
    suffix = options_suffix(options)
    for folder in dict.fromkeys((places.rendered, results_folder())):
        path = folder / table.paper / f"{table.name}.{suffix}.json"
        if path.exists():
            evidence = with_notes_of_script(read_evidence(path), table)
            evidence = with_controls(with_claims_of_script(evidence, table, _costs(table, options.profile)), table)
            if folder == places.rendered == results_folder():
                write_atomic(path, to_json(evidence))
            stem = write_pages(evidence, table, places.rendered)
            show(evidence, [])
            print(f"rendered from {path} to {stem}.md, .csv, .png")
            return
    raise ValueError(f"no evidence for profile {suffix!r} under {results_folder()}; run the script first")
