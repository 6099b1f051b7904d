"""Joint training: each head learns from its own set's clips alone, as a training of that head by itself would."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from lightning_modules.ligar.clip_selection import clip_outcome
from lightning_modules.ligar.losses import ClipConsistency
from lightning_modules.ligar.module import Ligar
from lightning_modules.ligar.self_challenging import SelfChallenging
from tests.tiny_cells import batch_of, ligar, lively, some_clips

SIZES = (3, 2, 4)
OFFSETS = (0, 3, 5)
LABELS = torch.tensor([0, 3, 2, 4, 1])  # sets 0, 1, 0, 1, 0: none of set 2
SOURCES = torch.tensor([0, 1, 0, 1, 0])
PARTS = dict(consistency=ClipConsistency())


def joint(**changes) -> Ligar:
    module = lively(ligar(num_classes=sum(SIZES), head_sizes=SIZES, **{**PARTS, **changes}))
    module.log_dict = lambda *_, **__: None
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.momentum = 0.1  # which lively() leaves at an average over all passes
    return module.train()


def joint_batch(sources=SOURCES, labels=LABELS, **changes):
    torch.manual_seed(3)
    return batch_of(some_clips(len(labels), 2), labels, source_index=sources, **changes)


def single(module: Ligar, index: int) -> Ligar:
    """Return one head's network as a training by itself has it."""
    alone = ligar(num_classes=SIZES[index], self_challenging=module.self_challenging, **PARTS)
    state = {}
    for name, tensor in module.network.state_dict().items():
        own = name.replace(f"head.heads.{index}.", "head.")
        if "heads" not in own:
            state[own] = tensor.clone()
    alone.network.load_state_dict(state)
    alone.log_dict = lambda *_, **__: None
    return alone.train()


def terms_of(module: Ligar, batch) -> dict[str, torch.Tensor]:
    return module.loss_terms(module.training_outputs(batch), batch.labels.repeat_interleave(2), batch)


def close(first: dict, second: dict) -> None:
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_the_joint_loss_is_the_sum_of_the_single_heads_losses():
    module, batch = joint(), joint_batch()
    expected: dict[str, torch.Tensor] = {}
    for index in (0, 1):
        alone = single(module, index)
        outputs = alone.view_outputs(batch.clips.flatten(0, 1))  # the whole batch: its statistics are those of all
        own = SOURCES == index
        rows = own.repeat_interleave(2)
        labels = (LABELS[own] - OFFSETS[index]).repeat_interleave(2)
        terms = alone.loss_terms({name: value[rows] for name, value in outputs.items()}, labels, batch.select(own))
        for name, value in terms.items():
            expected[name] = expected.get(name, torch.zeros(())) + value
    got = terms_of(module, batch)
    close(got, expected)
    assert list(got) == ["loss_am_softmax", "loss_local_push", "loss_center_push", "loss_consistency"]


@pytest.mark.parametrize("self_challenging", [None, SelfChallenging()])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_batch_of_one_set_is_a_training_of_its_head_by_itself(index, self_challenging):
    module = joint(self_challenging=self_challenging)
    alone = single(module, index)
    local = torch.tensor([0, 1, 0, 1])
    batch = joint_batch(torch.full((4,), index), local + OFFSETS[index])
    own_batch = joint_batch(torch.zeros(4, dtype=torch.long), local)
    torch.manual_seed(9)
    got = module.training_step(batch, 0)
    torch.manual_seed(9)
    expected = alone.training_step(own_batch, 0)
    close(got["loss"], expected["loss"])
    own = slice(OFFSETS[index], OFFSETS[index] + SIZES[index])
    close(got["logits"][..., own], expected["logits"])
    got["loss"].backward()
    expected["loss"].backward()
    given = {name.replace(f"heads.{index}.", ""): p.grad for name, p in module.network.named_parameters()}
    for name, parameter in alone.network.named_parameters():
        torch.testing.assert_close(given[name], parameter.grad, rtol=1e-3, atol=1e-4)


def test_a_head_without_clips_costs_and_learns_nothing():
    module = joint()
    module.training_step(joint_batch(), 0)["loss"].backward()
    for index, head in enumerate(module.network.head.heads):
        learns = [parameter.grad is not None and bool(parameter.grad.any()) for parameter in head.parameters()]
        assert learns == [index != 2] * len(learns)


def test_all_heads_measure_the_whole_batch_but_with_self_challenging_their_own_clips():
    for self_challenging, moved in ((None, [True, True, True]), (SelfChallenging(), [True, True, False])):
        module = joint(self_challenging=self_challenging)
        before = copy.deepcopy([head.norm.running_mean for head in module.network.head.heads])
        module.training_outputs(joint_batch())
        after = [head.norm.running_mean for head in module.network.head.heads]
        assert [not torch.equal(a, b) for a, b in zip(before, after, strict=True)] == moved


def test_with_self_challenging_each_head_runs_on_its_own_clips():
    module = joint(self_challenging=SelfChallenging())
    batch = joint_batch()
    reference = copy.deepcopy(module)
    torch.manual_seed(4)
    outputs = module.training_outputs(batch)
    torch.manual_seed(4)
    features = reference.network.features(batch.clips.flatten(0, 1))
    for index in (0, 1):
        rows = (SOURCES == index).repeat_interleave(2)
        labels = LABELS.repeat_interleave(2)[rows] - OFFSETS[index]
        embeddings, cosines = SelfChallenging()(reference.network.head.heads[index], features[rows], labels)
        close(outputs["embeddings"][rows, index], embeddings)
        close(outputs["logits"][rows][:, OFFSETS[index] : OFFSETS[index] + SIZES[index]], cosines)
    assert (outputs["logits"][:, OFFSETS[2] :] == -1).all()


def test_ignored_videos_leave_the_joint_loss_alone():
    ignored = torch.tensor([False, True, False, True, True])  # all of set 1
    module, batch = joint(), joint_batch(ignored=torch.tensor([False, True, False, True, True]))
    outputs = copy.deepcopy(module).training_outputs(batch)
    kept = {name: rows[~ignored.repeat_interleave(2)] for name, rows in outputs.items()}
    expected = module.loss_terms(kept, LABELS[~ignored].repeat_interleave(2), batch.select(~ignored))
    close(module.training_step(batch, 0)["loss"], sum(expected.values()))


def test_videos_are_scored_among_the_classes_of_their_own_set():
    module = joint().eval()
    batch = joint_batch()
    with torch.no_grad():
        scores, cosines = module.predict_scores(batch), module(batch.clips)
    for row, source in enumerate(SOURCES.tolist()):
        for column in range(sum(SIZES)):
            own = OFFSETS[source] <= column < OFFSETS[source] + SIZES[source]
            assert scores[row, column] == (cosines[row, column] if own else -1)
    batch.num_frames[1] = 0
    with torch.no_grad():
        assert module.predict_scores(batch).isnan().all(1).tolist() == [False, True, False, False, False]


def test_clip_selection_hears_of_the_own_heads_cosines_and_of_ignored_videos_too():
    module, batch = joint(), joint_batch(ignored=torch.tensor([True, False, False, False, False]))
    cosines = copy.deepcopy(module).training_outputs(batch)["logits"].detach().view(5, 2, -1)
    outcome = clip_outcome(module.training_step(batch, 0)["logits"], batch, "cosine")
    foreign = 0
    for row in range(10):
        source = int(SOURCES[row // 2])
        own = cosines[row // 2, row % 2, OFFSETS[source] : OFFSETS[source] + SIZES[source]].tolist()
        best = max(own)
        assert outcome["confidence"][row] == pytest.approx(best, abs=1e-5)
        assert outcome["correct"][row] == (own.index(best) + OFFSETS[source] == LABELS[row // 2])
        foreign += cosines[row // 2, row % 2].max() > best
    assert foreign, "no other head's cosine is larger: this test shows nothing"
    np.testing.assert_array_equal(outcome["video_index"], np.arange(5).repeat(2))


def test_labels_of_another_set_than_the_batch_says_are_refused():
    module = joint()
    for label, source in ((3, 0), (0, 1), (9, 2), (0, 3)):
        batch = joint_batch(torch.tensor([0, source]), torch.tensor([0, label]))
        with pytest.raises(ValueError, match=rf"label {label} with source_index {source}: .*begin at \(0, 3, 5\)"):
            module.training_step(batch, 0)


def test_head_sizes_that_do_not_sum_to_the_classes_are_refused():
    with pytest.raises(ValueError, match="(?s)10.*9|9.*10"):
        ligar(num_classes=10, head_sizes=SIZES)
