"""Initialise 3D kernels from 2D ones with a positive and otherwise negative slices (Mansimov et al., arXiv 1503.07274).

MS3D's eq. (4) is this scheme: every temporal slice is the same 2D kernel times a factor.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Reading = Literal["length", "index"]
READINGS: tuple[Reading, ...] = ("length", "index")


def temporal_factors(length: int, *, reading: Reading = "length", positive: int = 0) -> tuple[float, ...]:
    """Return the factor of each temporal slice (MS3D, Eq. (4)).

    Args:
        length: D, slices of the kernel.
        reading: what the equation's d is. "length": the kernel's length, as in Mansimov et al.: one slice has
            (2D - 1) / D, the others -1 / D, so that they add up to 1 and a still clip gives what the 2D kernel gives.
            "index": the slice's own number, as the equation is printed: 1, -1/2, -1/3, ...
        positive: which slice is the positive one, from 0 (the equation's first); only for "length".

    Raises:
        ValueError: no slice, an unknown reading, or a positive slice that does not exist.
    """
    if length < 1:
        raise ValueError(f"length={length}; a kernel has at least one slice")
    if reading not in READINGS:
        raise ValueError(f"reading={reading!r}; accepted: {', '.join(map(repr, READINGS))}")
    if not 0 <= positive < length or (reading == "index" and positive):
        raise ValueError(f"positive={positive} with length={length}, reading={reading!r}; accepted: 0 to length - 1, "
                         "and 0 alone where the index is read")  # fmt: skip
    if reading == "index":
        return tuple(1.0 if d == 1 else -1.0 / d for d in range(1, length + 1))
    return tuple((2 * length - 1) / length if d == positive else -1 / length for d in range(length))


@torch.no_grad()
def initialise_over_time(
    layer: nn.Conv3d, *, reading: Reading = "length", centred: bool = False, kernel: torch.Tensor | None = None
) -> None:
    """Fill a 3D convolution's kernel by the scheme, in place; its bias stays.

    Args:
        layer: the convolution.
        reading: see :func:`temporal_factors`.
        centred: put the positive slice in the middle; with symmetric padding the first one looks at the frame before.
        kernel: 2D kernel ``(C', C, kh, kw)``; None draws one as He et al. do for the 2D convolution.
    """
    if kernel is None:
        kernel = torch.empty_like(layer.weight[:, :, 0])
        nn.init.kaiming_normal_(kernel, mode="fan_out", nonlinearity="relu")
    length = layer.kernel_size[0]
    factors = temporal_factors(length, reading=reading, positive=length // 2 if centred else 0)
    for index, factor in enumerate(factors):
        layer.weight[:, :, index] = factor * kernel
