"""Join the published claims with the committed evidence: what was found for each, and what it would take to decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.audit.published import PublishedClaim, published_claims
from experiments.harness.evidence_file import read_evidence
from experiments.harness.index import VERDICTS, committed
from experiments.harness.needed import Needed, gap_to_decide, needed_to_decide, spread_of
from experiments.harness.render_claims import contradicted
from experiments.harness.verdicts import holm, sequence_verdict

LEVEL = 0.05
MEANING = {
    "reproduced": "the interval of our difference lies on the claimed side of the margin",
    "not reproduced": "the interval lies on the other side (of a claim of equality: outside the margin)",
    "undecided": "the interval holds both; more seeds or videos are needed",
    "cited": "compares numbers quoted from other papers; there is nothing to run",
    "not judged": "is about a figure or a value without interval, left to the reader, or about private videos",
    "not run": "no committed result yet",
}


@dataclass(frozen=True)
class Results:
    """The committed evidence.

    Args:
        tables: path and evidence of each table that can be read.
        broken: path and reason of each that cannot.
        pictures: stems of the drawn figures and tables (``kpsem/figure9.proxy``).
    """

    tables: tuple[tuple[Path, Mapping[str, Any]], ...]
    broken: tuple[tuple[Path, str], ...]
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What one table found for a claim on one column.

    Args:
        page: the table's stem (``ligar/table3.proxy``).
        entry: there.
        p_paper: p-value after Holm's correction over all that is tested of the paper's claims; None where it is not.
    """

    page: str
    entry: Mapping[str, Any]
    p_paper: float | None = None

    @property
    def against(self) -> bool:
        """Say whether the published values contradict the words: the other way round, or no equality."""
        return contradicted(self.entry)

    @property
    def needed(self) -> Needed | None:
        """Return what would decide it; None where it is decided, was not run or differs by nothing."""
        ours = self.entry["ours"]
        if ours is None or self.entry["verdict"] != "undecided":
            return None
        gap = gap_to_decide(ours["mean"], self.entry["relation"], self.entry["margin"])
        return needed_to_decide(spread_of(ours), gap)


@dataclass(frozen=True)
class AuditedClaim:
    """A published claim with everything that was found for it.

    Args:
        claim: as published.
        findings: of the tables that judge it.
        pictures: stems of the drawn figures or tables that show it, where nothing can judge it.
    """

    claim: PublishedClaim
    findings: tuple[Finding, ...]
    pictures: tuple[str, ...] = ()

    @property
    def against(self) -> bool:
        """Say whether the paper's own numbers contradict its words."""
        return self.claim.against or (self.claim.stated == "words" and any(one.against for one in self.findings))

    @property
    def withstands(self) -> bool | None:
        """Say whether the verdict stands after Holm's correction over the paper; None where nothing was tested so.

        A reproduced claim needs all its parts, one that was not reproduced the part that failed. Costs and claims of
        equality have no test of a difference.
        """
        deciding = [one for one in self.findings if one.entry["verdict"] == self.verdict and one.entry["ours"]]
        tested = [one.p_paper for one in deciding if one.p_paper is not None]
        if self.verdict not in ("reproduced", "not reproduced") or not tested:
            return None
        return (max if self.verdict == "reproduced" else min)(tested) <= LEVEL

    @property
    def verdict(self) -> str:
        """Return the verdict over all columns and profiles that were run: one failure fails the claim."""
        found = [finding.entry["verdict"] for finding in self.findings]
        run = [one for one in found if one not in ("cited", "not run")]
        if run:  # of a claim in several parts, one that was not run leaves open what the others do not refute
            return sequence_verdict([*run, "undecided"] if "not run" in found else run)
        if not found and (self.pictures or self.claim.out_of_reach):
            return "not judged"
        return "cited" if "cited" in found and "not run" not in found else "not run"


def read_results(results: Path) -> Results:
    """Read all committed evidence; a file that cannot be read is named, not passed over."""
    tables, broken = [], []
    for path in committed(results):
        try:
            tables.append((path, read_evidence(path)))
        except ValueError as error:
            broken.append((path, str(error)))
    pictures = sorted(page_stem(path) for path in results.glob("*/*.png"))
    return Results(tuple(tables), tuple(broken), tuple(pictures))


def page_stem(path: Path) -> str:
    """Return a result's name within the results folder, such as ``ligar/table3.proxy``."""
    return f"{path.parent.name}/{path.name.removesuffix(path.suffix)}"


def audit(results: Results, claims: Sequence[PublishedClaim] | None = None) -> tuple[AuditedClaim, ...]:
    """Return every published claim with its findings, in the order of the papers' own numbering."""
    findings: dict[str, list[Finding]] = {}
    for path, evidence in results.tables:
        for entry in evidence["claims"]:
            findings.setdefault(entry["id"], []).append(Finding(page_stem(path), entry))
    claims = published_claims() if claims is None else claims
    corrected = {
        id: found
        for paper in dict.fromkeys(claim.paper for claim in claims)
        for id, found in _corrected([(c, findings.get(c.id, [])) for c in claims if c.paper == paper]).items()
    }
    return tuple(AuditedClaim(claim, corrected[claim.id], _pictures_of(claim, results)) for claim in claims)


def _corrected(found: Sequence[tuple[PublishedClaim, list[Finding]]]) -> dict[str, tuple[Finding, ...]]:
    """Return a paper's findings by claim, with Holm's correction over all of them that test a difference."""
    tested = [
        finding for _, findings in found for finding in findings
        if finding.entry["ours"] and finding.entry["relation"] == ">"
    ]  # fmt: skip
    p_values = iter(holm([finding.entry["ours"]["p_value"] for finding in tested]))
    by_entry = {id(finding): replace(finding, p_paper=next(p_values)) for finding in tested}
    return {claim.id: tuple(by_entry.get(id(one), one) for one in findings) for claim, findings in found}


def _pictures_of(claim: PublishedClaim, results: Results) -> tuple[str, ...]:
    """Return the drawn pictures, of all profiles, of the figure or table that shows a claim."""
    return tuple(stem for stem in results.pictures if stem.split(".")[0].replace("/", "_") == claim.figure)


def own_questions(results: Results) -> dict[str, list[Finding]]:
    """Return the comparisons in the tables that no paper claims (ids such as ``LA5``), by id."""
    known = {claim.id for claim in published_claims()}
    found: dict[str, list[Finding]] = {}
    for path, evidence in results.tables:
        for entry in evidence["claims"]:
            if entry["id"] not in known:
                found.setdefault(entry["id"], []).append(Finding(page_stem(path), entry))
    return found


def count_verdicts(audited: Iterable[AuditedClaim]) -> dict[str, int]:
    """Return how many claims have which verdict, all verdicts named."""
    counts = Counter(one.verdict for one in audited)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def count_withstanding(audited: Iterable[AuditedClaim]) -> dict[str, int]:
    """Return how many decided claims are tested for a difference, and how many of them withstand the correction."""
    said = [one.withstands for one in audited if one.withstands is not None]
    return {"tested": len(said), "withstand": sum(said)}


def count_noise(claims: Iterable[PublishedClaim]) -> dict[str, int]:
    """Return how published differences of accuracy (not claims of equality) compare with their test sets' noise."""
    noises = [noise for claim in claims if claim.relation == ">" and (noise := claim.noise()) is not None]
    counts = Counter(noise.verdict for noise in noises)
    return {
        "differences": len(noises),
        "within independent noise": sum(noise.within_independent for noise in noises),
        **{word: counts[word] for word in ("beyond noise", "depends on discordance", "within noise", "tie")},
    }
