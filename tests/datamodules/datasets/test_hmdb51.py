"""HMDB51 from its 153 original lists: real ones where present, and generated look-alikes."""

from __future__ import annotations

import pytest

from datamodules.datasets.hmdb51 import HMDB51, read_list
from datamodules.datasets.mirrored_names import mirror_by_name
from datamodules.datasets.source import count_report
from datamodules.synthetic.stand_ins import STAND_INS

CLASSES = [f"class_{number:02d}" for number in range(50)] + ["class_00_more"]


def rows_of(name: str, *, train: int = 70, test: int = 30, unused: int = 5) -> list[str]:
    """Return rows in the original form: a blank at the end, odd characters, the flags mixed."""
    flags = [1] * train + [2] * test + [0] * unused
    return [f"#{name} [x]!;&(+)_{n}.avi {flags[(7 * n) % len(flags)]} " for n in range(len(flags))]


def write_lists(folder, *, splits=(1,)):
    folder.mkdir(parents=True, exist_ok=True)
    for split in splits:
        for name in CLASSES:
            (folder / f"{name}_test_split{split}.txt").write_text("\n".join(rows_of(name, unused=2 * split)) + "\n")
    return folder


@pytest.mark.parametrize("split", [1, 2, 3])
def test_the_real_lists_give_the_official_counts(real, tmp_path, check_source, split):
    source = HMDB51(split=split, annotations=real("hmdb51"))
    videos = {subset: check_source(source, tmp_path, subset) for subset in ("train", "val", "test")}
    assert {subset: len(part) for subset, part in videos.items()} == source.official_counts
    assert source.official_counts == {"train": 3_570, "val": 1_530, "test": 1_530}
    assert not {v.id for v in videos["train"]} & {v.id for v in videos["test"]} and videos["val"] == videos["test"]
    unused = [file for path in source.lists(None).values() for file in read_list(path)[0]]
    assert len(unused) == 1_666
    assert mirror_by_name(source.class_names(None)) == source.mirror_labels


def test_the_real_label_order_is_that_of_mfnet(real):
    rows = (real("hmdb51") / "mfnet_mapping_table.txt").read_text().split("\n")
    assert HMDB51(annotations=real("hmdb51")).class_names(None) == tuple(row.split()[1] for row in rows if row)


@pytest.mark.parametrize("listed", ["train", "test"])
def test_the_real_clips_are_those_of_mfnets_list(real, tmp_path, listed):
    rows = [row.split("\t") for row in (real("hmdb51") / f"hmdb51_split1_{listed}.txt").read_text().splitlines()]
    videos = HMDB51(annotations=real("hmdb51")).videos(tmp_path, listed)
    found = {f"{video.label_name}/{video.path.name} {video.label}" for video in videos}
    assert found == {f"{path} {label}" for _, label, path in rows}


def test_generated_lists_give_the_official_counts_and_names_keep_their_characters(tmp_path, check_source):
    write_lists(tmp_path / "testTrainMulti_7030_splits", splits=(1, 2))
    videos = check_source(HMDB51(split=2), tmp_path)
    assert len(videos) == 3_570 and len(HMDB51(split=2).videos(tmp_path, "val")) == 1_530
    assert HMDB51(split=2).class_names(tmp_path) == tuple(sorted(CLASSES))
    assert videos[0].id == "#class_00 [x]!;&(+)_0" and videos[0].path.name == "#class_00 [x]!;&(+)_0.avi"
    assert HMDB51.name in STAND_INS
    with pytest.raises(ValueError, match=r"HMDB51: no list \*_test_split3\.txt is in"):
        HMDB51(split=3).class_names(tmp_path)


@pytest.mark.parametrize("place", ["hmdb51_org", "videos", "."])
def test_videos_and_frame_folders_are_found_in_each_layout(tmp_path, place):
    write_lists(tmp_path / "annotations")
    folder = tmp_path / place / "class_03"
    (folder / "#class_03 [x]!;&(+)_1").mkdir(parents=True)
    for name in ("#class_03 [x]!;&(+)_0.avi", "#class_03 [x]!;&(+)_2.mp4"):
        (folder / name).write_bytes(b"")
    reports = [count_report(HMDB51(), tmp_path, subset) for subset in ("train", "test")]
    assert sum(report.present for report in reports) == 3
    missing = HMDB51().videos(tmp_path, "train")[0].path
    assert missing == tmp_path / "hmdb51_org" / "class_00" / "#class_00 [x]!;&(+)_0.avi"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.avi", "line 3: 'a.avi'; expected 'name.avi F'"),
        ("a.avi 3", "line 3: .*with F 0, 1 or 2"),
        ("a.avi 1 2 x", "line 3: .*expected 'name.avi F'"),
        ("a 1", "line 3: .*expected 'name.avi F'"),
        ("1 a.avi", "line 3: .*expected 'name.avi F'"),
        ("class_00/a.avi 1", "line 3: 'class_00/a.avi' is a path"),
        (rows_of("class_00")[0], "line 3: .* is already on line 1"),
    ],
)
def test_a_malformed_row_is_an_error_that_names_file_and_line(tmp_path, row, message):
    path = write_lists(tmp_path) / "class_00_test_split1.txt"
    rows = rows_of("class_00")
    path.write_text("\n".join([*rows[:2], row, *rows[3:]]))
    with pytest.raises(ValueError, match=rf"class_00_test_split1\.txt, {message}"):
        HMDB51().videos(tmp_path, "train")


def test_other_numbers_of_clips_classes_and_splits_are_refused(tmp_path):
    write_lists(tmp_path)
    (tmp_path / "class_07_test_split1.txt").write_text("\n".join(rows_of("class_07", train=69)))
    with pytest.raises(ValueError, match=r"class_07_test_split1\.txt has 69 training and 30 test clips"):
        HMDB51().videos(tmp_path, "test")
    (tmp_path / "class_07_test_split1.txt").unlink()
    with pytest.raises(ValueError, match=r"holds 50 lists \*_test_split1\.txt; expected 51"):
        HMDB51().class_names(tmp_path)
    with pytest.raises(ValueError, match="split=4; accepted: 1, 2, 3"):
        HMDB51(split=4)
