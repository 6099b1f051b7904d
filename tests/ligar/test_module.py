"""LIGAR's module adds up the paper's losses at a scale that belongs to the step, so that resuming goes on with it."""

from __future__ import annotations

import dataclasses

import lightning as L
import pytest
import torch

from lightning_modules.ligar.clip_selection import ClipSelectionFeedback
from lightning_modules.ligar.losses import CenterPush, LocalPush
from lightning_modules.losses.am_softmax import AMSoftmax, PolynomialScale
from lightning_modules.recipe import CosineAnnealing, Stage
from tests.tiny_cells import UNTRIMMED, fit, ligar, ligar_data, recipe, same_state

pytestmark = pytest.mark.usefixtures("benchmark_cache")

ALL_STAGE = recipe().stages[1]


def clips(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_loss_is_the_plain_sum_of_the_three_terms():
    module = ligar()
    outputs, labels = module.view_outputs(clips()), torch.tensor([0, 1, 1, 3])
    terms = module.loss_terms(outputs, labels)
    cosines = outputs["logits"]
    assert terms == {
        "loss_am_softmax": AMSoftmax()(cosines, labels, 30.0),
        "loss_local_push": LocalPush()(outputs["embeddings"], cosines, labels),
        "loss_center_push": CenterPush()(module.network.head.centres.unit()),
    }


def test_pushes_can_be_left_out():
    module = ligar(local_push=None, center_push=None)
    assert list(module.loss_terms(module.view_outputs(clips()), torch.tensor([0, 1, 2, 3]))) == ["loss_am_softmax"]


def test_scores_are_cosines_of_unit_embeddings_with_the_class_centres():
    module = ligar()
    outputs = module.view_outputs(clips())
    torch.testing.assert_close(outputs["embeddings"].norm(dim=1), torch.ones(4))
    centres = torch.nn.functional.normalize(module.network.head.centres.weight, dim=0)
    torch.testing.assert_close(outputs["logits"], outputs["embeddings"] @ centres)
    assert outputs["logits"].abs().max() <= 1


def test_class_scores_of_a_video_are_the_mean_of_its_views_cosines():
    module = ligar().eval()
    video = clips(4).unflatten(0, (2, 2))
    with torch.no_grad():
        expected = (module.network(video[:, 0]) + module.network(video[:, 1])) / 2
        torch.testing.assert_close(module(video), expected, rtol=1e-4, atol=1e-5)


class Scales(L.Callback):
    """Note the scale of each step's loss."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.values.append(pl_module.current_scale())


class SaveAfterFirst(L.Callback):
    def __init__(self, path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        if trainer.current_epoch == 0:
            trainer.save_checkpoint(self.path, weights_only=False)


def test_the_scale_falls_over_its_epochs_and_then_stays():
    scales = Scales()
    stages = (dataclasses.replace(ALL_STAGE, epochs=3),)
    fit(ligar(scale_epochs=2, recipe=recipe(stages=stages)), ligar_data(), epochs=3, callbacks=[scales])
    expected = [PolynomialScale()(step / 4) for step in range(6)]  # 2 steps an epoch
    assert scales.values == pytest.approx(expected)
    assert scales.values[0] == 30.0 and scales.values[4:] == [5.0, 5.0]


def test_a_resumed_training_goes_on_with_the_scale_and_ends_in_the_same_bits(tmp_path):
    stages = (Stage(epochs=1, lr=ALL_STAGE.lr, trainable="head"), dataclasses.replace(ALL_STAGE, epochs=2))
    arguments = dict(scale_epochs=2, recipe=recipe(stages=stages))
    whole, scales, resumed_scales = ligar(**arguments), Scales(), Scales()
    fit(whole, ligar_data(), epochs=3, callbacks=[scales])
    fit(ligar(**arguments), ligar_data(), epochs=2, callbacks=[SaveAfterFirst(tmp_path / "last.ckpt")])
    resumed = ligar(**arguments)
    fit(resumed, ligar_data(), epochs=3, callbacks=[resumed_scales], ckpt_path=tmp_path / "last.ckpt")
    assert resumed_scales.values == scales.values[2:]
    assert same_state(resumed.state_dict(), whole.state_dict())


class Losses(L.Callback):
    """Note each epoch's loss."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.values.append(float(trainer.callback_metrics["train/loss"]))


def test_it_learns_eight_videos_by_heart():
    losses = Losses()
    schedule = Stage(epochs=30, lr=CosineAnnealing(0.1, 1e-3))
    module = ligar(scale=PolynomialScale(start=10.0, end=10.0), recipe=recipe(stages=(schedule,), batch_size=8))
    mild = dataclasses.replace(UNTRIMMED, difficulty=1.0)
    trainer = fit(module, ligar_data(mild, batch_size=8), epochs=30, callbacks=[losses])
    assert losses.values[-1] < 0.3 * losses.values[0]
    assert float(trainer.callback_metrics["train/top1"]) == 100


def test_it_reports_clips_by_their_largest_cosine():
    [feedback] = ligar().configure_callbacks()
    assert isinstance(feedback, ClipSelectionFeedback) and feedback.confidence == "cosine"
