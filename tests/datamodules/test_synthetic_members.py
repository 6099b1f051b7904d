"""The benchmark's members: classes, labels, partitions, fingerprints."""

import dataclasses
import itertools
from collections import Counter

import pytest

from datamodules.synthetic.classes import combination, max_classes, num_motions, other_combinations
from datamodules.synthetic.members import Member, Nuisances, member_fingerprint, read_manifest
from datamodules.synthetic.motion import SCENE_MOTIONS, SOURCE_MOTIONS
from datamodules.synthetic.stand_ins import STAND_INS, stand_in

REAL_DATA_SETS = (
    "UCF-101", "HMDB51", "Kinetics-400", "Kinetics-700", "Mini-Kinetics-200", "YouTube-8M Segments", "ActivityNet-200",
    "Jester", "Something-Something V1", "Something-Something V2", "EgoGesture", "mod-UCF101",
    "ImageNet",
)  # fmt: skip


def small(**changes) -> Member:
    values = dict(name="small", kind="scenes", seed=1, num_classes=6, num_train=31, num_val=20, size=32)
    return Member(**{**values, **changes})


def test_every_real_data_set_has_its_own_member():
    assert set(STAND_INS) == set(REAL_DATA_SETS)
    for partition in (1, 2, 3):
        assert stand_in("UCF-101", partition).partition == partition
    assert len({member_fingerprint(member) for member in STAND_INS.values()}) == len(STAND_INS)
    assert len({member.name for member in STAND_INS.values()}) == len(STAND_INS)
    assert all(real in member.name for real, member in STAND_INS.items())


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="UCF-102.*accepted: UCF-101"):
        stand_in("UCF-102")


ALL_MEMBERS = [*STAND_INS.values(), *(member.tiny() for member in STAND_INS.values()), small()]


@pytest.mark.parametrize("member", ALL_MEMBERS, ids=lambda member: member.name)
def test_labels_are_balanced_and_train_and_val_are_disjoint(member):
    for partition in (1, 2, 3):
        part = dataclasses.replace(member, partition=partition)
        train, val = part.numbers("train"), part.numbers("val")
        assert (len(train), len(val)) == (member.num_train, member.num_val)
        assert set(train) | set(val) == set(range(member.num_videos))
        assert part.numbers("test") == val
        for numbers in (train, val):
            counts = Counter(map(member.label, numbers))
            assert len(counts) == member.num_classes
            assert max(counts.values()) - min(counts.values()) <= 1


def test_partitions_divide_one_pool_differently():
    member = stand_in("UCF-101")
    vals = [set(dataclasses.replace(member, partition=p).numbers("val")) for p in (1, 2, 3)]
    expected = member.num_val**2 / member.num_videos  # overlap of two independent draws
    for a, b in itertools.combinations(vals, 2):
        assert abs(len(a & b) - expected) < 60
    assert len({member_fingerprint(dataclasses.replace(member, partition=p)) for p in (1, 2, 3)}) == 1


def test_fingerprint_follows_what_shapes_the_videos_and_nothing_else():
    member = small()
    assert member_fingerprint(dataclasses.replace(member, name="other")) == member_fingerprint(member)
    for change in (
        {"seed": 2}, {"num_val": 21}, {"size": 34}, {"frames": (33, 36)}, {"difficulty": 1.1}, {"num_classes": 5},
        {"nuisances": Nuisances(noise=0.04)}, {"kind": "source"}, {"other_motion": 0.4},
        {"action_fraction": (0.1, 0.4)},
    ):  # fmt: skip
        assert member_fingerprint(dataclasses.replace(member, **change)) != member_fingerprint(member), change


@pytest.mark.parametrize("kind", ["scenes", "source", "untrimmed"])
def test_no_two_classes_coincide_and_neither_appearance_nor_motion_alone_tells_the_class(kind):
    for num_classes in range(2, max_classes(kind) + 1):
        pairs = [combination(label, kind, num_classes) for label in range(num_classes)]
        assert len(set(pairs)) == num_classes
        assert all(motion < num_motions(kind, num_classes) for _, motion in pairs)
        if num_classes % 2 == 0 and num_classes >= 4:
            assert min(Counter(appearance for appearance, _ in pairs).values()) >= 2 or num_classes > 48
            assert min(Counter(motion for _, motion in pairs).values()) >= 2


@pytest.mark.parametrize("kind", ["scenes", "gestures", "untrimmed", "source"])
def test_class_names_are_unique(kind):
    for num_classes in range(2, max_classes(kind) + 1, 2):
        names = small(kind=kind, num_classes=num_classes, num_train=300, num_val=300).class_names()
        assert len(set(names)) == len(names) == num_classes


def test_source_moves_otherwise_than_its_targets():
    assert not {m.__name__ for m in SOURCE_MOTIONS} & {m.__name__ for m in SCENE_MOTIONS}


def test_other_actions_of_untrimmed_videos_belong_to_no_class():
    for num_classes in range(2, max_classes("untrimmed") + 1):
        taken = {combination(label, "untrimmed", num_classes) for label in range(num_classes)}
        assert other_combinations(num_classes) and not taken & set(other_combinations(num_classes))


def test_mirroring_exchanges_only_sideways_gestures():
    member = stand_in("Jester")
    names = member.class_names()
    swapped = {names[a]: names[b] for a, b in enumerate(member.mirror_labels) if a != b}
    assert swapped["swipe_right"] == "swipe_left" and swapped["turn_counterclockwise"] == "turn_clockwise"
    assert "swipe_up" not in swapped and "open" not in swapped
    assert [member.mirror_labels[i] for i in member.mirror_labels] == list(range(16))  # twice is nothing
    assert stand_in("UCF-101").mirror_labels == tuple(range(12))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "scene"}, "accepted: scenes, gestures"),
        ({"kind": "gestures", "num_classes": 5}, "pairs"),
        ({"kind": "gestures", "num_classes": 30}, "2 to 28"),
        ({"size": 33}, "even"),
        ({"partition": 4}, "1, 2, 3"),
        ({"frames": (40, 32)}, "shortest"),
        ({"num_val": 3}, "at least num_classes=6"),
        ({"action_fraction": (0.0, 0.4)}, "lowest"),
        ({"difficulty": -1.0}, "difficulty >= 0"),
    ],
)
def test_impossible_members_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        small(**change)


def test_videos_without_their_folder_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got none"):
        read_manifest(None, small())
    with pytest.raises(ValueError, match="holds no manifest.json.*prepare"):
        small().videos(tmp_path / "partition1", "train")
    with pytest.raises(ValueError, match="'valid'; accepted: train, val, test"):
        small().numbers("valid")
