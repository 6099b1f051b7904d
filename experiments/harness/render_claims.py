"""Print a table's claims: published difference, ours, verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.harness.markdown import DASH, markdown_table


def claims_section(evidence: Mapping[str, Any]) -> str:
    """Return the section on claims; empty where there are none."""
    if not evidence["claims"]:
        return ""
    if any("answer" in claim for claim in evidence["claims"]):
        return _questions_section(evidence)
    heads = ["Claim", "On", "Published difference", "Beyond the noise of its test set?", "Ours", "p (Holm)",
             "Smallest detectable", "Verdict"]  # fmt: skip
    lines = []
    for claim in evidence["claims"]:
        ours = claim["ours"]
        lines.append(
            [
                f"{claim['id']}: {claim['text']}" + (f", margin {claim['margin']:g}" if claim["margin"] else ""),
                claim["column"].replace("/", " "),
                _published_difference(claim["published"]),
                _published_noise(claim["published"]),
                our_difference(claim),
                _p_values(ours) if ours else DASH,
                f"{ours['smallest_detectable']:.1f}" if ours else DASH,
                _verdict(claim),
            ]
        )
    text = ("Differences in percent points, paired by seed and test video. Reproduced: the interval lies above the "
            "margin; not reproduced: below 0; else undecided; cited: a row quoted from elsewhere. A claim of equality "
            "(~): within the margin to both sides; wholly outside. Costs have no spread and are compared as they are. "
            "Holm's correction is over this table's claims. Smallest detectable: the difference that these seeds and "
            "videos would find four times in five.")  # fmt: skip
    return f"## Claims\n\n{text}\n\n{markdown_table(heads, lines)}"


def _questions_section(evidence: Mapping[str, Any]) -> str:
    """Return the section on questions of our own, which have no published side."""
    lines = [
        [
            f"{claim['id']}: {claim['text']}",
            claim["column"].replace("/", " "),
            our_difference(claim),
            _p_values(claim["ours"]) if claim["ours"] else DASH,
            f"{claim['ours']['smallest_detectable']:.1f}" if claim["ours"] else DASH,
            f"**{claim['answer']}**",
        ]
        for claim in evidence["claims"]
    ]
    text = ("Ours, not a paper's; differences in percent points, paired by seed and test video. Yes: the interval lies "
            "above the margin; no: below 0, the second is better; else undecided; at chance: the interval of one of "
            "the two holds the accuracy of guessing, so that nothing follows. Holm's correction is over these "
            "questions. Smallest detectable: the difference that these seeds and videos would find four times in "
            "five.")  # fmt: skip
    heads = ["Question", "On", "Difference", "p (Holm)", "Smallest detectable", "Answer"]
    return f"## Questions\n\n{text}\n\n{markdown_table(heads, lines)}"


def our_difference(claim: Mapping[str, Any]) -> str:
    """Return the difference found, with its interval; two costs as they are."""
    if claim.get("costs"):
        return "{:.2f} against {:.2f}".format(*claim["costs"])
    ours = claim["ours"]
    return f"{ours['mean']:+.1f} [{ours['low']:+.1f}, {ours['high']:+.1f}]" if ours else DASH


def contradicted(claim: Mapping[str, Any]) -> bool:
    """Say whether the published values contradict the words: the other way round, or no equality."""
    published = claim["published"]
    if published is None:
        return False
    difference = published["difference"]
    return difference < 0 if claim["relation"] == ">" else abs(difference) > claim["margin"]


def _verdict(claim: Mapping[str, Any]) -> str:
    """Return the verdict on the paper's words; its own numbers may point the other way, and then that is said."""
    if contradicted(claim) and claim["verdict"] in ("reproduced", "not reproduced"):
        return f"the words: **{claim['verdict']}**; the published numbers contradict them"
    return f"**{claim['verdict']}**"


def _p_values(ours: Mapping[str, Any]) -> str:
    """Return the p-value and Holm's; a claim of equality has no place among tests of difference."""
    return p_text(ours["p_value"]) + (f" ({p_text(ours['p_holm'])})" if ours["p_holm"] is not None else "")


def p_text(p_value: float) -> str:
    """Return a p-value with three decimals; one that they cannot hold is not printed as nil."""
    return f"{p_value:.3f}" if p_value >= 0.0005 else "<0.001"


def _published_difference(published: Mapping[str, Any] | None) -> str:
    if published is None:
        return DASH
    noise = published["noise"]
    videos = f" ({noise['videos']:.0f} of {noise['num_videos']:,} videos)" if noise else ""
    return f"{published['difference']:+.2f}{videos}"


def _published_noise(published: Mapping[str, Any] | None) -> str:
    return published["noise"]["verdict"] if published and published["noise"] else DASH
