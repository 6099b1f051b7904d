"""No file, however damaged, hangs, crashes or leaks: it yields frames of the right shape or the one typed error."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datamodules.video_corpus import LIMIT_SEC, mutations, sound_videos

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "videos"
MOST_MB, MOST_OPEN = 60, 2
SMALL_REAL = ("decord/video_0.mov", "decord/video_90.mov", "torchcodec/h265_10bits.mp4")

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")


def opened(folder: Path) -> dict:
    """Open every file of a folder in a process of its own, which must live to its end."""
    command = [sys.executable, "-m", "tests.datamodules.video_corpus", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    lines = ended.stdout.splitlines()
    last = lines[-1] if lines else "nothing"
    assert ended.returncode != -signal.SIGALRM, f"{last} took more than {LIMIT_SEC} s"
    assert ended.returncode == 0, f"{last}: {ended.returncode}\n{ended.stderr[-2000:]}"
    return json.loads(last)


def others(report: dict) -> dict[str, str]:
    """Return the files that were neither read nor refused by the typed error."""
    return {name: result for name, result in report["found"].items() if result not in ("read", "refused")}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return sound_videos(tmp_path_factory.mktemp("sound"))


def test_every_kind_of_video_is_read_and_sound_alone_refused(videos, tmp_path):
    for name, content in videos.items():
        (tmp_path / name).write_bytes(content)
    found = opened(tmp_path)["found"]
    assert {name for name, result in found.items() if result == "refused"} == {"audio.wav"} and len(found) == 14


def test_three_hundred_damaged_files_yield_frames_or_the_typed_error(videos, tmp_path):
    damaged = [mutation for name, content in videos.items() for mutation in mutations(name, content)]
    for name, content in damaged:
        (tmp_path / name).write_bytes(content)
    report = opened(tmp_path)
    assert len(report["found"]) == len(damaged) >= 300
    assert not others(report)
    assert all(report["found"][name] == "refused" for name in report["found"] if ".cut0." in name)
    assert report["grown_mb"] < MOST_MB and report["more_open"] <= MOST_OPEN


@pytest.mark.parametrize("name", SMALL_REAL)
def test_damaged_real_files_yield_frames_or_the_typed_error(name, tmp_path):
    if not REAL.is_dir():
        pytest.skip("the shared test videos are not here")
    for mutated, content in mutations(Path(name).name, (REAL / name).read_bytes(), flips=4):
        (tmp_path / mutated).write_bytes(content)
    assert not others(opened(tmp_path))


@pytest.mark.on_request
def test_damaged_copies_of_every_real_file_yield_frames_or_the_typed_error(tmp_path):
    if not REAL.is_dir():
        pytest.skip("the shared test videos are not here")
    for path in sorted(REAL.glob("*/*.*")):
        for mutated, content in mutations(path.name, path.read_bytes(), flips=10):
            (tmp_path / mutated).write_bytes(content)
    assert not others(opened(tmp_path))
