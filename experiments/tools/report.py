"""Build the results site from the committed evidence, and the README's summary: no network, no server, in seconds.

Run: python experiments/tools/report.py            (needs the extra `report`; then open results/site/index.html)

Every page comes from results/<paper>/*.json alone and opens from the file system. A file that is damaged gets a page
that says so. --check writes nothing and fails if the committed site or the README is not what the evidence gives.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.harness.store import REPOSITORY, results_folder, write_atomic
from experiments.report.summary import SUMMARY_PICTURE, summary_picture, with_summary

try:
    from experiments.report.site import build_site, render_pages
except ImportError as error:
    sys.exit(f"{error}; the site needs Jinja2: pip install 'action-recognition-tables[report]'")


def main(argv: Sequence[str] | None = None) -> int:
    """Build or check the site; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--results", type=Path, default=results_folder(), help="folder of the evidence")
    parse.add_argument("--readme", type=Path, default=REPOSITORY / "README.md", help="file that holds the summary")
    parse.add_argument("--check", action="store_true", help="compare with what is there, write nothing")
    given = parse.parse_args(argv)
    site, readme, picture = given.results / "site", given.readme, given.results / SUMMARY_PICTURE
    try:
        if given.check:
            return _check(given.results, site, readme)
        files = build_site(given.results, site)
        write_atomic(picture, summary_picture(given.results))
        if readme.exists():
            write_atomic(readme, with_summary(readme.read_text(), given.results))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in files)
    print(f"{site / 'index.html'}: {len(files)} files, {size / 1e6:.1f} MB")
    return 0


def stale(results: Path, site: Path, readme: Path) -> list[str]:
    """Return the names of the files that are not what the evidence gives."""
    pages = render_pages(results)
    there = {path.name: path.read_text() for path in site.glob("*")} if site.is_dir() else {}
    wrong = sorted(name for name in pages.keys() | there.keys() if pages.get(name) != there.get(name))
    picture = results / SUMMARY_PICTURE
    if not picture.exists() or picture.read_text() != summary_picture(results):
        wrong.append(picture.name)
    if readme.exists() and with_summary(text := readme.read_text(), results) != text:
        wrong.append(readme.name)
    return wrong


def _check(results: Path, site: Path, readme: Path) -> int:
    wrong = stale(results, site, readme)
    if wrong:
        print(f"not what the evidence gives: {', '.join(wrong)}; run python experiments/tools/report.py")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
