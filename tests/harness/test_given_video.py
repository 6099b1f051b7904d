"""A user's own video takes the place of a figure's test videos: `--video FILE --video-class NAME`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.datasets.given_video import GivenVideo
from experiments import action_net_figure1, kpsem_figure8, kpsem_figure9, kpsem_figure10
from experiments.harness.cell import Options
from experiments.harness.cli import run_figure
from experiments.harness.figures import draw_figure
from experiments.harness.pages import options_suffix
from experiments.harness.resolve import evaluation
from experiments.harness.spec import Figure
from tests.harness import fakes
from tests.harness.test_arguments import options
from tests.harness.test_figures import drawn, parsed, results  # noqa: F401

FIGURES = tuple(module.FIGURE for module in (action_net_figure1, kpsem_figure8, kpsem_figure9, kpsem_figure10))


def frames(folder: Path, number: int = 20) -> Path:
    """Write a folder of frames in which a bright square moves to the right."""
    from PIL import Image

    folder.mkdir()
    for t in range(number):
        picture = np.zeros((60, 80, 3), dtype=np.uint8)
        picture[20:32, 3 * t : 3 * t + 12] = 255
        Image.fromarray(picture).save(folder / f"{t + 1:05d}.png")
    return folder


def test_it_is_every_subsets_only_video_with_its_class(tmp_path: Path):
    source = GivenVideo(path=frames(tmp_path / "mine"), label_name="b", labels=("a", "b"))
    for subset in ("train", "val", "test"):
        [video] = source.videos(None, subset)
        assert (video.id, video.label, video.label_name, video.path) == ("mine", 1, "b", tmp_path / "mine")
    assert source.class_names(None) == ("a", "b")
    with pytest.raises(ValueError, match="'c' is no class; accepted: 'a', 'b'"):
        GivenVideo(path=tmp_path / "mine", label_name="c", labels=("a", "b"))
    with pytest.raises(ValueError, match="yours: no such video"):
        GivenVideo(path=tmp_path / "yours", label_name="a", labels=("a", "b"))


def test_the_training_is_the_tables_and_the_test_is_of_the_video(tmp_path: Path):
    asked = dict(video=frames(tmp_path / "mine"), video_class=fakes.SCENES.class_names()[0])
    table, given = fakes.evaluation(), fakes.evaluation(**asked)
    assert given.training == table.training and given != table
    assert given.data.arguments["source"].labels == fakes.SCENES.class_names()
    assert options_suffix(Options(**asked)) == "video-proxy"
    (tmp_path / "mine" / "00001.png").unlink()
    assert fakes.evaluation(**asked) != given, "other content is another cell"


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
def test_a_figure_of_clips_shows_the_video_alone_also_by_one_of_its_networks(
    figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    row = figure.table.row(figure.rows[-1])
    column = next(column for column in figure.table.columns if column.is_accuracy)
    known = evaluation(figure.table, row, column, 0, Options(profile="smoke")).data.arguments["source"].class_names()

    def draw_into_tmp(figure: Figure, cells: Any, path: Path) -> None:
        draw_figure(figure, cells, tmp_path / "figure.png")

    monkeypatch.setattr("experiments.harness.cli.draw_figure", draw_into_tmp)  # a smoke run leaves nothing behind
    asked = ("--video", str(frames(tmp_path / "mine")), "--video-class", known[-1], "--rows", row.label)
    flags = ("--profile", "smoke", "--seeds", "1", "--no-wandb", "--columns", column.group)
    assert run_figure(figure, parsed(*flags, *asked)) == 0
    numbers = list(csv.DictReader((tmp_path / "figure.csv").open()))
    assert {(line["video"], line["class"]) for line in numbers} == {("mine", known[-1])}


def test_what_shows_no_clips_refuses_a_video(
    results: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    flags = ("--video", str(frames(tmp_path / "mine")), "--video-class", "x")
    assert drawn(results, *flags)[0] == 2
    assert "--video is for figures that show clips; paper/figure9 shows test sets" in capsys.readouterr().err


def test_a_video_and_its_class_go_together(tmp_path: Path):
    for argv, message in (
        (("--video", str(tmp_path)), "--video FILE and --video-class NAME go together"),
        (("--video-class", "a"), "--video FILE and --video-class NAME go together"),
        (("--video", str(tmp_path / "none"), "--video-class", "a"), "none: no such video"),
        (("--video", str(tmp_path), "--video-class", "a", "--commit-results"), "not for --video"),
    ):
        with pytest.raises(ValueError, match=message):
            options(*argv)
