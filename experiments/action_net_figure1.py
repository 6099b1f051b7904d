"""ACTION-Net, Figure 1: what TSN, TSM and ACTION-Net look at in one clip, as class activation maps.

Paper:      Wang, She, Smolic, ACTION-Net: Multipath Excitation for Action Recognition, CVPR 2021, Figure 1.
Run:        python experiments/action_net_figure1.py            (embedded benchmark; Table 1's networks of seed 0)
            python experiments/action_net_figure1.py --columns Jester        (another data set than EgoGesture)
            python experiments/action_net_figure1.py --profile paper --data-root DATA --init-checkpoint imagenet=FILE
            python experiments/action_net_figure1.py ... --video FILE --video-class NAME       (your own video)
            python experiments/action_net_figure1.py ... --checkpoint FILE --test-only --rows "ACTION-Net"
Protocol:   the first test video whose class turns counterclockwise (the paper's: "Rotate fists counterclockwise"), else
            the first; the middle frame of each segment, the central crop. Maps of the true class, exact and
            unrectified: their mean and the classifier's bias make the logit. One colour scale for all of them.
            The true class is explained also where a network says another: its prediction stands beside its maps.
Deviations: the paper does not say how maps are normalised, nor which clip it shows. On the benchmark's 32 pixels the
            maps have 2 x 2 values, at the paper's size 7 x 7.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from datamodules.subset import open_subset
from datamodules.video import Video
from datamodules.video_sampling import collate
from experiments import action_net_table1
from experiments.action_net_profiles import EGOGESTURE
from experiments.harness import Figure, main
from experiments.harness.figures import Cell, Drawing, Load
from lightning_modules.action_net.class_activation import class_activation_maps

NETWORKS = ("TSN", "TSM", "ACTION-Net")


def chosen_video(videos: Sequence[Video]) -> int:
    """Return the position of the first video whose class turns counterclockwise, else of the first."""
    turning = (i for i, video in enumerate(videos) if "counterclockwise" in video.label_name.lower())
    return next(turning, 0)


def explained(module: Any, data: Any) -> dict[str, Any]:
    """Return the clip's frames ``(T, H, W, 3)`` and their indices, the maps ``(T, H', W')``, and what was predicted."""
    opened = open_subset(data.source, data.data_root, "test")
    position = chosen_video(opened.videos)
    raw = collate([data.central_views(opened)[position]])
    batch = data.on_after_batch_transfer(raw, 0)
    with torch.no_grad():
        scores = module(batch.clips)[0]
    return {
        "video": opened.videos[position],
        "frames": raw.clips[0, 0].permute(1, 2, 3, 0).numpy(),
        "indices": raw.frame_indices[0, 0].tolist(),
        "maps": class_activation_maps(module.network, batch.clips[:, 0], batch.labels)[0].numpy(),
        "predicted": data.class_names[int(scores.argmax())],
    }


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw the raw frames in a row and each network's maps over them below."""
    seed, column = min(cell.seed for cell in cells), cells[0].column  # Top-1 and Top-5 are of the same networks
    found = {cell.row: explained(*load(cell)) for cell in cells if (cell.seed, cell.column) == (seed, column)}
    numbers = [
        {
            "network": name, "seed": seed, "video": found[name]["video"].id, "class": found[name]["video"].label_name,
            "predicted": found[name]["predicted"], "frame": found[name]["indices"][t], "y": y, "x": x,
            "contribution": round(float(value), 5),
        }
        for name in found
        for (t, y, x), value in np.ndenumerate(found[name]["maps"])
    ]  # fmt: skip
    return Drawing(_picture(found), numbers)


def _picture(found: dict[str, dict[str, Any]]) -> Any:
    import matplotlib.pyplot as plt

    first = next(iter(found.values()))
    num_frames, height, width = first["frames"].shape[:3]
    every = np.stack([found[name]["maps"] for name in found])
    lines = ("Raw", *found)
    size = (1.3 * num_frames + 2.2, 1.5 * len(lines) + 0.2)
    figure, axes = plt.subplots(len(lines), num_frames, figsize=size, squeeze=False, layout="compressed")
    shown: Any = None
    for line, name in zip(axes, lines, strict=True):
        for t, axis in enumerate(line):
            axis.imshow(first["frames"][t])
            if name != "Raw":
                small = torch.from_numpy(found[name]["maps"][t])[None, None]
                large = F.interpolate(small, (height, width), mode="bilinear", align_corners=False)[0, 0].numpy()
                shown = axis.imshow(large, cmap="jet", alpha=0.5, vmin=every.min(), vmax=every.max())
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(name if name == "Raw" else f"{name}\n{found[name]['predicted']}", fontsize=8)
    for t, axis in enumerate(axes[0]):
        axis.set_title(f"frame {first['indices'][t]}", fontsize=7)
    figure.colorbar(shown, ax=axes, shrink=0.7, label=f"contribution to the logit of {first['video'].label_name}")
    figure.suptitle(
        f"maps of the true class, {first['video'].label_name}; under each network's name its prediction", fontsize=9
    )
    return figure


FIGURE = Figure(
    id="action_net/figure1",
    title="ACTION-Net, Figure 1: class activation maps of TSN, TSM and ACTION-Net",
    table=action_net_table1.TABLE,
    rows=NETWORKS,
    draw=draw,
    of_clips=True,
    groups=(EGOGESTURE,),
)

if __name__ == "__main__":
    main(FIGURE)
