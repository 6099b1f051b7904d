"""Read what was measured of a table's networks: latencies, and videos per second (no torch)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.harness.spec import Row, Table
from experiments.harness.store import results_folder


def record_name(table: Table, profile: str) -> str:
    """Return the name of the record of a table's latencies in results/benchmarks, without its ending."""
    return f"latency_{table.paper}_{table.name}.{profile}"


def velocity_name(table: Table) -> str:
    """Return the name of the record of a table's videos per second in results/benchmarks, without its ending."""
    return f"velocity_{table.paper}_{table.name}"


def rows_of_record(name: str) -> Mapping[str, Any] | None:
    """Return what was measured, by row; None where nothing was.

    Args:
        name: of the record in results/benchmarks, without its ending.

    Raises:
        ValueError: the record is damaged; it is named.
    """
    path = Path(results_folder()) / "benchmarks" / f"{name}.json"
    if not path.exists():
        return None
    try:
        return {row["row"]: row for row in json.loads(path.read_text())["rows"]}
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
    return _measured(record_name(table, profile), row, "p50_ms", key)


def videos_per_sec(table: Table, row: Row, key: str) -> float | None:
    """Return how many videos a second a row's full-size network judges; None as for :func:`latency_ms`.

    Args:
        table: the table.
        row: the row.
        key: hash of the network as it is now.
    """
    return _measured(velocity_name(table), row, "videos_per_sec", key)


def _measured(name: str, row: Row, unit: str, key: str) -> float | None:
    measured = (rows_of_record(name) or {}).get(row.label)
    return float(measured[unit]) if measured is not None and measured["network"] == key else None
