"""Joint heads are single heads side by side that share nothing."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.heads.cosine import CosineHead
from lightning_modules.heads.joint import JointCosineHead

SIZES = (3, 1, 4)


def joint(training: bool = True) -> JointCosineHead:
    torch.manual_seed(0)
    return JointCosineHead(in_features=6, head_sizes=SIZES, embedding_dim=5).double().train(training)


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(7, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("training", [True, False])
def test_scores_and_embeddings_are_those_of_the_single_heads_side_by_side(features, training):
    head = joint(training)
    expected = [[], []]
    for one in joint(training).heads:
        projected = features @ one.project.weight.t()
        if training:
            projected = (projected - projected.mean(0)) / (projected.var(0, unbiased=False) + 1e-5).sqrt()
        else:
            projected = projected / (1 + 1e-5) ** 0.5
        embedding = F.normalize(projected)
        expected[0].append(embedding)
        expected[1].append(embedding @ F.normalize(one.centres.weight, dim=0))
    embeddings = head.embed(features)
    assert embeddings.shape == (7, 3, 5)
    torch.testing.assert_close(embeddings, torch.stack(expected[0], 1))
    torch.testing.assert_close(head.centres(embeddings), torch.cat(expected[1], 1))
    torch.testing.assert_close(head(features), torch.cat(expected[1], 1))


def test_the_heads_are_drawn_one_after_another_like_single_heads():
    head = joint()
    torch.manual_seed(0)
    for size, one in zip(SIZES, head.heads, strict=True):
        single = CosineHead(in_features=6, num_classes=size, embedding_dim=5).double()
        assert all(torch.equal(a, b) for a, b in zip(single.parameters(), one.parameters(), strict=True))


def test_offsets_say_where_each_set_begins():
    assert joint().offsets == (0, 3, 4, 8)


def test_a_cosine_moves_the_parameters_of_its_own_head_alone(features):
    head = joint()
    head(features)[:, 3].sum().backward()
    for index, one in enumerate(head.heads):
        assert all(p.grad is None or not p.grad.any() for p in one.parameters()) == (index != 1)


@pytest.mark.parametrize("sizes", [(), (3, 0), (-1,)])
def test_a_set_without_classes_is_refused(sizes):
    with pytest.raises(ValueError, match="head_sizes=.*1 or more"):
        JointCosineHead(in_features=6, head_sizes=sizes)
