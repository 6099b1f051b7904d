"""KPSEM, Figure 9: Grad-CAM of MFNet and MF-KPSEM on four clips of HMDB51 split 1.

Paper:      Cao et al., Effective Action Recognition with Embedded Key Point Shifts, 2020, Fig. 9.
Run:        python experiments/kpsem_figure9.py            (embedded benchmark; cells of Table 2)
            python experiments/kpsem_figure9.py ... --video FILE --video-class NAME       (your own video)
            python experiments/kpsem_figure9.py ... --checkpoint FILE --test-only --rows MF-KPSEM --columns GROUP
Protocol:   heat of the true class at the last convolution (conv5), central clip, first seed; four frames of the clip.
            Upper row of each clip MFNet, lower MF-KPSEM. Classes wave, turn, swing_baseball and sword where they exist.
Deviations: which clips the paper took is unknown: the first test video of each class. KPSEM reads conv4, so that
            MF-KPSEM's map shows its backbone's evidence, not KPSEM's. How concentrated each map is stands in the CSV.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.kpsem_pictures import Clip, cell_of, clip_of, evenly, first_videos, groups_of, part_of, rows_of
from experiments.kpsem_profiles import BASELINE, HMDB51_SPLIT1, OURS
from experiments.kpsem_table2 import TABLE
from lightning_modules.kpsem.grad_cam import grad_cam, heat_on_frames

CLASSES, FRAMES = ("wave", "turn", "swing_baseball", "sword"), 4


def heat_of(module: Any, clip: Clip) -> tuple[NDArray[np.float32], float]:
    """Return the heat of the clip's true class on every frame, ``(T, H, W)`` in 0..1, and the class's probability."""
    clips = clip.batch.clips.flatten(0, 1)
    heat = heat_on_frames(grad_cam(module.network, clips, clip.batch.labels), clip.frames.shape[:3])
    probability = module(clip.batch.clips)[0, clip.label].item()
    return heat[0].numpy(), probability


def concentration(heat: NDArray[np.float32]) -> float:
    """Return the share of the heat within its hottest tenth of cells: 0.1 where it is even, 1 where it is a spot."""
    ordered = np.sort(heat.ravel())[::-1]
    total = float(ordered.sum())
    return float(ordered[: max(1, len(ordered) // 10)].sum()) / total if total else float("nan")


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw four clips, two rows of four frames each."""
    import matplotlib.pyplot as plt

    [group] = groups_of(cells, (HMDB51_SPLIT1.group,))
    loaded = {row: load(cell_of(cells, row, group)) for row in rows_of(cells, (BASELINE, OURS))}
    data = next(iter(loaded.values()))[1]
    positions = first_videos(data, CLASSES, 4)
    down, across = len(loaded) * -(-len(positions) // 2), FRAMES * min(2, len(positions))
    figure, axes = plt.subplots(down, across, figsize=(1.65 * across, 1.75 * down), squeeze=False)
    numbers = []
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    for block, position in enumerate(positions):
        clip = clip_of(data, position)
        for line, (network, (module, _)) in enumerate(loaded.items()):
            heat, probability = heat_of(module, clip)
            places = axes[len(loaded) * (block // 2) + line, FRAMES * (block % 2) : FRAMES * (block % 2 + 1)]
            for axis, t in zip(places, evenly(len(heat), FRAMES), strict=False):
                axis.imshow(clip.frames[t])
                axis.imshow(heat[t], cmap="jet", alpha=0.45, vmin=0, vmax=1)
            places[0].set_ylabel(network, fontsize=8)
            if line == 0:
                places[0].set_title(f"({'abcd'[block]}) {data.class_names[clip.label]}", fontsize=9, loc="left")
            numbers.append(_numbers(clip, data.class_names[clip.label], network, heat, probability))
    figure.tight_layout()
    return Drawing(figure, numbers)


def _numbers(clip: Clip, name: str, network: str, heat: NDArray[np.float32], probability: float) -> dict[str, object]:
    total = max(float(heat.sum()), 1e-12)
    centre_y, centre_x = (
        float((heat.sum((0, axis)) * np.arange(heat.shape[3 - axis])).sum()) / total for axis in (2, 1)
    )
    return {"video": clip.id, "class": name, "network": network, "probability": f"{100 * probability:.2f}",
            "heat_x": f"{centre_x:.1f}", "heat_y": f"{centre_y:.1f}",
            "share_in_hottest_tenth": f"{concentration(heat):.3f}"}  # fmt: skip


FIGURE = Figure(
    id="kpsem/figure9",
    title="KPSEM, Figure 9: heat maps of MFNet and MF-KPSEM",
    table=part_of(TABLE, name="figure9_cells", rows=(BASELINE, OURS), groups=(HMDB51_SPLIT1.group,)),
    rows=(BASELINE, OURS),
    draw=draw,
    of_clips=True,
)

if __name__ == "__main__":
    main(FIGURE)
