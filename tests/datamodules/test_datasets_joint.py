"""A joint data set is its parts one after the other: same videos, same frames, labels in blocks."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.datasets.folder import Folder
from datamodules.datasets.joint import (
    Joint,
    disk_name,
    members_of,
    mirror_labels_of,
    needs_root,
    parts_of,
    root_of,
)
from datamodules.datasets.ucf101 import UCF101
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import RandomHorizontalFlip, ShortSide
from datamodules.video import Video, write_video
from experiments.harness.cell import plain
from tests.tiny_cells import SCENES, SOURCE, UNTRIMMED, ligar_data

pytestmark = pytest.mark.usefixtures("benchmark_cache")

GESTURES = dataclasses.replace(stand_in("Jester").tiny(), num_train=8, num_val=4)
MEMBERS = Joint((UNTRIMMED, SOURCE))


def write_folders(root: Path, sizes: dict[str, tuple[str, ...]]) -> None:
    rng = np.random.default_rng(0)
    for name, classes in sizes.items():
        for split in ("train", "val"):
            for label_name in classes:
                (root / name / split / label_name).mkdir(parents=True)
                frames = rng.integers(0, 255, (10, 40, 48, 3), dtype=np.uint8)
                write_video(root / name / split / label_name / "0.mp4", frames)


# -- description -----------------------------------------------------------------------------------------


def test_names_and_labels_are_those_of_the_parts_in_blocks():
    assert MEMBERS.name == f"{UNTRIMMED.name} + {SOURCE.name}"
    assert MEMBERS.head_sizes() == (4, 4)
    names = [f"{part.name}: {name}" for part in (UNTRIMMED, SOURCE) for name in part.class_names()]
    assert MEMBERS.class_names() == tuple(names) and len(set(names)) == 8
    assert [MEMBERS.source_of(label) for label in range(8)] == [0] * 4 + [1] * 4
    for label in (-1, 8):
        with pytest.raises(ValueError, match=f"label={label}; .* has the labels 0 to 7"):
            MEMBERS.source_of(label)


def test_it_is_hashable_and_has_a_stable_plain_form():
    assert hash(MEMBERS) == hash(Joint((UNTRIMMED, SOURCE))) and MEMBERS == Joint((UNTRIMMED, SOURCE))
    assert Joint((SOURCE, UNTRIMMED)) != MEMBERS
    assert [part["name"] for part in plain(MEMBERS)["sources"]] == [UNTRIMMED.name, SOURCE.name]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ((SCENES,), "two or more"),
        ((), "two or more"),
        ((SCENES, SCENES), "different names"),
        ((SCENES, MEMBERS), "no other joint one"),
    ],
)
def test_what_is_no_joint_data_set_is_refused(sources, message):
    with pytest.raises(ValueError, match=message):
        Joint(sources)


def test_members_and_roots_are_told_apart(tmp_path):
    mixed = Joint((SCENES, Folder(name="Own set-1")))
    assert parts_of(SCENES) == (SCENES,) and parts_of(mixed) == mixed.sources
    assert members_of(mixed) == (SCENES,) and members_of(MEMBERS) == (UNTRIMMED, SOURCE) and members_of(UCF101()) == ()
    assert [needs_root(source) for source in (SCENES, MEMBERS, mixed, UCF101())] == [False, False, True, True]
    own = mixed.sources[1]
    assert disk_name(own) == "ownset1"
    assert root_of(own, tmp_path) == tmp_path and root_of(own, None) is None
    (tmp_path / "ownset1").mkdir()
    assert root_of(own, tmp_path) == tmp_path / "ownset1"


def test_mirrored_labels_are_shifted_with_their_block():
    joint = Joint((SOURCE, GESTURES))
    mirrored = joint.mirror_labels
    assert mirrored is not None and mirrored[:4] == (0, 1, 2, 3)
    assert mirrored[4:] == tuple(4 + label for label in GESTURES.mirror_labels)
    assert any(mirrored[label] != label for label in range(8))
    assert mirror_labels_of(joint, None) == mirrored and mirror_labels_of(GESTURES, None) == GESTURES.mirror_labels


def test_one_part_that_refuses_flipping_refuses_it_for_all_and_empty_parts_stay_empty(tmp_path):
    a, b = Folder(name="a"), Folder(name="b")
    assert Joint((a, b)).mirror_labels == ()
    assert Joint((a, SOURCE, Folder(name="c", mirror_labels=None))).mirror_labels is None
    write_folders(tmp_path, {"a": ("x", "y", "z")})
    assert Joint((a, GESTURES)).mirror_labels_in(tmp_path)[:4] == (0, 1, 2, 3 + GESTURES.mirror_labels[0])
    with pytest.raises(ValueError, match="a needs the folder of its files"):
        _ = Joint((a, GESTURES)).mirror_labels


# -- videos and batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("subset", ["train", "val", "test"])
def test_every_video_of_the_parts_is_read_with_its_own_frames(subset):
    data, parts = ligar_data(MEMBERS), [ligar_data(part) for part in (UNTRIMMED, SOURCE)]
    videos, reader = data.subset(subset)
    position = 0
    for part, single in enumerate(parts):
        for index, video in enumerate(single.subset(subset)[0]):
            assert videos[position].label == 4 * part + video.label
            assert videos[position].id == f"{single.source.name}/{video.id}" and videos[position].path == video.path
            assert videos[position].label_name == data.class_names[videos[position].label]
            read = [
                r.read(i, lambda n: np.array([[0, n - 1]]))
                for r, i in ((reader, position), (single.subset(subset)[1], index))
            ]
            for joint, alone in zip(*read, strict=True):
                np.testing.assert_array_equal(joint, alone)
            position += 1
    assert position == len(videos) == len({video.id for video in videos})
    assert MEMBERS.videos(None, subset) == videos


def test_batches_say_which_set_each_video_is_of():
    data = ligar_data(MEMBERS, clips_per_video=2, views=2)
    videos, _ = data.subset("train")
    seen: Counter[int] = Counter()
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            assert batch.source_index.dtype == torch.int64
            assert batch.source_index.tolist() == [MEMBERS.source_of(label) for label in batch.labels.tolist()]
            seen.update(batch.source_index.tolist())
    assert set(seen) == {0, 1}
    assert {int(i) for batch in ligar_data(SCENES).train_dataloader() for i in batch.source_index} == {0}


def test_two_workers_give_the_batches_of_none():
    first, second = (list(ligar_data(MEMBERS, num_workers=n).train_dataloader()) for n in (0, 2))
    assert len(first) == len(second) == 4
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.clips, other.clips) and torch.equal(one.source_index, other.source_index)


def test_a_flip_exchanges_the_classes_of_its_own_block():
    joint = Joint((SOURCE, GESTURES))
    flip = (ShortSide(size=32), RandomHorizontalFlip(p=1.0))
    data, plain_data = ligar_data(joint, augmentation=flip), ligar_data(joint)
    for flipped, batch in zip(data.train_dataloader(), plain_data.train_dataloader(), strict=True):
        assert torch.equal(flipped.clips, batch.clips.flip(-1))
        assert flipped.labels.tolist() == [joint.mirror_labels[label] for label in batch.labels.tolist()]


def test_real_sets_are_found_in_their_own_folders_and_missing_videos_counted_per_set(tmp_path):
    write_folders(tmp_path, {"one": ("a", "b"), "two": ("a", "c", "d")})

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class WithLostVideos(Folder):
        def videos(self, root, subset):
            lost = Video(id="lost", path=root / "lost.mp4", label=0, label_name="a")
            return (*super().videos(root, subset), lost)

    joint = Joint((WithLostVideos(name="One"), SCENES, Folder(name="Two")))
    data = ligar_data(joint, data_root=tmp_path)
    videos, _ = data.subset("train")
    assert Counter(video.id.split("/")[0] for video in videos) == {"One": 2, SCENES.name: 8, "Two": 3}
    assert [video.id for video in data.missing["train"]] == ["One/lost"]
    assert joint.head_sizes(tmp_path) == (2, 4, 3) and data.class_names[-1] == "Two: d"
    assert videos[-1].label == 8 and videos[-1].path.parent == tmp_path / "two/train/d"
    got = {
        int(v): int(s)
        for batch in data.test_dataloader()
        for v, s in zip(batch.video_index, batch.source_index, strict=True)
    }
    tests = data.subset("test")[0]
    assert got == {i: {"One": 0, SCENES.name: 1, "Two": 2}[v.id.split("/")[0]] for i, v in enumerate(tests)}


def test_a_set_of_which_nothing_is_on_disk_is_named(tmp_path):
    write_folders(tmp_path, {"one": ("a", "b")})

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Gone(Folder):
        def videos(self, root, subset):
            return (Video(id="x", path=root / "gone.mp4", label=0, label_name="a"),)

    with pytest.raises(ValueError, match="Gone set: none of the 1 train videos"):
        ligar_data(Joint((Folder(name="One"), Gone(name="Gone set"))), data_root=tmp_path).subset("train")


# -- where the true action is ----------------------------------------------------------------------------


def test_action_is_known_for_all_videos_or_for_none():
    data = ligar_data(MEMBERS)
    alone = ligar_data(UNTRIMMED)
    for batch in data.train_dataloader():
        shares = data.true_action_share(batch)
        untrimmed = batch.source_index == 0
        assert (shares[~untrimmed.numpy()] == 1).all()  # a trimmed video is action throughout
        if untrimmed.any():
            np.testing.assert_array_equal(shares[untrimmed.numpy()], alone.true_action_share(batch.select(untrimmed)))
    real = Joint((UNTRIMMED, Folder(name="a")))
    assert ligar_data(Joint((SCENES, SOURCE))).true_action_share(batch) is None
    assert ligar_data(real).true_action_share(batch) is None and ligar_data(real).clips_without_action(batch) is None


def test_clips_without_action_are_those_none_of_whose_frames_shows_it():
    data, shares = ligar_data(UNTRIMMED, clips_per_video=2), []
    for epoch in range(3):
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            per_clip = data.true_action_share(batch)
            empty = [share == 0 for row in per_clip.tolist() for share in row]
            assert data.clips_without_action(batch) == sum(empty) / len(empty)
            shares.append(data.clips_without_action(batch))
    assert 0 < np.mean(shares) < 1
    assert ligar_data(SCENES).clips_without_action(batch) is None
