"""Frames one after the other are the frames that the data modules number, and what is written is whole."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest

from datamodules.video import UndecodableVideoError, open_video, write_video
from experiments.deploy.frames import FrameStream, FrameWriter

VIDEOS = Path(__file__).parents[2].parent / "shared" / "data" / "videos"
REAL = [
    "decord/corrupted.mp4",
    "decord/video_0.mov",
    "imageio/realshort.mp4",
    "mmaction2/part_0.mp4",
    "torchvision/TrumanShow_wave_f_nm_np1_fr_med_26.avi",
]


def moving_square(num_frames: int = 20, height: int = 48, width: int = 64) -> np.ndarray:
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[:] = 20 + 8 * number % 200
        frame[8:16, number * 2 % 50 :][:, :8] = (230, 30, 60)
    return frames


def encode(path: Path, frames: np.ndarray, *, rotation: int = 0, gap: int = 0, muxer: dict[str, str] | None = None):
    """Write H.264 with a display rotation, or with a gap of some frame times in the middle."""
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "5"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = number + gap * (number > len(frames) // 2)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def streamed(path: Path) -> tuple[np.ndarray, bool]:
    with FrameStream(path) as stream:
        return np.stack(list(stream)), stream.truncated


def numbered(path: Path) -> tuple[np.ndarray, bool]:
    with open_video(path) as video:
        video.read([video.num_frames - 1])  # damage that no packet shows lowers the number
        return video.read(range(video.num_frames)), video.truncated


@pytest.mark.parametrize("rotation", [0, 90, -90, 180])
@pytest.mark.parametrize("gap", [0, 40])
def test_frames_are_upright_and_counted_as_the_data_modules_do(tmp_path: Path, rotation: int, gap: int):
    encode(tmp_path / "a.mp4", moving_square(), rotation=rotation, gap=gap)
    (frames, truncated), (expected, _) = streamed(tmp_path / "a.mp4"), numbered(tmp_path / "a.mp4")
    assert len(frames) == 20 and not truncated
    assert np.array_equal(frames, expected)
    assert frames.flags.c_contiguous


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the shared test videos are not here")
@pytest.mark.parametrize("name", REAL)
def test_frames_of_odd_files_are_those_that_the_data_modules_number(name: str):
    (frames, truncated), (expected, expected_truncated) = streamed(VIDEOS / name), numbered(VIDEOS / name)
    assert np.array_equal(frames, expected) and truncated == expected_truncated


def test_a_damaged_file_gives_its_frames_up_to_the_damage_and_says_so(tmp_path: Path):
    encode(tmp_path / "whole.mp4", moving_square(60), muxer={"movflags": "faststart"})
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(len(whole) * 0.7)])
    (frames, truncated), (expected, _) = streamed(tmp_path / "cut.mp4"), numbered(tmp_path / "cut.mp4")
    assert truncated and 3 < len(frames) < 60
    assert np.array_equal(frames, expected)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video_is_refused_by_name(tmp_path: Path, content: bytes):
    (tmp_path / "notes.mp4").write_bytes(content)
    with pytest.raises(UndecodableVideoError, match=r"notes\.mp4"), FrameStream(tmp_path / "notes.mp4") as stream:
        list(stream)


def test_sound_alone_is_no_video(tmp_path: Path):
    with av.open(str(tmp_path / "song.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(UndecodableVideoError, match="no video stream"):
        FrameStream(tmp_path / "song.wav")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.mp4"):
        FrameStream(tmp_path / "nothing.mp4")


@pytest.mark.skipif(sys.platform != "linux", reason="the driver of Linux is asked")
def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(UndecodableVideoError, match="camera 977"):
        FrameStream(977)


def test_a_camera_needs_a_known_driver(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ValueError, match="on linux, darwin, not on win32"):
        FrameStream(0)


def test_written_frames_come_back_nearly_unchanged_and_none_is_lost(tmp_path: Path):
    frames = moving_square(height=49, width=63)
    with FrameWriter(tmp_path / "out.mp4", fps=12.5) as writer:
        for frame in frames:
            writer.write(frame)
        assert not (tmp_path / "out.mp4").exists()
    with open_video(tmp_path / "out.mp4") as video:
        assert video.num_frames == 20 and video.fps == 12.5
        back = video.read(range(20))
    assert back.shape == (20, 48, 62, 3)
    assert np.abs(back[:, 30:, :].astype(int) - frames[:, 30:48, :62]).mean() < 3


def test_an_interrupted_recording_is_kept_and_a_failed_one_is_not(tmp_path: Path):
    for name, error in (("kept", KeyboardInterrupt), ("failed", RuntimeError)):
        with pytest.raises(error), FrameWriter(tmp_path / f"{name}.mp4", fps=25) as writer:
            for frame in moving_square(8):
                writer.write(frame)
            raise error
    assert [path.name for path in tmp_path.iterdir()] == ["kept.mp4"]
    with open_video(tmp_path / "kept.mp4") as video:
        assert video.num_frames == 8


@pytest.mark.parametrize(("name", "shape"), [("out.nothing", (8, 8, 3)), ("out.mp4", (1, 8, 3))])
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path, name: str, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="cannot be written"), FrameWriter(tmp_path / name, fps=25) as writer:
        writer.write(np.zeros(shape, np.uint8))
    assert not list(tmp_path.iterdir())


def test_nothing_written_makes_no_file(tmp_path: Path):
    with FrameWriter(tmp_path / "out.mp4", fps=25):
        pass
    assert not list(tmp_path.iterdir())


def test_streams_of_written_videos_know_their_frame_rate(tmp_path: Path):
    write_video(tmp_path / "a.mp4", moving_square(6), fps=15)
    with FrameStream(tmp_path / "a.mp4") as stream:
        assert stream.fps == 15
