"""KPSEM, Figure 8: clips that MF-KPSEM gets right and MFNet wrong, with the three most probable classes of both.

Paper:      Cao et al., Effective Action Recognition with Embedded Key Point Shifts, 2020, Fig. 8.
Run:        python experiments/kpsem_figure8.py            (embedded benchmark; cells of Table 1)
            python experiments/kpsem_figure8.py ... --video FILE --video-class NAME       (your own video)
            python experiments/kpsem_figure8.py ... --checkpoint FILE --test-only --rows MF-KPSEM --columns GROUP
Protocol:   twelve test videos of Mini-Kinetics from the 16 classes that gain most, as in Figure 7 but with the first
            seed alone, whose probabilities are drawn: the softmax averaged over views.
Deviations: the paper does not say how it chose: here videos that MF-KPSEM alone gets right, first those of classes that
            gain 6 points or more, then those of the other classes; only if these are too few, any others. Within each
            kind by the largest gain in the true class's probability. How many classes gain so much, and how many videos
            each network alone gets right, is printed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.kpsem_figure7 import MARGIN, SHOWN, class_gains
from experiments.kpsem_pictures import VideoScores, cell_of, clip_of, evenly, groups_of, part_of, rows_of, video_scores
from experiments.kpsem_profiles import BASELINE, OURS
from experiments.kpsem_table1 import MINI, TABLE

CLIPS, ACROSS, FRAMES, CLASSES = 12, 3, 3, 3
RIGHT_COLOUR, WRONG_COLOUR = "#2b7a3d", "#333333"


def chosen_videos(
    baseline: VideoScores, ours: VideoScores, classes: Sequence[int], gaining: Sequence[int], count: int
) -> list[int]:
    """Return the rows of the videos to show, those that only ``ours`` gets right first.

    Args:
        baseline: scores of the plain backbone.
        ours: the same with KPSEM.
        classes: whose videos may be shown.
        gaining: those of them that are preferred.
        count: how many videos, if there are so many.
    """
    own = np.arange(len(ours.labels)), ours.labels
    gain = ours.scores[own] - baseline.scores[own]
    only_ours = (ours.scores.argmax(1) == ours.labels) & (baseline.scores.argmax(1) != ours.labels)
    preferred = np.isin(ours.labels, list(gaining))
    of_class = np.flatnonzero(np.isin(ours.labels, list(classes)))
    return sorted(of_class.tolist(), key=lambda row: (not only_ours[row], not preferred[row], -gain[row], row))[:count]


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw twelve clips, three frames each, with both networks' three most probable classes."""
    import matplotlib.pyplot as plt

    [group] = groups_of(cells, (MINI,))
    networks = {row: video_scores(cell_of(cells, row, group)) for row in rows_of(cells, (BASELINE, OURS))}
    data = load.data(cell_of(cells, next(iter(networks)), group))
    baseline, ours = next(iter(networks.values())), [*networks.values()][-1]  # the same, where there is one network
    names = data.class_names
    gains = {names.index(gain.name): gain.difference.mean for gain in class_gains({0: baseline}, {0: ours}, names)}
    gaining = [label for label, gain in gains.items() if gain >= MARGIN]
    rows = chosen_videos(baseline, ours, [*gains][:SHOWN], gaining, CLIPS)
    positions = {video.id: position for position, video in enumerate(data.subset("test")[0])}
    down, across = -(-len(rows) // ACROSS), min(ACROSS, len(rows))
    height = 2.75 * down
    figure, axes = plt.subplots(down, across, figsize=(4.3 * across, height), squeeze=False)
    numbers: list[dict[str, object]] = []
    for axis in axes.flat:
        axis.axis("off")
    for axis, row in zip(axes.flat, rows, strict=False):
        clip = clip_of(data, positions[ours.ids[row]])
        strip = np.concatenate([clip.frames[t] for t in evenly(len(clip.frames), FRAMES)], axis=1)
        axis.imshow(strip, aspect="equal")
        axis.set_title(names[clip.label], fontsize=9)
        for side, (network, found) in enumerate(networks.items()):
            lines = _most_probable(found, row, names)
            for rank, (label, probability) in enumerate(lines):
                colour = RIGHT_COLOUR if label == names[clip.label] else WRONG_COLOUR
                axis.text(0.5 * side, -0.24 - 0.12 * rank, f"{label}  {100 * probability:.1f} %", fontsize=7,
                          color=colour, transform=axis.transAxes)  # fmt: skip
                numbers.append({"video": clip.id, "class": names[clip.label],
                                "class_gain": f"{gains[clip.label]:.2f}" if len(networks) > 1 else "",
                                "network": network, "rank": rank + 1, "predicted": label,
                                "probability": f"{100 * probability:.2f}"})  # fmt: skip
            axis.text(0.5 * side, -0.12, network, fontsize=7, fontweight="bold", transform=axis.transAxes)
    hits = [found.scores.argmax(1) == found.labels for found in (baseline, ours)]
    counts = f"only {OURS} right: {int((hits[1] & ~hits[0]).sum())}, only {BASELINE}: {int((hits[0] & ~hits[1]).sum())}"
    if len(networks) > 1 and len(ours.labels) > 1:
        of_classes = f"{len(gaining)} of {len(gains)} classes gain {MARGIN:.0f} points or more"
        figure.suptitle(f"{of_classes}; {counts}, of {len(ours.labels)} test videos (first seed)", fontsize=10)
    figure.subplots_adjust(hspace=0.75, wspace=0.15, top=1 - 0.88 / height, bottom=0.88 / height, left=0.03, right=0.98)
    return Drawing(figure, numbers)


def _most_probable(found: VideoScores, row: int, names: Sequence[str]) -> list[tuple[str, float]]:
    order = np.argsort(-found.scores[row], kind="stable")[:CLASSES]
    return [(names[label], float(found.scores[row, label])) for label in order]


FIGURE = Figure(
    id="kpsem/figure8",
    title="KPSEM, Figure 8: predictions on twelve clips",
    table=part_of(TABLE, name="figure8_cells", rows=(BASELINE, OURS), groups=(MINI,)),
    rows=(BASELINE, OURS),
    draw=draw,
    of_clips=True,
)

if __name__ == "__main__":
    main(FIGURE)
