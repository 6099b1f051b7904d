"""ACTION-Net, Figure 4: accuracy against FLOPs of TSM and ACTION-Net on three backbones, and the efficiency eta.

Paper:      Wang, She, Smolic, ACTION-Net: Multipath Excitation for Action Recognition, CVPR 2021, Figure 4, eq. 10.
Run:        python experiments/action_net_figure4.py            (embedded benchmark; Table 5's cells)
            python experiments/action_net_figure4.py --profile paper --data-root DATA --init-checkpoint ...
Protocol:   Table 5's cells and its FLOPs (ptflops' rule, full-size networks). eta is Table 5's: the added FLOPs in
            percent over the added Top-1 in percent points, ACTION-Net against TSM; smaller is better. No gain has none.
Deviations: published values above, ours below. Our added FLOPs are taken against the unrounded FLOPs of TSM.
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
    numbers = [
        {key: value if not isinstance(value, float) else round(value, 4) for key, value in line.items()}
        for line in lines
    ]
    return Drawing(_picture(lines), numbers)


def _line(cells: Sequence[Cell], group: str, backbone: str) -> dict[str, Any]:
    """Return one backbone's pair of points on one data set, published and ours."""
    table = action_net_table5.TABLE
    keys = (FLOPS.key, f"{group}/Top-1", f"{group}/eta")
    places = [table.columns.index(table.column(key)) for key in keys]
    pair = [table.row(label(backbone)) for label in (tsm, ours)]
    printed = [[float(row.published[place] or "nan") for place in places] for row in pair]
    flops = [cost_value(table, row, FLOPS) for row in pair]
    top1 = [
        mean(cell.record["metrics"]["top1"] for cell in cells if cell.row == row.label and _group(cell) == group)
        for row in pair
    ]
    return {
        "data": group, "backbone": backbone, "seeds": len({cell.seed for cell in cells}),
        "tsm_gflops": flops[0], "action_net_gflops": flops[1], "tsm_top1": top1[0], "action_net_top1": top1[1],
        "eta": efficiency(*zip(flops, top1, strict=True)),
        "published_tsm_gflops": printed[0][0], "published_action_net_gflops": printed[1][0],
        "published_tsm_top1": printed[0][1], "published_action_net_top1": printed[1][1],
        "published_eta": printed[1][2],
        "eta_of_published_values": efficiency(printed[0][:2], printed[1][:2]),
    }  # fmt: skip


def _group(cell: Cell) -> str:
    return cell.column.split("/")[0]


def _picture(lines: Sequence[dict[str, Any]]) -> Any:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(GROUPS), figsize=(11, 6.6), layout="constrained")
    for row, (prefix, title) in enumerate((("published_", "published"), ("", "ours"))):
        for axis, group in zip(axes[row], GROUPS, strict=True):
            for line in (line for line in lines if line["data"] == group):
                colour = COLOURS[BACKBONES.index(line["backbone"])]
                flops, top1 = (
                    [line[f"{prefix}{method}_{what}"] for method in ("tsm", "action_net")]
                    for what in ("gflops", "top1")
                )
                eta = line[f"{prefix}eta"]
                says = f"{line['backbone']}, η = {eta:.2f} %" if eta is not None else f"{line['backbone']}, no gain"
                axis.plot(flops, top1, "-", color=colour, lw=1)
                axis.plot(flops[0], top1[0], "o", color=colour, mfc="none")
                axis.plot(flops[1], top1[1], "o", color=colour, label=says)
            axis.set_title(f"{group}, {title}", fontsize=9)
            axis.set(xlabel="FLOPs (G), full size", ylabel="Top-1 (%)", xlim=(0, None))
            axis.grid(color="#dddddd", lw=0.6)
            if axis.lines:
                axis.legend(fontsize=7)
    figure.suptitle("TSM (open) and ACTION-Net (filled)", fontsize=10)
    return figure


FIGURE = Figure(
    id="action_net/figure4",
    title="ACTION-Net, Figure 4: accuracy against FLOPs, and the efficiency",
    table=action_net_table5.TABLE,
    rows=tuple(label(backbone) for backbone in BACKBONES for label in (tsm, ours)),
    draw=draw,
)

if __name__ == "__main__":
    main(FIGURE)
