"""AReSE is the paper's definition, index by index; only its backward pass to the lines is ours."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.benchmarks import key_points_loop as literal_loop
from lightning_modules.kpsem.key_points import AReSE, KeyPoints


def arese(seed: int = 0, **arguments) -> AReSE:
    """Return a module whose lines already follow the frame."""
    torch.manual_seed(seed)
    module = AReSE(**{"channels": 3, "num_sets": 3, **arguments})
    if module.bias is not None:
        nn.init.uniform_(module.bias.weight, -0.6, 0.6)
    return module


def features(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def literally(module: AReSE, maps: Tensor) -> Tensor:
    """Return RKPS by the loop, ``(N, T - 1, G, R, 2, C)``."""
    weight = None if module.bias is None else module.bias.weight
    bias = module.bias.bias if module.bias is not None else getattr(module, "offsets", None)
    found = literal_loop.rkps(maps, weight, bias, sets=module.num_sets, side=module.side)
    return torch.tensor(found, dtype=torch.float64).permute(0, 3, 2, 4, 5, 1)


def assert_literal(module: AReSE, maps: Tensor) -> None:
    with torch.no_grad():
        found = module(maps)
    torch.testing.assert_close(found.double(), literally(module, maps), atol=1e-6, rtol=0)


ALL_REGIONS = pytest.mark.parametrize("num_regions", [1, 4, 9, 16])


@ALL_REGIONS
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (5, 9), (13, 6), (4, 4)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("separation", ["adaptive", "fixed"])
def test_it_equals_a_loop_over_every_index(num_regions, size, separation):
    assert_literal(arese(num_regions=num_regions, separation=separation), features(2, 3, 4, *size))


@ALL_REGIONS
def test_it_equals_the_loop_where_values_tie(num_regions):
    maps = features(2, 3, 4, 7, 9).round()  # a handful of different values
    assert len(maps.unique()) < 10
    assert_literal(arese(num_regions=num_regions), maps)
    assert_literal(arese(num_regions=num_regions), torch.zeros(1, 3, 3, 7, 9))


@ALL_REGIONS
def test_it_equals_the_loop_for_negative_features(num_regions):
    assert_literal(arese(num_regions=num_regions), -features(2, 3, 4, 7, 9).abs() - 1)


@ALL_REGIONS
def test_it_equals_the_loop_where_lines_leave_the_map_or_cross(num_regions):
    module = arese(num_regions=num_regions, spread=30.0)
    found = module.extract(features(2, 3, 4, 7, 9))
    edges = found.lines.flatten(0, 2)
    for axis, length in enumerate((9, 7)):
        cuts = nn.functional.pad(edges[:, axis], (1, 0)), edges[:, axis]
        assert ((cuts[1] - cuts[0][:, :-1]) >= 1).all() and (edges[:, axis] <= length - 1).all()
    assert_literal(module, features(2, 3, 4, 7, 9))


def test_it_does_not_depend_on_the_memory_layout():
    module, maps = arese(), features(2, 3, 4, 7, 9)
    torch.testing.assert_close(module(maps), module(maps.contiguous(memory_format=torch.channels_last_3d)))


def test_clips_and_channels_are_independent_given_the_lines():
    module, maps = arese(separation="fixed"), features(3, 3, 4, 7, 9)
    torch.testing.assert_close(module(maps), torch.cat([module(clip[None]) for clip in maps]))
    single = [module(maps[:, c : c + 1]) for c in range(3)]
    torch.testing.assert_close(module(maps), torch.cat(single, dim=-1))


def test_equal_regions_are_cut_in_the_middle_and_the_odd_row_goes_behind():
    module = arese(num_sets=1, separation="fixed", spread=0.0)
    maps = torch.zeros(1, 1, 2, 7, 7)
    maps[..., 3, 3] = 1.0  # rows 0-2 / 3-6
    found = module.extract(maps)
    assert found.lines.unique().tolist() == [3.5]
    assert found.values[0, 0, 0, :, 0].tolist() == [0, 0, 0, 1]
    assert found.positions[0, 0, 0, :, :, 0].tolist() == [[0, 0], [3, 0], [0, 3], [3, 3]]


def separations(lines: torch.Tensor) -> int:
    """Return how many of a frame's separations ``(G, 2, n - 1)`` differ in the cells of their regions."""
    return len((lines - 0.5).ceil().unique(dim=0))


def test_fixed_regions_do_not_differ_between_frames_and_are_not_trained():
    module = arese(num_sets=8, separation="fixed")
    found = module.extract(features(2, 3, 4, 14, 14))
    assert (found.lines == found.lines[:1, :1]).all()
    assert not list(module.parameters()) and "offsets" in module.state_dict()


def test_of_eight_sets_about_five_separate_a_frame_differently():
    """Lines within a cell of the middle have three places to cut, on a map of any size: nine separations of four."""
    counts = []
    for seed in range(40):
        torch.manual_seed(seed)
        counts.append([separations(AReSE(channels=3, num_sets=8).extract(features(1, 3, 2, side, side)).lines[0, 0])
                       for side in (8, 14)])  # fmt: skip
    assert 4.5 < np.mean(counts) < 5.5 and 1 < np.min(counts) and np.max(counts) <= 8
    assert separations(arese(num_sets=8, spread=0.01).extract(features(1, 3, 2, 8, 8)).lines[0, 0]) <= 4


def test_adaptive_lines_follow_the_frame():
    found = arese().extract(features(2, 3, 4, 14, 14))
    assert found.lines.std(dim=1).min() > 0


def test_shifts_are_weighted_averages_and_regions_share_one():
    found = arese(num_regions=9).extract(features(2, 3, 4, 9, 9))
    torch.testing.assert_close(found.shift_weights.sum(4), torch.ones_like(found.values[:, 1:]))
    torch.testing.assert_close(found.region_weights.sum(3), torch.ones_like(found.region_weights[:, :, :, 0]))


def test_adaptive_lines_start_where_fixed_ones_stay():
    torch.manual_seed(0)
    adaptive = AReSE(channels=3, num_sets=8)
    found = adaptive.extract(features(2, 3, 4, 14, 14))
    assert (found.lines == found.lines[:1, :1]).all() and (found.lines - 7).abs().max() <= 1
    assert separations(found.lines[0, 0]) > 1


def test_a_lines_gradient_is_one_within_the_map_and_beyond_its_edge():
    module = arese(channels=1, num_sets=1, spread=0.0)
    assert module.bias is not None
    nn.init.zeros_(module.bias.weight)
    for place in (0.5, 9.0):
        nn.init.constant_(module.bias.bias, place)
        module.zero_grad()
        module._lines(torch.zeros(5, 8, 8, 1)).sum().backward()
        assert module.bias.bias.grad is not None and module.bias.bias.grad.tolist() == [5, 5]


def test_without_the_matching_gradient_features_learn_by_positions_and_region_weights_alone():
    maps = features(1, 3, 3, 8, 8).requires_grad_()
    whole, stopped = (arese(separation="fixed", matching_gradient=on).extract(maps) for on in (True, False))
    assert torch.equal(whole.shifts, stopped.shifts)
    assert torch.autograd.grad(whole.shifts.square().sum(), maps)[0].abs().sum() > 0
    assert not stopped.shifts.requires_grad and stopped.region_weights.requires_grad


def test_a_still_clip_with_distinct_values_hardly_shifts():
    maps = features(1, 3, 1, 8, 8).expand(-1, -1, 4, -1, -1)
    found = arese(separation="fixed").extract(maps)
    assert found.shifts.abs().max() < 0.05 and found.crossing_share().item() == 0


# -- what is drawn --------------------------------------------------------------------------------------


def test_a_point_that_leaves_its_region_is_matched_across_and_counted():
    maps = torch.zeros(1, 1, 2, 4, 4)
    for value, before, after in (
        (10, (0, 0), (2, 2)),
        (20, (0, 2), (0, 2)),
        (30, (2, 0), (2, 0)),
        (40, (2, 2), (0, 0)),
    ):
        maps[0, 0, 0, before[0], before[1]], maps[0, 0, 1, after[0], after[1]] = value, value
    found = arese(num_sets=1, separation="fixed", spread=0.0).extract(maps)
    torch.testing.assert_close(
        found.shifts[0, 0, 0, :, :, 0], torch.tensor([[2.0, 2], [0, 0], [0, 0], [-2, -2]]), atol=0.01, rtol=0
    )
    assert found.crossing_share().tolist() == [0.5]


def test_a_single_region_has_nothing_to_cross():
    assert arese(num_regions=1).extract(features(2, 3, 4, 8, 8)).crossing_share().tolist() == [0, 0]


@pytest.mark.parametrize("shift", [(1, 0), (0, 1), (-1, 1)])
def test_mean_shift_of_a_moving_peak_is_its_motion(shift):
    maps = torch.zeros(1, 2, 4, 16, 16)
    for t in range(4):
        maps[:, :, t, 8 + t * shift[1], 8 + t * shift[0]] = 5.0
    found = arese(channels=2, num_regions=1).extract(maps)
    torch.testing.assert_close(found.mean_shift(), torch.tensor([shift], dtype=torch.float32))


def test_pixels_are_the_centres_of_cells():
    maps = torch.zeros(1, 1, 2, 14, 7)
    maps[0, 0, :, 13, 2] = 1.0
    found = arese(channels=1, num_sets=1, num_regions=1).extract(maps)
    pixels = found.positions_in_pixels(map_size=(14, 7), clip_size=(224, 224))
    assert pixels[0, 0, 0, 0, :, 0].tolist() == [80.0, 216.0]
    moved = KeyPoints(**{**vars(found), "shifts": torch.ones(1, 1, 1, 1, 2, 1)})
    in_pixels = moved.shifts_in_pixels(map_size=(14, 7), clip_size=(224, 224))
    assert in_pixels.flatten().tolist() == [32.0, 16.0]


# -- gradients ------------------------------------------------------------------------------------------


def test_surrogate_leaves_the_forward_pass_exactly_as_it_is():
    module, maps = arese(num_regions=9), features(2, 3, 4, 9, 9)
    with torch.no_grad():
        hard = module(maps)
    assert torch.equal(module(maps), hard)


def test_features_receive_the_gradient_of_the_hard_definition():
    module = arese(separation="fixed").double()
    maps = features(1, 2, 3, 4, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(module, (maps,), eps=1e-7, atol=1e-5)


def test_the_surrogate_reaches_features_through_the_lines_layer_alone():
    adaptive, fixed = arese(), arese(separation="fixed")
    assert adaptive.bias is not None
    nn.init.zeros_(adaptive.bias.weight)
    with torch.no_grad():
        fixed.offsets.copy_(adaptive.bias.bias.view_as(fixed.offsets))
    gradients = []
    for module in (adaptive, fixed):
        maps = features(2, 3, 4, 7, 9).requires_grad_()
        module(maps).square().sum().backward()
        assert maps.grad is not None
        gradients.append(maps.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("num_regions", [4, 9, 16])
def test_the_lines_layer_receives_gradient_everywhere(num_regions):
    module = arese(channels=24, num_sets=8, num_regions=num_regions)
    module(features(2, 24, 8, 14, 14)).square().sum().backward()
    assert module.bias is not None and module.bias.weight.grad is not None
    assert torch.isfinite(module.bias.weight.grad).all()
    assert (module.bias.weight.grad != 0).float().mean() > 0.99


def test_an_objective_on_key_points_moves_a_line_until_two_peaks_are_apart():
    """Two peaks in one quadrant: the sum of the regions' maxima grows only if a line passes between them."""
    row, column = torch.meshgrid(torch.arange(14.0), torch.arange(14.0), indexing="ij")
    peaks = [(-((row - 2) ** 2 + (column - x) ** 2) / 2).exp() for x in (2, 5)]
    maps = (2 * peaks[0] + 2 * peaks[1]).expand(1, 1, 2, -1, -1).clone()
    module = arese(channels=1, num_sets=1, spread=0.0)
    assert module.bias is not None
    nn.init.zeros_(module.bias.weight)
    optimizer = torch.optim.SGD([module.bias.bias], lr=0.05)
    gained = []
    for _ in range(100):
        found = module.extract(maps)
        gained.append(found.values.sum().item())
        optimizer.zero_grad()
        (-found.values.sum()).backward()
        optimizer.step()
    vertical = module.extract(maps).lines[0, 0, 0, 0, 0].item()
    assert gained[0] < 5 and gained[-1] > 2 * gained[0]
    assert 2.5 < vertical <= 5.5, f"the line stands at {vertical}, the peaks' centres at 2.5 and 5.5"


# -- precision and errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_computed_in_32_bits(dtype):
    module, maps = arese(num_regions=9), features(2, 3, 4, 9, 9).to(dtype)
    found = module(maps)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, module(maps.float()))
    with torch.autocast("cpu", dtype=dtype):
        torch.testing.assert_close(module(maps), found)


@pytest.mark.parametrize("scale", [1e-6, 6e4])
def test_half_precision_extremes_give_finite_values_and_gradients(scale):
    module = arese()
    maps = (features(2, 3, 4, 8, 8).clamp(-1, 1) * scale).half().requires_grad_()
    found = module(maps)
    found.square().mean().backward()
    assert torch.isfinite(found).all() and maps.grad is not None and module.bias is not None
    assert torch.isfinite(maps.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


def test_constant_maps_have_finite_gradients():
    module = arese()
    module(torch.ones(1, 3, 3, 8, 8)).sum().backward()
    assert module.bias is not None and torch.isfinite(module.bias.weight.grad).all()


def test_a_module_in_half_precision_computes_close_to_full():
    module, maps = arese(), features(1, 3, 3, 8, 8)
    full = module(maps)
    torch.testing.assert_close(module.to(torch.bfloat16)(maps.bfloat16()), full, atol=0.5, rtol=0.2)


def test_features_that_are_no_numbers_come_out_as_such():
    maps = features(1, 3, 3, 8, 8)
    maps[0, 1, 1, 4, 4] = math.nan
    assert torch.isnan(arese()(maps)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_regions=3), "square number .* got 3"),
        (dict(num_regions=0), "got 0"),
        (dict(num_sets=0), "at least 1, got 0"),
        (dict(separation="learnt"), "'adaptive' or 'fixed', got 'learnt'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        arese(**arguments)


def test_clips_too_short_or_maps_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        arese()(torch.zeros(1, 3, 1, 8, 8))
    with pytest.raises(ValueError, match="2 x 3 map cannot be cut into 3 x 3"):
        arese(num_regions=9)(torch.zeros(1, 3, 2, 2, 3))
