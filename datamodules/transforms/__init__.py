"""Transforms of uint8 clips ``(V, T, C, H, W)``: pure functions of clips, label and random generator."""

from datamodules.transforms.colour import Photometric
from datamodules.transforms.compose import Compose, OneOf, Transform
from datamodules.transforms.crop import (
    CenterCrop,
    RandomCrop,
    RandomResizedCrop,
    RandomScaledCrop,
    ShortSide,
    ThreeCrops,
)
from datamodules.transforms.cross_norm import CrossNorm, clip_statistics, write_pool
from datamodules.transforms.flip import RandomHorizontalFlip
from datamodules.transforms.mix_up import ImageMixUp
from datamodules.transforms.rotate import RandomRotate

__all__ = [
    "CenterCrop",
    "Compose",
    "CrossNorm",
    "ImageMixUp",
    "OneOf",
    "Photometric",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotate",
    "RandomScaledCrop",
    "ShortSide",
    "ThreeCrops",
    "Transform",
    "clip_statistics",
    "write_pool",
]
