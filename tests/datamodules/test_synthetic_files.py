"""The benchmark on disk: atomic, reproducible, checked, decoded as the reader decodes."""

import dataclasses
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from datamodules.synthetic import files
from datamodules.synthetic.decoded import FRAMES, DecodedVideos, decode_to_cache
from datamodules.synthetic.files import DamagedCacheError, default_cache, folder_name, prepare
from datamodules.synthetic.members import Member, true_segments
from datamodules.synthetic.script import render, script
from datamodules.synthetic.stand_ins import stand_in
from datamodules.video import open_video

TINY = stand_in("ActivityNet-200").tiny()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return prepare(TINY, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def copied(prepared, tmp_path) -> Path:
    """A cache folder with a copy that a test may damage."""
    shutil.copytree(prepared.parent, tmp_path / prepared.parent.name)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_smoke_size_renders_in_about_a_second(tmp_path):
    start = time.process_time()
    prepare(stand_in("UCF-101").tiny(), tmp_path)
    assert time.process_time() - start < 2.0  # 0.5 s measured


def test_videos_carry_labels_and_files_but_no_segment(prepared):
    for subset, count in (("train", 16), ("val", 8), ("test", 8)):
        videos = TINY.videos(prepared, subset)
        assert len(videos) == count and all(video.path.is_file() for video in videos)
        assert all(video.label_name == TINY.class_names()[video.label] for video in videos)
        assert all(video.start_sec is None and video.end_sec is None for video in videos)
    train, val = ({video.path for video in TINY.videos(prepared, subset)} for subset in ("train", "val"))
    assert not train & val


def test_several_processes_write_the_same_bytes_as_one(prepared, tmp_path):
    again = prepare(TINY, tmp_path, processes=3)
    assert again.name == prepared.name and again.parent.name == prepared.parent.name == folder_name(TINY)
    assert contents(again.parent) == contents(prepared.parent)


def test_partitions_share_their_files(prepared):
    second = dataclasses.replace(TINY, partition=2)
    root = prepare(second, prepared.parent.parent)
    assert root.parent == prepared.parent and root != prepared
    pool = lambda member, at: {v.path: v.label for s in ("train", "val") for v in member.videos(at, s)}  # noqa: E731
    assert pool(second, root) == pool(TINY, prepared)
    assert [v.id for v in second.videos(root, "val")] != [v.id for v in TINY.videos(prepared, "val")]


def test_decoded_videos_give_what_the_reader_gives(prepared):
    for subset in ("train", "val"):
        decoded = DecodedVideos(prepared, subset)
        videos = TINY.videos(prepared, subset)
        assert len(decoded) == len(videos)
        for index in (0, len(videos) - 1):
            wanted = np.array([[5, 0, 63], [70, 5, 2]])
            with open_video(videos[index].path) as video:
                assert video.num_frames == decoded.num_frames(index) == 64
                expected = video.read(wanted.reshape(-1)).reshape(2, 3, 32, 32, 3)
            frames, indices, length = decoded.read(index, lambda n, wanted=wanted: wanted)
            np.testing.assert_array_equal(frames, expected)
            np.testing.assert_array_equal(indices, wanted)
            assert length == 64 and frames.flags.owndata and frames.flags.writeable


def test_decoded_videos_travel_to_other_processes_as_a_path(prepared):
    decoded = DecodedVideos(prepared, "val")
    packed = pickle.dumps(decoded)
    assert len(packed) < 1000
    np.testing.assert_array_equal(pickle.loads(packed).frames(3, [1, 2]), decoded.frames(3, [1, 2]))


def test_decoded_videos_refuse_what_they_cannot_give(prepared, tmp_path):
    with pytest.raises(ValueError, match="accepted: train, val, test"):
        DecodedVideos(prepared, "trian")
    with pytest.raises(ValueError, match="start at 0, got -1"):
        DecodedVideos(prepared, "val").frames(0, [-1])
    with pytest.raises(ValueError, match="not what prepare returned"):
        DecodedVideos(tmp_path / "partition1", "val")


def test_files_lose_little_of_what_was_rendered(tmp_path: Path):
    mild = dataclasses.replace(TINY, difficulty=1.0)
    rendered = render(mild, mild.numbers("val")[0]).astype(float)
    frames = DecodedVideos(prepare(mild, tmp_path), "val").frames(0, np.arange(64)).astype(float)
    assert np.abs(frames - rendered).mean() < 10  # of 255: most of it is sensor noise (7.6), smoothed away
    assert np.abs(frames.mean(axis=(1, 2)) - rendered.mean(axis=(1, 2))).max() < 4


def test_true_segments_are_the_scripts(prepared):
    for subset in ("train", "val"):
        segments = true_segments(prepared, TINY, subset)
        expected = [(script(TINY, n).first, script(TINY, n).end) for n in TINY.numbers(subset)]
        np.testing.assert_array_equal(segments, expected)


def test_manifest_says_how_the_set_was_made(prepared):
    manifest = json.loads((prepared.parent / "manifest.json").read_text())
    assert manifest["generator_version"] == 1 and manifest["member"]["seed"] == TINY.seed
    assert manifest["counts"] == {"train": 16, "val": 8, "frames": 24 * 64}
    assert manifest["class_names"] == list(TINY.class_names())
    assert [row["label"] for row in manifest["videos"]] == [n % 4 for n in range(24)]


@pytest.mark.parametrize("victim", ["videos/00003.mp4", FRAMES, "partition2/val.json", "manifest.json"])
def test_damage_is_named_with_the_remedy(copied, victim):
    folder = copied / folder_name(TINY)
    (folder / victim).unlink()
    with pytest.raises(DamagedCacheError, match=f"{folder.name} is damaged.*{victim}.*Delete the folder"):
        prepare(TINY, copied)


def test_a_shortened_file_is_damage(copied):
    path = copied / folder_name(TINY) / "videos" / "00003.mp4"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedCacheError, match="1 of .* first videos/00003.mp4"):
        prepare(TINY, copied)


def test_the_folder_of_another_member_is_refused(copied):
    other = dataclasses.replace(TINY, seed=99)
    (copied / folder_name(TINY)).rename(copied / folder_name(other))
    with pytest.raises(DamagedCacheError, match="another member"):
        prepare(other, copied)
    with pytest.raises(ValueError, match="use the folder that prepare returns"):
        other.videos(copied / folder_name(other) / "partition1", "train")


def test_the_array_can_be_decoded_anew(copied, prepared):
    root = copied / folder_name(TINY) / "partition1"
    (root.parent / FRAMES).unlink()
    decode_to_cache(TINY, root)
    assert (root.parent / FRAMES).read_bytes() == (prepared.parent / FRAMES).read_bytes()
    prepare(TINY, copied)


def prepare_and_say(cache: Path, queue) -> None:
    queue.put(contents(prepare(TINY, cache).parent))


def test_two_processes_at_the_same_time_share_one_result(tmp_path, prepared):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    both = [context.Process(target=prepare_and_say, args=(tmp_path, queue)) for _ in range(2)]
    for process in both:
        process.start()
    results = [queue.get(timeout=60) for _ in both]
    for process in both:
        process.join()
    assert results[0] == results[1] == contents(prepared.parent)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [folder_name(TINY)]


def prepare_slowly(cache: Path, started) -> None:
    prepare(TINY, cache, progress=lambda done, total: (started.set(), time.sleep(30)))


def test_a_killed_run_leaves_no_half_set_and_the_next_one_cleans_up(tmp_path, prepared):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    process = context.Process(target=prepare_slowly, args=(tmp_path, started))
    process.start()
    assert started.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (tmp_path / folder_name(TINY)).exists()
    assert any(path.is_dir() for path in tmp_path.iterdir())  # what it had begun
    root = prepare(TINY, tmp_path, processes=2)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [folder_name(TINY)]
    assert contents(root.parent) == contents(prepared.parent)


def test_a_failure_in_a_process_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def broken(member: Member, part: Path, starts: np.ndarray, number: int) -> None:
        raise OSError(f"no space for video {number}")

    monkeypatch.setattr(files, "_write_video", broken)
    with pytest.raises(RuntimeError, match="(?s)generating videos failed.*no space for video"):
        prepare(TINY, tmp_path, processes=2)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_a_process_that_dies_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_write_video", lambda *args: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RuntimeError, match="died .exit code -9."):
        prepare(TINY, tmp_path, processes=2)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def prepare_as_daemon(cache: Path) -> None:
    prepare(TINY, cache, processes=2)


def test_a_process_without_children_works_alone(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=prepare_as_daemon, args=(tmp_path,), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_progress_counts_every_video(tmp_path):
    for processes in (1, 2):
        done, totals = [], []
        progress = lambda *call, d=done, t=totals: (d.append(call[0]), t.append(call[1]))  # noqa: E731
        prepare(TINY, tmp_path / str(processes), processes=processes, progress=progress)
        assert done == list(range(1, 25)) and set(totals) == {24}


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("ACTION_TABLES_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("ACTION_TABLES_CACHE")
    assert default_cache() == Path.home() / ".cache" / "action-recognition-tables"
