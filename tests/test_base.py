"""ClipClassifier trains by its recipe, averages views, and keeps each test video's scores once."""

from __future__ import annotations

from dataclasses import replace

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from datamodules.batch import ClipBatch
from lightning_modules.base import ClipClassifier
from lightning_modules.recipe import SGD, Constant, CosineAnnealing, NormClipping, Recipe, Stage

K = 3


class Network(nn.Module):
    """A backbone with batch normalisation under a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv3d(3, 4, 1, bias=False), nn.BatchNorm3d(4), nn.ReLU())
        self.head = nn.Linear(4, K)

    def forward(self, clips):
        return self.head(self.backbone(clips).mean((2, 3, 4)))


class Small(ClipClassifier):
    """The base class around a small network."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(num_classes=K, recipe=recipe)
        torch.manual_seed(0)
        self.network = Network()


class Probabilities(Small):
    """The same, averaging probabilities over views."""

    view_score = "probs"


def recipe(*stages: Stage, **changes) -> Recipe:
    stages = stages or (Stage(epochs=1, lr=Constant(0.1)),)
    return Recipe(**{"stages": stages, "optimizer": SGD(momentum=0.9), "batch_size": 4, **changes})


def batches(count: int = 3, n: int = 4, v: int = 2, seed: int = 0) -> list[ClipBatch]:
    generator = torch.Generator().manual_seed(seed)
    return [
        ClipBatch(
            clips=torch.randn(n, v, 3, 2, 4, 4, generator=generator),
            labels=torch.randint(K, (n,), generator=generator),
            video_index=torch.arange(n) + n * i,
            frame_indices=torch.zeros(n, v, 2, dtype=torch.long),
            num_frames=torch.full((n,), 20),
            source_index=torch.zeros(n, dtype=torch.long),
        )
        for i in range(count)
    ]


def loader(given: list[ClipBatch]) -> DataLoader:
    return DataLoader(given, batch_size=None)  # type: ignore[arg-type]


def trainer(epochs: int = 1, callbacks=()) -> L.Trainer:
    return L.Trainer(
        max_epochs=epochs, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=[*callbacks],
    )  # fmt: skip


class EachStep(L.Callback):
    """Note learning rate and parameters after each step."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.states: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(self, trainer, pl_module, *_) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.states.append({name: tensor.clone() for name, tensor in pl_module.network.state_dict().items()})


# -- views ------------------------------------------------------------------------------------------------


def test_logits_are_averaged_before_and_probabilities_after_the_softmax():
    clips = batches()[0].clips
    for cls, normalise in ((Small, lambda x: x), (Probabilities, lambda x: x.softmax(-1))):
        module = cls(recipe()).eval()
        with torch.no_grad():
            expected = torch.stack([normalise(module.network(clips[:, v])) for v in range(2)]).mean(0)
            torch.testing.assert_close(module(clips), expected)


# -- training ----------------------------------------------------------------------------------------------


def test_the_default_loss_is_cross_entropy_over_all_clips():
    module = Small(recipe())
    module.log_dict = lambda *_, **__: None
    batch = batches()[0]
    outputs = module.training_step(batch, 0)
    flat = module.network(batch.clips.flatten(0, 1))
    labels = batch.labels.repeat_interleave(2)
    rows = [-F.log_softmax(flat, -1)[i, labels[i]] for i in range(8)]
    torch.testing.assert_close(outputs["loss"], sum(rows) / 8)
    torch.testing.assert_close(outputs["logits"], flat.detach().view(4, 2, K))


def silent(module: ClipClassifier) -> ClipClassifier:
    """Return the module with its logged values kept in ``logged``, so that it can take a step without a trainer."""
    module.logged = {}
    module.log_dict = lambda values, batch_size, **_: module.logged.update(values, batch_size=batch_size)
    return module


def test_a_step_without_ignored_videos_is_the_plain_formula_bit_for_bit():
    module, network = silent(Small(recipe())), Small(recipe()).network
    batch = batches()[0]
    loss = module.training_step(batch, 0)["loss"]
    plain = torch.stack([F.cross_entropy(network(batch.clips.flatten(0, 1)), batch.labels.repeat_interleave(2))]).sum()
    loss.backward()
    plain.backward()
    assert torch.equal(loss, plain)
    assert all(
        torch.equal(a.grad, b.grad) for a, b in zip(module.network.parameters(), network.parameters(), strict=True)
    )
    none = silent(Small(recipe()))
    assert torch.equal(none.training_step(replace(batch, ignored=torch.zeros(4, dtype=torch.bool)), 0)["loss"], plain)


def test_ignored_videos_go_through_the_network_and_leave_loss_and_logged_values_alone():
    class Watching(Small):
        def loss_terms(self, outputs, labels, batch):
            self.seen = outputs, labels, batch
            return super().loss_terms(outputs, labels, batch)

    module, network = silent(Watching(recipe())), Small(recipe()).network
    batch = replace(batches()[0], ignored=torch.tensor([False, True, False, True]))
    result = module.training_step(batch, 0)
    flat = network(batch.clips.flatten(0, 1))
    kept, labels = [0, 1, 4, 5], batch.labels[[0, 0, 2, 2]]
    expected = sum(-F.log_softmax(flat[i], -1)[label] for i, label in zip(kept, labels, strict=True)) / 4
    torch.testing.assert_close(result["loss"], expected)
    torch.testing.assert_close(result["logits"], flat.detach().view(4, 2, K))
    outputs, seen_labels, seen = module.seen
    assert torch.equal(outputs["logits"], flat[kept]) and torch.equal(seen_labels, labels)
    assert seen.video_index.tolist() == [0, 2] and len(seen.clips) == 2 and seen.ignored.tolist() == [False, False]
    assert module.logged["train/top1"] == 100 * (flat[kept].argmax(1) == labels).float().mean()
    assert module.logged["train/loss"] == result["loss"] and module.logged["batch_size"] == 2


def test_a_step_whose_videos_are_all_ignored_moves_nothing_and_logs_nothing():
    module = silent(Small(recipe()))
    batch = replace(batches()[0], ignored=torch.ones(4, dtype=torch.bool))
    result = module.training_step(batch, 0)
    result["loss"].backward()
    assert result["loss"] == 0 and result["logits"].shape == (4, 2, K) and not module.logged
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in module.parameters())


def test_training_with_ignored_videos_runs_through_a_real_trainer():
    given = batches(3)
    marks = ([True] * 4, [False, True, False, False], [False] * 4)
    given = [replace(batch, ignored=torch.tensor(mark)) for batch, mark in zip(given, marks, strict=True)]
    runner = trainer(1)
    runner.fit(Small(recipe()), loader(given))
    assert torch.isfinite(runner.callback_metrics["train/loss"]) and runner.global_step == 3


def test_a_checkpoint_fills_the_backbone_and_a_released_one_the_head_too():
    given = Small(recipe()).network
    with torch.no_grad():
        for parameter in given.parameters():
            parameter.add_(1)
    module = Small(recipe())
    head = module.network.head.weight.clone()
    report = module.load_initial(given.state_dict())
    assert torch.equal(module.network.backbone[0].weight, given.backbone[0].weight)
    assert torch.equal(module.network.head.weight, head) and not any(n.startswith("head.") for n in report.loaded)
    module.load_released(given.state_dict())
    assert torch.equal(module.network.head.weight, given.head.weight)


def test_every_step_takes_the_recipes_learning_rate():
    stages = (Stage(epochs=1, lr=Constant(0.3)), Stage(epochs=2, lr=CosineAnnealing(0.1, 0.0, alpha=1.0)))
    steps = EachStep()
    trainer(3, [steps]).fit(Small(recipe(*stages)), loader(batches(4)))
    expected = [recipe(*stages).lr_at(epoch, step / 4) for epoch in range(3) for step in range(4)]
    assert steps.rates == expected and steps.rates[4] == pytest.approx(0.1) and steps.rates[8] == pytest.approx(0.05)


def test_training_is_the_recipes_optimiser_step_for_step():
    given = batches(3)
    module = Small(recipe(clipping=NormClipping(max_norm=0.05)))
    trainer(1).fit(module, loader(given))
    network = Small(recipe()).network
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for batch in given:
        optimiser.zero_grad()
        F.cross_entropy(network(batch.clips.flatten(0, 1)), batch.labels.repeat_interleave(2)).backward()
        gradients = torch.cat([p.grad.flatten() for p in network.parameters()])
        assert gradients.norm() > 0.05
        for parameter in network.parameters():
            parameter.grad *= 0.05 / (gradients.norm() + 1e-6)
        optimiser.step()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(module.network.state_dict()[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_head_stage_leaves_the_backbone_and_its_statistics_alone_and_the_next_moves_all():
    stages = (Stage(epochs=1, lr=Constant(0.1), trainable="head"), Stage(epochs=1, lr=Constant(0.1)))
    steps = EachStep()
    module = Small(recipe(*stages))
    start = {name: tensor.clone() for name, tensor in module.network.state_dict().items()}
    validated = batches(1, seed=5)
    trainer(2, [steps]).fit(module, loader(batches(3)), loader(validated))
    for name, tensor in start.items():
        moved = [not torch.equal(state[name], tensor) for state in steps.states]
        assert moved == ([True] * 6 if name.startswith("head.") else [False] * 3 + [True] * 3), name


# -- evaluation ----------------------------------------------------------------------------------------------


def test_validation_accuracy_counts_videos_and_undecodable_ones_as_wrong():
    module = Small(recipe()).eval()
    given = batches(2, seed=3)
    with torch.no_grad():
        hits = [(module(batch.clips).argmax(1) == batch.labels) for batch in given]
    assert hits[0].any()
    lost = int(hits[0].nonzero()[0])
    given[0].num_frames[lost] = 0
    got = trainer().validate(module, loader(given), verbose=False)[0]["val/top1"]
    assert got == pytest.approx(100 * (int(torch.cat(hits).sum()) - 1) / 8)


def test_a_class_zero_video_that_cannot_be_decoded_is_no_hit():
    module = Small(recipe()).eval()
    [batch] = batches(1)
    batch.num_frames[:] = 0
    batch.labels[:] = 0
    assert trainer().validate(module, loader([batch]), verbose=False)[0]["val/top1"] == 0


def test_test_scores_come_sorted_with_each_video_once():
    module = Small(recipe()).eval()
    given = batches(3, seed=4)
    given[2].video_index[:] = torch.tensor([11, 3, 9, 8])  # video 3 again, as a padding sampler would repeat it
    given = [given[2], given[0], given[1]]
    runner = trainer()
    runner.test(module, loader(given), verbose=False)
    index, scores = module.collect_test_scores()
    assert index.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    with torch.no_grad():
        torch.testing.assert_close(scores[:3], module(given[1].clips)[:3])
        torch.testing.assert_close(scores[-1], module(given[0].clips)[0])
    runner.test(module, loader(given[1:]), verbose=False)
    assert module.collect_test_scores()[0].tolist() == list(range(8)), "an earlier test is not forgotten"


def test_undecodable_videos_are_scored_nan():
    module = Small(recipe()).eval()
    [batch] = batches(1)
    batch.num_frames[2] = 0
    with torch.no_grad():
        scores = module.predict_scores(batch)
    assert torch.isnan(scores).all(1).tolist() == [False, False, True, False]
