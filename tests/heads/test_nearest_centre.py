from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_modules.heads.nearest_centre import UNKNOWN, NearestCentre, class_sums, weights_fingerprint


def filled(num_classes: int = 3, dim: int = 4, seed: int = 0) -> NearestCentre:
    torch.manual_seed(seed)
    head = NearestCentre(code_dim=dim, num_classes=num_classes)
    head.fill(torch.randn(num_classes, dim), torch.ones(num_classes, dtype=torch.int64), fingerprint=7)
    return head


def test_a_centre_is_the_mean_of_its_classes_codes():
    torch.manual_seed(0)
    codes, labels = torch.randn(7, 4), torch.tensor([2, 0, 2, 1, 1, 2, 0])
    head = NearestCentre(code_dim=4, num_classes=3)
    head.fill(*class_sums(codes, labels, 3), fingerprint=7)
    for label in range(3):
        own = [codes[i].double() for i in range(7) if labels[i] == label]
        torch.testing.assert_close(head.centres[label].double(), sum(own) / len(own), rtol=1e-5, atol=1e-6)
    assert head.counts.tolist() == [2, 2, 3]


def test_scores_are_minus_squared_distances_also_far_from_the_origin():
    head = filled()
    head.centres += 1000
    codes = torch.randn(5, 4) + 1000
    for i in range(5):
        for k in range(3):
            distance = sum((codes[i, d].double() - head.centres[k, d].double()) ** 2 for d in range(4))
            assert head(codes)[i, k].item() == pytest.approx(-distance.item(), rel=1e-4)


def test_the_mean_over_views_ranks_as_the_distance_of_the_mean_code():
    head, views = filled(num_classes=6), torch.randn(20, 3, 4)
    by_scores = head(views.flatten(0, 1)).unflatten(0, (20, 3)).mean(1)
    by_codes = head(views.mean(1))
    assert torch.equal(by_scores.argsort(1), by_codes.argsort(1))


def test_a_class_without_codes_is_never_predicted_but_an_empty_repository_scores():
    head = NearestCentre(code_dim=2, num_classes=3)
    assert torch.isfinite(head(torch.randn(4, 2))).all()
    counts = torch.tensor([1, 0, 2])
    head.fill(torch.zeros(3, 2), counts, fingerprint=7, partial=True)
    assert torch.isinf(head(torch.zeros(1, 2))[0]).tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"no code of class\(es\) \[1\]"):
        head.fill(torch.zeros(3, 2), counts, fingerprint=7)
    with pytest.raises(ValueError, match="no code"):
        head.fill(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), fingerprint=7, partial=True)
    with pytest.raises(ValueError, match="overflow"):
        head.fill(torch.full((3, 2), torch.inf), torch.ones(3, dtype=torch.int64), fingerprint=7)


def test_centres_follow_the_codes_of_a_step():
    head = NearestCentre(code_dim=2, num_classes=3, momentum=0.75)
    start = head.centres.clone()
    head.follow(torch.tensor([[1.0, 3.0], [3.0, 5.0]]), torch.tensor([1, 1]))
    assert head.centres[1].tolist() == [2.0, 4.0] and torch.equal(head.centres[0], start[0])
    head.follow(torch.tensor([[6.0, 0.0]]), torch.tensor([1]))
    assert head.centres[1].tolist() == [0.75 * 2 + 0.25 * 6, 0.75 * 4] and head.counts.tolist() == [0, 3, 0]


def test_what_is_farther_than_gamma_is_unknown():
    head = filled()
    head.centres.copy_(torch.tensor([[0.0, 0, 0, 0], [10, 0, 0, 0], [0, 10, 0, 0]]))
    codes = torch.tensor([[1.0, 0, 0, 0], [9, 0, 0, 0], [5, 5, 0, 0]])
    assert head.judge(codes)[:2].tolist() == [0, 1]  # gamma is infinite at first
    head.threshold.fill_(2.0)
    assert head.judge(codes).tolist() == [0, 1, UNKNOWN]
    head.threshold.fill_(1.0)  # "only if d < gamma"
    assert head.judge(codes).tolist() == [UNKNOWN] * 3


def test_a_class_joins_without_changing_the_others():
    head, new = filled(), torch.randn(5, 4) + 9
    grown = head.with_class(new)
    codes = torch.randn(6, 4)
    torch.testing.assert_close(grown(codes)[:, :3], head(codes))
    torch.testing.assert_close(grown.centres[3], new.mean(0))
    assert grown.counts.tolist() == [1, 1, 1, 5] and grown(new).argmax(1).eq(3).all()
    grown.check(7)
    for wrong in (new[:0], new * torch.inf):
        with pytest.raises(ValueError, match="codes for the new class"):
            head.with_class(wrong)


def test_a_repository_of_another_network_or_none_is_refused():
    with pytest.raises(ValueError, match="is empty"):
        NearestCentre(code_dim=2, num_classes=3).check(7)
    filled().check(7)
    with pytest.raises(ValueError, match="filled by another network"):
        filled().check(8)


def test_the_fingerprint_sees_weights_and_statistics_but_no_counters():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    first = weights_fingerprint(network)
    network[1].num_batches_tracked += 1
    assert weights_fingerprint(network) == first > 0
    network[1].running_mean += 1
    second = weights_fingerprint(network)
    with torch.no_grad():
        network[0].weight[0, 0] += 1e-6
    assert len({first, second, weights_fingerprint(network)}) == 3
