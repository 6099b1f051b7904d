"""AM-Softmax, Local-Push, Center-Push and clip consistency give the authors' values, and those of slow loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from lightning_modules.ligar.losses import CenterPush, ClipConsistency, LocalPush
from lightning_modules.losses.am_softmax import AMSoftmax, PolynomialScale, mean_of_positives

# Closed-form input of the authors' measured values.
COSINES = 0.9 * torch.tensor([[math.sin(7 * i + 3 * j + 1) for j in range(5)] for i in range(4)], dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 3])
EMBEDDINGS = F.normalize(
    torch.tensor([[math.sin(1.3 * i + 0.7 * k) + 0.3 for k in range(6)] for i in range(4)], dtype=torch.float64)
)
MEASURED = {
    30: (
        (5.5245870, 64.9831432, 13.7327064, 35.6951879),
        (-0.0034811, -0.0744494, -0.0139127, -0.0006363),
        29.9607863,
    ),
    5: (
        (1.4790379, 11.7008020, 2.5920398, 6.3242978),
        (-0.0748953, -0.0924305, -0.0825476, -0.0785648),
        5.4419348,
    ),
}


def random_case(seed: int, clips: int = 7, classes: int = 4, dim: int = 5):
    generator = torch.Generator().manual_seed(seed)
    embeddings = F.normalize(torch.randn(clips, dim, generator=generator, dtype=torch.float64))
    centres = F.normalize(torch.randn(classes, dim, generator=generator, dtype=torch.float64))
    labels = torch.randint(classes, (clips,), generator=generator)
    return embeddings, centres, embeddings @ centres.t(), labels


def slow_am_softmax(cosines, labels, scale, margin, penalty) -> float:
    kept = []
    for row, label in zip(cosines.tolist(), labels.tolist(), strict=True):
        exponents = [scale * (c - (margin if j == label else 0)) for j, c in enumerate(row)]
        largest = max(exponents)
        value = largest + math.log(sum(math.exp(e - largest) for e in exponents)) - exponents[label]
        top = max(row)
        weights = [math.exp(scale * (c - top)) for c in row]
        probs = [w / sum(weights) for w in weights]
        value -= penalty * -sum(p * math.log(p) for p in probs if p > 0)
        if value > 0:
            kept.append(value)
    return sum(kept) / len(kept) if kept else 0.0


def slow_local_push(embeddings, cosines, labels, margin) -> float:
    total = 0.0
    for i in range(len(labels)):
        worst = 0.0
        for j in range(len(labels)):
            if labels[i] != labels[j]:
                threshold = max(float(cosines[i, labels[i]]), margin) - margin
                worst = max(worst, float((embeddings[i] * embeddings[j]).sum()) - threshold)
        total += worst
    return total / len(labels)


def slow_center_push(centres, margin) -> float:
    excess = []
    for a in range(len(centres)):
        for b in range(a + 1, len(centres)):
            similarity = float((centres[a] * centres[b]).sum())
            if similarity > margin:
                excess.append(similarity - margin)
    return sum(excess) / len(excess) if excess else 0.0


@pytest.mark.parametrize("scale", [30, 5])
def test_am_softmax_is_the_authors(scale):
    cross_entropy, penalty, mean = MEASURED[scale]
    without = AMSoftmax(confidence_penalty=0.0).per_clip(COSINES, LABELS, scale)
    with_penalty = AMSoftmax().per_clip(COSINES, LABELS, scale)
    expected = torch.tensor([cross_entropy, penalty], dtype=torch.float64)
    torch.testing.assert_close(without, expected[0], atol=1e-7, rtol=0)
    torch.testing.assert_close(with_penalty - without, expected[1], atol=1e-7, rtol=0)
    assert AMSoftmax()(COSINES, LABELS, scale).item() == pytest.approx(mean, abs=1e-7)


def test_pushes_are_the_authors():
    assert LocalPush()(EMBEDDINGS, COSINES, LABELS).item() == pytest.approx(0.1267116, abs=1e-7)
    assert CenterPush()(EMBEDDINGS).item() == pytest.approx(0.3422367, abs=1e-6)


def test_scale_schedule_is_the_authors():
    schedule = PolynomialScale()
    expected = {
        0: 30,
        1: 29.968449,
        500: 21.558656,
        1000: 16.183071,
        2000: 9.409410,
        3000: 6.008204,
        4000: 5,
        9000: 5,
    }
    for step, value in expected.items():
        assert schedule(step / 4000) == pytest.approx(value, abs=1e-6)


def test_scale_falls_without_a_jump_to_a_flat_end():
    schedule = PolynomialScale()
    values = [schedule(step / 1000) for step in range(1001)]
    assert all(a > b for a, b in zip(values[:-1], values[1:], strict=True))
    assert values[-2] - values[-1] < 1e-4


@pytest.mark.parametrize("seed", range(5))
def test_losses_agree_with_slow_loops(seed):
    embeddings, centres, cosines, labels = random_case(seed)
    for scale in (1.0, 5.0, 30.0):
        loss = AMSoftmax()(cosines, labels, scale).item()
        assert loss == pytest.approx(slow_am_softmax(cosines, labels, scale, 0.35, 0.085), abs=1e-10)
    expected = slow_local_push(embeddings, cosines, labels, 0.1)
    assert LocalPush()(embeddings, cosines, labels).item() == pytest.approx(expected, abs=1e-12)
    assert CenterPush()(centres).item() == pytest.approx(slow_center_push(centres, 0.1), abs=1e-12)


def test_gradients_are_those_of_finite_differences():
    embeddings, centres, cosines, labels = random_case(1)
    for tensor in (embeddings, centres, cosines):
        tensor.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda c: AMSoftmax()(c, labels, 5.0), (cosines,))
    assert torch.autograd.gradcheck(lambda e: LocalPush()(e, cosines, labels), (embeddings,))
    assert torch.autograd.gradcheck(lambda c: CenterPush()(c), (centres,))


def test_losses_ignore_the_order_of_clips_and_centres():
    embeddings, centres, cosines, labels = random_case(2)
    order, shuffled = torch.randperm(7), torch.randperm(4)
    torch.testing.assert_close(AMSoftmax()(cosines[order], labels[order], 10.0), AMSoftmax()(cosines, labels, 10.0))
    torch.testing.assert_close(
        LocalPush()(embeddings[order], cosines[order], labels[order]),
        LocalPush()(embeddings, cosines, labels),
    )
    torch.testing.assert_close(CenterPush()(centres[shuffled]), CenterPush()(centres))


def test_losses_ignore_a_rotation_of_the_sphere():
    embeddings, centres, cosines, labels = random_case(3)
    rotation = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    torch.testing.assert_close(
        LocalPush()(embeddings @ rotation, cosines, labels), LocalPush()(embeddings, cosines, labels)
    )
    torch.testing.assert_close(CenterPush()(centres @ rotation), CenterPush()(centres))


def test_clips_whose_value_is_not_positive_are_left_out_of_mean_and_gradient():
    cosines = torch.tensor([[1.0, -1.0, -1.0], [0.5, 0.45, 0.4]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0])
    loss_function = AMSoftmax(margin=0.0, confidence_penalty=1.0)
    values = loss_function.per_clip(cosines, labels, 2.0)
    assert values[0] < 0 or values[1] < 0
    kept = values > 0
    loss = loss_function(cosines, labels, 2.0)
    loss.backward()
    assert loss.item() == pytest.approx(values[kept].mean().item() if kept.any() else 0.0)
    assert cosines.grad[~kept].abs().max() == 0


def test_mean_of_positives_is_zero_with_zero_gradient_where_none_is_positive():
    values = torch.tensor([-1.0, 0.0], requires_grad=True)
    loss = mean_of_positives(values)
    loss.backward()
    assert loss.item() == 0
    assert values.grad.tolist() == [0, 0]


def test_losses_do_not_hide_what_is_not_a_number():
    cosines = COSINES.clone()
    cosines[1, 2] = float("nan")
    assert AMSoftmax()(cosines, LABELS, 5.0).isnan()
    assert mean_of_positives(torch.tensor([float("nan"), 1.0])).isnan()


def test_local_push_is_zero_within_one_class_and_its_threshold_has_no_gradient():
    embeddings, _, cosines, labels = random_case(4)
    assert LocalPush()(embeddings, cosines, torch.zeros_like(labels)).item() == 0
    cosines.requires_grad_(True)
    embeddings.requires_grad_(True)
    LocalPush()(embeddings, cosines, labels).backward()
    assert cosines.grad is None
    assert embeddings.grad.abs().max() > 0


def test_center_push_is_zero_for_centres_at_right_angles():
    assert CenterPush()(torch.eye(4)).item() == 0
    assert CenterPush()(torch.eye(1)).item() == 0


# -- consistency of a video's clips ---------------------------------------------------------------------------


def slow_consistency(cosines, labels, num_views, scale, weight) -> float:
    values = []
    for first in range(0, len(labels), num_views):
        rows = range(first, first + num_views)
        if len({int(labels[i]) for i in rows}) > 1:
            continue
        probs = []
        for i in rows:
            exponentials = [math.exp(scale * float(c)) for c in cosines[i]]
            probs.append([e / sum(exponentials) for e in exponentials])
        mean = [sum(column) / num_views for column in zip(*probs, strict=True)]
        values += [-sum(q * math.log(p) for q, p in zip(mean, row, strict=True)) for row in probs]
    return weight * sum(values) / len(values) if values else 0.0


@pytest.mark.parametrize(("labels", "expected"), [((0, 0, 3, 3), 0.1648472), ((0, 0, 2, 3), 0.2065202)])
def test_consistency_is_the_authors_and_groups_of_different_labels_do_not_count(labels, expected):
    loss = ClipConsistency()(COSINES, torch.tensor(labels), 2, class_scale=99.0)
    assert loss.item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("num_views", [2, 3])
@pytest.mark.parametrize("scale", [None, 10.0])
def test_consistency_agrees_with_a_slow_loop(num_views, scale):
    _, _, cosines, labels = random_case(7, clips=12)
    labels = labels.view(-1, num_views)[:, :1].expand(-1, num_views).clone()
    labels[1, 0] += 1
    loss = ClipConsistency(scale=scale, weight=0.7)(cosines, labels.flatten(), num_views, class_scale=4.0)
    expected = slow_consistency(cosines, labels.flatten(), num_views, scale or 4.0, 0.7)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


def test_consistency_of_equal_clips_is_the_entropy_with_no_pull():
    cosines = COSINES[:1].repeat(2, 1).requires_grad_(True)
    loss = ClipConsistency(weight=1.0)(cosines, torch.tensor([1, 1]), 2, 30.0)
    loss.backward()
    probs = (10 * COSINES[0]).softmax(0)
    assert loss.item() == pytest.approx(-(probs * probs.log()).sum().item(), abs=1e-12)
    assert cosines.grad.abs().max() < 1e-12


def test_the_target_of_consistency_has_no_gradient():
    labels = torch.tensor([0, 0, 3, 3])
    cosines = COSINES.clone().requires_grad_(True)
    ClipConsistency()(cosines, labels, 2, 30.0).backward()
    probs = (10 * COSINES).softmax(1)
    mean = probs.view(2, 2, -1).mean(1).repeat_interleave(2, 0)
    torch.testing.assert_close(cosines.grad, 0.2 * 10 * (probs - mean) / 4)  # cross-entropy to a constant target


def test_consistency_without_a_valid_group_is_zero_with_zero_gradient():
    cosines = COSINES.clone().requires_grad_(True)
    loss = ClipConsistency()(cosines, torch.tensor([0, 1, 2, 3]), 2, 30.0)
    loss.backward()
    assert loss.item() == 0 and not cosines.grad.any()


def test_consistency_of_single_clips_is_refused():
    with pytest.raises(ValueError, match="got 1 of each: train with clips_per_video=2"):
        ClipConsistency()(COSINES, LABELS, 1, 30.0)


def test_center_push_counts_pairs_that_half_precision_cannot():
    centres = F.normalize(torch.ones(700, 8))
    assert CenterPush()(centres.half()).item() == pytest.approx(0.9, abs=1e-2)


def test_wrong_schedules_are_refused():
    with pytest.raises(ValueError, match="got 1"):
        PolynomialScale(power=1.0)
    with pytest.raises(ValueError, match="got -0.1"):
        PolynomialScale()(-0.1)
