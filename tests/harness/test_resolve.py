"""What rows, profiles and command lines mean for the cells behind a table, beyond the plain cases of test_cell.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datamodules.datasets.joint import Joint
from datamodules.synthetic.members import stand_in
from experiments.harness.build import Build, Changed, with_fields
from experiments.harness.cell import Training
from experiments.harness.plan import plan
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
    with pytest.raises(ValueError, match="nowhere.pt: no such file"):
        training(chained(), init_files=((IMAGES, "nowhere.pt"),))


def test_a_missing_data_set_of_a_pretraining_says_that_a_file_would_do():
    inits = {VIDEOS: Pretrain(data=Build(Data, source=Files(name="Kinetics-700")), recipe=Recipe())}
    made = table(init=VIDEOS, profiles=everywhere(profile(inits=inits)))
    with pytest.raises(ValueError, match=r"Kinetics-700 needs --data-root(.|\n)*--init-checkpoint videos=FILE"):
        training(made, profile="paper")


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
