"""The tool writes a box for every video, adds what is new, and counts who has none."""

from __future__ import annotations

from urllib.error import URLError

import numpy as np
import pytest

from datamodules.boxes import read_boxes, write_boxes
from datamodules.detectors import DETECTORS
from datamodules.video import write_video
from experiments.tools.boxes import main


@pytest.fixture
def videos(tmp_path):
    """Return a folder with two moving videos, a still one and a broken one."""
    for split in ("train", "val"):
        (tmp_path / split / "a").mkdir(parents=True)
        (tmp_path / split / "b").mkdir()
        frames = np.full((8, 32, 64, 3), 40, np.uint8)
        for t in range(8):
            frames[t, 8:24, 8 + 4 * t : 16 + 4 * t] = 240
        write_video(tmp_path / split / "a" / "moving.mp4", frames)
    write_video(tmp_path / "train/b/still.mp4", np.full((8, 32, 64, 3), 90, np.uint8))
    (tmp_path / "val/b/broken.mp4").write_bytes(b"no video" * 100)
    return tmp_path


def test_every_video_gets_a_box_or_none_and_a_second_run_adds_what_is_new(videos, capsys):
    flags = ["folder", "--data-root", str(videos), "--detector", "motion"]
    assert main(flags) == 0
    printed = capsys.readouterr().out
    assert "4 videos, 4 of them new, by motion above 30" in printed
    assert "2 of the 4 videos on disk have no box and stay whole (1 undecodable)" in printed
    boxes = read_boxes(videos / "boxes.npz")
    found = [box for name, box in boxes.items() if "moving" in name]
    assert len(found) == 2 and all(box is not None for box in found)
    assert found[0][1] == pytest.approx(0.25, abs=0.07) and found[0][3] == pytest.approx(0.75, abs=0.07)
    assert sum(box is None for box in boxes.values()) == 2
    (videos / "val/a/moving.mp4").rename(videos / "val/a/new.mp4")
    assert main(flags) == 0
    assert "5 videos, 1 of them new" in capsys.readouterr().out
    write_boxes(videos / "boxes.npz", boxes, detector="somebody else")
    assert main(flags) == 1
    assert "boxes.npz holds the boxes of somebody else; move it away" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("detector", "error", "message"),
    [
        ("yolox", ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime"), "the extra `detector`"),
        ("torchvision", URLError("no network"), "its weights cannot be had (<urlopen error no network>)"),
    ],
)
def test_without_packages_or_weights_the_way_out_is_named(videos, capsys, monkeypatch, detector, error, message):
    def fail(**given):
        raise error

    monkeypatch.setitem(DETECTORS, detector, fail)
    flags = ["--weights", "w.onnx"] if detector == "yolox" else []
    assert main(["folder", "--data-root", str(videos), "--detector", detector, *flags]) == 1
    said = capsys.readouterr().err
    assert message in said and "--detector motion needs neither weights nor packages" in said
    assert not (videos / "boxes.npz").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--detector", "yolox"], "needs --weights FILE"),
        (["--detector", "motion", "--weights", "w"], "the motion detector has none"),
        (["--detector", "motion", "--frames", "0"], "--frames 0"),
        (["--detector", "torchvision", "--weights", "nowhere.pth"], "nowhere.pth: no weights"),
    ],
)
def test_what_cannot_work_ends_in_a_line(videos, capsys, flags, message):
    assert main(["folder", "--data-root", str(videos), *flags]) == 1
    assert message in capsys.readouterr().err
