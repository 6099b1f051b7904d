"""Read the frames of a video or camera one after the other, and write frames as they come: in constant memory.

:mod:`datamodules.video` reads chosen frames of a file by number; here nothing is sought and the end is not known.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.video import UndecodableVideoError

CAMERA_DRIVERS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}
CAMERA_FPS = 30.0  # where neither file nor camera says


class FrameStream(AbstractContextManager):
    """Iterate over the frames of a video file or camera, upright, as ``(H, W, 3)`` uint8 RGB.

    The frames are those that :func:`datamodules.video.open_video` numbers: of the best video stream, turned by the
    display matrix, counted and not timed (a variable frame rate changes nothing), up to the first decoding error.

    Args:
        source: path of a video file, or the number of a camera.

    Attributes:
        fps: average frames per second, 30 where unknown.
        truncated: whether the frames ended with a decoding error.

    Raises:
        FileNotFoundError: no such file.
        UndecodableVideoError: not a video, or a camera that cannot be opened; when the first frame is asked for, also
            a video without any frame.
        ValueError: a camera on a system for which no driver is known.
    """

    def __init__(self, source: Path | str | int) -> None:
        import av

        self.truncated = False
        address, driver = str(source), None
        if isinstance(source, int):
            if sys.platform not in CAMERA_DRIVERS:
                raise ValueError(f"cameras are supported on {', '.join(CAMERA_DRIVERS)}, not on {sys.platform}")
            driver, place = CAMERA_DRIVERS[sys.platform]
            address, self.name = place.format(source), f"camera {source}"
        else:
            if not Path(source).is_file():
                raise FileNotFoundError(f"there is no video file at {source}")
            address, self.name = str(Path(source).absolute()), str(source)  # an absolute path is never taken for a URL
        try:
            self._container = av.open(address, format=driver, metadata_errors="ignore")
        except av.error.FFmpegError as error:
            raise UndecodableVideoError(self.name, f"it cannot be opened ({error.strerror})") from error
        stream = self._container.streams.best("video")
        is_cover = stream is not None and bool(stream.disposition & av.stream.Disposition.attached_pic)
        if not isinstance(stream, av.VideoStream) or is_cover or not stream.codec_context.width:
            self._container.close()
            raise UndecodableVideoError(self.name, "it has no video stream")
        self._stream: Any = stream
        self.fps = float(stream.average_rate or stream.guessed_rate or CAMERA_FPS)

    def __exit__(self, *exception: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        import av
        from av.video.reformatter import VideoReformatter

        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        reformatter, quarter_turns = VideoReformatter(), None
        try:
            for frame in self._container.decode(self._stream):
                if quarter_turns is None:
                    quarter_turns = round(frame.rotation / 90)  # counter-clockwise
                picture = reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
                yield np.ascontiguousarray(np.rot90(picture.to_ndarray(), quarter_turns))
        except av.error.FFmpegError:
            self.truncated = True
        if quarter_turns is None:
            raise UndecodableVideoError(self.name, "none of its frames can be decoded")


class FrameWriter(AbstractContextManager):
    """Write frames to an H.264 file as they come; it appears under its name when it is complete.

    Args:
        path: target; its suffix chooses the container.
        fps: constant frame rate: of a video with a variable one every frame is kept, not its time.
    """

    def __init__(self, path: Path | str, *, fps: float) -> None:
        self.path = Path(path)
        self._unfinished = self.path.with_name(f".{self.path.stem}.{os.getpid()}{self.path.suffix}")
        self._rate = Fraction(fps).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None

    def write(self, image: np.ndarray) -> None:
        """Append a frame ``(H, W, 3)`` uint8 RGB, as large as the first; an odd last row or column is left out.

        Raises:
            ValueError: the container's format is unknown, or the frame has less than 2 x 2 pixels.
        """
        import av

        height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2  # colour has half of both
        if self._container is None:
            if not height or not width:
                raise ValueError(f"frames of {image.shape[1]} x {image.shape[0]} cannot be written; at least 2 x 2")
            try:
                self._container = av.open(str(self._unfinished.absolute()), "w")
            except (av.error.FFmpegError, ValueError) as error:
                raise ValueError(f"{self.path} cannot be written: {error}") from error
            self._stream = self._container.add_stream("libx264", rate=self._rate, options={"preset": "veryfast"})
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
        self._container.mux(self._stream.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if self._container is None:
            return
        try:
            # What was written until the user interrupted is wanted; what an error left is not.
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self._container.mux(self._stream.encode(None))
                self._container.close()
                os.replace(self._unfinished, self.path)
            else:
                self._container.close()
        finally:
            self._unfinished.unlink(missing_ok=True)
