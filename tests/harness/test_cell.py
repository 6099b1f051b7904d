from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from datamodules.data_fingerprint import data_fingerprint
from datamodules.transforms.tailor import Tailor
from experiments.harness import cell as cell_module
from experiments.harness.cell import Training, fingerprint, plain
from experiments.harness.resolve import control, root_of
from experiments.harness.spec import Build, CheckpointFile, Column, Profile, Table
from tests.harness.fakes import (
    SCENES,
    SOURCE,
    UNTRIMMED,
    Data,
    Files,
    Net,
    NewerNet,
    Recipe,
    Stage,
    evaluation,
    profile,
    table,
    training,
    with_row,
)


def everywhere(made: Profile) -> dict[str, Profile]:
    return {name: made for name in ("smoke", "proxy", "paper")}


BASE = training()


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("the seed", training(seed=1)),
        ("the row's network", training(row="wide")),
        ("the table's network", training(table(module=Build(Net, parts=("a",))))),
        ("the profile's network", training(table(profiles=everywhere(profile(module=dict(width=0.5)))))),
        ("the row's data", training(with_row(table(), "plain", data=dict(clip_selection=True)))),
        ("the data set", training(column="U/Top-1")),
        ("the recipe", training(table(recipe=Recipe(rate=0.2)))),
        ("the row's recipe", training(with_row(table(), "plain", recipe=dict(epochs=9)))),
        ("the batch size", training(batch_size=8)),
        ("the limit", training(limit_batches=2)),
        ("the profile", training(profile="smoke")),
        ("no initialisation", training(with_row(table(), "plain", init=None))),
        ("scratch", training(init_checkpoint="none")),
        ("epochs between validations", training(table(profiles=everywhere(profile(val_every=2))))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_training_is_another_one_with(what: str, other: Training):
    assert other.fingerprint != BASE.fingerprint


def test_a_training_is_another_one_when_its_pretraining_is():
    longer = dataclasses.replace(profile().inits["source"], recipe=Recipe(epochs=7))
    other = training(table(profiles=everywhere(profile(inits={"source": longer}))))
    assert isinstance(other.init, Training) and isinstance(BASE.init, Training)
    assert other.init.fingerprint != BASE.init.fingerprint
    assert other.fingerprint != BASE.fingerprint


def test_a_training_is_another_one_with_another_generator(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cell_module, "GENERATOR_VERSION", 99)
    assert training().fingerprint != BASE.fingerprint


def renamed(made: Table) -> Table:
    rows = tuple(dataclasses.replace(row, label=f"{row.label}!", note="n") for row in reversed(made.rows))
    columns = tuple(dataclasses.replace(column, title=f"{column.title}!") for column in made.columns)
    return dataclasses.replace(made, id="paper/table10", title="", rows=rows, columns=columns, claims=())


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("labels, titles and order", training(renamed(table()), row="plain!", column="S/Top-1!")),
        ("another metric on the same data", training(column="S/mAP")),
        ("published values", training(with_row(table(), "plain", published=("1", "1", "1", "1")))),
        ("a default written out", training(table(module=Build(Net, width=1.0)))),
        ("test views", training(views=10)),
        ("a newer argument at its old behaviour", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_training_stays_the_same_with(what: str, other: Training | None):
    if other is None:
        newer = {"module": Build(NewerNet)}
        other = training(table(**newer))
        assert "gate" not in other.arguments["module"]
        assert training(table(module=Build(NewerNet, gate="sigmoid"))).fingerprint != other.fingerprint
        assert other.arguments["module"].pop("class").endswith("NewerNet") and BASE.arguments["module"].keys() > {
            "width"
        }
        return
    assert other.fingerprint == BASE.fingerprint


def test_an_argument_of_the_data_may_be_newer_than_results_too():
    class Newer(Data):
        unchanged_by = {"clip_selection": False}

    class Same(Data):
        pass

    Newer.__qualname__ = Same.__qualname__ = Data.__qualname__
    Newer.__module__ = Same.__module__ = Data.__module__
    newer = dataclasses.replace(BASE, data=Build(Newer, source=SCENES))
    assert "clip_selection" not in newer.arguments["data"]
    assert "clip_selection" in dataclasses.replace(BASE, data=Build(Same, source=SCENES)).arguments["data"]
    selecting = dataclasses.replace(BASE, data=Build(Newer, source=SCENES, clip_selection=True))
    assert selecting.arguments["data"]["clip_selection"] is True


def test_how_a_cell_is_run_is_no_part_of_it():
    fields = {field.name for field in dataclasses.fields(Training)}
    assert not fields & {"jobs", "num_workers", "device", "devices", "accelerator", "precision"}
    assert not BASE.arguments["data"].keys() & {"num_workers", "data_root", "seed", "batch_size"}


def test_columns_that_differ_in_the_metric_alone_share_the_evaluation():
    assert evaluation(column="S/Top-1") == evaluation(column="S/mAP")
    assert hash(evaluation(column="S/Top-1")) == hash(evaluation(column="S/mAP"))


def test_evaluations_with_other_views_or_frame_order_share_the_training():
    one, ten = evaluation(), evaluation(views=10)
    assert one.fingerprint != ten.fingerprint and one.training == ten.training
    shuffled = control(one, "shuffled")
    assert shuffled.fingerprint != one.fingerprint and shuffled.training == one.training


def test_test_views_come_from_the_column_before_the_profile_and_from_the_user_before_both():
    made = table(profiles=everywhere(profile(data=dict(views=7))))
    views = {key: evaluation(made, column=key).data.resolved()["views"] for key in ("S/Top-1", "U/Top-1")}
    assert views == {"S/Top-1": 7, "U/Top-1": 3}
    assert evaluation(made, column="U/Top-1", views=5).data.resolved()["views"] == 5
    with pytest.raises(ValueError, match="column 'U/Top-1', profile 'proxy': Data has no argument 'crops'"):
        evaluation(made, column="U/Top-1", crops=1)


def test_a_pretraining_is_shared_by_seeds_rows_and_data_sets():
    first, second = training(seed=0).init, training(seed=1, column="U/Top-1").init
    assert first == second == training(row="wide").init
    each = dataclasses.replace(profile().inits["source"], shared_by_seeds=False)
    own = table(profiles=everywhere(profile(inits={"source": each})))
    assert training(own, seed=0).init != training(own, seed=1).init


def test_a_pretraining_is_of_the_tables_network_with_its_own_changes_data_and_recipe():
    fixed = dataclasses.replace(profile().inits["source"], module=dict(width=4.0))
    made = table(profiles=everywhere(profile(module=dict(parts=("a",)), inits={"source": fixed})))
    init = training(made, row="wide").init
    assert isinstance(init, Training)
    assert init == training(made, row="plain").init
    assert init.module.resolved() == {"width": 4.0, "parts": ("a",)}
    assert init.data.arguments["source"] == SOURCE and init.recipe == Recipe(epochs=2) and init.init is None
    assert init.num_classes == SOURCE.num_classes


def test_smoke_shrinks_the_members_and_stand_ins_replace_real_data_sets():
    made = table(
        columns=(Column(title="Top-1", metric="top1", data=Build(Data, source=Files())),),
        rows=tuple(dataclasses.replace(row, published=("1",)) for row in table().rows),
        claims=(),
        profiles={"smoke": profile(stand_ins=True, tiny=True), "proxy": profile(stand_ins=True), "paper": profile()},
    )
    assert evaluation(made, column="Top-1", profile="smoke").data.arguments["source"] == SCENES
    proxy = evaluation(made, column="Top-1", profile="proxy")
    assert proxy.data.arguments["source"].name == "scenes A (for UCF-101)"
    assert proxy.training.num_classes == 12 and proxy.training.data_root is None
    with pytest.raises(
        ValueError, match=r"paper/table9, row 'plain', column 'Top-1', profile 'paper': UCF-101 needs --data-root"
    ):
        evaluation(made, column="Top-1", profile="paper")


def on_disk(root: Path) -> Path:
    for subset in ("train", "test"):
        (root / subset).mkdir(parents=True)
        for name in ("a", "b"):
            (root / subset / name).write_bytes(b"x" * 10)
    return root


def fingerprint_of(root: Path) -> str:
    data_fingerprint.cache_clear()
    return data_fingerprint(Files(), root)


def test_the_data_fingerprint_is_of_names_and_sizes_not_of_places_or_dates(tmp_path: Path):
    root, moved = on_disk(tmp_path / "one"), on_disk(tmp_path / "two")
    os.utime(moved / "train/a", (1, 1))
    assert fingerprint_of(root) == fingerprint_of(moved)
    before = fingerprint_of(root)
    (root / "train/a").write_bytes(b"x" * 11)
    longer = fingerprint_of(root)
    (root / "train/a").unlink()
    missing = fingerprint_of(root)
    (root / "train/a").mkdir()
    (root / "train/a/0001.jpg").write_bytes(b"")
    one_frame = fingerprint_of(root)
    (root / "train/a/0002.jpg").write_bytes(b"")
    assert len({before, longer, missing, one_frame, fingerprint_of(root)}) == 5


def test_a_training_on_files_depends_on_them_and_not_on_where_they_are(tmp_path: Path):
    found = []
    for name in ("one", "two"):
        data_fingerprint.cache_clear()
        found.append(training(data=Files(name="mine"), data_root=on_disk(tmp_path / name)))
    assert found[0] == found[1] and found[0].num_classes == 2 and found[0].data_fingerprint
    data_fingerprint.cache_clear()
    (tmp_path / "two/test/b").write_bytes(b"longer than before")
    assert training(data=Files(name="mine"), data_root=tmp_path / "two") != found[0]


class BoxData(Data):
    def __init__(
        self, *, source: Any, tailor: Any, batch_size: int, seed: int, data_root: Path | None, num_workers: int
    ) -> None: ...


def test_a_training_depends_on_the_boxes_if_it_reads_them(tmp_path: Path):
    def trained(data: Build) -> Training:
        data_fingerprint.cache_clear()
        made = table(
            columns=(Column(title="Top-1", metric="top1", data=data),),
            rows=tuple(dataclasses.replace(row, published=("1",)) for row in table().rows),
            init=None,
            claims=(),
        )
        return training(made, column="Top-1", profile="paper", data_root=root)

    root, cut, whole = on_disk(tmp_path), Build(BoxData, source=Files(), tailor=Tailor()), Build(Data, source=Files())
    before, apart = trained(cut), trained(whole)
    (root / "boxes.npz").write_bytes(b"of another detector")
    assert trained(cut) != before and trained(whole) == apart


def test_a_limited_run_visits_every_stage_once():
    limited = training(table(recipe=Recipe(stages=(Stage(5), Stage(7)))), limit_batches=2)
    assert limited.recipe.stages == (Stage(1), Stage(1)) and limited.limit_batches == 2


def test_each_data_set_may_have_a_folder_of_its_own_under_the_root(tmp_path: Path):
    assert root_of(Files(), tmp_path) == tmp_path
    (tmp_path / "ucf101").mkdir()
    assert root_of(Files(), tmp_path) == tmp_path / "ucf101"
    assert root_of(Files(name="HMDB51"), tmp_path) == tmp_path
    assert root_of(Files(), None) is None


def test_own_videos_replace_what_is_tested_and_not_what_the_network_was_pretrained_on(tmp_path: Path):
    own = training(data=Files(name="mine"), data_root=on_disk(tmp_path))
    assert own.init == BASE.init and own.data_root == tmp_path


def test_a_checkpoint_is_known_by_its_content(tmp_path: Path):
    first, second = tmp_path / "a.ckpt", tmp_path / "b.ckpt"
    first.write_bytes(b"weights")
    second.write_bytes(b"weights")
    one, two = training(init_checkpoint=str(first)), training(init_checkpoint=str(second))
    assert one.init == first and one.fingerprint == two.fingerprint != BASE.fingerprint
    second.write_bytes(b"other weights")
    assert training(init_checkpoint=str(second)).fingerprint != one.fingerprint


def test_a_checkpoint_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="--init-checkpoint nowhere.ckpt: no such file; give a checkpoint, or 'none'"):
        training(init_checkpoint="nowhere.ckpt")


def test_a_table_that_starts_from_a_file_asks_for_it_by_row():
    made = table(profiles=everywhere(profile(inits={"source": CheckpointFile("the authors' checkpoint")})))
    message = (
        "paper/table9, row 'wide', profile 'proxy': starts from the authors' checkpoint; give it with --init-checkpoint"
    )
    with pytest.raises(ValueError, match=message):
        training(made, row="wide")
    assert training(made, init_checkpoint="none").init is None


def test_arguments_become_plain_values_that_name_classes_and_functions():
    assert plain((1, 2.5, None, True, "x", Path("a/b"))) == [1, 2.5, None, True, "x", "a/b"]
    assert plain(Net) == "tests.harness.fakes.Net"
    assert plain(Recipe()) == {
        "class": "tests.harness.fakes.Recipe",
        "epochs": 3,
        "batch_size": 4,
        "rate": 0.1,
        "stages": [],
    }
    assert plain(Build(Net)) == {"class": "tests.harness.fakes.Net", "width": 1.0, "parts": []}
    assert plain(UNTRIMMED)["class"] == "Member" and plain(UNTRIMMED)["generator"] == cell_module.GENERATOR_VERSION


@pytest.mark.parametrize("value", [lambda x: x, object(), {1, 2}, b"bytes"], ids=["lambda", "object", "set", "bytes"])
def test_a_value_without_a_stable_meaning_is_refused(value: Any):
    with pytest.raises(ValueError, match="cannot be an argument of a cell"):
        plain({"argument": [value]})


def test_a_class_of_the_started_script_is_refused_as_it_has_another_name_when_imported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Net, "__module__", "__main__")
    with pytest.raises(ValueError, match="Net is defined in the script that was started; move it into a module"):
        plain(Net)


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert len(fingerprint(1)) == 20


@dataclasses.dataclass(frozen=True)
class Grown:
    """A dataclass that has gained a field, which changes nothing at its default."""

    unchanged_by: ClassVar[Mapping[str, Any]] = {"gate": None}

    size: int = 1
    gate: str | None = None


def test_a_new_field_of_an_argument_voids_nothing_at_its_old_value():
    assert "gate" not in plain(Grown()) and plain(Grown(size=2))["size"] == 2
    assert plain(Grown(gate="closed"))["gate"] == "closed"
