"""MS3D's module learns, fills its repository when training ends, and refuses weights and repositories of others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from datamodules.ms3d import SMOKE_DATA, Ms3dData
from datamodules.synthetic.stand_ins import stand_in
from lightning_modules.backbones.densenet3d import SparseGraph
from lightning_modules.heads.nearest_centre import NearestCentre
from lightning_modules.losses.n_pair import NPair
from lightning_modules.ms3d import Ms3d
from lightning_modules.ms3d.network import Ms3dSpec
from lightning_modules.ms3d.profiles import PAPER_RECIPE, R3D18, SMOKE_MS3D, SMOKE_RECIPE
from lightning_modules.ms3d.repository import fill, training_codes
from tests.tiny_cells import fit, same_state

SCENES = replace(stand_in("HMDB51").tiny(), num_train=16, num_val=8)


def module(**arguments) -> Ms3d:
    torch.manual_seed(0)
    return Ms3d(**{"backbone": SMOKE_MS3D, "num_classes": 4, "recipe": SMOKE_RECIPE, **arguments})


def data(**changes) -> Ms3dData:
    return Ms3dData(**{"source": SCENES, "batch_size": 4, **SMOKE_DATA, **changes})


def same_names(first: Ms3d, second: Ms3d) -> bool:
    return first.state_dict().keys() == second.state_dict().keys()


def test_defaults_are_the_papers():
    with torch.device("meta"):
        own = Ms3d(num_classes=400, recipe=PAPER_RECIPE)
    assert own.loss == NPair() and own.network.backbone.spec == Ms3dSpec()
    assert own.repository is not None and own.repository.centres.shape == (400, 256)
    assert (PAPER_RECIPE.batch_size, PAPER_RECIPE.epochs) == (64, 500)
    assert PAPER_RECIPE.optimizer.weight_decay == 0.0, "Adam"
    assert max(PAPER_RECIPE.lr_at(epoch) for epoch in range(500)) == pytest.approx(1e-3)


def test_a_few_steps_pull_pairs_together():
    own, clips, labels = module(), torch.randn(8, 3, 4, 32, 32), torch.arange(4).repeat_interleave(2)
    optimizer, losses = own.configure_optimizers(), []
    for group in optimizer.param_groups:
        group["lr"] = 3e-3
    for _ in range(12):
        loss = sum(own.loss(own.view_outputs(clips)["codes"], labels).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0], losses


def test_a_training_with_a_memory_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(benchmark_cache, tmp_path):
    loss = NPair(memory=2)
    whole, first, second = module(loss=loss), module(loss=loss), module(loss=loss)
    fit(whole, data(), epochs=2)
    fit(first, data(), epochs=1).save_checkpoint(tmp_path / "half.ckpt")
    fit(second, data(), epochs=2, ckpt_path=tmp_path / "half.ckpt")
    assert whole.memory is not None and second.memory is not None
    torch.testing.assert_close(second.memory.sets("cpu"), whole.memory.sets("cpu"), rtol=0, atol=0)
    assert same_state(second.state_dict(), whole.state_dict())
    assert same_names(second, module()), "the memory is no part of the network"


def test_cross_entropy_has_a_linear_head_and_no_repository():
    own = module(loss=None, backbone=R3D18.smoke)
    assert isinstance(own.network.head, torch.nn.Linear) and own.repository is None
    assert own.configure_callbacks() == []
    own.check_repository()


def test_training_leaves_the_means_of_all_training_codes_and_their_distances_quantile(benchmark_cache):
    own, source = module(), data()
    fit(own, source, epochs=1)
    head = own.repository
    assert head is not None and head.counts.tolist() == [4, 4, 4, 4]
    own.check_repository()
    own.eval()
    codes, labels = training_codes(own.network.backbone, source)
    for label in range(4):
        torch.testing.assert_close(head.centres[label], codes[labels == label].mean(0), rtol=1e-4, atol=1e-5)
    distances = sorted((codes[i] - head.centres[labels[i]]).norm().item() for i in range(16))
    assert distances[13] <= head.threshold.item() <= distances[15]


def test_with_several_passes_a_centre_is_the_mean_over_all_draws_of_all_videos(benchmark_cache):
    own, source = module(), data(repository_passes=3)
    fit(own, source, epochs=1)
    head = own.repository
    assert head is not None and head.counts.tolist() == [12, 12, 12, 12], "w = 4 videos, p = 3 draws"
    codes, labels = training_codes(own.eval().network.backbone, source)
    assert len(codes) == 48
    draws = codes[:3]
    assert not torch.allclose(draws[0], draws[1]), "each pass draws other frames"
    for label in range(4):
        torch.testing.assert_close(head.centres[label], codes[labels == label].mean(0), rtol=1e-4, atol=1e-5)


def test_a_run_cut_short_and_unknown_classes_leave_classes_out(benchmark_cache):
    own, source = module(), data(unknown_classes=1)
    fit(own, source, epochs=1)
    assert own.repository is not None and own.repository.counts.tolist() == [4, 4, 4, 0]
    assert torch.isinf(own(torch.randn(1, 1, 3, 4, 32, 32))[0]).tolist() == [False, False, False, True]


def test_a_class_without_codes_is_an_error_in_a_whole_run():
    own = module()
    with pytest.raises(ValueError, match=r"no code of class\(es\) \[1, 3\]"):
        fill(own.network, torch.randn(4, 16), torch.tensor([0, 0, 2, 2]))


def test_a_repository_of_other_weights_is_refused_before_the_test_and_on_loading():
    own = module()
    with pytest.raises(ValueError, match="is empty"):
        own.on_test_start()
    fill(own.network, torch.randn(8, 16), torch.arange(4).repeat(2))
    own.on_test_start()
    whole = {name: tensor.clone() for name, tensor in own.state_dict().items()}
    module().load_released(whole)
    whole["network.backbone.code.bias"] += 1
    with pytest.raises(ValueError, match="filled by another network"):
        module().load_released(whole)


def test_fine_tuning_takes_the_backbone_with_its_graph_and_leaves_the_repository():
    source, target = module(num_classes=9), module()
    report = target.load_initial(source.state_dict())
    assert torch.equal(target.network.backbone.code.weight, source.network.backbone.code.weight)
    assert not report.missing and target.repository is not None and len(target.repository.centres) == 4
    other = replace(SMOKE_MS3D, densenet=replace(SMOKE_MS3D.densenet, graph=SparseGraph(alpha=0.7, seed=5)))
    with pytest.raises(ValueError, match="connected in another way"):
        module(backbone=other).load_initial(source.state_dict())


def test_class_scores_are_judged_by_centres_that_follow_training(benchmark_cache):
    own, source = module(), data()
    batch = source.on_after_batch_transfer(next(iter(source.train_dataloader())), 0)
    outputs = own.train().training_outputs(batch)
    head = own.repository
    assert isinstance(head, NearestCentre) and int(head.counts.sum()) == 4
    for label in batch.labels.unique():
        own_codes = outputs["codes"][batch.labels == label].detach()
        torch.testing.assert_close(head.centres[label], own_codes.mean(0), rtol=1e-4, atol=1e-5)


def test_a_videos_code_is_the_mean_over_its_views():
    own, clips = module().eval(), torch.randn(2, 3, 3, 4, 32, 32)
    single = torch.stack([own.codes(clips[:, v : v + 1]) for v in range(3)])
    torch.testing.assert_close(own.codes(clips), single.mean(0), rtol=1e-4, atol=1e-5)
