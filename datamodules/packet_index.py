"""Which packet of a video stream holds which frame, and where decoding may begin, without decoding.

A frame's number is its rank among the presentation times of the packets, and decoding may begin at the last
keyframe at or before it. Both hold for ordinary streams only. :func:`index_packets` returns None for any
other: missing, repeated or made-up times (packed B-frames in AVI), damaged packets, a beginning before the
first keyframe. Frames of such a stream can only be counted by decoding it from the start.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

SMALLEST_MPEG4_FRAME = 16  # bytes; MPEG-4 packets below are place holders, which give no frame
VOP_START = b"\x00\x00\x01\xb6"  # begins a frame of MPEG-4 Part 2
H264_IDR = 5  # unit type of a keyframe which nothing after it reaches across
NAL_FORBIDDEN_BIT = 0x80
VP8_SHOW_FRAME = 0x10  # unset in packets which only give references


class PacketFacts(NamedTuple):
    """Hold what a packet tells about itself."""

    pts: int | None
    can_start: bool
    """Decoding may begin here."""
    shown: bool
    """Gives a frame."""
    sound: bool
    """Neither damaged nor of a kind whose frames cannot be counted by packets."""


@dataclass(frozen=True)
class PacketIndex:
    """Hold the order of an ordinary stream.

    Args:
        pts: presentation time of each frame, ascending.
        packets: number of each frame's packet, in decoding order.
        frame_of_pts: frame number of each presentation time.
        starts: numbers of the packets at which decoding may begin, ascending.
        start_pts: presentation times of these packets.
    """

    pts: list[int]
    packets: list[int]
    frame_of_pts: dict[int, int]
    starts: list[int]
    start_pts: list[int]

    def stretches(self, frames: Sequence[int]) -> list[tuple[int, int]]:
        """Return the first and last packet of each stretch to decode for some frames.

        Frames are given and stretches returned in ascending order. Stretches neither overlap nor touch.
        """
        stretches: list[tuple[int, int]] = []
        for frame in frames:
            start, end = self.start_of(frame), self.packets[frame]
            if stretches and start <= stretches[-1][1] + 1:
                start, end = stretches[-1][0], max(end, stretches.pop()[1])
            stretches.append((start, end))
        return stretches

    def start_of(self, frame: int) -> int:
        """Return the number of the packet from which decoding reaches the frame soonest.

        Frames shown before a keyframe but stored after it (open groups of pictures) need the previous
        keyframe.
        """
        last = bisect_right(self.starts, self.packets[frame]) - 1
        while self.start_pts[last] > self.pts[frame]:
            last -= 1
        return self.starts[last]


class PacketInspector:
    """Read the facts that the packets of one stream state in their first bytes.

    Args:
        stream: the video stream, not yet decoded.
        container_name: FFmpeg's name of the container, such as ``avi``.
    """

    def __init__(self, stream: VideoStream, container_name: str) -> None:
        context = stream.codec_context
        self.codec = context.name
        self.length_size = nal_length_size(self.codec, context.extradata)
        self.reorders = self.codec != "mpeg4" and bool(context.has_b_frames)
        self.has_times = "mp4" in container_name  # AVI holds MPEG-4 frames in decoding order, without times

    def facts(self, packet: Packet) -> PacketFacts:
        """Return what is known about a packet that is not empty."""
        can_start, shown = packet.is_keyframe, not packet.is_discard
        sound = not packet.is_corrupt
        if self.codec == "mpeg4":
            sound = sound and packet.size >= SMALLEST_MPEG4_FRAME
            if not self.has_times:
                sound = sound and holds_one_frame_in_order(bytes(packet))
        elif self.codec == "vp8":
            shown = shown and bool(memoryview(packet)[0] & VP8_SHOW_FRAME)
        elif self.length_size:
            headers = nal_unit_headers(memoryview(packet), self.length_size)
            sound = sound and headers is not None
            can_start = can_start and (self.codec != "h264" or has_idr(headers or []))
        elif self.codec == "h264":
            can_start = can_start and has_idr(start_code_headers(bytes(packet)))
        return PacketFacts(packet.pts, can_start, shown, sound)


def index_packets(facts: Sequence[PacketFacts], *, reorders: bool) -> PacketIndex | None:
    """Return the order of the stream, or None if it can only be found by decoding.

    Args:
        facts: of all packets that are not empty, in decoding order.
        reorders: whether the decoder shows frames in another order than they are stored. The times must do so
            too, or they are made up from the order of storage.
    """
    if not facts or not facts[0].can_start or not all(packet.sound for packet in facts):
        return None
    times = [packet.pts for packet in facts if packet.pts is not None]
    if len(times) < len(facts) or times[0] > min(times):
        return None
    packet_of_pts = {pts: number for number, pts in enumerate(times) if facts[number].shown}
    shown = list(packet_of_pts)
    in_order = sorted(shown)
    repeated = len(shown) < sum(packet.shown for packet in facts)
    if not shown or repeated or (reorders and len(shown) > 1 and shown == in_order):
        return None
    packets = [packet_of_pts[pts] for pts in in_order]
    frame_of_pts = {pts: frame for frame, pts in enumerate(in_order)}
    starts = [number for number, packet in enumerate(facts) if packet.can_start]
    return PacketIndex(in_order, packets, frame_of_pts, starts, [times[number] for number in starts])


def nal_length_size(codec: str, extradata: bytes | None) -> int:
    """Return the bytes of a length field of an MP4-style H.264 or HEVC stream; 0 for other streams."""
    if not extradata or extradata[0] != 1:  # version of avcC and hvcC; streams with start codes begin with 0
        return 0
    if codec == "h264" and len(extradata) > 4:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 21:
        return (extradata[21] & 3) + 1
    return 0


def nal_unit_headers(packet: memoryview, length_size: int) -> list[int] | None:
    """Return the first byte of each unit of a packet, or None if the lengths do not fit it (damage)."""
    headers = []
    position, end = 0, len(packet)
    while position < end:
        length = int.from_bytes(packet[position : position + length_size], "big")
        position += length_size
        if length == 0 or position + length > end or packet[position] & NAL_FORBIDDEN_BIT:
            return None
        headers.append(packet[position])
        position += length
    return headers


def has_idr(headers: Sequence[int]) -> bool:
    """Return whether an H.264 packet holds an instantaneous decoder refresh."""
    return any(header & 0x1F == H264_IDR for header in headers)


def start_code_headers(packet: bytes) -> list[int]:
    """Return the byte after each start code ``00 00 01``."""
    return [part[0] for part in packet.split(b"\x00\x00\x01")[1:] if part]


def holds_one_frame_in_order(packet: bytes) -> bool:
    """Return whether an MPEG-4 packet holds exactly one frame, and not one shown before its predecessor."""
    first = packet.find(VOP_START)
    if first < 0 or first + 4 >= len(packet) or packet.find(VOP_START, first + 4) >= 0:
        return False
    return packet[first + 4] >> 6 != 2  # vop_coding_type: 0 I, 1 P, 2 B, 3 S
