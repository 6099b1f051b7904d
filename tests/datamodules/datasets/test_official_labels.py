"""Label orders and splits are compared with what the official annotation files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules.datasets.mod_ucf101 import ModUCF101, shared_groups
from datamodules.datasets.official_labels import OFFICIAL, names_hash, order_verdict
from datamodules.datasets.readers import readers
from datamodules.datasets.ucf101 import UCF101
from datamodules.survey import survey


def test_the_scenes_that_mod_ucf101_shares_are_a_note(tmp_path, real):
    source = ModUCF101(annotations=real("ucf101"))
    listed = {subset: source.videos(tmp_path, subset) for subset in ("train", "val")}
    shared = shared_groups(*listed.values())
    assert (len(shared), sum(shared.values())) == (73, 210)
    shared = shared_groups(*([video for video in videos if video.label < 10] for videos in listed.values()))
    for video in (*listed["train"], *listed["val"]):
        if video.label < 10:
            video.path.parent.mkdir(parents=True, exist_ok=True)
            video.path.write_bytes(video.id.encode())
    found = survey(source, tmp_path)
    (note,) = found.notes
    assert note.startswith(f"val: {sum(shared.values())} clips of {len(shared)} groups (one scene each)")
    assert not found.shared and found.labels == "101 classes in the official order"


@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_ucf_splits_share_no_scene(tmp_path, real, split):
    source = UCF101(split=split, annotations=real("ucf101"))
    groups = [{video.id.rpartition("_c")[0] for video in source.videos(tmp_path, s)} for s in ("train", "test")]
    assert not groups[0] & groups[1]


def test_the_order_of_labels_is_compared_with_the_official_one():
    jester = readers()["jester"].class_names(None)
    assert order_verdict("Jester", jester) == (True, "27 classes in the official order")
    swapped = (*jester[:4], jester[5], jester[4], *jester[6:])
    assert order_verdict("Jester", swapped)[0] is False and "ANOTHER ORDER" in order_verdict("Jester", swapped)[1]
    assert order_verdict("Jester", jester[:-1]) == (False, "26 classes; the official list has 27")
    assert order_verdict("Jester", (*jester[:-1], "x")) == (False, "27 classes, not all of the official names")
    assert order_verdict("folder", ("b", "a")) == (True, "2 classes; there is no official order")
    own = {"csv list", "folder"}
    assert {source.name for source in readers().values()} == OFFICIAL.keys() | own


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Jester", "jester/jester-v1-labels.csv"),
        ("Kinetics-400", "kinetics/label_map_k400.txt"),
        ("Kinetics-700", "kinetics/label_map_k700.txt"),
        ("Something-Something V1", "sthv1/mmaction2_label_map.txt"),
        ("Something-Something V2", "sthv2/mmaction2_label_map.txt"),
    ],
)
def test_the_real_label_files_are_in_the_official_order(real, name, file):
    path = real(Path(file).parts[0]).parent / file
    names = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    assert names_hash(names) in OFFICIAL[name].ordered and order_verdict(name, names)[0]
