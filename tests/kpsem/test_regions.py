"""Regions' hard quantities are exact at any size; the surrogate is what its definition says, cell by cell."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lightning_modules.kpsem import regions
from lightning_modules.kpsem.regions import SOFT_CUT, SOFT_MAXIMUM, positions_values_means


def lines(*values: float) -> Tensor:
    """Return one frame's and set's lines: the same for columns and rows."""
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1).repeat(1, 1, 2, 1)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("size", [(181, 182), (3, 70), (40, 2)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_maxima_and_means_are_exact_on_large_and_narrow_maps(size):
    maps = torch.randn(2, *size, 2)
    cuts = torch.stack([torch.full((2, 3, 1), size[1] * 0.4), torch.full((2, 3, 1), size[0] * 0.7)], dim=2)
    positions, values, means = positions_values_means(maps, cuts)
    column, row = math.ceil(size[1] * 0.4 - 0.5), math.ceil(size[0] * 0.7 - 0.5)
    halves = ((slice(0, row), slice(row, None)), (slice(0, column), slice(column, None)))
    corners = [(rows, columns) for rows in halves[0] for columns in halves[1]]
    for r, (rows, columns) in enumerate(corners):
        region = maps[:, rows, columns]
        torch.testing.assert_close(values[:, 1, r], region.amax((1, 2)))
        torch.testing.assert_close(means[:, 1, r], region.mean((1, 2)))
        x, y = positions[:, 1, r].long().unbind(1)
        for b in range(2):
            for c in range(2):
                assert maps[b, y[b, c], x[b, c], c] == values[b, 1, r, c]


def test_surrogate_is_the_average_under_soft_edges_and_a_soft_maximum():
    torch.manual_seed(0)
    maps, cuts = torch.randn(1, 5, 6, 1, dtype=torch.float64), lines(1.7, 4.2)
    positions, values, means = regions._soft_positions_values_means(maps, cuts)
    cells = maps[0, :, :, 0].tolist()
    flat = [value for row in cells for value in row]
    temperature = SOFT_MAXIMUM * (max(flat) - min(flat))

    def belongs(cell: int, band: int) -> float:
        behind = [1.0, *(sigmoid((cell + 0.5 - cut) / SOFT_CUT) for cut in (1.7, 4.2)), 0.0]
        return behind[band] - behind[band + 1]

    for band_y in range(3):
        for band_x in range(3):
            sums = dict.fromkeys(("weight", "x", "y", "value", "area", "mean"), 0.0)
            for y, row in enumerate(cells):
                for x, value in enumerate(row):
                    area = belongs(y, band_y) * belongs(x, band_x)
                    weight = area * math.exp((value - max(flat)) / temperature)
                    for name, term in (("weight", weight), ("x", weight * x), ("y", weight * y),
                                       ("value", weight * value), ("area", area), ("mean", area * value)):  # fmt: skip
                        sums[name] += term
            r = 3 * band_y + band_x
            expected = [sums["x"] / sums["weight"], sums["y"] / sums["weight"]]
            torch.testing.assert_close(positions[0, 0, r, :, 0], torch.tensor(expected, dtype=torch.float64))
            assert values[0, 0, r, 0].item() == pytest.approx(sums["value"] / sums["weight"])
            assert means[0, 0, r, 0].item() == pytest.approx(sums["mean"] / sums["area"])


def test_lines_receive_the_surrogates_gradient_and_maps_the_hard_one():
    torch.manual_seed(0)
    maps = torch.randn(1, 5, 6, 2, dtype=torch.float64)
    weights = [torch.randn(1, 1, 9, *rest, dtype=torch.float64) for rest in ((2, 2), (2,), (2,))]

    def total(parts) -> Tensor:
        return sum((w * part).sum() for w, part in zip(weights, parts, strict=True))

    cuts = lines(1.7, 4.2)

    def soft(moved: Tensor) -> float:
        return total(regions._soft_positions_values_means(maps, moved)).item()

    differences = torch.zeros_like(cuts)
    for place in range(cuts.numel()):
        step = torch.zeros_like(cuts).view(-1)
        step[place] = 1e-6
        step = step.view_as(cuts)
        differences.view(-1)[place] = (soft(cuts + step) - soft(cuts - step)) / 2e-6
    cuts.requires_grad_()
    total(positions_values_means(maps, cuts)).backward()
    torch.testing.assert_close(cuts.grad, differences, rtol=1e-5, atol=1e-7)

    given, plain = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    total(positions_values_means(given, cuts)).backward()
    total(positions_values_means(plain, cuts.detach())).backward()
    torch.testing.assert_close(given.grad, plain.grad)


def test_without_lines_that_learn_the_surrogate_is_not_computed(monkeypatch):
    def fail(*_: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr(regions, "_soft_positions_values_means", fail)
    maps = torch.randn(1, 4, 4, 2, requires_grad=True)
    positions_values_means(maps, lines(2.0).float())[1].sum().backward()
    with torch.no_grad():
        positions_values_means(maps, lines(2.0).float().requires_grad_())
    with pytest.raises(AssertionError, match="computed"):
        positions_values_means(maps, lines(2.0).float().requires_grad_())
