"""The numbers in KPSEM's passport are those of its networks, profiles and recipes."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

import lightning_modules.kpsem as package
from datamodules.kpsem import PROXY_DATA
from datamodules.transforms import RandomCrop, ShortSide
from experiments.harness.measure import row_costs
from experiments.kpsem_profiles import BASELINE, KINETICS, OURS, PROFILES, R3D, half_if_narrow
from experiments.kpsem_table1 import TABLE
from lightning_modules.backbones.mfnet3d import MFNet3D
from lightning_modules.kpsem import Kpsem, profiles
from lightning_modules.recipe import AdamW

PASSPORT = " ".join((package.__doc__ or "").split())
DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(Kpsem.__init__).parameters.items()}
WIDTHS, RATES = {0.25: "a quarter of the width"}, {0.05: "a twentieth", 0.2: "a fifth", 0.5: "half of the rate"}


def says(*words: str) -> None:
    for one in words:
        assert one in PASSPORT, one


def network(**arguments) -> nn.Module:
    with torch.device("meta"):
        module = Kpsem(**{"num_classes": 200, "recipe": profiles.PAPER_RECIPE, **arguments})
    return module.network.eval()


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_each_argument_that_the_benchmark_changes_is_named():
    """A further change fails here, until the passport says it."""
    proxy = dict(profiles.PROXY_MODULE)
    assert DEFAULTS["stem_stride"] == (1, 2, 2) and proxy.pop("stem_stride") == (1, 1, 1)
    assert DEFAULTS["stem_pool"] and not proxy.pop("stem_pool")
    says("a stem without its two halvings")
    with torch.device("meta"):
        whole = sum(len(MFNet3D().get_submodule(f"conv{number}")) for number in (2, 3, 4, 5))  # type: ignore[arg-type]
    says(WIDTHS[proxy.pop("width")], f"{sum(proxy.pop('units'))} of MFNet's {whole} units")
    assert proxy.pop("start_at_zero") and not DEFAULTS["start_at_zero"]
    says("KPSEM's output starting at zero")
    says(f"Clips of {proxy.pop('num_frames')} frames of {PROXY_DATA['size']} x {PROXY_DATA['size']} pixels")
    backbone, lines = RATES[proxy.pop("backbone_lr_scale")], RATES[proxy.pop("lines_lr_scale")]
    says(f"the backbone at {backbone} in place of {RATES[DEFAULTS['backbone_lr_scale']]}, the lines at {lines}")
    assert proxy.pop("slow_steps") == 0
    says(f"no slow first steps ({DEFAULTS['slow_steps']} in MFNet's code)")
    assert not proxy


def test_what_kpsem_sees_on_the_benchmark():
    small = network(**profiles.PROXY_MODULE)
    clips = torch.empty(1, 3, PROXY_DATA["num_frames"], PROXY_DATA["size"], PROXY_DATA["size"], device="meta")
    frames, height, width = dict(small.backbone.stage_maps(clips))["conv4"].shape[2:]
    says(f"KPSEM behind conv4 sees {frames} feature frames of {height} x {width} cells")
    assert R3D["width"].change(profiles.PROXY_MODULE["width"]) == half_if_narrow(0.25) == 0.125
    says("R3D has half of MFNet's width")


def test_the_benchmarks_training_and_its_starts():
    recipe = profiles.PROXY_RECIPE
    assert isinstance(recipe.optimizer, AdamW) and PROFILES["proxy"].recipe is recipe
    says(f"AdamW for {recipe.epochs} epochs with batches of {recipe.batch_size} on all data sets")
    assert {type(step) for step in PROXY_DATA["augmentation"]} == {ShortSide, RandomCrop}
    assert (PROXY_DATA["views"], PROXY_DATA["test_crop"]) == (1, "centre")
    says("no flip, stretching or colours, one central test view")
    pretrains = PROFILES["proxy"].inits.values()
    assert {pretrain.recipe.epochs for pretrain in pretrains} == {10} and len(pretrains) == 2
    assert all(pretrain.module["position"] is None and pretrain.data == KINETICS for pretrain in pretrains)
    assert all(pretrain.shared_by_seeds for pretrain in pretrains)
    says("pre-trained here for 10 epochs on the member for Kinetics-400", "once each, for all rows and seeds")


def test_the_sizes_are_those_of_the_networks():
    plain, own = network(position=None), network()
    assert own.kpsem is not None
    head = parameters_of(own.head) - parameters_of(plain.head)
    says(
        f"MFNet-3D has {parameters_of(network(position=None, num_classes=400)):,} parameters with 400 classes",
        f"{parameters_of(plain):,} with Mini-Kinetics' 200; KPSEM {parameters_of(own.kpsem):,}, and {head:,} more",
        f"{parameters_of(own) / 1e6:.3f} M, printed 8.11 M",
    )
    filters = sum(layer.weight.numel() for layer in own.kpsem.reduction)
    says(f"with {24 * 12 * 3 + 12 * 6 * 3:,} weights in place of {filters:,}")


def test_the_operations_are_those_of_the_networks():
    ours, plain = (row_costs(TABLE, TABLE.row(label), num_classes=200) for label in (OURS, BASELINE))
    region_sums = 11.7e-3  # test_tables.py counts them
    says(
        f"MFNet {plain['gmacs']:.3f} G, KPSEM 14.6 M, together {ours['gmacs'] - region_sums:.3f} G",
        f"adds 11.7 M for the region sums (products with zeros and ones): {ours['gmacs']:.3f} G",
        f"one operation per normalised element ({(plain['gmacs'] + plain['gmacs_fvcore']) / 2:.3f})",
        f"two come nearest ({ours['gmacs_fvcore'] - region_sums:.3f}, {ours['gmacs_fvcore']:.3f} with the region sums)",
        f"KPSEM adds {100 * (ours['params_m'] / plain['params_m'] - 1):.2f} % of parameters and "
        f"{100 * (ours['gmacs'] / plain['gmacs'] - 1):.2f} % of operations",
    )


def test_kpsem_reads_mfnets_raw_sums_and_r3ds_activations():
    torch.manual_seed(0)
    clips = torch.randn(1, 3, 4, 32, 32)
    for backbone, position, width in (("mfnet3d", "conv4", 1 / 8), ("r3d", "res3", 1 / 16)):
        module = Kpsem(backbone=backbone, width=width, position=position, num_frames=4, num_classes=2,  # type: ignore
                       recipe=profiles.PAPER_RECIPE)  # fmt: skip
        with torch.no_grad():
            maps = dict(module.network.eval().backbone.stage_maps(clips))[position]
        assert (maps.min().item() < 0) == (backbone == "mfnet3d")
    says("MFNet's is a raw sum, before normalisation and activation; R3D's is behind its ReLU")


@pytest.mark.parametrize("value", ["78.35", "43.0", "96.0", "74.6"])
def test_the_accuracies_of_mfnet_are_printed_in_table_1(value):
    assert value in TABLE.row(BASELINE).published and value in PASSPORT
