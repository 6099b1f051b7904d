"""Which class a class becomes when its videos are mirrored left to right, read off the classes' names."""

from __future__ import annotations

import re
from collections.abc import Sequence

OPPOSITES = {"left": "right", "clockwise": "counterclockwise"}
OPPOSITES |= {b: a for a, b in OPPOSITES.items()}
WORDS = re.compile(r"(?<![a-z])(" + "|".join(sorted(OPPOSITES, key=len, reverse=True)) + r")(?![a-z])", re.IGNORECASE)


def mirrored_name(name: str) -> str:
    """Return the name with left and right, clockwise and counterclockwise exchanged; a capital stays one."""

    def opposite(match: re.Match[str]) -> str:
        word = OPPOSITES[match[0].lower()]
        return word.capitalize() if match[0][0].isupper() else word

    return WORDS.sub(opposite, name)


def mirror_by_name(names: Sequence[str]) -> tuple[int, ...]:
    """Return the position of each class's mirrored class.

    A class whose exchanged name is no class stays as it is ("pulling it right out").
    """
    position = {name: index for index, name in enumerate(names)}
    return tuple(position.get(mirrored_name(name), index) for index, name in enumerate(names))
