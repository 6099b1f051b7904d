"""What the notes below LIGAR's tables say of committed results is in those results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments import ligar_table1, ligar_table3, ligar_table4
from experiments.harness.evidence_file import read_evidence
from experiments.harness.store import REPOSITORY


def evidence(table: str) -> dict[str, Any]:
    return read_evidence(REPOSITORY / "results" / "ligar" / f"{table}.proxy.json")


def means(found: Mapping[str, Any], value) -> dict[tuple[str, str], float]:
    """Return the mean over seeds of a cell's value, by row and column."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for cell in found["cells"]:
        for row in cell["rows"]:
            for column in cell["columns"]:
                values[row, column].append(value(cell))
    return {key: float(np.mean(of_seeds)) for key, of_seeds in values.items()}


def note_with(table: Any, words: str) -> str:
    [note] = [note for note in table.TABLE.notes if words in note]
    return note


def test_table_1_says_what_one_network_loses_under_the_other_sampler():
    top1 = means(evidence("table1"), lambda cell: cell["metrics"]["top1"])

    def lost(trained: str, tested: str, group: str) -> str:
        column = f"{group}/{ligar_table1.ONE}"
        return f"{top1[trained, column] - top1[f'trained {trained}, tested {tested}', column]:.1f}"

    note = note_with(ligar_table1, "Rows three and four")
    groups = [name for name, *_ in ligar_table1.SETS]
    sparse, continuous = (
        [lost(*pair, group) for group in groups] for pair in (("sparse", "continuous"), ("continuous", "sparse"))
    )
    assert "{} points on UCF-101, {} on ActivityNet-200 and {} on Jester-27".format(*sparse) in note
    assert "one trained continuous {}, {} and {}".format(*continuous) in note
    printed = [[float(value) for value in row.published] for row in ligar_table1.TABLE.rows[:2]]
    largest = max(abs(a - b) for a, b in zip(*printed, strict=True))
    assert f"differ by more than {largest:.2f}" in note


def test_table_1_says_what_ten_views_add():
    note = note_with(ligar_table1, "comfortable")
    top1 = means(evidence("table1"), lambda cell: cell["metrics"]["top1"])
    added = {
        (row, group): top1[row, f"{group}/{ligar_table1.TEN}"] - top1[row, f"{group}/{ligar_table1.ONE}"]
        for row in ("sparse", "continuous")
        for group, *_ in ligar_table1.SETS
    }
    jester, activitynet = added.pop(("continuous", "Jester-27")), added.pop(("continuous", "ActivityNet-200"))
    assert f"it is {jester:.1f} on Jester-27" in note and f"{activitynet:.1f} on ActivityNet-200" in note
    assert f"{max(map(abs, added.values())):.1f} at most elsewhere" in note
    published = {
        (row.label, group): float(row.published[2 * i + 1]) - float(row.published[2 * i])
        for row in ligar_table1.TABLE.rows[:2]
        for i, (group, *_) in enumerate(ligar_table1.SETS)
    }
    others = [value for (_, group), value in published.items() if group != "ActivityNet-200"]
    assert f"{max(others):.2f} points at most, and {published['sparse', 'ActivityNet-200']:.2f} there" in note


def test_table_3_says_how_much_label_noise_there_is():
    note = note_with(ligar_table3, "Label noise")
    name = "train/clips_without_action"
    cells = {"cells": [cell for cell in evidence("table3")["cells"] if name in cell["curves"]]}
    column = "ActivityNet-200/Top-1"
    first = {row: value for (row, at), value in means(cells, lambda c: c["curves"][name][0][1]).items() if at == column}
    last = {row: value for (row, at), value in means(cells, lambda c: c["curves"][name][-1][1]).items() if at == column}
    assert all(f"{100 * value:.0f} % in the first epoch" in note for value in first.values()) and len(first) == 2
    assert f"in the last {100 * last['w/ ACS']:.0f} % with ACS and {100 * last['w/o ACS']:.0f} % without" in note


def test_table_4_recomputes_the_ratios_of_the_text():
    note = note_with(ligar_table4, "L38, L39")
    assert "hold as printed (32.3 and 53.1)" in note and "LIGAR is 65 and 106 times" in note and "ratio of 3.2" in note


def test_table_4_says_who_is_above_ligar():
    """Of the methods with a printed top-1 on UCF-101, against ten views of LIGAR; costs are of single views."""
    keys = [column.key for column in ligar_table4.TABLE.columns]
    top1, cost = keys.index("UCF-101/Top-1"), keys.index("Single GFLOPs")
    own = float(ligar_table4.TABLE.row(ligar_table4.TEN).published[top1])
    own_cost = float(ligar_table4.PUBLISHED_GFLOPS[ligar_table4.ONE])
    cited = {row.label: row.published for row in ligar_table4.TABLE.rows if row.cited and row.published[top1]}
    above = {label for label, printed in cited.items() if float(printed[top1]) > own}
    dearer = {label for label, printed in cited.items() if printed[cost] and float(printed[cost]) > own_cost}
    unknown = {label for label, printed in cited.items() if not printed[cost]}
    assert dearer == {ligar_table4.BERT, "STM"} and unknown == {"LGD-3D RGB"} and above == dearer | unknown
    assert set(cited) - above == {ligar_table4.MOBILENET}
    note = note_with(ligar_table4, "superior results")
    assert "both methods that are dearer" in note and "LGD-3D, whose cost" in note
