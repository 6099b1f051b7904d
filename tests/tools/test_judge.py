"""The judge: the harness' own statistics on anyone's files, and honest bounds where only numbers are known."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from experiments.harness.evidence_file import read_evidence
from experiments.harness.predictions import UNDECODABLE, unpack_predictions
from experiments.harness.statistics import paired_difference, verdict
from experiments.harness.store import REPOSITORY
from experiments.tools import judge

K, N = 5, 120


def experiment(seeds: int, right: tuple[float, float] = (0.8, 0.55)):
    """Return labels, and the predictions of both models by seed."""
    rng = np.random.default_rng(1)
    labels = rng.integers(K, size=N)
    models = [
        {seed: np.where(rng.random(N) < share + rng.normal(0, 0.02), labels, (labels + 1) % K) for seed in range(seeds)}
        for share in right
    ]
    return labels, models


def write(path: Path, labels, predictions, *, names=str, shuffle: bool = False) -> Path:
    order = np.random.default_rng(2).permutation(N) if shuffle else np.arange(N)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "seed", "label", "predicted"])
        for seed, found in predictions.items():
            writer.writerows([f"v{i}", seed, names(labels[i]), names(found[i])] for i in order)
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert judge.main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.mark.parametrize("names", [str, lambda number: "abcde"[number]], ids=["numbers", "names"])
def test_two_files_get_the_harness_statistics_whatever_their_order(tmp_path: Path, capsys, names):
    labels, (first, second) = experiment(3)
    paths = (write(tmp_path / "a.csv", labels, first, names=names),
             write(tmp_path / "b.csv", labels, second, names=names, shuffle=True))  # fmt: skip
    one_hot = [{seed: np.eye(K)[found] for seed, found in model.items()} for model in (first, second)]
    expected = paired_difference(*one_hot, labels, "top1")
    text = printed(capsys, *map(str, paths))
    assert f"difference: {expected.mean:+.2f} points [{expected.low:+.2f}, {expected.high:+.2f}]" in text
    assert f"verdict on first > second: {verdict(expected, '>')}" in text and "reproduced" in text
    alone = np.mean([((first[s] == labels) & (second[s] != labels)).sum() for s in range(3)])
    assert f"right in the first alone: {alone:g} videos" in text


def test_scores_per_class_give_the_other_metrics(tmp_path: Path, capsys):
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=N)
    scores = [{seed: rng.normal(size=(N, K)) + bias * np.eye(K)[labels] for seed in range(2)} for bias in (2.0, 1.0)]
    for name, model in zip("ab", scores, strict=True):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["video", "label", "seed", *(f"class {k}" for k in range(K))])
            for seed, found in model.items():
                writer.writerows([i, labels[i], seed, *found[i]] for i in range(N))
    expected = paired_difference(*scores, labels, "map")
    text = printed(capsys, str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--metric", "map")
    assert f"difference: {expected.mean:+.2f} points" in text


def test_score_columns_named_after_classes_fix_their_order(tmp_path: Path, capsys):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("video,label,walk,jump\n1,walk,0.9,0.1\n2,jump,0.2,0.8\n")
    text = printed(capsys, str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))
    assert text.startswith("a.csv: 100.00 %"), "in alphabetical order both would be wrong"


def test_one_seed_decides_nothing_but_still_has_its_paired_test(tmp_path: Path, capsys):
    labels, (first, second) = experiment(1)
    text = printed(
        capsys, str(write(tmp_path / "a.csv", labels, first)), str(write(tmp_path / "b.csv", labels, second))
    )
    assert "undecided" in text and "one seed says nothing of training noise" in text
    assert float(re.search(r"p = ([\d.]+)", text)[1]) < 0.001  # type: ignore[index]


def test_what_was_left_undecided_says_how_many_seeds_it_needs(tmp_path: Path, capsys):
    labels, (first, second) = experiment(3, right=(0.74, 0.70))
    text = printed(
        capsys, str(write(tmp_path / "a.csv", labels, first)), str(write(tmp_path / "b.csv", labels, second))
    )
    assert re.search(r"to decide, if the true difference is this one: .*\d+ seeds", text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("video,label,predicted\nv0,0,0\nv0,0,0\n", "twice"),
        ("video,label,predicted\nv0,1,0\n", "another label"),
        ("video,label,predicted\nv1,0,0\n", "2 videos are in one file alone, such as 'v0'"),
        ("video,predicted\nv0,0\n", "lacks the column label"),
        ("video,label\nv0,0\n", "needs a column `predicted`"),
        ("video,label,predicted\n", "no line"),
        ("video,label,seed,predicted\nv0,0,one,0\n", "must be a number"),
        ("video,label,a,b\nv0,0,1,x\n", "could not convert"),
        ("video,label,a,b\nv0,c,1,0\n", "another label"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, capsys, content: str, reason: str):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("video,label,predicted\nv0,0,0\n")
    bad.write_text(content)
    assert judge.main([str(good), str(bad)]) == 1
    assert reason in capsys.readouterr().err


def test_predictions_alone_give_no_ranking(tmp_path: Path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("video,label,predicted\nv0,0,0\nv1,1,\n")
    assert judge.main([str(path), str(path), "--metric", "map"]) == 1
    assert "give a score per class" in capsys.readouterr().err
    assert printed(capsys, str(path), str(path)).startswith("a.csv: 50.00 %"), "an undecoded video is wrong"


def test_numbers_alone_get_both_test_noises_and_the_published_runs_own(capsys):
    values, published, n = np.array([93.5, 93.1, 93.9]), 93.63, 3783
    text = printed(capsys, "--published", "93.63", "--ours", *map(str, values), "--n", str(n))
    mean, sd = values.mean(), values.std(ddof=1)
    video = sum(p * (100 - p) for p in (mean, published)) / n
    half = math.sqrt((stats.t.ppf(0.975, 2) ** 2) * sd**2 * (1 + 1 / 3) + 1.959964**2 * video)
    low, high = mean - published - half, mean - published + half
    assert f"difference: {mean - published:+.2f} points [{low:+.2f}, {high:+.2f}], -5 videos" in text
    assert "undecided" in text and "no number of seeds decides this" in text


def test_a_single_number_is_undecided_and_says_what_its_videos_could_do(capsys):
    text = printed(capsys, "--published", "93.63", "--ours", "93.5", "--n", "3783")
    assert "±0.71 at 5 %" in text and "within noise" in text and "verdict: undecided" in text


def test_a_clear_difference_is_decided_and_a_near_one_says_how_many_seeds(capsys):
    text = printed(capsys, "--published", "82.05", "--ours", "84.1", "84.3", "84.2", "--n", "5000")
    assert "verdict on ours > published: reproduced" in text
    text = printed(capsys, "--published", "82.05", "--ours", "85.0", "83.6", "84.2", "--n", "5000")
    assert re.search(r"undecided\nto decide, if the true difference is this one: \d+ seeds", text)


@pytest.mark.parametrize(
    "arguments",
    [[], ["a.csv"], ["--published", "93"], ["a.csv", "b.csv", "--n", "3"], ["nowhere.csv", "b.csv"],
     ["--published", "930", "--ours", "93", "--n", "100"], ["--published", "93", "--ours", "93", "--n", "0"]],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(arguments: list[str], capsys):
    assert judge.main(arguments) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_committed_claim_is_judged_alike_from_its_packed_predictions(tmp_path: Path, capsys):
    path = REPOSITORY / "results/ligar/table3.proxy.json"
    if not path.exists():
        pytest.skip(f"{path} is not committed")
    evidence = read_evidence(path)
    claim = next(c for c in evidence["claims"] if c["id"] == "L29")
    files = []
    for row in (claim["better"], claim["worse"]):
        lines = ["video,seed,label,predicted"]
        for cell in evidence["cells"]:
            if row in cell["rows"] and claim["column"] in cell["columns"]:
                found = unpack_predictions(cell["predictions"])
                lines += [f"{video},{cell['seed']},{label},{predicted if predicted != UNDECODABLE else ''}"
                          for video, label, predicted in zip(*(found[k] for k in ("video", "label", "predicted")),
                                                             strict=True)]  # fmt: skip
        files.append(tmp_path / f"{len(files)}.csv")
        files[-1].write_text("\n".join(lines) + "\n")
    ours = claim["ours"]
    text = printed(capsys, *map(str, files))
    assert f"difference: {ours['mean']:+.2f} points [{ours['low']:+.2f}, {ours['high']:+.2f}]" in text
    assert f"verdict on first > second: {claim['verdict']}" in text
