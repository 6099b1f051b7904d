"""Files that augmentation needs are found beside real videos, made for the benchmark, and never silently absent."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.augmentation_files import IMAGE_FOLDER, POOL_FILE, image_members, images_of
from datamodules.datasets.folder import Folder
from datamodules.datasets.joint import Joint, member_root
from datamodules.ligar import COLOUR_STEP
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import CenterCrop, CrossNorm, ImageMixUp, OneOf, ShortSide
from datamodules.transforms.cross_norm import read_pool
from datamodules.video import write_video
from experiments.harness.cell import plain
from tests.tiny_cells import SCENES, UNTRIMMED, ligar_data

pytestmark = pytest.mark.usefixtures("benchmark_cache")

NORMED = (ShortSide(size=32), CenterCrop(size=32), OneOf((1.0, CrossNorm(per_clip=True))))
MIXED = (ShortSide(size=32), CenterCrop(size=32), ImageMixUp())


def bound(transform, kind: type):
    """Return the transforms of a kind, at any depth."""
    found = []
    transform.replaced(lambda leaf: found.append(leaf) or leaf if isinstance(leaf, kind) else leaf)
    return found


def write_own_videos(root: Path, *, broken: bool = False) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            for number in range(2):
                frames = rng.integers(0, 255, (10, 40, 48, 3), dtype=np.uint8)
                write_video(root / split / name / f"{number}.mp4", frames)
    if broken:
        (root / "train/a/0.mp4").write_bytes(b"no video" * 100)


def test_a_members_pool_holds_the_statistics_of_its_central_training_clips():
    data = ligar_data(UNTRIMMED, augmentation=NORMED)
    [norm] = bound(data.train_transform(), CrossNorm)
    [path] = norm.pool
    assert path.parent == member_root(UNTRIMMED) and norm.per_clip
    videos, reader = data.subset("train")
    expected = []
    for index in range(len(videos)):
        frames = reader.read(index, lambda n: data.sampling.test(n, 1))[0][0].astype(np.float64)  # (T, H, W, 3)
        expected.append([frames.mean((0, 1, 2)), frames.std((0, 1, 2))])
    np.testing.assert_allclose(read_pool(path), expected, atol=1e-4)
    batch = next(iter(data.train_dataloader()))
    for clip in batch.clips[:, 0]:  # every clip wears the statistics of one line, up to clamping and rounding
        worn = np.stack([clip.double().mean((1, 2, 3)), clip.double().std((1, 2, 3), correction=0)])
        assert np.abs(read_pool(path) - worn).max((1, 2)).min() < 8


def test_a_members_pool_is_made_once_and_depends_on_how_clips_are_prepared():
    [first] = bound(ligar_data(SCENES, augmentation=NORMED).train_transform(), CrossNorm)
    [path] = first.pool
    made = path.stat().st_mtime_ns
    [again] = bound(ligar_data(SCENES, augmentation=NORMED, views=3, crops=3).train_transform(), CrossNorm)
    assert again == first and path.stat().st_mtime_ns == made
    [other] = bound(ligar_data(SCENES, augmentation=NORMED, num_frames=2).train_transform(), CrossNorm)
    assert other.pool != first.pool
    assert not list(path.parent.glob(".cross_norm_pool*"))


def test_a_joint_data_set_draws_from_the_pools_of_all_its_sets():
    [norm] = bound(ligar_data(Joint((UNTRIMMED, SCENES)), augmentation=NORMED).train_transform(), CrossNorm)
    singles = [bound(ligar_data(m, augmentation=NORMED).train_transform(), CrossNorm)[0] for m in (UNTRIMMED, SCENES)]
    assert norm.pool == singles[0].pool + singles[1].pool
    assert len(norm._statistics) == UNTRIMMED.num_train + SCENES.num_train


@pytest.mark.parametrize("joint", [False, True])
def test_a_missing_pool_of_a_real_data_set_is_an_error_with_the_command_that_makes_it(tmp_path, joint):
    write_own_videos(tmp_path)
    source = Joint((SCENES, Folder(name="My own"))) if joint else Folder()
    data = ligar_data(source, data_root=tmp_path, augmentation=NORMED)
    command = f"python experiments/tools/cross_norm_pool.py folder --data-root {tmp_path}"
    with pytest.raises(ValueError, match=f"{tmp_path}/{POOL_FILE}.*{command}"):
        data.train_dataloader()
    (tmp_path / POOL_FILE).write_text("100,110,120 20,25,30\n")
    clips = next(iter(data.train_dataloader())).clips
    assert clips.dtype == torch.uint8
    if not joint:
        assert abs(float(clips[:, :, 2].float().mean()) - 120) < 2


def test_testing_needs_no_pool(tmp_path):
    write_own_videos(tmp_path)
    assert len(list(ligar_data(Folder(), data_root=tmp_path, augmentation=NORMED).test_dataloader())) == 1


def test_an_explicit_pool_is_kept_and_an_unbound_one_cannot_be_called(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("1,2,3 4,5,6\n")
    data = ligar_data(SCENES, augmentation=(CrossNorm(pool=path),))
    assert bound(data.train_transform(), CrossNorm)[0].pool == path
    with pytest.raises(ValueError, match="CrossNorm does not know its pool yet"):
        CrossNorm()(torch.zeros(1, 1, 3, 2, 2, dtype=torch.uint8), 0, np.random.default_rng(0))


def test_a_recipe_that_names_no_file_is_the_same_argument_on_every_machine():
    assert plain(COLOUR_STEP)["choices"][2][1]["pool"] == "of source"
    assert plain(ImageMixUp())["images"] == "of source" and hash(COLOUR_STEP) == hash(
        pickle.loads(pickle.dumps(COLOUR_STEP))
    )


# -- images ----------------------------------------------------------------------------------------------


def test_the_benchmark_mixes_in_frames_of_the_stand_in_for_imagenet():
    assert images_of(stand_in("UCF-101"), None) == stand_in("ImageNet")
    assert images_of(Joint((SCENES, UNTRIMMED)), None) == stand_in("ImageNet").tiny()
    assert (
        image_members(MIXED, SCENES)
        == (stand_in("ImageNet").tiny(),)
        == image_members((OneOf((1.0, MIXED[-1])),), SCENES)
    )
    assert image_members(NORMED, SCENES) == () and image_members(MIXED, Folder()) == ()
    assert image_members((ImageMixUp(images=UNTRIMMED),), Folder()) == (UNTRIMMED,)


def test_mixed_clips_are_the_same_for_any_number_of_workers():
    none, two = (list(ligar_data(SCENES, augmentation=MIXED, num_workers=n).train_dataloader()) for n in (0, 2))
    plain_batches = list(ligar_data(SCENES).train_dataloader())
    assert len(none) == len(two) == len(plain_batches) == 2
    for one, other, before in zip(none, two, plain_batches, strict=True):
        assert torch.equal(one.clips, other.clips) and torch.equal(one.labels, before.labels)
        assert not torch.equal(one.clips, before.clips)


def test_real_data_mixes_in_the_images_beside_it_or_says_where_they_should_be(tmp_path):
    from PIL import Image

    write_own_videos(tmp_path)
    data = ligar_data(Folder(), data_root=tmp_path, augmentation=MIXED)
    with pytest.raises(ValueError, match=f"{tmp_path}/{IMAGE_FOLDER}' does not exist"):
        data.train_dataloader()
    (tmp_path / IMAGE_FOLDER).mkdir()
    with pytest.raises(ValueError, match="holds no jpg or png"):
        data.train_dataloader()
    Image.new("RGB", (50, 40), (255, 0, 0)).save(tmp_path / IMAGE_FOLDER / "red.png")
    assert next(iter(data.train_dataloader())).clips.shape == (4, 1, 3, 4, 32, 32)
    with pytest.raises(ValueError, match="needs the folder of its files"):
        images_of(Folder(), None)
