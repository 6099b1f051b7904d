"""A decoded copy is the same data set: same clips, its own fingerprint, refused when damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from datamodules.cache import estimate, main
from datamodules.check import main as check
from datamodules.data_fingerprint import data_fingerprint
from datamodules.datasets.folder import Folder
from datamodules.video import UndecodableVideoError, open_video
from tests.datamodules.own_videos import write_own_videos
from tests.datamodules.test_check import clips_of


def copy(root: Path, target: Path, *flags: str) -> int:
    return main(["folder", "--data-root", str(root), "--to", str(target), "--jobs", "1", "--short-side", "32", *flags])


@pytest.fixture
def root(tmp_path):
    root = write_own_videos(tmp_path / "videos")
    (root / "val/run/broken.mp4").write_bytes(b"no video")
    (root / "notes.csv").write_text("kept")
    return root


def test_test_clips_of_a_copy_are_those_of_the_videos(tmp_path, root, capsys):
    target = tmp_path / "copy"
    assert copy(root, target, "--yes") == 0
    assert "7 videos" in capsys.readouterr().out and (target / "notes.csv").read_text() == "kept"
    for name in ("train_dataloader", "test_dataloader"):
        ours, theirs = [*getattr(clips_of(root), name)()], [*getattr(clips_of(target), name)()]
        assert len(ours) == len(theirs) > 0
        for a, b in zip(ours, theirs, strict=True):
            assert np.array_equal(a.clips, b.clips) and np.array_equal(a.frame_indices, b.frame_indices)
    assert [int(batch.num_frames[0]) for batch in clips_of(target).test_dataloader()] == [6, 0, 6]
    assert data_fingerprint(Folder(), root) != data_fingerprint(Folder(), target)


def test_a_copy_keeps_the_rate_and_is_scaled(tmp_path, root):
    target = tmp_path / "copy"
    main(["folder", "--data-root", str(root), "--to", str(target), "--jobs", "1", "--short-side", "16", "--yes"])
    with open_video(root / "train/run/0.mp4") as video, open_video(target / "train/run/0.mp4") as copied:
        assert (copied.num_frames, copied.height, copied.width, copied.fps) == (6, 16, 24, video.fps)
        assert np.array_equal(copied.read([9, 0, 0]), copied.read(range(6))[[5, 0, 0]])


def test_nothing_is_written_before_the_size_was_agreed_to(tmp_path, root, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "")
    assert copy(root, tmp_path / "copy") == 1
    assert asked and not (tmp_path / "copy").exists()
    assert "7 videos, about 36 frames, 0.000166 GB" in capsys.readouterr().out  # 36 x 32 x 48 x 3 bytes
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Disk", (), {"free": 1000})())
    assert copy(root, tmp_path / "copy", "--yes") == 1 and "no room" in capsys.readouterr().err


def test_the_estimate_of_the_index_is_that_of_the_videos(root):
    paths = sorted(root.glob("*/*/*.mp4"))
    probed = estimate(paths, root, 32)
    check(["folder", "--data-root", str(root), "--jobs", "1", "--decode"])
    assert estimate(paths, root, 32) == probed and probed.size == 36 * 32 * 48 * 3


def test_an_interrupted_copy_goes_on_and_a_changed_video_is_copied_anew(tmp_path, root):
    target = tmp_path / "copy"
    copy(root, target, "--yes")
    stamps = {path: path.stat().st_mtime_ns for path in target.rglob("frames.npy")}
    lost = target / "train/run/0.mp4"
    (lost / "frames.json").unlink()
    (root / "train/run/1.mp4").write_bytes((root / "val/walk/0.mp4").read_bytes() + b"0")
    copy(root, target, "--yes")
    changed = {path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert changed == {lost / "frames.npy", target / "train/run/1.mp4/frames.npy"}


def test_verifying_finds_one_changed_byte_and_a_missing_video(tmp_path, root, capsys):
    target = tmp_path / "copy"
    copy(root, target, "--yes")
    assert copy(root, target, "--verify") == 0
    path = target / "train/walk/0.mp4/frames.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (target / "val/walk/0.mp4/frames.npy").unlink()
    capsys.readouterr()
    assert copy(root, target, "--verify") == 1
    printed = capsys.readouterr().out
    assert f"{path.parent}: its frames are not those" in printed and "val/walk/0.mp4: missing or damaged" in printed
    assert "5 of 7 videos" in printed


@pytest.mark.parametrize("damage", ["cut", "empty", "float", "facts"])
def test_damaged_arrays_are_undecodable(tmp_path, damage):
    np.save(tmp_path / "frames.npy", np.zeros((3, 4, 4, 3), np.float32 if damage == "float" else np.uint8))
    (tmp_path / "frames.json").write_text(json.dumps({} if damage == "facts" else {"fps": 25, "truncated": False}))
    content = (tmp_path / "frames.npy").read_bytes()
    (tmp_path / "frames.npy").write_bytes({"cut": content[:-5], "empty": b""}.get(damage, content))
    with pytest.raises(UndecodableVideoError), open_video(tmp_path):
        pass


def test_a_copy_onto_itself_is_refused(root, capsys):
    assert copy(root, root, "--yes") == 1
    assert "a folder of its own" in capsys.readouterr().err
