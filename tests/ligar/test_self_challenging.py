"""Self-challenging mutes what a literal loop mutes, and only the second pass is learnt from."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.heads.cosine import CosineHead
from lightning_modules.ligar.self_challenging import SelfChallenging, frozen_statistics, own_cosine_gradient

N, FEATURES, D, K = 6, 11, 5, 4
LABELS = torch.tensor([0, 3, 1, 1, 2, 0])


def head(dtype=torch.float64) -> CosineHead:
    torch.manual_seed(0)
    made = CosineHead(in_features=FEATURES, num_classes=K, embedding_dim=D)
    nn.init.uniform_(made.norm.weight, 0.5, 1.5)
    nn.init.normal_(made.norm.bias, std=0.3)
    return made.to(dtype)


def features(count: int = N, dtype=torch.float64) -> torch.Tensor:
    return torch.rand(count, FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def own_cosines(made: CosineHead, given: torch.Tensor) -> torch.Tensor:
    """Return each clip's cosine with its own centre by the formulas, with the statistics of this batch."""
    projected = given @ made.project.weight.t()
    mean, variance = projected.mean(0), ((projected - projected.mean(0)) ** 2).mean(0)
    embedded = (projected - mean) / (variance + 1e-5).sqrt() * made.norm.weight + made.norm.bias
    embedded = embedded / (embedded**2).sum(1, keepdim=True).sqrt()
    centres = made.centres.weight / (made.centres.weight**2).sum(0).sqrt()
    return (embedded @ centres)[range(len(given)), LABELS[: len(given)]]


def slow_quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def slow_muted(given: torch.Tensor, gradient: torch.Tensor, drop: float) -> torch.Tensor:
    rows = []
    for row, slopes in zip(given.tolist(), gradient.tolist(), strict=True):
        threshold = slow_quantile(slopes, 1 - drop)
        rows.append([0.0 if slope > threshold else x / (1 - drop) for x, slope in zip(row, slopes, strict=True)])
    return torch.tensor(rows, dtype=given.dtype)


def test_the_gradient_is_that_of_the_summed_own_cosines():
    made, given = head(), features()
    got, step = own_cosine_gradient(made, given, LABELS), 1e-6
    with torch.no_grad():
        for i in range(N):
            for j in range(FEATURES):
                moved = torch.zeros_like(given)
                moved[i, j] = step
                slope = (own_cosines(made, given + moved).sum() - own_cosines(made, given - moved).sum()) / (2 * step)
                assert got[i, j].item() == pytest.approx(slope.item(), abs=1e-7)


@pytest.mark.parametrize("drop", [0.33, 0.5, 0.1])
def test_muting_agrees_with_a_loop_over_clips_and_features(drop):
    given, gradient = features(), torch.randn(N, FEATURES, generator=torch.Generator().manual_seed(2)).double()
    muted = SelfChallenging(drop=drop).mute(given, gradient)
    torch.testing.assert_close(muted, slow_muted(given, gradient, drop))
    zeros = (muted == 0).sum(1)
    assert (zeros == FEATURES - 1 - math.floor((1 - drop) * (FEATURES - 1))).all()


def test_signed_gradients_decide_not_their_size():
    gradient = -torch.arange(1.0, 11.0)[None]
    assert (SelfChallenging(drop=0.33).mute(torch.ones(1, 10), gradient) == 0).tolist()[0] == [True] * 3 + [False] * 7


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_both_passes_agree_with_the_six_steps_by_hand(share):
    made, reference = head(), head()
    given = features()
    torch.manual_seed(5)
    embeddings, cosines = SelfChallenging(challenged_share=share)(made, given, LABELS)
    torch.manual_seed(5)
    coins = torch.rand(N) < share
    assert coins.any() and (share == 1 or not coins.all()), "the coins fall alike: this test shows nothing"
    probe = given.clone().requires_grad_(True)
    own_cosines(reference, probe).sum().backward()
    muted = slow_muted(given, probe.grad, 0.33)
    rows = torch.stack([muted[i] if coins[i] else given[i] for i in range(N)])
    projected = given @ reference.project.weight.t()
    mean, variance = 0.1 * projected.mean(0), 0.9 + 0.1 * projected.var(0)  # the first pass moved them by a tenth
    embedded = (rows @ reference.project.weight.t() - mean) / (variance + 1e-5).sqrt()
    embedded = F.normalize(embedded * reference.norm.weight + reference.norm.bias)
    torch.testing.assert_close(embeddings, embedded)
    torch.testing.assert_close(cosines, embedded @ F.normalize(reference.centres.weight, dim=0))
    torch.testing.assert_close(made.norm.running_mean, mean)
    torch.testing.assert_close(made.norm.running_var, variance)
    assert made.norm.num_batches_tracked == 1, "the second pass must leave the statistics alone"
    assert made.norm.training


class Recording(CosineHead):
    """A head that keeps what it embedded last."""

    def embed(self, features):
        self.seen = features.detach()
        return super().embed(features)


def test_a_fair_coin_decides_who_is_challenged():
    count, generator = 4000, torch.Generator().manual_seed(3)
    torch.manual_seed(0)
    made = Recording(in_features=FEATURES, num_classes=K, embedding_dim=D)
    many = torch.rand(count, FEATURES, generator=generator) + 0.1
    SelfChallenging()(made, many, torch.randint(K, (count,), generator=generator))
    challenged = (made.seen == 0).any(1)
    assert torch.equal(made.seen[~challenged], many[~challenged])
    assert 0.5 == pytest.approx(challenged.double().mean().item(), abs=4 * 0.5 / count**0.5)


def test_gradients_pass_to_the_backbone_through_the_second_pass_and_not_through_the_mask():
    made, frozen = head(), head()
    weight = torch.rand(FEATURES, FEATURES, dtype=torch.float64, requires_grad=True)
    given = features() @ weight
    torch.manual_seed(5)
    _, cosines = SelfChallenging(challenged_share=1.0)(made, given, LABELS)
    assert weight.grad is None and all(p.grad is None for p in made.parameters()), "the first pass left a gradient"
    (cosines**2).sum().backward()
    gradient = own_cosine_gradient(frozen, given, LABELS)
    mask = (SelfChallenging().mute(torch.ones_like(given), gradient)).detach()  # a constant
    again = weight.detach().clone().requires_grad_(True)
    with frozen_statistics(frozen):
        (frozen((features() @ again) * mask) ** 2).sum().backward()
    torch.testing.assert_close(weight.grad, again.grad)
    assert weight.grad.abs().max() > 0
    for ours, theirs in zip(made.parameters(), frozen.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_features_of_a_frozen_backbone_give_the_same_and_train_the_head():
    results = []
    for requires_grad in (False, True):
        made = head()
        torch.manual_seed(5)
        _, cosines = SelfChallenging()(made, features().requires_grad_(requires_grad), LABELS)
        cosines.sum().backward()
        results.append((cosines.detach(), made.project.weight.grad))
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])
    assert results[0][1].abs().max() > 0


def test_a_lone_clip_uses_the_running_statistics():
    made = head()
    before = copy.deepcopy(made.norm.state_dict())
    _, cosines = SelfChallenging(challenged_share=1.0)(made, features(1), LABELS[:1])
    assert torch.isfinite(cosines).all()
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.norm.state_dict().items())
    assert made.norm.training


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mixed_precision_mutes_the_same_features(dtype):
    made, single = head(torch.float32), head(torch.float32)
    given = features(dtype=torch.float32).to(dtype)
    expected = own_cosine_gradient(single, given.float(), LABELS)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(own_cosine_gradient(made, given, LABELS), expected)
        _, cosines = SelfChallenging()(made, given, LABELS)
    assert torch.isfinite(cosines).all()
    cosines.float().sum().backward()
    assert torch.isfinite(made.project.weight.grad).all()


def test_a_network_of_half_precision_weights_is_challenged_too():
    made = head(torch.bfloat16)
    embeddings, cosines = SelfChallenging(challenged_share=1.0)(made, features(dtype=torch.bfloat16), LABELS)
    assert embeddings.dtype == cosines.dtype == torch.bfloat16 and torch.isfinite(cosines).all()


def test_frozen_statistics_thaw_even_after_an_error_and_leave_evaluation_mode_alone():
    made = head()
    with pytest.raises(RuntimeError), frozen_statistics(made):
        assert not made.norm.training and made.training
        raise RuntimeError
    assert made.norm.training
    made.eval()
    with frozen_statistics(made):
        pass
    assert not made.norm.training


@pytest.mark.parametrize("share", ["drop", "challenged_share"])
@pytest.mark.parametrize("value", [0.0, -0.1, 1.1])
def test_shares_out_of_range_are_refused(share, value):
    with pytest.raises(ValueError, match=f"{share}={value}; accepted: above 0"):
        SelfChallenging(**{share: value})
