"""MS3D, the random graph: which earlier layers each layer of the sparse DenseNet3D receives.

Paper:      Man, Zou, Li, The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks,
            Sec. III.A, Eq. (2) and (3); its Figure 1 draws the connections as a sketch.
Run:        python experiments/ms3d_figure_graph.py            (embedded benchmark; a cell of Table I)
            python experiments/ms3d_figure_graph.py --test-only --checkpoint FILE      (the graph of any checkpoint)
Protocol:   above, the network of the paper's size: alpha 0.7, seed 0. Below, the graph that is stored in the weights of
            Table I's MS3D. A filled square: the layer (row) receives that element (column; 0 is the block's input).
Deviations: the figure is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.ms3d_profiles import MS3D
from experiments.ms3d_table1 import TABLE
from lightning_modules.ms3d.network import sparse_densenet

KEPT, LEFT_OUT = "#1f5f8b", "#e9eef2"
PAPER, TRAINED = "the paper's size", "as trained here"


def connections(graph: Sequence[Sequence[int]]) -> np.ndarray:
    """Return of a block's graph ``(layers, elements)``: 1 received, 0 left out, nan where nothing is to receive."""
    layers = len(graph)
    matrix = np.where(np.tri(layers, layers, dtype=bool), 0.0, np.nan)
    for layer, received in enumerate(graph):
        matrix[layer, list(received)] = 1
    return matrix


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw the blocks side by side, the paper's above the trained network's; give what each layer receives."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    spec = sparse_densenet()
    graphs = {
        PAPER: spec.graph.draw(spec.block_layers),
        TRAINED: load(cells[0])[0].network.backbone.densenet.graphs,  # those of its weights, or they had not loaded
    }
    figure, axes = plt.subplots(2, max(map(len, graphs.values())), figsize=(11, 6), squeeze=False)
    numbers = []
    for line, (name, blocks) in zip(axes, graphs.items(), strict=True):
        for axis in line[len(blocks) :]:
            axis.set_visible(False)
        for number, (axis, block) in enumerate(zip(line, blocks, strict=False), start=1):
            matrix = connections(block)
            kept, possible = int(np.nansum(matrix)), int(np.isfinite(matrix).sum())
            axis.imshow(matrix, cmap=ListedColormap([LEFT_OUT, KEPT]), vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(f"block {number}: {kept} of {possible}", fontsize=9)
            axis.set_xticks(_ticks(len(block)))
            axis.set_yticks(_ticks(len(block)), [str(tick + 1) for tick in _ticks(len(block))])
            axis.tick_params(labelsize=7, length=0)
            axis.set_frame_on(False)
            numbers.append(_number(name, number, "all", "", kept, possible))
            for layer, received in enumerate(block, start=1):
                listed = " ".join(map(str, sorted(received)))
                numbers.append(_number(name, number, str(layer), listed, len(received), layer))
        line[0].set_ylabel(f"{name}\nlayer", fontsize=9)
        line[0].set_xlabel("receives", fontsize=9)
    figure.tight_layout()
    return Drawing(figure, numbers)


def _number(network: str, block: int, layer: str, receives: str, kept: int, possible: int) -> dict[str, object]:
    """Return one line of the drawn numbers: of a whole block, or of a layer with the elements that it receives."""
    return {"network": network, "block": block, "layer": layer, "receives": receives, "connections": kept,
            "of possible": possible, "share": f"{kept / possible:.3f}"}  # fmt: skip


def _ticks(layers: int) -> list[int]:
    """Return at most six positions over a block's layers."""
    return list(range(0, layers, -(-layers // 6)))


FIGURE = Figure(
    id="ms3d/figure_graph",
    title="MS3D: the connections that the sparse network keeps",
    table=TABLE,
    rows=(MS3D,),
    draw=draw,
)

if __name__ == "__main__":
    main(FIGURE)
