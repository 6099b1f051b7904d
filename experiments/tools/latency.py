"""Measure how long the networks of a table take for one clip, each as a profile runs it: the column "Latency (ms)".

All rows' networks take turns in one process of one thread, each turn beginning with another, so that other load on the
machine hits all alike; what counts is the CPU time of the scores of one clip. Weights and clips are random. Writes
results/benchmarks/latency_<table>.<profile>.json and .md, which the table's script reads: a network that has changed
since has no latency there.

Run: python experiments/tools/latency.py study_cross [--profile proxy] [--rounds N]        (a minute)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.__main__ import scripts, table_of
from experiments.benchmarks.records import measured_with, ratio, times_of, write_record
from experiments.benchmarks.turns import take_turns
from experiments.deploy.inference import ScoreNetwork
from experiments.harness.measure import build_as_run, network_as_run
from experiments.harness.measurements import record_name
from experiments.harness.spec import PROFILES, Row, Table

WARM_UP = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("table", help="name of its script, such as study_cross")
    parse.add_argument("--profile", choices=PROFILES, default="proxy", help="whose sizes (default proxy)")
    parse.add_argument("--rounds", type=int, default=50, help="turns of each network (default 50)")
    parse.add_argument("--out", type=Path, help="folder to write to; by default results/benchmarks")
    given = parse.parse_args(argv)
    try:
        if given.rounds < 1:
            raise ValueError(f"--rounds {given.rounds}: must be 1 or more")
        table = _table(given.table)
        found = measure(table, given.profile, rounds=given.rounds)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    page = markdown(found)
    write_record(record_name(table, given.profile), found, page, given.out)
    print(page)
    return 0


def measure(table: Table, profile: str, *, rounds: int) -> dict[str, Any]:
    """Return what was measured: per row the median and the 95th percentile, and the ratio to the control row."""
    torch.set_num_threads(1)
    rows = [row for row in table.rows if not row.cited and row.ensemble is None]
    turns = take_turns([scoring(table, row, profile) for row in rows], turns=rounds, warm_up=WARM_UP)
    times = {row.label: times_of(own, threads=1) for row, own in zip(rows, turns, strict=True)}
    networks = {row.label: network_as_run(table, row, profile) for row in rows}
    base = table.control_row.label
    return {
        "table": table.id,
        "profile": profile,
        "rounds": rounds,
        "compared_with": base,
        **measured_with("torch"),
        "rows": [
            {
                "row": row.label,
                "network": networks[row.label].key,
                "clip": list(networks[row.label].clip[2:]),
                "p50_ms": round(float(np.percentile(times[row.label], 50)), 3),
                "p95_ms": round(float(np.percentile(times[row.label], 95)), 3),
                "times_longer": round(ratio(times[row.label], times[base]), 2),
            }
            for row in rows
        ],
    }


def scoring(table: Table, row: Row, profile: str) -> Callable[[], object]:
    """Return a function that scores one random clip by a row's untrained network."""
    torch.manual_seed(0)
    network = ScoreNetwork(build_as_run(table, row, profile)).eval()
    clips = torch.randn(network_as_run(table, row, profile).clip[1:])

    def score(network: ScoreNetwork, clips: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return network(clips)

    return partial(score, network, clips)


def markdown(found: dict[str, Any]) -> str:
    """Return the record as a page."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    lines = [
        f"# Latency of the networks of {found['table']}, profile {found['profile']}",
        "",
        f"One clip, one thread, CPU time, {found['hardware']}; {versions}. {found['rounds']} rounds in which all take "
        f"turns; ratios are medians within rounds. Written by `python experiments/tools/latency.py "
        f"{found['table'].replace('/', '_')} --profile {found['profile']}`.",
        "",
        f"| Row | Clip (C, T, H, W) | p50 ms | p95 ms | × {found['compared_with']} |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for row in found["rows"]:
        clip = " x ".join(map(str, row["clip"]))
        lines.append(
            f"| {row['row']} | {clip} | {row['p50_ms']:.2f} | {row['p95_ms']:.2f} | {row['times_longer']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _table(name: str) -> Table:
    found = [table_of(path) for path in scripts([name]) if path.stem == name]
    table = found[0] if found else None
    if table is None:
        raise ValueError(f"{name} is no table script; give the name of one, such as study_cross")
    return table


if __name__ == "__main__":
    sys.exit(main())
