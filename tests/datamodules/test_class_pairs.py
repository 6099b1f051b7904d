from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from datamodules.class_pairs import ClassPairSampler

LABELS = [label for label in range(5) for _ in range(4 + 2 * label)]  # 4, 6, 8, 10, 12 videos


def batches(sampler: ClassPairSampler) -> list[list[int]]:
    positions = [position for _, position in sampler]
    return [positions[i : i + sampler.batch_size] for i in range(0, len(positions), sampler.batch_size)]


def test_every_batch_holds_two_videos_of_each_of_its_classes_and_no_video_comes_twice():
    sampler = ClassPairSampler(LABELS, batch_size=6, seed=0)
    found = batches(sampler)
    assert len(found) == sampler.num_batches == len(sampler) // 6
    for batch in found:
        assert sorted(Counter(LABELS[p] for p in batch).values()) == [2, 2, 2]
    seen = [p for batch in found for p in batch]
    assert len(set(seen)) == len(seen)


def test_nearly_all_videos_are_seen_however_uneven_the_classes():
    sampler = ClassPairSampler(LABELS, batch_size=4, seed=0)
    assert len(sampler) >= len(LABELS) - 4
    even = ClassPairSampler([label for label in range(12) for _ in range(40)], batch_size=16, seed=0)
    assert len(even) == 480


def test_epochs_and_seeds_differ_and_repeat():
    def order(seed: int, epoch: int) -> list[tuple[int, int]]:
        sampler = ClassPairSampler(LABELS, batch_size=4, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 1) == order(0, 1)
    assert {epoch for epoch, _ in order(0, 7)} == {7}
    assert len({tuple(p for _, p in order(*key)) for key in ((0, 0), (0, 1), (1, 0))}) == 3


def test_pairs_change_from_epoch_to_epoch():
    sampler, partners = ClassPairSampler([0] * 6 + [1] * 6, batch_size=4, seed=0), set()
    for epoch in range(8):
        sampler.set_epoch(epoch)
        for batch in batches(sampler):
            partners |= {tuple(sorted(batch[i : i + 2])) for i in (0, 2)}
    assert len(partners) > 12


def test_processes_together_yield_each_batch_that_one_would():
    whole = batches(ClassPairSampler(LABELS, batch_size=8, seed=3))
    parts = [batches(ClassPairSampler(LABELS, batch_size=4, seed=3, rank=r, world_size=2)) for r in range(2)]
    assert [first + second for first, second in zip(*parts, strict=True)] == whole and len(whole) > 2


@pytest.mark.parametrize("seed", range(5))
def test_the_number_of_batches_does_not_depend_on_chance(seed):
    labels = np.random.default_rng(seed).integers(0, 7, 60).tolist() + list(range(7)) * 2
    sampler = ClassPairSampler(labels, batch_size=8, seed=seed)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert len(list(sampler)) == len(sampler)


def test_sets_that_give_no_pairs_are_refused():
    for labels, batch_size, message in (
        ([0, 0, 1, 1], 3, "batch_size=3"),
        ([0, 0, 1], 4, r"class\(es\) \[1\] have a single training video"),
        ([0, 0, 1, 1], 6, "needs 3 classes"),
    ):
        with pytest.raises(ValueError, match=message):
            ClassPairSampler(labels, batch_size=batch_size, seed=0)
    with pytest.raises(ValueError, match=r"batch_size=2 of each of 3 process\(es\) needs 3 classes.*there are 2"):
        ClassPairSampler([0, 0, 1, 1], batch_size=2, seed=0, world_size=3)
    assert len(list(ClassPairSampler([0, 0, 1, 1], batch_size=2, seed=0, world_size=2))) == 2
