"""Draw intervals and curves as inline SVG that follows the page's width and its light or dark colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

CURVE_WIDTH, CURVE_HEIGHT, MARGIN = 340, 190, (34, 8, 10, 24)  # left, right, top, bottom


@dataclass(frozen=True)
class Scale:
    """A linear axis from ``low`` to ``high`` with round ``ticks``."""

    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def around(cls, values: Iterable[float], most_ticks: int = 4) -> Scale:
        """Return the axis that holds all values and ends at round numbers."""
        values = list(values) or [0.0, 1.0]
        low, high = min(values), max(values)
        if high - low < 1e-9:
            low, high = low - 1, high + 1
        rough = (high - low) / most_ticks
        power = 10 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        first, last = math.floor(low / step), math.ceil(high / step)
        return cls(first * step, last * step, tuple(step * index for index in range(first, last + 1)))

    def percent(self, value: float) -> str:
        """Return where a value lies, in percent of the axis with a margin at both ends."""
        share = (value - self.low) / (self.high - self.low)
        return f"{4 + 92 * min(1.0, max(0.0, share)):.1f}%"


def interval(
    scale: Scale, *, ours: Mapping[str, float] | None, published: float | None, zero: bool = False, title: str = ""
) -> Markup:
    """Draw one row's line: our mean with its interval, the published value as a diamond, and a line at zero."""
    parts = [f"<title>{escape(title)}</title>"] if title else []
    for tick in scale.ticks:
        name = "zero" if zero and tick == 0 else "grid"
        parts.append(f'<line class="{name}" x1="{scale.percent(tick)}" x2="{scale.percent(tick)}" y1="0" y2="100%"/>')
    if ours is not None:
        low, mean, high = (scale.percent(ours[key]) for key in ("low", "mean", "high"))
        parts.append(f'<line class="ours" x1="{low}" x2="{high}" y1="50%" y2="50%"/>')
        parts.append(f'<circle class="ours" cx="{mean}" cy="50%" r="4"/>')
    if published is not None:
        at = scale.percent(published)
        parts.append(f'<svg x="{at}" y="50%" class="mark"><path class="published" d="M0-5L5 0 0 5-5 0z"/></svg>')
    return Markup(f'<svg class="interval" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>')


def axis(scale: Scale, signed: bool = False) -> Markup:
    """Draw the axis that the lines of ``interval`` share: its first, middle and last tick."""
    ticks = [scale.ticks[0], *([0.0] if signed and scale.low < 0 < scale.high else []), scale.ticks[-1]]
    if len(ticks) == 2 and len(scale.ticks) > 2:
        ticks.insert(1, scale.ticks[len(scale.ticks) // 2])
    shown = "".join(
        f'<text x="{scale.percent(tick)}" y="13" text-anchor="middle">{_number(tick, signed)}</text>' for tick in ticks
    )
    return Markup(f'<svg class="axis" aria-hidden="true">{shown}</svg>')


def stacked_bar(counts: Mapping[str, int], title: str) -> Markup:
    """Draw counts as one bar of coloured parts, each named after its verdict."""
    total = sum(counts.values()) or 1
    parts, at = [], 0.0
    for name, count in counts.items():
        if count:
            width = 100 * count / total
            label = f"{count} {name}"
            parts.append(
                f'<rect class="v-{slug(name)}" x="{at:.2f}%" width="{width:.2f}%" height="100%">'
                f"<title>{escape(label)}</title></rect>"
            )
            at += width
    said = f"{title}: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return Markup(f'<svg class="stack" role="img" aria-label="{escape(said)}">{"".join(parts)}</svg>')


def curves(lines: Sequence[tuple[str, Sequence[Sequence[tuple[float, float]]]]], title: str) -> Markup:
    """Draw training curves: per row the mean over its seeds, in a band from the lowest seed to the highest.

    Args:
        lines: (row, curves of its seeds as (epoch from 0, value)); the position gives the colour.
        title: what is drawn.
    """
    points = [point for _, seeds in lines for seed in seeds for point in seed]
    x_scale, y_scale = Scale.around([x + 1 for x, _ in points]), Scale.around([y for _, y in points])
    left, right, top, bottom = MARGIN

    def at(x: float, y: float) -> str:
        across = left + (x + 1 - x_scale.low) / (x_scale.high - x_scale.low) * (CURVE_WIDTH - left - right)
        up = CURVE_HEIGHT - bottom - (y - y_scale.low) / (y_scale.high - y_scale.low) * (CURVE_HEIGHT - top - bottom)
        return f"{across:.1f} {up:.1f}"

    parts = []
    for tick in y_scale.ticks:
        _, up = at(0, tick).split()
        parts.append(f'<line class="grid" x1="{left}" x2="{CURVE_WIDTH - right}" y1="{up}" y2="{up}"/>')
        parts.append(f'<text x="{left - 4}" y="{float(up) + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    for tick in (x_scale.ticks[0], x_scale.ticks[-1]):
        across = at(tick - 1, y_scale.low).split()[0]
        anchor = "start" if tick == x_scale.ticks[0] else "end"
        label = f"epoch {_number(tick)}" if anchor == "end" else _number(tick)
        parts.append(f'<text x="{across}" y="{CURVE_HEIGHT - 8}" text-anchor="{anchor}">{label}</text>')
    for number, (_, seeds) in enumerate(lines):
        if not seeds:
            continue
        steps = [list(step) for step in zip(*seeds, strict=False)]
        colour = f"c{number % 8}" + (" dashed" if number >= 8 else "")
        if len(seeds) > 1:
            edge = [at(step[0][0], max(y for _, y in step)) for step in steps]
            edge += [at(step[0][0], min(y for _, y in step)) for step in reversed(steps)]
            parts.append(f'<path class="band {colour}" d="M{"L".join(edge)}z"/>')
        mean = [at(step[0][0], sum(y for _, y in step) / len(step)) for step in steps]
        parts.append(f'<path class="curve {colour}" d="M{"L".join(mean)}"/>')
    box = f"0 0 {CURVE_WIDTH} {CURVE_HEIGHT}"
    return Markup(f'<svg class="curves" viewBox="{box}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>')


def slug(text: str) -> str:
    """Return a name as part of a class or an anchor."""
    return "-".join("".join(c if c.isalnum() else " " for c in text).lower().split())


def _number(value: float, signed: bool = False) -> str:
    text = f"{value:.6g}"
    return f"+{text}" if signed and value > 0 else text
