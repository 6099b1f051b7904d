"""Describe the tables' Weights & Biases workspace as code, save it, and upload runs that were logged offline.

Run: python experiments/tools/dashboard.py                          (says what it would save; extra `dashboard`)
     python experiments/tools/dashboard.py --entity ME --save       (needs a key)
     python experiments/tools/dashboard.py --sync                   (needs a key)

One view shows all tables, a section for each; and every table has a view of its own, filtered to its runs: bars row by
row, training curves grouped by row and data set, accuracy against cost. --sync uploads results/runs/wandb run by run
and may be interrupted and repeated: what is marked as uploaded is left out, and a run keeps its id, so that a second
upload of it goes to the same run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.harness.evidence_file import read_evidence
from experiments.harness.index import committed
from experiments.harness.render import COUNTED_BY_A_RULE, PERCENT_METRICS
from experiments.harness.store import results_folder
from experiments.harness.tracking import PROJECT, has_key, values_key

CURVES = (("train/loss", "Training loss"), ("train/top1", "Training top-1"), ("val/top1", "Held-out top-1, one view"))
COSTS = (*COUNTED_BY_A_RULE, "params_m", "folded_params_m")
SYNC = (sys.executable, "-m", "wandb", "sync")
Evidence = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Describe, save or upload; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--entity", default=os.environ.get("WANDB_ENTITY"), help="user or team")
    parse.add_argument("--project", default=os.environ.get("WANDB_PROJECT", PROJECT))
    parse.add_argument("--save", action="store_true", help="save the views")
    parse.add_argument("--sync", action="store_true", help="upload the runs that were logged offline")
    given = parse.parse_args(argv)
    try:
        if (given.save or given.sync) and not has_key():
            raise ValueError("no key of a W&B server: set WANDB_API_KEY, or run `wandb login`")
        if given.sync:
            return sync(results_folder() / "runs")
        if given.save and not given.entity:
            raise ValueError("--save needs --entity, the user or team that owns the project")
        tables = [read_evidence(path) for path in committed(results_folder())]
        for view in workspaces(tables, given.entity or "entity", given.project):
            if given.save:
                view.save()
            else:
                print(_described(view))
    except (ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def workspaces(tables: Sequence[Evidence], entity: str, project: str) -> list[Any]:
    """Return the view of all tables and each table's own.

    Args:
        tables: their evidence, which says what rows and columns there are.
        entity: user or team.
        project: name of the project.

    Raises:
        ImportError: wandb-workspaces is missing (the extra ``dashboard``).
    """
    ws, _ = _packages()

    def view(name: str, sections: list[Any], filters: str) -> Any:
        runs = ws.RunsetSettings(filters=filters, groupby=[ws.Config("row")])
        settings = ws.WorkspaceSettings(x_axis="epoch", max_runs=100)
        return ws.Workspace(
            entity=entity, project=project, name=name, sections=sections, settings=settings, runset_settings=runs
        )

    first = [ws.Section(name=table["title"], panels=[*_bars(table), *_costs(table)], is_open=True) for table in tables]
    own = []
    for table in tables:
        sections = [
            ws.Section(name="Rows", panels=_bars(table), is_open=True),
            ws.Section(name="Training", panels=_curves(), is_open=True),
        ]
        if costs := _costs(table):
            sections.append(ws.Section(name="Accuracy against cost", panels=costs, is_open=True))
        own.append(view(table["title"], sections, f"Metric('Group') == '{_group(table)}'"))
    return [view("All tables", first, "Metric('JobType') == 'table'"), *own]


def _group(table: Evidence) -> str:
    return table["table"].replace("/", "_")


def _bars(table: Evidence) -> list[Any]:
    """Return a bar chart per accuracy column, a bar per row."""
    return [
        _chart(table, "wandb/bar/v0", {"label": "row", "value": column["key"]}, f"{column['key']} (%)")
        for column in table["columns"]
        if column["metric"] in PERCENT_METRICS
    ]


def _costs(table: Evidence) -> list[Any]:
    """Return accuracy against each cost, a point per row."""
    first = next((column for column in table["columns"] if column["metric"] in PERCENT_METRICS), None)
    costs = [column for column in table["columns"] if column["metric"] in COSTS]
    if first is None:
        return []
    return [
        _chart(
            table, "wandb/scatter/v0", {"x": cost["key"], "y": first["key"]}, f"{first['key']} against {cost['key']}"
        )
        for cost in costs
    ]


def _chart(table: Evidence, kind: str, fields: dict[str, str], title: str) -> Any:
    _, wr = _packages()
    query = {"summaryTable": {"tableKey": values_key(_group(table))}}
    return wr.CustomChart(query=query, chart_name=kind, chart_fields=fields, chart_strings={"title": title})


def _curves() -> list[Any]:
    _, wr = _packages()
    return [
        wr.LinePlot(title=title, x="epoch", y=[key], groupby=wr.Config("row"), groupby_aggfunc="mean",
                    groupby_rangefunc="minmax", max_runs_to_show=100)
        for key, title in CURVES
    ]  # fmt: skip


def _packages() -> tuple[Any, Any]:
    try:
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise ImportError("views need wandb-workspaces: pip install 'action-recognition-tables[dashboard]'") from error
    return ws, wr


def _described(view: Any) -> str:
    lines = [f"{view.name}: runs where {view.runset_settings.filters}"]
    lines += [f"  {section.name}: {len(section.panels)} panels" for section in view.sections]
    return "\n".join(lines)


def sync(runs: Path, upload: Callable[[Path], bool] | None = None) -> int:
    """Upload every offline run that is not marked as uploaded; return 1 if any could not be, else 0.

    Args:
        runs: folder that holds ``wandb/offline-run-*``.
        upload: sends one run's folder and says whether that worked; by default ``wandb sync``, which sets the mark.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    waiting, done = pending(runs)
    if not waiting:
        print(f"nothing to upload; {done} runs are uploaded")
        return 0
    failed = []
    columns = (
        TextColumn("uploading"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("", total=done + len(waiting), completed=done)
        for run in waiting:
            progress.update(task, description=run.name)
            if not (upload or _upload)(run):
                failed.append(run)
            progress.advance(task)
    print(
        f"{len(waiting) - len(failed)} uploaded" + (f", {len(failed)} not; run it again to try them" if failed else "")
    )
    for run in failed:
        print(f"not uploaded: {run}", file=sys.stderr)
    return int(bool(failed))


def pending(runs: Path) -> tuple[list[Path], int]:
    """Return the folders of offline runs still to upload, oldest first, and how many are uploaded."""
    found = [run for run in sorted(runs.glob("wandb/offline-run-*")) if any(run.glob("run-*.wandb"))]
    waiting = [run for run in found if not any(run.glob("run-*.wandb.synced"))]
    return waiting, len(found) - len(waiting)


def _upload(run: Path) -> bool:
    return subprocess.run([*SYNC, str(run)], stdout=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
