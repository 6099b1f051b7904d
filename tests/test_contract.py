"""What every paper's module and data module must do, whatever the paper: a new paper joins by its tables in TABLES."""

from __future__ import annotations

import dataclasses
import inspect
import re

import numpy as np
import pytest
import torch

from datamodules.base import ClipDataModule
from datamodules.batch import ClipBatch
from datamodules.video import UndecodableVideoError
from experiments import (
    action_net_table3,
    action_net_table5,
    kpsem_table2,
    ligar_ablations,
    ligar_table1,
    ligar_table3,
    ligar_table4,
    ms3d_table2,
    study_cross,
    vipriors_table2,
)
from experiments.harness import build_module
from experiments.harness.cell import Evaluation, Options
from experiments.harness.measure import clip_shape
from experiments.harness.resolve import evaluation as evaluation_cell
from experiments.harness.resolve import protocol_build
from experiments.harness.runner import build_data, build_training_module, load_trained, run
from experiments.harness.spec import PROFILES, Row, Table
from lightning_modules.base import ClipClassifier
from lightning_modules.checkpoints import read_checkpoint
from tests.tiny_cells import lively, runtime, save_lively_weights, some_clips

SCRIPTS = (
    ligar_table1,
    ligar_table3,
    ligar_table4,
    ligar_ablations,
    action_net_table3,
    action_net_table5,
    kpsem_table2,
    ms3d_table2,
)
VIPRIORS = dataclasses.replace(vipriors_table2.TABLE, rows=vipriors_table2.TABLE.rows[::2], claims=())  # those on R50
# Those that combine papers; the others are the papers' own.
COMBINATIONS = tuple(row for row in study_cross.TABLE.rows if " + " in row.label or " on " in row.label)
STUDY = dataclasses.replace(study_cross.TABLE, rows=COMBINATIONS, claims=(), baseline=None)
TABLES = (*(script.TABLE for script in SCRIPTS), VIPRIORS, STUDY)
# A softmax over positions ignores what is added to all of them: this gradient is nil but for rounding.
IDLE = re.compile(r"global_path\.pool\.\d+\.0\.norm\.bias$")
SMOKE = Options(profile="smoke", seeds=(0,), init_checkpoint="none")

pytestmark = pytest.mark.usefixtures("benchmark_cache")


OWN_ROWS = [(table, row) for table in TABLES for row in table.rows if not row.cited]
LAST_ROWS = [[pair for pair in OWN_ROWS if pair[0] is table][-1] for table in TABLES]
ROWS = pytest.mark.parametrize(("table", "row"), OWN_ROWS, ids=[f"{t.id}-{r.label}" for t, r in OWN_ROWS])
LAST_ROW = pytest.mark.parametrize(("table", "row"), LAST_ROWS, ids=[table.id for table in TABLES])


def smoke_cell(table: Table, row: Row, column: int = -1) -> Evaluation:
    """Return a row's smoke cell; the last data column of LIGAR's tables has several views."""
    columns = [c for c in table.columns if c.data is not None and (row.on is None or c.group in row.on)]
    return evaluation_cell(table, row, columns[column], 0, SMOKE)


def built(cell: Evaluation) -> tuple[ClipClassifier, ClipDataModule]:
    torch.manual_seed(0)
    module = build_training_module(cell.training)
    module.initialise_from_scratch()
    return module, build_data(cell.training, cell.data, num_workers=0)


def first_batch(data: ClipDataModule, loader: str = "train") -> ClipBatch:
    return data.on_after_batch_transfer(next(iter(getattr(data, f"{loader}_dataloader")())), 0)


def logged(module: ClipClassifier) -> dict[str, torch.Tensor]:
    """Let the module log into a dictionary, without a trainer."""
    values: dict[str, torch.Tensor] = {}
    module.log_dict = lambda named, **_: values.update(named)  # type: ignore[method-assign]
    return values


# -- building -------------------------------------------------------------------------------------------


@ROWS
@pytest.mark.parametrize("profile", PROFILES)
def test_it_builds_and_scores_clips_at_every_profile(table, row, profile):
    column = next(c for c in table.columns if c.data is not None and (row.on is None or c.group in row.on))
    data = protocol_build(table, row, column, profile)
    with torch.device("meta"):
        module = build_module(table, row=row.label, profile=profile, num_classes=7).eval()
        clips = torch.empty((2, 3, *clip_shape(data)[2:]))
    assert isinstance(module, ClipClassifier)
    assert module(clips).shape == (2, 7)


@ROWS
def test_the_same_seed_builds_the_same_network(table, row):
    first, second = (built(smoke_cell(table, row))[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@LAST_ROW
def test_every_public_class_function_and_argument_is_documented(table, row):
    cell = smoke_cell(table, row)
    for cls in (cell.training.module.cls, cell.data.cls):
        module = inspect.getmodule(cls)
        passport = inspect.getmodule(cls).__package__
        assert module.__doc__ and passport
        for name, member in inspect.getmembers(cls):
            own = (getattr(member, "__module__", None) or "").startswith(("lightning_modules", "datamodules"))
            if callable(member) and own and not name.startswith("_"):
                assert inspect.getdoc(member), f"{cls.__name__}.{name} has no docstring"
        described = "".join(inspect.getdoc(base) or "" for base in cls.__mro__)
        for name, parameter in inspect.signature(cls).parameters.items():
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{cls.__name__}({name}) is not keyword-only"
            assert f"\n    {name}:" in described, f"{cls.__name__} does not describe its argument {name}"


# -- scoring videos from views --------------------------------------------------------------------------


@ROWS
def test_a_videos_score_is_the_mean_over_its_single_views(table, row):
    module, _ = built(smoke_cell(table, row))
    lively(module)
    clips = some_clips(3, 4)
    with torch.no_grad():
        single = torch.stack([module(clips[:, v : v + 1]) for v in range(4)])
        together = module(clips)
    torch.testing.assert_close(together, single.mean(0), rtol=1e-4, atol=1e-5)
    assert (single[0] - single[1]).abs().max() > 1e-2, "the views do not differ: this test shows nothing"


@ROWS
@pytest.mark.parametrize("group", [1, 2, 3])
def test_running_views_in_groups_changes_nothing(table, row, group):
    module, _ = built(smoke_cell(table, row))
    lively(module)
    clips = some_clips(2, 5)
    with torch.no_grad():
        at_once = module(clips)
        module.views_per_forward = group
        torch.testing.assert_close(module(clips), at_once, rtol=1e-4, atol=1e-5)


@ROWS
def test_scoring_one_video_does_not_depend_on_its_neighbours(table, row):
    module, data = built(smoke_cell(table, row))
    lively(module)
    clips = first_batch(data, "train").clips
    with torch.no_grad():
        torch.testing.assert_close(module(clips)[1:2], module(clips[1:2]), rtol=1e-4, atol=1e-5)


# -- training -------------------------------------------------------------------------------------------


@ROWS
def test_a_training_step_returns_loss_and_logits_and_logs_the_terms(table, row):
    module, data = built(smoke_cell(table, row))
    values = logged(module)
    batch = first_batch(data)
    outputs = module.train().training_step(batch, 0)
    assert outputs["loss"].shape == () and outputs["loss"].requires_grad and torch.isfinite(outputs["loss"])
    num_videos, num_views = batch.clips.shape[:2]
    assert outputs["logits"].shape == (num_videos, num_views, module.num_classes)
    assert not outputs["logits"].requires_grad
    terms = [value for name, value in values.items() if name.startswith("train/loss_")]
    assert terms and float(sum(terms)) == pytest.approx(outputs["loss"].item(), rel=1e-5)
    assert values["train/loss"].item() == outputs["loss"].item()
    labels = batch.labels[:, None].expand(num_videos, num_views)
    assert float(values["train/top1"]) == pytest.approx(100 * (outputs["logits"].argmax(-1) == labels).float().mean())


@ROWS
def test_gradients_reach_what_the_stage_trains_and_nothing_else(table, row):
    module, data = built(smoke_cell(table, row))
    lively(module)
    logged(module)
    batch = first_batch(data)
    first_epochs: dict[str, int] = {}
    for epoch in range(module.recipe.epochs):
        first_epochs.setdefault(module.recipe.stage_at(epoch).trainable, epoch)
    assert "all" in first_epochs
    for trainable, epoch in first_epochs.items():
        type(module).current_epoch = property(lambda self, epoch=epoch: epoch)
        try:
            module.on_train_epoch_start()
        finally:
            del type(module).current_epoch
        before = {name: buffer.clone() for name, buffer in module.network.named_buffers()}
        module.zero_grad(set_to_none=True)
        module.training_step(batch, 0)["loss"].backward()
        for name, parameter in module.network.named_parameters():
            trained = trainable == "all" or name.startswith("head.")
            assert (parameter.grad is not None) == trained, f"{trainable}: {name}"
            assert not trained or torch.isfinite(parameter.grad).all(), name
            assert not trained or parameter.grad.any() or IDLE.search(name), name
        moved = {n.split(".")[0] for n, b in module.network.named_buffers() if not torch.equal(b, before[n])}
        assert moved <= ({"head"} if trainable == "head" else {"head", "backbone"}), "frozen statistics moved"


# -- data -----------------------------------------------------------------------------------------------


@ROWS
def test_a_batch_through_the_loader_keeps_shapes_and_types(table, row):
    cell = smoke_cell(table, row)
    _, data = built(cell)
    spec, videos = data.input_spec, data.subset("train")[0]
    for loader, views in (("train", data.clips_per_video), ("val", 1), ("test", data.views * data.crops)):
        raw = next(iter(getattr(data, f"{loader}_dataloader")()))
        batch = data.on_after_batch_transfer(raw, 0)
        n = len(batch)
        assert raw.clips.dtype == torch.uint8 and batch.clips.dtype == torch.float32
        assert batch.clips.shape == (n, views, 3, spec.num_frames, spec.size, spec.size)
        assert batch.frame_indices.shape == (n, views, spec.num_frames)
        assert batch.labels.dtype == torch.int64 and batch.labels.max() < cell.training.num_classes
        assert (batch.frame_indices < batch.num_frames[:, None, None]).all() and (batch.frame_indices >= 0).all()
        moved = batch.to("cpu")
        for column in dataclasses.fields(batch):
            there, here = getattr(moved, column.name), getattr(batch, column.name)
            assert there is here is None or torch.equal(there, here), column.name
    assert len(data.class_names) == cell.training.num_classes == len(spec.class_names)
    assert {video.label_name for video in videos} <= set(spec.class_names)
    assert all(spec.class_names[video.label] == video.label_name for video in videos)


# -- records and checkpoints ----------------------------------------------------------------------------


@LAST_ROW
def test_a_checkpoint_carries_what_its_user_needs(table, row, tmp_path):
    cell, where = smoke_cell(table, row), runtime(tmp_path)
    run(cell.training, where)
    checkpoint = read_checkpoint(where.store.folder(cell.training).weights)
    spec = checkpoint["input_spec"]
    assert tuple(spec["class_names"]) == cell.data.arguments["source"].class_names()
    data = build_data(cell.training, cell.data, num_workers=0)
    for field in ("num_frames", "frame_interval", "size", "short_side"):
        assert spec[field] == getattr(data.input_spec, field)
    assert tuple(spec["mean"]) == data.mean and tuple(spec["std"]) == data.std
    module = load_trained(cell.training, where.store)
    assert not module.training
    assert all(torch.equal(tensor, checkpoint["state_dict"][name]) for name, tensor in module.state_dict().items())


@LAST_ROW
def test_an_undecodable_test_video_is_scored_nan_and_counts_as_wrong(table, row, tmp_path, monkeypatch):
    cell, where = smoke_cell(table, row), runtime(tmp_path)
    save_lively_weights(cell.training, where.store)
    good = run(cell, where)
    broken = (1, 3)
    original = ClipDataModule.subset

    class Broken:
        def __init__(self, reader) -> None:
            self.reader = reader

        def read(self, index, choose):
            if index in broken:
                raise UndecodableVideoError(f"{index}.mp4", "no frame")
            return self.reader.read(index, choose)

    def subset(self, name):
        videos, reader = original(self, name)
        return videos, Broken(reader)

    monkeypatch.setattr(ClipDataModule, "subset", subset)
    again = runtime(tmp_path / "again")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "trainings").symlink_to(tmp_path / "trainings")
    bad = run(cell, again)
    scores, reference = again.store.folder(cell).load_scores(), where.store.folder(cell).load_scores()
    assert bad["undecodable_test_videos"] == 2 and good["undecodable_test_videos"] == 0
    assert bad["num_test_videos"] == good["num_test_videos"] == len(scores["labels"])
    assert np.isnan(scores["scores"][list(broken)]).all()
    kept = [i for i in range(len(scores["labels"])) if i not in broken]
    np.testing.assert_allclose(scores["scores"][kept], reference["scores"][kept], atol=1e-5)
    right = (reference["scores"].argmax(1) == reference["labels"])[kept].sum()
    assert bad["metrics"]["top1"] == pytest.approx(100 * right / len(scores["labels"]))
