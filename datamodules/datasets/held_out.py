"""Split a folder per class without a validation part: lists of what is trained on and what is tested on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from datamodules.datasets.folder import video_paths, visible_folders


def hold_out(root: Path, percent: int, into: Path) -> tuple[Path, int, int]:
    """Write lists, for :class:`~datamodules.datasets.csv_list.CsvList`, that keep a part of each class for testing.

    Which videos is decided by a hash of their names: the same ones every time, whatever is added.

    Args:
        root: holds a folder per class, itself or in train/.
        percent: of each class, rounded, at least one video.
        into: folder for the lists; they get a folder of their own in it, named after their content.

    Returns:
        The folder of the lists, the number of videos held out, and that of all.

    Raises:
        ValueError: not 1 to 50 percent, there is a val/, or a class with fewer than two videos.
    """
    if not 1 <= percent <= 50:
        raise ValueError(f"--hold-out {percent}; accepted: 1 to 50 percent")
    if (root / "val").is_dir():
        raise ValueError(f"--hold-out: {root} has val/, which is what is tested on; leave the flag out")
    base = root / "train" if (root / "train").is_dir() else root
    classes = sorted(folder.name for folder in visible_folders(base))
    rows: dict[str, list[str]] = {"train": [], "val": []}
    for name in classes:
        files = [path.relative_to(root).as_posix() for path in video_paths(base / name)]
        if len(files) < 2:
            raise ValueError(
                f"{base / name} holds {len(files)} video(s); one to train on and one to test on are needed"
            )
        ranked = sorted(files, key=lambda file: hashlib.sha256(file.encode()).digest())
        tested = set(ranked[: max(1, round(len(files) * percent / 100))])
        for file in files:
            if any(letter in file + name for letter in '",\n'):
                raise ValueError(f"{file!r}: a name with a comma, a quote or a line break cannot stand in a list")
            rows["val" if file in tested else "train"].append(f"{file},{name}")
    if not classes:
        raise ValueError(f"{base} holds no folder per class")
    lists = {split: "video,label\n" + "".join(f"{row}\n" for row in found) for split, found in rows.items()}
    digest = hashlib.sha256("".join(lists.values()).encode()).hexdigest()[:12]
    folder = into / digest
    folder.mkdir(parents=True, exist_ok=True)
    for split, text in lists.items():
        (folder / f"{split}.csv").write_text(text, encoding="utf-8")
    return folder, len(rows["val"]), len(rows["train"]) + len(rows["val"])
