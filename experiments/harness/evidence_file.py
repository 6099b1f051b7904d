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
})  # fmt: skip
NEEDED = ("table", "title", "profile", "conditions", "columns", "rows", "claims", "cells")


def read_evidence(path: Path) -> dict[str, Any]:
    """Return the evidence in a file, in today's format whatever it was written in.

    Raises:
        ValueError: the file is damaged, is no evidence, or is of a later format; it says which file.
    """
    try:
        evidence = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}); run the table again or restore the file") from error
    if not isinstance(evidence, dict) or (missing := [key for key in NEEDED if key not in evidence]):
        lacks = f"lacks {', '.join(missing)}" if isinstance(evidence, dict) else "is no object"
        raise ValueError(f"{path} is no evidence of a table: it {lacks}; run the table again or restore the file")
    if not (isinstance(written := evidence.get("format", 1), int) and written <= EVIDENCE_FORMAT):
        raise ValueError(f"{path} has format {written}; this code reads formats up to {EVIDENCE_FORMAT}: update it")
    try:
        return _as_today(evidence)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error!r}); run the table again or restore the file") from error


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
