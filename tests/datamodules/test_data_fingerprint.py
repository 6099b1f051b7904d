"""Whatever a result depends on changes the data set's fingerprint; what it does not depend on leaves it alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from datamodules.data_fingerprint import data_fingerprint, files_beside
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import Compose, CrossNorm, ImageMixUp, OneOf, ShortSide
from datamodules.transforms.tailor import Tailor
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


BESIDE = (Path("boxes.npz"), Path("mix_up_images"))


def fingerprint_beside(listed: Listed, root: Path) -> str:
    data_fingerprint.cache_clear()
    return data_fingerprint(listed, root, BESIDE)


def test_what_lies_beside_the_videos_counts_for_those_who_read_it(listed: Listed, tmp_path: Path):
    """Boxes of another detector make another result: the cell must not be taken as done."""
    without, missing = data_fingerprint(listed, tmp_path), fingerprint_beside(listed, tmp_path)
    (tmp_path / "boxes.npz").write_bytes(b"first")
    first = fingerprint_beside(listed, tmp_path)
    (tmp_path / "boxes.npz").write_bytes(b"other")
    other = fingerprint_beside(listed, tmp_path)
    (tmp_path / "mix_up_images" / "cats").mkdir(parents=True)
    (tmp_path / "mix_up_images" / "cats" / "1.jpg").write_bytes(b"cat")
    with_images = fingerprint_beside(listed, tmp_path)
    (tmp_path / "mix_up_images" / "cats" / "2.jpg").write_bytes(b"cat")
    assert len({without, missing, first, other, with_images, fingerprint_beside(listed, tmp_path)}) == 6
    data_fingerprint.cache_clear()
    assert data_fingerprint(listed, tmp_path) == without, "whoever does not read them is not concerned"


def test_files_elsewhere_count_too(listed: Listed, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere" / "pool.txt"
    before = data_fingerprint(listed, tmp_path, (elsewhere,))
    elsewhere.parent.mkdir()
    elsewhere.write_text("1,1,1 1,1,1")
    data_fingerprint.cache_clear()
    assert data_fingerprint(listed, tmp_path, (elsewhere,)) != before


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (dict(augmentation=(ShortSide(size=8),)), []),
        (dict(), []),
        (dict(tailor=None), []),
        (dict(tailor=Tailor()), ["boxes.npz"]),
        (dict(augmentation=(CrossNorm(),)), ["cross_norm_pool.txt"]),
        (dict(augmentation=(OneOf((1.0, Compose(ImageMixUp()))),), tailor=Tailor()), ["mix_up_images", "boxes.npz"]),
        (dict(augmentation=(ImageMixUp(images=stand_in("ImageNet")),)), []),
    ],
)
def test_a_data_module_says_what_it_reads_beside_the_videos(arguments: dict, expected: list[str]):
    assert files_beside(arguments) == tuple(map(Path, expected))


def test_a_pool_that_was_named_stands_for_itself(tmp_path: Path):
    pools = (tmp_path / "a.txt", tmp_path / "b.txt")
    for pool in pools:
        pool.write_text("90,90,90 40,40,40\n")
    assert files_beside(dict(augmentation=(CrossNorm(pool=pools[0]),))) == pools[:1]
    assert files_beside(dict(augmentation=(CrossNorm(pool=pools),))) == pools
