"""The report's data module: test settings, held-out halves, augmentation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from datamodules.datasets.mod_ucf101 import ModUCF101
from datamodules.subset import open_subset
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms.lighting import Lighting
from datamodules.transforms.scaled_corner_crop import ScaledCornerCrop
from datamodules.vipriors import SMOKE_DATA, VipriorsData, halved
from experiments.harness.cell import Training
from experiments.harness.spec import Build
from lightning_modules.vipriors import Vipriors, profiles

SCENES = dataclasses.replace(stand_in("mod-UCF101").tiny(), num_train=8, num_val=16)
rng = np.random.default_rng

pytestmark = pytest.mark.usefixtures("benchmark_cache")


@pytest.fixture(scope="module", autouse=True)
def prepared(benchmark_cache):
    data().prepare_data()


def data(**changes) -> VipriorsData:
    return VipriorsData(**{"source": SCENES, "batch_size": 4, **SMOKE_DATA, **changes})


def clips(loader) -> torch.Tensor:
    return torch.cat([batch.clips for batch in loader])


def test_the_flip_of_a_mirrored_video_is_the_centre_of_the_original():
    """Frames of an odd width: the centre of the mirrored frame is the mirrored centre."""
    video = torch.randint(256, (2, 8, 3, 40, 52), dtype=torch.uint8)
    centre, flip = data(short_side=40).test_setting(), data(short_side=40, test_crop="flip").test_setting()
    original, _ = centre(video, 0, rng(0))
    mirrored, _ = flip(video.flip(-1), 0, rng(0))
    assert torch.equal(mirrored, original)
    assert not torch.equal(flip(video, 0, rng(0))[0], original)


def test_settings_change_the_test_as_they_say():
    plain = clips(data().test_dataloader())
    assert torch.equal(clips(data(test_playback="reverse").test_dataloader()), plain.flip(3))
    halves = clips(data(test_playback="concatenated").test_dataloader())
    assert torch.equal(halves[:, :, :, :4], plain[:, :, :, :4]) and torch.equal(halves, halves.flip(3))
    random = clips(data(test_crop="random").test_dataloader())
    assert torch.equal(clips(data(test_crop="random").test_dataloader()), random) and not torch.equal(random, plain)
    for batch in data(test_interval=2).test_dataloader():
        assert (batch.frame_indices.diff(dim=2) == 2).all()


def test_validation_during_training_is_the_same_whatever_is_tested():
    settings = dict(test_interval=2, test_playback="reverse", test_crop="flip", test_subset="test", views=3)
    assert torch.equal(clips(data(**settings).val_dataloader()), clips(data().val_dataloader()))
    assert clips(data().val_dataloader()).shape[1] == 1


def test_a_training_does_not_depend_on_how_it_is_tested():
    def training(**changes) -> str:
        build = Build(VipriorsData, source=SCENES, **{**SMOKE_DATA, **changes})
        module = Build(Vipriors, **profiles.SMOKE_MODULE)
        return Training(
            paper="vipriors", module=module, data=build, recipe=profiles.SMOKE_RECIPE, num_classes=4, seed=0
        ).fingerprint

    for name, value in dict(test_interval=2, test_playback="reverse", test_crop="flip", test_subset="test").items():
        assert training(**{name: value}) == training()
    assert training(playbacks=("forward",)) != training()


def test_held_out_videos_are_shared_out_between_validation_and_test():
    every = open_subset(SCENES, None, "val").videos
    parts = [halved(open_subset(SCENES, None, "val"), half) for half in ("val", "test")]
    ids = [{video.id for video in part.videos} for part in parts]
    assert ids[0].isdisjoint(ids[1]) and ids[0] | ids[1] == {video.id for video in every}
    for part in parts:
        counts = np.bincount([video.label for video in part.videos], minlength=4)
        assert counts.tolist() == [2, 2, 2, 2]
        frames = [part.reader.read(i, lambda n: np.arange(2)[None])[0] for i in range(len(part.videos))]
        whole = open_subset(SCENES, None, "val")
        for own, video in zip(frames, part.videos, strict=True):
            assert np.array_equal(own, whole.reader.read(every.index(video), lambda n: np.arange(2)[None])[0])
    tested = {video.id for video in data(test_subset="test").subset("test")[0]}
    assert tested == ids[1] and {video.id for video in data().subset("test")[0]} == ids[0]
    assert {video.id for video in data(test_subset="test").subset("val")[0]} == ids[0]


def test_a_crops_side_stays_within_its_range_and_takes_corners():
    picture = torch.arange(128 * 160).view(1, 1, 1, 128, 160).expand(1, 2, 3, -1, -1).to(torch.uint8)
    for seed in range(20):
        out, label = ScaledCornerCrop(size=112)(picture, 3, rng(seed))
        assert out.shape == (1, 2, 3, 112, 112) and label == 3
    coordinates = torch.stack(torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")).float()
    pixels = torch.stack([*coordinates, coordinates[0]]).mul(4).to(torch.uint8).expand(1, 1, 3, 64, 64)
    in_corner = ScaledCornerCrop(size=32, scale=(1, 1), corners=1.0)
    first = [in_corner(pixels, 0, rng(seed))[0][0, 0, :2, 0, 0].tolist() for seed in range(60)]
    corners = {(down // 4, right // 4) for down, right in first}
    assert corners == {(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)}


def test_lighting_is_one_affine_change_per_channel_for_all_frames():
    video = torch.randint(60, 190, (1, 3, 3, 6, 6), dtype=torch.uint8)
    out, _ = Lighting()(video, 0, rng(5))
    for c in range(3):
        x, y = video[:, :, c].flatten().double().numpy(), out[:, :, c].flatten().double().numpy()
        slope, shift = np.polyfit(x, y, 1)
        assert np.abs(slope * x + shift - y).max() < 1.5 and 0.6 < slope < 1.5
    unchanged, _ = Lighting(noise=0, contrast=0, brightness=0)(video, 0, rng(0))
    assert torch.equal(unchanged, video)
    with pytest.raises(ValueError, match="contrast=2; accepted: 0 to 1"):
        Lighting(contrast=2)


def test_residual_frames_read_one_frame_more():
    batch = next(iter(data(num_frames=9).train_dataloader()))
    assert batch.clips.shape[3] == 9 and data(num_frames=9).input_spec.num_frames == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(test_crop="corner"), "test_crop='corner'; accepted: centre, flip, random"),
        (dict(test_subset="train"), "test_subset='train'; accepted: val, test"),
        (dict(source=stand_in("Jester")), "backward, some classes of the data set mean another class"),
    ],
)
def test_unknown_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        data(**changes)


def test_the_real_data_set_may_be_played_backward_and_mirrored():
    real = data(source=ModUCF101(), num_frames=64)
    assert real.sampling.playbacks == ("forward", "reverse", "concatenated")
    flipped = VipriorsData(source=ModUCF101(), test_crop="flip").test_setting()
    assert flipped(torch.zeros(1, 2, 3, 130, 150, dtype=torch.uint8), 7, rng(0))[1] == 7
