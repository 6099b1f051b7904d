"""The drawing shows names and bars of the right length and leaves the rest of the frame alone."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.deploy.overlay import BAR, Overlay

TOP = [("jumping", 0.75), ("waving", 0.5), ("standing", 0.0)]


def image(height: int = 240, width: int = 320) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (height, width, 3), dtype=np.uint8)


def bar_lengths(drawn: np.ndarray) -> list[int]:
    """Return the longest run of the bars' colour in each band of rows that has any."""
    blue = (drawn == BAR).all(axis=2)
    lengths = blue.sum(axis=1)
    bands = np.split(lengths, np.flatnonzero(np.diff((lengths > 0).astype(int))) + 1)
    return [int(band.max()) for band in bands if band.max() > 0]


def test_bars_are_as_long_as_the_confidences_say():
    longest, half = bar_lengths(Overlay().draw(image(), [("", 1.0), ("", 0.5), ("", 0.0)]))
    assert half == pytest.approx(longest / 2, abs=1)


def test_the_frame_given_is_not_changed_and_neither_is_what_lies_outside_the_panels():
    frame = image()
    kept = frame.copy()
    drawn = Overlay().draw(frame, TOP, "infer 3 ms")
    assert np.array_equal(frame, kept) and drawn.shape == frame.shape and drawn.dtype == np.uint8
    changed = (drawn != frame).any(axis=2)
    assert changed[:40, :150].mean() > 0.9 and changed[-12:].mean() > 0.9
    assert not changed[80:200].any() and not changed[:60, 200:].any()


def test_without_anything_to_say_the_frame_stays():
    frame = image()
    assert np.array_equal(Overlay().draw(frame, []), frame)


def test_names_are_drawn_and_long_ones_stay_within_the_panel():
    overlay, black = Overlay(), np.zeros((240, 320, 3), np.uint8)
    named, unnamed = (overlay.draw(black, [(name, 0.0)]).astype(int) for name in ("jump", ""))
    assert (named[:30, :40].sum() - unnamed[:30, :40].sum()) > 5000
    long = overlay.draw(black, [("a class whose name never seems to end " * 5, 1.0)])
    assert (long[:, 185:] == 0).all(), "nothing beyond the panel"


def test_a_drawing_is_kept_until_something_changes():
    overlay, frame = Overlay(), image()
    first = overlay.draw(frame, TOP)
    assert np.array_equal(overlay.draw(frame, TOP), first)
    assert not np.array_equal(overlay.draw(frame, TOP[:1]), first)
    assert overlay.draw(image(100, 100), TOP).shape == (100, 100, 3)
    assert np.array_equal(overlay.draw(frame, TOP), first)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (16, 500), (300, 9), (1080, 1920)])
def test_frames_of_any_size_can_be_drawn_on(height: int, width: int):
    frame = image(height, width)
    drawn = Overlay().draw(frame, TOP, "decode 1 ms")
    assert drawn.shape == frame.shape and (drawn != frame).any()
