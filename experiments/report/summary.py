"""The README's summary: a line per table and one picture, between two marks."""

from __future__ import annotations

from pathlib import Path

from experiments.audit.audit import audit, count_verdicts, page_stem, read_results
from experiments.audit.published import TITLES
from experiments.harness.index import VERDICTS, verdict_counts
from experiments.harness.markdown import markdown_table

BEGIN = "<!-- results: written by experiments/tools/report.py, do not edit -->"
END = "<!-- end of results -->"
SUMMARY_PICTURE = "claims.svg"
COLOURS = {
    "reproduced": "#2c7a4b", "not reproduced": "#b3372b", "undecided": "#94680f", "cited": "#68727d",
    "not judged": "#766c93", "not run": "#c6cdd5",
}  # fmt: skip
ROW, LEFT, LEGEND_LEFT, WIDTH, HEIGHT = 30, 130, 40, 720, 40


def with_summary(text: str, results: Path) -> str:
    """Return the README with the part between the marks written anew.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md must hold the lines {BEGIN!r} and {END!r} around its summary")
    return f"{before}{BEGIN}\n\n{summary(results)}\n\n{END}{after}"


def summary(results: Path) -> str:
    """Return the summary as Markdown: the counts over all claims, the picture, a line per table."""
    found = read_results(results)
    audited = audit(found)
    counts = count_verdicts(audited)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    lines = []
    for path, evidence in found.tables:
        seeds, link = len(evidence["conditions"]["seeds"]), f"results/{page_stem(path)}.md"
        profile = "" if evidence["profile"] == "proxy" else f" ({evidence['profile']})"
        lines.append([f"[{evidence['title']}]({link}){profile}", str(seeds), verdict_counts(evidence)])
    lines += [[f"{page_stem(path)}: cannot be read", "–", "–"] for path, _ in found.broken]
    table = markdown_table(["Table", "Seeds", "Claims"], lines) if lines else "No table has been committed."
    return (
        f"Of the papers' {len(audited)} published claims: {said}.\n\n"
        f"![Verdicts on the published claims, by paper](results/{SUMMARY_PICTURE})\n\n{table}"
    )


def summary_picture(results: Path) -> str:
    """Return an SVG picture with a bar of verdicts per paper; legible on light and dark pages."""
    audited = audit(read_results(results))
    height = HEIGHT + ROW * len(TITLES)
    parts = []
    for number, (paper, title) in enumerate(TITLES.items()):
        counts = count_verdicts(one for one in audited if one.claim.paper == paper)
        total, at, top = sum(counts.values()), float(LEFT), 8 + ROW * number
        parts.append(f'<text x="{LEFT - 10}" y="{top + 15}" text-anchor="end">{title}</text>')
        for verdict, count in counts.items():
            width = (WIDTH - LEFT - 8) * count / total
            if not count:
                continue
            parts.append(f'<rect x="{at:.1f}" y="{top}" width="{width:.1f}" height="20" fill="{COLOURS[verdict]}">'
                         f"<title>{title}: {count} {verdict}</title></rect>")  # fmt: skip
            if width > 18:
                ink = "#1b1f24" if verdict == "not run" else "#fff"
                parts.append(f'<text x="{at + width / 2:.1f}" y="{top + 15}" text-anchor="middle" '
                             f'style="fill:{ink}">{count}</text>')  # fmt: skip
            at += width
    at = float(LEGEND_LEFT)
    for verdict in VERDICTS:
        base = height - 14
        parts.append(f'<rect x="{at:.0f}" y="{base - 10}" width="11" height="11" fill="{COLOURS[verdict]}"/>')
        parts.append(f'<text x="{at + 16:.0f}" y="{base}">{verdict}</text>')
        at += 42 + 7 * len(verdict)
    style = "text{font:13px system-ui,sans-serif;fill:#1b1f24}@media(prefers-color-scheme:dark){text{fill:#e4e8ec}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="Verdicts on the published claims, by paper"><style>{style}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
