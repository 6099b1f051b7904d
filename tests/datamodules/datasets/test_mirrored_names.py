"""Left and right in class names."""

from __future__ import annotations

import pytest

from datamodules.datasets.mirrored_names import mirror_by_name, mirrored_name


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [
        ("Swiping Left", "Swiping Right"),
        ("Pushing something from left to right", "Pushing something from right to left"),
        ("Turning Hand Clockwise", "Turning Hand Counterclockwise"),
        ("Rotate_fists_counterclockwise", "Rotate_fists_clockwise"),
        ("brightness", "brightness"),
        ("leftover", "leftover"),
        ("Stop Sign", "Stop Sign"),
    ],
)
def test_words_are_exchanged_and_parts_of_words_are_not(name, mirrored):
    assert mirrored_name(name) == mirrored and mirrored_name(mirrored) == name


def test_a_class_without_its_opposite_stays():
    assert mirror_by_name(("wave", "go left", "pulling it right out", "go right")) == (0, 3, 2, 1)
