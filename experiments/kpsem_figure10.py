"""KPSEM, Figure 10: key points and their shifts on six clips of HMDB51 and Mini-Kinetics.

Paper:      Cao et al., Effective Action Recognition with Embedded Key Point Shifts, 2020, Fig. 10.
Run:        python experiments/kpsem_figure10.py            (embedded benchmark; cells of Table 1)
            python experiments/kpsem_figure10.py ... --video FILE --video-class NAME      (your own video)
            python experiments/kpsem_figure10.py ... --checkpoint FILE --test-only --rows MF-KPSEM --columns GROUP
Protocol:   MF-KPSEM, central clip, first seed. Crosses coloured by region, arrows are the shifts S of Eq. (10) to the
            next feature frame; feature frame t is drawn on the clip's frame 2 t. Climbing, archery and kicking a ball
            from HMDB51, sit-up, high kick and tobogganing from Mini-Kinetics where they exist.
Deviations: set and channel are not stated in the paper: the set with the longest embedding, its channel with the
            largest shifts, which favours points that jump from border to border. The share of key points whose best
            match lies in another region is over all test videos, and beside it the same where nothing moves: only what
            exceeds that speaks of motion. So is the share of key points in the cells at a map's border, beside these
            cells' share of the map: what exceeds that comes of the padding rather than of the picture. Lines are real
            numbers, but cut between cells: counted are the separations of a frame that differ in their cells, and how
            often a set cuts a frame otherwise than it usually does, which is how far its lines adapt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.kpsem_pictures import REGION_COLOURS, Clip, cell_of, clip_of, evenly, first_videos, groups_of, part_of
from experiments.kpsem_profiles import OURS
from experiments.kpsem_table1 import HMDB, MINI, TABLE

CLASSES = {HMDB: ("climb", "shoot_bow", "kick_ball"), MINI: ("situp", "high kick", "tobogganing")}
FRAMES = 4  # of a clip, or as many as have a next one to shift to


@dataclass(frozen=True)
class Shares:
    """Say where key points lie and go, over all sets, channels and test videos, as shares of 1.

    Args:
        crossing: whose best match lies in another region.
        crossing_still: the same where each clip is its first frame repeated, without any motion.
        border: that lie in a cell at the map's border.
        border_cells: those cells' share of the map.
        separations: how many of a frame's G separations differ in the cells of their regions, the mean over frames.
        adapted: frames that a set cuts otherwise than it does most of them.
    """

    crossing: float
    crossing_still: float
    border: float
    border_cells: float
    separations: float
    adapted: float


@torch.no_grad()
def shares_of(module: Any, data: Any) -> Shares:
    """Return the shares of a network's key points over all test videos."""
    found, cuts = [], []
    for batch in data.val_dataloader():
        clips = data.on_after_batch_transfer(batch, 0).clips.flatten(0, 1)  # (N V, C, T, H, W)
        points, (height, width) = module.network.key_points(clips)
        without_motion, _ = module.network.key_points(clips[:, :, :1].expand_as(clips))
        at_border = border(points.positions, height, width).flatten(1).double().mean(1)
        found.append(torch.stack([points.crossing_share(), without_motion.crossing_share(), at_border]))
        cuts.append((points.lines - 0.5).ceil().flatten(0, 1).flatten(2).cpu())  # (N V T, G, 2 (n - 1))
    crossing, still, at_border = torch.cat(found, dim=1).mean(1).tolist()
    border_cells = 1 - (height - 2) * (width - 2) / (height * width)
    return Shares(crossing, still, at_border, border_cells, *separations(torch.cat(cuts)))


def separations(cuts: Tensor) -> tuple[float, float]:
    """Return how many separations of a frame differ, and the share of frames that a set cuts unusually.

    Args:
        cuts: ``(frames, G, lines)``, the first cell behind each line.
    """
    each, which = cuts.unique(dim=0, return_inverse=True)
    differ = torch.tensor([len(frame.unique(dim=0)) for frame in each], dtype=torch.float64)[which]
    unusual = [1 - own.unique(dim=0, return_counts=True)[1].max() / len(own) for own in cuts.unbind(1)]
    return differ.mean().item(), torch.stack(unusual).mean().item()


def border(positions: Tensor, height: int, width: int) -> Tensor:
    """Say which key points lie in a cell at the border of a map, ``(..., C)`` of positions ``(..., 2, C)`` (x, y)."""
    x, y = positions.unbind(-2)
    return (x == 0) | (y == 0) | (x == width - 1) | (y == height - 1)


def drawn_points(module: Any, clip: Clip) -> tuple[Tensor, Tensor, float]:
    """Return the key points to draw and their shifts, in pixels of the clip, and the clip's share of crossings.

    Returns:
        ``(T' - 1, R, 2)`` (x, y) of each frame but the last, the shifts of the same shape, and the share.
    """
    clips = clip.batch.clips.flatten(0, 1)
    found, map_size = module.network.key_points(clips)
    (chosen_set,), (channel,) = module.network.drawn_set_and_channel(found)
    sizes = dict(map_size=map_size, clip_size=(clips.shape[3], clips.shape[4]))
    positions = found.positions_in_pixels(**sizes)[0, :-1, chosen_set, :, :, channel]
    shifts = found.shifts_in_pixels(**sizes)[0, :, chosen_set, :, :, channel]
    return positions, shifts, found.crossing_share().item()


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw six clips, four frames each."""
    import matplotlib.pyplot as plt

    loaded = {group: load(cell_of(cells, OURS, group)) for group in groups_of(cells, tuple(CLASSES))}
    chosen = {group: first_videos(data, CLASSES.get(group, ()), 3) for group, (_, data) in loaded.items()}
    each = min(FRAMES, max(module.network.frames for module, _ in loaded.values()) - 1)
    down, across = max(map(len, chosen.values())), each * len(chosen)
    figure, axes = plt.subplots(down, across, figsize=(max(5.5, 1.75 * across), 2.07 * down), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    numbers: list[dict[str, object]] = []
    shares: dict[str, Shares] = {}
    for side, (group, (module, data)) in enumerate(loaded.items()):
        shares[group] = shares_of(module, data)
        for line, position in enumerate(chosen[group]):
            clip = clip_of(data, position)
            positions, shifts, own_share = drawn_points(module, clip)
            name = data.class_names[clip.label]
            places = axes[line, each * side : each * (side + 1)]
            places[0].set_title(f"{name} ({group})", fontsize=8, loc="left")
            for axis, t in zip(places, evenly(len(positions), each), strict=False):
                frame = t * len(clip.frames) // (len(positions) + 1)
                axis.imshow(clip.frames[frame])
                _draw_points(axis, positions[t], shifts[t])
                for region, (start, shift) in enumerate(zip(positions[t].tolist(), shifts[t].tolist(), strict=True)):
                    numbers.append({
                        "data": group, "video": clip.id, "class": name, "frame": frame, "region": region,
                        **{key: f"{value:.2f}" for key, value in zip(("x", "y", "dx", "dy"), (*start, *shift),
                                                                     strict=True)},
                        "crossing_share": f"{own_share:.4f}",
                        "crossing_share_all_videos": f"{shares[group].crossing:.4f}",
                        "crossing_share_still": f"{shares[group].crossing_still:.4f}",
                        "border_share_all_videos": f"{shares[group].border:.4f}",
                        "border_share_of_cells": f"{shares[group].border_cells:.4f}",
                        "separations_that_differ": f"{shares[group].separations:.2f}",
                        "frames_cut_unusually": f"{shares[group].adapted:.4f}",
                    })  # fmt: skip
    crossing, at_border = (
        ", ".join(f"{group} {100 * getattr(s, a):.0f} % ({100 * getattr(s, b):.0f} %)" for group, s in shares.items())
        for a, b in (("crossing", "crossing_still"), ("border", "border_cells"))
    )
    sets = {group: module.network.kpsem.arese.num_sets for group, (module, _) in loaded.items()}
    separated = ", ".join(
        f"{group} {s.separations:.1f} of {sets[group]} ({100 * s.adapted:.0f} %)" for group, s in shares.items()
    )
    figure.suptitle(
        f"best match in another region: {crossing}; in brackets one frame repeated\n"
        f"key points at the map's border: {at_border}; in brackets those cells' share\n"
        f"separations that differ in a frame: {separated}; in brackets frames that a set cuts otherwise than usually",
        fontsize=9,
    )
    figure.tight_layout()
    return Drawing(figure, numbers)


def _draw_points(axis: Any, positions: Tensor, shifts: Tensor) -> None:
    """Draw one frame's key points as crosses and their shifts as arrows, a colour per region."""
    for region, ((x, y), (dx, dy)) in enumerate(zip(positions.tolist(), shifts.tolist(), strict=True)):
        colour = REGION_COLOURS[region % len(REGION_COLOURS)]
        axis.plot(x - 0.5, y - 0.5, "x", color=colour, ms=7, mew=2)  # imshow's pixel centres are whole numbers
        axis.annotate("", xy=(x + dx - 0.5, y + dy - 0.5), xytext=(x - 0.5, y - 0.5), annotation_clip=False,
                      arrowprops=dict(arrowstyle="->", color=colour, lw=1.5))  # fmt: skip


FIGURE = Figure(
    id="kpsem/figure10",
    title="KPSEM, Figure 10: key points and their shifts",
    table=part_of(TABLE, name="figure10_cells", rows=(OURS,), groups=(MINI, HMDB)),
    rows=(OURS,),
    draw=draw,
    of_clips=True,
)

if __name__ == "__main__":
    main(FIGURE)
