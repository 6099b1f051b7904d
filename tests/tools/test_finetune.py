"""Fine-tuning says what it found, refuses what cannot work in clear words, and trains each paper's network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from datamodules.data_fingerprint import data_fingerprint
from datamodules.datasets.held_out import hold_out
from experiments.harness.store import RESULTS_VARIABLE
from experiments.tools import finetune
from tests.datamodules.own_videos import write_own_videos


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path / "results"))
    return tmp_path / "results"


def tune(root: Path, *flags: str, module: str = "action_net") -> int:
    return finetune.main(
        ["--module", module, "--data-root", str(root), "--init", "none", "--size", "proxy", "--no-wandb", *flags]
    )


@dataclass(frozen=True)
class Part:
    epochs: int


def epochs_of(parts: list[int], total: int) -> list[int]:
    return [part.epochs for part in finetune.shortened([Part(n) for n in parts], epochs=total)]


@pytest.mark.parametrize("module", (*finetune.MODULES, "slowfast"))
def test_every_network_is_offered_on_own_videos(module, tmp_path, results, capsys):
    root = write_own_videos(tmp_path / "videos", train=3)
    assert tune(root, "--dry-run", "--epochs", "9", module=module) == 0
    printed = capsys.readouterr().out
    assert "train: 6 videos (run 3, walk 3)" in printed and "val/test: 2 videos (run 1, walk 1)" in printed
    assert "fewer than 5 training videos of run, walk" in printed and "batches of 2 videos" in printed
    assert printed.splitlines()[-1].startswith("missing")


def test_a_network_is_trained_tested_and_its_weights_named(tmp_path, results, capsys):
    root = write_own_videos(tmp_path / "videos", train=3)
    assert tune(root, "--limit-batches", "1") == 0
    weights = next(line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("weights: "))
    assert Path(weights).is_file() and results in Path(weights).parents
    assert [*results.rglob("finetune.*.md")]


def test_a_part_of_each_class_is_held_out_the_same_every_time(tmp_path, results, capsys):
    root = write_own_videos(tmp_path / "videos", train=5)
    for path in (root / "val").rglob("*.mp4"):
        path.unlink()
    for folder in ((root / "val/run"), (root / "val/walk"), (root / "val")):
        folder.rmdir()
    first, tested, total = hold_out(root, 40, tmp_path)
    assert (tested, total) == (4, 10)
    lists = {name: (first / f"{name}.csv").read_text().splitlines() for name in ("train", "val")}
    assert [len(rows) for rows in lists.values()] == [7, 5] and not set(lists["train"][1:]) & set(lists["val"][1:])
    assert hold_out(root, 40, tmp_path)[0] == first
    (root / "train/run/0.mp4").rename(root / "train/run/new.mp4")
    again = (hold_out(root, 40, tmp_path)[0] / "val.csv").read_text().splitlines()
    assert set(again) & set(lists["val"]) >= {row for row in lists["val"] if row.endswith("walk")}
    assert tune(root, "--hold-out", "40", "--dry-run") == 0 and "held out 4 of 10" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("remove", "flags", "message"),
    [
        (("val",), (), "val/ is missing"),
        (("train/run/0.mp4", "train/run/1.mp4"), (), "holds no video"),
        ((), ("--hold-out", "20"), "has val/, which is what is tested on"),
        (("val",), ("--hold-out", "80"), "accepted: 1 to 50 percent"),
        (("val", "train/run/0.mp4"), ("--hold-out", "20"), "holds 1 video"),
        ((), ("--init", "nowhere.ckpt"), "nowhere.ckpt: no such file"),
        ((), ("--lists", "/somewhere"), "--lists is for --data csv"),
        ((), ("--epochs", "0"), "--epochs 0"),
        ((), ("--data-root", "/no/such/folder"), "no such folder"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(tmp_path, results, capsys, remove, flags, message):
    import shutil

    root = write_own_videos(tmp_path / "videos")
    for name in remove:
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()
    assert tune(root, *flags) != 0
    assert message in capsys.readouterr().err


def test_epochs_are_shared_out_in_the_recipes_proportion():
    assert epochs_of([5, 5, 55], 13) == [1, 1, 11]
    assert epochs_of([5, 5, 55], 65) == [5, 5, 55]
    assert epochs_of([1, 100], 2) == [1, 1]
    assert epochs_of([100, 1, 1], 3) == [1, 1, 1]
    with pytest.raises(ValueError, match="the recipe has 3 stages"):
        epochs_of([1, 1, 1], 2)


def test_a_second_call_finds_what_the_first_trained_though_the_first_made_the_pool(tmp_path, results, capsys):
    """LIGAR at full size draws from CrossNorm's pool, on which a training depends; the first call writes it."""
    root, named = write_own_videos(tmp_path / "videos", train=3), []
    for _ in range(2):
        assert tune(root, "--limit-batches", "1", "--size", "paper", module="ligar") == 0
        data_fingerprint.cache_clear()  # as in another process
        named += [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("weights: ")]
    assert (root / "cross_norm_pool.txt").is_file()
    assert len(named) == 2 and named[0] == named[1]
