"""Build the site: an overview, the claim audit, a page per paper and per table; same evidence, same bytes."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from experiments.__main__ import SCRIPT_NAME, scripts
from experiments.audit.audit import (
    MEANING,
    AuditedClaim,
    Finding,
    Results,
    audit,
    count_noise,
    count_verdicts,
    count_withstanding,
    own_questions,
    page_stem,
    read_results,
)
from experiments.audit.mistakes import MISTAKES
from experiments.audit.published import TITLES, published_claims, test_sets
from experiments.harness.index import VERDICTS, word_counts
from experiments.harness.render import not_run
from experiments.harness.store import REPOSITORY, write_atomic
from experiments.report.passport import read_passport
from experiments.report.plots import slug, stacked_bar
from experiments.report.tables import (
    claim_row,
    claim_rows,
    controls,
    mistakes_in,
    page_name,
    training_curves,
    value_groups,
)

STATIC = ("style.css", "site.js")
STUDIES = {"study": "Study across the papers"}  # our own: no published claims
HEADINGS = {**TITLES, **STUDIES}
SCRIPTS = REPOSITORY / "experiments"
TEMPLATES = Path(__file__).parent / "templates"


def build_site(results: Path, out: Path) -> list[Path]:
    """Write the whole site anew and return its files.

    Args:
        results: the folder of committed results.
        out: the folder to write, within ``results`` so that links to evidence and pictures hold.
    """
    pages = render_pages(results)
    if out.exists():
        shutil.rmtree(out)
    for name, text in pages.items():
        write_atomic(out / name, text)
    return [out / name for name in pages]


def render_pages(results: Path) -> dict[str, str]:
    """Return every file of the site by its name."""
    environment = _environment()
    found = read_results(results)
    audited = audit(found)
    pages = {name: (TEMPLATES / name).read_text() for name in STATIC}

    def render(name: str, template: str, **context: Any) -> None:
        pages[name] = environment.get_template(template).render(page=name, **context)

    render("index.html", "index.html", **_overview(results, found, audited))
    render("claims.html", "claims.html", **_audit_page(found, audited))
    for path, evidence in found.tables:
        stem = page_stem(path)
        render(page_name(stem), "table.html", **_table_page(stem, evidence, results, audited))
    for path, reason in found.broken:
        shown = reason.replace(str(path), path.name)
        render(page_name(page_stem(path)), "broken.html", title=page_stem(path), reason=shown)
    for paper in HEADINGS:
        render(f"{paper}.html", "paper.html", **_paper_page(paper, results, found, audited))
    return pages


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.globals |= {"titles": HEADINGS, "verdicts": VERDICTS, "meaning": MEANING}
    environment.filters |= {"slug": slug, "page_name": page_name}
    return environment


def _overview(results: Path, found: Results, audited: tuple[AuditedClaim, ...]) -> dict[str, Any]:
    counts = count_verdicts(audited)
    return {
        "counts": counts,
        "total": len(audited),
        "bar": stacked_bar(counts, "All claims"),
        "papers": [_paper_line(paper, audited) for paper in TITLES],
        "stated": _stated(audited),
        "withstanding": count_withstanding(audited),
        "noise": count_noise(published_claims()),
        "tables": [_table_line(page_stem(path), evidence) for path, evidence in found.tables],
        "broken": [(page_stem(path), path.name) for path, _ in found.broken],
        "figures": [one for paper in HEADINGS for one in _pictures(results, paper)],
        "waiting": _waiting(found),
        "refuted": _refuted(audited),
        "trust": _trust(found),
    }


def _paper_line(paper: str, audited: tuple[AuditedClaim, ...]) -> dict[str, Any]:
    own = [one for one in audited if one.claim.paper == paper]
    counts = count_verdicts(own)
    return {
        "slug": paper,
        "title": HEADINGS[paper],
        "total": len(own),
        "counts": counts,
        "bar": stacked_bar(counts, HEADINGS[paper]),
        "noise": count_noise(one.claim for one in own),
    }


def _table_line(stem: str, evidence: Mapping[str, Any]) -> dict[str, Any]:
    conditions = evidence["conditions"]
    counts = word_counts(evidence)
    return {
        "stem": stem,
        "title": evidence["title"],
        "profile": evidence["profile"],
        "seeds": len(conditions["seeds"]),
        "cells": conditions["cells"],
        "trainings": len({cell["training"] for cell in evidence["cells"]}),
        "hardware": ", ".join(conditions["hardware"]) or "–",
        "counts": counts,
        "bar": stacked_bar(counts, evidence["title"]),
        "missing": not_run(evidence),
        "older_code": conditions["older_code"],
    }


def _waiting(found: Results) -> list[dict[str, str]]:
    """Return the table scripts without committed evidence."""
    done = {evidence["table"].replace("/", "_") for _, evidence in found.tables}
    done |= {page_stem(path).split(".")[0].replace("/", "_") for path, _ in found.broken}
    waiting = [path for path in scripts() if "_figure" not in path.stem and path.stem not in done]
    return [{"name": path.name, "title": _first_line(path)} for path in waiting]


def _refuted(audited: tuple[AuditedClaim, ...]) -> list[dict[str, Any]]:
    failed = [one for one in audited if one.verdict == "not reproduced"]
    return [
        {
            "claim": one.claim,
            "rows": [claim_row(f, None) for f in one.findings if f.entry["verdict"] == "not reproduced"],
        }
        for one in failed
    ]


def _stated(audited: tuple[AuditedClaim, ...]) -> dict[str, int]:
    """Return how many claims a paper makes in words, and how many only its table's values make."""
    words = sum(one.claim.stated == "words" for one in audited)
    return {"words": words, "table": len(audited) - words}


def _trust(found: Results) -> dict[str, Any]:
    a_a = [(page_stem(path), c) for path, evidence in found.tables for c in evidence["controls"]["a_a"]]
    orders: dict[tuple[str, str], dict[str, Any]] = {}
    for path, evidence in found.tables:
        for c in evidence["controls"]["frame_order"]:
            line = {**c, "on": c["column"].replace("/", " "), "title": evidence["title"], "stem": page_stem(path)}
            orders.setdefault((page_stem(path), c["column"]), line)
    decided = [(stem, c) for stem, c in a_a if c["verdict"] != "undecided"]
    return {"controls": len(a_a), "decided": decided, "orders": list(orders.values())}


def _audit_page(found: Results, audited: tuple[AuditedClaim, ...]) -> dict[str, Any]:
    texts = {path.name: path.read_text() for path in scripts()}
    return {
        "papers": [_paper_line(paper, audited) for paper in TITLES],
        "noise": count_noise(published_claims()),
        "stated": _stated(audited),
        "withstanding": count_withstanding(audited),
        "claims": [_audit_line(one, texts) for one in audited],
        "mistakes": MISTAKES,
        "test_sets": list(test_sets().values()),
        "own": [
            {**claim_row(finding, None), "first": number == 0}
            for findings in own_questions(found).values()
            for number, finding in enumerate(findings)
        ],
    }


def _audit_line(one: AuditedClaim, texts: Mapping[str, str]) -> dict[str, Any]:
    claim, noise, other = one.claim, one.claim.noise(), one.claim.noise(otherwise=True)
    return {
        "claim": claim,
        "noise": noise,
        "other": other if other and noise and other.verdict != noise.verdict else None,
        "verdict": one.verdict,
        "against": one.against,
        "rows": [claim_row(finding, None) for finding in one.findings],
        "pictures": one.pictures,
        "script": f"{claim.figure}.py"
        if claim.figure is not None
        else next((name for name, text in texts.items() if f'"{claim.id}"' in text), None),
    }


def _table_page(
    stem: str, evidence: Mapping[str, Any], results: Path, audited: tuple[AuditedClaim, ...]
) -> dict[str, Any]:
    rows, shared_axis = claim_rows([Finding(stem, entry) for entry in evidence["claims"]])
    notes = {one.claim.id: one.claim.note for one in audited if one.claim.note}
    paper, name = evidence["table"].split("/")
    script = SCRIPTS / f"{paper}_{name}.py"
    profile = "" if evidence["profile"] == "proxy" else f" --profile {evidence['profile']}"
    return {
        "line": _table_line(stem, evidence),
        "evidence": evidence,
        "paper": paper,
        "groups": value_groups(evidence),
        "claims": rows,
        "claim_axis": shared_axis,
        "claim_notes": [
            (row["id"], notes[row["id"]]) for row in {r["id"]: r for r in rows}.values() if row["id"] in notes
        ],
        "curves": training_curves(evidence),
        "controls": controls(evidence),
        "figures": _pictures(results, paper),
        "mistakes": mistakes_in(evidence["table"]),
        "command": f"uv run python experiments/{script.name} --seeds {len(evidence['conditions']['seeds'])}{profile}",
        "takes": _takes(script),
    }


def _paper_page(paper: str, results: Path, found: Results, audited: tuple[AuditedClaim, ...]) -> dict[str, Any]:
    own = [path for path in scripts() if SCRIPT_NAME.fullmatch(path.stem)["paper"] == paper]  # type: ignore[index]
    return {
        "slug": paper,
        "line": _paper_line(paper, audited),
        "passport": read_passport(REPOSITORY / "lightning_modules" / paper),
        "tables": [
            _table_line(page_stem(path), evidence)
            for path, evidence in found.tables
            if evidence["table"].split("/")[0] == paper
        ],
        "broken": [(page_stem(path), path.name) for path, _ in found.broken if path.parent.name == paper],
        "scripts": [{"name": path.name, "title": _first_line(path)} for path in own],
        "pictures": _pictures(results, paper),
        "mistakes": [mistake for mistake in MISTAKES if mistake.paper == paper],
    }


def _takes(script: Path) -> str:
    """Return how long a script says that it runs with its own number of seeds; empty where it does not."""
    said = re.search(
        r"(?:about )?\d+ minutes (?:on two cores|of one core)",
        " ".join(script.read_text().split()) if script.exists() else "",
    )
    return said[0] if said else ""


def _pictures(results: Path, paper: str) -> list[dict[str, Any]]:
    """Return a paper's drawn figures."""
    return [_picture(path) for path in sorted((results / paper).glob("figure*.png"))]


def _picture(path: Path) -> dict[str, Any]:
    """Return what stands with a figure: its file, the title in its script, and whether its numbers lie beside it."""
    script = SCRIPTS / f"{path.parent.name}_{path.name.split('.')[0]}.py"
    return {
        "name": path.name,
        "stem": page_stem(path),
        "title": _first_line(script) if script.exists() else path.stem,
        "numbers": path.with_suffix(".csv").name if path.with_suffix(".csv").exists() else "",
    }


def _first_line(script: Path) -> str:
    return (ast.get_docstring(ast.parse(script.read_text())) or script.stem).splitlines()[0]
