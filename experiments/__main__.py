"""Run every script's missing cells in one pool, one line per table: ``python -m experiments [--only ligar ...]``.

``--list`` says what is committed, from results/ alone. All other flags are those of a single script.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.harness import arguments as flags
from experiments.harness.cli import EXIT_BAD_ARGUMENT, run_tables
from experiments.harness.evidence_file import read_evidence
from experiments.harness.index import verdict_counts
from experiments.harness.plan import Job
from experiments.harness.spec import Table
from experiments.harness.store import results_folder

FOLDER = Path(__file__).parent
SCRIPT_NAME = re.compile(r"(?P<paper>.+)_(?P<name>(table|figure|ablations|cross)\w*)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run or list the scripts that the command line names; return the exit status."""
    parse = flags.parser("Every table: published values beside ours. One line per table; the pages go to results/.")
    parse.add_argument("--only", nargs="+", metavar="NAME", help="papers or scripts, such as ligar or ligar_table3")
    parse.add_argument("--list", action="store_true", help="say what is committed, and stop")
    given = parse.parse_args(argv)
    try:
        chosen = scripts(given.only)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_ARGUMENT
    if given.list:
        try:
            print("\n".join(map(committed_line, chosen)))
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_BAD_ARGUMENT
        return 0
    tables = [table for table in map(table_of, chosen) if table is not None]
    return run_tables(tables, given, show=_print_line)


def scripts(only: Sequence[str] | None = None, folder: Path = FOLDER) -> list[Path]:
    """Return the table and figure scripts in order.

    Args:
        only: names of papers or scripts; None means all.
        folder: where scripts are.

    Raises:
        ValueError: a name that fits no script.
    """
    found = sorted(path for path in folder.glob("*_*.py") if SCRIPT_NAME.fullmatch(path.stem))
    if only is None:
        return found
    papers = {SCRIPT_NAME.fullmatch(path.stem)["paper"] for path in found}  # type: ignore[index]
    for name in only:
        if name not in papers and name not in {path.stem for path in found}:
            known = ", ".join([*sorted(papers), *(path.stem for path in found)])
            raise ValueError(f"--only {name}: no such paper or script; there are {known}")
    return [path for path in found if path.stem in only or SCRIPT_NAME.fullmatch(path.stem)["paper"] in only]  # type: ignore[index]


def table_of(script: Path) -> Table | None:
    """Import a script and return its table; None for a figure, which its own script draws."""
    return getattr(importlib.import_module(f"experiments.{script.stem}"), "TABLE", None)


def committed_line(script: Path) -> str:
    """Say what results/ holds for a script, without importing it."""
    match = SCRIPT_NAME.fullmatch(script.stem)
    assert match is not None
    folder, name = results_folder() / match["paper"], match["name"]
    found = [_summary(read_evidence(path)) for path in sorted(folder.glob(f"{name}.*.json"))]
    found += ["drawn"] if not found and any(folder.glob(f"{name}.*png")) else []
    title = (ast.get_docstring(ast.parse(script.read_text())) or script.stem).splitlines()[0]
    return f"{script.stem:24} {'; '.join(found) or 'nothing committed':56} {title}"


def _summary(evidence: dict[str, Any]) -> str:
    seeds = len(evidence["conditions"]["seeds"])
    return f"{evidence['profile']}, {seeds} seed{'s' if seeds != 1 else ''}: {verdict_counts(evidence)}"


def _print_line(evidence: dict[str, Any], jobs: list[Job]) -> None:
    """Print a table's verdicts and the seconds of its jobs, added up; those shared with other tables count for each."""
    failed = sum(job.state in ("failed", "blocked") for job in jobs)
    work = f"{len(jobs)} jobs" + (f", {failed} of them failed or blocked" if failed else "")
    print(f"{evidence['table']:20} {_summary(evidence)}; {work}, {sum(job.seconds for job in jobs):.0f} s")


if __name__ == "__main__":
    sys.exit(main())
