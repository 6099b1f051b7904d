"""Transforms of uint8 clips ``(V, T, C, H, W)``: pure functions of clips, label and random generator."""

from datamodules.transforms.colour import Photometric
from datamodules.transforms.compose import Compose, OneOf, Transform
from datamodules.transforms.crop import CenterCrop, RandomCrop, RandomResizedCrop, ShortSide
from datamodules.transforms.cross_norm import CrossNorm, clip_statistics, write_pool
from datamodules.transforms.flip import RandomHorizontalFlip
from datamodules.transforms.rotate import RandomRotate

__all__ = [
    "CenterCrop",
    "Compose",
    "CrossNorm",
    "OneOf",
    "Photometric",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotate",
    "ShortSide",
    "Transform",
    "clip_statistics",
    "write_pool",
]
