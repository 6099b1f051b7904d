"""mod-UCF101 regenerated from UCF-101's lists; equal to the challenge's own lists where those are present."""

from __future__ import annotations

import pytest

from datamodules.datasets.mod_ucf101 import (
    CHALLENGE_NAMES,
    ModUCF101,
    challenge_class_numbers,
    challenge_list,
    shared_groups,
    submission_lines,
)
from datamodules.datasets.ucf101 import UCF101
from datamodules.synthetic.stand_ins import STAND_INS

CLASSES = [f"Class{number:03d}" for number in range(101)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Write UCF-101's lists of split 1: 94 or 95 training clips per class, in groups of seven from g08 on."""
    folder = tmp_path_factory.mktemp("ucf") / "ucfTrainTestlist"
    folder.mkdir()
    train, test = [], []
    for index, name in enumerate(CLASSES):
        clips = [f"{name}/v_{name}_g{n // 7 + 8:02d}_c{n % 7 + 1:02d}.avi" for n in range(94 + (index < 43))]
        train += [f"{clip} {index + 1}" for clip in clips]
        test += [f"{name}/v_{name}_g{n // 7 + 1:02d}_c{n % 7 + 1:02d}.avi" for n in range(37 + (index < 46))]
    lists = {"classInd": [f"{n} {name}" for n, name in enumerate(CLASSES, start=1)], "trainlist01": train}
    for file, lines in (lists | {"testlist01": test}).items():
        (folder / f"{file}.txt").write_bytes("\r\n".join(lines).encode())
    return folder.parent


@pytest.mark.parametrize("subset", ["train", "val", "test"])
def test_the_regenerated_lists_are_the_challenges_own(real, tmp_path, check_source, subset):
    source = ModUCF101(annotations=real("ucf101"))
    videos = check_source(source, tmp_path, subset)
    assert len(videos) == source.official_counts[subset] == {"train": 4_795, "val": 4_742, "test": 3_783}[subset]
    path = real("vipriors2020_mod_ucf101") / f"mod-ucf101-{CHALLENGE_NAMES[subset]}.txt"
    assert list(challenge_list(videos, subset)) == path.read_text().split("\n")[: len(videos)]
    assert source.name in STAND_INS


def test_the_regenerated_class_numbers_are_the_challenges_own(real):
    rows = (real("vipriors2020_mod_ucf101") / "mod-ucf101-classInd.txt").read_text().splitlines()
    names = ModUCF101(annotations=real("ucf101")).class_names(None)
    assert [f"{number} {name}" for number, name in zip(challenge_class_numbers(), names, strict=True)] == rows


def test_73_real_groups_and_210_validation_clips_leak_and_no_test_clip_does(real, tmp_path):
    train, val, test = (
        ModUCF101(annotations=real("ucf101")).videos(tmp_path, part) for part in ("train", "val", "test")
    )
    shared = shared_groups(train, val)
    assert (len(shared), sum(shared.values())) == (73, 210)
    assert shared_groups(train + val, test) == {}


def test_each_class_is_cut_after_the_first_half_rounded_up(root, check_source):
    train, val = check_source(ModUCF101(), root), ModUCF101().videos(root, "val")
    assert [video.label for video in train] == sorted(video.label for video in train)
    for label in (0, 42, 43, 100):
        parts = [[video.id for video in part if video.label == label] for part in (train, val)]
        listed = [video.id for video in UCF101().videos(root, "train") if video.label == label]
        assert parts[0] + parts[1] == listed
        assert [len(part) for part in parts] == ([48, 47] if label < 43 else [47, 47])


def test_shared_groups_are_found_by_name(root):
    source = ModUCF101()
    shared = shared_groups(source.videos(root, "train"), source.videos(root, "val"))
    # the cut after 48 (47) clips goes through the seventh group of seven, of which 1 (2) clips remain for validation
    assert shared == {f"v_{name}_g14": 1 if index < 43 else 2 for index, name in enumerate(CLASSES)}


def test_training_with_validation_is_ucf101s_training_list(root):
    source = ModUCF101(train_with_val=True)
    videos = source.videos(root, "train")
    assert len(videos) == source.official_counts["train"] == 9_537
    assert {video.id for video in videos} == {video.id for video in UCF101().videos(root, "train")}
    assert source.videos(root, "val") == ModUCF101().videos(root, "val")


def test_class_numbers_are_a_permutation_of_1_to_101():
    assert sorted(challenge_class_numbers()) == list(range(1, 102))
    assert challenge_class_numbers()[:4] == (100, 1, 48, 38)


def test_a_challenge_list_needs_the_whole_subset(root):
    videos = ModUCF101().videos(root, "test")
    assert challenge_list(videos, "test")[0] == "video_test_0000001.avi"
    with pytest.raises(ValueError, match="3782 videos; the test list of the challenge has 3783"):
        challenge_list(videos[1:], "test")


def test_a_submission_names_clips_and_permuted_classes_best_first():
    rankings = [[0, 1, 2, 3, 100, 50]] + [[]] * 3_781 + [[2]]
    lines = submission_lines(rankings)
    numbers = challenge_class_numbers()
    assert lines[0] == f"video_test_0000001.avi 100 1 48 38 {numbers[100]}"  # five, in the challenge's numbers
    assert (lines[1], lines[-1]) == ("video_test_0000002.avi", "video_test_0003783.avi 48")
    with pytest.raises(ValueError, match="2 rankings; the challenge's test split has 3783 clips"):
        submission_lines([[0], [1]])
    with pytest.raises(ValueError, match=r"clip 3783 has the labels \[4, 4\]"):
        submission_lines([[0]] * 3_782 + [[4, 4]])


@pytest.mark.parametrize(
    ("file", "line", "text", "message"),
    [
        ("trainlist01.txt", 2, "Class000/v_x.avi", "line 2: .*expected 'Class/file.avi N'"),
        ("trainlist01.txt", 2, "Class000/v_x.avi 3", "line 2: .*gives Class000 the number 1"),
        ("trainlist01.txt", 2, "Nothing/v_x.avi 1", "line 2: .*is no class"),
        ("testlist01.txt", 5, "Class000/v_x.avi 1", "line 5: .*expected 'Class/file.avi'"),
        ("classInd.txt", 3, "4 Class002", "line 3: .*expected '3 ClassName'"),
    ],
)
def test_a_malformed_row_is_an_error_that_names_file_and_line(root, tmp_path, file, line, text, message):
    for path in (root / "ucfTrainTestlist").iterdir():
        lines = path.read_text().split("\n")
        if path.name == file:
            lines[line - 1] = text
        (tmp_path / path.name).write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"{file}, {message}"):
        ModUCF101(annotations=tmp_path).videos(tmp_path, "test" if file.startswith("test") else "train")
