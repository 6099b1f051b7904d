"""Phase 1 stops where it should; phase 2 starts from what phase 1 computes, as far as the new parts allow."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import nn

from experiments.harness import runner
from experiments.harness.cell import Options
from experiments.harness.resolve import evaluation
from experiments.harness.runner import run
from experiments.vipriors_table1 import TABLE
from lightning_modules.base import ClipClassifier
from lightning_modules.vipriors.network import ELU, NON_LOCAL, POOL, THREE_PARTS, TWO_PLUS_ONE, SlowFastNetwork
from lightning_modules.vipriors.two_phase import StopAtAccuracy, load_plain
from tests.tiny_cells import runtime

SMALL = dict(width=0.125, depths=(1, 2, 2, 1), num_frames=8, alpha=4, stem_pool=False)


def network(*names: str, num_classes: int = 5) -> SlowFastNetwork:
    torch.manual_seed(len(names))
    return SlowFastNetwork(**SMALL, modifications=names, num_classes=num_classes)


@pytest.fixture(scope="module")
def plain() -> SlowFastNetwork:
    """Return a plain network that is not at its start: all normalisations have weights and statistics."""
    made = network()
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm3d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return made.eval()


@pytest.mark.parametrize("names", [(), (NON_LOCAL,), (TWO_PLUS_ONE,), (THREE_PARTS,)])
def test_without_new_activations_the_modified_network_computes_what_the_plain_one_did(plain, names):
    """What a new normalisation in evaluation mode leaves is its epsilon, of which 5e-6 per layer remain."""
    modified, clips = network(*names), torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        fresh = (modified.eval()(clips) - plain(clips)).abs().max()
        load_plain(modified, {f"network.{name}": tensor for name, tensor in plain.state_dict().items()})
        difference = (modified.eval()(clips) - plain(clips)).abs().max()
    assert difference < 2e-4 < 1e-2 < fresh


def test_every_tensor_of_the_plain_network_finds_its_place(plain):
    for names in ((ELU, POOL, THREE_PARTS), (ELU, POOL, NON_LOCAL), (TWO_PLUS_ONE,)):
        modified = network(*names)
        report = load_plain(modified, plain.state_dict())
        assert not report.unused and not report.mismatched and len(report.loaded) == len(plain.state_dict())
        new = ("branches.k333", "branches.k311", "branches.k133.1", "activation.1", "conv_t", "norm_b")
        assert all(any(part in name for part in new) for name in report.missing), names


def test_the_silent_branches_are_silent_and_learn(plain):
    modified = network(THREE_PARTS)
    load_plain(modified, plain.state_dict())
    modified.train()(torch.randn(3, 3, 8, 32, 32)).square().sum().backward()
    silent = [p for name, p in modified.named_parameters() if ".k333.1.weight" in name or ".k311.1.weight" in name]
    assert silent and all(not p.any() and p.grad.any() for p in silent)


@pytest.mark.parametrize("names", [(ELU, POOL, THREE_PARTS), (TWO_PLUS_ONE,)])
def test_a_trained_modified_network_is_taken_as_it_is_by_one_of_other_classes(names):
    trained, other = network(*names), network(*names, num_classes=7)
    for tensor in trained.state_dict().values():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 1.5)
    load_plain(other, trained.state_dict())
    theirs = trained.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in other.state_dict().items() if "head" not in name)


def test_a_head_of_other_classes_keeps_its_start_and_other_checkpoints_are_refused(plain):
    modified = network(num_classes=7)
    before = modified.head.weight.clone()
    report = load_plain(modified, plain.state_dict())
    assert torch.equal(modified.head.weight, before) and set(report.mismatched) == {"head.weight", "head.bias"}
    with pytest.raises(ValueError, match="nothing could be loaded"):
        load_plain(modified, {"other.weight": torch.zeros(2)})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(width=0.25), r"tensors of the checkpoint have another width, such as .*, here"),
        (dict(depths=(1, 2, 3, 1)), r"of another depth: this network has no backbone\.blocks\.3\..*res_blocks\.2"),
    ],
)
def test_a_checkpoint_of_another_width_or_depth_is_refused_and_nothing_loaded(changed, message):
    other = SlowFastNetwork(**{**SMALL, **changed}, modifications=(), num_classes=5)
    modified = network(THREE_PARTS)
    before = {name: tensor.clone() for name, tensor in modified.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_plain(modified, other.state_dict())
    assert all(torch.equal(tensor, before[name]) for name, tensor in modified.state_dict().items())


@pytest.mark.parametrize("names", [(NON_LOCAL,), (THREE_PARTS,)])
def test_in_training_too_silent_parts_change_next_to_nothing(plain, names):
    modified, clips = network(*names).train(), torch.randn(4, 3, 8, 32, 32)
    load_plain(modified, plain.state_dict())
    with torch.no_grad():
        theirs = copy.deepcopy(plain).train()
        for one in (theirs, modified):
            for layer in one.modules():
                if isinstance(layer, nn.Dropout):
                    layer.p = 0.0
        assert (modified(clips) - theirs(clips)).abs().max() < 2e-3


def phase_one(percent: float):
    """Return a phase 1 of up to three epochs."""
    options = Options(profile="smoke", seeds=(0,))
    made = evaluation(TABLE, TABLE.rows[0], TABLE.columns[0], 0, options).training.init
    stage = made.recipe.stages[0]
    return dataclasses.replace(
        made,
        module=made.module.with_arguments({"stop_at": percent}, where="test"),
        recipe=dataclasses.replace(made.recipe, stages=(stage, stage, stage)),
    )


def always_half_right(monkeypatch) -> None:
    """Let every validation find 50 %."""

    def found(self) -> None:
        self._validation_hits.clear()
        self.log("val/top1", 50.0)

    monkeypatch.setattr(ClipClassifier, "on_validation_epoch_end", found)


@pytest.mark.usefixtures("benchmark_cache")
@pytest.mark.parametrize(("percent", "epochs"), [(50.0, 1), (50.1, 3)])
def test_phase_one_ends_at_the_threshold_or_after_its_epochs(tmp_path, monkeypatch, percent, epochs):
    always_half_right(monkeypatch)
    record = run(phase_one(percent), runtime(tmp_path))
    assert len(record["curves"]["val/top1"]) == len(record["curves"]["train/loss"]) == epochs


@pytest.mark.usefixtures("benchmark_cache")
def test_killed_behind_its_threshold_and_started_again_it_trains_no_further(tmp_path, monkeypatch):
    always_half_right(monkeypatch)

    def killed(*_) -> None:
        raise KeyboardInterrupt

    cell, where = phase_one(50.0), runtime(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(runner, "_save_weights", killed)
        run(cell, where)
    assert where.store.folder(cell).last.exists()
    record = run(cell, where)
    assert len(record["curves"]["train/loss"]) == 1 and where.store.finished(cell)


def test_a_training_resumed_behind_its_threshold_ends_at_once():
    class Trainer:
        sanity_checking, should_stop = False, False
        callback_metrics = {"val/top1": torch.tensor(51.0)}

    first, again = StopAtAccuracy(50.0), StopAtAccuracy(50.0)
    trainer = Trainer()
    first.on_validation_end(trainer, None)
    assert trainer.should_stop
    again.load_state_dict(first.state_dict())
    resumed = Trainer()
    again.on_train_start(resumed, None)
    assert resumed.should_stop
    fresh = Trainer()
    StopAtAccuracy(52.0).on_validation_end(fresh, None)
    assert not fresh.should_stop


@pytest.mark.parametrize("percent", [0.0, 101.0])
def test_a_threshold_is_a_percentage(percent):
    with pytest.raises(ValueError, match=r"percent must be in \]0, 100\]"):
        StopAtAccuracy(percent)
