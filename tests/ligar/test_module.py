"""LIGAR's module adds up the paper's losses at a scale that belongs to the step, so that resuming goes on with it."""

from __future__ import annotations

import dataclasses

import lightning as L
import pytest
import torch

from lightning_modules.ligar.clip_selection import ClipSelectionFeedback
from lightning_modules.ligar.losses import CenterPush, ClipConsistency, LocalPush
from lightning_modules.ligar.self_challenging import SelfChallenging
from lightning_modules.losses.am_softmax import AMSoftmax, PolynomialScale
from lightning_modules.recipe import CosineAnnealing, Stage
from tests.tiny_cells import (
    UNTRIMMED,
    batch_of,
    fit,
    ligar,
    ligar_data,
    lively,
    recipe,
    same_state,
    some_clips,
)

pytestmark = pytest.mark.usefixtures("benchmark_cache")

ALL_STAGE = recipe().stages[1]


def clips(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_loss_is_the_plain_sum_of_the_three_terms():
    module = ligar()
    outputs, labels = module.view_outputs(clips()), torch.tensor([0, 1, 1, 3])
    terms = module.loss_terms(outputs, labels, batch_of(clips()[:, None], labels))
    cosines = outputs["logits"]
    assert terms == {
        "loss_am_softmax": AMSoftmax()(cosines, labels, 30.0),
        "loss_local_push": LocalPush()(outputs["embeddings"], cosines, labels),
        "loss_center_push": CenterPush()(module.network.head.centres.unit()),
    }


def silent(module):
    """Return the module so that it can take a step without a trainer."""
    module.log_dict = lambda *_, **__: None
    return module


def gradients(module) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in module.network.named_parameters() if p.grad is not None}


def test_a_step_with_the_defaults_is_the_plain_formula_bit_for_bit():
    module, network = silent(ligar()), ligar().network
    labels = torch.tensor([0, 3])
    video = clips().unflatten(0, (2, 2))
    loss = module.training_step(batch_of(video, labels), 0)["loss"]
    loss.backward()
    embeddings = network.head.embed(network.backbone(clips()).mean(dim=(2, 3, 4)))
    cosines, clip_labels = network.head.centres(embeddings), torch.tensor([0, 0, 3, 3])
    plain = AMSoftmax()(cosines, clip_labels, 30.0) + LocalPush()(embeddings, cosines, clip_labels)
    plain = plain + CenterPush()(network.head.centres.unit())
    plain.backward()
    assert torch.equal(loss, plain)
    expected = {name: p.grad for name, p in network.named_parameters()}
    assert same_state(gradients(module), {name: grad for name, grad in expected.items() if grad is not None})


def test_the_new_parts_draw_nothing_and_add_nothing_unless_asked_for():
    parts = dict(consistency=ClipConsistency(), self_challenging=SelfChallenging())
    assert same_state(ligar(**parts).state_dict(), ligar().state_dict())
    module = silent(ligar())
    state = torch.get_rng_state()
    module.training_step(batch_of(clips().unflatten(0, (2, 2)), torch.tensor([0, 3])), 0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("scale", [10.0, None])
def test_consistency_joins_the_sum_at_its_own_or_the_class_losss_scale(scale):
    consistency = ClipConsistency(scale=scale)
    module, video, labels = ligar(consistency=consistency), clips().unflatten(0, (2, 2)), torch.tensor([0, 3])
    batch = batch_of(video, labels)
    outputs = module.training_outputs(batch)
    terms = module.loss_terms(outputs, labels.repeat_interleave(2), batch)
    assert list(terms)[-1] == "loss_consistency" and len(terms) == 4
    probs = ((scale or 30.0) * outputs["logits"].detach()).softmax(1).view(2, 2, -1)
    expected = -0.2 * (probs.mean(1, keepdim=True) * probs.log()).sum(2).mean()
    torch.testing.assert_close(terms["loss_consistency"].detach(), expected)


def test_consistency_needs_several_clips_of_a_video():
    module = silent(ligar(consistency=ClipConsistency()))
    with pytest.raises(ValueError, match="clips_per_video=2"):
        module.training_step(batch_of(clips()[:, None], torch.tensor([0, 1, 2, 3])), 0)


def test_self_challenging_trains_on_the_second_pass_alone():
    module = ligar(self_challenging=SelfChallenging())
    batch = batch_of(clips().unflatten(0, (2, 2)), torch.tensor([0, 3]))
    reference = ligar()
    torch.manual_seed(2)
    outputs = module.training_outputs(batch)
    torch.manual_seed(2)
    features = reference.network.features(clips())
    embeddings, cosines = SelfChallenging()(reference.network.head, features, torch.tensor([0, 0, 3, 3]))
    assert torch.equal(outputs["embeddings"], embeddings) and torch.equal(outputs["logits"], cosines)
    assert not torch.equal(cosines, ligar().view_outputs(clips())["logits"])


@pytest.mark.parametrize("stage", ["head", "all"])
@pytest.mark.parametrize("head_sizes", [None, (2, 2)])
def test_self_challenging_reaches_what_the_stage_trains(stage, head_sizes):
    module = silent(lively(ligar(self_challenging=SelfChallenging(), head_sizes=head_sizes)))
    module.recipe = recipe(stages=(Stage(epochs=1, lr=ALL_STAGE.lr, trainable=stage),))
    module.train_stage()
    sources = torch.tensor([0, 1]) if head_sizes else torch.zeros(2, dtype=torch.long)
    batch = batch_of(some_clips(2, 2), torch.tensor([0, 3]), source_index=sources)
    before = {name: buffer.clone() for name, buffer in module.network.named_buffers()}
    module.training_step(batch, 0)["loss"].backward()
    for name, parameter in module.network.named_parameters():
        trained = stage == "all" or name.startswith("head.")
        assert (parameter.grad is not None) == trained, name
        if trained and not (".pool." in name and name.endswith("0.norm.bias")):  # no softmax feels a constant
            assert parameter.grad.any(), name
    moved = {name.split(".")[0] for name, b in module.network.named_buffers() if not torch.equal(b, before[name])}
    assert moved == ({"head"} if stage == "head" else {"head", "backbone"})


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "16-true"])
def test_every_term_and_gradient_is_finite_in_half_precision(precision):
    module = silent(ligar(consistency=ClipConsistency(), self_challenging=SelfChallenging(), head_sizes=(1, 3)))
    dtype = torch.float16 if precision.startswith("16") else torch.bfloat16
    batch = batch_of(some_clips(2, 2), torch.tensor([0, 3]), source_index=torch.tensor([0, 1]))
    if precision.endswith("true"):
        module, batch = module.to(dtype), batch.with_clips(batch.clips.to(dtype))
    with torch.autocast("cpu", dtype=dtype, enabled=precision.endswith("mixed")):
        outputs = module.training_outputs(batch)
        terms = module.loss_terms(outputs, batch.labels.repeat_interleave(2), batch)
    assert len(terms) == 4 and all(torch.isfinite(term) for term in terms.values())
    sum(terms.values()).backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(module).values())


def test_checkpoints_of_any_known_layout_are_translated_before_they_are_loaded():
    given, module = lively(ligar()), ligar()
    head = module.network.head.centres.weight.clone()
    report = module.load_initial({f"network.{name}": tensor for name, tensor in given.network.state_dict().items()})
    assert not report.missing and not report.mismatched
    state = module.network.state_dict()
    assert all(torch.equal(state[n], t) for n, t in given.network.state_dict().items() if not n.startswith("head."))
    assert torch.equal(module.network.head.centres.weight, head)
    module.load_released(given.network.state_dict())
    assert same_state(module.network.state_dict(), given.network.state_dict())
    for load in (module.load_initial, module.load_released):
        with pytest.raises(ValueError, match="unknown layout"):
            load({"conv1.weight": torch.zeros(1)})


def test_pushes_can_be_left_out():
    module, labels = ligar(local_push=None, center_push=None), torch.tensor([0, 1, 2, 3])
    terms = module.loss_terms(module.view_outputs(clips()), labels, batch_of(clips()[:, None], labels))
    assert list(terms) == ["loss_am_softmax"]


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
