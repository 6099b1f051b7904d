"""ACTION-Net, Figure 4: accuracy against FLOPs of TSM and ACTION-Net on three backbones, and the efficiency eta.

Paper:      Wang, She, Smolic, ACTION-Net: Multipath Excitation for Action Recognition, CVPR 2021, Figure 4, eq. 10.
Run:        python experiments/action_net_figure4.py            (embedded benchmark; Table 5's cells)
            python experiments/action_net_figure4.py --profile paper --data-root DATA --init-checkpoint ...
Protocol:   Table 5's cells and its FLOPs (ptflops' rule, full-size networks). eta is Table 5's: the added FLOPs in
            percent over the added Top-1 in percent points, ACTION-Net against TSM; smaller is better. No gain has none.
            A gain whose 95 % interval, paired by seed and test video, holds 0 is marked undecided, and so is its eta.
Deviations: published values above, ours below, with each seed's accuracies small. Our added FLOPs are taken against
            the unrounded FLOPs of TSM.
            Published eta of ResNet-50 on EgoGesture, 2.65, belongs to a gain of 2.0; the tables' 2.1 gives 2.52.
"""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from experiments import action_net_table5
from experiments.action_net_efficiency import FLOPS, efficiency
from experiments.action_net_profiles import EGOGESTURE, JESTER, SOMETHING
from experiments.action_net_table5 import BACKBONES, ours, tsm
from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.harness.measure import cost_value
from experiments.harness.statistics import Difference, paired_difference

GROUPS = (EGOGESTURE, JESTER, SOMETHING)  # from left to right, as in the paper
COLOURS = ("#1f5f8b", "#c9762b", "#3b7d4f")


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw a panel per data set, published above and ours below, a line from TSM to ACTION-Net per backbone."""
    run = {(cell.row, _group(cell)) for cell in cells}
    lines = [
        _line(cells, group, backbone)
        for group in GROUPS
        for backbone in BACKBONES
        if {(tsm(backbone), group), (ours(backbone), group)} <= run
    ]
    return Drawing(_picture(lines), [{key: _printed(value) for key, value in line.items()} for line in lines])


def _printed(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(f"{each:.2f}" for each in value)
    return round(value, 4) if isinstance(value, float) else value


def _line(cells: Sequence[Cell], group: str, backbone: str) -> dict[str, Any]:
    """Return one backbone's pair of points on one data set, published and ours."""
    table = action_net_table5.TABLE
    keys = (FLOPS.key, f"{group}/Top-1", f"{group}/eta")
    places = [table.columns.index(table.column(key)) for key in keys]
    pair = [table.row(label(backbone)) for label in (tsm, ours)]
    printed = [[float(row.published[place] or "nan") for place in places] for row in pair]
    flops = [cost_value(table, row, FLOPS) for row in pair]
    scores = [_by_seed(cells, row.label, group) for row in pair]
    seeds = sorted(set.intersection(*map(set, scores)))
    each = [[found[seed].record["metrics"]["top1"] for seed in seeds] for found in scores]
    top1 = [mean(values) for values in each]
    gain = _gain(scores[1], scores[0])
    return {
        "data": group, "backbone": backbone, "seeds": len(seeds),
        "tsm_gflops": flops[0], "action_net_gflops": flops[1], "tsm_top1": top1[0], "action_net_top1": top1[1],
        "gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high,
        "eta": efficiency(*zip(flops, top1, strict=True)),
        "published_tsm_gflops": printed[0][0], "published_action_net_gflops": printed[1][0],
        "published_tsm_top1": printed[0][1], "published_action_net_top1": printed[1][1],
        "published_eta": printed[1][2],
        "eta_of_published_values": efficiency(printed[0][:2], printed[1][:2]),
        "tsm_top1_per_seed": each[0], "action_net_top1_per_seed": each[1],
    }  # fmt: skip


def _by_seed(cells: Sequence[Cell], row: str, group: str) -> dict[int, Cell]:
    return {cell.seed: cell for cell in cells if cell.row == row and _group(cell) == group}


def _gain(better: dict[int, Cell], worse: dict[int, Cell]) -> Difference:
    first, second = ({seed: cell.scores["scores"] for seed, cell in found.items()} for found in (better, worse))
    return paired_difference(first, second, next(iter(better.values())).scores["labels"], "top1")


def _group(cell: Cell) -> str:
    return cell.column.split("/")[0]


def _picture(lines: Sequence[dict[str, Any]]) -> Any:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(GROUPS), figsize=(11, 8), layout="constrained")
    for row, (prefix, title) in enumerate((("published_", "published"), ("", "ours"))):
        for axis, group in zip(axes[row], GROUPS, strict=True):
            for line in (line for line in lines if line["data"] == group):
                _draw_line(axis, line, prefix)
            axis.set_title(f"{group}, {title}", fontsize=9)
            axis.set(xlabel="FLOPs (G), full size", ylabel="Top-1 (%)", xlim=(0, None))
            axis.tick_params(labelsize=8)
            axis.grid(color="#dddddd", lw=0.6)
            if axis.lines:
                axis.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    figure.suptitle("TSM (open), ACTION-Net (filled); η: added FLOPs in percent over the points gained", fontsize=10)
    return figure


def _draw_line(axis: Any, line: dict[str, Any], prefix: str) -> None:
    """Draw one backbone from TSM to ACTION-Net, in our panels with each seed's accuracy small."""
    colour, eta = COLOURS[BACKBONES.index(line["backbone"])], line[f"{prefix}eta"]
    flops, top1 = (
        [line[f"{prefix}{method}_{what}"] for method in ("tsm", "action_net")] for what in ("gflops", "top1")
    )
    says = f"{line['backbone']}, η = {eta:.2f} %" if eta is not None else f"{line['backbone']}, no gain"
    if not prefix:
        says += f"; gain {line['gain']:+.1f} [{line['gain_low']:+.1f}, {line['gain_high']:+.1f}]"
        says += ", undecided" if line["gain_low"] <= 0 <= line["gain_high"] else ""
        for place, each in zip(flops, ("tsm_top1_per_seed", "action_net_top1_per_seed"), strict=True):
            axis.plot([place] * len(line[each]), line[each], "_", color=colour, ms=5, alpha=0.6)
    axis.plot(flops, top1, "-", color=colour, lw=1)
    axis.plot(flops[0], top1[0], "o", color=colour, mfc="none")
    axis.plot(flops[1], top1[1], "o", color=colour, label=says)


FIGURE = Figure(
    id="action_net/figure4",
    title="ACTION-Net, Figure 4: accuracy against FLOPs, and the efficiency",
    table=action_net_table5.TABLE,
    rows=tuple(label(backbone) for backbone in BACKBONES for label in (tsm, ours)),
    draw=draw,
)

if __name__ == "__main__":
    main(FIGURE)
