"""Describe the tables' Weights & Biases workspace as code, save it, and upload runs that were logged offline.

Run: python experiments/tools/dashboard.py                          (outlines what it would save; extra `dashboard`)
     python experiments/tools/dashboard.py --out views.json         (writes what it would save)
     python experiments/tools/dashboard.py --entity ME --save       (needs a key)
     python experiments/tools/dashboard.py --sync                   (needs a key)

One view shows all tables, a section for each; and every table has a view of its own, filtered to its runs: bars row by
row, training curves grouped by row and data set, accuracy against cost. Costs are those of the networks as run where
the table has them, since these made the accuracies; else those of the full-size networks. Each --save makes new views.
--sync uploads results/runs/wandb run by run and may be interrupted and repeated: what is marked as uploaded is left
out, and a run keeps its id, so that a second upload of it goes to the same run. A table that was rendered again has the
same id: the last rendering is uploaded, earlier ones are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.harness.evidence_file import read_evidence
from experiments.harness.index import committed
from experiments.harness.render import COUNTED_BY_A_RULE, PERCENT_METRICS
from experiments.harness.spec import AS_RUN_METRICS
from experiments.harness.store import results_folder, write_atomic
from experiments.harness.tracking import PROJECT, field_name, has_key, values_key

CURVES = (("train/loss", "Training loss"), ("train/top1", "Training top-1"), ("val/top1", "Held-out top-1, one view"))
FULL_SIZE_COSTS = (*COUNTED_BY_A_RULE, "params_m", "folded_params_m", "videos_per_sec")
ALL_TABLES, AGAINST_COST = "All tables", "Accuracy against cost"
BARS, POINTS = "wandb/bar/v0", "wandb/scatter/v0"
KINDS = {BARS: "bars by row", POINTS: "a point per row"}
SYNC = (sys.executable, "-m", "wandb", "sync")
Evidence = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Outline, write, save or upload; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--entity", default=os.environ.get("WANDB_ENTITY"), help="user or team")
    parse.add_argument("--project", default=os.environ.get("WANDB_PROJECT", PROJECT))
    parse.add_argument("--out", type=Path, metavar="FILE", help="write the views' specification as JSON")
    parse.add_argument("--save", action="store_true", help="save the views")
    parse.add_argument("--sync", action="store_true", help="upload the runs that were logged offline")
    given = parse.parse_args(argv)
    try:
        if given.sync and (given.save or given.out):
            raise ValueError("--sync uploads runs and nothing else: give --save and --out in another call")
        if (given.save or given.sync) and not has_key():
            raise ValueError("no key of a W&B server: set WANDB_API_KEY, or run `wandb login`")
        if given.sync:
            return sync(results_folder() / "runs")
        if given.save and not given.entity:
            raise ValueError("--save needs --entity, the user or team that owns the project")
        tables = [read_evidence(path) for path in committed(results_folder())]
        views = workspaces(tables, given.entity or "entity", given.project)
        if given.out:
            write_atomic(given.out, specification(views))
            print(f"{len(views)} views: {given.out}")
        if given.save:
            save(views)
        elif not given.out:
            print("\n".join(map(outline, views)))
    except (ValueError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def specification(views: Sequence[Any]) -> str:
    """Return the views as JSON, as they would be saved, without random ids and the server's: same tables, same text.

    Args:
        views: of wandb-workspaces.
    """
    models = [view._to_model().model_dump(mode="json", by_alias=True, exclude_none=True) for view in views]
    for model in models:
        del model["id"], model["name"]  # given by the server
    return json.dumps({"views": _without_ids(models)}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _without_ids(value: Any) -> Any:
    """Leave out the id that wandb-workspaces draws for each panel."""
    if isinstance(value, dict):
        return {key: _without_ids(inner) for key, inner in value.items() if key != "__id__"}
    return [_without_ids(inner) for inner in value] if isinstance(value, list) else value


def outline(view: Any) -> str:
    """Return a view's filter and sections, and what the panels of each section show, a line per kind of panel."""
    lines = [f"{view.name}: runs where {view.runset_settings.filters}"]
    for section in view.sections:
        shown: dict[str, list[str]] = {}
        for panel in section.panels:
            kind, what = _shown_by(panel)
            shown.setdefault(kind, []).append(what)
        lines.append(f"  {section.name}" + ("" if shown else ": nothing, for want of values"))
        lines += [f"    {kind}: {'; '.join(what)}" for kind, what in shown.items()]
    if view.name != ALL_TABLES and AGAINST_COST not in [section.name for section in view.sections]:
        lines.append(f"  no section {AGAINST_COST}: the table has no cost beside an accuracy of ours")
    return "\n".join(lines)


def _shown_by(panel: Any) -> tuple[str, str]:
    if hasattr(panel, "chart_name"):
        return KINDS[panel.chart_name], panel.chart_strings["title"]
    return "lines over epochs, a band per row", f"{panel.title} ({', '.join(panel.y)})"


def save(views: Sequence[Any]) -> None:
    """Save the views one after the other.

    Raises:
        ValueError: one could not be saved; it says which, why, what to do, and how many are saved.
    """
    for saved, view in enumerate(views):
        try:
            view.save()
        except Exception as error:  # wandb's own, its service's and those of a strange answer share no class
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(
                f"view {view.name!r} was not saved ({reason}): check the key (`wandb login --relogin`), the server "
                f"(WANDB_BASE_URL) and that {view.entity} owns {view.project}, then --save again; "
                + (f"{saved} of {len(views)} views are saved and would be there twice, so delete them there first"
                   if saved else "none is saved yet")
            ) from error  # fmt: skip


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

    def view(name: str, sections: list[Any], of: str, profiles: set[str]) -> Any:
        # Other profiles' runs have the same groups: their bars would stand among this one's.
        filters = f"{of} and Tags() in {sorted(profiles)}"
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
            sections.append(ws.Section(name=AGAINST_COST, panels=costs, is_open=True))
        own.append(view(table["title"], sections, f"Metric('Group') == '{_group(table)}'", {table["profile"]}))
    profiles = {table["profile"] for table in tables}
    return [view(ALL_TABLES, first, "Metric('JobType') == 'table'", profiles), *own]


def _group(table: Evidence) -> str:
    return table["table"].replace("/", "_")


def _bars(table: Evidence) -> list[Any]:
    """Return a bar chart per accuracy column that has values, a bar per row."""
    return [
        _chart(table, BARS, {"label": "row", "value": column["key"]},
               column["key"] + ("" if "%" in column["key"] else " (%)"))
        for column in table["columns"]
        if column["metric"] in PERCENT_METRICS and _share_rows(table, column)
    ]  # fmt: skip


def _costs(table: Evidence) -> list[Any]:
    """Return the first accuracy against each cost, a point per row: as run, or full-size where only that is known."""
    columns = table["columns"]
    first = next((c for c in columns if c["metric"] in PERCENT_METRICS and _share_rows(table, c)), None)
    if first is None:
        return []
    usable = [column for column in columns if _share_rows(table, first, column)]
    as_run = [column for column in usable if column["metric"] in AS_RUN_METRICS]
    full_size = [column for column in usable if column["metric"] in FULL_SIZE_COSTS]
    # Below the paper's size the accuracies are of small networks.
    note = " of the full-size network" if not as_run and table["profile"] != "paper" else ""
    return [
        _chart(table, POINTS, {"x": cost["key"], "y": first["key"]}, f"{first['key']} against {cost['key']}{note}")
        for cost in as_run or full_size
    ]


def _share_rows(table: Evidence, *columns: Mapping[str, Any]) -> bool:
    """Say whether some row has values of ours in all of the columns: else a chart of them is empty."""
    places = [table["columns"].index(column) for column in columns]
    return any(all(row["ours"][place] is not None for place in places) for row in table["rows"])


def _chart(table: Evidence, kind: str, fields: dict[str, str], title: str) -> Any:
    _, wr = _packages()
    query = {"summaryTable": {"tableKey": values_key(_group(table))}}
    names = {axis: field_name(column) for axis, column in fields.items()}
    return wr.CustomChart(query=query, chart_name=kind, chart_fields=names, chart_strings={"title": title})


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
    columns = (TextColumn("uploading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("{task.description}"))  # fmt: skip
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
    """Return the folders of offline runs still to upload, oldest first, and how many are uploaded.

    Of several folders with one id, a table's renderings, the newest counts: an earlier one that failed at first must
    not be sent over it later. An online run that is newer counts as well.
    """
    # Online before offline where both began in one second: a run whose server refused is logged offline next.
    folders = sorted([*runs.glob("wandb/run-*"), *runs.glob("wandb/offline-run-*")], key=_started)
    newest = {_run_id(folder): folder for folder in folders if _run_id(folder)}
    offline = [folder for folder in newest.values() if folder.name.startswith("offline-")]
    waiting = sorted((folder for folder in offline if not _uploaded(folder)), key=_started)
    found = [folder for folder in folders if folder.name.startswith("offline-")]
    return waiting, sum(map(_uploaded, found))


def _started(folder: Path) -> str:
    """Return the part of a run's folder that begins with when it began (``offline-run-20260101_000000-ID``)."""
    return folder.name.removeprefix("offline-")


def _run_id(folder: Path) -> str:
    """Return the run's id from its file: two runs of one second have folders that differ by a suffix."""
    return next((file.stem.removeprefix("run-") for file in folder.glob("run-*.wandb")), "")


def _uploaded(folder: Path) -> bool:
    return any(folder.glob("run-*.wandb.synced"))


def _upload(run: Path) -> bool:
    """Upload one run; the mark alone says whether that worked: a refused key leaves the exit status at 0."""
    subprocess.run([*SYNC, str(run)], stdout=subprocess.DEVNULL)
    return _uploaded(run)


if __name__ == "__main__":
    sys.exit(main())
