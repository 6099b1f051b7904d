"""Kinetics from its official csv lists: the real validation list where present, and hand-written ones."""

from __future__ import annotations

import time

import pytest

from datamodules.datasets.annotation_rows import read_label_lines
from datamodules.datasets.kinetics import Kinetics, clips_on_disk, read_clips
from datamodules.datasets.mirrored_names import mirror_by_name
from datamodules.datasets.source import count_report
from datamodules.synthetic.stand_ins import STAND_INS

HEADER = "label,youtube_id,time_start,time_end,split,is_cc"
LABELS = [f"doing {number:03d} (it's)" for number in range(700)]


def youtube_id(number: int) -> str:
    return f"-{number:08d}_Z"[:11]


def write_lists(folder, *, num_classes=400, train=800, names=("train.csv", "val.csv")):
    """Write lists without is_cc, the labels in no particular order."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, split, first, count in ((names[0], "train", 0, train), (names[1], "val", 10**6, num_classes)):
        rows = [
            f"{LABELS[(11 * n) % num_classes]},{youtube_id(first + n)},{n % 90},{n % 90 + 10},{split}"
            for n in range(count)
        ]
        (folder / name).write_text("\n".join([HEADER.removesuffix(",is_cc"), *rows]) + "\n")
    return folder


def test_the_real_validation_list_gives_the_official_count_and_label_order(real, tmp_path, check_source):
    source = Kinetics(num_classes=400, annotations=real("kinetics"))
    videos = check_source(source, tmp_path, "val")
    assert len(videos) == source.official_counts["val"] == 19_906
    assert source.class_names(None) == read_label_lines(real("kinetics") / "label_map_k400.txt")
    assert sum(video.id.startswith("-") for video in videos) == 644
    assert {clip.end - clip.start for clip in read_clips(source.list_file(None, "val"), "val")} == {10}


@pytest.mark.parametrize("num_classes", [400, 700])
def test_no_real_label_is_told_apart_by_left_and_right(real, num_classes):
    names = read_label_lines(real("kinetics") / f"label_map_k{num_classes}.txt")
    assert len(names) == num_classes and list(names) == sorted(names)
    assert mirror_by_name(names) == Kinetics(num_classes=num_classes).mirror_labels


@pytest.mark.parametrize("num_classes", [400, 700])
@pytest.mark.parametrize(
    "names",
    [("train.csv", "val.csv"), ("train.csv", "validate.csv"), ("kinetics-{}_train.csv", "kinetics-{}_val.csv")],
)
def test_lists_are_found_under_their_published_names(tmp_path, num_classes, names, check_source):
    write_lists(tmp_path, num_classes=num_classes, names=[name.format(num_classes) for name in names])
    source = Kinetics(num_classes=num_classes)
    assert len(check_source(source, tmp_path)) == 800
    assert source.class_names(tmp_path) == tuple(sorted(LABELS[:num_classes]))
    assert source.videos(tmp_path, "test") == source.videos(tmp_path, "val")
    assert source.name in STAND_INS


CLIP = "-00000003_Z_000003_000013"  # row 3 of the training list, label 33


@pytest.mark.parametrize(
    "file",
    [
        f"{LABELS[33]}/{CLIP}.mp4",
        f"train/{LABELS[33].replace(' ', '_')}/{CLIP}.mkv",
        f"{CLIP}.mp4",
        f"videos/train/{CLIP}.webm",
        "videos/-00000003_Z_3_13.mp4",
        "train/label/-00000003_Z.mp4",
    ],
)
def test_files_are_found_under_every_naming_scheme(tmp_path, file):
    write_lists(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(b"")
    report = count_report(Kinetics(num_classes=400), tmp_path, "train")
    assert (report.listed, report.present, report.official) == (800, 1, 246_535)
    video = Kinetics(num_classes=400).videos(tmp_path, "train")[3]
    assert (video.path, video.id, video.label_name) == (tmp_path / file, CLIP, LABELS[33])


def test_frame_folders_are_found_and_files_win_and_missing_clips_keep_the_crawlers_path(tmp_path):
    write_lists(tmp_path)
    (tmp_path / "frames" / CLIP).mkdir(parents=True)
    (tmp_path / "frames" / CLIP / "img_00001.jpg").write_bytes(b"")
    videos = Kinetics(num_classes=400).videos(tmp_path, "train")
    assert videos[3].path == tmp_path / "frames" / CLIP
    assert videos[4].path == tmp_path / LABELS[44] / "-00000004_Z_000004_000014.mp4"
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / f"{CLIP}.mp4").write_bytes(b"")
    assert Kinetics(num_classes=400).videos(tmp_path, "train")[3].path == tmp_path / "late" / f"{CLIP}.mp4"


def test_a_label_of_eleven_letters_is_no_clip_and_nothing_is_sought_too_deep(tmp_path):
    clip = tmp_path / "air_drummin" / f"{CLIP}.mp4"
    deep = tmp_path / "a" / "b" / "c" / "d" / "-00000004_Z_000004_000014.mp4"
    for path in (clip, deep):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    assert clips_on_disk(tmp_path) == ({("-00000003_Z", 3, 13): str(clip)}, {})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("abseiling,0wR5jVB-WPk,417,427", "line 3: .* has 4 values; the header has 6"),
        ("abseiling,#NAME?,417,427,train,0", "line 3: youtube_id='#NAME\\?'; expected 11 letters"),
        ("abseiling,0wR5jVB-WPk,427,417,train,0", "line 3: start='427', end='417'; expected seconds"),
        ("abseiling,0wR5jVB-WPk,,427,train,0", "line 3: start='', end='427'"),
        ("abseiling,0wR5jVB-WPk,417,427,val,0", "line 3: split='val'; accepted in this list: train"),
        (",0wR5jVB-WPk,417,427,train,0", "line 3: label='' is none of"),
        ("skydiving,0wR5jVB-WPk,417,427,train,0", "line 3: label='skydiving' is none of the 1 labels"),
        ("abseiling,aaaaaaaaaaa,1,11,train,1", "line 3: clip aaaaaaaaaaa_000001_000011 is already on line 2"),
        ('abseiling,"0wR5jVB-WPk,417,427,train,0', "line 3: unexpected end of data"),
    ],
)
def test_a_malformed_row_is_an_error_that_names_file_and_line(tmp_path, row, message):
    path = tmp_path / "train.csv"
    path.write_text(f"{HEADER}\nabseiling,aaaaaaaaaaa,1,11,train,0\n{row}\n")
    with pytest.raises(ValueError, match=rf"train\.csv, {message}"):
        read_clips(path, "train", ["abseiling"])


def test_a_test_list_without_labels_is_refused(tmp_path):
    (tmp_path / "val.csv").write_text("youtube_id,time_start,time_end,split\n--6bJUbfpnQ,17,27,test\n")
    with pytest.raises(ValueError, match=r"val\.csv, line 1: the header is 'youtube_id,.*expected 'label,youtube_id"):
        Kinetics(num_classes=400).class_names(tmp_path)


def test_another_number_of_classes_is_refused(tmp_path):
    write_lists(tmp_path, num_classes=400)
    with pytest.raises(ValueError, match=r"val\.csv lists 400 classes; Kinetics-700 has 700"):
        Kinetics(num_classes=700).class_names(tmp_path)
    with pytest.raises(ValueError, match="num_classes=500; accepted: 400, 700"):
        Kinetics(num_classes=500)


def test_the_label_order_needs_the_validation_list_alone(tmp_path):
    write_lists(tmp_path)
    (tmp_path / "train.csv").unlink()
    assert len(Kinetics(num_classes=400).class_names(tmp_path)) == 400
    with pytest.raises(ValueError, match=r"Kinetics-400: the annotation file is none of .*kinetics-400_train\.csv"):
        Kinetics(num_classes=400).videos(tmp_path, "train")


def test_fifty_thousand_rows_take_no_more_than_a_few_seconds(tmp_path):
    write_lists(tmp_path, num_classes=700, train=50_000)
    start = time.process_time()
    assert len(Kinetics(num_classes=700).videos(tmp_path, "train")) == 50_000
    assert time.process_time() - start < 5
