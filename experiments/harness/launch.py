"""Run one cell on several devices: ``python -m experiments.harness.launch CELL_FILE``.

Lightning's data-parallel launcher starts the command line again for each process, so this must be a program that runs
one cell and nothing else.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.harness.store import REPOSITORY


def run_on_devices(cell: Any, runtime: Any, label: str) -> None:
    """Run a cell in as many processes as the runtime's devices.

    Raises:
        RuntimeError: the cell failed; its output is in this process's log.
    """
    with tempfile.NamedTemporaryFile(suffix=".cell", delete=False) as file:
        pickle.dump((cell, replace(runtime, report=_quiet), label), file)
    try:
        command = [sys.executable, "-m", "experiments.harness.launch", file.name]
        status = subprocess.run(command, cwd=REPOSITORY, check=False).returncode
    finally:
        os.unlink(file.name)
    if status != 0:
        raise RuntimeError(f"{label}: the data-parallel run ended with status {status}; see the log")


def _quiet(values: dict[str, Any]) -> None:
    """Progress of several processes is not shown."""


def main() -> None:
    """Run the cell in the file named on the command line (written by :func:`run_on_devices` a moment ago)."""
    from experiments.harness.pool import end_with

    end_with(os.getppid())
    from experiments.harness.runner import run

    cell, runtime, label = pickle.loads(Path(sys.argv[1]).read_bytes())
    run(cell, runtime, label)


if __name__ == "__main__":
    main()
