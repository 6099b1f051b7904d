"""Markdown tables."""

from __future__ import annotations

DASH = "–"


def markdown_table(heads: list[str], rows: list[list[str]]) -> str:
    """Return an aligned Markdown table."""
    lines = [[_escape(cell) for cell in line] for line in [heads, *rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    printed = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([printed[0], "| " + " | ".join("-" * w for w in widths) + " |", *printed[1:]])


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
