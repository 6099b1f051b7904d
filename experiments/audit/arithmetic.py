"""Arithmetic on published values as printed: each function returns the sum in words, and whether it shows a mistake."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple


class Shown(NamedTuple):
    """A sum in words, and whether it shows the mistake it is meant to show."""

    words: str
    shows: bool


def less(smaller: str, larger: str, *, although: str = "") -> Shown:
    """Show that one value is below another, against what was said or can be."""
    return Shown(f"{smaller} < {larger}" + (f", {although}" if although else ""), Decimal(smaller) < Decimal(larger))


def difference_is_not(first: str, second: str, said: str) -> Shown:
    """Show that two values do not differ by what was said."""
    found = Decimal(first) - Decimal(second)
    return Shown(f"{first} - {second} = {found}, not {said}", found != Decimal(said))


def ratio_is_not(first: str, second: str, said: str) -> Shown:
    """Show that the quotient of two values, to one decimal, is not what was said (a number)."""
    found = _rounded(Decimal(first) / Decimal(second), 1)
    return Shown(f"{first} / {second} = {found}, not {said}", found != Decimal(said))


def percent_is_not(part: str, whole: str, said: str) -> Shown:
    """Show that a relative gain, in percent to the decimals said, is not what was said."""
    found = _rounded(100 * Decimal(part) / Decimal(whole), _decimals(said))
    return Shown(f"{part} / {whole} = {found} %, not {said} %", found != Decimal(said))


def no_share_of(videos: int, *printed: str) -> Shown:
    """Show that no number of right videos rounds to the printed percentages."""
    words, shows = [], True
    for text in printed:
        nearest = int(Decimal(text) * videos / 100)
        near = [_rounded(Decimal(100 * right) / videos, _decimals(text)) for right in (nearest, nearest + 1)]
        words.append(f"{nearest:,} right are {near[0]} and {nearest + 1:,} are {near[1]}, never {text}")
        shows = shows and Decimal(text) not in near
    return Shown(f"of {videos:,} videos " + "; ".join(words), shows)


def margins(pairs: dict[str, tuple[str, str]], low: str, high: str) -> Shown:
    """Show that not all margins (ours, best other) lie from ``low`` to ``high`` as was said."""
    found = {name: Decimal(ours) - Decimal(other) for name, (ours, other) in pairs.items()}
    inside = sum(Decimal(low) <= value <= Decimal(high) for value in found.values())
    negative = sum(value < 0 for value in found.values())
    listed = ", ".join(f"{name} {value:+}" for name, value in found.items())
    return Shown(
        f"{listed}: {inside} of {len(found)} lie in {low} to {high}, {negative} are negative", inside < len(found)
    )


def _decimals(text: str) -> int:
    exponent = Decimal(text).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
