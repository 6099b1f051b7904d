"""Combinations across papers: each is its paper's network but for the one thing that another paper adds."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch

from datamodules.ligar import SMOKE_DATA, LigarData
from datamodules.ms3d import Ms3dData
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import ShortSide
from experiments.harness import build_module
from experiments.study_cross import TABLE
from experiments.study_profiles import ACTION_NET_ACS, ACTION_NET_N_PAIR, LIGAR_KPSEM, SLOW_FAST_ACS
from lightning_modules.action_net import ActionNet
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.clip_selection import ClipSelectionFeedback
from lightning_modules.ligar.network import LARGE
from lightning_modules.ligar.self_challenging import SelfChallenging
from lightning_modules.losses.n_pair import NPair
from lightning_modules.study.clip_selection import SelectingActionNet, SelectingSlowFast
from lightning_modules.study.codes import ActionCodesSpec, CentreJudgedActionNet
from lightning_modules.study.key_points import KeyPointLigar, frames_behind
from lightning_modules.study.profiles import ACTION_CODES, ACTION_NET, KEY_POINTS, LIGAR, SLOW_FAST, SMOKE_RECIPE
from lightning_modules.study.residual_frames import ResidualActionNet, ResidualLigar
from lightning_modules.vipriors.module import RESIDUAL_GAIN
from tests.tiny_cells import EAGER, UNTRIMMED, batch_of, fit, lively, some_clips

pytestmark = pytest.mark.usefixtures("benchmark_cache")

SEGMENTS: dict[str, Any] = dict(
    sampling="segments", pathway_frames=None, tailor=None, class_pairs=False, num_frames=4, short_side=32, size=32,
    augmentation=(ShortSide(size=32),),
)  # fmt: skip
NET: dict[str, Any] = dict(num_classes=4, recipe=SMOKE_RECIPE)


def pair(cls: type, plain: type, arguments: dict[str, Any], **changes: Any) -> tuple[Any, Any]:
    """Return a combination and the plain network with the same weights."""
    torch.manual_seed(0)
    combined = lively(cls(**arguments, **changes, **NET))
    other = plain(**arguments, **NET).eval()
    other.load_state_dict(combined.state_dict())
    return combined, other


# -- residual frames ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "plain", "arguments"),
    [(ResidualActionNet, ActionNet, ACTION_NET["smoke"]), (ResidualLigar, Ligar, LIGAR["smoke"])],
)
def test_a_network_on_residual_frames_is_the_network_of_the_differences(cls, plain, arguments):
    combined, network = pair(cls, plain, arguments)
    clips = some_clips(3, 2, num_frames=5)
    differences = torch.stack([RESIDUAL_GAIN * (clips[:, :, :, t + 1] - clips[:, :, :, t]) for t in range(4)], dim=3)
    with torch.no_grad():
        scores = combined(clips)
        torch.testing.assert_close(scores, network(differences), rtol=1e-5, atol=1e-6)
        still = clips[:, :, :, :1].expand_as(clips)
        torch.testing.assert_close(combined(still), combined(still + 1.0), rtol=1e-5, atol=1e-6)
    assert scores.std(0).max() > 1e-3, "all clips score alike: this test shows nothing"


def test_residual_frames_refuse_what_would_look_at_whole_frames():
    module = ResidualLigar(**LIGAR["smoke"], self_challenging=SelfChallenging(), **NET)
    with pytest.raises(ValueError, match="self_challenging reads the features of whole frames"):
        module.training_outputs(batch_of(some_clips(2, 1, num_frames=5), torch.tensor([0, 1])))


# -- key points on LIGAR's path -------------------------------------------------------------------------


def key_point_ligar(**changes: Any) -> KeyPointLigar:
    torch.manual_seed(0)
    return KeyPointLigar(**LIGAR["smoke"], **{**KEY_POINTS["smoke"], **changes}, **NET)


def test_key_points_join_ligars_features_and_leave_its_path_alone():
    module = lively(key_point_ligar())
    network, clips = module.network, some_clips(3, 1)[:, 0]
    with torch.no_grad():
        features = network.features(clips)
        maps = network.backbone.stem(clips)
        vectors = network.backbone.global_path.start(maps)
        for number, block in enumerate(network.backbone.blocks[: network.after + 1], start=1):
            local = block(maps)
            maps, vectors = network.backbone.global_path.exchange(number, local, vectors)
        spatial = network.backbone(clips).mean((2, 3, 4))
        expected = torch.cat([spatial, network.kpsem(local)], dim=1)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
    assert network.kpsem(local).std(0).max() > 1e-4
    assert not network.backbone.blocks[network.after]._forward_hooks, "reading the maps leaves nothing behind"


def test_silent_key_points_change_no_score():
    module = key_point_ligar(start_at_zero=True).eval()
    clips = some_clips(3, 1)[:, 0]
    with torch.no_grad():
        features = module.network.features(clips)
    assert not features[:, -module.network.kpsem.out_features(module.network.frames) :].any()


def test_key_points_start_from_a_plain_ligar_too():
    torch.manual_seed(3)
    plain = Ligar(**LIGAR["smoke"], **NET)
    module = key_point_ligar()
    report = module.load_initial(plain.state_dict())
    assert all(name.startswith("kpsem.") for name in report.missing) and report.missing and not report.mismatched
    ours, theirs = module.network.backbone.state_dict(), plain.network.backbone.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    with pytest.raises(ValueError, match="head.project.weight is"):
        module.load_released(plain.state_dict())


def test_key_points_follow_the_papers_place_at_full_size():
    with torch.device("meta"):
        module = KeyPointLigar(**NET)
        kept = module.network.features(torch.empty(2, 3, 16, 224, 224))
    assert module.network.frames == 8 == frames_behind(LARGE[:10], 16)
    assert kept.shape == (2, 960 + 80 // 4 * 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(after=15), "after=15; accepted: the number of a block, 0 to 14"),
        (dict(num_frames=1), "clips of 1 frames leave 1 behind block 2; shifts need 2"),
    ],
)
def test_key_points_where_there_are_none_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        key_point_ligar(**changes)


def test_clips_of_another_length_are_refused():
    with pytest.raises(ValueError, match="clips of 8 frames do not fit"):
        key_point_ligar().eval()(some_clips(1, 1, num_frames=8))


# -- codes on ACTION-Net's features ---------------------------------------------------------------------


def test_a_code_is_the_mean_over_frames_of_a_linear_layer_on_action_nets_features():
    torch.manual_seed(0)
    network = ACTION_CODES["smoke"].build().eval()
    clips = some_clips(3, 1)[:, 0]
    with torch.no_grad():
        pooled = network.feature_maps(clips).mean((3, 4))  # (N, T, F)
        expected = torch.stack([network.head(pooled[:, t]) for t in range(pooled.shape[1])]).mean(0)
        codes = network(clips)
    torch.testing.assert_close(codes, expected, rtol=1e-4, atol=1e-5)
    assert codes.shape == (3, network.feature_channels) and codes.std() > 0.05, "codes next to zero give no gradient"


def test_the_full_size_codes_are_on_the_papers_action_net():
    with torch.device("meta"):
        ours, paper = ActionCodesSpec().build(), ActionNet(**NET).network
    assert {n: v.shape for n, v in ours.backbone.state_dict().items()} == {
        n: v.shape for n, v in paper.backbone.state_dict().items()
    }
    assert ours.head.weight.shape == (256, 2048)


def test_codes_are_trained_by_the_n_pair_loss_and_judged_by_centres():
    module = build_module(TABLE, row=ACTION_NET_N_PAIR, profile="smoke", num_classes=4)
    assert isinstance(module.loss, NPair) and module.repository is not None
    labels = torch.tensor([0, 0, 1, 1])
    outputs = module.training_outputs(batch_of(some_clips(4, 1), labels))
    terms = module.loss_terms(outputs, labels, batch_of(some_clips(4, 1), labels))
    torch.stack([*terms.values()]).sum().backward()
    assert {"loss_n_pair"} <= terms.keys()
    assert all(p.grad is not None and p.grad.any() for p in module.network.backbone.head.parameters() if p.ndim > 1)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory):
    """Return an ACTION-Net that was trained for an epoch and judges by centres, and its data module."""
    scenes = dataclasses.replace(stand_in("UCF-101").tiny(), num_train=8, num_val=8)
    data = Ms3dData(source=scenes, batch_size=4, **SEGMENTS)
    torch.manual_seed(0)
    module = CentreJudgedActionNet(**ACTION_NET["smoke"], **NET)
    fit(module, data, epochs=1)
    return module, data


def test_centres_are_the_means_of_the_training_videos_features(judged):
    module, data = judged
    module.eval()
    codes, labels = [], []
    for batch in data.repository_dataloader():
        batch = data.on_after_batch_transfer(batch, 0)
        with torch.no_grad():
            codes.append(module.network.feature_maps(batch.clips[:, 0]).mean((1, 3, 4)))
        labels.append(batch.labels)
    every, of = torch.cat(codes), torch.cat(labels)
    expected = torch.stack([every[of == label].mean(0) for label in range(4)])
    torch.testing.assert_close(module.repository.centres, expected, rtol=1e-4, atol=1e-5)
    clips = some_clips(3, 1)
    with torch.no_grad():
        features = module.network.feature_maps(clips[:, 0]).mean((1, 3, 4))
        distances = (features[:, None] - expected).square().sum(2)
        torch.testing.assert_close(module.view_outputs(clips[:, 0])["logits"], -distances, rtol=1e-3, atol=1e-4)
    assert module(clips).argmax(1).tolist() == distances.argmin(1).tolist()


def test_training_goes_by_the_classifier_and_centres_of_another_network_are_refused(judged):
    module = copy.deepcopy(judged[0])
    module.on_test_start()
    clips = some_clips(3, 1)[:, 0]
    torch.manual_seed(0)
    trained = module.train().view_outputs(clips)["logits"]
    torch.manual_seed(0)
    torch.testing.assert_close(trained, module.network(clips))
    other = CentreJudgedActionNet(**ACTION_NET["smoke"], **NET)
    with pytest.raises(ValueError, match="repository of class centres is empty"):
        other.on_test_start()
    report = other.load_initial(module.state_dict())
    assert not int(other.repository.filled_with) and not report.missing, "a pre-training's centres are not taken over"
    kept = {name: value.clone() for name, value in module.repository.state_dict().items()}
    other.repository.load_state_dict(kept)
    with torch.no_grad():
        other.network.backbone.state_dict()[next(iter(other.network.backbone.state_dict()))].add_(1.0)
    with pytest.raises(ValueError, match="filled by another network"):
        other.on_test_start()


# -- clip selection on other papers' networks -----------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "arguments"), [(SelectingActionNet, ACTION_NET["smoke"]), (SelectingSlowFast, SLOW_FAST["smoke"])]
)
def test_a_selecting_network_reports_its_clips_and_samples_by_them(cls, arguments):
    frames = 8 if cls is SelectingSlowFast else 4
    data = LigarData(
        source=UNTRIMMED, batch_size=4, **{**SMOKE_DATA, "num_frames": frames, "frame_interval": 1},
        clip_selection=EAGER,
    )  # fmt: skip
    torch.manual_seed(0)
    module = cls(**arguments, **NET)
    [feedback] = [one for one in module.configure_callbacks() if isinstance(one, ClipSelectionFeedback)]
    assert feedback.confidence == "probability"
    fit(module, data, epochs=2)
    assert data.clip_scores is not None and len(data.clip_scores) == UNTRIMMED.num_train
    weights = [data.clip_scores.snapshot().start_weights(video, 64, frames) for video in range(UNTRIMMED.num_train)]
    assert all(one is not None and one.min() < one.max() for one in weights), "no clip weighs more than another"


def test_without_selection_a_selecting_network_trains_as_the_plain_one():
    states = []
    for cls in (ActionNet, SelectingActionNet):
        data = LigarData(source=UNTRIMMED, batch_size=4, **SMOKE_DATA)
        torch.manual_seed(0)
        module = cls(**ACTION_NET["smoke"], **NET)
        fit(module, data, epochs=1)
        states.append(module.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_every_combination_says_whose_network_it_is():
    for row, base in ((ACTION_NET_ACS, ActionNet), (LIGAR_KPSEM, Ligar)):
        assert isinstance(build_module(TABLE, row=row, profile="smoke", num_classes=4), base)
    slow_fast = build_module(TABLE, row=SLOW_FAST_ACS, profile="smoke", num_classes=4)
    assert isinstance(slow_fast, SelectingSlowFast)
