"""How things move in the embedded benchmark: poses over time as functions of a phase that runs from 0 to 1.

Every motion is a plain function ``(phase, rng) -> Pose``; its name is part of the class name. Scene and source motions
start to the left or to the right, clockwise or not, at random, so that mirroring a video never changes its class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

TAU = 2 * np.pi


@dataclass(frozen=True)
class Pose:
    """Place one thing over time. Each field has shape ``(T,)``, float64.

    Args:
        x: centre, in frame widths from the middle of the frame, to the right.
        y: centre, in frame heights from the middle, downwards.
        zoom: size relative to the thing's own.
        angle: rotation in radians, clockwise as seen.
        openness: of a hand, 0 (fist) to 1 (fingers spread); other things ignore it.
        aspect: width over height.
        opacity: 0 (absent) to 1.
    """

    x: np.ndarray
    y: np.ndarray
    zoom: np.ndarray
    angle: np.ndarray
    openness: np.ndarray
    aspect: np.ndarray
    opacity: np.ndarray

    def backwards(self) -> Pose:
        """Return the same poses in reversed order of time."""
        return Pose(*(getattr(self, f.name)[::-1] for f in fields(self)))

    def replaced(self, **values: np.ndarray) -> Pose:
        """Return a copy with some of the fields exchanged."""
        return Pose(**{f.name: values.get(f.name, getattr(self, f.name)) for f in fields(self)})


Motion = Callable[[np.ndarray, np.random.Generator], Pose]


def pose(phase: np.ndarray, **values: np.ndarray | float) -> Pose:
    """Return a pose that rests in the middle of the frame except for the given fields (constants are repeated)."""
    rest = {"x": 0.0, "y": 0.0, "zoom": 1.0, "angle": 0.0, "openness": 0.7, "aspect": 1.0, "opacity": 1.0}
    full = {name: np.broadcast_to(np.asarray(v, float), phase.shape) for name, v in {**rest, **values}.items()}
    return Pose(**full)


def side(rng: np.random.Generator) -> float:
    """Draw a sign: left or right, one way round or the other."""
    return 1.0 if rng.random() < 0.5 else -1.0


def reach(rng: np.random.Generator) -> float:
    """Draw how far from the middle a path begins and ends, in frame widths."""
    return rng.uniform(0.22, 0.32)


# -- scenes and untrimmed: mirror-invariant --------------------------------------------------------------


def crosses(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Move once across the frame, to either side."""
    return pose(phase, x=side(rng) * reach(rng) * (2 * phase - 1), y=rng.uniform(-0.1, 0.1))


def rises(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Move up."""
    return pose(phase, x=rng.uniform(-0.12, 0.12), y=reach(rng) * (1 - 2 * phase))


def approaches(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Grow as if coming nearer."""
    return pose(phase, zoom=np.exp(rng.uniform(0.4, 0.55) * (2 * phase - 1)))


def circles(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Run round a circle, either way."""
    angle = TAU * (rng.random() + side(rng) * rng.uniform(1.0, 1.4) * phase)
    radius = rng.uniform(0.16, 0.23)
    return pose(phase, x=radius * np.cos(angle), y=radius * np.sin(angle))


def falls(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Move down."""
    return pose(phase, x=rng.uniform(-0.12, 0.12), y=reach(rng) * (2 * phase - 1))


def recedes(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Shrink as if going away."""
    return pose(phase, zoom=np.exp(rng.uniform(0.4, 0.55) * (1 - 2 * phase)))


def spins(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Turn on the spot, either way."""
    return pose(phase, angle=TAU * (rng.random() + side(rng) * rng.uniform(0.8, 1.3) * phase))


def swings(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Go to and fro sideways, tilting like a pendulum."""
    wave = side(rng) * np.cos(TAU * rng.uniform(1.6, 2.2) * phase)
    return pose(phase, x=rng.uniform(0.16, 0.24) * wave, angle=-0.5 * wave, y=0.05 * (1 - 2 * wave**2))


def bounces(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Hop up and down on the spot."""
    hop = np.abs(np.sin(np.pi * (rng.random() + rng.uniform(2.5, 3.5) * phase)))
    return pose(phase, x=rng.uniform(-0.1, 0.1), y=0.18 - rng.uniform(0.28, 0.4) * hop)


def shakes(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Tilt quickly from side to side."""
    return pose(phase, angle=rng.uniform(0.6, 0.9) * np.sin(TAU * (rng.random() + rng.uniform(3, 4) * phase)))


SCENE_MOTIONS: tuple[Motion, ...] = (
    crosses, rises, approaches, circles, falls, recedes, spins, swings, bounces, shakes,
)  # fmt: skip

# -- source: other motions, mirror-invariant too ---------------------------------------------------------


def climbs(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Move up along a diagonal."""
    way = rng.uniform(0.18, 0.26) * (2 * phase - 1)
    return pose(phase, x=side(rng) * way, y=-way)


def slides(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Move down along a diagonal."""
    way = rng.uniform(0.18, 0.26) * (2 * phase - 1)
    return pose(phase, x=side(rng) * way, y=way)


def pulses(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Grow and shrink in turn."""
    return pose(phase, zoom=np.exp(0.4 * np.sin(TAU * (rng.random() + rng.uniform(1.7, 2.5) * phase))))


def loops(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Run along a lying figure of eight."""
    angle = TAU * (rng.random() + side(rng) * rng.uniform(1.0, 1.3) * phase)
    return pose(phase, x=rng.uniform(0.2, 0.28) * np.sin(angle), y=0.13 * np.sin(2 * angle))


def turns(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Go sideways, then up: round a corner."""
    leg = rng.uniform(0.18, 0.26)
    x = side(rng) * leg * (2 * np.clip(2 * phase, 0, 1) - 1)
    return pose(phase, x=x, y=leg * (1 - 2 * np.clip(2 * phase - 1, 0, 1)))


def spirals(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Run outwards along a spiral."""
    angle = TAU * (rng.random() + side(rng) * rng.uniform(1.5, 2.0) * phase)
    radius = rng.uniform(0.24, 0.3) * phase
    return pose(phase, x=radius * np.cos(angle), y=radius * np.sin(angle))


def squeezes(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Become wide and narrow in turn."""
    return pose(phase, aspect=np.exp(0.5 * np.sin(TAU * (rng.random() + rng.uniform(1.7, 2.5) * phase))))


def zigzags(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Cross the frame sideways while going up and down."""
    wave = 2 * np.abs(2 * np.mod(rng.uniform(2.0, 2.6) * phase + rng.random(), 1.0) - 1) - 1
    return pose(phase, x=side(rng) * reach(rng) * (2 * phase - 1), y=rng.uniform(0.13, 0.2) * wave)


def rolls(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Cross the frame sideways while turning."""
    way = side(rng)
    angle = TAU * (rng.random() + way * rng.uniform(0.8, 1.2) * phase)
    return pose(phase, x=way * reach(rng) * (2 * phase - 1), y=rng.uniform(-0.1, 0.1), angle=angle)


def darts(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    """Rest, jump elsewhere, rest again."""
    stops = rng.uniform(-0.27, 0.27, (2, 5))
    at = phase * 4
    leg = np.minimum(at.astype(int), 3)
    step = np.clip((at - leg) * 4 - 1.5, 0, 1)
    x, y = stops[:, leg] * (1 - step) + stops[:, leg + 1] * step
    return pose(phase, x=x, y=y)


SOURCE_MOTIONS: tuple[Motion, ...] = (
    climbs, pulses, loops, turns, squeezes, spirals, zigzags, slides, rolls, darts,
)  # fmt: skip

# -- how time passes --------------------------------------------------------------------------------------


def phase_over_time(num_frames: int, rng: np.random.Generator, *, rest: float) -> np.ndarray:
    """Draw how a motion advances: rest, move at an uneven pace, rest.

    The distribution is the same read forwards and backwards: the two rests are exchangeable and the pace is as likely
    to speed up as to slow down.

    Args:
        num_frames: T.
        rng: generator.
        rest: largest part of the frames that each of the two rests takes.

    Returns:
        ``(T,)`` phase in [0, 1], never decreasing.
    """
    before, after = rng.uniform(0, rest, 2)
    time = np.clip((np.linspace(0, 1, num_frames) - before) / (1 - before - after), 0, 1)
    sway, rush = rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2)
    return time + sway * np.sin(TAU * time) / TAU + rush * np.sin(np.pi * time) ** 2


def wander(num_frames: int, rng: np.random.Generator, *, cycles: float) -> np.ndarray:
    """Draw a smooth path with mean square about 1/2 whose distribution is the same forwards and backwards.

    Args:
        num_frames: T.
        rng: generator.
        cycles: fastest oscillation over the whole path.

    Returns:
        ``(2, T)`` horizontal and vertical part.
    """
    time = np.linspace(0, 1, num_frames)
    speed, start = rng.uniform(0.3, cycles, (2, 3, 1)), rng.random((2, 3, 1))
    return np.sin(TAU * (speed * time + start)).mean(axis=1) * np.sqrt(3)
