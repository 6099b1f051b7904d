"""Files that augmentation needs beside the videos: CrossNorm's pool, MixUp's images; made for the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from datamodules.datasets.joint import disk_name, member_root, members_of, needs_root, part_root, parts_of
from datamodules.synthetic.members import Member
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import Compose, CrossNorm, ImageMixUp, Transform, clip_statistics, write_pool
from datamodules.video_sampling import TestClips

POOL_FILE = "cross_norm_pool.txt"  # in the folder of a real data set
IMAGE_FOLDER = "mix_up_images"  # there too; a link will do
POOL_TOOL = "experiments/tools/cross_norm_pool.py"


def with_files(
    augmentation: Compose, *, source: Any, data_root: Path | None, views_of: Callable[[Member], TestClips]
) -> Compose:
    """Return the same augmentation, ready to be called: each part that needs files has those of the source.

    A part that names its own file or folder keeps it.

    Args:
        augmentation: the training transforms.
        source: the data set.
        data_root: its folder; None for the benchmark.
        views_of: gives a member's training videos as the test pipeline shows them, one view each.

    Raises:
        ValueError: a file or folder is missing or empty; it is named, with the command that makes it.
    """

    def ready(transform: Transform) -> Transform:
        if isinstance(transform, CrossNorm) and transform.pool == "of source":
            return replace(transform, pool=pool_files(source, data_root, views_of))
        if isinstance(transform, ImageMixUp):
            images = images_of(source, data_root) if transform.images == "of source" else transform.images
            return replace(transform, images=images).opened()
        return transform

    return augmentation.replaced(ready)


def pool_files(source: Any, data_root: Path | None, views_of: Callable[[Member], TestClips]) -> tuple[Path, ...]:
    """Return CrossNorm's pool file of each of a source's data sets; those of the benchmark are made if need be.

    Raises:
        ValueError: the pool of a real data set is missing.
    """
    files = []
    for part in parts_of(source):
        if isinstance(part, Member):
            files.append(_member_pool(part, views_of))
            continue
        root = part_root(source, part, data_root)
        if root is None:
            raise ValueError(f"{part.name} needs the folder of its files (--data-root) for CrossNorm; none was given")
        path = Path(root) / POOL_FILE
        if not path.is_file():
            named_by_user = any(field.name == "name" for field in fields(part))
            name = disk_name(type(part)() if named_by_user else part)
            raise ValueError(
                f"{part.name}: CrossNorm needs the statistics of its training clips in {str(path)!r}, which does not "
                f"exist; make it with: python {POOL_TOOL} {name} --data-root {root}"
            )
        files.append(path)
    return tuple(files)


def _member_pool(member: Member, views_of: Callable[[Member], TestClips]) -> Path:
    """Return the pool of a member's training videos, beside its lists; several processes may make it at once."""
    views = views_of(member)
    interval = getattr(views.sampling, "frame_interval", "segments")
    sizes = "-".join(str(transform.size) for transform in views.transform.transforms)
    path = member_root(member) / f"{Path(POOL_FILE).stem}.{views.sampling.num_frames}-{interval}.{sizes}.txt"
    if not path.is_file():
        statistics = ClipStatistics(views)
        write_pool((row for row in map(statistics.__getitem__, range(len(views))) if row is not None), path)
    return path


class ClipStatistics(Dataset):
    """Measure one test view of each video for CrossNorm's pool.

    Args:
        views: the videos as the test pipeline shows them: centre crops, not normalised.
    """

    def __init__(self, views: TestClips) -> None:
        self.views = views

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, position: int) -> torch.Tensor | None:
        """Return ``(2, 3)`` means and standard deviations; None for a video that cannot be decoded."""
        sample = self.views[position]
        # In double precision, so that the rounded numbers in the file do not depend on the order of the sums.
        return clip_statistics(sample.clips[0].double()) if sample.num_frames else None


def images_of(source: Any, data_root: Path | None) -> Path | Member:
    """Return where MixUp's images come from: a folder beside real videos, on the benchmark the stand-in for ImageNet.

    Raises:
        ValueError: a real data set without its folder.
    """
    if not needs_root(source):
        images = stand_in("ImageNet")
        return images.tiny() if min(member.size for member in members_of(source)) < images.size else images
    if data_root is None:
        raise ValueError(f"{source.name} needs the folder of its files (--data-root) for ImageMixUp; none was given")
    return Path(data_root) / IMAGE_FOLDER


def image_members(augmentation: Sequence[Transform], source: Any) -> tuple[Member, ...]:
    """Return the members of the benchmark whose frames the augmentation mixes in."""
    found: list[Member] = []

    def note(transform: Transform) -> Transform:
        if isinstance(transform, ImageMixUp):
            images = transform.images
            if images == "of source" and not needs_root(source):
                images = images_of(source, None)
            if isinstance(images, Member):
                found.append(images)
        return transform

    Compose(*augmentation).replaced(note)
    return tuple(found)
