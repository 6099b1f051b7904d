"""Videos of every kind a data set may hold, and hundreds of damaged copies; run as a program, opens them one by one.

Run: python -m tests.datamodules.video_corpus FOLDER        prints the name of each file before it opens it
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from datamodules.video import UndecodableVideoError, open_video

LIMIT_SEC = 5
WARM = 60  # files after which memory and open files should not grow any more
PIXELS = (32, 48)


def drifting(number: int, height: int, width: int) -> np.ndarray:
    """Return frames ``(T, H, W, 3)`` of drifting noise, which no encoder can skip."""
    noise = np.random.default_rng(0).integers(0, 255, (height, width + number, 3), dtype=np.uint8)
    return np.stack([noise[:, t : t + width] for t in range(number)])


def encode(
    path: Path, codec: str, *, number: int = 12, size: tuple[int, int] = PIXELS, pixels: str = "yuv420p",
    streams: int = 1, vary_rate: bool = False, options: dict[str, str] | None = None, title: str = "",
) -> None:  # fmt: skip
    """Write a video; its further streams are larger."""
    import av

    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
        made = []
        for scale in range(1, streams + 1):
            stream = container.add_stream(codec, rate=25, options=options or {})
            stream.height, stream.width, stream.pix_fmt = size[0] * scale, size[1] * scale, pixels
            stream.codec_context.thread_count = 1
            made.append((stream, drifting(number, size[0] * scale, size[1] * scale)))
        for t in range(number):
            for stream, frames in made:
                frame = av.VideoFrame.from_ndarray(frames[t], format="rgb24")
                if vary_rate:
                    frame.pts, frame.time_base = t * (t + 3), Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream, _ in made:
            container.mux(stream.encode(None))


def turned(content: bytes) -> bytes:
    """Return an mp4 file whose display matrix says: turn by 90 degrees."""
    upright = b"".join(n.to_bytes(4, "big") for n in (65536, 0, 0, 0, 65536, 0, 0, 0, 2**30))
    quarter = b"".join(n.to_bytes(4, "big", signed=True) for n in (0, 65536, 0, -65536, 0, 0, 0, 0, 2**30))
    track = content.index(b"tkhd")
    place = content.index(upright, track)
    return content[:place] + quarter + content[place + len(quarter) :]


def sound_videos(folder: Path) -> dict[str, bytes]:
    """Write one video of each kind and return the files by name."""
    x264 = {"g": "4", "bf": "2", "preset": "ultrafast"}
    encode(folder / "h264.mp4", "libx264", options=x264)
    encode(folder / "h264.mkv", "libx264", options=x264)
    encode(folder / "mpeg4.avi", "mpeg4", options={"g": "6", "bf": "2"}, title="0123456789")
    encode(folder / "vp9.webm", "libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "g": "6"})
    encode(folder / "ten_bits.mp4", "libx264", pixels="yuv420p10le", options=x264)
    encode(folder / "colour_444.mp4", "libx264", pixels="yuv444p", options=x264)
    encode(folder / "one_frame.mp4", "libx264", number=1, options=x264)
    encode(folder / "tiny.mp4", "libx264", size=(4, 4), options=x264)
    encode(folder / "vfr.mkv", "libx264", vary_rate=True, options={"g": "5", "bf": "0", "preset": "ultrafast"})
    encode(folder / "several.mp4", "libx264", streams=3, options=x264)
    encode(folder / "motion_jpeg.avi", "mjpeg", pixels="yuvj420p")
    with wave.open(str(folder / "audio.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    files["turned.mp4"] = turned(files["h264.mp4"])
    files["latin_1.avi"] = files["mpeg4.avi"].replace(b"0123456789", b"caf\xe9 \xff\xfe na\xefve"[:10])
    assert files["latin_1.avi"] != files["mpeg4.avi"]
    return files


def mutations(name: str, content: bytes, *, flips: int = 12) -> Iterator[tuple[str, bytes]]:
    """Yield damaged copies of a file: ``(name, content)``; the name says what was done."""
    stem, suffix = name.rsplit(".", 1)
    length = len(content)
    for tenth in range(10):
        yield f"{stem}.cut{tenth}.{suffix}", content[: length * tenth // 10]
    for seed in range(flips):
        rng = np.random.default_rng([seed, length])
        damaged = bytearray(content)
        for place in rng.integers(length, size=1 + 4 * seed):
            damaged[place] ^= 1 << int(rng.integers(8))
        yield f"{stem}.flip{seed}.{suffix}", bytes(damaged)
    half = length // 2
    yield f"{stem}.zeros.{suffix}", content[:half] + bytes(length - half)
    yield f"{stem}.hole.{suffix}", content[: length // 3] + content[half:]
    yield f"{stem}.noise.{suffix}", content[: length // 4] + np.random.default_rng(0).bytes(length - length // 4)
    yield f"{stem}.twice.{suffix}", content + content
    yield f"{stem}.headless.{suffix}", content[64:]
    yield f"{stem}.{suffix}.renamed.{'avi' if suffix != 'avi' else 'webm'}", content


def look(path: Path) -> str:
    """Read three frames of a video; return how it went, with an error that no reader may raise."""
    try:
        with open_video(path) as video:
            wanted = [video.num_frames - 1, 0, video.num_frames // 2]
            frames = video.read(wanted)
            assert frames.dtype == np.uint8 and frames.shape == (3, video.height, video.width, 3)
            assert video.num_frames > 0
            return "read"
    except UndecodableVideoError as error:
        return "refused" if path.name in str(error) and error.reason else f"refused without saying why: {error}"
    except Exception as error:  # anything else is what the test looks for
        return f"{type(error).__name__}: {error}"


def main(folder: Path) -> None:
    """Open every file of a folder; the process ends by the alarm at the first that takes too long."""
    files = sorted(folder.iterdir())
    found, before = {}, (0, 0)
    for number, path in enumerate(files):
        print(path.name, flush=True)
        signal.alarm(LIMIT_SEC)  # no handler: nothing that decodes in C can hold it up
        found[path.name] = look(path)
        signal.alarm(0)
        if number == WARM:
            before = held()
    after = held()
    print(json.dumps({"found": found, "grown_mb": (after[0] - before[0]) / 1024, "more_open": after[1] - before[1]}))


def held() -> tuple[int, int]:
    """Return the most memory held so far in kB, and the number of open files."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(os.listdir("/proc/self/fd"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
