"""Print under which conditions a table's cells ran: seeds, hardware, pre-trainings, videos, what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.harness.markdown import DASH

LACKS = (
    "missing_train_videos", "missing_test_videos", "undecodable_train_videos", "undecodable_train_clips",
    "undecodable_test_videos", "boxless_train_videos", "boxless_test_videos",
)  # fmt: skip


def conditions_section(evidence: Mapping[str, Any]) -> str:
    """Return the section that says under which conditions a table's cells ran."""
    conditions = evidence["conditions"]
    lines = [
        f"{conditions['cells']} cells, seeds {', '.join(map(str, conditions['seeds']))}",
        f"hardware: {', '.join(conditions['hardware']) or DASH}",
        f"versions: {', '.join(conditions['versions']) or DASH}",
        *_precision(conditions),
    ]
    if conditions["generator_version"] is not None:
        lines.append(f"embedded benchmark, generator version {conditions['generator_version']}")
    if conditions["views"]:
        lines.append(f"tested with {conditions['views']} views instead of the table's")
    if conditions["crops"]:
        lines.append(f"tested with {conditions['crops']} crops of each view instead of the table's")
    if conditions["batch_size"]:
        lines.append(f"trained with {conditions['batch_size']} videos per batch instead of the recipe's")
    if conditions["checkpoint"]:
        lines.append(f"trained weights taken from {conditions['checkpoint']}; nothing was trained here")
    for name, file in conditions["init_files"].items():
        lines.append(f"initialisation {name}: {'from scratch' if file == 'none' else file}")
    if conditions["init_checkpoint"]:
        start = "from scratch" if conditions["init_checkpoint"] == "none" else f"from {conditions['init_checkpoint']}"
        lines.append(f"started {start} instead of the table's initialisation")
    if conditions["checkpoint"] or conditions["init_files"] or conditions["init_checkpoint"]:
        lines += sorted({cell["initialised"] for cell in evidence["cells"]})
    lines += [
        f"pre-training {one['name']}, seed {one['seed']}: {one['epochs']} epochs, held-out top-1 {one['top1']:.1f} %"
        for one in evidence["starts"]
    ]
    counts = [cell["counts"] for cell in evidence["cells"]]
    if counts:
        lines.append("videos per training and test: " + ", ".join(sorted({_videos(count) for count in counts})))
    if undecodable := sorted({video for count in counts for video in count.get("undecodable_test_ids", ())}):
        shown = ", ".join(f"`{video}`" for video in undecodable[:10]) + (", ..." if len(undecodable) > 10 else "")
        lines.append(f"test videos that could not be decoded and count as wrong: {shown}")
    if conditions["older_code"]:
        lines.append(
            f"**{conditions['older_code']} cells were trained by older code** (`--refresh stale` runs them again)"
        )
    if conditions["mixed_starts"]:
        lines.append(
            "**cells started from the weights of different runs of one pre-training**, which differ between machines: "
            "rows differ by that too (`--refresh all` runs them from one)"
        )
    return "## Conditions\n\n" + "\n".join(f"- {line}" for line in lines)


def _precision(conditions: Mapping[str, Any]) -> list[str]:
    """Return the lines on precision and devices, of evidence that has them and where there is something to say."""
    lines, used = [], conditions["precision"]
    on_gpu = any(not name.endswith("(CPU)") for name in conditions["hardware"])
    if used == ["32-true"] and on_gpu:
        lines.append("precision: 32-true; convolutions on the GPU in TF32, PyTorch's default")
    elif used not in ([], ["32-true"]):
        lines.append(f"**precision: {', '.join(used)}**" + (", mixed within the table" if len(used) > 1 else ""))
    if conditions["devices"] not in ([], [1]):
        counts = ", ".join(map(str, conditions["devices"]))
        lines.append(
            f"**processes per training or test: {counts}**; each normalises, and compares, its own clips alone"
        )
    return lines


def _videos(count: Mapping[str, int]) -> str:
    text = f"{count['num_train_videos']} / {count['num_test_videos']}"
    for key in LACKS:
        if count.get(key):
            text += f" ({count[key]} {key.replace('_', ' ')})"
    return text
