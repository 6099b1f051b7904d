"""KPSEM, Figure 5: accuracy against KPSEM's position, regions, sets and embedding size, on HMDB51 split 1.

Paper:      Cao et al., Effective Action Recognition with Embedded Key Point Shifts, 2020, Fig. 5.
Run:        python experiments/kpsem_figure5.py            (embedded benchmark; trains the rows of kpsem_ablations)
Protocol:   as kpsem_ablations: bars are means over seeds, with 95 % intervals over seeds and videos.
Deviations: published values are marked where text or Table 2 print them, by their difference to the published MFNet, as
            on the benchmark the values themselves have nothing in common; the other bars bear no numbers.
            Lines start within a cell of equal regions at every position: that is less of conv2's map than of conv5's.
"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.harness.statistics import Estimate, estimate
from experiments.kpsem_ablations import TABLE
from experiments.kpsem_pictures import NETWORK_COLOURS, scores_of
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
    """Draw the four panels; the plain MFNet is the dashed line with its interval."""
    import matplotlib.pyplot as plt

    found = {row: _estimated(cells, row) for row in dict.fromkeys(cell.row for cell in cells)}
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.4), sharey=True)
    numbers = []
    for axis, (title, bars) in zip(axes, PANELS, strict=True):
        shown = {tick: row for tick, row in bars.items() if row in found}
        for place, (tick, row) in enumerate(shown.items()):
            ours, published = found[row], TABLE.row(row).published[0]
            axis.bar(place, ours.mean, width=0.6, color=NETWORK_COLOURS[1])
            axis.plot([place, place], [ours.low, ours.high], color="black", lw=1.5, zorder=3)
            printed_base = TABLE.row(BASELINE).published[0]
            if published is not None and printed_base is not None and BASELINE in found:
                printed = found[BASELINE].mean + float(published) - float(printed_base)
                axis.plot(place, printed, "D", color=PUBLISHED_COLOUR, mfc="none", ms=6)
            numbers.append({"panel": title, "value": tick, **_numbers(row, ours, published)})
        if BASELINE in found:
            base = found[BASELINE]
            axis.axhline(base.mean, color=NETWORK_COLOURS[0], ls="--", lw=1.2)
            axis.axhspan(base.low, base.high, color=NETWORK_COLOURS[0], alpha=0.2, lw=0, zorder=0)
        axis.set_xticks(range(len(shown)), shown)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
    if BASELINE in found:
        published = TABLE.row(BASELINE).published[0]
        numbers.append({"panel": "baseline", "value": BASELINE, **_numbers(BASELINE, found[BASELINE], published)})
    lowest = min([value.low for value in found.values()], default=0.0)
    axes[0].set_ylim(bottom=max(0.0, lowest - 10))
    axes[0].set_ylabel("top-1 (%)", fontsize=8)
    figure.suptitle(
        "bars: ours with 95 % interval; dashed: MFNet; diamonds: published difference to MFNet, from our MFNet",
        fontsize=8,
    )
    figure.tight_layout()
    return Drawing(figure, numbers)


def _estimated(cells: Sequence[Cell], row: str) -> Estimate:
    by_seed = scores_of(cells, row, COLUMN)
    labels = next(iter(by_seed.values())).labels
    return estimate({seed: found.scores for seed, found in by_seed.items()}, labels, "top1")


def _numbers(row: str, ours: Estimate, published: str | None) -> dict[str, object]:
    return {"row": row, "top1": f"{ours.mean:.2f}", "low": f"{ours.low:.2f}", "high": f"{ours.high:.2f}",
            "seeds": ours.num_seeds, "published": published or ""}  # fmt: skip


FIGURE = Figure(
    id="kpsem/figure5",
    title="KPSEM, Figure 5: position, splits, sets and embedding size",
    table=TABLE,
    rows=tuple(row.label for row in TABLE.rows),
    draw=draw,
)

if __name__ == "__main__":
    main(FIGURE)
