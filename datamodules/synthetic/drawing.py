"""Draw textured shapes, hands and noise backgrounds into clips, vectorised over frames.

Shapes are signed distances in their own coordinates: negative inside, unit radius, y downwards. Only the box around a
shape is computed. Everything is float32, colours are 0..1 RGB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datamodules.synthetic.motion import TAU, Pose

Shape = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # (u, v, openness) -> signed distance
BOX = 1.3  # half side of the box around a shape of radius 1
RIM = 0.16  # width of the darkened outline, in radii


def _disc(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.sqrt(u * u + v * v) - np.float32(0.85)


def _square(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.75)


def _triangle(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.maximum(0.8944 * np.abs(u) - 0.4472 * v - 0.42, v - 0.75).astype(np.float32)


def _cross(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    a, b = np.abs(u), np.abs(v)
    return np.minimum(np.maximum(a - 0.95, b - 0.3), np.maximum(a - 0.3, b - 0.95)).astype(np.float32)


def _ring(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.abs(np.sqrt(u * u + v * v) - np.float32(0.68)) - np.float32(0.26)


def _star(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    sector = np.mod(np.arctan2(u, -v) / TAU * 5 + 0.5, 1) - 0.5
    return (np.sqrt(u * u + v * v) - (0.98 - 1.1 * np.abs(sector))).astype(np.float32) * np.float32(0.7)


def _drop(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    head = np.sqrt(u * u + (v - 0.3) ** 2) - 0.58
    tail = np.maximum(0.88 * np.abs(u) - 0.47 * v - 0.43, v - 0.3)
    return np.minimum(head, tail).astype(np.float32)


def _moon(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.maximum(np.sqrt(u * u + v * v) - 0.9, 0.68 - np.sqrt((u - 0.45) ** 2 + v * v)).astype(np.float32)


def _hexagon(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    a, b = np.abs(u), np.abs(v)
    return np.maximum(0.866 * a + 0.5 * b, b).astype(np.float32) - np.float32(0.78)


def _bar(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u) - np.float32(1.0), np.abs(v) - np.float32(0.36))


def _angle(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    upright = np.maximum(np.abs(u + 0.5) - 0.3, np.abs(v) - 0.85)
    return np.minimum(upright, np.maximum(np.abs(u) - 0.8, np.abs(v - 0.55) - 0.3)).astype(np.float32)


def _bow(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u) - 0.9, np.abs(v) - 0.75 * np.abs(u) - 0.1).astype(np.float32)


def _arrow(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    head = np.maximum(0.78 * np.abs(u) - 0.62 * v - 0.58, v)
    return np.minimum(head, np.maximum(np.abs(u) - 0.28, np.abs(v - 0.4) - 0.5)).astype(np.float32)


def _dumbbell(u: np.ndarray, v: np.ndarray, _: np.ndarray) -> np.ndarray:
    ends = np.sqrt((np.abs(u) - 0.6) ** 2 + v * v) - 0.4
    return np.minimum(ends, np.maximum(np.abs(u) - 0.6, np.abs(v) - 0.16)).astype(np.float32)


SCENE_SHAPES: dict[str, Shape] = {
    "square": _square, "star": _star, "ring": _ring, "triangle": _triangle, "cross": _cross, "drop": _drop,
    "disc": _disc,
}  # fmt: skip
SOURCE_SHAPES: dict[str, Shape] = {
    "moon": _moon, "hexagon": _hexagon, "bar": _bar, "angle": _angle, "bow": _bow, "arrow": _arrow,
    "dumbbell": _dumbbell,
}  # fmt: skip

_PALM_CENTRE, _PALM_RADIUS, _KNUCKLES = 0.32, 0.4, 0.2
_FINGERS = ((-0.5, 0.78), (-0.17, 0.95), (0.17, 1.0), (0.5, 0.85))  # (spread in radians, length in radii) when open


def hand(u: np.ndarray, v: np.ndarray, openness: np.ndarray) -> np.ndarray:
    """Return the signed distance to a hand: a palm, four fingers that stretch and spread with ``openness``, a thumb."""
    palm = np.maximum(np.abs(u) * np.float32(0.92), np.abs(v - np.float32(_PALM_CENTRE))) - np.float32(_PALM_RADIUS)
    distance = np.maximum(palm, np.sqrt(u * u + (v - np.float32(_PALM_CENTRE)) ** 2) - np.float32(0.5))
    for spread, length in _FINGERS:
        angle = spread * (0.35 + 0.65 * openness)
        reach = length * (0.12 + 0.88 * openness)
        base = np.float32(spread * 0.55)
        distance = np.minimum(distance, _capsule(u - base, v - np.float32(_KNUCKLES - 0.1), angle, reach, 0.12))
    thumb = _capsule(u + np.float32(0.3), v - np.float32(0.45), -0.45 - 0.75 * openness, 0.3 + 0.35 * openness, 0.12)
    return np.minimum(distance, thumb)


def _capsule(u: np.ndarray, v: np.ndarray, angle: np.ndarray, length: np.ndarray, radius: float) -> np.ndarray:
    """Return the distance to a rounded rod from the origin, ``angle`` to the right of upwards."""
    du, dv = np.sin(angle).astype(np.float32), -np.cos(angle).astype(np.float32)
    along = np.clip(u * du + v * dv, 0, length.astype(np.float32))
    return np.sqrt((u - along * du) ** 2 + (v - along * dv) ** 2) - np.float32(radius)


@dataclass(frozen=True)
class Sprite:
    """Say how a thing looks.

    Args:
        shape: its signed distance.
        radius: in frame widths.
        hue: 0..1 round the colour circle.
        saturation: 0..1.
        value: brightness 0..1.
        stripes: periods of the darker stripes over the shape; 0 for none. They make rotation visible.
        mirrored: whether it is drawn mirrored (a left hand).
    """

    shape: Shape
    radius: float
    hue: float
    saturation: float
    value: float
    stripes: float = 0.0
    mirrored: bool = False


def rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """Return the colour ``(3,)`` of a point in hue, saturation, value."""
    ramp = np.clip(np.abs(np.mod(hue + np.array([0.0, 2 / 3, 1 / 3]), 1) * 6 - 3) - 1, 0, 1)
    return (value * (1 - saturation + saturation * ramp)).astype(np.float32)


def draw(clip: np.ndarray, sprite: Sprite, pose: Pose) -> None:
    """Paint a sprite over a clip, in place, anti-aliased.

    Args:
        clip: ``(T, H, W, 3)`` float32.
        sprite: what to paint.
        pose: where, ``(T,)`` per field; frames with opacity 0 are left alone.
    """
    size = clip.shape[2]
    shown = np.flatnonzero(pose.opacity > 0)
    if not len(shown):
        return
    radius = (sprite.radius * size * pose.zoom[shown]).astype(np.float32)  # pixels
    stretch = np.sqrt(pose.aspect[shown]).astype(np.float32)
    half = int(np.ceil(BOX * float((radius * np.maximum(stretch, 1 / stretch)).max()))) + 1
    cx, cy = ((0.5 + centre[shown]) * size for centre in (pose.x, pose.y))
    left, top = np.floor(cx).astype(int) - half, np.floor(cy).astype(int) - half
    steps = np.arange(2 * half + 1) + 0.5
    dx = ((left - cx)[:, None] + steps)[:, None, :].astype(np.float32)  # (n, 1, B)
    dy = ((top - cy)[:, None] + steps)[:, :, None].astype(np.float32)  # (n, B, 1)
    cos, sin = (f(pose.angle[shown])[:, None, None].astype(np.float32) for f in (np.cos, np.sin))
    r, s = radius[:, None, None], stretch[:, None, None]
    u, v = (cos * dx + sin * dy) / (r * s), (cos * dy - sin * dx) * (s / r)  # (n, B, B)
    if sprite.mirrored:
        u = -u
    distance = sprite.shape(u, v, pose.openness[shown][:, None, None])
    alpha = np.clip(0.5 - distance * r, 0, 1) * pose.opacity[shown][:, None, None].astype(np.float32)
    light = np.clip(0.45 - distance / np.float32(RIM), 0.45, 1)  # a dark outline
    if sprite.stripes:
        stripe = np.sign(np.sin(np.float32(np.pi * sprite.stripes) * (u + np.float32(0.25))))
        light = light * (np.float32(0.8) + np.float32(0.2) * stripe)
    paint = light[..., None] * rgb(sprite.hue, sprite.saturation, sprite.value)
    _blend(clip, shown, left, top, paint, alpha[..., None])


def _blend(
    clip: np.ndarray, frames: np.ndarray, left: np.ndarray, top: np.ndarray, paint: np.ndarray, alpha: np.ndarray
) -> None:
    height, width, side = clip.shape[1], clip.shape[2], paint.shape[1]
    for i, (t, x, y) in enumerate(zip(frames.tolist(), left.tolist(), top.tolist(), strict=True)):
        x0, x1, y0, y1 = max(x, 0), min(x + side, width), max(y, 0), min(y + side, height)
        if x0 >= x1 or y0 >= y1:
            continue
        box, a = clip[t, y0:y1, x0:x1], alpha[i, y0 - y : y1 - y, x0 - x : x1 - x]
        box += a * (paint[i, y0 - y : y1 - y, x0 - x : x1 - x] - box)


def noise_image(side: int, rng: np.random.Generator, *, octaves: int, channels: int) -> np.ndarray:
    """Draw smooth noise in several octaves, standard deviation about 1.

    Args:
        side: pixels.
        rng: generator.
        octaves: the first has 3 cells over the image, each further one twice as many at 0.6 of the strength.
        channels: independent planes.

    Returns:
        ``(side, side, channels)`` float32.
    """
    image = np.zeros((side, side, channels), np.float32)
    strength, total = 1.0, 0.0
    for octave in range(octaves):
        cells = 3 * 2**octave
        grid = rng.standard_normal((cells + 1, cells + 1, channels), dtype=np.float32)
        rows = _stretched(grid, side).transpose(1, 0, 2)
        image += np.float32(strength) * _stretched(rows, side).transpose(1, 0, 2)
        total += strength**2
        strength *= 0.6
    return image / np.float32(0.743 * np.sqrt(total))  # interpolating unit noise in two directions leaves 0.743


def _stretched(grid: np.ndarray, side: int) -> np.ndarray:
    """Interpolate along the first axis, smoothly; elementwise, because sums by BLAS vary in the last bit."""
    at = np.linspace(0, len(grid) - 1, side, endpoint=False)
    cell = at.astype(int)
    part = (at - cell)[:, None, None].astype(np.float32)
    part = part * part * (3 - 2 * part)
    return grid[cell] + part * (grid[cell + 1] - grid[cell])


def moving_crop(image: np.ndarray, size: int, path: np.ndarray) -> np.ndarray:
    """Cut a window that moves over an image, with bilinear sub-pixel steps.

    Args:
        image: ``(S, S, 3)``.
        size: height and width of the window.
        path: ``(2, T)`` offset of the window from the middle of the image in pixels, horizontal and vertical;
            clipped to the image.

    Returns:
        ``(T, size, size, 3)`` float32.
    """
    room = (image.shape[0] - size) / 2
    offset = np.clip(room + path, 0, image.shape[0] - size - 1.001)
    whole = offset.astype(int)
    fx, fy = (offset - whole).astype(np.float32)
    clip = np.empty((path.shape[1], size, size, image.shape[2]), np.float32)
    for t, (x, y) in enumerate(whole.T.tolist()):
        rows = image[y : y + size + 1, x : x + size + 1]
        rows = rows[:-1] + fy[t] * (rows[1:] - rows[:-1])
        clip[t] = rows[:, :-1] + fx[t] * (rows[:, 1:] - rows[:, :-1])
    return clip
