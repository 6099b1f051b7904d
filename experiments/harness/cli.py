"""From the command line to rendered tables: plan the cells, run what is missing, gather, judge, render."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.harness import arguments as flags
from experiments.harness.cell import Evaluation, Options, Training
from experiments.harness.display import Display
from experiments.harness.draw import draw_curves, draw_table
from experiments.harness.evidence import TableCells, gather
from experiments.harness.plan import Job, plan
from experiments.harness.provenance import source_hash
from experiments.harness.render import DASH, table_cells, to_csv, to_json, to_markdown, value
from experiments.harness.spec import Table
from experiments.harness.store import Store, results_folder, write_atomic
from experiments.harness.tracking import Tracking

EXIT_FAILED_CELLS = 1
EXIT_BAD_ARGUMENT = 2


@dataclass(frozen=True)
class Places:
    """Where cells and rendered tables go."""

    store: Store
    rendered: Path

    def evidence(self, table: Table, profile: str) -> Path:
        """Return the path of a table's evidence."""
        return self.rendered / table.paper / f"{table.name}.{profile}.json"


def main(table: Table, argv: Sequence[str] | None = None) -> None:
    """Run one table script: parse the command line, run, render, exit."""
    description = f"{table.title}\n\nPublished values beside ours, with intervals and a verdict per claim."
    sys.exit(run_tables([table], flags.parser(description).parse_args(argv)))


def run_tables(tables: Sequence[Table], arguments: argparse.Namespace) -> int:
    """Run the missing cells of several tables in one pool and render each table; return the exit status."""
    try:
        options = flags.options(arguments)
        with _places(arguments, options) as places:
            return _run_tables(tables, arguments, options, places)
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
        own = options.data is not None or not arguments.commit_results
        yield Places(Store(), results_folder() / "runs" if own else results_folder())
        return
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        os.environ["ACTION_TABLES_CACHE"] = str(Path(folder) / "cache")
        yield Places(Store(Path(folder) / "runs"), Path(folder) / "rendered")


def _run_tables(tables: Sequence[Table], arguments: argparse.Namespace, options: Options, places: Places) -> int:
    if arguments.costs:
        print_costs(tables, as_json=arguments.json)
        return 0
    if arguments.render_only:
        for table in tables:
            _render_stored(table, options, places)
        return 0
    cells = [_cells(table, options, places.store, arguments) for table in tables]
    wanted: dict[Evaluation, str] = {}
    for of_table in cells:
        for cell, label in of_table.wanted().items():
            wanted.setdefault(cell, label)
    _report_missing(options)
    if arguments.dry_run:
        _print_cells(wanted, places.store)
        return 0
    jobs = plan(wanted, places.store, _refresh(arguments.refresh, wanted, places.store))
    _run_jobs(jobs, arguments, places, tables)
    for table, table_cells_ in zip(tables, cells, strict=True):
        evidence = gather(table_cells_, costs=_costs(table))
        write_rendered(evidence, table, places.rendered, _tracking(arguments, options, places, table))
        print_table(evidence)
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
    known = {column.group for column in table.columns if not column.is_cost}
    for group in arguments.columns or ():
        if group not in known:
            raise ValueError(f"--columns {group!r}: {table.id} has {', '.join(sorted(map(repr, known)))}")
    groups = tuple(arguments.columns) if arguments.columns and options.data is None else None
    controls = not arguments.no_controls and options.profile == "proxy" and options.data is None
    return TableCells(table, options, store, rows=rows, controls=controls, groups=groups)


def _report_missing(options: Options) -> None:
    """Say how many videos of the user's own data set there are, before anything runs."""
    if options.data is not None:
        for subset in ("train", "val"):
            videos = options.data.videos(options.data_root, subset)
            print(f"{options.data.name} {subset}: {len(videos)} videos, {len({v.label for v in videos})} classes")


def _refresh(refresh: str | None, wanted: dict[Evaluation, str], store: Store) -> list[str]:
    """Remove the records to be made again; return their fingerprints."""
    if refresh is None:
        return []
    again: set[str] = set()
    for evaluation in wanted:
        chain: list[Training] = [evaluation.training]
        while isinstance(chain[-1].init, Training):
            chain.append(chain[-1].init)
        for training in chain:
            record = store.folder(training).record()
            stale = record and record["sources"] != source_hash(training.module.cls, training.data.cls)
            if refresh == "all" or stale:
                again |= {training.fingerprint, evaluation.fingerprint}
                for cell in (training, evaluation):
                    folder = store.folder(cell)
                    for path in (folder.record_path, folder.last):
                        path.unlink(missing_ok=True)
    return sorted(again)


def _run_jobs(jobs: list[Job], arguments: argparse.Namespace, places: Places, tables: Sequence[Table]) -> None:
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
        tracking=_tracking(arguments, None, places, tables[0]),
    )
    pool = Pool(jobs, runtime, slots=slots)
    try:
        with Display(slots) as display:
            run_jobs(pool, display.update)
    finally:
        pool.close()


def _tracking(arguments: argparse.Namespace, options: Options | None, places: Places, table: Table) -> Tracking:
    wanted = not arguments.no_wandb and arguments.profile != "smoke"
    return Tracking.detect(places.store.root, wanted=wanted).for_table(table.id, arguments.profile)


def _costs(table: Table) -> Any:
    if not any(column.is_cost for column in table.columns):
        return None
    from experiments.harness.measure import cost_value

    return lambda row, column: cost_value(table, row, column)


def write_rendered(evidence: dict[str, Any], table: Table, folder: Path, tracking: Tracking | None = None) -> None:
    """Write a table's evidence, Markdown, CSV and pictures."""
    stem = folder / table.paper / f"{table.name}.{_suffix(evidence)}"
    committed = _committed(table, evidence["profile"]) if folder != results_folder() else None
    write_atomic(stem.with_name(stem.name + ".json"), to_json(evidence))
    write_atomic(stem.with_name(stem.name + ".md"), to_markdown(evidence, committed))
    write_atomic(stem.with_name(stem.name + ".csv"), to_csv(evidence))
    draw_table(evidence, stem.with_name(stem.name + ".png"))
    draw_curves(evidence, stem.with_name(stem.name + ".curves.png"))
    if tracking is not None:
        heads, rows = table_cells(evidence)
        verdicts = {f"verdict/{c['id']}/{c['column']}": c["verdict"] for c in evidence["claims"]}
        tracking.log_table(heads, rows, verdicts)


def _suffix(evidence: dict[str, Any]) -> str:
    own = evidence["conditions"]["own_data"]
    return evidence["profile"] if own is None else f"own-data-{evidence['profile']}"


def _committed(table: Table, profile: str) -> dict[str, Any] | None:
    path = results_folder() / table.paper / f"{table.name}.{profile}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _render_stored(table: Table, options: Options, places: Places) -> None:
    """Render again from the user's own evidence, else from what comes with the repository."""
    for folder in dict.fromkeys((places.rendered, results_folder())):
        path = folder / table.paper / f"{table.name}.{options.profile}.json"
        if path.exists():
            try:
                evidence = json.loads(path.read_text())
            except json.JSONDecodeError as error:
                raise ValueError(f"{path} is damaged ({error}); run the table again or restore the file") from error
            write_rendered(evidence, table, folder)
            print_table(evidence)
            print(f"rendered from {path}")
            return
    raise ValueError(
        f"{table.id}: no evidence for profile {options.profile!r} under {results_folder()}; run the script first"
    )


def print_table(evidence: dict[str, Any]) -> None:
    """Print values and verdicts to the console: published above ours in each cell."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    console = Console(width=None if sys.stdout.isatty() else 140)
    grid = Grid(title=f"{evidence['title']}  (profile {evidence['profile']})", box=box.SIMPLE_HEAD, padding=(0, 1))
    grid.add_column("")
    for column in evidence["columns"]:
        grid.add_column(column["key"].replace("/", "\n"))
    for row in evidence["rows"]:
        cells = [
            f"[dim]{published or DASH}[/dim]\n{escape(value(ours, column['metric']))}"
            for column, published, ours in zip(evidence["columns"], row["published"], row["ours"], strict=True)
        ]
        grid.add_row(f"{escape(row['label'])}\n[dim](published above)[/dim]", *cells, end_section=True)
    console.print(grid)
    if evidence["claims"]:
        verdicts = Grid(title="Claims (percent points, 95 % interval)", box=box.SIMPLE_HEAD)
        for head in ("claim", "on", "published", "ours", "verdict"):
            verdicts.add_column(head)
        for claim in evidence["claims"]:
            ours, published = claim["ours"], claim["published"]
            verdicts.add_row(
                f"{claim['id']}: {claim['better']} {claim['relation']} {claim['worse']}",
                claim["column"],
                f"{published['difference']:+.2f}" if published else DASH,
                escape(f"{ours['mean']:+.1f} [{ours['low']:+.1f}, {ours['high']:+.1f}]") if ours else DASH,
                claim["verdict"],
            )
        console.print(verdicts)


def _print_cells(wanted: dict[Evaluation, str], store: Store) -> None:
    for cell, label in wanted.items():
        print(f"{store.folder(cell).state():12} {label}  (training {store.folder(cell.training).state()})")


def print_costs(tables: Sequence[Table], *, as_json: bool) -> None:
    """Print parameters and operations of every row's full-size network."""
    from experiments.harness.measure import row_costs

    found = {}
    for table in tables:
        for row in table.rows:
            if not row.cited:
                found[f"{table.id}: {row.label}"] = {k: round(v, 6) for k, v in row_costs(table, row).items()}
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, costs in found.items():
        print(f"{name}\n  " + "  ".join(f"{key} {value:.4f}" for key, value in costs.items()))
