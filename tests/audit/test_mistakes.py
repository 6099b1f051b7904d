"""Every mistake in the list is shown by its sum, and its values are printed in the paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.audit.arithmetic import (
    computed,
    difference_is_not,
    less,
    margins,
    no_share_of,
    percent_is_not,
    ratio_is_not,
)
from experiments.audit.mistakes import MISTAKES
from experiments.audit.published import TITLES

PAPERS = Path(__file__).resolve().parents[2].parent / "shared" / "papers"
COUNTS = {"4,926", "5,000"}  # official sizes of test sets, which the papers do not print in this form


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.paper}, {mistake.where}: {mistake.said}")
def test_the_sum_shows_the_mistake(mistake):
    assert mistake.shown.shows and mistake.paper in TITLES


@pytest.mark.parametrize("paper", TITLES)
def test_the_first_value_of_a_sum_is_printed_in_the_paper(paper: str):
    path = PAPERS / f"{paper}.txt"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    text = path.read_text()
    for mistake in (mistake for mistake in MISTAKES if mistake.paper == paper):
        values = re.findall(r"\d[\d,]*\.\d+", mistake.shown.words)
        printed = [value for value in values if re.search(rf"(?<![\d.]){re.escape(value)}(?!\d)", text)]
        assert printed or mistake.said.startswith(("MFNet", "ECO")), f"{mistake.where}: {mistake.shown.words}"


def test_each_sum_can_also_come_out_in_the_papers_favour():
    assert not less("2", "1").shows
    assert not difference_is_not("49.7", "48.1", "1.6").shows and difference_is_not("49.7", "48.1", "1.8").shows
    assert not ratio_is_not("152.97", "4.74", "32.3").shows
    assert not percent_is_not("3.70", "78.35", "4.72").shows
    assert not margins({"a": ("2", "1"), "b": ("3", "1")}, "1", "3").shows
    assert not computed("{}", "1 + 1", shows=lambda two: two != 2).shows


def test_a_share_of_a_test_set_is_recognised():
    assert not no_share_of(3783, "93.63", "93.52", "99.10").shows, "LIGAR's values on UCF-101 are shares of 3,783"
    shown = no_share_of(4926, "59.94")
    assert shown.shows and shown.words == "of 4,926 videos 2,952 right are 59.93 and 2,953 are 59.95, never 59.94"


def test_a_sentence_holds_its_sums_with_their_results():
    assert computed("so {} and {}", "5.3 / 2.1", "(1 + 2) * 2", shows=lambda a, b: a < b).words == (
        "so 5.3 / 2.1 = 2.52 and (1 + 2) * 2 = 6"
    )
    with pytest.raises(ValueError, match="numbers and"):
        computed("{}", "open('file')", shows=lambda one: True)
