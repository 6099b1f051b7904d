"""Rewrite an OpenVINO graph so that attention pooling reads maps in the layout that convolutions leave them in."""

from __future__ import annotations

from typing import Any

import numpy as np


def pool_in_place(model: Any) -> int:
    """Replace each product of weights with flattened maps by a multiplication and a sum over the maps' own axes.

    OpenVINO's convolutions keep channels last; flattening the maps for a product copies them to channels first, which
    takes longer than the pooling itself: a quarter of LIGAR's time at full size. Here each position is multiplied with
    its weight where it stands. The sums are the same but for their order.

    Args:
        model: an ``openvino.Model`` with known sizes of maps (all but the batch's); changed in place.

    Returns:
        How many products were replaced.
    """
    from openvino import opset13 as ops

    replaced = 0
    for product in model.get_ordered_ops():
        if product.get_type_name() != "MatMul":
            continue
        weights, flattened = product.input_values()
        found = _flattened_maps(product, weights, flattened)
        if found is None:
            continue
        maps, sizes = found
        axes = np.arange(2, 2 + len(sizes))
        weights = ops.reshape(weights, np.array([0, 0, *sizes]), special_zero=True)  # (N, 1, ...): 0 keeps a size
        sums = ops.reduce_sum(ops.multiply(maps, weights), axes, keep_dims=False)  # (N, C)
        pooled = ops.unsqueeze(sums, np.array(1))  # (N, 1, C), as the product has it
        pooled.set_friendly_name(product.get_friendly_name())
        product.output(0).replace(pooled.output(0))
        replaced += 1
    model.validate_nodes_and_infer_types()
    return replaced


def _flattened_maps(product: Any, weights: Any, flattened: Any) -> tuple[Any, list[int]] | None:
    """Return the maps ``(N, C, ...)`` of a product ``(N, 1, P) @ (N, P, C)`` and their P positions' sizes, or None."""
    reshape = flattened.get_node()
    transposed = product.get_attributes()["transpose_a"], product.get_attributes()["transpose_b"]
    if transposed != (False, True) or reshape.get_type_name() != "Reshape":
        return None
    maps = reshape.input_value(0)
    sizes, rows, columns = _known_sizes(maps), _known_sizes(weights), _known_sizes(flattened)
    if not sizes or rows is None or columns is None:
        return None
    positions = int(np.prod(sizes))
    same_channels = flattened.get_partial_shape()[1] == maps.get_partial_shape()[1]
    one_row = weights.get_partial_shape()[1] == 1
    return (maps, sizes) if one_row and same_channels and rows == columns == [positions] else None


def _known_sizes(values: Any) -> list[int] | None:
    """Return the sizes behind the first two axes; None if there are no two axes, or a size depends on the input."""
    shape = values.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) < 2 or any(size.is_dynamic for size in list(shape)[2:]):
        return None
    return [size.get_length() for size in list(shape)[2:]]
