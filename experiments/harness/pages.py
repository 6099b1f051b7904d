"""Write a table's evidence and the pages that are rendered from it; the file's name says what was run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.harness.cell import Options
from experiments.harness.draw import draw_curves, draw_table
from experiments.harness.evidence_file import read_evidence
from experiments.harness.index import write_index
from experiments.harness.render import means, table_cells, to_csv, to_json, to_markdown
from experiments.harness.spec import Table
from experiments.harness.store import results_folder, write_atomic
from experiments.harness.tracking import Tracking


def write_rendered(evidence: dict[str, Any], table: Table, folder: Path, tracking: Tracking | None = None) -> None:
    """Write a table's evidence and its pages; log the table."""
    stem = folder / table.paper / f"{table.name}.{_suffix(evidence)}"
    write_atomic(stem.with_name(stem.name + ".json"), to_json(evidence))
    write_pages(evidence, table, folder)
    if tracking is not None:
        heads, rows = table_cells(evidence)
        ids = Counter((claim["id"], claim["column"]) for claim in evidence["claims"])
        verdicts = {
            f"verdict/{c['id']}/{c['column']}" + (f"/{c['better']}" if ids[c["id"], c["column"]] > 1 else ""): c[
                "verdict"
            ]
            for c in evidence["claims"]
        }
        cut = _suffix(evidence).removesuffix(evidence["profile"])  # of less than the table: it must not take its place
        tracking.log_table(heads, rows, verdicts, means(evidence), prefix=cut)


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
    """Return the part of a result's file name that says what was run, from the evidence."""
    return stem_suffix(evidence["profile"], evidence["conditions"])


def options_suffix(options: Options) -> str:
    """Return the part of a result's file name that says what was run, from what was asked for."""
    return stem_suffix(options.profile, {**vars(options), "own_data": options.data})


def stem_suffix(profile: str, conditions: Mapping[str, Any]) -> str:
    """Return the part of a result's file name that says what was run, so that nothing fuller is written over.

    At the paper's size a file of initial weights is what the paper itself started from.
    """
    own_data, checkpoint = conditions["own_data"] is not None, conditions["checkpoint"] is not None
    changed = any(conditions[key] is not None for key in ("limit_batches", "batch_size", "views", "crops"))
    shown = conditions.get("video") is not None
    started = bool(conditions["init_checkpoint"] or conditions["init_files"]) and profile != "paper"
    return (
        ("own-data-" if own_data else "")
        + ("video-" if shown else "")
        + ("checkpoint-" if checkpoint else "")
        + ("changed-" if changed or started else "")
        + profile
    )


def refuse_lesser(evidence: Mapping[str, Any], table: Table, *, failed: Sequence[Any]) -> None:
    """Refuse to commit what is not whole, was run with less than full precision, or has fewer seeds than what is there.

    Raises:
        ValueError: it says why, and what to do.
    """
    conditions = evidence["conditions"]
    if failed:
        raise ValueError(f"not committed: {len(failed)} of its jobs failed or were blocked; run it again first")
    if reduced := [one for one in conditions["precision"] if one != "32-true"]:
        raise ValueError(f"not committed: cells were run in {', '.join(reduced)}; committed results are in 32-true: "
                         "--refresh all runs them again")  # fmt: skip
    if several := [one for one in conditions["devices"] if one != 1]:
        raise ValueError(f"not committed: cells were run by {max(several)} processes, each of which normalises its own "
                         "clips alone; committed results are of one: --refresh all runs them again")  # fmt: skip
    if conditions["mixed_starts"]:
        raise ValueError("not committed: cells started from the weights of different runs of one pre-training, which "
                         "differ between machines; --refresh all runs them from one")  # fmt: skip
    before = _committed(table, evidence["profile"])
    if before is not None and len(before["conditions"]["seeds"]) > len(conditions["seeds"]):
        raise ValueError(f"not committed: results/{table.paper} has this table with "
                         f"{len(before['conditions']['seeds'])} seeds, these are {len(conditions['seeds'])}; run as "
                         "many, or delete the old result first")  # fmt: skip


def _committed(table: Table, profile: str) -> dict[str, Any] | None:
    path = results_folder() / table.paper / f"{table.name}.{profile}.json"
    return read_evidence(path) if path.exists() else None
