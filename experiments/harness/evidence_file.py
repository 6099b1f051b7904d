"""Read a table's evidence from its file, also as earlier versions of this code wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

EVIDENCE_FORMAT = 2

# What later formats added, with the value that says what was always so before.
ADDED: Mapping[str, Any] = MappingProxyType({
    "arguments": {}, "controls": {"a_a": [], "frame_order": []}, "notes": [], "starts": [],
})  # fmt: skip
ADDED_CONDITIONS: Mapping[str, Any] = MappingProxyType({
    "limit_batches": None, "init_checkpoint": None, "init_files": {}, "checkpoint": None, "batch_size": None,
    "views": None, "crops": None, "own_data": None, "generator_version": None, "versions": [], "hardware": [],
    "precision": [], "devices": [], "older_code": 0,
    "mixed_starts": [],
})  # fmt: skip
CLAIM = ("id", "column", "relation", "text", "published", "ours", "verdict")
DIFFERENCE = ("mean", "low", "high", "p_value", "smallest_detectable")
CELL: Mapping[str, type] = MappingProxyType({"rows": list, "training": str, "data": str, "curves": dict})
NEEDED = ("table", "title", "profile", "conditions", "columns", "rows", "claims", "cells")


def read_evidence(path: Path) -> dict[str, Any]:
    """Return the evidence in a file, in today's format whatever it was written in.

    Raises:
        ValueError: the file is damaged, is no evidence, or is of a later format; it says which file.
    """
    try:
        evidence = json.loads(path.read_text(), parse_constant=_refused)
    except ValueError as error:  # malformed, or no text
        raise ValueError(f"{path} is damaged ({error}); run the table again or restore the file") from error
    if not isinstance(evidence, dict) or (missing := [key for key in NEEDED if key not in evidence]):
        lacks = f"lacks {', '.join(missing)}" if isinstance(evidence, dict) else "is no object"
        raise ValueError(f"{path} is no evidence of a table: it {lacks}; run the table again or restore the file")
    if not (isinstance(written := evidence.get("format", 1), int) and written <= EVIDENCE_FORMAT):
        raise ValueError(f"{path} has format {written}; this code reads formats up to {EVIDENCE_FORMAT}: update it")
    try:
        evidence = _as_today(evidence)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error!r}); run the table again or restore the file") from error
    if (wrong := _wrong_part(evidence)) is not None:
        raise ValueError(f"{path} is damaged ({wrong}); run the table again or restore the file")
    return evidence


def _refused(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is no number")


def _wrong_part(evidence: Mapping[str, Any]) -> str | None:
    """Return in words the first part that lacks what a page shows of it, or holds something else; None if all is well.

    A damaged file must be named as such where it is read: half a page from it would look finished.
    """
    keys = [column["key"] for column in evidence["columns"]]
    for row in evidence["rows"]:
        where = f"row {row.get('label')!r}"
        if not isinstance(row.get("published"), list) or not isinstance(row.get("ours"), list):
            return f"{where} lacks its values"
        if not len(row["published"]) == len(row["ours"]) == len(keys):
            numbers = f"{len(row['published'])} published values and {len(row['ours'])} of ours"
            return f"{where} has {numbers} in {len(keys)} columns"
        if any(value is not None and not _has_numbers(value, ("mean",)) for value in row["ours"]):
            return f"{where} has a value that is no number"
    for claim in evidence["claims"]:
        where = f"claim {claim.get('id')!r}"
        if lacks := [key for key in CLAIM if key not in claim]:
            return f"{where} lacks {', '.join(lacks)}"
        if claim["column"] not in keys:
            return f"{where} is on a column {claim['column']!r}, which the table lacks"
        if claim["ours"] is not None and not _has_numbers(claim["ours"], DIFFERENCE):
            return f"{where} has a difference that is no number"
    for cell in evidence["cells"]:
        if lacks := [key for key, kind in CELL.items() if not isinstance(cell.get(key), kind)]:
            return f"the cell {cell.get('evaluation')!r} lacks {', '.join(lacks)}"
    return None


def _has_numbers(value: Any, keys: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), int | float) for key in keys)


def _as_today(evidence: dict[str, Any]) -> dict[str, Any]:
    conditions = {**ADDED_CONDITIONS, "cells": len(evidence["cells"]), **evidence["conditions"]}
    on_benchmark = conditions["generator_version"] is not None
    return {
        **ADDED,
        **evidence,
        "format": EVIDENCE_FORMAT,
        "conditions": conditions,
        "columns": [{"member": on_benchmark and c["data"] is not None, **c} for c in evidence["columns"]],
        "claims": [
            {"text": f"{claim['better']} {claim['relation']} {claim['worse']}", **claim} for claim in evidence["claims"]
        ],
        "cells": [_cell(cell, evidence["columns"]) for cell in evidence["cells"]],
    }


def _cell(cell: Mapping[str, Any], columns: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a cell with all rows and columns that share it; earlier formats named the first row alone."""
    of_its_data = [column["key"] for column in columns if cell["data"] in (column["group"], column["title"])]
    rest = {key: value for key, value in cell.items() if key != "row"}
    return {"rows": [cell["row"]] if "row" in cell else [], "columns": of_its_data, **rest}
