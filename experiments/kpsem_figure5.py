"""KPSEM, Figure 5: accuracy against KPSEM's position, regions, sets and embedding size, on HMDB51 split 1.

Paper:      Cao et al., Effective Action Recognition with Embedded Key Point Shifts, 2020, Fig. 5.
Run:        python experiments/kpsem_figure5.py            (embedded benchmark: 45 trainings and one pre-training)
            It takes all 15 rows of kpsem_ablations, those that wait to be asked for there too, with 3 seeds each;
            fewer: --rows, --seeds.
Protocol:   as kpsem_ablations: bars are means over seeds, with 95 % intervals over seeds and videos.
Deviations: below the bars stands what the claims are judged by: the difference to MFNet on the same seeds and videos.
            Published values are marked there where text or Table 2 print them, as differences to the published MFNet;
            on the benchmark the values themselves have nothing in common. The other bars bear no numbers.
            Lines start within a cell of equal regions at every position: that is less of conv2's map than of conv5's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.harness.statistics import Difference, Estimate, estimate, paired_difference
from experiments.kpsem_ablations import FASTER, TABLE
from experiments.kpsem_pictures import NETWORK_COLOURS, VideoScores, scores_of
from experiments.kpsem_profiles import BASELINE, OURS

COLUMN = TABLE.columns[0].key
PUBLISHED_COLOUR = "#9a3b2f"
PANELS = (
    ("(a) position", {"Conv2": "after Conv2", "Conv3": "after Conv3", "Conv4": OURS, "Conv5": "after Conv5"}),
    ("(b) splits per frame K", {"1": "K = 1", "4": OURS, "9": "K = 9", "16": "K = 16"}),
    ("(c) sets of AReSE G", {"1": "G = 1", "2": "G = 2", "4": "G = 4", "8": OURS, "16": "G = 16"}),
    ("(d) embedding dimension", {"6": "d_e = 6", "12": "d_e = 12", "24": OURS, "48": "d_e = 48"}),
)


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw the four panels: accuracies, the plain MFNet as the dashed line; below them the differences to it."""
    import matplotlib.pyplot as plt

    scores = {row: scores_of(cells, row, COLUMN) for row in dict.fromkeys(cell.row for cell in cells)}
    found = {row: _estimated(by_seed) for row, by_seed in scores.items()}
    others = [row for row in scores if row != BASELINE and BASELINE in scores]
    paired = {row: _paired(scores[row], scores[BASELINE]) for row in others}
    heights = (3.4, 2.2) if paired else (3.4,)
    figure, axes = plt.subplots(len(heights), 4, figsize=(13, sum(heights)), sharex="col", sharey="row",
                                height_ratios=heights, squeeze=False)  # fmt: skip
    numbers = []
    for (title, bars), (accuracy, *below) in zip(PANELS, axes.T, strict=True):
        shown = {tick: row for tick, row in bars.items() if row in found}
        for place, (tick, row) in enumerate(shown.items()):
            accuracy.bar(place, found[row].mean, width=0.6, color=NETWORK_COLOURS[1])
            accuracy.plot([place, place], [found[row].low, found[row].high], color="black", lw=1.5, zorder=3)
            if row in paired:
                _draw_difference(below[0], place, paired[row], published_difference(row))
            numbers.append({"panel": title, "value": tick, **_numbers(row, found[row], paired.get(row))})
        if BASELINE in found:
            base = found[BASELINE]
            accuracy.axhline(base.mean, color=NETWORK_COLOURS[0], ls="--", lw=1.2)
            accuracy.axhspan(base.low, base.high, color=NETWORK_COLOURS[0], alpha=0.2, lw=0, zorder=0)
        for axis in below:
            axis.axhline(0, color=NETWORK_COLOURS[0], ls="--", lw=1.2, zorder=0)
            axis.margins(y=0.1)
            axis.set_xlim(right=len(shown) - 0.3)  # room for the last label
        accuracy.set_xticks(range(len(shown)), shown)
        accuracy.set_title(title, fontsize=9)
        for axis in (accuracy, *below):
            axis.tick_params(labelsize=8)
    if BASELINE in found:
        numbers.append({"panel": "baseline", "value": BASELINE, **_numbers(BASELINE, found[BASELINE], None)})
    lowest = min([value.low for value in found.values()], default=0.0)
    axes[0, 0].set_ylim(bottom=max(0.0, lowest - 10))
    axes[0, 0].set_ylabel("top-1 (%)", fontsize=8)
    axes[-1, 0].set_ylabel("paired difference\nto MFNet (points)" if paired else "top-1 (%)", fontsize=8)
    counts = sorted({value.num_seeds for value in found.values()})
    seeds = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) + (" seeds" if counts[-1] > 1 else " seed")
    rows = (
        "Above: each setting alone, dashed MFNet (not from 0). Below: the difference to MFNet on the same seeds and "
        "videos, by which claims are judged; diamonds: published"
    )
    figure.suptitle(f"{seeds}, 95 % intervals. {rows if paired else ''}", fontsize=8)
    figure.tight_layout()
    return Drawing(figure, numbers)


def published_difference(row: str) -> float | None:
    """Return a setting's published accuracy less MFNet's; None where none is printed."""
    published, base = (TABLE.row(label).published[0] for label in (row, BASELINE))
    return None if published is None or base is None else round(float(published) - float(base), 4)


def _draw_difference(axis: Any, place: int, ours: Difference, published: float | None) -> None:
    axis.plot([place, place], [ours.low, ours.high], color="black", lw=1.5)
    axis.plot(place, ours.mean, "o", color=NETWORK_COLOURS[1], ms=5)
    axis.annotate(f"{round(ours.mean, 1) + 0.0:+.1f}", (place, ours.mean), (5, 0), textcoords="offset points",
                  fontsize=7, va="center")  # fmt: skip
    if published is not None:
        axis.plot(place - 0.2, published, "D", color=PUBLISHED_COLOUR, mfc="none", ms=5)


def _estimated(by_seed: Mapping[int, VideoScores]) -> Estimate:
    labels = next(iter(by_seed.values())).labels
    return estimate({seed: found.scores for seed, found in by_seed.items()}, labels, "top1")


def _paired(by_seed: Mapping[int, VideoScores], baseline: Mapping[int, VideoScores]) -> Difference:
    labels = next(iter(by_seed.values())).labels
    first, second = ({seed: found.scores for seed, found in own.items()} for own in (by_seed, baseline))
    return paired_difference(first, second, labels, "top1")


def _numbers(row: str, ours: Estimate, paired: Difference | None) -> dict[str, object]:
    ends = [f"{end:.2f}" for end in (paired.mean, paired.low, paired.high)] if paired is not None else [""] * 3
    return {"row": row, "top1": f"{ours.mean:.2f}", "low": f"{ours.low:.2f}", "high": f"{ours.high:.2f}",
            "seeds": ours.num_seeds, "difference": ends[0], "difference_low": ends[1], "difference_high": ends[2],
            "paired_seeds": paired.num_seeds if paired is not None else "",
            "published": TABLE.row(row).published[0] or ""}  # fmt: skip


FIGURE = Figure(
    id="kpsem/figure5",
    title="KPSEM, Figure 5: position, splits, sets and embedding size",
    table=TABLE,
    rows=tuple(row.label for row in TABLE.rows if row.label != FASTER),
    draw=draw,
)

if __name__ == "__main__":
    main(FIGURE)
