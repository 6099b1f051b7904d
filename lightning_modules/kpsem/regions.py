"""Regions of feature maps: their first maxima, values and means, with a surrogate gradient for the lines between them.

All sets, regions, channels and frames are computed together. Two observations make that cheap. A region is a band of
rows times a band of columns, so that sums over all regions are two matrix products with membership matrices. And the
maximum over a band is that of two overlapping windows of a power-of-two length, whose maxima are shared by all sets.
"""

from __future__ import annotations

import torch
from torch import Tensor

SOFT_CUT = 1.0  # width in cells of a line's soft edge in the surrogate gradient
SOFT_MAXIMUM = 0.15  # temperature of the surrogate's soft maximum, as a share of the map's range


def positions_values_means(maps: Tensor, lines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find each region's largest value, where it is, and the region's mean (Eq. (6), (7) and P_R of Eq. (11)).

    The forward pass is hard: a cell belongs to one region, a position is that of one cell. Backward, maps receive the
    gradient of the maximum and the mean; lines that need one receive the gradient of soft positions, values and means
    (straight-through), as the hard ones do not depend on them but in steps.

    Args:
        maps: ``(B, H, W, C)``, in 32 bits or more.
        lines: ``(B, G, 2, n - 1)``, of the columns (x) and the rows (y), ascending, in cells from the edge.

    Returns:
        Positions (x, y) ``(B, G, n * n, 2, C)``; values and means, ``(B, G, n * n, C)``.
    """
    _, height, width, _ = maps.shape
    columns, rows = _edges(lines[:, :, 0], width), _edges(lines[:, :, 1], height)  # (B, G, n + 1)
    with torch.no_grad():
        cells = _first_maxima(maps, rows, columns)  # (B, G, R, C)
        positions = torch.stack([cells % width, cells // width], dim=3).to(maps.dtype)
    values = maps.flatten(1, 2).gather(1, cells.flatten(1, 2)).unflatten(1, cells.shape[1:3])
    areas = (rows.diff().unsqueeze(3) * columns.diff().unsqueeze(2)).flatten(2).unsqueeze(3)
    means = _region_sums(maps, _bands(rows, height, maps), _bands(columns, width, maps)) / areas
    if not (torch.is_grad_enabled() and lines.requires_grad):
        return positions, values, means
    soft = _soft_positions_values_means(maps.detach(), lines)
    hard = (positions, values, means)
    return tuple(straight_through(a, b) for a, b in zip(hard, soft, strict=True))  # type: ignore[return-value]


def straight_through(forward: Tensor, backward: Tensor) -> Tensor:
    """Return ``forward``, whose gradient also flows into ``backward``."""
    return forward + (backward - backward.detach())


def _edges(lines: Tensor, length: int) -> Tensor:
    """Return the first cell of each band and the end of the last, ``(..., n + 1)``.

    A cell lies behind a line when its centre does, or on it. The clamp acts on lines that are not a number alone:
    overflow in half precision must reach the loss, where it is noticed, and not an index.
    """
    number = torch.arange(1, lines.shape[-1] + 1, device=lines.device)
    cuts = (lines.detach() - 0.5).ceil().long()
    cuts = torch.minimum(torch.maximum(cuts, number), length - 1 - number.flip(0) + 1)
    ends = cuts.new_zeros((*cuts.shape[:-1], 1))
    return torch.cat([ends, cuts, ends + length], -1)


def _bands(edges: Tensor, length: int, like: Tensor) -> Tensor:
    """Return which cells of a line belong to which band, ``(B, G, n, length)`` of zeros and ones."""
    cell = torch.arange(length, device=edges.device)
    return ((cell >= edges[..., :-1, None]) & (cell < edges[..., 1:, None])).to(like.dtype)


def _region_sums(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the sums over all regions, ``(B, G, R, C)``, of maps ``(B, H, W, C)``.

    Args:
        maps: to be summed.
        rows: ``(B, G, n, H)``, how much each row belongs to each band of rows.
        columns: ``(B, G, m, W)``, the same for columns; R is ``n * m``.
    """
    sets, bands = columns.shape[1:3]
    sums = columns.flatten(1, 2).unsqueeze(1) @ maps  # (B, H, G m, C)
    sums = sums.unflatten(2, (sets, bands)).transpose(1, 2).flatten(3)  # (B, G, H, m C)
    return (rows @ sums).unflatten(3, (bands, -1)).flatten(2, 3)


def _first_maxima(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the cell (row * W + column) of each region's maximum, the first row by row among equals.

    Args:
        maps: ``(B, H, W, C)``.
        rows: ``(B, G, n + 1)``, edges of the bands of rows.
        columns: ``(B, G, n + 1)``, edges of the bands of columns.

    Returns:
        ``(B, G, n * n, C)``.
    """
    height, width = maps.shape[1:3]
    index_type = torch.int16 if height * width < 2**15 else torch.int32
    cell = torch.arange(width, device=maps.device, dtype=index_type).view(-1, 1)
    # Within each row, the maximum over each band of columns; then over each band of rows.
    values, cells = _window_maxima(maps, cell, columns[..., :-1].flatten(1), columns[..., 1:].flatten(1))
    sets, side = columns.shape[1], columns.shape[2] - 1
    values, cells = (part.unflatten(1, (sets, side)).flatten(0, 1) for part in (values, cells))  # (B G, n, H, C)
    cells = cells + torch.arange(height, device=maps.device, dtype=index_type).view(-1, 1) * width
    _, cells = _window_maxima(values, cells, rows[..., :-1].flatten(0, 1), rows[..., 1:].flatten(0, 1))
    return cells.flatten(1, 2).unflatten(0, (-1, sets)).long()


def _window_maxima(values: Tensor, cells: Tensor, starts: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maximum within each window, and the cell that it came from; the first among equals.

    Args:
        values: ``(B, O, L, C)``.
        cells: broadcasts to the same.
        starts: ``(B, m)``, from 0.
        ends: ``(B, m)``, one after the last; no window is empty.

    Returns:
        Both ``(B, m, O, C)``.
    """
    length = values.shape[2]
    levels = length.bit_length()
    best = values.new_empty((levels, *values.shape))
    where = cells.new_empty((levels, *values.shape))
    best[0], where[0] = values, cells
    for level in range(1, levels):  # windows of 2, 4, 8, ... from every start
        half, starts_left = 2 ** (level - 1), length - 2**level + 1
        former = (slice(None), slice(None), slice(0, starts_left))
        latter = (slice(None), slice(None), slice(half, half + starts_left))
        pair = (best[level - 1][former], best[level - 1][latter])
        torch.maximum(*pair, out=best[level][former])
        where[level][former] = _of_larger(*pair, where[level - 1][former], where[level - 1][latter])
    powers = 2 ** torch.arange(levels, device=starts.device)
    level_of = ((ends - starts).unsqueeze(2) >= powers[1:]).sum(2)
    frame = torch.arange(values.shape[0], device=starts.device).unsqueeze(1)  # len() would fix an exported batch
    first = (level_of, frame, slice(None), starts)
    last = (level_of, frame, slice(None), ends - powers[level_of])
    pair = (best[first], best[last])
    return torch.maximum(*pair), _of_larger(*pair, where[first], where[last])


def _of_larger(former: Tensor, latter: Tensor, former_cell: Tensor, latter_cell: Tensor) -> Tensor:
    """Return the cell of the larger value, the former among equals; on a CPU 4 times faster than ``torch.where``."""
    return former_cell + (latter_cell - former_cell) * (latter > former).to(former_cell.dtype)


def _soft_positions_values_means(maps: Tensor, lines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return soft counterparts of :func:`positions_values_means`, differentiable in the lines.

    Regions have sigmoid edges; positions and values are averages weighted by exp(value / temperature), the
    temperature being a share of the map's range. Both widths are our choice.
    """
    _, height, width, _ = maps.shape
    columns, rows = _soft_bands(lines[:, :, 0], width), _soft_bands(lines[:, :, 1], height)
    x, y = (torch.arange(side, device=maps.device, dtype=maps.dtype) for side in (width, height))
    highest, lowest = maps.amax((1, 2), keepdim=True), maps.amin((1, 2), keepdim=True)
    temperature = SOFT_MAXIMUM * (highest - lowest).clamp(min=torch.finfo(maps.dtype).tiny ** 0.5)
    weights = ((maps - highest) / temperature).exp()
    total = _region_sums(weights, rows, columns)
    positions = [_region_sums(weights, rows, columns * x) / total, _region_sums(weights, rows * y, columns) / total]
    values = _region_sums(weights * maps, rows, columns) / total
    areas = (rows.sum(3).unsqueeze(3) * columns.sum(3).unsqueeze(2)).flatten(2).unsqueeze(3)
    return torch.stack(positions, dim=3), values, _region_sums(maps, rows, columns) / areas


def _soft_bands(lines: Tensor, length: int) -> Tensor:
    centre = torch.arange(length, device=lines.device, dtype=lines.dtype) + 0.5
    behind = ((centre - lines.unsqueeze(3)) / SOFT_CUT).sigmoid()  # (B, G, n - 1, length)
    ones = torch.ones_like(centre).expand(*lines.shape[:2], 1, -1)
    return torch.cat([ones, behind], 2) - torch.cat([behind, torch.zeros_like(ones)], 2)
