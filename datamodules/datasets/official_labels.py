"""The official label orders, as hashes: to tell a right order from a permuted one without shipping the lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LENGTH = 12  # hexadecimal digits


@dataclass(frozen=True)
class LabelOrder:
    """Hold what identifies a data set's labels.

    Args:
        number: of classes.
        ordered: hashes of the names in the official order, one per accepted spelling; none where nothing official
            orders them.
        sorted: hash of the names in alphabetical order.
    """

    number: int
    ordered: tuple[str, ...]
    sorted: str


# Of UCF-101's classInd.txt, HMDB51's 51 lists, the published Kinetics lists, Jester's and Something-Something's label
# files, ActivityNet's 200 names, EgoGesture's two public class files (and plain
# numbers), YouTube-8M's segment_label_ids.csv, ascending.
OFFICIAL = {
    "UCF-101": LabelOrder(101, ("ba5efe3c836f",), "ba5efe3c836f"),
    "mod-UCF101": LabelOrder(101, ("ba5efe3c836f",), "ba5efe3c836f"),
    "HMDB51": LabelOrder(51, ("154ef596b603",), "154ef596b603"),
    "Kinetics-400": LabelOrder(400, ("539bbad6675f",), "539bbad6675f"),
    "Kinetics-700": LabelOrder(700, ("b9d1d6146668",), "b9d1d6146668"),
    "Mini-Kinetics-200": LabelOrder(200, ("ce0f86fd6065",), "ce0f86fd6065"),
    "Jester": LabelOrder(27, ("5307e678b21e",), "89d0f344bc5c"),
    "Something-Something V1": LabelOrder(174, ("bee70776064f",), "6a6a7973e18b"),
    "Something-Something V2": LabelOrder(174, ("6a6a7973e18b",), "6a6a7973e18b"),
    "ActivityNet-200": LabelOrder(200, (), "2f0d36eaf90c"),
    "ActivityNet-200 (trimmed)": LabelOrder(200, (), "2f0d36eaf90c"),
    "EgoGesture": LabelOrder(83, ("e0ef9c38c0f4", "bce82fa2d50b", "ac95d687dffd"), "41981f26e761"),
    "YouTube-8M Segments": LabelOrder(1000, ("e496974e1b37",), "f8b10c08de47"),
}


def names_hash(names: Iterable[str]) -> str:
    """Return the hash of names in this order; the letter case does not count."""
    return hashlib.sha256("\n".join(name.lower() for name in names).encode()).hexdigest()[:LENGTH]


def order_verdict(source_name: str, names: Sequence[str]) -> tuple[bool, str]:
    """Compare a label order with the official one.

    Args:
        source_name: the data set.
        names: its class names in label order.

    Returns:
        ``(right, sentence)``; where nothing official is known, right.
    """
    official = OFFICIAL.get(source_name)
    if official is None:
        return True, f"{len(names)} classes; there is no official order"
    if len(names) != official.number:
        return False, f"{len(names)} classes; the official list has {official.number}"
    if names_hash(names) in official.ordered:
        return True, f"{len(names)} classes in the official order"
    if names_hash(sorted(name.lower() for name in names)) != official.sorted:
        return False, f"{len(names)} classes, not all of the official names"
    if not official.ordered:
        return True, f"the {len(names)} official classes; there is no official order"
    return False, f"the {len(names)} official classes in ANOTHER ORDER than the official one"
