"""Print tables, cells and costs to the console."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.harness.cell import Evaluation
from experiments.harness.markdown import DASH
from experiments.harness.render import value
from experiments.harness.render_claims import our_difference
from experiments.harness.spec import Table
from experiments.harness.store import Store


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
            f"[dim]{published or DASH}[/dim]\n{escape(value(ours, column['metric'], evidence['conditions']))}"
            for column, published, ours in zip(evidence["columns"], row["published"], row["ours"], strict=True)
        ]
        grid.add_row(f"{escape(row['label'])}\n[dim](published above)[/dim]", *cells, end_section=True)
    console.print(grid)
    if evidence["claims"]:
        verdicts = Grid(title="Claims (percent points, 95 % interval)", box=box.SIMPLE_HEAD)
        for head in ("claim", "on", "published", "ours", "verdict"):
            verdicts.add_column(head)
        for claim in evidence["claims"]:
            published = claim["published"]
            verdicts.add_row(
                escape(f"{claim['id']}: {claim['text']}"),
                claim["column"],
                f"{published['difference']:+.2f}" if published else DASH,
                escape(our_difference(claim)),
                claim.get("answer", claim["verdict"]),
            )
        console.print(verdicts)


def print_cells(wanted: Mapping[Evaluation, str], store: Store) -> None:
    """Print every evaluation with its state and that of its training."""
    for cell, label in wanted.items():
        print(f"{store.folder(cell).state():12} {label}  (training {store.folder(cell.training).state()})")


def print_costs(rows: Sequence[tuple[Table, Sequence[str]]], *, as_json: bool) -> None:
    """Print parameters and operations of the full-size networks of these rows."""
    from experiments.harness.measure import row_costs

    found = {}
    for table, labels in rows:
        for label in labels:
            costs = row_costs(table, table.row(label))
            found[f"{table.id}: {label}"] = {key: round(value, 6) for key, value in costs.items()}
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, costs in found.items():
        print(f"{name}\n  " + "  ".join(f"{key} {value:.4f}" for key, value in costs.items()))
