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
from experiments.harness.statistics import paired_difference
from experiments.harness.store import REPOSITORY
from experiments.harness.verdicts import verdict
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


@pytest.mark.parametrize("numbered", [False, True], ids=["names", "numbers"])
@pytest.mark.parametrize("metric", ["top1", "top5", "mean_class_acc", "map"])
def test_the_order_of_the_score_columns_changes_nothing(tmp_path: Path, capsys, metric: str, numbered: bool):
    """Labels by number count the columns of their own file, so that they differ where its columns do."""
    names = ["walk", "jump", "sit", "run", "wave", "fall", "climb"]
    rng = np.random.default_rng(3)
    labels = rng.integers(len(names), size=N)
    scores = rng.normal(size=(N, len(names))) + 1.5 * np.eye(len(names))[labels]

    def written(path: str, found, order) -> str:
        with (tmp_path / path).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["video", *(names[k] for k in order), "label"])
            own = [list(order).index(label) if numbered else names[label] for label in labels]
            writer.writerows([f"v{i}", *found[i, order], own[i]] for i in range(N))
        return str(tmp_path / path)

    here, shuffled = np.arange(len(names)), rng.permutation(len(names))
    ours, same = written("a.csv", scores, here), written("b.csv", scores, shuffled)
    text = printed(capsys, ours, same, "--metric", metric)
    assert "difference: +0.00 points" in text
    worse = scores + rng.normal(size=scores.shape)
    expected = paired_difference({0: scores}, {0: worse}, labels, metric)
    text = printed(capsys, ours, written("c.csv", worse, shuffled), "--metric", metric)
    assert f"difference: {expected.mean:+.2f} points [{expected.low:+.2f}, {expected.high:+.2f}]" in text


def test_files_with_scores_of_other_classes_are_refused_by_name(tmp_path: Path, capsys):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("video,label,walk,jump\nv0,walk,1,0\n")
    second.write_text("video,label,walk,fly\nv0,walk,1,0\n")
    assert judge.main([str(first), str(second)]) == 1
    error = capsys.readouterr().err
    assert f"jump in {first} alone; fly in {second} alone" in error and "accepted: the same names" in error


def test_labels_by_number_are_the_classes_of_their_own_files_columns(tmp_path: Path, capsys):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("video,label,walk,jump\nv0,0,0.9,0.1\n")
    second.write_text("video,label,jump,walk\nv0,0,0.9,0.1\n")
    assert judge.main([str(first), str(second)]) == 1
    assert f"{second}, line 2, video 'v0': has another label" in capsys.readouterr().err


@pytest.mark.parametrize("labels", [("walk", "jump"), ("0", "1")], ids=["names", "numbers"])
def test_predictions_are_judged_beside_scores_in_any_order_of_the_files(tmp_path: Path, capsys, labels):
    scored, predicted = tmp_path / "scored.csv", tmp_path / "predicted.csv"
    walk, jump = labels
    scored.write_text(f"video,label,walk,jump\nv0,{walk},0.9,0.1\nv1,{jump},0.2,0.8\nv2,{jump},0.3,0.7\n")
    predicted.write_text(f"video,label,predicted\nv2,{jump},{walk}\nv0,{walk},{walk}\nv1,{jump},{jump}\n")
    for files in ((scored, predicted), (predicted, scored)):
        text = printed(capsys, *map(str, files))
        assert "scored.csv: 100.00 %" in text and "predicted.csv: 66.67 %" in text


@pytest.mark.parametrize("scores", [True, False], ids=["beside scores", "beside predictions"])
def test_a_predicted_class_that_no_label_has_is_wrong_and_named(tmp_path: Path, capsys, scores: bool):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("video,label,predicted\nv0,walk,zebra\nv1,jump,jump\n")
    second.write_text(
        "video,label,walk,jump\nv0,walk,1,0\nv1,jump,0,1\n"
        if scores
        else "video,label,predicted\nv0,walk,walk\nv1,jump,jump\n"
    )
    text = printed(capsys, str(first), str(second))
    assert "a.csv: 50.00 %" in text and "b.csv: 100.00 %" in text
    assert "a.csv: predictions of a class that is neither a label nor a score column, counted as wrong: 1" in text
    assert "'zebra'" in text and "b.csv: predictions" not in text


def test_a_number_is_the_same_class_with_zeros_before_it(tmp_path: Path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("video,label,predicted\nv0,01,1\nv1,2,02\n")
    assert printed(capsys, str(path), str(path)).startswith("a.csv: 100.00 %")


def test_the_label_at_fault_is_named_with_its_own_file(tmp_path: Path, capsys):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("video,label,predicted\nv0,walk,walk\nv1,hop,walk\n")
    second.write_text("video,label,walk,jump\nv0,walk,1,0\nv1,jump,0,1\n")
    assert judge.main([str(first), str(second)]) == 1
    assert f"{first}, line 3, video 'v1': its label 'hop'" in capsys.readouterr().err


def test_undecodable_videos_are_wrong_and_counted(tmp_path: Path, capsys):
    scored, predicted = tmp_path / "scored.csv", tmp_path / "predicted.csv"
    scored.write_text("video,label,seed,a,b\nv0,a,0,nan,NaN\nv1,b,0,0,1\nv0,a,1,1,0\nv1,b,1,0,1\n")
    predicted.write_text("video,label,seed,predicted\nv0,a,0,\nv1,b,0,b\nv0,a,1,\nv1,b,1,b\n")
    text = printed(capsys, str(scored), str(predicted))
    assert "scored.csv: 75.00 %" in text and "predicted.csv: 50.00 %" in text
    assert "scored.csv: undecodable videos (nan in every score), counted as wrong: 1, in 1 of 4 lines" in text
    assert "predicted.csv: undecodable videos (no prediction), counted as wrong: 1, in 2 of 4 lines" in text
    assert "undecodable" not in printed(capsys, *[str(write(tmp_path / "c.csv", *all_right()))] * 2)


def all_right():
    labels = np.arange(N) % K
    return labels, {0: labels}


def test_a_file_as_excel_writes_it_is_read(tmp_path: Path, capsys):
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffvideo,label,predicted\r\nv0,gehen,gehen\r\nv1,hüpfen,hüpfen\r\n".encode())
    assert printed(capsys, str(path), str(path)).startswith("a.csv: 100.00 %")
    path.write_bytes("video,label,predicted\nv0,hüpfen,gehen\n".encode("latin-1"))
    assert judge.main([str(path), str(path)]) == 1
    assert f"{path} is no CSV file in UTF-8" in capsys.readouterr().err


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
        ("video,label,predicted\nv1,0,0\n", "2 videos are in one of them alone, such as 'v0'"),
        ("video,predicted\nv0,0\n", "lacks the column label"),
        ("video,label\nv0,0\n", "needs a column `predicted`"),
        ("video,label,predicted\n", "no line"),
        ("video,label,seed,predicted\nv0,0,one,0\n", "must be a number"),
        ("video,label,a,b\nv0,0,1,x\n", "line 2, video 'v0': the score of class 'b' is x; accepted: a finite number"),
        ("video,label,a,b\nv0,c,1,0\n", "line 2, video 'v0': its label 'c' is no class of the score columns"),
        ("video,label,a,b\nv0,2,1,0\n", "or in all a number from 0 to 1"),
        ("video,label,a,b\nv0,0,1,\n", "line 2, video 'v0': the score of class 'b' is missing; accepted: a finite"),
        ("video,label,a,b\nv0,0,,\n", "line 2, video 'v0': the score of class 'a' is missing; accepted: a finite"),
        ("video,label,a,b\nv0,0,nan,1\n", "line 2, video 'v0': the score of class 'a' is nan; accepted: a finite"),
        ("video,label,a,b\nv0,0,1,-inf\n", "line 2, video 'v0': the score of class 'b' is -inf; accepted: a finite"),
        ("video,label,a,b\nv0,0,1\n", "line 2, video 'v0': has 3 fields; accepted: 4"),
        ("video,label,predicted\nv0,0,0,7\n", "line 2, video 'v0': has 4 fields; accepted: 3"),
        ("video,label,predicted\nv0,,0\n", "line 2, video 'v0': the label is empty; accepted: a name"),
        ("video,label,predicted\n,0,0\n", "line 2, video '': the video is empty; accepted: a name"),
        ("video,label,seed,predicted\nv0,0,,0\n", "line 2, video 'v0': seed '' must be a number, 0 or more"),
        ("video,label,seed,predicted\nv0,0,1,0\nv0,0,01,1\n", "line 3, video 'v0': stands there twice"),
        ("video,label,predicted,a,b\nv0,0,0,1,0\n", "has `predicted` and what may be scores (a, b)"),
        ("video,label,a,b,a\nv0,0,1,0,1\n", "has the column 'a' twice"),
        (",video,label,a,b\n0,v0,0,1,0\n", "column 1 has no name"),
        ("video,label,predicted\nv0,0,0.0\nv1,0,1.0\n", "predicted '0.0' beside label '0', a number beside a name"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, capsys, content: str, reason: str):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("video,label,predicted\nv0,0,0\n")
    bad.write_text(content)
    assert judge.main([str(good), str(bad)]) == 1
    error = capsys.readouterr().err
    assert reason in error and str(bad) in error


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
    assert "±0.71 at 5 %" in text and "within noise" in text and "verdict on ours > published: undecided" in text


def test_a_single_number_tells_no_seeds_but_the_videos_that_test_noise_alone_asks_for(capsys):
    arguments = ("--published", "93.63", "--ours", "93.5", "--n", "3783")
    text = printed(capsys, *arguments)
    assert "one seed says nothing of training noise, so how many seeds would decide is unknown" in text
    variance = sum(p * (100 - p) for p in (93.5, 93.63))
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)  # found four times in five
    needed = re.search(r"by the test noise alone: ([\d,]+) if independent, ([\d,]+) at 5 % discordance", text)
    independent, paired = (int(number.replace(",", "")) for number in needed.groups())  # type: ignore[union-attr]
    assert independent == pytest.approx(variance * (z / 0.13) ** 2, rel=1e-4)
    assert paired == pytest.approx((5 * 100 - 0.13**2) * (z / 0.13) ** 2, rel=1e-4)
    power = stats.norm.cdf(0.13 / math.sqrt(variance / independent) - stats.norm.ppf(0.975))
    assert power == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(
    ("ours", "claim"),
    [("93.63", ()), ("93.7", ("--margin", "1")), ("94.63", ("--relation", "~", "--margin", "1"))],
    ids=["equal", "between 0 and the margin", "at the margin"],
)
def test_no_number_of_videos_decides_a_difference_on_the_border(capsys, ours: str, claim: tuple[str, ...]):
    text = printed(capsys, "--published", "93.63", "--ours", ours, "--n", "3783", *claim)
    assert "no number of test videos decides this difference" in text


def test_several_numbers_get_the_sampling_noise_of_one_as_its_most(capsys):
    one = printed(capsys, "--published", "93.63", "--ours", "93.5", "--n", "3783")
    several = printed(capsys, "--published", "93.63", "--ours", "93.5", "93.1", "93.9", "--n", "3783")
    bounds = r"±[\d.]+ if independent(, ±[\d.]+ at [\d.]+ % discordance){3} \(exactly one of .*: within noise"
    found = [re.search(bounds, text) for text in (one, several)]
    assert found[0] and found[1] and found[0][0] == found[1][0], "the mean of the three is the one value"
    assert f"videos alone at most {found[1][0]}" in several and "at most" not in one


@pytest.mark.parametrize("ours", [("93.5",), ("93.5", "93.1", "93.9")], ids=["one", "several"])
def test_the_claim_is_said_as_its_relation_means_it(tmp_path: Path, capsys, ours: tuple[str, ...]):
    numbers = ("--published", "93.63", "--ours", *ours, "--n", "3783", "--margin", "2")
    assert "verdict on ours ~ published within 2 points: " in printed(capsys, *numbers, "--relation", "~")
    assert "verdict on ours > published by more than 2 points: " in printed(capsys, *numbers)
    path = str(write(tmp_path / "a.csv", *all_right()))
    text = printed(capsys, path, path, "--relation", "~", "--margin", "2")
    assert "verdict on first ~ second within 2 points: " in text


PUBLISHED = ["--published", "93.63", "--ours", "93.5", "--n", "3783"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([*PUBLISHED, "--margin", "nan"], "--margin nan: must be a number of percent points, 0 or more"),
        ([*PUBLISHED, "--margin", "inf"], "--margin inf: must be"),
        ([*PUBLISHED, "--margin", "-1"], "--margin -1: must be"),
        (["FILE", "FILE", "--margin", "nan"], "--margin nan: must be"),
        (["FILE", "FILE", "--margin", "-1"], "--margin -1: must be"),
        (["--published", "93", "--ours", "92", "193", "--n", "9"], "--ours 193: must be a percentage as printed"),
        (["--published", "93", "--ours", "x", "--n", "9"], "--ours x: must be a percentage"),
        (["--published", "nan", "--ours", "93", "--n", "9"], "--published nan: must be a percentage"),
        (["--published", "93", "--ours", "93", "--n", "0"], "--n 0: must be a number of videos, 1 or more"),
        ([*PUBLISHED, "--metric", "map"], "--metric map: accepted with --published: top1, top5"),
        ([*PUBLISHED, "--metric", "mean_class_acc"], "--metric mean_class_acc: accepted with --published: top1, top5"),
    ],
)
def test_an_argument_out_of_its_range_is_named(tmp_path: Path, capsys, arguments: list[str], reason: str):
    path = str(write(tmp_path / "a.csv", *all_right()))
    assert judge.main([path if argument == "FILE" else argument for argument in arguments]) == 1
    assert reason in capsys.readouterr().err


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
