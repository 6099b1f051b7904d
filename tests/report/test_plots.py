"""Drawings hold the numbers at the place that the axis gives them."""

from __future__ import annotations

import re

import pytest

from experiments.report.plots import Scale, axis, curves, interval, slug, stacked_bar


@pytest.mark.parametrize(
    ("values", "low", "high", "step"),
    [
        ([0.3, 9.1], 0, 10, 5),
        ([52.4, 93.6], 40, 100, 20),
        ([-7.7, 14.4], -10, 20, 10),
        ([0.001, 0.0042], 0.001, 0.005, 0.001),
    ],
)
def test_an_axis_ends_at_round_numbers_around_the_values(values: list[float], low: float, high: float, step: float):
    scale = Scale.around(values)
    assert (scale.low, scale.high) == pytest.approx((low, high))
    assert scale.ticks[1] - scale.ticks[0] == pytest.approx(step)


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0]])
def test_an_axis_of_one_value_or_none_has_a_width(values: list[float]):
    assert Scale.around(values).high > Scale.around(values).low


def test_the_interval_lies_where_the_axis_says():
    scale = Scale(0, 100, (0, 50, 100))
    drawn = interval(scale, ours={"low": 25, "mean": 50, "high": 75}, published=100.0, title="a & b")
    assert '<line class="ours" x1="27.0%" x2="73.0%"' in drawn and '<circle class="ours" cx="50.0%"' in drawn
    assert '<svg x="96.0%"' in drawn and "a &amp; b" in drawn
    assert "circle" not in interval(scale, ours=None, published=None)


def test_the_line_at_zero_is_marked_where_differences_are_drawn():
    scale = Scale.around([-5, 5])
    assert 'class="zero"' in interval(scale, ours=None, published=1.0, zero=True)
    assert 'class="zero"' not in interval(scale, ours=None, published=1.0)
    assert re.findall(r">([^<]+)</text>", axis(scale, signed=True)) == ["-5", "0", "+5"]


def test_a_bar_has_a_part_for_every_count_and_is_full():
    bar = stacked_bar({"reproduced": 3, "undecided": 0, "not run": 1}, "LIGAR")
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%"', bar)]
    assert widths == [75.0, 25.0] and 'aria-label="LIGAR: 3 reproduced, 1 not run"' in bar


def test_a_curve_is_the_mean_of_its_seeds_in_their_band():
    seeds = [[(0, 1.0), (1, 2.0)], [(0, 3.0), (1, 4.0)]]
    drawn = curves([("row", seeds)], "loss")
    path = re.search(r'class="curve c0" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', drawn)
    band = re.search(r'class="band c0" d="M([^"]+)z"', drawn)
    assert path is not None and band is not None
    corners = [tuple(map(float, point.split())) for point in band[1].split("L")]
    assert len(corners) == 4
    middle = (corners[0][1] + corners[3][1]) / 2
    assert float(path[2]) == pytest.approx(middle, abs=0.1)
    assert "band" not in curves([("row", seeds[:1])], "loss"), "one seed has no band"


def test_a_name_becomes_part_of_a_class():
    assert slug("not reproduced") == "not-reproduced" and slug("LIGAR, 1 view") == "ligar-1-view"
