"""KPSEM's figures are drawn from cells of its tables, and their numbers are what the networks say."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import io

import matplotlib
import numpy as np
import pytest
import torch

from experiments import (
    kpsem_figure5,
    kpsem_figure7,
    kpsem_figure8,
    kpsem_figure9,
    kpsem_figure10,
    kpsem_pictures,
    kpsem_profiles,
)
from experiments.harness import main
from experiments.harness.arguments import DEFAULT_SEEDS
from experiments.harness.cell import Options
from experiments.harness.figures import Cell, Drawing
from experiments.harness.resolve import evaluation
from experiments.harness.runner import build_data, build_training_module
from experiments.harness.spec import Figure
from experiments.harness.statistics import paired_difference
from experiments.harness.store import RESULTS_VARIABLE
from experiments.harness.verdicts import holm
from tests.kpsem.test_network import brightness_network, degrees_between, moving_disc
from tests.tiny_cells import lively

matplotlib.use("Agg")
pytestmark = pytest.mark.usefixtures("benchmark_cache")

NAMES = ("figure5", "figure7", "figure8", "figure9", "figure10")
FIGURES: dict[str, Figure] = {n: importlib.import_module(f"experiments.kpsem_{n}").FIGURE for n in NAMES}
SMOKE = Options(profile="smoke", init_checkpoint="none")


class Loaded:
    """Untrained smoke networks in place of a store's, one per row and seed, on tiny members of the benchmark."""

    def __init__(self, figure: Figure) -> None:
        self.table = figure.table
        self.known: dict[tuple, tuple] = {}

    def cells(self, rows=None, seeds=(0, 1)) -> list[Cell]:
        return [
            self.tested(Cell(row.label, column.key, seed, {}, {}))
            for row in self.table.rows
            if rows is None or row.label in rows
            for column in self.table.columns
            for seed in seeds
        ]

    def tested(self, cell: Cell) -> Cell:
        """Return the cell with the scores that its test would store."""
        module, data = self(cell)
        with torch.no_grad():
            parts = [(b.video_index, module.predict_scores(data.on_after_batch_transfer(b, 0)))
                     for b in data.test_dataloader()]  # fmt: skip
        videos = [data.subset("test")[0][i] for i in torch.cat([index for index, _ in parts]).tolist()]
        scores = dict(
            scores=torch.cat([of_batch for _, of_batch in parts]).numpy(),
            labels=np.array([video.label for video in videos]),
            ids=np.array([video.id for video in videos]),
        )
        return dataclasses.replace(cell, scores=scores)

    def __call__(self, cell: Cell) -> tuple:
        key = (cell.row, cell.column, cell.seed)
        if key not in self.known:
            row, column = self.table.row(cell.row), self.table.column(cell.column)
            evaluated = evaluation(self.table, row, column, cell.seed, SMOKE)
            torch.manual_seed(cell.seed)
            module = lively(build_training_module(evaluated.training))
            self.known[key] = module, build_data(evaluated.training, evaluated.data, num_workers=0)
        return self.known[key]

    def data(self, cell: Cell):
        return self(cell)[1]


def drawn(name: str, **which) -> tuple[Drawing, Loaded]:
    figure = FIGURES[name]
    load = Loaded(figure)
    return figure.draw(load.cells(**which), load), load


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_needs_cells_of_the_tables_alone(name):
    """A figure trains nothing that its table does not: same cells, same fingerprints."""
    figure = FIGURES[name]
    tables = [importlib.import_module(f"experiments.kpsem_{n}").TABLE for n in ("table1", "table2", "ablations")]
    of_tables = {
        evaluation(table, row, column, 0, Options(profile=profile)).fingerprint
        for table in tables
        for profile in ("smoke", "proxy")
        for row in table.rows if not row.cited
        for column in table.columns if column.is_accuracy
    }  # fmt: skip
    for profile in ("smoke", "proxy"):
        for label in figure.rows:
            for column in figure.table.columns:
                cell = evaluation(figure.table, figure.table.row(label), column, 0, Options(profile=profile))
                assert cell.fingerprint in of_tables


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_draws_and_gives_its_numbers_with_the_same_keys(name):
    rows = (kpsem_profiles.BASELINE, kpsem_profiles.OURS) if name == "figure5" else None
    drawing, _ = drawn(name, rows=rows)
    assert drawing.numbers and all(list(row) == list(drawing.numbers[0]) for row in drawing.numbers)
    out = io.BytesIO()
    drawing.figure.savefig(out, dpi=60)
    assert len(out.getvalue()) > 5000
    text = io.StringIO()
    csv.DictWriter(text, fieldnames=list(drawing.numbers[0])).writerows(drawing.numbers)


def test_figure_5_shows_each_setting_of_the_paper_once_and_the_main_one_in_every_panel():
    module = kpsem_figure5
    shown = [row for _, bars in module.PANELS for row in bars.values()]
    assert shown.count(kpsem_profiles.OURS) == 4
    others = set(module.FIGURE.rows) - {kpsem_profiles.OURS, kpsem_profiles.BASELINE}
    assert {row.label for row in module.TABLE.rows} - set(module.FIGURE.rows) == {module.FASTER}
    assert sorted(set(shown) - {kpsem_profiles.OURS}) == sorted(others) and len(shown) == len(others) + 4
    drawing, load = drawn("figure5", rows=(kpsem_profiles.BASELINE, "K = 1"), seeds=(0,))
    values = {row["row"]: float(row["top1"]) for row in drawing.numbers}
    for label, value in values.items():
        found = kpsem_pictures.video_scores(load.tested(Cell(label, module.COLUMN, 0, {}, {})))
        assert value == pytest.approx(100 * (found.scores.argmax(1) == found.labels).mean(), abs=0.01)


def test_figure_5_says_how_many_trainings_it_takes():
    rows, said = len(FIGURES["figure5"].rows), kpsem_figure5.__doc__ or ""
    assert f"{rows * DEFAULT_SEEDS} trainings and one pre-training" in said and f"all {rows} rows" in said
    assert f"with {DEFAULT_SEEDS} seeds each" in said


def test_figure_5_draws_the_paired_difference_to_mfnet_below_each_bar():
    labels, rng = np.repeat(np.arange(3), 20), np.random.default_rng(0)
    scores = {
        row: {seed: made_up(rng.random(60) < level, labels) for seed in range(3)}
        for row, level in ((kpsem_profiles.BASELINE, 0.5), (kpsem_profiles.OURS, 0.9), ("K = 1", 0.5))
    }
    cells = [
        Cell(row, kpsem_figure5.COLUMN, seed, {}, {}, dataclasses.asdict(found))
        for row, by_seed in scores.items()
        for seed, found in by_seed.items()
    ]
    drawing = kpsem_figure5.draw(cells, load=None)  # type: ignore[arg-type]
    assert drawing.figure.get_suptitle().startswith("3 seeds, ")
    lower = drawing.figure.axes[4:]
    for row, by_seed in scores.items():
        first, second = ({s: f.scores for s, f in own.items()} for own in (by_seed, scores[kpsem_profiles.BASELINE]))
        paired = paired_difference(first, second, labels, "top1")
        for line in (line for line in drawing.numbers if line["row"] == row and row != kpsem_profiles.BASELINE):
            ends = [float(line[key]) for key in ("difference", "difference_low", "difference_high")]  # type: ignore
            assert ends == pytest.approx([paired.mean, paired.low, paired.high], abs=0.01) and line["paired_seeds"] == 3
    for axis, (title, bars) in zip(lower, kpsem_figure5.PANELS, strict=True):
        own = [line for line in drawing.numbers if line["panel"] == title]
        assert [line["row"] for line in own] == [row for row in bars.values() if row in scores]
        texts = [text.get_text() for text in axis.texts]
        assert texts == [f"{float(line['difference']):+.1f}" for line in own]  # type: ignore[arg-type]
        drawn_ends = [line.get_ydata() for line in axis.lines if list(line.get_xdata()) in ([0, 0], [1, 1])]
        assert [ends[0] for ends in drawn_ends] == pytest.approx(
            [float(line["difference_low"]) for line in own], abs=0.01
        )  # type: ignore[arg-type]
    alone = kpsem_figure5.draw([cell for cell in cells if cell.row == "K = 1"], load=None)  # type: ignore[arg-type]
    assert len(alone.figure.axes) == 4 and {line["difference"] for line in alone.numbers} == {""}


def test_published_differences_to_mfnet_are_those_of_the_paper():
    assert kpsem_figure5.published_difference(kpsem_profiles.OURS) == 3.2
    assert kpsem_figure5.published_difference("K = 1") == 1.3 and kpsem_figure5.published_difference("K = 9") is None


# -- Figure 7 and 8 -------------------------------------------------------------------------------------


def made_up(hits: np.ndarray, labels: np.ndarray, classes: int = 3) -> kpsem_pictures.VideoScores:
    predicted = np.where(hits, labels, (labels + 1) % classes)
    scores = np.eye(classes)[predicted] * 0.7 + 0.1
    return kpsem_pictures.VideoScores(tuple(map(str, range(len(labels)))), labels, scores)


def test_gains_per_class_are_shares_of_its_videos():
    labels = np.repeat(np.arange(3), 10)
    rng = np.random.default_rng(0)
    hits = [{seed: rng.random(30) < level for seed in (0, 1)} for level in (0.4, 0.8)]
    both = [{seed: made_up(of_seed, labels) for seed, of_seed in by_seed.items()} for by_seed in hits]
    gains = kpsem_figure7.class_gains(*both, ["a", "b", "c"])
    assert [gain.difference.mean for gain in gains] == sorted((g.difference.mean for g in gains), reverse=True)
    for gain in gains:
        of_class = labels == "abc".index(gain.name)
        shares = [100 * np.mean([by_seed[seed][of_class].mean() for seed in (0, 1)]) for by_seed in hits]
        assert (gain.baseline, gain.ours) == pytest.approx(shares) and gain.videos == 10
        assert gain.difference.mean == pytest.approx(shares[1] - shares[0])
        assert gain.difference.low < gain.difference.mean < gain.difference.high


def test_figure_7_corrects_for_looking_at_every_class_and_says_how_classes_were_chosen():
    drawing, load = drawn("figure7")
    cells = [load.tested(Cell(row, FIGURES["figure7"].table.columns[0].key, seed, {}, {}))
             for row in FIGURES["figure7"].rows for seed in (0, 1)]  # fmt: skip
    by_row = [kpsem_pictures.scores_of(cells, row, cells[0].column) for row in FIGURES["figure7"].rows]
    gains = kpsem_figure7.class_gains(*by_row, load.data(cells[0]).class_names)
    corrected = holm([gain.difference.p_value for gain in gains])
    assert [float(row["p_holm"]) for row in drawing.numbers] == pytest.approx(corrected, abs=0.001)  # type: ignore
    said = drawing.figure.get_supxlabel()
    assert "chosen and sorted by their gain on these very videos" in said
    assert f"over all {len(gains)} classes, {sum(p < 0.05 for p in corrected)} differ" in said


def test_figure_7_needs_no_weights():
    load = Loaded(FIGURES["figure7"])
    cells, asked = load.cells(), []

    class DataAlone:
        def data(self, cell):
            asked.append(cell)
            return load.data(cell)

    assert FIGURES["figure7"].draw(cells, DataAlone()).numbers and len(asked) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--rows", "MF-KPSEM"), "compares its rows and needs 'MFNet' too"),
        (("--checkpoint", __file__, "--test-only", "--rows", "MF-KPSEM"), "one network; kpsem/figure7 compares"),
        (("--video", __file__, "--video-class", "any"), "--video is for figures that show clips"),
    ],
    ids=["one row", "one checkpoint", "a video"],
)
def test_figure_7_refuses_what_leaves_nothing_to_compare_before_it_runs(flags, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    with pytest.raises(SystemExit) as end:
        main(FIGURES["figure7"], flags)
    assert end.value.code == 2 and message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_videos_that_only_kpsem_gets_right_are_shown_first_by_their_gain():
    labels = np.array([0, 0, 1, 1, 2, 2])
    baseline = made_up(np.array([True, False, False, True, False, False]), labels)
    ours = made_up(np.array([True, True, False, True, True, False]), labels)
    assert kpsem_figure8.chosen_videos(baseline, ours, (0, 1, 2), (), 3) == [1, 4, 0]
    assert kpsem_figure8.chosen_videos(baseline, ours, (1, 2), (), 6) == [4, 2, 3, 5]
    assert kpsem_figure8.chosen_videos(baseline, ours, (0, 1, 2), (2,), 6) == [4, 1, 5, 0, 2, 3], "2 gains, then others"
    stronger = dataclasses.replace(ours, scores=ours.scores.copy())
    stronger.scores[4] = [0.0, 0.0, 1.0]
    assert kpsem_figure8.chosen_videos(baseline, stronger, (0, 1, 2), (), 2) == [4, 1]
    assert kpsem_figure8.chosen_videos(baseline, stronger, (0, 1, 2), (0,), 2) == [1, 4]


def test_figure_8_prints_the_probabilities_of_the_test():
    drawing, load = drawn("figure8", seeds=(0,))
    for label in (kpsem_profiles.BASELINE, kpsem_profiles.OURS):
        cell = Cell(label, FIGURES["figure8"].table.columns[0].key, 0, {}, {})
        (_, data), found = load(cell), kpsem_pictures.video_scores(load.tested(cell))
        np.testing.assert_allclose(found.scores.sum(1), 1, atol=1e-5)
        for row in (row for row in drawing.numbers if row["network"] == label):
            scores = found.scores[found.ids.index(row["video"])]
            place = data.class_names.index(row["predicted"])
            assert float(row["probability"]) == pytest.approx(100 * scores[place], abs=0.01)
            assert (scores > scores[place]).sum() == row["rank"] - 1
    gains = {row["class"]: float(row["class_gain"]) for row in drawing.numbers}
    ahead, title = sum(gain >= kpsem_figure7.MARGIN for gain in gains.values()), drawing.figure.get_suptitle()
    assert int(title.split(" of ")[0]) >= ahead and "classes gain 6 points or more" in title


# -- Figure 9 and 10 ------------------------------------------------------------------------------------


def test_concentration_tells_a_spot_from_an_even_map():
    even, spot = np.ones((2, 10, 10), dtype=np.float32), np.zeros((2, 10, 10), dtype=np.float32)
    spot[:, 3, 4] = 1
    assert kpsem_figure9.concentration(even) == pytest.approx(0.1)
    assert kpsem_figure9.concentration(spot) == 1.0
    assert np.isnan(kpsem_figure9.concentration(np.zeros((1, 4, 4), dtype=np.float32)))


def test_figure_10_draws_key_points_within_the_frame_and_measures_crossings_over_all_videos():
    drawing, load = drawn("figure10", seeds=(0,))
    assert {row["region"] for row in drawing.numbers} == {0, 1, 2, 3}
    for row in drawing.numbers:
        assert 0 < float(row["x"]) < 32 and 0 < float(row["y"]) < 32
        assert 0 <= float(row["x"]) + float(row["dx"]) <= 32, "a shift is an average of ways to points of the frame"
    for group in kpsem_figure10.CLASSES:
        module, data = load(Cell(kpsem_profiles.OURS, f"{group}/Top-1", 0, {}, {}))
        videos = range(len(data.subset("test")[0]))
        each = [kpsem_figure10.drawn_points(module, kpsem_pictures.clip_of(data, i))[2] for i in videos]
        shown = {float(row["crossing_share_all_videos"]) for row in drawing.numbers if row["data"] == group}
        assert [*shown] == [pytest.approx(np.mean(each), abs=1e-4)] and 0 < np.mean(each) < 1
        [at_border] = {float(row["border_share_all_videos"]) for row in drawing.numbers if row["data"] == group}
        assert 0 < at_border <= 1


def test_separations_are_counted_by_the_cells_that_they_cut():
    usual, other = [[4, 4], [4, 4], [3, 5]], [[4, 4], [2, 4], [3, 5]]
    cuts = torch.tensor([usual, usual, usual, other])
    assert kpsem_figure10.separations(cuts) == (pytest.approx((2 + 2 + 2 + 3) / 4), pytest.approx(1 / 12))


def test_the_border_of_a_map_is_its_outermost_ring_of_cells():
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    found = kpsem_figure10.border(torch.stack((x, y)).flatten(1), 5, 6).view(5, 6)
    assert found.sum() == 30 - 3 * 4 and not found[1:-1, 1:-1].any()


def test_figure_10_has_as_many_columns_as_there_are_frames_with_a_next_one():
    drawing, load = drawn("figure10", seeds=(0,))
    module, _ = load(Cell(kpsem_profiles.OURS, f"{kpsem_figure10.MINI}/Top-1", 0, {}, {}))
    assert module.network.frames == 2
    assert drawing.figure.axes[0].get_gridspec().ncols == 2 and all(axis.images for axis in drawing.figure.axes)


class OneMovingClip:
    """Stand in for a data module whose only test video is a clip with a known motion."""

    class_names = ("disc",)


@pytest.mark.parametrize("num_regions", [1, 4])
@pytest.mark.parametrize("degrees", [0, 35, 160, 250])
def test_figure_10_draws_points_on_a_moving_disc_and_arrows_along_its_motion(degrees, num_regions, monkeypatch):
    torch.manual_seed(0)
    network = brightness_network(num_regions=num_regions, separation="fixed")
    clips = moving_disc(degrees)
    frames = clips[0].permute(1, 2, 3, 0).mul(80).to(torch.uint8).numpy()
    batch = type("Batch", (), {"clips": clips.unsqueeze(1)})
    clip = kpsem_pictures.Clip(id="moving", label=0, batch=batch, frames=frames)  # type: ignore[arg-type]
    for name, stub in (
        ("clip_of", lambda data, position: clip),
        ("first_videos", lambda data, wanted, count: [0]),
        ("shares_of", lambda module, data: kpsem_figure10.Shares(*[0.0] * 6)),
    ):
        monkeypatch.setattr(kpsem_figure10, name, stub)
    cell = Cell(kpsem_profiles.OURS, f"{kpsem_figure10.HMDB}/Top-1", 0, {}, {})
    module = type("Module", (), {"network": network})
    numbers = kpsem_figure10.draw([cell], lambda cell: (module, OneMovingClip())).numbers  # type: ignore[arg-type]
    way = torch.tensor([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=torch.float32)
    assert sorted({row["frame"] for row in numbers}) == [0, 4, 8, 12], "feature frames 0, 2, 4 and 6 of 8"
    shifts = []
    for frame in (0, 4, 8, 12):
        disc = 112 + 8.0 * (frame - 7.5) * way
        points = [torch.tensor([float(row[key]) for key in ("x", "y", "dx", "dy")])
                  for row in numbers if row["frame"] == frame]  # fmt: skip
        assert len(points) == num_regions
        nearest = min(points, key=lambda point: (point[:2] - disc).norm().item())
        assert (nearest[:2] - disc).abs().max() <= 17, f"frame {frame}: {nearest[:2]} against {disc}"
        shifts.append(nearest[2:])
    shift = torch.stack(shifts).mean(0)
    assert degrees_between(shift, way) < 20 and shift.norm().item() == pytest.approx(2 * 8.0, rel=0.3)


# -- what they share ------------------------------------------------------------------------------------


class Data:
    """Hold class names and test videos alone."""

    class_names = ("a", "b", "c", "d", "e")

    def subset(self, name):
        return [type("V", (), {"label": label}) for label in (1, 0, 0, 2, 4, 3)], None


@pytest.mark.parametrize(
    ("wanted", "count", "positions"),
    [((), 5, [1, 0, 3, 5, 4]), (("c", "none"), 1, [3]), (("c", "none"), 3, [3, 1, 5]), (("e", "a"), 2, [4, 1])],
)
def test_examples_are_the_first_videos_of_the_papers_classes_then_of_others(wanted, count, positions):
    assert kpsem_pictures.first_videos(Data(), wanted, count) == positions


@pytest.mark.parametrize(("number", "count", "chosen"), [(16, 4, [0, 5, 10, 15]), (3, 4, [0, 1, 2]), (1, 4, [0])])
def test_frames_are_evenly_chosen(number, count, chosen):
    assert kpsem_pictures.evenly(number, count) == chosen


def test_a_missing_cell_is_named():
    with pytest.raises(ValueError, match="no cell of row 'MFNet' on 'HMDB51'"):
        kpsem_pictures.cell_of([], "MFNet", "HMDB51")
