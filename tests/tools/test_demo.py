"""The demonstration recognises alike from a checkpoint and an exported network, and draws every frame."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.frame_sampling import SegmentSampling
from datamodules.video import open_video, write_video
from experiments.deploy import export_network
from experiments.tools.demo import main
from tests.deploy.test_frames import encode
from tests.deploy.tiny_networks import save_tiny_checkpoint, tiny_module, tiny_spec


@pytest.fixture(scope="module", autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("cell"))


def colours(num_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Return frames whose colours and stripes change every ten frames."""
    rng = np.random.default_rng(4)
    scenes = rng.integers(0, 255, (num_frames // 10 + 1, 6, 8, 3), dtype=np.uint8)
    large = scenes.repeat(height // 6, axis=1).repeat(width // 8, axis=2)
    return large.repeat(10, axis=0)[:num_frames]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "colours.mp4"
    write_video(path, colours(60))
    return path


def said(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    """Return the lines about classes, and the line about durations."""
    lines = capsys.readouterr().out.splitlines()
    return lines[:-1], lines[-1]


def test_every_frame_is_drawn_and_written(
    checkpoint: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([str(checkpoint), str(video), "--out", str(tmp_path / "drawn.mp4"), "--every", "4"]) == 0
    classes, durations = said(capsys)
    assert classes[0].startswith("frame 6: ") and classes[0].count("%") == 4, "the first window of 4 frames ends at 6"
    assert classes[-1].startswith("all 14 windows: ")
    number = r"\d+\.\d / \d+\.\d ms"
    assert re.fullmatch(
        rf"60 frames; p50 / p95: decode {number}   preprocess {number}   normalise {number}   infer {number}", durations
    )
    with open_video(tmp_path / "drawn.mp4") as drawn, open_video(video) as plain:
        assert (drawn.num_frames, drawn.fps, drawn.height, drawn.width) == (60, 25, 48, 64)
        difference = np.abs(drawn.read(range(60)).astype(int) - plain.read(range(60))).mean((1, 2, 3))
    assert difference[:6].max() < 8 < 16 < difference[6:].min(), "drawn from the first prediction on"


@pytest.mark.parametrize("to", ["torch", "onnx", "openvino"])
def test_checkpoint_and_exported_network_say_the_same(
    checkpoint: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], to
):
    for package in {"torch": (), "onnx": ("onnxscript", "onnxruntime"), "openvino": ("openvino",)}[to]:
        pytest.importorskip(package)
    export_network(tiny_module(), tiny_spec(), tmp_path / "network", to=to)
    assert main([str(checkpoint), str(video), "--every", "2"]) == 0
    expected, _ = said(capsys)
    assert main([str(tmp_path / "network"), str(video), "--every", "2"]) == 0
    assert said(capsys)[0] == expected
    assert len(expected) > 2, "the recognised class changes"


@pytest.mark.parametrize("threshold", [0.0, 1e6])
def test_an_action_too_far_from_all_centres_is_shown_as_unknown(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], threshold: float
):
    export_network(tiny_module(), tiny_spec(), tmp_path / "network", to="torch")
    manifest = tmp_path / "network" / "network.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "rejection_distance": threshold}))
    assert main([str(tmp_path / "network"), str(video)]) == 0
    lines, _ = said(capsys)
    assert all((": unknown, nearest: " in line) == (threshold == 0.0) for line in lines)


def test_a_video_shorter_than_the_window_is_recognised_as_a_loop(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_video(tmp_path / "short.mp4", colours(3))
    assert main([str(checkpoint), str(tmp_path / "short.mp4")]) == 0
    classes, durations = said(capsys)
    assert classes[0].startswith("frame 2: ") and classes[1].startswith("all 1 windows") and "3 frames" in durations


def test_the_stream_can_be_cut_after_some_seconds(checkpoint: Path, video: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(checkpoint), str(video), "--seconds", "1", "--frame-interval", "1"]) == 0
    assert said(capsys)[1].startswith("25 frames")


def test_a_damaged_end_is_reported(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    encode(tmp_path / "whole.mp4", colours(60), muxer={"movflags": "faststart"})
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(len(whole) * 0.8)])
    assert main([str(checkpoint), str(tmp_path / "cut.mp4")]) == 0
    captured = capsys.readouterr()
    assert "the video is damaged" in captured.err
    assert 6 < int(captured.out.splitlines()[-1].split()[0]) < 60


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("notes.mp4", b"no video" * 50, "cannot decode .*notes"), ("absent.mp4", None, "no video file at .*absent")],
)
def test_what_cannot_be_read_is_an_error_message(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, message: str
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    out = tmp_path / "out.mp4"
    assert main([str(checkpoint), str(tmp_path / name), "--out", str(out)]) == 1
    assert re.search(f"error: .*{message}", capsys.readouterr().err)
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".*"))


def test_a_network_that_samples_whole_videos_is_refused_in_clear_words(
    tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
):
    sparse = save_tiny_checkpoint(tmp_path, sampling=SegmentSampling)
    assert main([str(sparse), str(video)]) == 1
    assert "error: this network takes 4 frames spread over a whole video (segment sampling)" in capsys.readouterr().err


@pytest.mark.parametrize("sources", [[], ["video.mp4", "--webcam", "0"]])
def test_one_source_is_needed(checkpoint: Path, sources: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([str(checkpoint), *sources])
    assert "one of the two" in capsys.readouterr().err


def resident_kib() -> int:
    """Return the memory that this process occupies."""
    text = Path("/proc/self/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("num_frames", "height", "width"),
    [
        pytest.param(3_000, 96, 128, id="two minutes"),
        pytest.param(90_000, 24, 32, id="an hour", marks=[pytest.mark.on_request, pytest.mark.timeout(1200)]),
    ],
)
def test_memory_stays_flat_over_a_long_file(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    num_frames: int, height: int, width: int,
):  # fmt: skip
    write_video(
        tmp_path / "long.mp4", np.tile(colours(100, height, width), (num_frames // 100, 1, 1, 1)), preset="ultrafast"
    )
    first, last = num_frames // 3, num_frames - 100
    sizes: list[int] = []
    counter = itertools.count()
    import experiments.tools.demo as demo

    draw = demo.Overlay.draw

    def measured(overlay, image, top, line=""):
        if next(counter) in (first, last):
            sizes.append(resident_kib())
        return draw(overlay, image, top, line)

    monkeypatch.setattr(demo.Overlay, "draw", measured)
    assert main([str(checkpoint), str(tmp_path / "long.mp4"), "--out", str(tmp_path / "o.mp4"), "--every", "64"]) == 0
    assert said(capsys)[1].startswith(f"{num_frames} frames")
    index = (last - first) * 100 / 1024  # KiB: an MP4 file's list of its packets is written at its end
    kept = (last - first) * height * width * 3 / 1024  # if every frame stayed
    assert sizes[1] - sizes[0] < 4096 + index < kept / 10
