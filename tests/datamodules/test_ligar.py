"""LIGAR's augmentations: what the clips of a video share, what each draws, and training on single frames."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from datamodules.frame_sampling import ContinuousSampling, SegmentSampling
from datamodules.ligar import COLOUR_STEP, GENERAL_AUGMENTATION, JESTER_AUGMENTATION, JESTER_DATA, LigarData
from datamodules.synthetic.stand_ins import stand_in
from datamodules.transforms import (
    Compose,
    CrossNorm,
    Photometric,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotate,
    RandomScaledCrop,
    ShortSide,
)
from tests.tiny_cells import UNTRIMMED, ligar_data

pytestmark = pytest.mark.usefixtures("benchmark_cache")

SEEDS = range(24)


@dataclasses.dataclass(frozen=True)
class Geometry:
    """How a clip's pixels were taken from the frame: a rotated box, mirrored or not."""

    degrees: float
    mirrored: bool
    width: float
    height: float
    centre: tuple[float, float]  # of the box, in the rotated frame

    @staticmethod
    def of(clip: torch.Tensor) -> Geometry:
        """Fit the geometry of a clip ``(T, 3, H, W)`` cut from :func:`coordinates`."""
        frame = clip[0].double().numpy()
        size = frame.shape[-1]
        v, u = np.mgrid[:size, :size] + 0.5 - size / 2  # rows, columns about the centre
        seen = (frame[2] == 128) & (np.abs(u) < 0.45 * size) & (np.abs(v) < 0.45 * size)  # not the black outside
        design = np.stack([u[seen], v[seen], np.ones(seen.sum())], 1)
        fit = np.linalg.lstsq(design, np.stack([frame[0][seen], frame[1][seen]], 1) + 0.5 - 128, rcond=None)[0]
        along_u, along_v, origin = fit  # source coordinates (x, y) about the frame's centre
        mirrored = along_u[0] * along_v[1] - along_u[1] * along_v[0] < 0
        angle = np.arctan2(-along_v[0], along_v[1])  # of the image's downward axis
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return Geometry(
            degrees=float(np.degrees(angle)),
            mirrored=bool(mirrored),
            width=float(np.hypot(*along_u) * size),
            height=float(np.hypot(*along_v) * size),
            centre=tuple((turn @ origin).tolist()),
        )


def coordinates(videos: int = 2) -> torch.Tensor:
    """Return equal clips whose red is the column, green the row and blue 128."""
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    return torch.stack([x, y, torch.full_like(x, 128)]).to(torch.uint8).expand(videos, 1, 3, 256, 256)


def geometries(augmentation) -> list[tuple[Geometry, Geometry]]:
    """Return the geometry of both clips of a pair for many draws, the colour step left out."""
    spatial = Compose(*augmentation[:-1]).with_mirror_labels(())
    pairs = []
    for seed in SEEDS:
        clips, _ = spatial(coordinates(), 0, np.random.default_rng(seed))
        assert clips.shape == (2, 1, 3, 224, 224)
        pairs.append((Geometry.of(clips[0]), Geometry.of(clips[1])))
    return pairs


def test_a_pair_shares_crop_box_and_flip_and_each_clip_has_its_own_rotation():
    pairs = geometries(GENERAL_AUGMENTATION)
    for one, other in pairs:
        assert one.mirrored == other.mirrored
        assert abs(one.width - other.width) < 1 and abs(one.height - other.height) < 1
        assert np.abs(np.subtract(one.centre, other.centre)).max() < 1.5
        assert 0.39 < one.width * one.height / 256**2 < 1.01 and 0.49 < one.width / one.height < 1.51
    turned = np.array([[one.degrees, other.degrees] for one, other in pairs])
    assert np.abs(turned).max() < 10.2
    assert ((np.abs(turned) > 0.5).any(0)).all() and (np.abs(turned[:, 0] - turned[:, 1]) > 0.5).sum() > len(SEEDS) / 2
    assert 0 < sum(one.mirrored for one, _ in pairs) < len(SEEDS)


def test_on_jester_each_clip_has_its_own_square_and_the_flip_is_shared():
    pairs = geometries(JESTER_AUGMENTATION)
    for pair in pairs:
        assert pair[0].mirrored == pair[1].mirrored
        for clip in pair:
            assert abs(clip.width - clip.height) < 1.5 and 0.86 < clip.width / 256 < 1.01
    sides = np.array([[clip.width for clip in pair] for pair in pairs])
    assert (np.abs(sides[:, 0] - sides[:, 1]) > 1.5).sum() > len(SEEDS) / 2
    assert np.abs([[clip.degrees for clip in pair] for pair in pairs]).max() < 10.2


@pytest.mark.parametrize("augmentation", [GENERAL_AUGMENTATION, JESTER_AUGMENTATION], ids=["general", "jester"])
def test_the_parts_are_the_papers(augmentation):
    kinds = [type(part) for part in augmentation[:-1]]
    crop = RandomScaledCrop if augmentation is JESTER_AUGMENTATION else RandomResizedCrop
    assert kinds == [ShortSide, RandomRotate, crop, RandomHorizontalFlip]
    assert augmentation[-1] == COLOUR_STEP
    assert [(chance, type(part)) for chance, part in COLOUR_STEP.choices] == [
        (0.10, type(None)), (0.45, Photometric), (0.45, CrossNorm)]  # fmt: skip


def test_the_choice_of_colour_step_is_shared_and_its_parameters_are_each_clips_own(tmp_path):
    pool = tmp_path / "pool.txt"
    drawn = np.random.default_rng(0).uniform(60, 190, (200, 3)).round(1)
    pool.write_text("".join(f"{a},{b},{c} 20,25,30\n" for a, b, c in drawn))
    colour = Compose(COLOUR_STEP).replaced(
        lambda t: CrossNorm(pool=pool, per_clip=t.per_clip) if isinstance(t, CrossNorm) else t
    )
    one = np.random.default_rng(1).integers(60, 190, (1, 2, 3, 12, 12), dtype=np.uint8)
    clips = torch.from_numpy(one).expand(2, 2, 3, 12, 12)
    outcomes = {"nothing": 0, "one clip": 0, "both": 0}
    normed = same = 0
    for seed in range(400):
        out, _ = colour(clips, 0, np.random.default_rng(seed))
        changed = [not torch.equal(a, b) for a, b in zip(out, clips, strict=True)]
        outcomes[("nothing", "one clip", "both")[sum(changed)]] += 1
        stds = out.float().std(dim=(1, 3, 4), correction=0)  # (2, 3)
        wears_pool = [bool((s - torch.tensor([20.0, 25, 30])).abs().max() < 1) for s in stds]
        assert wears_pool[0] == wears_pool[1]
        normed += wears_pool[0]
        same += all(changed) and torch.equal(out[0], out[1])
    assert abs(normed / 400 - 0.45) < 0.1
    assert same <= 4  # the same of 200 lines of the pool twice
    # each clip's photometric jitter does nothing with a chance of 1/16, both do with 1/256
    assert 0.05 < outcomes["nothing"] / 400 < 0.17 and 0.01 < outcomes["one clip"] / 400 < 0.12


def test_jester_is_sampled_without_gaps_and_its_left_and_right_change_places():
    member = dataclasses.replace(stand_in("Jester").tiny(), num_train=4, num_val=4)
    data = LigarData(source=member, batch_size=4, **JESTER_DATA)
    assert (data.sampling.num_frames, data.sampling.frame_interval, data.sampling.span) == (16, 1, 16)
    videos, _ = data.subset("train")
    changed = []
    for epoch in range(3):
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        [batch] = list(loader)
        assert batch.clips.shape == (4, 1, 3, 16, 224, 224)
        assert (batch.frame_indices.diff(dim=-1) == 1).all()
        for index, label in zip(batch.video_index.tolist(), batch.labels.tolist(), strict=True):
            assert label in (videos[index].label, member.mirror_labels[videos[index].label])
            changed.append(label != videos[index].label)
    assert any(changed) and not all(changed)


def test_the_pair_of_a_video_comes_from_its_two_halves():
    sampling = ContinuousSampling(num_frames=4, frame_interval=2, jitter=False)
    rng = np.random.default_rng(0)
    starts = np.array([sampling.train(48, rng, 2)[:, 0] for _ in range(300)])  # 41 valid starts: 20 in each half
    assert starts[:, 0].min() == 0 and starts[:, 0].max() == 19
    assert starts[:, 1].min() == 20 and starts[:, 1].max() == 39


@pytest.mark.parametrize("sampling", [ContinuousSampling, SegmentSampling])
@pytest.mark.parametrize("clips_per_video", [1, 2])
def test_single_frames_go_the_whole_way(sampling, clips_per_video):
    images = dataclasses.replace(stand_in("ImageNet").tiny(), num_train=8, num_val=4)
    data = ligar_data(
        images, sampling=sampling, num_frames=1, frame_interval=1, clips_per_video=clips_per_video, views=2, crops=3,
        short_side=36, augmentation=(*GENERAL_AUGMENTATION[:2], RandomResizedCrop(size=32), *GENERAL_AUGMENTATION[3:]),
    )  # fmt: skip
    for batch in data.train_dataloader():
        assert batch.clips.shape == (4, clips_per_video, 3, 1, 32, 32)
        assert (batch.frame_indices < batch.num_frames[:, None, None]).all()
    test = next(iter(data.test_dataloader()))
    assert test.clips.shape == (1, 6, 3, 1, 32, 32) and test.frame_indices.shape == (1, 6, 1)
    assert len(set(test.frame_indices.flatten().tolist())) == 2
    assert data.input_spec.num_frames == 1


def test_single_frames_come_from_everywhere_in_a_video():
    rng = np.random.default_rng(0)
    for sampling in (ContinuousSampling(num_frames=1, frame_interval=1), SegmentSampling(num_frames=1)):
        drawn = np.concatenate([sampling.train(10, rng) for _ in range(400)])
        assert np.unique(drawn).tolist() == list(range(10)), sampling
        assert sampling.test(10, 1).tolist() == [[5]]


def test_the_stand_in_for_imagenet_is_a_source_of_its_own():
    images = stand_in("ImageNet")
    assert (images.kind, images.seed, images.num_classes) == ("source", 2012, 16)
    assert not ligar_data(UNTRIMMED).source == images
