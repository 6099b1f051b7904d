"""What each class of each kind of set means: which appearance, which motion.

scenes, source   class = shape and hue (appearance) doing a motion. Each appearance does two motions or more and
                 each motion is done by two appearances or more, so that neither alone tells the class.
gestures         class = a hand's trajectory; classes 2k and 2k + 1 are each other's reversal.
untrimmed        class = hue of a hand doing a motion, combined as in scenes; other combinations of the same hues
                 and motions occur too and belong to no class.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from datamodules.synthetic.drawing import SCENE_SHAPES, SOURCE_SHAPES, Shape, hand
from datamodules.synthetic.gestures import GESTURE_PAIRS
from datamodules.synthetic.motion import SCENE_MOTIONS, SOURCE_MOTIONS, Motion

Kind = Literal["scenes", "gestures", "untrimmed", "source"]
KINDS: tuple[str, ...] = get_args(Kind)
MAX_APPEARANCES = 24
HUE_NAMES = ("red", "yellow", "green", "cyan", "blue", "magenta")
_GOLDEN = 0.618034


def max_classes(kind: Kind) -> int:
    """Return the largest number of classes that a kind of set can tell apart."""
    if kind == "gestures":
        return 2 * len(GESTURE_PAIRS)
    if kind == "untrimmed":
        return 2 * len(HUE_NAMES)
    return MAX_APPEARANCES * len(motions(kind))


def motions(kind: Kind) -> tuple[Motion, ...]:
    """Return the motions of a kind of set other than gestures."""
    return SOURCE_MOTIONS if kind == "source" else SCENE_MOTIONS


def shapes(kind: Kind) -> dict[str, Shape]:
    """Return the shapes by name of scenes or source."""
    return {**SOURCE_SHAPES, "hand": hand} if kind == "source" else SCENE_SHAPES


def combination(label: int, kind: Kind, num_classes: int) -> tuple[int, int]:
    """Return the appearance and the motion of a class, both as an index.

    Consecutive classes share an appearance. The motions take turns, beginning one further in each round, so that each
    motion meets several appearances and no two appearances have the same motions.
    """
    per_appearance = max(2, -(-num_classes // MAX_APPEARANCES))
    moves = num_motions(kind, num_classes)
    return label // per_appearance, (label + label // moves) % moves


def num_appearances(num_classes: int) -> int:
    """Return how many appearances the classes use."""
    return -(-num_classes // max(2, -(-num_classes // MAX_APPEARANCES)))


def num_motions(kind: Kind, num_classes: int) -> int:
    """Return how many motions the classes use."""
    return min(len(motions(kind)), max(2, -(-num_classes // 2)))


def shape_and_hue(appearance: int, kind: Kind) -> tuple[str, float]:
    """Return an appearance's shape and hue; hues spread round the circle, differently for the source set."""
    names = tuple(shapes(kind))
    return names[appearance % len(names)], float(np.mod((0.31 if kind == "source" else 0.0) + _GOLDEN * appearance, 1))


def hand_hue(appearance: int, num_classes: int) -> float:
    """Return the hue of an untrimmed class's hand: the circle in equal parts."""
    return appearance / num_appearances(num_classes)


def other_combinations(num_classes: int) -> tuple[tuple[int, int], ...]:
    """Return (hue, motion) combinations of untrimmed videos that belong to no class.

    They are made of the classes' own hues and motions; where the classes use all of those, of further motions.
    """
    taken = {combination(label, "untrimmed", num_classes) for label in range(num_classes)}
    hues, moves = num_appearances(num_classes), num_motions("untrimmed", num_classes)
    free = tuple((h, m) for h in range(hues) for m in range(moves) if (h, m) not in taken)
    return free or tuple((h, m) for h in range(hues) for m in range(moves, len(SCENE_MOTIONS)))


def class_names(kind: Kind, num_classes: int) -> tuple[str, ...]:
    """Return the label order, such as ``square_crosses``, ``swipe_left`` or ``red_hand_rises``."""
    if kind == "gestures":
        return tuple(name for pair in GESTURE_PAIRS for name in (pair.even, pair.odd))[:num_classes]
    names = []
    for label in range(num_classes):
        appearance, motion = combination(label, kind, num_classes)
        if kind == "untrimmed":
            hue = HUE_NAMES[round(hand_hue(appearance, num_classes) * len(HUE_NAMES)) % len(HUE_NAMES)]
            look = f"{hue}_hand"
        else:
            shape, _ = shape_and_hue(appearance, kind)
            look = f"{shape}{appearance // len(shapes(kind)) or ''}"
        names.append(f"{look}_{motions(kind)[motion].__name__}")
    return tuple(names)


def mirror_labels(kind: Kind, num_classes: int) -> tuple[int, ...]:
    """Return the class that each class becomes when mirrored; a set holds both of a gesture pair or none."""
    labels = list(range(num_classes))
    if kind == "gestures":
        for number, pair in enumerate(GESTURE_PAIRS[: num_classes // 2]):
            if pair.mirrored:
                labels[2 * number], labels[2 * number + 1] = 2 * number + 1, 2 * number
    return tuple(labels)
