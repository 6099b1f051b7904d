"""What happens in each video and how it looks: from (member, number) alone to frames.

Every video has three random streams of its own: what it shows, what disturbs it, and its pixels. They depend on the
member's seed and the video's number, so videos can be rendered in any order by any number of processes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from datamodules.synthetic.classes import combination, hand_hue, motions, other_combinations, shape_and_hue, shapes
from datamodules.synthetic.drawing import SCENE_SHAPES, SOURCE_SHAPES, Sprite, draw, hand, moving_crop, noise_image, rgb
from datamodules.synthetic.gestures import gesture
from datamodules.synthetic.members import Member
from datamodules.synthetic.motion import SCENE_MOTIONS, Pose, phase_over_time, pose, wander

BACKGROUND_CUE = 0.5  # chance that a scene's background has the hue that goes with its object
SHORTEST_OTHER = 10  # frames of an unlabelled action in an untrimmed video
FADE = 2.0  # frames in which a hand of an untrimmed video appears and disappears
_ACTION, _NUISANCE, _PIXELS = range(3)  # random streams of a video


@dataclass(frozen=True)
class Actor:
    """One thing that moves: how it looks, and where it is in each frame."""

    sprite: Sprite
    pose: Pose


@dataclass(frozen=True)
class Script:
    """Say everything about a video but its pixel noise.

    Args:
        label: class.
        num_frames: T.
        first: first frame of the labelled action.
        end: one past its last frame.
        actors: the labelled action's actor first.
        distractors: small things that mean nothing, drawn behind the actors.
        camera: ``(2, T)`` offset in frame widths.
        brightness: ``(T,)`` factor.
        background: hue of the background.
    """

    label: int
    num_frames: int
    first: int
    end: int
    actors: tuple[Actor, ...]
    distractors: tuple[Actor, ...]
    camera: np.ndarray
    brightness: np.ndarray
    background: float


def stream(member: Member, number: int, which: int) -> np.random.Generator:
    """Return one of a video's random streams, in its initial state."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([member.seed, number, which])))


def num_frames(member: Member, number: int) -> int:
    """Return the length of a video: the first draw of its first stream."""
    return int(stream(member, number, _ACTION).integers(member.frames[0], member.frames[1] + 1))


def script(member: Member, number: int) -> Script:
    """Work out what a video shows.

    Raises:
        ValueError: no video of that number in the member's pool.
    """
    if not 0 <= number < member.num_videos:
        raise ValueError(f"video number {number}; accepted for {member.name}: 0 to {member.num_videos - 1}")
    rng, disturb = stream(member, number, _ACTION), stream(member, number, _NUISANCE)
    label, length = member.label(number), int(rng.integers(member.frames[0], member.frames[1] + 1))
    nuisances = member.nuisances.scaled(member.difficulty)
    first, end, background = 0, length, float(disturb.random())
    if member.kind == "gestures":
        actors: tuple[Actor, ...] = (Actor(_skin_hand(rng), gesture(label, length, rng)),)
    elif member.kind == "untrimmed":
        first, end = _segment(length, member.action_fraction, rng)
        actors = _untrimmed_actors(member, label, length, (first, end), nuisances.hue, rng)
    else:
        appearance, motion = combination(label, member.kind, member.num_classes)
        name, hue = shape_and_hue(appearance, member.kind)
        if disturb.random() < BACKGROUND_CUE:
            background = float(np.mod(hue + 0.5 + 0.05 * disturb.standard_normal(), 1))
        sprite = Sprite(
            shape=shapes(member.kind)[name],
            radius=rng.uniform(0.15, 0.2),
            hue=hue + nuisances.hue * rng.standard_normal(),
            saturation=rng.uniform(0.6, 0.95),
            value=rng.uniform(0.75, 1.0),
            stripes=1.5,
            mirrored=rng.random() < 0.5,
        )
        path = motions(member.kind)[motion](phase_over_time(length, rng, rest=0.1), rng)
        actors = (Actor(sprite, _somewhere(path, rng)),)
    camera = _camera_path(length, nuisances.drift, nuisances.jitter, disturb)
    flicker = 0.7 * wander(length, disturb, cycles=4)[0] + 0.7 * disturb.standard_normal(length)
    return Script(
        label=label,
        num_frames=length,
        first=first,
        end=end,
        actors=actors,
        distractors=tuple(_distractor(length, disturb) for _ in range(disturb.poisson(nuisances.distractors))),
        camera=camera,
        brightness=1 + nuisances.flicker * flicker,
        background=background,
    )


def render(member: Member, number: int) -> np.ndarray:
    """Render a video.

    Returns:
        ``(T, H, W, 3)`` uint8 RGB; the same bytes each time for the same member and number.
    """
    plan, rng = script(member, number), stream(member, number, _PIXELS)
    nuisances, size = member.nuisances.scaled(member.difficulty), member.size
    camera = plan.camera * size
    margin = int(np.ceil(np.abs(camera).max())) + 2
    texture = noise_image(size + 2 * margin, rng, octaves=4, channels=3)
    tint = rgb(plan.background, rng.uniform(0.2, 0.5), rng.uniform(0.35, 0.6))
    grey = texture[..., :1] + 0.35 * texture[..., 1:2]
    backdrop = tint + np.float32(nuisances.texture) * (grey + 0.3 * texture) * np.float32(0.9)
    clip = moving_crop(np.clip(backdrop, 0, 1).astype(np.float32), size, camera)
    for actor in (*plan.distractors, *reversed(plan.actors)):
        draw(clip, actor.sprite, actor.pose.replaced(x=actor.pose.x - plan.camera[0], y=actor.pose.y - plan.camera[1]))
    clip *= plan.brightness.astype(np.float32)[:, None, None, None]
    noise = rng.standard_normal(clip.shape, dtype=np.float32)
    noise *= np.float32(nuisances.noise)
    clip += noise
    clip *= 255
    return np.clip(clip, 0, 255, out=clip).astype(np.uint8)


def _camera_path(length: int, drift: float, jitter: float, rng: np.random.Generator) -> np.ndarray:
    shake = rng.standard_normal((2, length + 1))
    return drift * wander(length, rng, cycles=1.0) + jitter * (shake[:, 1:] + shake[:, :-1]) / np.sqrt(2)


def _skin_hand(rng: np.random.Generator) -> Sprite:
    return Sprite(
        shape=hand,
        radius=rng.uniform(0.2, 0.26),
        hue=rng.uniform(0.02, 0.11),
        saturation=rng.uniform(0.3, 0.6),
        value=rng.uniform(0.7, 0.95),
        mirrored=rng.random() < 0.5,
    )


def _coloured_hand(hue: float, rng: np.random.Generator) -> Sprite:
    return Sprite(
        shape=hand,
        radius=rng.uniform(0.2, 0.26),
        hue=hue,
        saturation=rng.uniform(0.65, 0.95),
        value=rng.uniform(0.75, 1.0),
        mirrored=rng.random() < 0.5,
    )


def _distractor(length: int, rng: np.random.Generator) -> Actor:
    known = (*SCENE_SHAPES.values(), *SOURCE_SHAPES.values())
    sprite = Sprite(
        shape=known[rng.integers(len(known))],
        radius=rng.uniform(0.05, 0.09),
        hue=rng.random(),
        saturation=rng.uniform(0.2, 0.9),
        value=rng.uniform(0.4, 0.9),
    )
    x, y = rng.uniform(-0.35, 0.35, (2, 1)) + 0.2 * wander(length, rng, cycles=1.5)
    return Actor(sprite, pose(np.zeros(length), x=x, y=y, angle=rng.uniform(0, 6)))


def _somewhere(path: Pose, rng: np.random.Generator) -> Pose:
    return path.replaced(
        x=path.x + rng.uniform(-0.07, 0.07),
        y=path.y + rng.uniform(-0.07, 0.07),
        zoom=path.zoom * rng.uniform(0.9, 1.1),
        angle=path.angle + rng.uniform(-0.3, 0.3),
    )


def _segment(length: int, fraction: tuple[float, float], rng: np.random.Generator) -> tuple[int, int]:
    shortest, longest = int(np.ceil(fraction[0] * length)), int(np.floor(fraction[1] * length))
    frames = int(rng.integers(shortest, max(shortest, longest) + 1))
    first = int(rng.integers(0, length - frames + 1))
    return first, first + frames


def _untrimmed_actors(
    member: Member, label: int, length: int, action: tuple[int, int], hue_spread: float, rng: np.random.Generator
) -> tuple[Actor, ...]:
    hue, motion = combination(label, "untrimmed", member.num_classes)
    parts = [(hue, motion, *action)]
    free = other_combinations(member.num_classes)
    for gap_first, gap_end in ((0, action[0]), (action[1], length)):
        busy, choice = rng.random() < member.other_motion, free[rng.integers(len(free))]
        if busy and gap_end - gap_first >= SHORTEST_OTHER:
            frames = int(rng.integers(SHORTEST_OTHER, min(gap_end - gap_first, int(0.4 * length)) + 1))
            first = int(rng.integers(gap_first, gap_end - frames + 1))
            parts.append((*choice, first, first + frames))
    actors = []
    for hue, motion, first, end in parts:
        sprite = _coloured_hand(hand_hue(hue, member.num_classes) + hue_spread * rng.standard_normal(), rng)
        path = _somewhere(SCENE_MOTIONS[motion](phase_over_time(end - first, rng, rest=0.05), rng), rng)
        actors.append(Actor(sprite, _during(path, first, end, length)))
    return tuple(actors)


def _during(path: Pose, first: int, end: int, length: int) -> Pose:
    """Return the path moved to frames ``first`` to ``end``: absent before and after, at rest there."""
    frame = np.arange(length)
    at = np.clip(frame - first, 0, end - first - 1)
    inside = np.minimum(frame - first + 1, end - frame)  # 1 at the first and at the last frame of the action
    moved = {f.name: getattr(path, f.name)[at] for f in fields(path)}
    return Pose(**{**moved, "opacity": np.clip(inside / FADE, 0, 1)})
