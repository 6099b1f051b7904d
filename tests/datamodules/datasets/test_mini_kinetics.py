"""Mini-Kinetics-200: id lists joined with Kinetics-400's csv lists."""

from __future__ import annotations

from collections import Counter

import pytest

from datamodules.datasets.annotation_rows import csv_rows
from datamodules.datasets.kinetics import list_names
from datamodules.datasets.mini_kinetics import MiniKinetics200, join
from datamodules.synthetic.stand_ins import STAND_INS

LABELS = [f"doing {number:03d}" for number in range(400)]
HEADER = "label,youtube_id,time_start,time_end,split"


def youtube_id(split: str, number: int) -> str:
    return f"{split[:1]}-{number:08d}_"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Write both lists and Kinetics-400's, in which every second label is none of the 200 and has a clip or two."""
    folder = tmp_path_factory.mktemp("mini")
    for split, per_class in (("train", 400), ("val", 25)):
        numbers = [n for n in range(400 * per_class) if n % 2 or n < 800]
        rows = [f"{LABELS[n % 400]},{youtube_id(split, n)},{n % 60},{n % 60 + 10},{split}" for n in numbers]
        (folder / f"{split}.csv").write_text("\n".join([HEADER, *rows]))
        ids = [youtube_id(split, n) for n in reversed(numbers) if n % 2]
        (folder / f"{split}_ytid_list.txt").write_text("\r\n".join(ids))
    return folder


def test_the_join_gives_the_official_counts_in_the_lists_order(root, check_source):
    source = MiniKinetics200()
    train, val = source.videos(root, "train"), check_source(source, root, "val")
    assert (len(train), len(val)) == (80_000, 5_000) == tuple(source.official_counts[s] for s in ("train", "val"))
    assert source.class_names(root) == tuple(LABELS[1::2])
    assert Counter(video.label for video in train) == dict.fromkeys(range(200), 400)
    assert train[0].id == "t-00159999__000039_000049" and train[0].label_name == LABELS[399]
    assert source.videos(root, "test") == val
    assert source.name in STAND_INS


def test_the_real_validation_list_joins_to_200_classes_of_25(real, tmp_path):
    lists, kinetics = real("mini_kinetics200"), real("kinetics")
    for path in (lists / "val_ytid_list.txt", kinetics / "kinetics-400_val.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    videos = MiniKinetics200().videos(tmp_path, "val")
    assert Counter(Counter(video.label_name for video in videos).values()) == {25: 200}
    published = [
        f"{key}_{int(start):06d}_{int(end):06d} {label}"
        for _, (label, key, start, end) in csv_rows(
            lists / "kinetics_200_val.csv", ("label", "youtube_id", "time_start", "time_end")
        )
    ]
    assert sorted(f"{video.id} {video.label_name}" for video in videos) == sorted(published)


def test_the_real_lists_are_disjoint_and_of_the_official_lengths(real):
    ids = [(real("mini_kinetics200") / f"{split}_ytid_list.txt").read_text().split() for split in ("train", "val")]
    assert [len(set(part)) for part in ids] == [80_000, 5_000] and not set(ids[0]) & set(ids[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v-00000001_\nv-00000001\n", "line 2: 'v-00000001'; expected a YouTube id"),
        ("v-00000001_\n\nv-00000003_,1\n", "line 3: .*expected a YouTube id"),
        ("#NAME?\n", "line 1: .*expected a YouTube id"),
        ("v-00000001_\nv-00000003_\nv-00000001_\n", "line 3: v-00000001_ is already on line 1"),
        ("v-00000001_\nt-00000003_\n", r"line 2: t-00000003_ is not in .*val\.csv"),
    ],
)
def test_a_malformed_id_list_is_an_error_that_names_file_and_line(root, tmp_path, text, message):
    path = tmp_path / "val_ytid_list.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"val_ytid_list\.txt, {message}"):
        join(path, root / "val.csv", "val")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ids: ids[:-1], "lists 4999 videos; the official number is 5000"),
        (lambda ids: [*ids[:-1], youtube_id("val", 0)], "lists 201 classes; Mini-Kinetics-200 has 200"),
        (lambda ids: [*ids[:-1], youtube_id("val", 25 * 400 + 3)], r"'doing 001': 24, 'doing 003': 26.*expected 25"),
    ],
)
def test_lists_of_other_numbers_are_refused(root, tmp_path, change, message):
    ids = (root / "val_ytid_list.txt").read_text().split()
    extra = f"\n{LABELS[3]},{youtube_id('val', 25 * 400 + 3)},0,10,val"
    (tmp_path / "kinetics400").mkdir()
    (tmp_path / "kinetics400" / list_names(400, "val")[0]).write_text((root / "val.csv").read_text() + extra)
    (tmp_path / "val_ytid_list.txt").write_text("\n".join(change(ids)))
    with pytest.raises(ValueError, match=message):
        MiniKinetics200().class_names(tmp_path)
