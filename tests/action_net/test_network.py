"""ACTION-Net, TSM and TSN on all backbones have the authors' sizes and outputs, and the published figures."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmarks.action import literal_network
from experiments.harness.ptflops_rule import ptflops_counts
from lightning_modules.action_net.excitation import CE, ME, STE, ActionModule
from lightning_modules.action_net.network import BN_INCEPTION_PUBLISHED, BN_INCEPTION_RELEASED, ActionNetwork
from lightning_modules.backbones.bn_inception import BN_INCEPTION
from lightning_modules.backbones.mobilenet_v2 import MOBILENET_V2
from lightning_modules.backbones.resnet2d import RESNET101
from lightning_modules.layers.temporal_shift import LearnableTemporalShift, TemporalShift
from tests.shape_seed import fill, video

TSN = dict(shift=None, excitations=())
TSM = dict(shift="fixed", excitations=())
MOBILE = dict(backbone=MOBILENET_V2)
INCEPTION = dict(backbone=BN_INCEPTION)

# Arguments, classes, parameters, GFLOPs by ptflops' rule, convolutions and linear layers alone in GMACs.
ROWS = {
    "TSN": (TSN, 83, 23_678_099, 32.9604, 32.6984),
    "TSM": (TSM, 83, 23_678_099, 32.9604, 32.6984),
    "STE": (dict(excitations=(STE,)), 174, 23_904_350, 33.1004, 32.8385),
    "CE": (dict(excitations=(CE,)), 174, 26_081_758, 33.1591, 32.8522),
    "ME": (dict(excitations=(ME,)), 174, 25_904_106, 34.6862, 34.4159),
    "ACTION": ({}, 174, 28_082_378, 34.7523, 34.4370),
    "ACTION 83": ({}, 83, 27_895_919, 34.7508, 34.4355),
    "STE without shift": (dict(shift=None, excitations=(STE,)), 83, 23_678_531, 32.9640, 32.7021),
    "res2": (dict(stages=("res2",)), 83, 23_715_680, 33.2432, 32.9641),
    "res2,3": (dict(stages=("res2", "res3")), 83, 23_945_372, 33.7331, 33.4349),
    "res2,3,4": (dict(stages=("res2", "res3", "res4")), 83, 25_407_070, 34.4122, 34.1007),
    "MobileNetV2 TSM": ({**MOBILE, **TSM}, 83, 2_330_195, 2.5525, 2.3968),
    "MobileNetV2 ACTION": (MOBILE, 83, 2_355_455, 2.5676, 2.4099),
    "BN-Inception TSN": ({**INCEPTION, **TSN}, 83, 10_355_315, 16.3947, 16.2533),
    "BN-Inception TSM": ({**INCEPTION, **TSM}, 83, 10_355_315, 16.3947, 16.2533),
    "BN-Inception ACTION released": (BN_INCEPTION_RELEASED, 83, 11_450_819, 16.7540, 16.6004),
    "BN-Inception ACTION published": (BN_INCEPTION_PUBLISHED, 83, 11_593_256, 16.9363, 16.7807),
}
# The same measures of the authors' code for further variants at 83 classes, to four decimals: millions, G, G.
FURTHER = {
    "STE": (dict(excitations=(STE,)), 23.7179, 33.0989, 32.8370),
    "CE": (dict(excitations=(CE,)), 25.8953, 33.1576, 32.8507),
    "ME": (dict(excitations=(ME,)), 25.7176, 34.6848, 34.4144),
    "CE without shift": (dict(shift=None, excitations=(CE,)), 25.8559, 33.0228, 32.7159),
    "ME without shift": (dict(shift=None, excitations=(ME,)), 25.6783, 34.5499, 34.2795),
    "MobileNetV2 TSN": ({**MOBILE, **TSN}, 2.3302, 2.5525, 2.3968),
    "MobileNetV2 STE": (dict(MOBILE, excitations=(STE,)), 2.3328, 2.5589, 2.4032),
    "MobileNetV2 CE": (dict(MOBILE, excitations=(CE,)), 2.3441, 2.5595, 2.4021),
    "MobileNetV2 ME": (dict(MOBILE, excitations=(ME,)), 2.3437, 2.5646, 2.4086),
    "BN-Inception STE": (dict(BN_INCEPTION_RELEASED, excitations=(STE,)), 10.3730, 16.4262, 16.2848),
    "BN-Inception CE": (dict(BN_INCEPTION_RELEASED, excitations=(CE,)), 10.9337, 16.4402, 16.2885),
    "BN-Inception ME": (dict(BN_INCEPTION_RELEASED, excitations=(ME,)), 10.8896, 16.7385, 16.5951),
}
# Printed in Tables 3 and 5: FLOPs and parameters. "33" is an integer there.
PRINTED = {
    "TSN": ("33", "23.68"),
    "TSM": ("33", "23.68"),
    "STE": ("33.1", "23.9"),
    "CE": ("33.16", "26.08"),
    "ME": ("34.69", "25.9"),
    "ACTION": ("34.75", "28.08"),
    "MobileNetV2 TSM": ("2.55", "2.33"),
    "MobileNetV2 ACTION": ("2.57", "2.36"),
    "BN-Inception TSM": ("16.39", "10.36"),
    "BN-Inception ACTION published": ("16.94", "11.59"),
}
# The authors' networks at 83 classes, filled and fed by tests/shape_seed.py: 8 x 64 x 64, the first 12 logits.
GOLDENS = {
    "TSN": (0.341738, -0.040586, 0.466863, 0.33624, -0.205947, 0.165832,
            0.348684, -0.078553, 0.53003, -0.770544, -0.260123, -0.363398),
    "TSM": (0.342734, -0.053572, 0.47297, 0.343575, -0.204454, 0.167328,
            0.341604, -0.0778, 0.543161, -0.776213, -0.258542, -0.354267),
    "ACTION": (-0.19348, -0.166586, 1.692477, 0.423365, -0.509014, 0.98012,
               0.5239, -1.299644, 0.994824, -0.733654, -0.379279, -0.449613),
    "MobileNetV2 TSN": (-0.054891, 0.072754, -0.172347, 0.000457, 0.097252, -0.115809,
                        0.205923, -0.052972, 0.138227, -0.051469, 0.006252, 0.051674),
    "MobileNetV2 TSM": (-0.05521, 0.072628, -0.172462, 0.000765, 0.097089, -0.115684,
                        0.205803, -0.053098, 0.138232, -0.051386, 0.006097, 0.051703),
    "MobileNetV2 STE": (-0.056741, 0.073407, -0.175267, 0.000117, 0.094489, -0.115302,
                        0.205243, -0.052671, 0.136187, -0.055031, 0.005803, 0.051323),
    "MobileNetV2 CE": (-0.05673, 0.073421, -0.175226, 0.000106, 0.094502, -0.115292,
                       0.205256, -0.052699, 0.136206, -0.054965, 0.005808, 0.051334),
    "MobileNetV2 ME": (-0.056748, 0.073412, -0.175226, 0.000135, 0.094475, -0.115354,
                       0.205182, -0.052698, 0.136242, -0.054993, 0.005753, 0.051337),
    "MobileNetV2 ACTION": (-0.057368, 0.07422, -0.171778, -0.00299, 0.096163, -0.113919,
                           0.20358, -0.053701, 0.139057, -0.058501, 0.007069, 0.049988),
}  # fmt: skip
SHARED_GOLDENS = Path(__file__).resolve().parents[3] / "shared" / "goldens" / "authors_networks.json"
GOLDEN_TOLERANCE = 1e-5  # single paths of MobileNetV2 differ by 6e-5
PATHS = {"TSN": TSN, "TSM": TSM, "ACTION": {}, **{name.upper(): dict(excitations=(name,)) for name in (STE, CE, ME)}}


def on_meta(num_classes: int = 83, **arguments) -> ActionNetwork:
    with torch.device("meta"):
        return ActionNetwork(num_classes=num_classes, **arguments).eval()


def sites(network: nn.Module, kind: type[nn.Module]) -> list[int]:
    """Return the channels at each temporal module of a kind, in order."""
    found = [layer for name, layer in network.named_modules() if name.endswith("temporal") and isinstance(layer, kind)]
    return [layer.shift.in_channels if isinstance(layer, ActionModule) else layer.in_channels for layer in found]


@pytest.mark.parametrize("row", ROWS)
def test_parameters_and_operations_are_the_authors(row):
    arguments, classes, parameters, gflops, gmacs = ROWS[row]
    network, clips = on_meta(classes, **arguments), torch.empty(1, 3, 8, 224, 224, device="meta")
    assert sum(p.numel() for p in network.parameters()) == parameters
    counts = ptflops_counts(network, clips)
    # torchvision's MobileNetV2 pools by a function, which ptflops does not see; ours by a layer.
    unseen = 8 * 1280 * 7 * 7 if "Mobile" in row else 0
    assert (sum(counts.values()) - unseen) / 1e9 == pytest.approx(gflops, abs=6e-5)
    assert (counts["convolution"] + counts["linear"]) / 1e9 == pytest.approx(gmacs, abs=6e-5)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(clips)
    assert counter.get_total_flops() // 2 == counts["convolution"] + counts["linear"]


@pytest.mark.parametrize("row", FURTHER)
def test_further_variants_measure_as_the_authors(row):
    arguments, *expected = FURTHER[row]
    network = on_meta(**arguments)
    counts = ptflops_counts(network, torch.empty(1, 3, 8, 224, 224, device="meta"))
    unseen = 8 * 1280 * 7 * 7 if "Mobile" in row else 0
    found = (
        sum(p.numel() for p in network.parameters()) / 1e6,
        (sum(counts.values()) - unseen) / 1e9,
        (counts["convolution"] + counts["linear"]) / 1e9,
    )
    assert found == pytest.approx(tuple(expected), abs=6e-5)


@pytest.mark.parametrize("row", PRINTED)
def test_published_figures_are_met_to_the_printed_digit(row):
    arguments, classes, *_ = ROWS[row]
    network = on_meta(classes, **arguments)
    gflops = sum(ptflops_counts(network, torch.empty(1, 3, 8, 224, 224, device="meta")).values()) / 1e9
    for value, printed in zip((gflops, sum(p.numel() for p in network.parameters()) / 1e6), PRINTED[row], strict=True):
        digits = len(printed.partition(".")[2])
        assert f"{value:.{digits}f}" == printed


@pytest.mark.parametrize("case", GOLDENS)
def test_outputs_of_the_filled_network_are_the_authors(case):
    backbone = MOBILE if "Mobile" in case else {}
    network = fill(ActionNetwork(num_classes=83, **backbone, **PATHS[case.split()[-1]]))
    with torch.no_grad():
        logits = network(video((1, 8, 3, 64, 64)).transpose(1, 2))
    torch.testing.assert_close(logits[0, :12], torch.tensor(GOLDENS[case]), rtol=0, atol=GOLDEN_TOLERANCE)


@pytest.mark.skipif(not SHARED_GOLDENS.exists(), reason=f"{SHARED_GOLDENS} is not there")
@pytest.mark.parametrize("case", GOLDENS)
def test_the_stored_outputs_are_those_that_the_authors_code_gave(case):
    backbone, _, name = case.rpartition(" ")
    kept = json.loads(SHARED_GOLDENS.read_text())["action_net"]["cases"][
        f"{'mobilenetv2' if backbone else 'resnet50'}/{name.lower()}"
    ]
    assert list(GOLDENS[case]) == kept["logits"]
    network = on_meta(83, **(MOBILE if backbone else {}), **PATHS[name])
    assert sum(p.numel() for p in network.parameters()) == kept["params"]


def test_the_stored_outputs_tell_the_networks_apart():
    for first, second in itertools.combinations(GOLDENS, 2):
        apart = max(abs(a - b) for a, b in zip(GOLDENS[first], GOLDENS[second], strict=True))
        assert apart > 4 * GOLDEN_TOLERANCE, (first, second)


def test_outputs_are_those_of_the_equations_taken_literally():
    ours, literal = fill(ActionNetwork(num_classes=83)), literal_network().eval()
    literal.load_state_dict(ours.state_dict())
    clips = video((1, 3, 8, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(ours(clips), literal(clips), rtol=0, atol=1e-5)


R50_SITES = [64, *[256] * 3, *[512] * 4, *[1024] * 6, 2048, 2048]
MOBILE_SITES = [24, 32, 32, 64, 64, 64, 96, 96, 160, 160]
INCEPTION_SITES = [64, 192, 256, 320, 576, 576, 576, 608, 608, 1056, 1024]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, R50_SITES),
        (dict(stages=("res5",)), [1024, 2048, 2048]),
        (MOBILE, MOBILE_SITES),
        (BN_INCEPTION_RELEASED, INCEPTION_SITES[1:]),
        (BN_INCEPTION_PUBLISHED, INCEPTION_SITES),
    ],
)
def test_modules_stand_where_the_authors_put_them(arguments, expected):
    network = on_meta(**arguments)
    assert sorted(sites(network, ActionModule)) == sorted(expected)
    shifts = on_meta(**{**arguments, "excitations": ()})
    assert sorted(sites(shifts, LearnableTemporalShift)) == sorted(expected)


def test_a_deep_resnet_shifts_every_second_block():
    network = on_meta(backbone=RESNET101, **TSM)
    shifted = [name for name, layer in network.named_modules() if isinstance(layer, TemporalShift)]
    assert len(shifted) == 2 + 2 + 12 + 2
    assert all(int(name.split(".")[2]) % 2 == 0 for name in shifted)


def test_stages_without_the_module_are_plain_or_shifted():
    plain, shifted = (on_meta(stages=("res2",), shift_elsewhere=there) for there in (False, True))
    assert sum(isinstance(layer, TemporalShift) for layer in plain.modules()) == 0
    assert sum(isinstance(layer, TemporalShift) for layer in shifted.modules()) == 13
    assert sum(isinstance(layer, ActionModule) for layer in shifted.modules()) == 3


def test_the_learnable_shift_alone_starts_as_tsm():
    learnable, fixed, none = (fill(ActionNetwork(num_classes=5, **{**MOBILE, "shift": s, "excitations": ()}))
                              for s in ("learnable", "fixed", None))  # fmt: skip
    for layer in learnable.modules():
        if isinstance(layer, LearnableTemporalShift):
            layer.reset_parameters()
    clips = video((2, 3, 4, 32, 32))
    with torch.no_grad():
        torch.testing.assert_close(learnable(clips), fixed(clips), rtol=0, atol=1e-6)
        assert (none(clips) - fixed(clips)).abs().max() > 1e-4, "a network without any shift differs"


def test_crops_of_256_pixels_run_on_every_backbone():
    clips = torch.empty(1, 3, 2, 256, 256, device="meta")
    assert all(on_meta(**arguments)(clips).shape == (1, 83) for arguments in ({}, MOBILE, BN_INCEPTION_PUBLISHED))


def test_an_unknown_stage_is_refused():
    with pytest.raises(ValueError, match=r"stages must be some of res2, res3, res4, res5, got \('res6',\)"):
        on_meta(stages=("res6",))
