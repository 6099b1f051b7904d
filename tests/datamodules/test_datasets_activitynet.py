"""ActivityNet-200 v1.3: real rows where present, and a generated json in the official schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datamodules.datasets.activitynet import ActivityNet200, Instance, dominant_label
from datamodules.datasets.source import count_report

REAL_ROWS = Path(__file__).parents[2].parent / "shared" / "data" / "annotations" / "activitynet" / "gt.json"
LABELS = [f"Doing thing {number:03d}" for number in range(200)]
COUNTS = {"training": 10024, "validation": 4926, "testing": 5044}


def row(subset: str, *annotations: tuple[float, float, str], duration: float = 100.0) -> dict:
    return {
        "duration": duration,
        "subset": subset,
        "resolution": "320x240",
        "url": "https://www.youtube.com/watch?v=x",
        "annotations": [{"segment": [start, end], "label": label} for start, end, label in annotations],
    }


def official_database() -> dict:
    """Build the official number of videos per subset, interleaved, all 200 labels in use."""
    database = {}
    for subset, count in COUNTS.items():
        for number in range(count):
            label = LABELS[number % 200]
            segments = [] if subset == "testing" else [(5.0, 60.5, label), (80.0, 120.0, label)]  # one ends too late
            database[f"{'-' if number % 7 == 0 else subset[0]}{subset[1]}{number:09d}"] = row(subset, *segments)
    return dict(sorted(database.items(), key=lambda item: item[0][::-1]))


def write(path: Path, database: dict) -> Path:
    leaves = [{"nodeName": label, "nodeId": n, "parentName": "Root", "parentId": 0} for n, label in enumerate(LABELS)]
    path.write_text(json.dumps({"version": "VERSION 1.3", "taxonomy": leaves, "database": database}))
    return path


def small(root: Path, **rows: dict) -> Path:
    write(root / "activity_net.v1-3.min.json", rows)
    return root


@pytest.fixture(scope="module")
def official_root(tmp_path_factory) -> Path:
    return small(tmp_path_factory.mktemp("activitynet"), **official_database())


def test_the_official_schema_gives_the_official_counts_and_200_labels(official_root):
    source = ActivityNet200()
    for subset, count in (("train", 10024), ("val", 4926), ("test", 4926)):
        videos = source.videos(official_root, subset)
        assert len(videos) == count == source.official_counts[subset]
        assert {video.label for video in videos} == set(range(200))
        assert all(video.start_sec is None and video.end_sec is None for video in videos)
    assert source.untrimmed and source.class_names(official_root) == tuple(LABELS)


def test_order_is_the_jsons(official_root):
    database = json.loads((official_root / "activity_net.v1-3.min.json").read_text())["database"]
    expected = [key for key, value in database.items() if value["subset"] == "validation"]
    assert [video.id for video in ActivityNet200().videos(official_root, "test")] == expected


def test_trimmed_gives_one_video_per_instance(official_root):
    source = ActivityNet200(trimmed=True)
    videos = source.videos(official_root, "val")
    assert len(videos) == 2 * 4926 and not source.untrimmed and source.official_counts == {}
    assert (videos[1].start_sec, videos[1].end_sec) == (80.0, 120.0)
    assert videos[0].path == videos[1].path and videos[0].id[:-2] == videos[1].id[:-2] and videos[1].id.endswith("_1")


def test_the_real_rows_are_read_with_their_prefixed_keys(tmp_path):
    if not REAL_ROWS.is_file():
        pytest.skip("needs shared/data/annotations/activitynet beside the repository")
    source = ActivityNet200(annotations=REAL_ROWS)
    (tmp_path / "v_hDPLy21Yyuk.webm").write_bytes(b"")
    videos = source.videos(tmp_path, "test")
    assert [(video.id, video.label_name) for video in videos] == [
        ("bYUmtLBL7W4", "Wakeboarding"), ("hDPLy21Yyuk", "Cleaning shoes"),
    ]  # fmt: skip
    assert videos[0].path == tmp_path / "v_bYUmtLBL7W4.mp4" and videos[1].path.suffix == ".webm"
    assert source.videos(tmp_path, "train") == ()
    assert all(source.class_names(tmp_path)[video.label] == video.label_name for video in videos)
    instances = ActivityNet200(annotations=REAL_ROWS, trimmed=True).videos(tmp_path, "val")
    assert [(round(v.start_sec, 2), round(v.end_sec, 2)) for v in instances] == [
        (11.55, 57.07), (68.62, 126.04), (135.49, 201.31), (21.39, 76.16),
    ]  # fmt: skip
    assert len(source.class_names(tmp_path)) == 200  # the label list lies beside the rows


def test_files_are_found_anywhere_below_root_in_every_container(tmp_path):
    ids = ["aaaaaaaaaaa", "-bbbbbbbbbb", "cc_cc-ccccc", "ddddddddddd", "v_eeeeeeeee", "fffffffffff"]
    root = small(tmp_path, **{key: row("training", (0, 1, "a")) for key in ids})
    files = ["v_aaaaaaaaaaa.mp4", "train/v_-bbbbbbbbbb.mkv", "x/y/v_cc_cc-ccccc.webm", "v_v_eeeeeeeee.avi"]
    for file in [
        *files,
        "v_ddddddddddd/00001.jpg",
        "v_aaaaaaaaaaa.webm",
        "v_fffffffffff.txt",
        "v_fffffffffff",
    ]:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    found = {video.id: str(video.path.relative_to(root)) for video in ActivityNet200().videos(root, "train")}
    assert [found[key] for key in ids] == [*files[:3], "v_ddddddddddd", files[3], "v_fffffffffff.mp4"]
    report = count_report(ActivityNet200(), root, "train")
    assert (report.listed, report.present, report.official) == (6, 5, 10024)
    assert report.missing[0].id == "fffffffffff"


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([(0, 10, "a"), (20, 25, "b"), (30, 36, "b")], "b"),
        ([(0, 10, "a"), (20, 28, "b"), (20, 28, "b")], "a"),  # a repeated segment counts once
        ([(5, 6, "b"), (0, 6, "b"), (10, 17, "a")], "a"),  # so does an overlap
        ([(0, 5, "b"), (5, 10, "a")], "b"),  # equal: the first annotated
        ([(0, 0, "b")], "b"),
    ],
)
def test_the_label_is_the_one_that_covers_the_longest_time(segments, expected):
    assert dominant_label(tuple(Instance(*segment) for segment in segments)) == expected


def test_a_label_file_gives_the_label_order(tmp_path):
    root = small(tmp_path, aaaaaaaaaaa=row("training", (0, 1, "Tango")), bbbbbbbbbbb=row("validation", (0, 1, "BMX")))
    assert ActivityNet200().class_names(root) == ("BMX", "Tango")
    (root / "action_name.csv").write_bytes(b"action\r\nTango\r\nCumbia\r\nBMX\r\n")
    assert ActivityNet200().class_names(root) == ("Tango", "Cumbia", "BMX")
    assert ActivityNet200().videos(root, "val")[0].label == 2


@pytest.mark.parametrize(
    ("lines", "message"), [("Tango\n", r"missing: \['BMX'\]"), ("BMX\nTango\nBMX\n", r"repeated: \['BMX'\]")]
)
def test_a_label_file_that_does_not_fit_is_refused(tmp_path, lines, message):
    root = small(tmp_path, aaaaaaaaaaa=row("training", (0, 1, "Tango"), (1, 2, "BMX")))
    (root / "label_map.txt").write_text(lines)
    with pytest.raises(ValueError, match=message):
        ActivityNet200().class_names(root)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (row("train", (0, 1, "a")), "subset='train'; accepted: training, validation, testing"),
        (row("training"), "a training video without annotations"),
        ({"subset": "training"}, "expected a mapping with 'subset' and a list 'annotations'"),
        (row("training", (0, 1, "a"), (3, 2, "a")), r"annotation 1: segment=\[3, 2\]"),
        (row("training", (-1, 2, "a")), r"annotation 0: segment=\[-1, 2\]"),
        (row("training", (0, "2", "a")), r"annotation 0: segment=\[0, '2'\]"),
        (row("training", (0, 2, "")), "annotation 0: label=''"),
        ({"subset": "training", "annotations": [[0, 1]]}, r"annotation 0: \[0, 1\]; expected a mapping"),
        (
            {"subset": "training", "annotations": [{"segment": [1], "label": "a"}]},
            r"annotation 0: segment=\[1\]",
        ),
    ],
)
def test_a_malformed_entry_is_an_error_that_names_file_and_key(tmp_path, entry, message):
    root = small(tmp_path, aaaaaaaaaaa=row("training", (0, 1, "a")), bbbbbbbbbbb=entry)
    with pytest.raises(ValueError, match=f"activity_net.v1-3.min.json, 'bbbbbbbbbbb'.*{message}"):
        ActivityNet200().videos(root, "val")


def test_a_segment_without_length_is_kept(tmp_path):
    root = small(tmp_path, aaaaaaaaaaa=row("training", (0, 0, "a")))
    assert len(ActivityNet200().videos(root, "train")) == len(ActivityNet200(trimmed=True).videos(root, "train")) == 1


def test_a_video_listed_with_and_without_prefix_is_refused(tmp_path):
    root = small(tmp_path, aaaaaaaaaaa=row("training", (0, 1, "a")), v_aaaaaaaaaaa=row("training", (0, 1, "a")))
    with pytest.raises(ValueError, match="twice"):
        ActivityNet200().videos(root, "train")


@pytest.mark.parametrize(
    ("content", "message"), [("{", ", line 1: no json"), ("[]", "holds no mapping"), ("{}", "holds no mapping")]
)
def test_another_kind_of_file_is_refused(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match=f"x.json ?{message}"):
        ActivityNet200(annotations=tmp_path / "x.json").class_names(None)


def test_a_missing_json_is_an_error_that_says_where_was_looked(tmp_path):
    with pytest.raises(ValueError, match="activity_net.v1-3.min.json is looked for in .* none was found"):
        ActivityNet200().videos(tmp_path, "train")
    with pytest.raises(ValueError, match="is no file"):
        ActivityNet200(annotations=tmp_path / "no.json").videos(tmp_path, "train")


def test_flipping_keeps_every_label():
    assert ActivityNet200().mirror_labels == tuple(range(200))
