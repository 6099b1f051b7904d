"""What rows, profiles and command lines mean for the cells behind a table, beyond the plain cases of test_cell.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datamodules.datasets.joint import Joint
from datamodules.synthetic.stand_ins import stand_in
from experiments.harness.build import Build, Changed, with_fields
from experiments.harness.cell import Training
from experiments.harness.plan import plan
from experiments.harness.resolve import initialisations, module_build, takes_unnamed_file
from experiments.harness.spec import CheckpointFile, Pretrain, Profile, Table
from experiments.harness.store import Store
from tests.harness.fakes import SOURCE, Data, Files, Recipe, evaluation, profile, table, training, with_row

IMAGES, VIDEOS, PAIR = "images", "videos", "pair"


def chained(**changes: Any) -> Table:
    """Return the table whose rows start from a pre-training that starts from another one."""
    inits = {
        IMAGES: Pretrain(data=Build(Data, source=SOURCE, size=8), recipe=Recipe(epochs=1)),
        VIDEOS: Pretrain(data=Build(Data, source=SOURCE), recipe=Recipe(epochs=2), init=IMAGES, **changes),
    }
    return table(init=VIDEOS, profiles=everywhere(profile(inits=inits, data=dict(size=16))))


def everywhere(made: Profile) -> dict[str, Profile]:
    return {name: made for name in ("smoke", "proxy", "paper")}


def test_a_pretraining_may_start_from_another_one():
    lineage = training(chained()).lineage
    assert [step.recipe.epochs for step in lineage] == [1, 2, 3]
    assert lineage[2].init == lineage[1] and lineage[1].init == lineage[0] and lineage[0].init is None


def test_a_pretraining_states_its_own_clips_against_the_profile():
    assert [step.data.arguments["size"] for step in training(chained()).lineage] == [8, 16, 16]


def test_a_chain_is_run_in_its_order(tmp_path: Path):
    jobs = plan({evaluation(chained()): "cell"}, Store(tmp_path))
    trainings = [job for job in jobs if job.kind == "train"]
    assert [job.work.recipe.epochs for job in sorted(trainings, key=lambda job: len(job.needs[-1].needs))] == [1, 2, 3]
    assert trainings[2] in [job for job in jobs if job.kind == "test"][0].needs


def test_initialisations_that_start_from_each_other_are_refused():
    inits = {a: Pretrain(data=Build(Data, source=SOURCE), recipe=Recipe(), init=b) for a, b in ("xy", "yx")}
    with pytest.raises(ValueError, match="the initialisations x <- y <- x start from each other"):
        table(init="x", profiles=everywhere(profile(inits=inits)))


def test_an_unknown_initialisation_of_a_pretraining_is_refused():
    inits = {"x": Pretrain(data=Build(Data, source=SOURCE), recipe=Recipe(), init="z")}
    with pytest.raises(ValueError, match="initialisation 'x' has no initialisation 'z'; it has 'x'"):
        table(init="x", profiles=everywhere(profile(inits=inits)))


@pytest.mark.parametrize(("with_row", "widths"), [(False, (1.0, 1.0)), (True, (1.0, 2.0))])
def test_a_rows_network_reaches_a_pretraining_only_if_that_says_so(with_row: bool, widths: tuple[float, float]):
    made = chained(with_row=with_row)
    found = tuple(training(made, row=row).lineage[1].module.resolved()["width"] for row in ("plain", "wide"))
    assert found == widths
    assert training(made, row="wide").lineage[0] == training(made, row="plain").lineage[0]


def test_named_files_replace_their_initialisation_alone(tmp_path: Path):
    file = tmp_path / "images.pt"
    file.write_bytes(b"weights")
    named = training(chained(), init_files=((IMAGES, str(file)),))
    assert isinstance(named.init, Training) and named.init.init == file
    assert training(chained(), init_files=((VIDEOS, str(file)),)).init == file
    with pytest.raises(ValueError, match="--init-checkpoint images=nowhere.pt: no such file"):
        training(chained(), init_files=((IMAGES, "nowhere.pt"),))


def test_a_named_file_goes_before_scratch_and_a_named_scratch_before_a_file(tmp_path: Path):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"weights")
    assert training(chained(), init_checkpoint="none").init is None
    assert training(chained(), init_checkpoint="none", init_files=((VIDEOS, str(file)),)).init == file
    assert training(chained(), init_checkpoint=str(file), init_files=((VIDEOS, "none"),)).init is None
    inner = training(chained(), init_files=((IMAGES, "none"),)).init
    assert isinstance(inner, Training) and inner.init is None


def test_a_file_without_a_name_replaces_the_rows_own_initialisation_alone(tmp_path: Path):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"weights")
    assert training(chained(), init_checkpoint=str(file)).init == file
    own_network = training(chained(with_row=True), row="wide", init_checkpoint=str(file))
    assert own_network == training(chained(with_row=True), row="wide"), "the file's network is not the row's"
    assert training(chained(with_row=True), row="wide", init_files=((VIDEOS, str(file)),)).init == file
    assert training(chained(with_row=True), row="wide", init_checkpoint="none").init is None


def test_a_row_that_a_file_without_a_name_does_not_fit_asks_for_one_by_name(tmp_path: Path):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"weights")
    inits = {VIDEOS: Pretrain(data=Build(Data, source=Files(name="Kinetics-700")), recipe=Recipe(), with_row=True)}
    made = table(init=VIDEOS, profiles=everywhere(profile(inits=inits)))
    with pytest.raises(
        ValueError, match=r"needs --data-root(.|\n)*--init-checkpoint videos=FILE; or none: .*videos=none"
    ):
        training(made, profile="paper", init_checkpoint=str(file))


def test_the_initialisations_that_can_be_given_are_those_that_rows_reach():
    unused = Pretrain(data=Build(Data, source=SOURCE), recipe=Recipe())
    made = chained()
    profiles = everywhere(profile(inits={**made.profiles["proxy"].inits, "unused": unused}))
    assert list(initialisations(table(init=VIDEOS, profiles=profiles), "proxy")) == [VIDEOS, IMAGES]
    assert takes_unnamed_file(made, "proxy") and not takes_unnamed_file(chained(with_row=True), "proxy")
    assert not takes_unnamed_file(table(init=None), "proxy") and initialisations(table(init=None), "proxy") == {}


def test_own_videos_cannot_replace_what_was_pretrained_on(tmp_path: Path):
    inits = {VIDEOS: Pretrain(data=Build(Data, source=Files(name="Kinetics-700")), recipe=Recipe())}
    made = table(init=VIDEOS, profiles=everywhere(profile(inits=inits)))
    own = dict(profile="paper", data=Files(name="mine"), data_root=tmp_path)
    with pytest.raises(
        ValueError, match="pre-training on Kinetics-700 is not possible with --data: give .*videos=FILE"
    ):
        training(made, **own)
    assert training(made, **own, init_files=((VIDEOS, "none"),)).init is None


def test_the_users_batch_size_reaches_the_pretrainings():
    assert [step.recipe.batch_size for step in training(chained(), batch_size=2).lineage] == [2, 2, 2]
    assert [step.recipe.batch_size for step in training(chained()).lineage] == [4, 4, 4]


def test_a_module_is_the_tables_with_profile_row_and_more_on_top():
    made = table(profiles=everywhere(profile(module=dict(width=0.5, parts=("a",)))))
    assert module_build(made, None, "proxy").resolved() == dict(width=0.5, parts=("a",))
    assert module_build(made, made.row("wide"), "proxy").resolved() == dict(width=2.0, parts=("a",))
    assert module_build(made, made.row("wide"), "proxy", dict(width=3.0)).resolved() == dict(width=3.0, parts=("a",))
    with pytest.raises(ValueError, match="row 'wide', profile 'proxy'.*Net has no argument 'depth'"):
        module_build(made, made.row("wide"), "proxy", dict(depth=1))


def test_a_missing_data_set_of_a_pretraining_says_that_a_file_would_do():
    inits = {VIDEOS: Pretrain(data=Build(Data, source=Files(name="Kinetics-700")), recipe=Recipe())}
    made = table(init=VIDEOS, profiles=everywhere(profile(inits=inits)))
    with pytest.raises(ValueError, match=r"Kinetics-700 needs --data-root(.|\n)*--init-checkpoint videos=FILE"):
        training(made, profile="paper")


def test_a_data_set_that_is_not_found_says_which_folder_of_its_own_it_might_have(tmp_path: Path):
    from experiments.action_net_table1 import TABLE as ACTION_NET
    from experiments.harness.cell import Options
    from experiments.harness.resolve import evaluation as resolved

    options = Options(profile="paper", data_root=tmp_path, init_checkpoint="none")
    column = next(column for column in ACTION_NET.columns if column.group == "Something V2")
    with pytest.raises(ValueError, match="something-something-v2-labels.json") as error:
        resolved(ACTION_NET, ACTION_NET.rows[0], column, 0, options)
    assert str(error.value).endswith(f"; it may also have a folder of its own, {tmp_path / 'somethingsomethingv2'}")
    (tmp_path / "somethingsomethingv2").mkdir()
    with pytest.raises(ValueError, match="somethingsomethingv2/labels.json") as error:
        resolved(ACTION_NET, ACTION_NET.rows[0], column, 0, options)
    assert "folder of its own" not in str(error.value)


def test_a_file_that_is_asked_for_is_asked_for_by_name():
    made = table(profiles=everywhere(profile(inits={"source": CheckpointFile("a file")})))
    with pytest.raises(ValueError, match="starts from a file; give it with --init-checkpoint source=FILE"):
        training(made)


def test_each_part_of_a_joint_set_is_replaced_by_its_stand_in():
    joint = Joint(sources=(Files(name="Kinetics-700"), Files(name="YouTube-8M Segments")))
    inits = {PAIR: Pretrain(data=Build(Data, source=joint), recipe=Recipe())}
    made = table(init=PAIR, profiles=everywhere(profile(inits=inits, stand_ins=True, tiny=True)))
    init = training(made, profile="smoke").init
    assert isinstance(init, Training)
    parts = tuple(stand_in(name).tiny() for name in ("Kinetics-700", "YouTube-8M Segments"))
    assert init.data.arguments["source"].sources == parts
    assert init.num_classes == sum(part.num_classes for part in parts) and init.data_root is None


def test_a_row_may_differ_on_one_data_set():
    made = with_row(table(), "plain", data_on={"U": dict(clip_selection=True)})
    found = {key: evaluation(made, column=key).data.resolved()["clip_selection"] for key in ("S/Top-1", "U/Top-1")}
    assert found == {"S/Top-1": False, "U/Top-1": True}
    for change in (dict(data_on={"V": {}}), dict(on=("V",))):
        with pytest.raises(ValueError, match="row 'plain': no column group 'V'; the table has 'S', 'U'"):
            with_row(table(), "plain", **change)
    with pytest.raises(ValueError, match="row 'plain', on U: Data has no argument 'speed'"):
        with_row(table(), "plain", data_on={"U": dict(speed=1)})


def test_a_changed_argument_is_computed_from_the_profiles():
    made = with_row(table(profiles=everywhere(profile(data=dict(size=16)))), "plain", data=dict(size=Changed(double)))
    assert evaluation(made).data.resolved()["size"] == 32
    default = with_row(table(), "plain", module=dict(width=Changed(double)), recipe=dict(epochs=Changed(double)))
    assert training(default).module.resolved()["width"] == 2.0 and training(default).recipe.epochs == 6
    assert with_fields(Recipe(epochs=2), dict(epochs=Changed(double), rate=0.5)) == Recipe(epochs=4, rate=0.5)


def double(value: Any) -> Any:
    return 2 * value


def test_trained_weights_take_the_place_of_a_training_and_are_known_by_content(tmp_path: Path):
    first, second = tmp_path / "a.pt", tmp_path / "b.pt"
    first.write_bytes(b"weights")
    second.write_bytes(b"weights")
    one, two = (training(checkpoint=path) for path in (first, second))
    assert one.fingerprint == two.fingerprint != training().fingerprint
    assert one.init is None and one.lineage == (one,)
    second.write_bytes(b"others")
    assert training(checkpoint=second).fingerprint != one.fingerprint


def test_another_runtime_is_another_evaluation_of_the_same_training():
    made = with_row(table(), "plain", runtime="openvino")
    assert evaluation(made).training == evaluation().training
    assert evaluation(made).fingerprint != evaluation().fingerprint
    with pytest.raises(ValueError, match="unknown runtime 'abacus'; accepted: torch, openvino, onnx"):
        with_row(table(), "plain", runtime="abacus")
