"""Real footage goes through the same loaders: a folder of clips, and a look-alike of UCF-101's tree."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from datamodules.datasets.folder import Folder
from datamodules.datasets.ucf101 import UCF101
from datamodules.ligar import GENERAL_AUGMENTATION, LigarData
from datamodules.transforms import Compose, CrossNorm
from tests.datamodules.test_datasets_ucf101 import write_lists

REAL_CLIPS = Path(__file__).resolve().parents[3] / "shared" / "data" / "real_clips"

needs_clips = pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason=f"needs the real clips in {REAL_CLIPS}")


def real(**arguments) -> LigarData:
    return LigarData(**{"source": Folder(), "data_root": REAL_CLIPS, "batch_size": 4, **arguments})


def with_pool(augmentation, pool: Path):
    """Return the augmentation with a pool file of its own: the clips' folder may not be writable."""
    own = Compose(*augmentation).replaced(lambda t: CrossNorm(pool=pool, per_clip=True) if type(t) is CrossNorm else t)
    return own.transforms


@needs_clips
def test_real_clips_train_with_the_papers_augmentation(tmp_path):
    torch.set_num_threads(1)
    pool = tmp_path / "pool.txt"
    pool.write_text("100,110,120 40,45,50\n90,80,70 30,32,34\n")
    data = real(augmentation=with_pool(GENERAL_AUGMENTATION, pool))
    batch = next(iter(data.train_dataloader()))
    assert batch.clips.shape == (4, 1, 3, 16, 224, 224)
    assert batch.num_frames.tolist() == [40] * 4
    assert (batch.frame_indices >= 0).all() and (batch.frame_indices < 40).all()
    spread = batch.clips.float().std(dim=(1, 2, 3, 4, 5))
    assert (spread > 5).all(), "a clip of one colour"
    movement = (batch.clips[:, :, :, 1:].float() - batch.clips[:, :, :, :-1].float()).abs().mean()
    assert movement > 0.1, "all frames of the clips are the same"


@needs_clips
def test_every_real_test_clip_is_decoded_and_labelled_by_its_folder():
    data = real(num_frames=4, short_side=40, size=32, views=3, augmentation=GENERAL_AUGMENTATION, batch_size=6)
    videos, _ = data.subset("test")
    batches = list(data.test_dataloader())
    index = torch.cat([batch.video_index for batch in batches]).tolist()
    assert index == list(range(len(videos))) and len(videos) == len(list(REAL_CLIPS.glob("val/*/*.mp4")))
    for batch in batches:
        assert batch.clips.shape[1:] == (3, 3, 4, 32, 32) and (batch.num_frames == 40).all()
        assert not torch.equal(batch.clips[:, 0], batch.clips[:, 2])
        for position, label in zip(batch.video_index.tolist(), batch.labels.tolist(), strict=True):
            assert videos[position].path.parent.name == data.class_names[label]


@needs_clips
def test_real_clips_are_the_same_for_any_number_of_workers():
    small = dict(num_frames=4, short_side=40, size=32, batch_size=8, augmentation=GENERAL_AUGMENTATION)
    none, two = (list(real(**small, num_workers=n).test_dataloader()) for n in (0, 2))
    assert all(torch.equal(a.clips, b.clips) for a, b in zip(none, two, strict=True))


@needs_clips
def test_a_ucf101_tree_with_three_real_videos_reports_the_rest_as_missing(tmp_path):
    write_lists(tmp_path / "ucfTrainTestlist")
    clips = sorted(REAL_CLIPS.glob("*/*/*.mp4"))[:3]
    names = ("v_Class001_g01_c01", "v_Class001_g01_c02", "v_Class002_g01_c01")
    for clip, name in zip(clips, names, strict=True):
        folder = tmp_path / "UCF-101" / name.split("_")[1]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip, folder / f"{name}.mp4")
    data = LigarData(source=UCF101(split=1), data_root=tmp_path, num_frames=4, short_side=40, size=32, batch_size=1,
                     augmentation=GENERAL_AUGMENTATION[:1])  # fmt: skip
    videos, reader = data.subset("train")
    assert [video.id for video in videos] == list(names)
    assert len(data.missing["train"]) == 9537 - 3
    assert len(data.class_names) == 101
    indices = data.sampling.test(40, 1)
    frames, _, num_frames = reader.read(2, lambda n: indices)
    assert num_frames == 40 and frames.shape[:2] == (1, 4)
