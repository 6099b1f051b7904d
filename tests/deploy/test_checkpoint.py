"""A checkpoint alone gives back the module, and nothing but this repository's classes."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.frame_sampling import ContinuousSampling, SegmentSampling
from experiments.deploy.checkpoint import _named, _rebuilt, input_spec, load_checkpoint_module, rebuild_module
from experiments.harness.cell import plain
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.losses import CenterPush
from lightning_modules.ligar.network import CANONICAL, LARGE, LARGE_S3D
from lightning_modules.ligar.profiles import PAPER_RECIPE, PROXY_MODULE, PROXY_RECIPE
from lightning_modules.losses.am_softmax import AMSoftmax, PolynomialScale
from lightning_modules.recipe import Recipe
from tests.deploy.tiny_networks import save_tiny_checkpoint, tiny_module, tiny_spec, tiny_training
from tests.tiny_cells import ligar_data, same_state


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("cell"))


def changed(path: Path, target: Path, **changes: Any) -> Path:
    """Write a copy of a checkpoint with other entries; None leaves one out."""
    values = {**torch.load(path, weights_only=True), **changes}
    torch.save({name: value for name, value in values.items() if value is not None}, target)
    return target


def test_the_module_comes_back_with_its_weights_and_input(checkpoint: Path):
    module, spec = load_checkpoint_module(checkpoint)
    assert isinstance(module, Ligar) and not module.training
    assert same_state(module.state_dict(), tiny_module().state_dict())
    assert spec == ligar_data().input_spec


def test_losses_and_recipe_come_back_too(tmp_path: Path):
    cell = tiny_training(local_push=None, center_push=CenterPush(margin=0.3), class_loss=AMSoftmax(margin=0.1))
    module, _ = load_checkpoint_module(save_tiny_checkpoint(tmp_path, cell))
    assert isinstance(module, Ligar)
    assert (module.local_push, module.center_push) == (None, CenterPush(margin=0.3))
    assert module.class_loss == AMSoftmax(margin=0.1) and module.recipe == cell.recipe


@pytest.mark.parametrize(
    "value",
    [
        PAPER_RECIPE,
        PROXY_RECIPE,
        LARGE,
        LARGE_S3D,
        CANONICAL,
        PROXY_MODULE,
        PolynomialScale(start=3.0, end=1.0),
        ContinuousSampling,
        SegmentSampling,
        SegmentSampling(num_frames=3),
        (1, (2.5, None), "attention", True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_argument_survives_the_way_through_plain_values(value: object):
    assert _rebuilt(plain(value)) == value


def test_an_argument_left_out_as_unchanged_gets_its_old_value_and_not_todays_default(monkeypatch: pytest.MonkeyPatch):
    cell = tiny_training()
    arguments = copy.deepcopy(cell.arguments)
    del arguments["module"]["authors_initialisation"]
    del arguments["recipe"]["batch_size"]
    monkeypatch.setattr(Ligar, "unchanged_by", {"authors_initialisation": True}, raising=False)
    monkeypatch.setattr(Recipe, "unchanged_by", {"batch_size": 7}, raising=False)
    module = rebuild_module(arguments)
    assert isinstance(module, Ligar) and module.authors_initialisation and module.recipe.batch_size == 7


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "torch.nn.modules.linear.Linear",
        "experiments.harness.store.Store",
        "lightning_modules.base.torch.load",  # a way out through an import
        "lightning_modules.base.F.relu",
        "lightning_modules.base.ClipBatch",  # of ours, but not under this name
        "lightning_modules.recipe",
        "lightning_modules",
        "lightning_modules.nothing.Nothing",
        "lightning_modules.ligar.module.Nothing",
        "lightning_modules.ligar.module.",
        "",
        None,
    ],
)
def test_a_name_of_anything_but_an_own_class_is_refused(name: object):
    with pytest.raises(ValueError, match="refused|there is no"):
        _named(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("lightning_modules.recipe.Recipe", "no ClipClassifier"), ("subprocess.Popen", "is refused")],
)
def test_a_checkpoint_of_another_kind_of_module_is_refused(checkpoint: Path, tmp_path: Path, name: str, reason: str):
    arguments = torch.load(checkpoint, weights_only=True)["arguments"]
    arguments["module"]["class"] = name
    with pytest.raises(ValueError, match=reason):
        load_checkpoint_module(changed(checkpoint, tmp_path / "other.ckpt", arguments=arguments))


def test_a_nested_value_must_be_a_dataclass():
    with pytest.raises(ValueError, match="no dataclass"):
        _rebuilt({"class": "lightning_modules.ligar.module.Ligar"})


def test_a_checkpoint_without_arguments_is_refused_saying_what_it_holds(checkpoint: Path, tmp_path: Path):
    path = changed(checkpoint, tmp_path / "weights.ckpt", arguments=None, input_spec=None)
    with pytest.raises(ValueError, match="lacks arguments, input_spec.*It holds format, state_dict"):
        load_checkpoint_module(path)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path):
    (tmp_path / "notes.ckpt").write_text("nothing")
    with pytest.raises(ValueError, match=r"notes\.ckpt is refused"):
        load_checkpoint_module(tmp_path / "notes.ckpt")


def test_weights_that_do_not_fit_the_arguments_are_refused(checkpoint: Path, tmp_path: Path):
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    state.pop("network.head.centres.weight")
    with pytest.raises(ValueError, match=r"(?s)does not fit the present code.*head\.centres\.weight"):
        load_checkpoint_module(changed(checkpoint, tmp_path / "less.ckpt", state_dict=state))


def test_class_names_of_another_number_are_refused(checkpoint: Path, tmp_path: Path):
    spec = plain(dataclasses.asdict(tiny_spec(class_names=("one", "two"))))
    with pytest.raises(ValueError, match="names 2 classes, its network has 4 outputs"):
        load_checkpoint_module(changed(checkpoint, tmp_path / "two.ckpt", input_spec=spec))


def test_an_input_specification_of_other_fields_is_refused():
    values = plain(dataclasses.asdict(tiny_spec()))
    del values["std"]
    with pytest.raises(ValueError, match=r"unknown fields \['scale'\] and lacks \['std'\]"):
        input_spec({**values, "scale": 1})
