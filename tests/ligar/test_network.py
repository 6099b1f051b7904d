"""The LIGAR network has the authors' sizes, wiring and outputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.heads.cosine import CosineHead
from lightning_modules.layers.folding import folded_parameters
from lightning_modules.layers.global_context import GlobalContextPooling
from lightning_modules.layers.inverted_residual import BlockSpec, InvertedResidual
from lightning_modules.layers.squeeze_excitation import SqueezeExcitation
from lightning_modules.ligar.local_global_diffusion import GlobalPath, VectorTransform
from lightning_modules.ligar.network import LARGE, LigarNetwork, initialise_from_scratch, scaled_channels
from tests.shape_seed import fill, video

# The authors' network at 101 classes, filled and fed by tests/shape_seed.py: its first 12 cosines.
GOLDEN_COSINES = (
    0.035286, 0.014943, -0.101826, -0.05553, -0.018174, 0.019753,
    -0.150928, -0.118686, 0.023719, -0.025476, 0.006166, -0.050333,
)  # fmt: skip

# Each stage of the local path at 16 x 224 x 224: output channels, T, H, parameters, convolution MACs (M).
STAGES = (
    (16, 16, 112, 464, 86.70),
    (16, 16, 112, 464, 80.28),
    (24, 16, 56, 4_592, 369.30),
    (24, 16, 56, 5_736, 270.95),
    (40, 16, 28, 13_058, 190.61),
    (40, 8, 28, 26_510, 146.82),
    (40, 8, 28, 32_510, 154.35),
    (80, 8, 14, 40_720, 107.25),
    (80, 8, 14, 38_360, 58.64),
    (80, 8, 14, 35_304, 53.95),
    (80, 8, 14, 38_616, 59.14),
    (112, 4, 14, 223_064, 112.98),
    (112, 4, 14, 398_216, 133.14),
    (160, 4, 14, 462_824, 183.72),
    (160, 4, 7, 495_080, 116.15),
    (160, 4, 7, 845_360, 76.17),
    (960, 4, 7, 155_520, 30.11),
)

SHORT = (
    BlockSpec(out_channels=16, expanded_channels=None, kernel=(1, 3), activation="relu"),
    BlockSpec(out_channels=24, expanded_channels=48, kernel=(3, 3), stride=(2, 2), activation="relu"),
    BlockSpec(out_channels=24, expanded_channels=48, kernel=(3, 5), squeeze_excitation=True),
    BlockSpec(out_channels=32, expanded_channels=72, kernel=(5, 3), stride=(1, 2)),
)


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(num_classes: int = 101) -> LigarNetwork:
    with torch.device("meta"):
        return LigarNetwork(num_classes=num_classes).eval()


def macs_by_operator(network: nn.Module, clips: torch.Tensor) -> dict[str, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(clips)
    return {str(operator): flops // 2 for operator, flops in counter.get_flop_counts()["Global"].items()}


def small(seed: int = 0, **changes) -> LigarNetwork:
    torch.manual_seed(seed)
    return LigarNetwork(**{"num_classes": 5, "width": 0.5, "blocks": SHORT, "feature_channels": 48} | changes)


@pytest.mark.parametrize(
    ("num_classes", "expected", "folded"),
    [(101, 4_506_674, 4_484_284), (27, 4_487_730, 4_465_340), (200, 4_532_018, 4_509_628)],
)
def test_parameters_with_and_without_folding_are_the_authors(num_classes, expected, folded):
    network = on_meta(num_classes)
    assert parameters_of(network) == expected
    assert folded_parameters(network) == folded


def test_parameters_split_into_the_authors_parts():
    network = on_meta()
    path = network.backbone.global_path
    assert parameters_of(network.backbone) == 4_234_546
    assert parameters_of(network.head) == 272_128
    assert [parameters_of(part) for part in (path.to_local, path.pool, path.step)] == [
        534_176,
        504_676,
        379_296,
    ]
    assert [len(part) for part in (path.to_local, path.pool, path.step)] == [14, 14, 13]


def test_operations_are_the_authors():
    network, clips = on_meta(), torch.empty(1, 3, 16, 224, 224, device="meta")
    macs = macs_by_operator(network, clips)
    centres = 256 * 101
    # 1x1x1 convolutions of pooled vectors are matrix products here, convolutions in the authors' count.
    convolutions = macs["aten.convolution"] + macs["aten.mm"] + macs["aten.addmm"] - centres
    assert convolutions == 2_242_548_096
    assert macs["aten.bmm"] == 10_637_312
    assert sum(macs.values()) == 2_253_211_264


def test_operations_by_fvcore_are_half_the_published_gflops():
    fvcore = pytest.importorskip("fvcore.nn", reason="fvcore is a development dependency")
    network, clips = LigarNetwork(num_classes=27).eval(), torch.zeros(1, 3, 16, 224, 224)
    analysis = fvcore.FlopCountAnalysis(network, clips).unsupported_ops_warnings(False)
    total = analysis.uncalled_modules_warnings(False).total()
    assert total / 1e9 == pytest.approx(2.36147, abs=1e-5)
    assert 2 * total / 1e9 == pytest.approx(4.74, rel=5e-3)


def test_every_stage_has_the_authors_shape_parameters_and_operations():
    backbone = on_meta().backbone
    maps = torch.empty(1, 3, 16, 224, 224, device="meta")
    for stage, (channels, frames, side, params, macs) in zip(
        (backbone.stem, *backbone.blocks, backbone.out), STAGES, strict=True
    ):
        counted = sum(macs_by_operator(stage, maps).values()) / 1e6
        maps = stage(maps)
        assert tuple(maps.shape) == (1, channels, frames, side, side)
        assert parameters_of(stage) == params
        assert counted == pytest.approx(macs, abs=6e-3)


def test_outputs_of_the_filled_network_are_the_authors():
    with torch.no_grad():
        cosines = fill(LigarNetwork(num_classes=101))(video((1, 3, 16, 224, 224)))
    torch.testing.assert_close(cosines[0, :12], torch.tensor(GOLDEN_COSINES), atol=1e-4, rtol=0)


def test_global_path_is_wired_as_published():
    """Follow the published recurrences literally, with blocks replaced by named numbers."""
    torch.manual_seed(0)
    channels = (4, 4, 6, 6, 8)
    path = GlobalPath(channels=channels).double().eval()
    for parameter in path.parameters():
        nn.init.normal_(parameter)
    blocks = [torch.randn(2, count, 3, 2, 2, dtype=torch.float64) for count in channels]
    last = len(channels) - 1

    g = path.pool[0](blocks[0])
    expected = []
    for i in range(1, last + 1):
        local = blocks[i]
        if i <= last - 1:
            local = local + path.to_local[i - 1](g).reshape(2, -1, 1, 1, 1)
        if i <= last - 2:
            residual = g if channels[i - 1] == channels[i] else 0
            g = path.step[i - 1](g) + residual + path.pool[i](local)
        expected.append(local)

    vectors = path.start(blocks[0])
    for i in range(1, last + 1):
        local, vectors = path.exchange(i, blocks[i], vectors)
        torch.testing.assert_close(local, expected[i - 1])
    assert vectors is None


def test_network_starts_as_its_local_path_and_scratch_initialisation_ends_that():
    network = small().eval()
    clips = torch.randn(2, 3, 4, 16, 16)

    def local_path(maps):
        for stage in (network.backbone.stem, *network.backbone.blocks, network.backbone.out):
            maps = stage(maps)
        return nn.functional.hardswish(maps)

    with torch.no_grad():
        torch.testing.assert_close(network.backbone(clips), local_path(clips), atol=0, rtol=0)
        initialise_from_scratch(network)
        assert not torch.allclose(network.backbone(clips), local_path(clips))


def test_scratch_initialisation_has_the_authors_spread():
    torch.manual_seed(0)
    network = initialise_from_scratch(LigarNetwork(num_classes=5))
    stem, block = network.backbone.stem[0], network.backbone.blocks[5]
    widen = network.backbone.global_path.step[-1].widen
    assert stem.weight.std().item() == pytest.approx((2 / (1 * 3 * 16)) ** 0.5, rel=0.1)
    assert block.depthwise[0].weight.std().item() == pytest.approx((2 / (5 * 5 * 120)) ** 0.5, rel=0.05)
    assert widen.weight.std().item() == pytest.approx((2 / widen.out_features) ** 0.5, rel=0.05)
    assert block.gate.squeeze.bias.abs().max() == 0


def test_attention_pooling_is_a_weighted_mean_of_positions():
    torch.manual_seed(0)
    pooling = GlobalContextPooling(channels=3).double().eval()
    maps = torch.randn(2, 3, 2, 4, 5, dtype=torch.float64)
    kernel = pooling.score.weight.flatten()
    for clip, pooled in zip(maps, pooling(maps), strict=True):
        positions = clip.reshape(3, -1).t()  # (THW, C)
        scores = torch.stack([(position * kernel).sum() for position in positions]) / (1 + 1e-5) ** 0.5
        weights = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(pooled, sum(w * p for w, p in zip(weights, positions, strict=True)))


def test_attention_pooling_ignores_the_order_of_positions():
    torch.manual_seed(0)
    pooling, maps = GlobalContextPooling(channels=3).double(), torch.randn(2, 3, 2, 3, 4, dtype=torch.float64)
    shuffled = maps.flatten(2)[:, :, torch.randperm(24)].reshape(maps.shape)
    torch.testing.assert_close(pooling(maps), pooling(shuffled))


def test_squeeze_excitation_gates_each_frame_by_itself():
    torch.manual_seed(0)
    gate, maps = SqueezeExcitation(channels=8).double(), torch.randn(2, 8, 3, 4, 4, dtype=torch.float64)
    each = [gate(frame.unsqueeze(2)).squeeze(2) for frame in maps.unbind(2)]
    torch.testing.assert_close(gate(maps), torch.stack(each, dim=2))


def test_squeeze_excitation_stands_before_the_activation():
    torch.manual_seed(0)
    block = InvertedResidual(in_channels=8, spec=SHORT[2]).eval()
    seen = []
    block.gate.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].min().item()))
    block(torch.randn(1, 8, 2, 6, 6))
    assert seen[0] < -0.4  # hard-swish is nowhere below -0.375


@pytest.mark.parametrize(
    ("in_channels", "spec", "skips"),
    [
        (24, BlockSpec(out_channels=24, expanded_channels=48), True),
        (16, BlockSpec(out_channels=24, expanded_channels=48), False),
        (24, BlockSpec(out_channels=24, expanded_channels=48, stride=(2, 1)), False),
        (24, BlockSpec(out_channels=24, expanded_channels=48, stride=(1, 2)), False),
    ],
)
def test_block_adds_its_input_only_where_shapes_and_strides_allow(in_channels, spec, skips):
    block = InvertedResidual(in_channels=in_channels, spec=spec)
    nn.init.zeros_(block.project[1].weight)
    maps = torch.randn(2, in_channels, 4, 6, 6)
    out = block(maps)
    torch.testing.assert_close(out, maps if skips else torch.zeros_like(out))


def test_head_gives_unit_embeddings_and_their_cosines_with_the_centres():
    torch.manual_seed(0)
    head = CosineHead(in_features=12, num_classes=4, embedding_dim=6).double()
    features = torch.randn(5, 12, dtype=torch.float64)
    embeddings, cosines = head.embed(features), head(features)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(head.centres.unit().norm(dim=1), torch.ones(4, dtype=torch.float64))
    for i in range(5):
        for j in range(4):
            centre = head.centres.weight[:, j]
            torch.testing.assert_close(cosines[i, j], (embeddings[i] * centre).sum() / centre.norm())


def test_head_ignores_the_length_of_features_and_centres():
    torch.manual_seed(0)
    head = CosineHead(in_features=12, num_classes=4, embedding_dim=6).double()
    features = torch.randn(5, 12, dtype=torch.float64)
    before = head(features)
    with torch.no_grad():
        head.centres.weight.mul_(7.0)
    torch.testing.assert_close(head(1000 * features), before, atol=1e-4, rtol=0)  # batch norm's eps


def test_small_network_of_any_input_size_trains_every_parameter():
    network = initialise_from_scratch(small(stem_stride=(1, 1, 1)))
    assert network.head.project.in_features == 24
    cosines = network(torch.randn(3, 3, 5, 20, 28))
    assert cosines.shape == (3, 5)
    nn.functional.cross_entropy(10 * cosines, torch.tensor([0, 1, 2])).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_forward_is_embed_then_cosines_and_features_are_pooled():
    network, clips = small().eval(), torch.randn(2, 3, 4, 16, 16)
    assert network.features(clips).shape == (2, 24)
    torch.testing.assert_close(network.head.centres(network.embed(clips)), network(clips))


def test_memory_layout_does_not_change_the_outputs():
    network, clips = initialise_from_scratch(small()).eval(), torch.randn(2, 3, 4, 16, 16)
    expected = network(clips)
    network.to(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(network(clips.to(memory_format=torch.channels_last_3d)), expected)


def test_training_on_one_clip_is_refused_by_batch_normalisation():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        small()(torch.randn(1, 3, 4, 16, 16))


def test_channels_round_to_multiples_of_eight_and_keep_the_full_width():
    assert [scaled_channels(c, 0.25) for c in (16, 24, 40, 80, 112, 160)] == [8, 8, 16, 24, 32, 40]
    full = [c for block in LARGE for c in (block.out_channels, block.expanded_channels) if c is not None]
    assert [scaled_channels(c, 1.0) for c in full] == full
    with pytest.raises(ValueError, match="width must be positive, got 0"):
        scaled_channels(16, 0)


def test_folding_keeps_normalisations_that_follow_no_layer_of_their_size():
    assert folded_parameters(nn.Sequential(nn.BatchNorm3d(3), nn.Conv3d(3, 4, 1, bias=False))) == 6 + 12
    assert folded_parameters(nn.Sequential(nn.Conv3d(3, 4, 1, bias=False), nn.BatchNorm3d(4))) == 12 + 4
    assert folded_parameters(nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4), nn.ReLU())) == 16


def test_vector_transform_works_per_clip_in_evaluation():
    torch.manual_seed(0)
    transform = VectorTransform(in_channels=4, out_channels=3).double().eval()
    vectors = torch.randn(3, 4, dtype=torch.float64)
    torch.testing.assert_close(transform(vectors), torch.cat([transform(v[None]) for v in vectors]))


def test_wrong_specifications_are_refused():
    with pytest.raises(ValueError, match="got 'gelu'"):
        BlockSpec(out_channels=8, expanded_channels=8, activation="gelu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"got \(3, 4\)"):
        BlockSpec(out_channels=8, expanded_channels=8, kernel=(3, 4))
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        LigarNetwork(num_classes=0)
    with pytest.raises(ValueError, match="at least one block"):
        small(blocks=())
