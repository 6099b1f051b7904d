"""What the tests of the data sets share: the real annotation files, and the checks that hold for every source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "annotations"


@pytest.fixture
def real() -> Callable[[str], Path]:
    """Return the folder of a data set's real annotation files, or skip."""

    def folder(name: str) -> Path:
        if not (REAL / name).is_dir():
            pytest.skip(f"needs shared/data/annotations/{name} beside the repository")
        return REAL / name

    return folder


@pytest.fixture
def check_source() -> Callable:
    """Check what every source promises, on one subset's videos."""

    def check(source, root, subset: str = "train"):
        names, videos = source.class_names(root), source.videos(root, subset)
        assert dataclasses.is_dataclass(source) and hash(source) == hash(dataclasses.replace(source))
        assert len(set(names)) == len(names) and len({video.id for video in videos}) == len(videos)
        assert all(names[video.label] == video.label_name for video in videos)
        for permutation in (source.mirror_labels, getattr(source, "reverse_labels", None)):
            if permutation:
                assert len(permutation) == len(names)
                assert [permutation[label] for label in permutation] == list(range(len(names)))  # twice is nothing
        for other in ("Train", "testing", ""):
            with pytest.raises(ValueError, match="accepted: train, val, test"):
                source.videos(root, other)
        with pytest.raises(ValueError, match="needs the folder of its files|is none of"):
            source.videos(None, subset)
        return videos

    return check
