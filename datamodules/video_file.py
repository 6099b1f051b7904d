"""Read frames by number from a video file, decoding no more of it than needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datamodules.packet_index import PacketIndex, PacketInspector, index_packets
from datamodules.video_reader import UndecodableVideoError, checked_indices

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

SKIPPING_DECODERS = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9"})
"""Decoders which heed ``skip_frame`` from packet to packet: frames that nothing refers to cost nothing."""
KEPT_BYTES = 128 * 2**20  # of packets, and of frames decoded for counting, held while the file is open


class UnreliableIndexError(Exception):
    """Say that a stream does not hold what its index promised."""


class VideoFile:
    """Read frames of the best video stream of a file.

    The file is demultiplexed once, on opening. An ordinary stream then has ``num_frames`` = its shown
    packets, and a read decodes each needed group of pictures from its keyframe to the last needed frame,
    leaving out frames that nothing refers to. Any other stream (see :mod:`datamodules.packet_index`) is
    counted by decoding it; so is one where decoding contradicts the index. A read thus gives what decoding
    everything and indexing would give. Only damage that no packet shows is met late: ``num_frames`` is then
    too large until a read decodes the damaged part.

    Headers are not trusted for the number of frames, and frames are counted, not timed: the frame rate may
    vary. Frames after a decoding error are given up. See :class:`datamodules.video_reader.OpenVideo`.

    Args:
        path: the file.

    Raises:
        UndecodableVideoError: not a video, no video stream, or no frame.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.truncated = False
        self._kept_packets: list[Packet] | None = None
        self._kept_frames: list[VideoFrame] | None = None
        self._index: PacketIndex | None = None
        self._quarter_turns: int | None = None
        self._open()
        try:
            self._demultiplex()
            if self._index is None:
                self._count()
        except BaseException:
            self.close()
            raise

    @property
    def height(self) -> int:
        """Return the height of a frame in pixels, after rotation."""
        return self._upright_size()[0]

    @property
    def width(self) -> int:
        """Return the width of a frame in pixels, after rotation."""
        return self._upright_size()[1]

    @property
    def counted(self) -> bool:
        """Say whether ``num_frames`` comes from decoding the whole stream, not from its packets."""
        return self._index is None

    @property
    def quarter_turns(self) -> int:
        """Return by how many quarter turns, counter-clockwise, frames are turned to be upright: 0 to 3."""
        self._upright_size()
        assert self._quarter_turns is not None
        return self._quarter_turns % 4

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """See :meth:`datamodules.video_reader.OpenVideo.read`."""
        asked = checked_indices(indices)
        if self._index is not None:
            try:
                return self._collect(asked, self._index)
            except UnreliableIndexError:
                self._index = None
                self._count()
        try:
            return self._collect(asked, None)
        except UnreliableIndexError:
            raise UndecodableVideoError(self.path, "decoding it twice gave two numbers of frames") from None

    def close(self) -> None:
        """Free the file handle and all memory."""
        self._kept_packets = self._kept_frames = None
        self._container.close()

    def _open(self) -> None:
        import av

        try:
            # An absolute path is never taken for a URL. HMDB51 has metadata that is not UTF-8.
            self._container = av.open(str(self.path.absolute()), metadata_errors="ignore")
        except av.error.FFmpegError as error:
            if isinstance(error, PermissionError):
                raise
            raise UndecodableVideoError(self.path, f"not a readable video file ({error.strerror})") from error
        try:
            stream = self._container.streams.best("video")
            is_cover = stream is not None and bool(stream.disposition & av.stream.Disposition.attached_pic)
            if not isinstance(stream, av.VideoStream) or is_cover:
                raise UndecodableVideoError(self.path, "it has no video stream")
            rate = stream.average_rate or stream.guessed_rate
            self.fps = float(rate) if rate else None
            self._stream, self._context = stream, stream.codec_context
            if self._context is None:
                raise UndecodableVideoError(self.path, "there is no decoder for its video stream")
            if not self._context.width or not self._context.height:
                raise UndecodableVideoError(self.path, "its video stream has no frame size")
        except BaseException:
            self._container.close()
            raise
        self._size = (self._context.height, self._context.width)
        self._context.thread_type = "NONE"  # clips are small and loader workers fill the processors
        self._context.thread_count = 1

    def _demultiplex(self) -> None:
        import av

        inspector = PacketInspector(self._stream, self._container.format.name)
        listed = self._stream.index_entries
        num_listed = len(listed)
        facts, kept, kept_bytes = [], [], 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0:  # the end of the stream, or a dropped frame
                    continue
                facts.append(inspector.facts(packet))
                kept_bytes += packet.size
                if kept_bytes <= KEPT_BYTES:
                    kept.append(packet)
        except av.error.FFmpegError:
            self.truncated = True
        if not facts:
            raise UndecodableVideoError(self.path, "its video stream holds no data")
        self._kept_packets = kept if kept_bytes <= KEPT_BYTES else None
        if len(facts) < num_listed:  # an AVI lists dropped frames as entries without data
            self.truncated = self.truncated or len(facts) < sum(entry.size > 0 for entry in listed)
        self._index = None if self.truncated else index_packets(facts, reorders=inspector.reorders)
        if self._index is not None:
            self.num_frames = len(self._index.pts)

    def _packets(self) -> Iterator[Packet]:
        """Return all packets from the first; a large file is opened again, with a new decoder."""
        if self._kept_packets is not None:
            return iter(self._kept_packets)
        self._container.close()
        self._open()
        return (packet for packet in self._container.demux(self._stream) if packet.size)

    def _collect(self, asked: np.ndarray, index: PacketIndex | None) -> np.ndarray:
        from av.video.reformatter import VideoReformatter

        unique, inverse = np.unique(np.minimum(asked, self.num_frames - 1), return_inverse=True)
        row_of = {int(number): row for row, number in enumerate(unique)}
        wanted = list(row_of)
        frames = self._counted_frames(wanted[-1]) if index is None else self._indexed_frames(index, wanted)
        reformatter = VideoReformatter()  # one for all: setting it up costs more than a small frame
        result: np.ndarray | None = None
        missing = set(row_of)
        for number, frame in frames:
            if number not in missing:
                continue
            image = self._to_rgb(frame, reformatter)
            if result is None:
                result = np.empty((len(unique), *image.shape), np.uint8)
            result[row_of[number]] = image
            missing.discard(number)
        if result is None or missing:
            raise UnreliableIndexError
        return result if np.array_equal(inverse, np.arange(len(unique))) else result[inverse]

    def _indexed_frames(self, index: PacketIndex, wanted: list[int]) -> Iterator[tuple[int, VideoFrame]]:
        """Yield the wanted frames (ascending numbers), and perhaps others, with their numbers.

        Raises:
            UnreliableIndexError: the decoder fails, gives frames in another order, or finds no keyframe where
                the index has one.
        """
        import av

        needed = {index.packets[number] for number in wanted}
        packets, position = self._packets(), 0
        context = self._context
        can_skip = context.name in SKIPPING_DECODERS
        try:
            for start, end in index.stretches(wanted):
                if position == 0 and start > 0 and context.name == "mpeg4":
                    # The first packet may name the encoder, whose known faults the decoder then works around.
                    context.decode(next(packets))
                    position = 1
                    context.flush_buffers()
                last = -1
                stretch = islice(packets, start - position, end + 1 - position)
                for packet_number, packet in enumerate(chain(stretch, [None]), start):
                    context.skip_frame = "NONREF" if can_skip and packet_number not in needed else "DEFAULT"
                    for frame in context.decode(packet):  # None drains the frames held back for their turn
                        number = -1 if frame.pts is None else index.frame_of_pts.get(frame.pts, -1)
                        if number <= last or frame.is_corrupt:
                            raise UnreliableIndexError
                        if index.packets[number] == start and not frame.key_frame:
                            raise UnreliableIndexError
                        last = number
                        yield number, frame
                position = end + 1
                context.flush_buffers()
        except av.error.FFmpegError as error:
            raise UnreliableIndexError from error
        finally:
            context.skip_frame = "DEFAULT"

    def _decoded(self) -> Iterator[VideoFrame]:
        """Yield all frames from the start up to the first error, which sets ``truncated``."""
        import av

        packets = self._packets()
        try:
            first = next(packets)
            self._context.flush_buffers()
            yield from self._context.decode(first)
            for packet in packets:
                yield from self._context.decode(packet)
            yield from self._context.decode(None)
        except av.error.FFmpegError:
            self.truncated = True

    def _count(self) -> None:
        """Set ``num_frames`` by decoding; keep the frames for the reads to come if they are few."""
        self.num_frames, kept, kept_bytes = 0, [], 0
        for frame in self._decoded():
            self.num_frames += 1
            kept_bytes += sum(plane.buffer_size for plane in frame.planes)
            if kept_bytes <= KEPT_BYTES:
                kept.append(frame)
            else:
                kept.clear()
        if self.num_frames == 0:
            raise UndecodableVideoError(self.path, "none of its frames can be decoded")
        self._kept_frames = kept if kept_bytes <= KEPT_BYTES else None

    def _counted_frames(self, last: int) -> Iterator[tuple[int, VideoFrame]]:
        frames = self._decoded() if self._kept_frames is None else self._kept_frames
        yield from enumerate(islice(frames, last + 1))

    def _to_rgb(self, frame: VideoFrame, reformatter: VideoReformatter) -> np.ndarray:
        """Return a view ``(H, W, 3)`` of the converted frame, turned upright."""
        if self._quarter_turns is None:
            # From the display matrix, counter-clockwise. frame.side_data would tell mirroring too, but keeps
            # the frame alive in a reference cycle.
            self._quarter_turns = round(frame.rotation / 90)
        height, width = self._size
        picture = reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
        plane = picture.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, : 3 * width]
        return np.rot90(rows.reshape(height, width, 3), self._quarter_turns)

    def _upright_size(self) -> tuple[int, int]:
        if self._quarter_turns is None:
            self.read([0])
        assert self._quarter_turns is not None
        return self._size[::-1] if self._quarter_turns % 2 else self._size
