"""Every table starts at the paper's size on look-alikes of the official trees: real network, recipe, sampling, test.

By default one step of a row of some scripts, in about a minute; with ``pytest -m on_request`` a row of every
script, and two steps of the first and last rows on every data set.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from datamodules.datasets.joint import disk_name
from experiments import __main__ as many
from experiments.harness.cell import Options
from experiments.harness.evidence import gather
from experiments.harness.pages import write_rendered
from experiments.harness.request import missing_packages
from experiments.harness.resolve import initialisations
from experiments.harness.runner import Runtime, run
from experiments.harness.spec import Table
from experiments.harness.store import Store
from experiments.harness.table_cells import TableCells
from experiments.harness.tracking import Tracking
from tests.official_trees import TREES, ensure_tree

TABLES: dict[str, Table] = {
    path.stem: importlib.import_module(f"experiments.{path.stem}").TABLE
    for path in many.scripts()
    if "_figure" not in path.stem
}
# Rows that tables share are trained once; together they cover the data sets.
DEFAULT = {
    "action_net_table1": ("TSN", "EgoGesture"),
    "action_net_table2": ("TSN, 8 frames", "EgoGesture"),
    "action_net_table3": ("TSN", "EgoGesture"),
    "action_net_table4": ("res_2, TSM elsewhere", "EgoGesture"),
    "action_net_table5": ("MobileNet V2, ACTION-Net", "Something V2"),
    "kpsem_table1": ("MFNet", "STH-STH v1"),
    "kpsem_table2": ("MFNet", "HMDB51 split 1"),
    "kpsem_ablations": ("MFNet", "HMDB51 split 1"),
    "ligar_table1": ("sparse", "Jester-27"),
    "ligar_table2": ("from scratch", "UCF-101"),
    "ligar_table3": ("w/ ACS", "ActivityNet-200"),
    "ligar_table4": ("LIGAR, 1 view", "UCF-101"),
    "ligar_ablations": ("LIGAR", "UCF-101"),
    "ms3d_table1": ("MS3D", "Kinetics"),
    "ms3d_table2": ("MS3D", "HMDB-51"),
    "ms3d_table3": ("MS3D", "UCF-101"),
    "ms3d_ablations": ("MS3D", "Kinetics"),
    "study_cross": ("TSN", "Something-Something V2"),
    "vipriors_table1": ("SlowFast 3DResNet 50", "mod-UCF101, validation"),
    "vipriors_table2": ("TSM(with shift), R50", "mod-UCF101, validation"),
    "vipriors_table3": ("1 SlowFast RGB i1, centre", "mod-UCF101, validation"),
    "vipriors_ablations": ("SlowFast", "mod-UCF101, validation"),
}
ENSEMBLES = "vipriors_table4"  # weights what Table 3's cells score; no trainings of its own

QUICK = ("action_net_table1", "action_net_table2", "action_net_table3", "ligar_table1", "ligar_table3", "kpsem_table2")
LARGE = (
    "kinetics400",
    "minikinetics200",
    "somethingsomethingv1",
    "somethingsomethingv2",
)  # lists that take seconds to write


def on_request(names, quick) -> list:
    """Return test parameters, those that are not quick to be run on request."""
    return [pytest.param(name, marks=() if name in quick else pytest.mark.on_request) for name in names]


def groups_of(table: Table) -> list[str]:
    return list(dict.fromkeys(column.group for column in table.columns if column.data is not None))


def first_and_last() -> Iterator[tuple[str, str, str]]:
    """Yield the first and the last row of each script on each of its data sets, but for the default starts."""
    for name, table in TABLES.items():
        if name == ENSEMBLES:
            continue
        rows = [row for row in table.rows if not row.cited and not missing_packages(row.runtime)]
        for row in (rows[0], rows[-1]):
            for group in groups_of(table):
                if (row.on is None or group in row.on) and DEFAULT.get(name) != (row.label, group):
                    yield name, row.label, group


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("paper")


def start(place: Path, name: str, label: str, group: str, steps: int) -> dict:
    """Train one cell for some steps, test it on as many batches, render its table; return the evidence."""
    table, store, root = TABLES[name], Store(place / "runs"), place / "data"
    for column in table.columns:
        if column.group == group and column.data is not None:
            for part in column.parts:
                source = part.arguments["source"]
                ensure_tree(source, disk_name(source), root)
    # LIGAR's head normalises embeddings over the batch, of which it needs two; MS3D's batches are pairs of
    # classes; the study has both.
    scratch = tuple((init, "none") for init in initialisations(table, "paper"))
    options = Options(profile="paper", seeds=(0,), data_root=root, limit_batches=steps, views=1, init_files=scratch,
                      batch_size={"ligar": 2, "ms3d": 4, "study": 4}.get(table.paper, 1))  # fmt: skip
    cells = TableCells(table, options, store, rows=(label,), controls=False, groups=(group,))
    runtime = Runtime(store=store, tracking=Tracking.none(), report=lambda state: None)
    wanted = list(cells.wanted())
    assert wanted
    for cell in wanted:
        trained = run(cell.training, runtime)
        assert trained["num_train_videos"] >= 2 and trained["undecodable_train_clips"] == 0
        assert all(math.isfinite(value) for points in trained["curves"].values() for _, value in points)
        assert run(cell, runtime)["undecodable_test_videos"] == 0
    evidence = gather(cells, costs=None)
    write_rendered(evidence, table, place / "rendered", Tracking.none())
    return evidence


def check_start(place: Path, name: str, label: str, group: str, *, steps: int) -> None:
    evidence = start(place, name, label, group, steps)
    pages = [*(place / "rendered" / TABLES[name].paper).glob(f"{TABLES[name].name}.*.md")]
    assert pages, "a table is rendered"
    text = pages[0].read_text()
    assert f"{steps} batch" in text and label in text, "it says that it was cut short"
    assert evidence["profile"] == "paper"


def test_every_script_has_a_default_start():
    assert TABLES.keys() - {ENSEMBLES} == DEFAULT.keys()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", on_request(DEFAULT, QUICK))
def test_a_row_of_each_script_starts_at_the_papers_size(place: Path, name: str):
    check_start(place, name, *DEFAULT[name], steps=1)


@pytest.mark.on_request
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "label", "group"), first_and_last())
def test_the_first_and_last_rows_start_at_the_papers_size(place: Path, name: str, label: str, group: str):
    check_start(place, name, label, group, steps=2)


@pytest.mark.parametrize("name", on_request(TREES, TREES.keys() - set(LARGE)))
def test_a_look_alike_has_the_official_counts(place: Path, name: str):
    from datamodules.datasets.readers import readers

    source = readers()[name]
    ensure_tree(source, name, place / "data")
    listed = {subset: len(source.videos(place / "data" / name, subset)) for subset in ("train", "val", "test")}
    if name == "egogesture":  # two gestures of each subject, in the original files
        assert listed == {"train": 60, "val": 20, "test": 20}
    elif name == "moducf101":  # the look-alike's classes are of one size, so that other halves are rounded up
        halves = {subset: source.official_counts[subset] for subset in ("train", "val")}
        assert listed["train"] + listed["val"] == sum(halves.values())
        assert 0 <= listed["train"] - listed["val"] <= 101 and listed["test"] == source.official_counts["test"]
    else:
        assert listed == source.official_counts
