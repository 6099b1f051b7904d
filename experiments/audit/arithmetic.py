"""Arithmetic on published values as printed: each function returns the sum in words, and whether it shows a mistake."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


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


def computed(words: str, *sums: str, shows: Callable[..., bool]) -> Shown:
    """Show sums within a sentence.

    Args:
        words: the sentence, with ``{}`` for each sum.
        sums: of printed values and counts, such as ``"5.3 / 2.1"``; each is worked out and stands with its result.
        shows: says of the results whether they show the mistake.
    """
    results = [_evaluated(ast.parse(one, mode="eval").body) for one in sums]
    texts = [f"{one} = {_rounded(result, 2).normalize():f}" for one, result in zip(sums, results, strict=True)]
    return Shown(words.format(*texts), shows(*results))


def _evaluated(node: ast.expr) -> Decimal:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return Decimal(OPERATORS[type(node.op)](_evaluated(node.left), _evaluated(node.right)))
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Decimal(str(node.value))
    raise ValueError(f"a sum holds numbers and + - * / only, not {ast.unparse(node)!r}")


def _decimals(text: str) -> int:
    exponent = Decimal(text).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
