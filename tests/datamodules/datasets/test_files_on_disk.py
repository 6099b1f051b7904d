"""Finding listed videos on disk."""

from __future__ import annotations

from datamodules.datasets.files_on_disk import FilesOnDisk, names_by_stem


def test_video_files_win_over_frame_folders_and_suffixes_have_an_order(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    (tmp_path / "v1.5").mkdir()
    for name in ("1.webm", "1.mp4", "3.AVI", "4.txt"):
        (tmp_path / name).write_bytes(b"")
    assert names_by_stem(tmp_path) == {"1": "1.mp4", "2": "2", "3": "3.AVI", "v1.5": "v1.5"}
    assert names_by_stem(tmp_path / "nothing") == {}


def test_the_first_place_wins_and_is_where_a_missing_video_should_be(tmp_path):
    for place in ("second", "third"):
        (tmp_path / place / "7").mkdir(parents=True)
    (tmp_path / "third" / "8.mp4").write_bytes(b"")
    disk = FilesOnDisk(tmp_path, ("first", "second", "third", ""))
    assert disk.find("7", suffix=".webm") == tmp_path / "second" / "7"
    assert disk.find("8", suffix=".webm") == tmp_path / "third" / "8.mp4"
    assert disk.find("9", suffix=".webm") == tmp_path / "first" / "9.webm"
    assert disk.find("third", suffix="") == tmp_path / "third"
