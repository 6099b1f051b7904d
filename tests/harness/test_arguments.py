from __future__ import annotations

from pathlib import Path

import pytest

from experiments.harness import arguments
from experiments.harness.cell import Options

HOUSE_FLAGS = (
    "--profile", "--data-root", "--rows", "--seeds", "--jobs", "--dry-run", "--limit-batches", "--costs", "--json",
    "--render-only", "--commit-results",
)  # fmt: skip


def options(*argv: str) -> Options:
    return arguments.options(arguments.parser("").parse_args(argv))


def test_every_script_takes_the_flags_of_the_house():
    shown = arguments.parser("What it does.").format_help()
    assert "What it does." in shown
    for flag in HOUSE_FLAGS:
        assert flag in shown


def test_without_flags_the_embedded_benchmark_runs_with_three_seeds():
    assert options() == Options(profile="proxy", seeds=(0, 1, 2))


def test_smoke_runs_two_seeds_at_most():
    assert options("--profile", "smoke").seeds == (0, 1)
    assert options("--profile", "smoke", "--seeds", "1").seeds == (0,)


@pytest.mark.parametrize("flag", ["--seeds", "--jobs", "--devices", "--limit-batches", "--batch-size", "--views"])
@pytest.mark.parametrize("value", ["0", "-3"])
def test_counts_start_at_one(flag: str, value: str):
    with pytest.raises(ValueError, match=f"{flag} {value}: must be 1 or more"):
        options(flag, value)


def test_flags_that_contradict_each_other_are_refused(tmp_path: Path):
    root = ("--data-root", str(tmp_path))
    for argv, message in (
        (("--data", "folder"), "--data folder needs --data-root"),
        (("--data-root", str(tmp_path / "nowhere"), "--profile", "paper"), "nowhere: no such folder"),
        (root, "--data-root is for --profile paper or --data;"),
        ((*root, "--profile", "smoke"), "--data-root is for --profile paper or --data;"),
        ((*root, "--data", "folder", "--profile", "paper"), "takes its network from --size, not from --profile paper"),
        ((*root, "--data", "folder", "--commit-results"), "--commit-results is for the paper's own tables"),
        (("--size", "paper"), "--size is for --data;"),
        (("--json",), "--json is for --costs"),
        (("--profile", "smoke", "--commit-results"), "--commit-results: the smoke profile leaves nothing behind"),
        (("--profile", "smoke", "--render-only"), "--render-only: the smoke profile leaves no evidence behind"),
    ):
        with pytest.raises(ValueError, match=message):
            options(*argv)


@pytest.mark.parametrize(
    "part",
    ["--rows plain", "--columns S", "--limit-batches 2", "--views 3", "--crops 1", "--batch-size 2", "--no-controls"],
)
def test_a_part_of_a_table_is_not_committed_as_the_whole(part: str):
    with pytest.raises(ValueError, match=f"--commit-results writes the whole table as published; {part.split()[0]} "):
        options("--commit-results", *part.split())
    assert options(*part.split()).profile == "proxy"


def test_all_rows_by_name_are_the_whole_table():
    assert options("--commit-results", "--rows", "all") == options()


def test_own_data_take_their_network_from_size(tmp_path: Path):
    root = ("--data-root", str(tmp_path), "--data", "folder")
    assert options(*root).profile == "proxy"
    paper = options(*root, "--size", "paper")
    assert paper.profile == "paper" and paper.data is not None and paper.data_root == tmp_path


def test_options_are_the_same_for_the_same_flags(tmp_path: Path):
    argv = (
        "--data-root",
        str(tmp_path),
        "--data",
        "folder",
        "--views",
        "3",
        "--crops",
        "1",
        "--batch-size",
        "2",
        "--init-checkpoint",
        "none",
    )
    assert options(*argv) == options(*argv)
    assert (options(*argv).views, options(*argv).crops, options(*argv).batch_size) == (3, 1, 2)
    assert options(*argv).init_checkpoint == "none"


def test_a_cell_per_core_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(6)))
    jobs = {}
    for argv in ("", "--devices 2", "--devices 7", "--accelerator gpu", "--jobs 3", "--jobs 3 --accelerator gpu"):
        jobs[argv] = arguments.num_jobs(arguments.parser("").parse_args(argv.split()))
    assert [*jobs.values()] == [6, 3, 1, 1, 3, 3]


def test_cores_are_counted_where_the_system_has_no_affinity(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert arguments.available_cores() == 5
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert arguments.available_cores() == 1


def test_loaders_work_in_the_cell_on_a_cpu_and_beside_it_on_a_gpu():
    for argv, expected in (
        ("", 0),
        ("--accelerator gpu", 4),
        ("--num-workers 2", 2),
        ("--accelerator gpu --num-workers 0", 0),
    ):
        assert arguments.num_workers(arguments.parser("").parse_args(argv.split())) == expected
