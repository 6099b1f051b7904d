"""YouTube-8M Segments as a csv list, and its validation split by rule."""

from __future__ import annotations

import hashlib
import random

import pytest

from datamodules.datasets.youtube8m_segments import (
    Segment,
    YouTube8MSegments,
    read_label_numbers,
    read_segments,
    validation_videos,
)
from datamodules.synthetic.stand_ins import STAND_INS

HEADER = "video,start,end,label"


def segments(num_videos: int = 300, num_classes: int = 12, seed: int = 0) -> list[Segment]:
    """Give each video one to four segments of classes of very different sizes; some videos have several classes."""
    rng = random.Random(seed)
    rows = []
    for number in range(num_videos):
        for start in rng.sample(range(0, 200, 5), rng.randint(1, 4)):
            label = str(min(rng.randrange(num_classes), rng.randrange(num_classes)) * 100 + 3)
            rows.append(Segment(f"video{number:04d}", float(start), start + 5.0, label))
    return rows


def write_list(folder, rows, name="segments.csv"):
    lines = [f"{row.video},{row.start_sec:g},{row.end_sec:g},{row.label}" for row in rows]
    (folder / name).write_text("\n".join([HEADER, *lines]) + "\n")
    return folder


def by_class(rows):
    videos = {}
    for row in rows:
        videos.setdefault(row.label, set()).add(row.video)
    return videos


@pytest.mark.parametrize("seed", range(5))
def test_a_tenth_of_each_classs_videos_is_held_out_and_no_video_is_on_both_sides(tmp_path, seed, check_source):
    rows = segments(seed=seed)
    source = YouTube8MSegments()
    train, val = check_source(source, write_list(tmp_path, rows)), source.videos(tmp_path, "val")
    assert len(train) + len(val) == len(rows) and source.videos(tmp_path, "test") == val
    assert not {video.path for video in train} & {video.path for video in val}
    chosen = validation_videos(rows)
    for videos in by_class(rows).values():
        tenth = max(1, int(len(videos) / 10 + 0.5)) if len(videos) > 1 else 0
        assert len(videos & chosen) >= tenth
    assert len(chosen) <= 0.1 * 300 + 12  # what overlapping classes and rounding add at most here
    assert source.name in STAND_INS


def test_of_one_class_the_tenth_with_the_smallest_hashes_is_held_out():
    rows = [Segment(f"video{number}", 0.0, 5.0, "3") for number in range(100)]
    ranked = sorted((hashlib.sha256(row.video.encode()).hexdigest(), row.video) for row in rows)
    assert validation_videos(rows) == {video for _, video in ranked[:10]}


@pytest.mark.parametrize(("number", "wanted"), [(1, 0), (2, 1), (5, 1), (14, 1), (15, 2), (24, 2), (25, 3)])
def test_a_tenth_is_rounded_half_up_and_at_least_one_of_two(number, wanted):
    assert len(validation_videos([Segment(f"v{n}", 0.0, 5.0, "3") for n in range(number)])) == wanted


def test_the_split_depends_on_the_content_of_the_list_alone(tmp_path):
    rows = segments()
    shuffled = random.Random(7).sample(rows, len(rows))
    assert validation_videos(rows) == validation_videos(shuffled)


def test_segments_keep_their_times_and_videos_are_found_by_id_or_path(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "-abc.mkv").write_bytes(b"")
    text = f"{HEADER}\n-abc,10,15,7\npart/x.mp4,0.5,5.5,7\ngone,0,5,12\n"
    (tmp_path / "segments.csv").write_text(text)
    source = YouTube8MSegments()
    videos = {v.id: v for subset in ("train", "val") for v in source.videos(tmp_path, subset)}
    assert source.class_names(tmp_path) == ("7", "12")
    assert {key: (v.path, v.start_sec, v.end_sec, v.label) for key, v in videos.items()} == {
        "-abc_10_7": (tmp_path / "videos" / "-abc.mkv", 10.0, 15.0, 0),
        "part/x.mp4_0.5_7": (tmp_path / "part" / "x.mp4", 0.5, 5.5, 0),
        "gone_0_12": (tmp_path / "videos" / "gone.mp4", 0.0, 5.0, 1),
    }


def test_the_real_label_file_gives_1000_ascending_classes(real, tmp_path):
    (tmp_path / "segment_label_ids.csv").write_bytes((real("youtube8m") / "segment_label_ids.csv").read_bytes())
    names = YouTube8MSegments().class_names(tmp_path)
    assert len(names) == 1000 and (names[0], names[-1]) == ("3", "1831")
    assert list(map(int, names)) == sorted(set(map(int, names)))
    write_list(tmp_path, [Segment("a", 0.0, 5.0, "3"), Segment("b", 0.0, 5.0, "4")])
    with pytest.raises(ValueError, match=r"segments\.csv, line 3: label='4' is none of the 1000"):
        YouTube8MSegments().videos(tmp_path, "train")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,0,5", "line 3: .* has 3 values"),
        (",0,5,7", "line 3: video='', label='7'; neither may be empty"),
        ("a,0,5,", "line 3: video='a', label=''"),
        ("a,5,0,7", "line 3: start='5', end='0'"),
        ("a,zero,5,7", "line 3: start='zero'"),
        ("a,0,10,7", "line 3: start=0, end=10; a segment has 5 seconds"),
        ("b,0,5.0,7", "line 3: the same segment and label are on line 2"),
    ],
)
def test_a_malformed_row_is_an_error_that_names_file_and_line(tmp_path, row, message):
    (tmp_path / "segments.csv").write_text(f"{HEADER}\nb,0,5,7\n{row}\n")
    with pytest.raises(ValueError, match=rf"segments\.csv, {message}"):
        read_segments(tmp_path / "segments.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3\n7\n", "line 1: the header is '3'; expected 'Index'"),
        ("Index\n3\nx\n", "line 3: 'x'; expected a number"),
        ("Index\n3\n3\n", "line 3: 3 is already on line 2"),
    ],
)
def test_a_malformed_label_file_is_an_error_that_names_file_and_line(tmp_path, text, message):
    (tmp_path / "segment_label_ids.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"segment_label_ids\.csv, {message}"):
        read_label_numbers(tmp_path / "segment_label_ids.csv")
