"""Videos on disk: the record of a labelled one, opening one to read frames, writing a small one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from datamodules.frame_array import FrameArray, holds_array
from datamodules.frame_folder import FrameFolder
from datamodules.video_file import VideoFile
from datamodules.video_reader import OpenVideo, UndecodableVideoError

__all__ = ["OpenVideo", "UndecodableVideoError", "Video", "open_video", "write_video"]


@dataclass(frozen=True)
class Video:
    """Hold one labelled file or frame folder: one row of an annotation file.

    Args:
        id: name within the data set.
        path: the file, or the folder of frames.
        label: class index from 0.
        label_name: name of the class.
        start_sec: start of the labelled part in seconds; None for the start of the file.
        end_sec: its end in seconds; None for the end of the file.
        start_frame: first frame of the labelled part, from 0, where it is annotated in frames (a part of a long frame
            folder); None for the start.
        end_frame: one past its last frame; None for the end.
    """

    id: str
    path: Path
    label: int
    label_name: str
    start_sec: float | None = None
    end_sec: float | None = None
    start_frame: int | None = None
    end_frame: int | None = None


@contextmanager
def open_video(path: Path | str) -> Iterator[OpenVideo]:
    """Open a video file, or a folder of numbered images or of decoded frames, for the length of a ``with`` block.

    Args:
        path: file or folder.

    Yields:
        The opened video.

    Raises:
        FileNotFoundError: nothing there.
        UndecodableVideoError: no video stream, or no frame can be decoded; at once, or at the first ``read``.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no video file or frame folder at {path}")
    video: OpenVideo
    if path.is_dir():
        video = FrameArray(path) if holds_array(path) else FrameFolder(path)
    else:
        video = VideoFile(path)
    try:
        yield video
    finally:
        video.close()


def write_video(
    path: Path | str,
    frames: np.ndarray,
    *,
    fps: float = 25,
    crf: int = 18,
    preset: str = "veryfast",
    keyframe_interval: int = 12,
) -> None:
    """Write frames as an H.264 file; the same frames give the same bytes on the same machine.

    The file appears under its name only when it is complete.

    Args:
        path: target; its suffix (``.mp4``, ``.mkv``, ``.avi``, ``.mov``) chooses the container.
        frames: ``(T, H, W, 3)`` uint8 RGB, H and W even.
        fps: frames per second.
        crf: constant rate factor, 0 (lossless) to 51.
        preset: x264's trade of time against size.
        keyframe_interval: frames from one keyframe to the next.

    Raises:
        ValueError: frames of another type or shape, or odd height or width.
    """
    import av

    if frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) == 0 or frames.dtype != np.uint8:
        raise ValueError(f"frames must be (T, H, W, 3) uint8 with T >= 1, got {frames.shape} {frames.dtype}")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f"height and width must be even (colour has half of both), got {height} x {width}")
    path = Path(path)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    options = {"crf": str(crf), "preset": preset, "g": str(keyframe_interval), "sc_threshold": "0"}
    options["mbtree"] = "0"  # with x264's macroblock tree the bytes vary from one call to the next
    try:
        with av.open(str(unfinished.absolute()), "w", options={"fflags": "+bitexact"}) as container:
            rate = Fraction(fps).limit_denominator(1001)
            stream = container.add_stream("libx264", rate=rate, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 1  # several threads would share out the bits differently
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
