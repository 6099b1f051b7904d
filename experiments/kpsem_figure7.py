"""KPSEM, Figure 7: the classes of Mini-Kinetics on which MF-KPSEM gains most over MFNet.

Paper:      Cao et al., Effective Action Recognition with Embedded Key Point Shifts, 2020, Fig. 7.
Run:        python experiments/kpsem_figure7.py            (embedded benchmark; cells of Table 1)
            python experiments/kpsem_figure7.py --data folder --data-root DATA            (your own data set)
            It compares two networks over a test set: one checkpoint, one row or a single video is refused.
Protocol:   top-1 of each class, from the scores of each test video, mean over seeds; intervals of the paired difference
            over seeds and videos. The paper shows the 16 of 200 classes that gain at least 6 points.
Deviations: beside the 16 largest gains the distribution over all classes, losses included, which the paper leaves out.
            With 25 test videos a class, 6 points are two videos. Classes are chosen by the videos that measure them, so
            that the largest gains are too large, and each interval is for a class named beforehand; Holm's correction
            over all classes says how many differ at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.harness.statistics import Difference, paired_difference
from experiments.harness.verdicts import holm
from experiments.kpsem_pictures import NETWORK_COLOURS, VideoScores, cell_of, groups_of, part_of, scores_of
from experiments.kpsem_profiles import BASELINE, OURS
from experiments.kpsem_table1 import MINI, TABLE

SHOWN, MARGIN = 16, 6.0  # classes, percent points


@dataclass(frozen=True)
class ClassGain:
    """One class: top-1 of both networks in percent, their paired difference, and its number of test videos."""

    name: str
    baseline: float
    ours: float
    difference: Difference
    videos: int

    @property
    def low(self) -> float:
        """Return the lower end of the difference's interval; beyond the possible with few seeds, hence cut there."""
        return max(-100.0, self.difference.low)

    @property
    def high(self) -> float:
        """Return the upper end."""
        return min(100.0, self.difference.high)


def class_gains(
    baseline: dict[int, VideoScores], ours: dict[int, VideoScores], class_names: Sequence[str]
) -> list[ClassGain]:
    """Return every class that has test videos, the largest gain first.

    Args:
        baseline: scores of the plain backbone by seed.
        ours: the same with KPSEM.
        class_names: label order.
    """
    labels = next(iter(baseline.values())).labels
    gains = []
    for label in np.unique(labels):
        of_class = labels == label
        first, second = ({s: f.scores[of_class] for s, f in by_seed.items()} for by_seed in (ours, baseline))
        seeds = sorted(first.keys() & second.keys())
        means = [np.mean([(scores[s].argmax(1) == label).mean() for s in seeds]) for scores in (second, first)]
        difference = paired_difference(first, second, labels[of_class], "top1")
        gains.append(ClassGain(class_names[label], 100 * means[0], 100 * means[1], difference, int(of_class.sum())))
    return sorted(gains, key=lambda gain: (-gain.difference.mean, gain.name))


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw the largest gains as pairs of bars, and the differences of all classes."""
    import matplotlib.pyplot as plt

    [group] = groups_of(cells, (MINI,))
    first = cell_of(cells, BASELINE, group)
    baseline, ours = (scores_of(cells, row, first.column) for row in (BASELINE, OURS))
    gains = class_gains(baseline, ours, load.data(first).class_names)
    p_values = holm([gain.difference.p_value for gain in gains])
    figure, (bars, rest) = plt.subplots(1, 2, figsize=(12, 4.6), width_ratios=(3, 1))
    shown = gains[:SHOWN]
    for place, gain in enumerate(shown):
        bars.barh(place - 0.2, gain.baseline, height=0.38, color=NETWORK_COLOURS[0])
        bars.barh(place + 0.2, gain.ours, height=0.38, color=NETWORK_COLOURS[1])
        text = f"{gain.difference.mean:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}]"
        bars.text(101, place, text, fontsize=7, va="center")
    bars.set_yticks(range(len(shown)), [gain.name for gain in shown], fontsize=8)
    bars.set_ylim(len(shown) - 0.4, -0.6)
    bars.set_xlim(0, 100)
    bars.set_xlabel("top-1 of the class (%)", fontsize=8)
    which = f"all {len(gains)} classes" if len(gains) <= SHOWN else f"{SHOWN} largest gains"
    bars.set_title(f"{which}: {BASELINE} (grey), {OURS} (blue), difference", fontsize=9)
    differences = [gain.difference.mean for gain in gains]
    rest.hist(differences, bins=20, color=NETWORK_COLOURS[1])
    for margin in (-MARGIN, MARGIN):
        rest.axvline(margin, color="black", ls="--", lw=1)
    rest.yaxis.get_major_locator().set_params(integer=True)
    rest.set_ylabel("classes", fontsize=8)
    for axis in (bars, rest):
        axis.tick_params(labelsize=8)
    ahead, behind = (sum(sign * value >= MARGIN for value in differences) for sign in (1, -1))
    rest.set_title(f"all {len(gains)} classes\n{ahead} gain, {behind} lose {MARGIN:.0f} points or more", fontsize=8)
    rest.set_xlabel("difference (percent points)", fontsize=8)
    beyond_chance = sum(p_value < 0.05 for p_value in p_values)
    figure.supxlabel(
        "Classes are chosen and sorted by their gain on these very videos: the largest gains are too large, and each "
        "interval is for its class alone.\n"
        f"After Holm's correction over all {len(gains)} classes, {beyond_chance} differ at 5 %.",
        fontsize=8,
    )
    figure.tight_layout()
    return Drawing(figure, [_numbers(gain, p_value) for gain, p_value in zip(gains, p_values, strict=True)])


def _numbers(gain: ClassGain, p_holm: float) -> dict[str, object]:
    values = {"baseline": gain.baseline, "ours": gain.ours, "difference": gain.difference.mean,
              "low": gain.low, "high": gain.high}  # fmt: skip
    return {"class": gain.name, **{key: f"{value:.2f}" for key, value in values.items()},
            "p_holm": f"{p_holm:.3f}", "videos": gain.videos}  # fmt: skip


FIGURE = Figure(
    id="kpsem/figure7",
    title="KPSEM, Figure 7: accuracy per class on Mini-Kinetics",
    table=part_of(TABLE, name="figure7_cells", rows=(BASELINE, OURS), groups=(MINI,)),
    rows=(BASELINE, OURS),
    draw=draw,
    compares=True,
)

if __name__ == "__main__":
    main(FIGURE)
