"""Sampling noise of published numbers: how far accuracies move by the choice of test videos alone.

All half-widths are 95 %, in percent points, and lower bounds of the real uncertainty: they leave out training
noise, selection on the test set and the number of comparisons made. A published difference comes without
per-video results, so how often exactly one of two models is right (the discordance) is unknown, and three
values are tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

Z = 1.96
DISCORDANCES = (5.0, 10.0, 20.0)  # percent of the test videos
NoiseVerdict = Literal["beyond noise", "depends on discordance", "within noise"]


@dataclass(frozen=True)
class PublishedNoise:
    """How a published difference of two accuracies compares with the sampling noise of its test set.

    Args:
        difference: percent points, first value minus second.
        num_videos: size of the test set.
        videos: the difference counted in videos, signed.
        rounding: largest error of ``difference`` from the rounding of the two printed values, percent points.
        half_width_independent: if the two models had been tested on different videos.
        half_widths_paired: (discordance in percent after clipping to the possible range, half-width) for each
            of ``DISCORDANCES``.
        half_width_minimum: at the smallest possible discordance, the difference itself.
        critical_discordance: largest discordance in percent at which the difference is still significant; may
            exceed what is possible.
        verdict: "beyond noise" if the difference exceeds every half-width even if the printed values were
            rounded in its favour, "within noise" if it exceeds none, "depends on discordance" otherwise.
    """

    difference: float
    num_videos: int
    videos: float
    rounding: float
    half_width_independent: float
    half_widths_paired: tuple[tuple[float, float], ...]
    half_width_minimum: float
    critical_discordance: float
    verdict: NoiseVerdict


def published_noise(first: str, second: str, num_videos: int) -> PublishedNoise:
    """Compare the difference of two published accuracies with the sampling noise of their common test set.

    Args:
        first: accuracy in percent as printed; the number of decimals tells its rounding.
        second: what it is compared with, as printed.
        num_videos: size of the test set.

    Raises:
        ValueError: a value that is no percentage, or a test set without videos.
    """
    (p, p_rounding), (q, q_rounding) = _percentage(first), _percentage(second)
    _check_size(num_videos)
    difference = float(Decimal(first) - Decimal(second))
    rounding = p_rounding + q_rounding
    p, q = p / 100, q / 100
    gap = abs(difference) / 100
    independent = 100 * Z * math.sqrt((p * (1 - p) + q * (1 - q)) / num_videos)
    possible = min(p + q, 2 - p - q)
    paired = []
    for discordance in DISCORDANCES:
        share = min(max(discordance / 100, gap), possible)
        paired.append((100 * share, _paired_half_width(share, gap, num_videos)))
    half_widths = [independent, *(width for _, width in paired)]
    verdict: NoiseVerdict = "depends on discordance"
    if all(abs(difference) - rounding > width for width in half_widths):
        verdict = "beyond noise"
    elif not any(abs(difference) > width for width in half_widths):
        verdict = "within noise"
    return PublishedNoise(
        difference=difference,
        num_videos=num_videos,
        videos=difference / 100 * num_videos,
        rounding=rounding,
        half_width_independent=independent,
        half_widths_paired=tuple(paired),
        half_width_minimum=_paired_half_width(gap, gap, num_videos),
        critical_discordance=100 * gap * gap * (1 + num_videos / Z**2),
        verdict=verdict,
    )


def wilson_interval(accuracy: float, num_videos: float, z: float = Z) -> tuple[float, float]:
    """Return the Wilson score interval of one accuracy.

    Args:
        accuracy: percent.
        num_videos: how many independent videos it rests on; may be an effective number, not an integer.
        z: normal quantile; 1.96 for 95 %.

    Returns:
        Lower and upper end in percent, within 0 to 100.
    """
    if not 0 <= accuracy <= 100:
        raise ValueError(f"accuracy {accuracy} must be a percentage from 0 to 100")
    _check_size(num_videos)
    p, spread = accuracy / 100, z * z / num_videos
    centre = (p + spread / 2) / (1 + spread)
    half_width = math.sqrt(p * (1 - p) * spread + spread * spread / 4) / (1 + spread)
    low = 100 * (centre - half_width) if accuracy > 0 else 0.0
    return low, 100 * (centre + half_width) if accuracy < 100 else 100.0


def _paired_half_width(discordance: float, gap: float, num_videos: int) -> float:
    return 100 * Z * math.sqrt(max(0.0, discordance - gap * gap) / num_videos)


def _percentage(printed: str) -> tuple[float, float]:
    """Return a printed percentage and the largest error of its rounding."""
    try:
        value = Decimal(printed)
    except InvalidOperation:
        value = Decimal("nan")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or not 0 <= value <= 100:
        raise ValueError(f"published value {printed!r} must be a percentage as printed, such as '93.6'")
    return float(value), 0.5 * 10.0**exponent


def _check_size(num_videos: float) -> None:
    if not num_videos > 0:
        raise ValueError(f"number of videos {num_videos} must be positive")
