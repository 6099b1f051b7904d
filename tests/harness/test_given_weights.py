"""Trained weights from a file take the place of a training: `--checkpoint FILE --test-only`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.harness.cell import Training
from experiments.harness.runner import load_trained, run
from tests.harness.test_arguments import options
from tests.tiny_cells import SCENES, evaluation, ligar, runtime, same_state, save_lively_weights, training

pytestmark = pytest.mark.usefixtures("benchmark_cache")


def given(path: Path) -> Training:
    return dataclasses.replace(training(SCENES), weights=path)


def checkpoint(path: Path, **changes: Any) -> Path:
    torch.save({"state_dict": ligar(SCENES).state_dict(), **changes}, path)
    return path


def test_the_weights_are_the_files_and_nothing_is_trained(tmp_path: Path):
    cell = given(checkpoint(tmp_path / "weights.pt"))
    where = runtime(tmp_path / "runs")
    record = run(cell, where)
    assert same_state(load_trained(cell, where.store).state_dict(), ligar(SCENES).state_dict())
    assert record["curves"] == {} and record["num_train_videos"] == 0
    assert record["initialised"].startswith("trained weights of weights.pt: ")


def test_they_score_as_the_cell_that_trained_them(tmp_path: Path):
    where = runtime(tmp_path / "runs")
    trained = training(SCENES)
    save_lively_weights(trained, where.store)
    expected = run(evaluation(trained), where)["metrics"]
    cell = given(where.store.folder(trained).weights)
    run(cell, where)
    assert run(evaluation(cell), where)["metrics"] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            dict(input_spec={"class_names": ["a", "b"]}),
            "trained for other classes or another label order: class 0 is 'a'",
        ),
        (dict(input_spec={"class_names": list(SCENES.class_names()[:3])}), "3 and 4 classes"),
        (dict(state_dict={"weight": torch.ones(1)}), "weights.pt"),
    ],
    ids=["other names", "fewer classes", "another network"],
)
def test_weights_of_other_classes_or_networks_are_refused_by_file(tmp_path: Path, change: dict, message: str):
    path = checkpoint(tmp_path / "weights.pt", **change)
    with pytest.raises(ValueError, match=message):
        run(given(path), runtime(tmp_path / "runs"))


def test_the_label_order_of_a_file_of_other_origin_counts_where_it_has_one(tmp_path: Path):
    names = list(SCENES.class_names())
    turned = checkpoint(tmp_path / "turned.pt", meta={"CLASSES": [names[1], names[0], *names[2:]]})
    with pytest.raises(ValueError, match=f"turned.pt: .*another label order: class 0 is '{names[1]}' there"):
        run(given(turned), runtime(tmp_path / "turned"))
    told = run(given(checkpoint(tmp_path / "told.pt", meta={"CLASSES": names})), runtime(tmp_path / "told"))
    assert "labels" not in told["initialised"]
    for name, meta, said in (
        ("none", {"CLASSES": None}, "; its labels are not in the file and taken to be in our order"),
        ("odd", "epoch 3", "; its labels are not in the file and taken to be in our order"),
        (
            "other",
            {"CLASSES": list("wxyz")},
            "; its labels are named otherwise there (w, ...) and taken to be in our order",
        ),
    ):
        record = run(given(checkpoint(tmp_path / f"{name}.pt", meta=meta)), runtime(tmp_path / name))
        assert record["initialised"].endswith(said)


def test_a_head_of_another_size_is_refused_with_both_sizes(tmp_path: Path):
    other = ligar(SCENES, num_classes=7)
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": other.state_dict()}, path)
    with pytest.raises(ValueError, match=r"weights.pt.*7.*4|weights.pt.*4.*7"):
        run(given(path), runtime(tmp_path / "runs"))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--checkpoint", "x.pt"), "--checkpoint FILE and --test-only go together"),
        (("--test-only",), "--checkpoint FILE and --test-only go together"),
        (("--checkpoint", "nowhere.pt", "--test-only"), "--checkpoint nowhere.pt: no such file"),
        (("--init-checkpoint", "a", "--init-checkpoint", "b"), "--init-checkpoint b: only one without a name"),
        (("--init-checkpoint", "a=b", "--init-checkpoint", "a=c"), "--init-checkpoint a=...: given twice"),
        (("--checkpoint", __file__, "--test-only", "--init-checkpoint", "none"), "nothing is trained"),
        (("--checkpoint", __file__, "--test-only", "--seeds", "5"), "--seeds: the weights of --checkpoint are tested"),
    ],
)
def test_contradicting_files_are_refused(argv: tuple[str, ...], message: str):
    with pytest.raises(ValueError, match=message):
        options(*argv)


def test_initial_files_are_told_apart_by_name(tmp_path: Path):
    found = options(
        "--init-checkpoint", "imagenet=a.pt", "--init-checkpoint", "b.pt", "--init-checkpoint", "k=./c=d.pt"
    )
    assert (found.init_checkpoint, found.init_files) == ("b.pt", (("imagenet", "a.pt"), ("k", "./c=d.pt")))
    assert options("--init-checkpoint", "./a=b.pt").init_checkpoint == "./a=b.pt"


def test_one_seed_is_enough_for_weights_that_are_given(tmp_path: Path):
    path = checkpoint(tmp_path / "weights.pt")
    assert options("--checkpoint", str(path), "--test-only").seeds == (0,)
