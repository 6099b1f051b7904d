"""Draw the most confident classes with bars, and a line of text, on a frame."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

OPACITY = 0.65  # of the panel behind the text
BAR = (70, 150, 230)
TEXT = (255, 255, 255)
SMALLEST_TEXT = 8  # pixels
LINES_PER_FRAME = 24


class Overlay:
    """Draw panels on the frames of one stream; what has not changed since the last frame is not drawn again."""

    def __init__(self) -> None:
        self._drawn: tuple[object, np.ndarray] | None = None

    def draw(self, image: np.ndarray, top: Sequence[tuple[str, float]], line: str = "") -> np.ndarray:
        """Return a copy of the frame with the classes in the upper left corner and the line at the bottom.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.
            top: class names with confidences in 0..1, a bar of that length each; none draws nothing.
            line: one line of text; empty draws nothing.
        """
        height, width = image.shape[:2]
        key = (height, width, tuple(top), line)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = key, _panels(height, width, top, line)
        return _blend(image, self._drawn[1])


def _panels(height: int, width: int, top: Sequence[tuple[str, float]], line: str) -> np.ndarray:
    """Return ``(H, W, 4)`` uint8: colour and opacity of everything drawn over a frame."""
    canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)
    size = max(SMALLEST_TEXT, height // LINES_PER_FRAME)
    font, row, gap = _font(size), round(1.6 * size), size // 2
    panel = min(width, 18 * size)
    shade = (0, 0, 0, round(255 * OPACITY))
    if top:
        pen.rectangle((0, 0, panel - 1, row * len(top) + gap), fill=shade)
    for number, (name, confidence) in enumerate(top):
        y = gap + number * row
        share = f"{100 * confidence:.0f} %"
        room = max(0, panel - 2 * gap)
        length = round(room * min(max(confidence, 0.0), 1.0))
        if length:
            pen.rectangle((gap, y, gap + length - 1, y + row - gap // 2 - 1), fill=(*BAR, 255))
        share_width = pen.textlength(share, font=font)
        pen.text((gap + room - share_width, y), share, font=font, fill=(*TEXT, 255))
        pen.text((gap, y), _shortened(name, room - share_width - gap, font), font=font, fill=(*TEXT, 255))
    if line:
        while size > SMALLEST_TEXT and _font(size).getlength(line) > width - 2 * gap:
            size -= 1
        pen.rectangle((0, height - row, width - 1, height - 1), fill=shade)
        text = _shortened(line, width - 2 * gap, _font(size))
        pen.text((gap, height - row // 2), text, font=_font(size), fill=(*TEXT, 255), anchor="lm")
    return np.asarray(canvas)


def _blend(image: np.ndarray, panels: np.ndarray) -> np.ndarray:
    drawn = image.copy()
    rows = np.flatnonzero(panels[..., 3].any(axis=1))
    if len(rows):
        part = slice(rows[0], rows[-1] + 1)
        alpha = panels[part, :, 3:].astype(np.uint16)
        mixed = panels[part, :, :3] * alpha + image[part] * (255 - alpha)
        drawn[part] = ((mixed + 127) // 255).astype(np.uint8)
    return drawn


def _shortened(text: str, room: float, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text}…" if text else ""


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib (whose import, half a second, is not needed)."""
    found = importlib.util.find_spec("matplotlib")
    assert found is not None and found.origin is not None, "matplotlib is a dependency of this project"
    return ImageFont.truetype(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size)
