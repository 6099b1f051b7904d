from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch
from torch import nn

from datamodules.ligar import LigarData
from experiments.harness import Build, build_module
from experiments.harness.measure import clip_shape, cost_value, row_costs
from experiments.harness.spec import Column, Profile, Row, Table
from experiments.ligar_table3 import TABLE
from lightning_modules.base import ClipClassifier
from lightning_modules.ligar.profiles import PAPER_RECIPE
from tests.harness.fakes import SCENES

PUBLISHED_GFLOPS = 4.74
CLASSES = 101


@pytest.fixture(scope="module")
def costs() -> dict[str, float]:
    return row_costs(TABLE, TABLE.rows[0])


def test_ligar_costs_what_the_paper_says(costs: dict[str, float]):
    assert round(costs["params_m"] * 1e6) == 4_506_674
    assert costs["gmacs"] == pytest.approx(2.2425, rel=0.005), (
        "the paper's convolutions; ours counts matrix products too"
    )
    assert costs["gmacs_fvcore"] == pytest.approx(2.3615, abs=5e-5)
    assert costs["gflops_fvcore"] == 2 * costs["gmacs_fvcore"]
    assert costs["gflops_fvcore"] == pytest.approx(PUBLISHED_GFLOPS, rel=0.005)


def test_ligar_exported_with_27_classes_has_the_published_size():
    assert round(row_costs(TABLE, TABLE.rows[0], num_classes=27)["folded_params_m"] * 1e6) == 4_465_340


def test_both_rows_cost_the_same_as_clip_selection_is_no_part_of_the_network(costs: dict[str, float]):
    assert row_costs(TABLE, TABLE.rows[1]) == costs


def test_fvcores_rule_is_fvcores(costs: dict[str, float]):
    fvcore = pytest.importorskip("fvcore.nn")
    module = build_module(TABLE, row="w/o ACS", num_classes=CLASSES).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        counter = fvcore.FlopCountAnalysis(module, torch.zeros(1, 1, 3, 16, 224, 224))
        counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        counted = counter.total() / 1e9
    assert costs["gmacs_fvcore"] == pytest.approx(counted, rel=1e-3)


def test_counting_runs_nothing_and_allocates_nothing():
    with torch.device("meta"):
        module = build_module(TABLE, row="w/ ACS", num_classes=CLASSES)
    assert all(parameter.is_meta for parameter in module.parameters())


class Small(ClipClassifier):
    """A convolution, its norm and a linear layer: costs that can be counted by hand."""

    def __init__(self, *, channels: int = 4, num_classes: int, recipe: object) -> None:
        super().__init__(num_classes=num_classes, recipe=recipe)  # type: ignore[arg-type]
        self.network = nn.Sequential(
            nn.Conv3d(3, channels, 3, padding=1, bias=False), nn.BatchNorm3d(channels), nn.AdaptiveAvgPool3d(1),
            nn.Flatten(), nn.Linear(channels, num_classes),
        )  # fmt: skip


DATA = Build(LigarData, source=SCENES, num_frames=2, size=8, short_side=8)
SMALL = Table(
    id="small/table1",
    title="",
    module=Build(Small),
    recipe=PAPER_RECIPE,
    columns=(
        Column(title="Top-1", metric="top1", data=DATA),
        Column(title="Param.", metric="params_m"),
        Column(title="folded", metric="folded_params_m"),
        Column(title="MACs", metric="gmacs"),
        Column(title="MACs fvcore", metric="gmacs", rule="fvcore"),
        Column(title="FLOPs fvcore", metric="gflops", rule="fvcore"),
    ),
    rows=(
        Row(label="four", published=(None,) * 6, classes=5),
        Row(label="eight", published=(None,) * 6, module=dict(channels=8), classes=5),
        Row(label="long", published=(None,) * 6, data=dict(num_frames=4), classes=5),
        Row(label="open", published=(None,) * 6),
    ),
    profiles={
        "smoke": Profile(),
        "proxy": Profile(module=dict(channels=2), recipe=dataclasses.replace(PAPER_RECIPE, batch_size=1)),
        "paper": Profile(),
    },
)


@pytest.mark.parametrize(("label", "channels", "frames"), [("four", 4, 2), ("eight", 8, 2), ("long", 4, 4)])
def test_each_cost_column_is_what_a_hand_counts(label: str, channels: int, frames: int):
    elements = channels * frames * 8 * 8
    convolution, linear = 3 * 27 * elements, channels * 5
    parameters = 3 * 27 * channels + 2 * channels + channels * 5 + 5
    expected = {
        "Param.": parameters / 1e6,
        "folded": (parameters - channels) / 1e6,  # scale and shift of the norm leave a bias
        "MACs": (convolution + linear) / 1e9,
        "MACs fvcore": (convolution + linear + 2 * elements) / 1e9,
        "FLOPs fvcore": 2 * (convolution + linear + 2 * elements) / 1e9,
    }
    row = SMALL.row(label)
    found = {column.title: cost_value(SMALL, row, column) for column in SMALL.columns if column.is_cost}
    assert found == {title: pytest.approx(value, rel=1e-12) for title, value in expected.items()}


def test_a_cost_is_of_the_clips_that_the_row_and_the_paper_size_say():
    profiles = {**SMALL.profiles, "paper": Profile(data=dict(num_frames=4))}
    elsewhere = dataclasses.replace(SMALL.columns[0], group="long", data=DATA.with_arguments(dict(size=16), where=""))
    row = dataclasses.replace(SMALL.row("four"), published=(None,) * 7)
    rows = (row, dataclasses.replace(row, label="eight", on=("long",), data_on={"long": dict(num_frames=6)}))
    made = dataclasses.replace(SMALL, profiles=profiles, columns=(*SMALL.columns, elsewhere), rows=rows)
    linear = 4 * 5
    assert row_costs(made, made.rows[0])["gmacs"] == pytest.approx((3 * 27 * 4 * 4 * 8 * 8 + linear) / 1e9, rel=1e-12)
    assert row_costs(made, made.rows[1])["num_frames"] == 6
    assert row_costs(made, made.rows[1])["gmacs"] == pytest.approx((3 * 27 * 4 * 6 * 16 * 16 + linear) / 1e9, rel=1e-12)


def test_clips_are_of_the_size_that_the_data_module_serves():
    assert clip_shape(DATA) == (1, 1, 3, 2, 8, 8)
    assert clip_shape(TABLE.columns[0].data) == (1, 1, 3, 16, 224, 224)  # type: ignore[arg-type]


def test_a_module_is_built_as_row_profile_and_classes_say():
    module = build_module(SMALL, row="eight", num_classes=7)
    assert module.network[0].out_channels == 8 and module.network[-1].out_features == 7
    assert build_module(SMALL, row="four", profile="proxy").network[0].out_channels == 2
    assert build_module(SMALL, row="eight", profile="proxy").network[0].out_channels == 8, "the row goes last"
    assert build_module(SMALL, row="four", profile="proxy").recipe.batch_size == 1
    clips = torch.zeros(2, 3, 3, 2, 8, 8)
    assert module.eval()(clips).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(row="none"), "small/table1 has no row 'none'; it has 'four', 'eight', 'long', 'open'"),
        (dict(row="four", profile="tiny"), "small/table1: unknown profile 'tiny'; accepted: smoke, proxy, paper"),
        (dict(row="open"), "small/table1, row 'open': num_classes is needed; the row states none"),
    ],
)
def test_a_module_that_cannot_be_built_says_what_is_missing(arguments: dict[str, str], message: str):
    with pytest.raises(ValueError, match=message):
        build_module(SMALL, **arguments)
