"""Every clip is a pure function of (seed, epoch, video), and every test video is served exactly once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.frame_sampling import ContinuousSampling
from datamodules.transforms import CenterCrop, Compose, RandomCrop, ShortSide
from datamodules.video import UndecodableVideoError, Video, write_video
from datamodules.video_sampling import (
    EpochSampler,
    FileReader,
    ShardSampler,
    TestClips,
    TrainClips,
    collate,
    labelled_frames,
    reorder,
)

SAMPLING = ContinuousSampling(num_frames=4, frame_interval=2)


def video(index: int, **changes) -> Video:
    return Video(**{"id": str(index), "path": None, "label": index % 3, "label_name": str(index % 3), **changes})


class CountingReader:
    """Serve frames whose pixels are the frame number; video 2 cannot be decoded."""

    def __init__(self, num_frames: int = 30, broken: int | None = 2) -> None:
        self.num_frames, self.broken = num_frames, broken

    def read(self, index, choose):
        if index == self.broken:
            raise UndecodableVideoError("v2.mp4", "no frame")
        indices = choose(self.num_frames)
        frames = np.broadcast_to(indices[..., None, None, None], (*indices.shape, 10, 12, 3)).astype(np.uint8)
        return np.ascontiguousarray(frames), indices, self.num_frames


def train_clips(reader=None, *, seed: int = 0, clips_per_video: int = 1) -> TrainClips:
    transform = Compose(ShortSide(size=10), RandomCrop(size=8))
    return TrainClips(
        videos=[video(i) for i in range(6)], reader=reader or CountingReader(), sampling=SAMPLING, transform=transform,
        seed=seed, clips_per_video=clips_per_video,
    )  # fmt: skip


def views_of(reader=None, *, views: int = 3, frame_order="forward") -> TestClips:
    transform = Compose(ShortSide(size=10), CenterCrop(size=8))
    return TestClips(
        videos=[video(i) for i in range(6)], reader=reader or CountingReader(), sampling=SAMPLING, views=views,
        transform=transform, frame_order=frame_order,
    )  # fmt: skip


TestClips.__test__ = False  # the name is the product's, not a test's


def same(first, second) -> bool:
    return torch.equal(first[0], second[0]) and first[1:3] == second[1:3] and np.array_equal(first[3], second[3])


# -- which videos, in which order ------------------------------------------------------------------------


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_the_processes_of_an_epoch_share_one_permutation_and_no_video(world_size):
    samplers = [EpochSampler(20, batch_size=3, seed=5, rank=rank, world_size=world_size) for rank in range(world_size)]
    parts = [[position for _, position in sampler] for sampler in samplers]
    together = [position for part in parts for position in part]
    assert len(set(together)) == len(together) == 20 // (3 * world_size) * 3 * world_size
    assert [len(part) for part in parts] == [len(sampler) for sampler in samplers]
    # step by step, the processes together take what a single process with the joint batch takes
    joint = [position for _, position in EpochSampler(20, batch_size=3 * world_size, seed=5)]
    dealt = [part[step * 3 : step * 3 + 3] for step in range(len(parts[0]) // 3) for part in parts]
    for step in range(len(parts[0]) // 3):
        mine = {p for part in dealt[step * world_size : (step + 1) * world_size] for p in part}
        assert mine == set(joint[step * 3 * world_size : (step + 1) * 3 * world_size])


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        sampler = EpochSampler(50, batch_size=5, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4) != order(1, 4)
    assert {epoch for epoch, _ in order(0, 3)} == {3}
    assert sorted(position for _, position in order(0, 3)) == list(range(50))


def test_too_few_videos_for_one_batch_are_refused():
    with pytest.raises(ValueError, match="7 training videos do not fill one batch of 4 videos on 2"):
        EpochSampler(7, batch_size=4, seed=0, world_size=2)


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
def test_each_test_video_is_dealt_to_one_process(world_size):
    shards = [ShardSampler(7, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sorted(position for shard in shards for position in shard) == list(range(7))
    assert all(len(shard) == len(list(shard)) for shard in shards)


# -- training clips --------------------------------------------------------------------------------------


def test_a_training_clip_depends_on_seed_epoch_and_video_alone():
    clips = train_clips()
    clips[0, 3], clips[0, 1]  # other reads in between change nothing
    assert same(clips[4, 0], train_clips()[4, 0])
    assert not same(clips[4, 0], clips[5, 0])
    assert not same(clips[4, 0], clips[4, 1])
    assert not same(clips[4, 0], train_clips(seed=1)[4, 0])


def test_a_training_clip_shows_the_frames_it_names():
    clips, label, position, indices, num_frames, source, ignored = train_clips(clips_per_video=2)[1, 4]
    assert (source, ignored) == (0, False)
    assert clips.shape == (2, 4, 3, 8, 8) and clips.dtype == torch.uint8
    assert indices.shape == (2, 4) and (label, position, num_frames) == (1, 4, 30)
    np.testing.assert_array_equal(clips[:, :, 0, 0, 0].numpy(), indices)


def test_start_weights_move_training_clips_and_are_asked_for_the_span():
    asked = []

    def only_at_seven(position, num_frames, span):
        asked.append((position, num_frames, span))
        weights = np.zeros(num_frames - span + 1)
        weights[7] = 1
        return weights

    clips = train_clips()
    clips.start_weights = only_at_seven
    for epoch in range(5):
        assert clips[epoch, 1][3].min() in (7, 8)  # the start, or one more by jitter
    assert asked == [(1, 30, 8)] * 5
    clips.start_weights = lambda *_: None
    assert same(clips[0, 1], train_clips()[0, 1])


def test_an_undecodable_training_video_is_left_out_of_its_batch():
    clips = train_clips()
    assert clips[0, 2] is None
    batch = collate([clips[0, 1], clips[0, 2], clips[0, 3]])
    assert batch.video_index.tolist() == [1, 3] and len(batch) == 2
    with pytest.raises(UndecodableVideoError, match="none of its videos"):
        collate([None, None])


# -- test clips ------------------------------------------------------------------------------------------


def test_test_views_are_the_samplers_and_never_change():
    clips, _, _, indices, *_ = views_of()[4]
    np.testing.assert_array_equal(indices, SAMPLING.test(30, 3))
    assert same(views_of()[4], views_of()[4])
    np.testing.assert_array_equal(clips[:, :, 0, 0, 0].numpy(), indices)


def test_an_undecodable_test_video_stays_as_a_black_clip_of_no_frames():
    dataset = views_of()
    clips, label, position, _, num_frames, *_ = dataset[2]
    assert (label, position, num_frames) == (2, 2, 0) and not clips.any()
    batch = collate([dataset[1], dataset[2]])
    assert batch.clips.shape == (2, 3, 3, 4, 8, 8) and batch.num_frames.tolist() == [30, 0]


def test_shuffled_frames_are_the_same_frames_in_another_order():
    forward, shuffled = (views_of(frame_order=order)[0][3] for order in ("forward", "shuffled"))
    assert not np.array_equal(forward, shuffled)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), forward)
    np.testing.assert_array_equal(shuffled, views_of(frame_order="shuffled")[0][3])


def test_repeated_frames_show_the_middle_frame_alone():
    forward, repeated = (views_of(frame_order=order)[0][3] for order in ("forward", "repeated"))
    np.testing.assert_array_equal(repeated, np.repeat(forward[:, 2:3], 4, axis=1))


def test_an_unknown_frame_order_is_refused():
    with pytest.raises(ValueError, match="'backward'.*forward, shuffled, repeated"):
        reorder(np.zeros((1, 4)), "backward", np.random.default_rng(0))


# -- batches and files -----------------------------------------------------------------------------------


def test_collating_puts_channels_before_time():
    samples = [train_clips(clips_per_video=2)[0, i] for i in (0, 1)]
    batch = collate(samples)
    assert batch.clips.shape == (2, 2, 3, 4, 8, 8)
    for n in range(2):
        assert torch.equal(batch.clips[n], samples[n][0].transpose(1, 2))
    assert batch.frame_indices.shape == (2, 2, 4) and batch.source_index.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("start", "end", "fps", "expected"),
    [
        (None, None, 25.0, (0, 100)),
        (1.0, 2.0, 25.0, (25, 50)),
        (1.02, 2.02, 25.0, (25, 51)),  # a frame that is partly inside belongs to the part
        (1.0, None, 25.0, (25, 100)),
        (3.0, 9.0, 25.0, (75, 100)),
        (9.0, 9.5, 25.0, (99, 100)),  # annotated behind the end: the last frame
        (1.0, 1.0, 25.0, (25, 26)),
        (1.0, 2.0, None, (0, 100)),
    ],
)
def test_the_labelled_part_is_cut_in_whole_frames(start, end, fps, expected):
    assert labelled_frames(video(0, start_sec=start, end_sec=end), 100, fps) == expected


@pytest.mark.parametrize(
    ("first", "end", "expected"),
    [
        (None, None, (0, 100)),
        (10, 40, (10, 40)),
        (0, 5, (0, 5)),
        (90, 100, (90, 100)),
        (7, None, (7, 100)),
    ],
)
def test_a_part_annotated_in_frames_needs_no_rate(first, end, expected):
    for fps in (None, 12.0):
        assert labelled_frames(video(0, start_frame=first, end_frame=end), 100, fps) == expected


def test_fewer_frames_than_the_annotation_says_are_named():
    with pytest.warns(UserWarning, match=r"0 is .* frames 90 to 199 \(from 0\); it has 100; the part is cut"):
        assert labelled_frames(video(0, start_frame=90, end_frame=200), 100, None) == (90, 100)
    for first, end in ((100, 101), (150, 200), (150, None)):
        with pytest.raises(UndecodableVideoError, match=f"0 is annotated as its frames {first} to .* it has 100"):
            labelled_frames(video(0, path="frames", start_frame=first, end_frame=end), 100, None)


def test_a_file_gives_the_frames_of_its_labelled_part(tmp_path):
    frames = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None, None] * 6, 32 * 32 * 3, 1).reshape(40, 32, 32, 3)
    write_video(tmp_path / "grey.mp4", frames, fps=20, crf=0)
    reader = FileReader([video(0, path=tmp_path / "grey.mp4", start_sec=0.5, end_sec=1.0)])
    seen = []

    def choose(num_frames):
        seen.append(num_frames)
        return np.array([[9, 0, 3], [3, 3, 1]])

    got, indices, num_frames = reader.read(0, choose)
    assert seen == [10] and num_frames == 10
    np.testing.assert_array_equal(indices, [[9, 0, 3], [3, 3, 1]])
    np.testing.assert_allclose(got[..., 0].mean((2, 3)), (10 + indices) * 6, atol=1.5)


def test_an_undecodable_file_is_the_typed_error(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"nothing of a video" * 50)
    with pytest.raises(UndecodableVideoError, match="broken.mp4"):
        FileReader([video(0, path=tmp_path / "broken.mp4")]).read(0, lambda n: np.zeros((1, 1), int))
