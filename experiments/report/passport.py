"""Read a paper's passport, the docstring of its package, without importing it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

LINE_LENGTH, INDENT = 120, 4  # of a passport
TERM = re.compile(r"[A-Z(][\w'’.() +-]{0,45}: ")
COLUMNS = re.compile(r"(\S.*?)\s{2,}(\S.*)")


@dataclass(frozen=True)
class Section:
    """A heading with either entries in two columns (``pairs``) or paragraphs."""

    heading: str
    pairs: tuple[tuple[str, str], ...]
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Passport:
    """Title line, the idea, and the sections."""

    title: str
    idea: str
    sections: tuple[Section, ...]


def read_passport(package: Path) -> Passport | None:
    """Return the passport in ``package/__init__.py``; None if there is none."""
    path = package / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text())) if path.exists() else None
    if not text:
        return None
    title, _, rest = text.partition("\n")
    idea: list[str] = []
    sections: list[tuple[str, list[str]]] = []
    lines = [line for line in rest.splitlines() if line.strip()]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith(" ") and sections:
            sections[-1][1].append(line.strip())
        elif following.startswith(" "):
            sections.append((line, []))
        else:
            idea.append(line)
    return Passport(title, _sentence(" ".join(idea)), tuple(_section(*one) for one in sections))


def _sentence(text: str) -> str:
    text = text.removeprefix("The idea: ")
    return text[:1].upper() + text[1:]


def _section(heading: str, lines: list[str]) -> Section:
    matches = [COLUMNS.fullmatch(line) for line in lines]
    if lines and sum(match is not None for match in matches) > len(lines) / 2:
        pairs = [(match[1], match[2]) if match else ("", line) for match, line in zip(matches, lines, strict=True)]
        return Section(heading, tuple(pairs), ())
    paragraphs: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        if before and not _ends_paragraph(before, line):
            paragraphs[-1] += f" {line}"
        else:
            paragraphs.append(line)
    return Section(heading, (), tuple(paragraphs))


def _ends_paragraph(line: str, following: str) -> bool:
    """Say whether a line ends its paragraph: at the end of a sentence, and not because the line was full.

    A line is full when the next word would not have fit; a next line that begins with a term and a colon begins anew.
    """
    fits = INDENT + len(line) + 1 + len(following.split()[0]) <= LINE_LENGTH
    return line.endswith((".", ":", ").")) and (fits or bool(TERM.match(following)))
