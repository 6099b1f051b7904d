"""Whatever a result depends on changes the data set's fingerprint; what it does not depend on leaves it alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from datamodules.data_fingerprint import data_fingerprint
from datamodules.video import Video


@dataclass(frozen=True)
class Listed:
    """Videos by subset, of files that hold their own name."""

    name: str = "listed"
    train: tuple[Video, ...] = ()
    val: tuple[Video, ...] | None = ()
    test: tuple[Video, ...] = ()

    def videos(self, root: Path, subset: str) -> tuple[Video, ...]:
        found = getattr(self, subset)
        if found is None:
            raise FileNotFoundError(root / f"{subset}.txt")
        return found

    def class_names(self, root: Path | None) -> tuple[str, ...]:
        return ("a", "b")


@pytest.fixture
def listed(tmp_path: Path) -> Listed:
    def video(name: str) -> Video:
        (tmp_path / name).write_text(name)
        return Video(id=name, path=tmp_path / name, label=0, label_name="a")

    return Listed(train=(video("one"), video("two")), val=(video("three"),), test=(video("four"),))


@pytest.mark.parametrize(
    "change", [dict(label_name="b"), dict(start_sec=1.0), dict(end_sec=2.0), dict(start_frame=3), dict(id="renamed")]
)
@pytest.mark.parametrize("subset", ["train", "val", "test"])
def test_a_label_or_part_is_part_of_it_in_every_subset(listed: Listed, tmp_path: Path, subset: str, change: dict):
    first, *rest = getattr(listed, subset)
    other = replace(listed, **{subset: (replace(first, **change), *rest)})
    assert data_fingerprint(other, tmp_path) != data_fingerprint(listed, tmp_path)


def test_a_missing_or_replaced_validation_video_is_noticed(listed: Listed, tmp_path: Path):
    assert listed.val is not None
    before = data_fingerprint(listed, tmp_path)
    data_fingerprint.cache_clear()
    listed.val[0].path.write_text("another film")
    replaced = data_fingerprint(listed, tmp_path)
    data_fingerprint.cache_clear()
    listed.val[0].path.unlink()
    assert len({before, replaced, data_fingerprint(listed, tmp_path)}) == 3


def test_a_video_that_changes_sides_is_noticed_and_the_order_is_not(listed: Listed, tmp_path: Path):
    moved = replace(listed, train=listed.train[:1], test=(*listed.test, listed.train[1]))
    turned = replace(listed, train=listed.train[::-1])
    assert data_fingerprint(moved, tmp_path) != data_fingerprint(listed, tmp_path)
    assert data_fingerprint(turned, tmp_path) == data_fingerprint(listed, tmp_path)


def test_a_set_without_a_validation_list_has_one_all_the_same(listed: Listed, tmp_path: Path):
    assert data_fingerprint(replace(listed, val=None), tmp_path) == data_fingerprint(replace(listed, val=()), tmp_path)
    with pytest.raises(FileNotFoundError):
        data_fingerprint(replace(listed, test=None), tmp_path)
