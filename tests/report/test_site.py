"""The site comes from the evidence alone, holds all of it, and says what it could not read."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from experiments.audit.published import published_claims
from experiments.harness.index import VERDICTS, committed
from experiments.harness.store import REPOSITORY
from experiments.report.passport import read_passport
from experiments.report.site import build_site, render_pages
from experiments.report.summary import BEGIN, END, WIDTH, summary, summary_picture, with_summary
from experiments.report.tables import mistakes_in, page_name, training_curves, value_groups
from experiments.tools import report

RESULTS = REPOSITORY / "results"
SITE = RESULTS / "site"
EVIDENCE = {path: json.loads(path.read_text()) for path in committed(RESULTS)}


class Page(HTMLParser):
    """Collect a page's links, anchors and the tags that stay open."""

    VOID = {"meta", "link", "input", "img", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value for key in ("href", "src") if (value := found.get(key)) is not None]
        self.anchors += [found["id"]] if found.get("id") else []  # type: ignore[list-item]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return render_pages(RESULTS)


def test_the_committed_site_is_what_the_evidence_gives():
    wrong = report.stale(RESULTS, SITE, REPOSITORY / "README.md")
    assert not wrong, f"run python experiments/tools/report.py: {wrong}"
    assert sum(path.stat().st_size for path in SITE.iterdir()) < 3e6


def test_the_site_is_built_in_seconds_and_is_the_same_again(pages: dict[str, str], tmp_path: Path):
    start = time.perf_counter()
    assert render_pages(RESULTS) == pages
    assert time.perf_counter() - start < 10
    (tmp_path / "site").mkdir()
    (tmp_path / "site/left_over.html").touch()
    for path, evidence in EVIDENCE.items():
        copy = tmp_path / path.relative_to(RESULTS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(json.dumps(evidence))
    files = build_site(tmp_path, tmp_path / "site")
    assert {file.name for file in files} == {file.name for file in (tmp_path / "site").iterdir()}
    assert not (tmp_path / "site/left_over.html").exists()


def test_pages_are_well_formed_and_their_links_resolve(pages: dict[str, str]):
    parsed = {name: Page(text) for name, text in pages.items() if name.endswith(".html")}
    for name, page in parsed.items():
        assert not page.open, f"{name} leaves {page.open} open"
        assert len(page.anchors) == len(set(page.anchors)), f"{name} has an anchor twice"
        for link in page.links:
            parts = urlsplit(link)
            assert parts.scheme in ("", "data"), f"{name} needs the network for {link}"
            if parts.scheme or not parts.path:
                continue
            if parts.path in pages:
                assert not parts.fragment or parts.fragment in parsed[parts.path].anchors, f"{name}: {link}"
            else:
                assert (SITE / parts.path).resolve().exists(), f"{name}: {link}"


def test_every_published_claim_stands_in_the_audit(pages: dict[str, str]):
    rows = re.findall(r'<tr id="(\w+)" data-paper', pages["claims.html"])
    assert rows == [claim.id for claim in published_claims()]


def test_a_claim_that_only_a_figure_shows_links_to_it(pages: dict[str, str]):
    line = next(line for line in re.split(r"(?=<tr id=)", pages["claims.html"]) if line.startswith('<tr id="K30"'))
    assert 'data-verdict="not judged"' in line and 'href="../kpsem/figure9.proxy.png"' in line
    assert re.search(r"\b[1-9]\d* can only be looked at in a figure", pages["index.html"])


def test_the_legend_of_the_summarys_picture_fits(tmp_path: Path):
    places = [float(x) for x in re.findall(r'<text x="(\d+)" y="\d+">', summary_picture(tmp_path))]
    assert len(places) == len(VERDICTS) and places[-1] + 8 * len(VERDICTS[-1]) < WIDTH


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_table_page_holds_every_value_claim_and_note(pages: dict[str, str], path: Path):
    evidence = EVIDENCE[path]
    text = pages[page_name(f"{path.parent.name}/{path.stem}")]
    for row in evidence["rows"]:
        for ours, column in zip(row["ours"], evidence["columns"], strict=True):
            if ours is not None and "low" in ours:
                assert f"{ours['mean']:.1f} [{ours['low']:.1f}, {ours['high']:.1f}]" in text, (
                    row["label"],
                    column["key"],
                )
    for claim in evidence["claims"]:
        assert f'claims.html#{claim["id"]}"' in text
    assert text.count('<span class="verdict') >= len(evidence["claims"])
    assert f"experiments/{evidence['table'].replace('/', '_')}.py" in text


def test_a_row_stands_where_it_has_a_value_and_nowhere_else():
    evidence: dict[str, Any] = {
        "conditions": {"seeds": [0]},
        "columns": [
            {"title": "Top-1", "group": "A", "metric": "top1", "rule": None, "data": "a", "member": True},
            {"title": "Top-1", "group": "B", "metric": "top1", "rule": None, "data": "b", "member": False},
        ],
        "rows": [
            {"label": "both", "cited": False, "published": ["70.0", None],
             "ours": [None, {"mean": 60.0, "low": 55.0, "high": 65.0, "seeds": [0]}]},
            {"label": "first", "cited": True, "published": ["71.0", None], "ours": [None, None]},
            {"label": "none", "cited": False, "published": [None, None], "ours": [None, None]},
        ],
    }  # fmt: skip
    first, second = value_groups(evidence)
    assert [row["label"] for row in first["rows"]] == ["both", "first"] and first["member"] == "a"
    assert [row["label"] for row in second["rows"]] == ["both"] and second["member"] is None
    assert not first["columns"][0]["ours"] and not second["columns"][0]["published"]


def test_rows_that_share_their_trainings_share_a_line():
    def cell(rows: list[str], training: str) -> dict[str, Any]:
        return {"data": "S", "rows": rows, "training": training, "curves": {"train/loss": [[0, 2.0], [1, 1.0]]}}

    (block,) = training_curves({"cells": [cell(["1 view"], "a"), cell(["10 views"], "a"), cell(["other"], "b")]})
    assert block["legend"] == ["1 view = 10 views", "other"]
    assert block["drawings"][0]["svg"].count('class="curve ') == 2


def test_damaged_evidence_has_a_page_that_says_so_and_costs_nothing_else(tmp_path: Path):
    path, evidence = next(iter(EVIDENCE.items()))
    (tmp_path / "ligar").mkdir()
    (tmp_path / f"ligar/{path.name}").write_text(json.dumps(evidence))
    (tmp_path / "ligar/table9.proxy.json").write_text('{"table": "ligar/table9"')
    pages = render_pages(tmp_path)
    assert "cannot be read" in pages["ligar-table9-proxy.html"] and "damaged" in pages["ligar-table9-proxy.html"]
    assert str(tmp_path) not in "".join(pages.values()), "a page names no path of this machine"
    assert 'href="ligar-table9-proxy.html"' in pages["index.html"]
    assert page_name(f"ligar/{path.stem}") in pages


def test_without_any_evidence_the_site_says_so(tmp_path: Path):
    pages = render_pages(tmp_path)
    assert "No evidence is committed" in pages["index.html"] and len(published_claims()) == 210
    assert "No table has been committed." in summary(tmp_path)


def test_a_paper_without_code_says_so_and_one_with_code_shows_its_passport(pages: dict[str, str]):
    assert "What the paper leaves open" in pages["ligar.html"] and "Izutov" in pages["ligar.html"]
    for paper in ("ms3d", "vipriors"):
        here = (REPOSITORY / "lightning_modules" / paper / "__init__.py").exists()
        assert ("Not in this repository yet" in pages[f"{paper}.html"]) != here


def test_a_passport_is_read_with_all_its_lines(tmp_path: Path):
    (tmp_path / "__init__.py").write_text(
        '"""P: a paper. Authors.\n\nThe idea: do this\nand that.\n\nReproduced\n    Table 1    one.py    first\n'
        '    Table 2    two.py\nWhat we chose\n    One thing, on\n    two lines.\n    Another.\n"""\n'
    )
    passport = read_passport(tmp_path)
    assert passport is not None and (passport.title, passport.idea) == ("P: a paper. Authors.", "Do this and that.")
    tables, chosen = passport.sections
    assert tables.pairs == (("Table 1", "one.py    first"), ("Table 2", "two.py"))
    assert chosen.paragraphs == ("One thing, on two lines.", "Another.")
    assert read_passport(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("table", "number"), [("ligar/table3", 2), ("ms3d/table3", 3), ("ms3d/table2", 5), ("ligar/ablations", 0)]
)
def test_a_table_page_lists_the_mistakes_in_its_table(table: str, number: int):
    assert len(mistakes_in(table)) == number


def test_the_summary_replaces_what_stands_between_its_marks():
    text = with_summary(f"before\n{BEGIN}\nold\n{END}\nafter", RESULTS)
    assert text.startswith(f"before\n{BEGIN}\n\nOf the papers' 210 published claims: ") and text.endswith(
        f"{END}\nafter"
    )
    assert "old" not in text and with_summary(text, RESULTS) == text
    for evidence in EVIDENCE.values():
        assert f"[{evidence['title']}](results/{evidence['table']}.{evidence['profile']}.md)" in text
    with pytest.raises(ValueError, match="must hold the lines"):
        with_summary("no marks", RESULTS)


def test_check_names_what_is_stale_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n")
    given = ["--results", str(tmp_path), "--readme", str(readme)]
    assert report.main([*given, "--check"]) == 1 and "index.html" in capsys.readouterr().out
    assert not (tmp_path / "site").exists()
    assert report.main(given) == 0 and report.main([*given, "--check"]) == 0
    (tmp_path / "site/index.html").write_text("typed by hand")
    assert report.main([*given, "--check"]) == 1 and "index.html;" in capsys.readouterr().out
