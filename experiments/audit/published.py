"""The papers' claims as data (``claims.csv``), and how far the noise of their test sets could explain each.

A claim has the number that the table scripts give it (``L26``: LIGAR's 26th), values as printed, and a test set
(``test_sets.csv``, sizes with their doubts). Nothing here was run by us.
"""

from __future__ import annotations

import csv
import functools
import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from experiments.harness.noise import PublishedNoise, published_noise

FOLDER = Path(__file__).parent
PAPERS = {"L": "ligar", "A": "action_net", "K": "kpsem", "M": "ms3d", "V": "vipriors"}
TITLES = {"ligar": "LIGAR", "action_net": "ACTION-Net", "kpsem": "KPSEM", "ms3d": "MS3D", "vipriors": "VIPriors report"}
# Claims that no comparison of two rows can judge, by the script of the figure that shows them. K22 is of the classes
# that gain most, chosen by that gain; K30 of what four heat maps seem to look at; M18 of epochs, in the paper's words.
SHOWN_BY = {
    "A58": "action_net_table3",
    **dict.fromkeys(("A59", "A60", "A61"), "action_net_figure4"),
    "K22": "kpsem_figure7",
    "K30": "kpsem_figure9",
    "M18": "ms3d_figure_convergence",
}
OUT_OF_REACH = ("M16",)  # on videos that nobody else has, by the note in the file
Kind = Literal["accuracy", "map", "cost", "words"]
NoiseWord = Literal["beyond noise", "depends on discordance", "within noise", "tie"]


@dataclass(frozen=True)
class TestSet:
    """How many videos a published accuracy is over.

    Args:
        videos: the stated or official number.
        otherwise: another number that the paper's words allow; None if there is no doubt.
        note: where the numbers come from.
    """

    __test__ = False  # not a test, whatever its name

    name: str
    videos: int
    otherwise: int | None
    note: str


@dataclass(frozen=True)
class ClaimNoise:
    """How a published difference compares with the sampling noise of its test set, percent points.

    Args:
        difference: as published.
        half_width_independent: 95 %, had the two networks been tested on different videos.
        half_widths_paired: 95 %, where 5, 10 or 20 % of the videos are right for exactly one of them.
        videos: the difference counted in videos; None where two test sets are involved.
        verdict: as in ``noise.PublishedNoise``; "tie" for equal values.
    """

    difference: float
    half_width_independent: float
    half_widths_paired: tuple[float, ...]
    videos: float | None
    verdict: NoiseWord

    @property
    def within_independent(self) -> bool:
        """Say whether the choice of test videos alone could explain the difference, had they been different ones."""
        return abs(self.difference) <= self.half_width_independent


@dataclass(frozen=True)
class PublishedClaim:
    """One comparative claim of a paper.

    Args:
        id: its number.
        where: table, figure or section.
        stated: ``words`` if the text says so, ``table`` if it can only be read from the table.
        kind: what is compared; ``words`` has no published number.
        data: the data set.
        metric: what the values are.
        better: what is said to be better, or the whole claim in words.
        relation: ``>``, ``~`` (equal), or empty.
        worse: what it is compared with.
        first: value of ``better`` as printed; a gain is written as a difference of two, ``62.5-58.7``.
        second: value of ``worse``.
        test_sets: one for both values, or one each.
        note: what a reader should know.
    """

    id: str
    where: str
    stated: Literal["words", "table"]
    kind: Kind
    data: str
    metric: str
    better: str
    relation: str
    worse: str
    first: str
    second: str
    test_sets: tuple[TestSet, ...]
    note: str

    @property
    def paper(self) -> str:
        """Return the paper's slug."""
        return PAPERS[self.id[0]]

    @property
    def figure(self) -> str | None:
        """Return the script that shows the claim where nothing can judge it: a figure, or a value without interval."""
        return SHOWN_BY.get(self.id)

    @property
    def out_of_reach(self) -> bool:
        """Say whether nobody but the authors can run it."""
        return self.id in OUT_OF_REACH

    @property
    def text(self) -> str:
        """Return the claim in words."""
        return f"{self.better} {self.relation} {self.worse}" if self.relation else self.better

    @property
    def difference(self) -> float | None:
        """Return first minus second, without binary rounding errors; None where nothing is printed."""
        return None if self.kind == "words" else float(_value(self.first) - _value(self.second))

    @property
    def against(self) -> bool:
        """Say whether the paper's own numbers point the other way than its words."""
        return self.relation == ">" and self.stated == "words" and (self.difference or 0.0) < 0

    def noise(self, *, otherwise: bool = False) -> ClaimNoise | None:
        """Return the sampling noise of an accuracy difference, None for anything else.

        Args:
            otherwise: with the other possible size of the test set; None is returned where there is none.
        """
        if self.kind != "accuracy" or self.difference is None:
            return None
        sizes = [one.otherwise if otherwise else one.videos for one in self.test_sets]
        if any(size is None for size in sizes):
            return None
        counts = [size for size in sizes if size is not None]
        if "-" in self.first:
            each = zip((self.first, self.second), counts * (2 // len(counts)), strict=True)
            gains = [published_noise(text.split("-")[0], text.split("-")[1], size) for text, size in each]
            return _noise_of_gains(self.difference, gains, counts)
        noise = published_noise(self.first, self.second, counts[0])
        word: NoiseWord = "tie" if self.difference == 0 else noise.verdict
        widths = tuple(width for _, width in noise.half_widths_paired)
        return ClaimNoise(self.difference, noise.half_width_independent, widths, noise.videos, word)


def _noise_of_gains(difference: float, gains: list[PublishedNoise], counts: list[int]) -> ClaimNoise:
    """Return the noise of a difference of two gains: four networks, so both gains' noise adds up."""
    independent = math.hypot(*(gain.half_width_independent for gain in gains))
    paired = tuple(
        math.hypot(*(gain.half_widths_paired[i][1] for gain in gains)) for i in range(len(gains[0].half_widths_paired))
    )
    rounding = sum(gain.rounding for gain in gains)
    word: NoiseWord = "depends on discordance"
    if all(abs(difference) - rounding > width for width in (independent, *paired)):
        word = "beyond noise"
    elif not any(abs(difference) > width for width in (independent, *paired)):
        word = "within noise"
    videos = difference / 100 * counts[0] if len(counts) == 1 else None
    return ClaimNoise(difference, independent, paired, videos, word)


@functools.cache
def published_claims() -> tuple[PublishedClaim, ...]:
    """Return every claim, paper by paper."""
    known = test_sets()
    claims = []
    with (FOLDER / "claims.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            fields: dict[str, Any] = dict(row)
            names = fields.pop("test_set")
            fields["test_sets"] = tuple(known[name] for name in (names.split("/") if names else ()))
            claims.append(PublishedClaim(**fields))
    return tuple(claims)


@functools.cache
def test_sets() -> dict[str, TestSet]:
    """Return the test sets by name."""
    with (FOLDER / "test_sets.csv").open(newline="") as file:
        return {
            row["name"]: TestSet(
                row["name"], int(row["videos"]), int(row["otherwise"]) if row["otherwise"] else None, row["note"]
            )
            for row in csv.DictReader(file)
        }


def _value(text: str) -> Decimal:
    first, _, second = text.partition("-")
    return Decimal(first) - Decimal(second or 0)
