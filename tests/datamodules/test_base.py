"""The data module serves the same clips whatever loads them, reports what is missing, and refuses what cannot be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from datamodules.clip_selection import ClipScores
from datamodules.datasets.folder import Folder
from datamodules.frame_sampling import SegmentSampling
from datamodules.transforms import RandomCrop, RandomHorizontalFlip, ShortSide
from datamodules.video import Video, write_video
from tests.tiny_cells import EAGER, SCENES, UNTRIMMED, ligar_data

pytestmark = pytest.mark.usefixtures("benchmark_cache")


def epochs(data, count: int = 1) -> list:
    """Return all batches of some epochs, the way Lightning draws them."""
    loader = data.train_dataloader()
    batches = []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)
        data.begin_epoch()
        batches += list(loader)
    return batches


def write_folder(root, *, videos_per_class: int = 2, broken: str | None = None) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("left", "right"):
            (root / split / name).mkdir(parents=True)
            for i in range(videos_per_class):
                frames = rng.integers(0, 255, (10, 40, 48, 3), dtype=np.uint8)
                write_video(root / split / name / f"{i}.mp4", frames)
    if broken is not None:
        (root / broken).write_bytes(b"no video" * 100)


def assert_same_batches(first, second) -> None:
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        for field in dataclasses.fields(one):
            column, counterpart = getattr(one, field.name), getattr(other, field.name)
            same = column is counterpart is None or torch.equal(column, counterpart)
            assert same, field.name


@pytest.mark.parametrize("source", [SCENES, UNTRIMMED], ids=lambda s: s.kind)
def test_two_workers_give_the_batches_of_none(source):
    crop = (ShortSide(size=36), RandomCrop(size=32))
    none, two = (ligar_data(source, num_workers=n, augmentation=crop, short_side=36) for n in (0, 2))
    assert_same_batches(epochs(none, 2), epochs(two, 2))
    assert_same_batches(list(none.test_dataloader()), list(two.test_dataloader()))


def test_a_batch_holds_the_frames_it_names():
    data = ligar_data(UNTRIMMED, clips_per_video=2)
    _, reader = data.subset("train")
    for batch in epochs(data):
        assert batch.clips.shape == (4, 2, 3, 4, 32, 32) and batch.clips.dtype == torch.uint8
        for n, index in enumerate(batch.video_index.tolist()):
            frames = torch.from_numpy(reader.frames(index, batch.frame_indices[n].numpy()))  # (V, T, H, W, 3)
            assert torch.equal(batch.clips[n], frames.permute(0, 4, 1, 2, 3))


def test_labels_and_lengths_are_those_of_the_videos():
    data = ligar_data(UNTRIMMED)
    videos, reader = data.subset("train")
    for batch in epochs(data):
        assert batch.labels.tolist() == [videos[i].label for i in batch.video_index.tolist()]
        assert batch.num_frames.tolist() == [reader.num_frames(i) for i in batch.video_index.tolist()]


def test_test_loading_visits_each_video_once_with_all_its_views():
    data = ligar_data(UNTRIMMED, views=3, batch_size=5)
    batches = list(data.test_dataloader())
    assert [i for batch in batches for i in batch.video_index.tolist()] == list(range(UNTRIMMED.num_val))
    assert all(batch.clips.shape[1:] == (3, 3, 4, 32, 32) for batch in batches)
    assert len(batches[0]) == 1  # 5 // 3: a batch holds about as many clips as in training
    assert [batch.clips.shape[1] for batch in data.val_dataloader()] == [1, 1]


def test_segment_sampling_can_test_what_continuous_sampling_trained():
    data = ligar_data(UNTRIMMED, test_sampling=SegmentSampling)
    batch = next(iter(data.test_dataloader()))
    np.testing.assert_array_equal(batch.frame_indices[0], SegmentSampling(num_frames=4).test(int(batch.num_frames[0])))


def test_normalised_clips_have_the_stated_mean_and_deviation():
    data = ligar_data(SCENES, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0))
    batch = epochs(data)[0]
    got = data.on_after_batch_transfer(batch, 0)
    pixel = batch.clips[1, 0, :, 2, 3, 4].numpy().astype(float)
    np.testing.assert_allclose(got.clips[1, 0, :, 2, 3, 4], (pixel - [10, 20, 30]) / [2, 4, 5], rtol=1e-6)
    assert got.clips.dtype == torch.float32 and got.labels is batch.labels


def test_input_spec_is_what_a_user_of_the_weights_needs():
    spec = ligar_data(UNTRIMMED).input_spec
    assert (spec.num_frames, spec.frame_interval, spec.size, spec.short_side) == (4, 2, 32, 32)
    assert spec.class_names == UNTRIMMED.class_names() and len(spec.class_names) == 4
    assert ligar_data(UNTRIMMED, sampling=SegmentSampling).input_spec.frame_interval is None


def test_missing_videos_are_kept_on_record_and_all_missing_is_an_error(tmp_path):
    write_folder(tmp_path)

    @dataclasses.dataclass(frozen=True)
    class WithLostVideos(Folder):
        def videos(self, root, subset):
            lost = Video(id="lost", path=tmp_path / "lost.mp4", label=0, label_name="left")
            return (lost, *super().videos(root, subset)) if subset == "train" else (lost,)

    data = ligar_data(WithLostVideos(), data_root=tmp_path)
    assert [video.id for video in data.subset("train")[0]] == ["left/0.mp4", "left/1.mp4", "right/0.mp4", "right/1.mp4"]
    assert [video.id for video in data.missing["train"]] == ["lost"]
    with pytest.raises(ValueError, match="none of the 1 test videos is under .*lost.mp4"):
        data.subset("test")


def test_an_undecodable_file_is_dropped_in_training_and_kept_in_testing(tmp_path):
    write_folder(tmp_path, broken="val/right/1.mp4")
    (tmp_path / "train/left/0.mp4").write_bytes(b"no video" * 100)
    data = ligar_data(Folder(), data_root=tmp_path, num_workers=1)
    [train] = epochs(data)
    assert len(train) == 3 and 0 not in train.video_index.tolist()
    [test] = list(data.test_dataloader())
    assert test.num_frames.tolist() == [10, 10, 10, 0] and test.labels.tolist() == [0, 0, 1, 1]


def test_flipping_is_refused_where_the_source_cannot_say_what_it_means(tmp_path):
    write_folder(tmp_path)
    data = ligar_data(
        Folder(mirror_labels=None), data_root=tmp_path, augmentation=(ShortSide(size=32), RandomHorizontalFlip(p=0.5))
    )
    with pytest.raises(ValueError, match="mirror"):
        data.train_dataloader()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(views=0), "views=0"),
        (dict(crops=2), "crops=2; accepted: 1 .centre., 3"),
        (dict(size=64), "size=64 does not fit into short_side=32"),
        (dict(clip_selection=EAGER, sampling=SegmentSampling), "SegmentSampling has no start"),
        (dict(frame_order="backward"), "unknown frame_order 'backward'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        list(ligar_data(UNTRIMMED, **arguments).test_dataloader())


def test_recording_clips_without_clip_selection_is_refused():
    none = np.zeros(0)
    columns = dict.fromkeys(("video_index", "first", "end", "num_frames", "correct", "confidence"), none)
    with pytest.raises(ValueError, match="clip_selection"):
        ligar_data(UNTRIMMED).record_clips(**columns)


def test_recorded_clips_change_the_next_epoch_and_not_the_current_one():
    data, plain = ligar_data(UNTRIMMED, clip_selection=EAGER), ligar_data(UNTRIMMED)
    loader = data.train_dataloader()
    data.begin_epoch()
    videos = np.arange(UNTRIMMED.num_train)
    lengths = np.array([data.subset("train")[1].num_frames(i) for i in videos])
    data.record_clips(  # everything before frame 40 was predicted wrong, everything after it right
        video_index=np.repeat(videos, 2),
        first=np.tile([0, 40], len(videos)),
        end=np.stack([np.full(len(videos), 40), lengths], 1).ravel(),
        num_frames=np.repeat(lengths, 2),
        correct=np.tile([False, True], len(videos)),
        confidence=np.full(2 * len(videos), 0.9),
    )
    current = list(loader)
    assert_same_batches(current, epochs(plain))
    data.begin_epoch()
    following = list(loader)
    # a window of 8 frames that starts at 32 ends at 39: only starts from 33 on hold a frame that counts
    assert min(int(batch.frame_indices[..., 0].min()) for batch in following) >= 33
    assert min(int(batch.frame_indices[..., 0].min()) for batch in current) < 33


def test_clip_scores_survive_a_round_trip_through_a_state_dict():
    data = ligar_data(UNTRIMMED, clip_selection=EAGER)
    data.record_clips(
        video_index=np.array([3, 1]), first=np.array([0, 5]), end=np.array([20, 64]), num_frames=np.array([64, 64]),
        correct=np.array([True, False]), confidence=np.array([0.25, 0.75]),
    )  # fmt: skip
    other = ligar_data(UNTRIMMED, clip_selection=EAGER)
    other.load_state_dict(data.state_dict())
    assert other.clip_scores == data.clip_scores != ClipScores(EAGER)
    assert ligar_data(UNTRIMMED).state_dict() == {}


def test_the_share_of_true_action_agrees_with_counting_frames():
    import json

    from datamodules.synthetic.files import default_cache, prepare

    data = ligar_data(UNTRIMMED, clips_per_video=2)
    root = prepare(UNTRIMMED, default_cache())
    rows = json.loads((root.parent / "manifest.json").read_text())["videos"]
    chosen = [rows[number] for number in json.loads((root / "train.json").read_text())]
    shares = []
    for batch in epochs(data, 3):
        got = data.true_action_share(batch)
        assert got.shape == (4, 2)
        for n, index in enumerate(batch.video_index.tolist()):
            for v in range(2):
                row, frames = chosen[index], batch.frame_indices[n, v].tolist()
                inside = [row["first"] <= frame < row["end"] for frame in frames]
                assert got[n, v] == sum(inside) / len(inside)
                shares.append(got[n, v])
    assert 0 < np.mean(shares) < 1
    assert ligar_data(SCENES).true_action_share(batch) is None
