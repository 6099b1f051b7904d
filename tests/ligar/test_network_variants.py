"""The LIGAR network's variants have the measured sizes, compute what they should, and leave the default as it was."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.layers.folding import folded_parameters
from lightning_modules.layers.global_context import AveragePooling
from lightning_modules.layers.inverted_residual import BlockSpec, InvertedResidual
from lightning_modules.ligar.local_global_diffusion import GlobalPath
from lightning_modules.ligar.network import CANONICAL, LARGE, LARGE_S3D, LigarNetwork, initialise_from_scratch

TAIL = (
    *LARGE[:12],
    replace(LARGE[12], stride=(1, 2)),
    replace(LARGE[13], expanded_channels=960, stride=(1, 1)),
    LARGE[14],
)
SHORT = (
    BlockSpec(out_channels=16, expanded_channels=None, kernel=(1, 3), activation="relu"),
    BlockSpec(out_channels=24, expanded_channels=48, stride=(2, 2), activation="relu"),
    BlockSpec(out_channels=24, expanded_channels=48, kernel=(3, 5), squeeze_excitation=True),
)


def with_temporal_kernels(side: int) -> tuple[BlockSpec, ...]:
    return tuple(replace(block, kernel=(side if i else 1, block.kernel[1])) for i, block in enumerate(LARGE))


def small(**changes) -> LigarNetwork:
    torch.manual_seed(0)
    return LigarNetwork(**{"num_classes": 5, "width": 0.5, "blocks": SHORT, "feature_channels": 48} | changes)


def fingerprint(network: nn.Module) -> tuple[str, float]:
    """Hash names, shapes and the random stream's state; weigh all values, whose last bits depend on the CPU."""
    named = network.state_dict().items()
    digest = hashlib.sha256(repr([(name, tuple(tensor.shape)) for name, tensor in named]).encode())
    digest.update(torch.get_rng_state().numpy().tobytes())
    values = torch.cat([tensor.double().flatten() for _, tensor in named])
    return digest.hexdigest()[:16], (values * torch.arange(len(values)).cos()).sum().item()


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: LigarNetwork(num_classes=7), ("13e8c866b621be0c", 11.982091)),
        (lambda: LigarNetwork(num_classes=7, width=0.25, stem_stride=(1, 1, 1)), ("548a878a888806aa", 26.303032)),
        (lambda: initialise_from_scratch(LigarNetwork(num_classes=7, width=0.25)), ("d11cc3cf68ac1a60", -40.646683)),
    ],
    ids=["full width", "quarter width", "from scratch"],
)
def test_defaults_keep_names_initial_values_and_random_stream_of_before_the_variants(build, expected):
    torch.manual_seed(0)
    found = fingerprint(build())
    assert found[0] == expected[0]
    assert found[1] == pytest.approx(expected[1], abs=1e-4)


# Measured at 101 classes on 16 x 224 x 224: parameters and folded parameters (M), twice the convolutions' MACs (G).
@pytest.mark.parametrize(
    ("arguments", "params", "folded", "gflops"),
    [
        (dict(), 4.507, 4.484, 4.485),
        (dict(global_path=None), 3.089, 3.077, 4.461),
        (dict(global_path="average"), 4.506, 4.483, 4.464),
        (dict(blocks=LARGE_S3D), 5.559, 5.537, 7.352),
        (dict(blocks=TAIL), 4.857, 4.834, 4.219),
        (dict(blocks=CANONICAL), 4.859, 4.836, 4.219),  # the row above and 1834 parameters of rounded gates
        (dict(blocks=with_temporal_kernels(3)), 4.493, 4.471, 4.386),
        (dict(blocks=with_temporal_kernels(5)), 4.662, 4.639, 5.035),
    ],
    ids=["default", "no global path", "average", "S3D", "tail", "canonical", "kernels 3", "kernels 5"],
)
def test_variants_have_the_sizes_measured_on_the_authors_code(arguments, params, folded, gflops):
    with torch.device("meta"):
        network, clips = LigarNetwork(num_classes=101, **arguments).eval(), torch.empty(1, 3, 16, 224, 224)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(clips)
    macs = {str(operator): flops // 2 for operator, flops in counter.get_flop_counts()["Global"].items()}
    convolutions = sum(macs.values()) - macs.get("aten.bmm", 0) - 256 * 101  # without attention's sums and the centres
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert round(parameters / 1e6, 3) == params
    assert round(folded_parameters(network) / 1e6, 3) == folded
    assert round(2 * convolutions / 1e9, 3) == gflops
    if arguments.get("blocks") is CANONICAL:
        assert parameters == 4_856_954 + 1_834


def test_canonical_blocks_are_those_of_mobilenet_v3_large():
    assert [(b.expanded_channels, b.stride[1]) for b in CANONICAL[12:14]] == [(672, 2), (960, 1)]
    assert [b.squeeze_channels for b in CANONICAL if b.squeeze_excitation] == [24, 32, 32, 120, 168, 168, 240, 240]
    assert {b.gate for b in CANONICAL if b.squeeze_excitation} == {"after_activation"}
    assert [b.kernel for b in CANONICAL] == [b.kernel for b in LARGE]
    assert [b.stride[0] for b in CANONICAL] == [b.stride[0] for b in LARGE]


def test_variants_without_a_global_path_are_their_local_path():
    network, clips = initialise_from_scratch(small(global_path=None)).eval(), torch.randn(2, 3, 4, 16, 16)
    maps = clips
    for stage in (network.backbone.stem, *network.backbone.blocks, network.backbone.out):
        maps = stage(maps)
    torch.testing.assert_close(network.backbone(clips), F.hardswish(maps), atol=0, rtol=0)
    assert not any("global_path" in name for name in network.state_dict())


def test_average_pooling_replaces_attention_alone():
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 2, 4, 5, dtype=torch.float64)
    expected = torch.stack([torch.stack([channel.flatten().mean() for channel in clip]) for clip in maps])
    torch.testing.assert_close(AveragePooling()(maps), expected)
    attention, average = small(), small(global_path="average")
    gone = set(attention.state_dict()) - set(average.state_dict())
    assert gone and all(".pool." in name and (".0.score." in name or ".0.norm." in name) for name in gone)
    assert set(average.state_dict()) < set(attention.state_dict())


def test_average_and_attention_agree_where_all_positions_score_alike():
    attention, average = small().backbone.global_path, small(global_path="average").backbone.global_path
    average.load_state_dict(attention.state_dict(), strict=False)
    nn.init.zeros_(attention.pool[0][0].score.weight)
    maps = torch.randn(2, 8, 3, 4, 4)
    torch.testing.assert_close(average.eval().start(maps), attention.eval().start(maps))


@pytest.mark.parametrize("stride_t", [1, 2])
@pytest.mark.parametrize("frames", [2, 4, 5])
def test_projection_placement_is_a_plane_depthwise_then_a_temporal_convolution_then_a_mean(stride_t, frames):
    torch.manual_seed(0)
    spec = BlockSpec(out_channels=6, expanded_channels=8, kernel=(3, 5), stride=(stride_t, 2), temporal="projection")
    block, maps = InvertedResidual(in_channels=4, spec=spec).eval(), torch.randn(2, 4, frames, 6, 6)
    hidden = F.hardswish(block.expand(maps))
    planes = [
        F.conv2d(plane, block.depthwise[0].weight[:, :, 0], stride=2, padding=2, groups=8) for plane in hidden.unbind(2)
    ]
    hidden = F.hardswish(block.depthwise[1](torch.stack(planes, dim=2)))
    padded = [torch.zeros(2, 8, 3, 3), *hidden.unbind(2), torch.zeros(2, 8, 3, 3)]
    taps = block.project[0].weight[..., 0, 0].unbind(2)  # one 6 x 8 matrix per tap
    mixed = [
        sum(torch.einsum("oc,nchw->nohw", tap, padded[frame + k]) for k, tap in enumerate(taps))
        for frame in range(frames)
    ]
    mixed = block.project[1](torch.stack(mixed, dim=2))
    groups = [mixed[:, :, start : start + stride_t].mean(2) for start in range(0, frames, stride_t)]
    torch.testing.assert_close(block(maps), torch.stack(groups, dim=2))


def test_a_gate_after_the_activation_sees_the_activated_maps_and_nothing_follows_it_but_the_projection():
    torch.manual_seed(0)
    spec = replace(SHORT[2], gate="after_activation", squeeze_channels=7, activation="relu")
    block, maps = InvertedResidual(in_channels=8, spec=spec).eval(), torch.randn(2, 8, 3, 6, 6)
    hidden = F.relu(block.depthwise(F.relu(block.expand(maps))))
    gates = block.gate.excite(F.relu(block.gate.squeeze(hidden.mean((3, 4)).transpose(1, 2))))  # (N, T, C)
    gated = hidden * F.hardsigmoid(gates).transpose(1, 2)[..., None, None]
    torch.testing.assert_close(block(maps), block.project(gated))
    assert block.gate.squeeze.out_features == 7


def test_position_of_the_gate_matters():
    before = InvertedResidual(in_channels=8, spec=SHORT[2]).eval()
    after = InvertedResidual(in_channels=8, spec=replace(SHORT[2], gate="after_activation")).eval()
    after.load_state_dict(before.state_dict())
    maps = torch.randn(2, 8, 3, 6, 6)
    assert not torch.allclose(before(maps), after(maps), atol=1e-4)


def test_width_scales_the_squeezed_channels_too():
    network = LigarNetwork(num_classes=3, width=0.5, blocks=CANONICAL)
    squeezed = [block.gate.squeeze.out_features for block in network.backbone.blocks if block.gate is not None]
    assert squeezed == [16, 16, 16, 64, 88, 88, 120, 120]


@pytest.mark.parametrize(
    "changes",
    [
        dict(global_path=None),
        dict(global_path="average"),
        dict(blocks=tuple(replace(block, temporal="projection") for block in SHORT)),
        dict(blocks=(*SHORT[:2], replace(SHORT[2], gate="after_activation", squeeze_channels=8))),
        dict(head_sizes=(2, 3)),
    ],
    ids=["no global path", "average", "projection", "gate after", "two heads"],
)
def test_every_variant_trains_every_parameter(changes):
    network = initialise_from_scratch(small(**changes))
    cosines = network(torch.randn(4, 3, 5, 20, 28))
    assert cosines.shape == (4, 5)
    F.cross_entropy(10 * cosines, torch.tensor([0, 1, 2, 3])).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_several_heads_leave_the_backbones_random_stream_alone_and_embed_once_each():
    one, two = small(), small(head_sizes=(2, 3))
    for name, tensor in one.backbone.state_dict().items():
        assert torch.equal(tensor, two.backbone.state_dict()[name])
    clips = torch.randn(2, 3, 4, 16, 16)
    assert one.eval().embed(clips).shape == (2, 256) and two.eval().embed(clips).shape == (2, 2, 256)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: small(global_path="maximum"), "'attention', 'average' or None, got 'maximum'"),
        (lambda: GlobalPath(channels=(8, 8), pooling="maximum"), "'attention' or 'average', got 'maximum'"),  # type: ignore[arg-type]
        (lambda: small(head_sizes=(2, 2)), r"sum to num_classes \(5\), got \(2, 2\), which sum to 4"),
        (lambda: replace(SHORT[2], temporal="expansion"), "'depthwise' or 'projection', got 'expansion'"),
        (lambda: replace(SHORT[2], gate="never"), "got 'never'"),
        (lambda: replace(SHORT[1], squeeze_channels=8), "must be None without squeeze_excitation, got 8"),
        (lambda: InvertedResidual(in_channels=8, spec=replace(SHORT[2], squeeze_channels=0)), "at least 1, got 0"),
    ],
)
def test_wrong_variants_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
