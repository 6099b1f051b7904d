"""The numbers in ACTION-Net's passport are those of its networks, profiles and recipes."""

from __future__ import annotations

from dataclasses import replace

import torch

import lightning_modules.action_net as package
from datamodules.action_net import PROXY_DATA
from experiments.action_net_profiles import PROFILES
from experiments.action_net_table5 import TABLE, ours, stronger_if_narrow, tsm
from experiments.harness.measure import row_costs
from lightning_modules.action_net import profiles
from lightning_modules.action_net.network import ActionNetwork
from lightning_modules.recipe import AdamW, CosineAnnealing

PASSPORT = " ".join((package.__doc__ or "").split())


def says(*words: str) -> None:
    for one in words:
        assert one in PASSPORT, one


def test_each_argument_that_the_benchmark_changes_is_named():
    """A further change fails here, until the passport says it."""
    proxy = dict(profiles.PROXY_MODULE)
    resnet = proxy.pop("backbone")
    assert resnet == profiles.PROXY_RESNET and resnet.depths == (1, 1, 1, 1) and resnet.block == "basic"
    says("four basic blocks of {}, {}, {} and {} channels, a stem without pooling".format(*resnet.widths))
    assert not resnet.stem_pool
    mobilenet, inception = profiles.PROXY_MOBILENET_V2, profiles.PROXY_BN_INCEPTION
    assert mobilenet == replace(profiles.MOBILENET_V2, width=1 / 4, stem_stride=1, last_channels=128)
    assert inception == replace(profiles.BN_INCEPTION, width=1 / 8, stem_stride=1)
    says("MobileNetV2 a quarter of its width and 128 last channels, BN-Inception an eighth, both a stem without stride")
    reduction = proxy.pop("reduction")
    says(f"CE and ME reduce by {reduction}, in BN-Inception by {stronger_if_narrow(reduction)}")  # type: ignore
    says(f"Dropout {proxy.pop('dropout')}")
    assert proxy.pop("head_lr_scale") == 1
    says("the classifier at the network's own rate")
    assert not proxy


def test_the_benchmarks_clips_training_and_starts():
    recipe, size = profiles.PROXY_RECIPE, PROXY_DATA["size"]
    assert isinstance(recipe.optimizer, AdamW) and isinstance(recipe.stages[-1].lr, CosineAnnealing)
    says(f"8 frames of {size} x {size} pixels")
    says(f"AdamW for {recipe.epochs} epochs with batches of {recipe.batch_size} and a cosine")
    assert (PROXY_DATA["views"], PROXY_DATA["crops"]) == (3, 1)
    says("Three random clips of one crop at test")
    assert all(pretrain.shared_by_seeds for pretrain in PROFILES["proxy"].inits.values())
    says("One pre-training per backbone on single frames of the member for ImageNet, for all rows and seeds")


def test_what_the_module_adds_with_one_number_of_classes():
    with torch.device("meta"):
        own, plain = (
            sum(p.numel() for p in ActionNetwork(num_classes=83, **arguments).parameters())
            for arguments in ({}, dict(shift=None, excitations=()))
        )
    printed = float(TABLE.row(ours("ResNet-50")).published[2]) - float(TABLE.row(tsm("ResNet-50")).published[2])
    says(f"adds {(own - plain) / 1e6:.2f} M parameters, not {printed:.2f} M")


def test_the_added_operations_in_percent_are_counted_alike():
    added = []
    for backbone in ("ResNet-50", "BNInception", "MobileNet V2"):
        with_module, without = (
            row_costs(TABLE, TABLE.row(label(backbone)), num_classes=83)["gmacs_ptflops"] for label in (ours, tsm)
        )
        added.append(100 * (with_module / without - 1))
    says("are {:.1f}, {:.1f} and {:.1f} %".format(*added))


def test_the_efficiencies_follow_from_the_printed_gains():
    says(
        "The gain on EgoGesture is 2.1 points", f"efficiency is {5.3 / 2.1:.2f} (Sec. 4.5)", f"{5.3 / 2.0:.2f} is that"
    )
