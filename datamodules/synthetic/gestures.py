"""Gestures: how a hand moves in each, in pairs of classes that are each other's reversal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from datamodules.synthetic.motion import TAU, Motion, Pose, phase_over_time, pose, reach, side


def _swipe_right(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    return pose(phase, x=reach(rng) * (2 * phase - 1), y=rng.uniform(-0.08, 0.08))


def _swipe_up(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    return pose(phase, y=reach(rng) * (1 - 2 * phase), x=rng.uniform(-0.08, 0.08))


def _near(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    return pose(phase, zoom=np.exp(rng.uniform(0.35, 0.5) * (2 * phase - 1)))


def _turn(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    return pose(phase, angle=TAU * (rng.random() + rng.uniform(0.45, 0.8) * phase))


def _circle(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    angle, radius = TAU * (rng.random() + rng.uniform(0.9, 1.1) * phase), rng.uniform(0.15, 0.22)
    return pose(phase, x=radius * np.cos(angle), y=radius * np.sin(angle))


def _open(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    return pose(phase, openness=rng.uniform(0.9, 1.0) * phase)


def _corner(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    leg = rng.uniform(0.18, 0.26)
    x = side(rng) * leg * (2 * np.clip(2 * phase, 0, 1) - 1)
    return pose(phase, x=x, y=leg * (2 * np.clip(2 * phase - 1, 0, 1) - 1))


def _near_then_aside(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    zoom = np.exp(0.45 * (2 * np.clip(2 * phase, 0, 1) - 1))
    return pose(phase, zoom=zoom, x=side(rng) * rng.uniform(0.25, 0.33) * np.clip(2 * phase - 1, 0, 1))


def _growing_wave(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    wave = np.sin(TAU * (rng.random() + rng.uniform(2.2, 2.8) * phase))
    return pose(phase, x=rng.uniform(0.22, 0.28) * phase * wave)


def _spiral_out(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    angle = TAU * (rng.random() + side(rng) * rng.uniform(1.3, 1.7) * phase)
    radius = rng.uniform(0.24, 0.3) * phase
    return pose(phase, x=radius * np.cos(angle), y=radius * np.sin(angle))


def _open_rising(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    return pose(phase, openness=phase, y=reach(rng) * (1 - 2 * phase))


def _close_rising(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    return pose(phase, openness=1 - phase, y=reach(rng) * (1 - 2 * phase))


def _rise_aside(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    way = rng.uniform(0.18, 0.25) * (2 * phase - 1)
    return pose(phase, x=side(rng) * way, y=-way)


def _near_opening(phase: np.ndarray, rng: np.random.Generator) -> Pose:
    return pose(phase, zoom=np.exp(0.45 * (2 * phase - 1)), openness=phase)


class GesturePair(NamedTuple):
    """Two classes that are each other's reversal.

    Args:
        even: name of the class that plays ``motion`` forwards.
        odd: name of the class that plays it backwards.
        motion: the trajectory.
        mirrored: whether mirroring left to right exchanges the two classes.
    """

    even: str
    odd: str
    motion: Motion
    mirrored: bool = False


GESTURE_PAIRS = (
    GesturePair("swipe_right", "swipe_left", _swipe_right, mirrored=True),
    GesturePair("swipe_up", "swipe_down", _swipe_up),
    GesturePair("come_near", "go_away", _near),
    GesturePair("turn_clockwise", "turn_counterclockwise", _turn, mirrored=True),
    GesturePair("circle_clockwise", "circle_counterclockwise", _circle, mirrored=True),
    GesturePair("open", "close", _open),
    GesturePair("aside_then_down", "up_then_aside", _corner),
    GesturePair("near_then_aside", "back_then_away", _near_then_aside),
    GesturePair("growing_wave", "dying_wave", _growing_wave),
    GesturePair("spiral_out", "spiral_in", _spiral_out),
    GesturePair("open_rising", "close_falling", _open_rising),
    GesturePair("close_rising", "open_falling", _close_rising),
    GesturePair("rise_aside", "fall_aside", _rise_aside),
    GesturePair("near_opening", "away_closing", _near_opening),
)


def gesture(label: int, num_frames: int, rng: np.random.Generator) -> Pose:
    """Draw the hand's poses for one gesture.

    Args:
        label: class; ``label // 2`` is the pair and an odd label plays it backwards.
        num_frames: T.
        rng: generator; from the same state, the odd class is exactly the even class reversed in time.
    """
    forwards = GESTURE_PAIRS[label // 2].motion(phase_over_time(num_frames, rng, rest=0.2), rng)
    shift_x, shift_y, tilt = rng.uniform(-0.06, 0.06), rng.uniform(-0.06, 0.06), rng.uniform(-0.35, 0.35)
    placed = forwards.replaced(x=forwards.x + shift_x, y=forwards.y + shift_y, angle=forwards.angle + tilt)
    return placed.backwards() if label % 2 else placed
