"""Read the latencies of a table's networks that ``experiments/tools/latency.py`` measured (no torch)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.harness.spec import Row, Table
from experiments.harness.store import results_folder


def record_name(table: Table, profile: str) -> str:
    """Return the name of a table's record in results/benchmarks, without its ending."""
    return f"latency_{table.paper}_{table.name}.{profile}"


def latency_record(table: Table, profile: str) -> Mapping[str, Any] | None:
    """Return what was measured of a table; None where nothing was.

    Raises:
        ValueError: the record is damaged; it is named.
    """
    path = Path(results_folder()) / "benchmarks" / f"{record_name(table, profile)}.json"
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text())
        return {"rows": {row["row"]: row for row in record["rows"]}, **{k: v for k, v in record.items() if k != "rows"}}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); measure again, or delete it") from error


def latency_ms(table: Table, row: Row, profile: str, key: str) -> float | None:
    """Return a row's measured milliseconds for one clip; None where its network was not measured, or was another one.

    Args:
        table: the table.
        row: the row.
        profile: at whose size.
        key: hash of the network as it is now.
    """
    record = latency_record(table, profile)
    measured = record["rows"].get(row.label) if record is not None else None
    return float(measured["p50_ms"]) if measured is not None and measured["network"] == key else None
