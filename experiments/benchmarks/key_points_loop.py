"""AReSE as the paper writes it: one Python loop per index, plain numbers, one cell at a time (Sec. 3.3)."""

from __future__ import annotations

import math

from torch import Tensor

Numbers = list


def separate(offsets: Numbers, length: int) -> Numbers:
    """Return a frame's lines along one axis: equal regions moved by the offsets, in order, a cell apart (Eq. (5))."""
    count = len(offsets)
    free = sorted(length * (j + 1) / (count + 1) + offset - (j + 1) for j, offset in enumerate(offsets))
    return [min(max(value, 0.0), length - count - 1) + j + 1 for j, value in enumerate(free)]


def offsets_of(weight: Tensor, bias: Tensor, clip: Numbers, *, sets: int, side: int) -> Numbers:
    """Return Eq. (4) with one linear layer per set on each frame's mean features: [t][g][axis][line]."""
    weights, biases = weight.tolist(), bias.tolist()
    frames, cells = len(clip[0]), len(clip[0][0]) * len(clip[0][0][0])
    result = []
    for t in range(frames):
        means = [math.fsum(math.fsum(row) for row in channel[t]) / cells for channel in clip]
        out = [
            b + math.fsum(w * m for w, m in zip(ws, means, strict=True)) for ws, b in zip(weights, biases, strict=True)
        ]
        lines = iter(out)
        result.append([[[next(lines) for _ in range(side - 1)] for _ in range(2)] for _ in range(sets)])
    return result


def regional_shifts(frames: Numbers, lines: Numbers) -> Numbers:
    """Return RKPS of one channel and set: [t][region][axis].

    Args:
        frames: [t][h][w].
        lines: [t][axis][line], vertical lines (x) first.
    """
    side = len(lines[0][0]) + 1
    regions = side * side
    points, values, means = [], [], []
    for t, frame in enumerate(frames):
        best: Numbers = [None] * regions
        total, cells = [0.0] * regions, [0] * regions
        for h, row in enumerate(frame):
            for w, value in enumerate(row):
                band_x = sum(1 for line in lines[t][0] if w + 0.5 >= line)
                band_y = sum(1 for line in lines[t][1] if h + 0.5 >= line)
                r = band_y * side + band_x
                if best[r] is None or value > best[r][0]:
                    best[r] = (value, w, h)
                total[r] += value
                cells[r] += 1
        values.append([b[0] for b in best])  # Eq. (7)
        points.append([(b[1], b[2]) for b in best])  # Eq. (6)
        means.append([s / n for s, n in zip(total, cells, strict=True)])
    result = []
    for t in range(len(frames) - 1):
        pooled = [(means[t][r] + means[t + 1][r]) / 2 for r in range(regions)]
        region_weights = softmax(pooled)  # Eq. (11)
        shifts = []
        for a in range(regions):
            weights = softmax([1 / (abs(values[t][a] - values[t + 1][b]) + 0.1) for b in range(regions)])  # Eq. (9)
            shift = []
            for axis in range(2):
                total_shift = 0.0
                for b in range(regions):
                    total_shift += weights[b] * (points[t + 1][b][axis] - points[t][a][axis])  # Eq. (8), (10)
                shift.append(region_weights[a] * total_shift)  # Eq. (12)
            shifts.append(shift)
        result.append(shifts)
    return result


def softmax(values: Numbers) -> Numbers:
    """Return the softmax of some numbers."""
    highest = max(values)
    powers = [math.exp(value - highest) for value in values]
    return [power / sum(powers) for power in powers]


def rkps(features: Tensor, weight: Tensor | None, bias: Tensor | None, *, sets: int, side: int) -> Numbers:
    """Return RKPS as [n][c][g][t][region][axis], of features ``(N, C, T, H, W)`` and the MLP's weight and bias.

    Without a weight ``bias`` holds the fixed offsets ``(G, 2, side - 1)``.
    """
    result = []
    for clip in features.tolist():
        frames, height, width = len(clip[0]), len(clip[0][0]), len(clip[0][0][0])
        if weight is not None and bias is not None:
            offsets = offsets_of(weight, bias, clip, sets=sets, side=side)
        else:
            fixed = bias.tolist() if bias is not None else [[[], []]] * sets
            offsets = [fixed] * frames
        lines = [
            [[separate(offsets[t][g][0], width), separate(offsets[t][g][1], height)] for t in range(frames)]
            for g in range(sets)
        ]
        result.append([[regional_shifts(channel, lines[g]) for g in range(sets)] for channel in clip])
    return result
