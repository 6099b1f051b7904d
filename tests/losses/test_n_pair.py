from __future__ import annotations

import math

import pytest
import torch

from lightning_modules.losses.code_memory import CodeMemory
from lightning_modules.losses.n_pair import NPair, pairs_of


def batch(classes: int = 4, dim: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return torch.randn(2 * classes, dim), torch.arange(classes).repeat_interleave(2) * 3


def literal(codes: torch.Tensor, labels: torch.Tensor) -> float:
    """Write Eq. (5) out as a double loop in double precision; the mean over the classes instead of their sum."""
    members = {label: [i for i in range(len(labels)) if labels[i] == label] for label in sorted(set(labels.tolist()))}
    anchors = [codes[m[0]].double().tolist() for m in members.values()]
    positives = [codes[m[1]].double().tolist() for m in members.values()]

    def product(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    total = 0.0
    for i, anchor in enumerate(anchors):
        own = product(anchor, positives[i])
        total += math.log(1 + sum(math.exp(product(anchor, positives[j]) - own) for j in range(len(anchors)) if j != i))
    return total / len(anchors)


def test_it_is_equation_5_written_as_a_double_loop():
    codes, labels = batch()
    assert NPair(length_penalty=0.0)(codes, labels)["loss_n_pair"].item() == pytest.approx(literal(codes, labels), 1e-5)


def test_the_order_of_classes_in_the_batch_does_not_matter_and_the_first_clip_is_the_anchor():
    codes, labels = batch()
    order = torch.tensor([4, 0, 6, 5, 2, 1, 3, 7])  # keeps each class's first before its second
    loss = NPair(length_penalty=0.0)
    torch.testing.assert_close(loss(codes[order], labels[order]), loss(codes, labels))
    swapped = torch.tensor([1, 0, 2, 3, 4, 5, 6, 7])
    assert not torch.isclose(loss(codes[swapped], labels)["loss_n_pair"], loss(codes, labels)["loss_n_pair"])


def test_the_symmetric_loss_does_not_tell_anchors_from_positives():
    codes, labels = batch()
    loss, swapped = NPair(symmetric=True), torch.arange(8).view(4, 2).flip(1).flatten()
    torch.testing.assert_close(loss(codes[swapped], labels), loss(codes, labels))


def test_a_class_with_a_single_clip_is_left_out_and_one_with_three_counts_its_first_two():
    codes, labels = batch()
    more = torch.cat([codes, torch.randn(2, 5)])
    with_extras = torch.cat([labels, torch.tensor([99, 0])])
    loss = NPair(length_penalty=0.0)
    torch.testing.assert_close(loss(more, with_extras), loss(codes, labels))
    anchors, positives = pairs_of(torch.tensor([5, 2, 5, 2, 5, 1]))
    assert (anchors.tolist(), positives.tolist()) == ([1, 0], [3, 2])


def test_the_penalty_is_the_mean_squared_length_and_a_term_of_its_own():
    codes, labels = batch()
    terms = NPair(length_penalty=0.5)(codes, labels)
    assert terms["loss_code_length"].item() == pytest.approx(0.5 * sum(c @ c for c in codes).item() / 8)
    assert list(NPair(length_penalty=0.0)(codes, labels)) == ["loss_n_pair"]


def test_with_a_temperature_the_length_of_a_code_does_not_matter():
    codes, labels = batch()
    loss = NPair(temperature=0.1, length_penalty=0.0)
    stretched = codes * torch.rand(8, 1).add(0.1)
    torch.testing.assert_close(loss(stretched, labels), loss(codes, labels))
    unit = torch.nn.functional.normalize(codes, dim=1) / math.sqrt(0.1)
    assert loss(codes, labels)["loss_n_pair"].item() == pytest.approx(literal(unit, labels), 1e-5)


def test_its_gradient_is_that_of_finite_differences():
    codes, labels = batch(3)
    loss = NPair(symmetric=True)

    def both(c: torch.Tensor) -> torch.Tensor:
        terms = loss(c.double(), labels)
        return terms["loss_n_pair"] + terms["loss_code_length"]

    leaf = (0.3 * codes[:6]).double().requires_grad_()
    both(leaf).backward()
    for place in ((0, 0), (3, 2)):
        step = torch.zeros_like(leaf)
        step[place] = 1e-2
        with torch.no_grad():
            slope = (both(leaf + step) - both(leaf - step)) / 2e-2
        assert leaf.grad[place].item() == pytest.approx(slope.item(), abs=2e-3)


def test_batches_without_two_pairs_and_codes_that_overflow_are_refused():
    codes, _ = batch(2)
    with pytest.raises(ValueError, match=r"two clips of 1 class\(es\)"):
        NPair()(codes, torch.tensor([0, 0, 1, 2]))
    with pytest.raises(ValueError, match="the codes overflow: the longest has length "):
        NPair()(codes * 1e30, torch.tensor([0, 0, 1, 1]))
    for wrong in (
        dict(length_penalty=-1.0),
        dict(temperature=0.0),
        dict(memory=-1),
        dict(symmetric=True, memory=4),
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            NPair(**wrong)


def stored(classes: int, sets: int, dim: int = 5, apart: int = 3) -> tuple[CodeMemory, torch.Tensor]:
    """Return a memory with so many sets of one code per class, and the codes (classes, sets, dim)."""
    codes = torch.randn(classes, sets, dim, generator=torch.Generator().manual_seed(9))
    memory = CodeMemory(num_classes=apart * classes, size=sets)
    for number in range(sets):
        memory.add(codes[:, number], torch.arange(classes) * apart)
    return memory, codes


def test_with_a_memory_it_is_equation_5_of_every_clip_against_each_stored_set():
    codes, labels = batch()
    memory, before = stored(classes=5, sets=4)
    classes, expected = torch.arange(5) * 3, []
    for code, label in zip(codes, labels, strict=True):
        for number in range(4):
            # The clip's class with this clip as its anchor; the other classes' anchors count for nothing.
            products = [float(code.double() @ before[k, number].double()) for k in range(5)]
            own = products[classes.tolist().index(int(label))]
            expected.append(math.log(sum(math.exp(product - own) for product in products)))
    loss = NPair(length_penalty=0.0, memory=4)(codes, labels, memory)["loss_n_pair"]
    assert loss.item() == pytest.approx(sum(expected) / len(expected), 1e-5)


def test_a_memory_is_joined_by_each_batch_and_serves_once_every_class_has_some():
    codes, labels = batch(classes=3)
    memory, loss = CodeMemory(num_classes=9, size=8), NPair(memory=8)
    alone = NPair()(codes, labels)
    for _ in range(2):  # two codes of each class per batch, four make it ready
        assert memory.sets("cpu") is None
        torch.testing.assert_close(loss(codes, labels, memory), alone)
    sets, classes = memory.sets("cpu") or (torch.empty(0), torch.empty(0))
    assert sets.shape == (4, 3, 5) and classes.tolist() == [0, 3, 6]
    assert not torch.isclose(loss(codes, labels, memory)["loss_n_pair"], alone["loss_n_pair"])
    newcomers = loss(codes[:4], torch.tensor([1, 1, 2, 2]), memory)  # none of them is stored: their own batch serves
    torch.testing.assert_close(newcomers, NPair()(codes[:4], torch.tensor([1, 1, 2, 2])))
    assert memory.sets("cpu") is None, "the new classes have two codes each"


def test_the_oldest_codes_make_room_and_none_has_a_gradient():
    memory = CodeMemory(num_classes=2, size=4)
    for value in range(6):
        memory.add(torch.full((2, 1), float(value), requires_grad=True), torch.tensor([0, 1]))
    sets, _ = memory.sets("cpu") or (torch.empty(0), None)
    assert sets[:, 0, 0].tolist() == [2, 3, 4, 5] and not sets.requires_grad


def test_a_class_with_more_codes_than_another_gives_its_latest():
    memory = CodeMemory(num_classes=2, size=8)
    for value in range(15):
        memory.add(torch.tensor([[float(value)]]), torch.tensor([0]))
    memory.add(torch.tensor([[20.0], [21.0], [22.0], [23.0]]), torch.tensor([1, 1, 1, 1]))
    sets, _ = memory.sets("cpu") or (torch.empty(0), None)
    assert sets[:, :, 0].tolist() == [[11, 20], [12, 21], [13, 22], [14, 23]]


def test_a_memory_follows_the_device_of_the_codes():
    memory, _ = stored(classes=2, sets=4, apart=1)
    sets, classes = memory.sets("meta") or (torch.empty(0), torch.empty(0))
    assert sets.device.type == classes.device.type == "meta"


def test_with_a_memory_the_gradient_is_the_losss_slope():
    codes, labels = batch()
    memory, _ = stored(classes=5, sets=4)
    leaf = codes.clone().requires_grad_()
    state = memory.state_dict()

    def value(given: torch.Tensor) -> torch.Tensor:
        memory.load_state_dict(state)  # each call adds its codes
        return NPair(length_penalty=0.0, memory=4)(given, labels, memory)["loss_n_pair"]

    value(leaf).backward()
    assert leaf.grad is not None and (leaf.grad.norm(dim=1) > 0).all(), "every clip is an anchor"
    for place in ((0, 0), (5, 2), (7, 4)):
        step = torch.zeros_like(codes)
        step[place] = 1e-2
        slope = float(value(codes + step) - value(codes - step)) / 2e-2
        assert leaf.grad[place].item() == pytest.approx(slope, abs=2e-3)


def test_half_precision_is_left_alone_under_autocast():
    codes, labels = batch(dim=64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = NPair()(codes * 3, labels)
    torch.testing.assert_close(inside, NPair()(codes * 3, labels), rtol=0, atol=0)


def test_a_memory_goes_on_from_its_state_and_refuses_anothers():
    memory, _ = stored(classes=2, sets=4, apart=1)
    copy = CodeMemory(num_classes=2, size=4)
    copy.load_state_dict(memory.state_dict())
    for held in (memory, copy):
        held.add(torch.ones(2, 5), torch.tensor([0, 1]))
    torch.testing.assert_close(copy.sets("cpu"), memory.sets("cpu"))
    with pytest.raises(ValueError, match="has 2 classes and 4 codes of each; this training keeps 4 of 3 classes"):
        CodeMemory(num_classes=3, size=4).load_state_dict(memory.state_dict())
    with pytest.raises(ValueError, match=r"size=0; accepted: 1 or more"):
        CodeMemory(num_classes=3, size=0)
