"""MS3D's tables: printed numbers, shared cells, what rows start from, and every row of the ablations."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from datamodules.boxes import true_box
from datamodules.ms3d import AUGMENTATION, PROXY_DATA, Ms3dData
from datamodules.synthetic.script import script
from datamodules.synthetic.stand_ins import stand_in
from experiments import ms3d_ablations, ms3d_table1, ms3d_table2, ms3d_table3
from experiments.harness import build_module
from experiments.harness.cell import Options
from experiments.harness.evidence_file import read_evidence
from experiments.harness.measure import clip_shape
from experiments.harness.resolve import evaluation, initialisations, module_build
from experiments.harness.store import REPOSITORY
from experiments.ms3d_profiles import KINETICS_MEMBER, MS3D, NETWORKS, R3D18, SLOW_FAST, STILL_CAMERA
from lightning_modules.backbones.densenet3d import SparseGraph
from lightning_modules.ms3d import profiles
from lightning_modules.ms3d.network import Ms3dSpec

TABLE1, TABLE2, TABLE3, ABLATIONS = (s.TABLE for s in (ms3d_table1, ms3d_table2, ms3d_table3, ms3d_ablations))
EVERY = (*NETWORKS, MS3D)


def cell(table, label: str, column: int, profile: str = "proxy", seed: int = 0):
    return evaluation(table, table.row(label), table.columns[column], seed, Options(profile=profile, seeds=(seed,)))


@pytest.mark.parametrize("profile", ["smoke", "proxy"])
@pytest.mark.parametrize("label", EVERY)
def test_table_1s_trainings_are_the_initialisations_of_the_others(label, profile):
    start = cell(TABLE1, label, 0, profile).training
    assert start.init is None and "Kinetics-400" in start.data.arguments["source"].name
    for table in (TABLE2, TABLE3):
        for seed in (0, 3):
            assert cell(table, label, 0, profile, seed).training.init == start
        assert cell(table, label, 2, profile).training.init is None
        assert cell(table, label, 0, profile) == cell(table, label, 1, profile) != cell(table, label, 2, profile)


def test_no_two_rows_are_the_same_training():
    for table, column in ((TABLE1, 0), (TABLE2, 0), (TABLE2, 2), (ABLATIONS, 2)):
        rows = [row.label for row in table.rows if row.on is None or table.columns[column].group in row.on]
        found = {cell(table, label, column).training.fingerprint for label in rows}
        assert len(found) == len(rows), table.id


def test_at_full_size_only_the_published_loss_is_ms3d_itself():
    def resolved(label: str) -> tuple[object, object]:
        row = ABLATIONS.row(label)
        return module_build(ABLATIONS, row, "paper").resolved(), row.data

    for first, second in itertools.combinations([row.label for row in ABLATIONS.rows], 2):
        alike = resolved(first) == resolved(second)
        assert alike == ({first, second} == {MS3D, ms3d_ablations.ONE_BATCH}), f"{first}, {second}"


def test_the_ablations_base_is_table_1s_ms3d():
    assert cell(ABLATIONS, MS3D, 2) == cell(TABLE1, MS3D, 0)
    occluded, noisy = (cell(ABLATIONS, MS3D, column) for column in (3, 4))
    assert occluded.training == noisy.training == cell(TABLE1, MS3D, 0).training
    assert len({occluded, noisy, cell(ABLATIONS, MS3D, 2)}) == 3


@pytest.mark.parametrize("label", NETWORKS)
def test_a_compared_network_sees_one_clip_of_whole_frames_at_its_own_size(label, tmp_path, monkeypatch):
    from datamodules.datasets.hmdb51 import HMDB51
    from datamodules.datasets.kinetics import Kinetics

    for source, classes in ((HMDB51, 51), (Kinetics, 400)):
        monkeypatch.setattr(source, "class_names", lambda self, root, n=classes: tuple(map(str, range(n))))
        monkeypatch.setattr(source, "videos", lambda self, root, subset: ())
    for name in ("hmdb51", "kinetics400"):
        (tmp_path / name).mkdir()
    options, sizes = Options(profile="paper", data_root=tmp_path), NETWORKS[label]
    row = TABLE2.row(label)
    found = evaluation(TABLE2, row, TABLE2.columns[0], 0, options)
    for data in (found.data.resolved(), found.training.init.data.resolved()):
        assert (data["num_frames"], data["size"], data["short_side"]) == (sizes.frames, sizes.side, sizes.side * 8 // 7)
        assert data["tailor"] is None and data["pathway_frames"] is None and data["sampling"] == "segments"
        assert data["augmentation"][1].size == sizes.side and len(data["augmentation"]) == len(AUGMENTATION)
        assert not data["class_pairs"]
    assert found.training.arguments["module"]["loss"] is None
    assert found.training.recipe == found.training.init.recipe == profiles.PAPER_RECIPE
    small = cell(TABLE2, label, 0).data.resolved()
    assert (small["num_frames"], small["size"]) == (sizes.frames, 32)


def test_ms3d_sees_the_papers_clips_also_on_the_benchmark():
    data = cell(TABLE1, MS3D, 0).data.resolved()
    assert data["pathway_frames"] == (7, 17, 25) and data["num_frames"] == 49 and data["sampling"] == "variance_rate"
    assert data["tailor"] is not None and data["class_pairs"]


def test_three_networks_decide_and_the_others_wait_to_be_asked_for():
    for table in (TABLE1, TABLE2, TABLE3):
        assert [row.label for row in table.rows if row.default] == [R3D18, SLOW_FAST, MS3D]
        assert set(initialisations(table, "proxy")) == (set() if table is TABLE1 else set(EVERY))


def test_printed_values_hold_the_errors_that_the_notes_name():
    values = {row.label: [float(v) for v in row.published if v] for row in TABLE3.rows}
    assert [label for label, row in values.items() if row and row[1] < row[0]] == [SLOW_FAST]
    gains = {row.label: float(row.published[0]) - float(row.published[2]) for row in TABLE2.rows if row.published[0]}
    assert [label for label, gain in gains.items() if gain < 0] == [SLOW_FAST]
    others = sorted(gain for label, gain in gains.items() if label != SLOW_FAST)
    assert (round(others[0], 1), round(others[-1], 1)) == (1.6, 22.5)
    close = [float(r.published[3]) - float(r.published[2]) for r in TABLE2.rows if r.published[2]]
    assert sum(1.2 <= round(gap, 1) <= 3.5 for gap in close) == 5 and len(close) == 6


def margins() -> list[float]:
    """Return MS3D's margin to the best other network in each column of the three tables."""
    found = []
    for table in (TABLE1, TABLE2, TABLE3):
        for column in (i for i, column in enumerate(table.columns) if column.is_accuracy):
            printed = {row.label: float(row.published[column]) for row in table.rows if row.published[column]}
            found.append(round(printed.pop(MS3D) - max(printed.values()), 1))
    return found


def test_three_of_ten_margins_lie_between_one_and_three_percent():
    assert margins() == [5.0, -1.1, 3.0, -0.5, 1.6, 1.0, -1.3, -1.1, 4.0, 0.8]
    assert sum(1 <= margin <= 3 for margin in margins()) == 3 and sum(margin < 0 for margin in margins()) == 4


@pytest.mark.parametrize("row", ABLATIONS.rows, ids=lambda row: row.label)
def test_every_ablation_builds_and_scores_its_own_clips(row):
    for profile in ("smoke", "proxy"):  # what full-size rows cost is counted with the table
        given = ABLATIONS.columns[2].parts[0]
        data = given.with_arguments({**ABLATIONS.profiles[profile].data}, where="test")
        data = data.with_arguments(row.data, where="test")
        frames = data.resolved()["pathway_frames"]
        assert sum(frames) == data.resolved()["num_frames"]
        with torch.device("meta"):
            module = build_module(ABLATIONS, row=row.label, profile=profile, num_classes=5).eval()
            assert module(torch.empty(2, *clip_shape(data)[1:])).shape == (2, 5)
        spec = module.network.backbone.spec
        assert isinstance(spec, Ms3dSpec) and tuple(p.frames for p in spec.pathways) == frames


def test_how_many_connections_are_kept_is_as_the_note_says():
    [note] = (note for note in ABLATIONS.notes if note.startswith("MA2: beside its predecessor"))
    for layers in ((6, 12, 24, 16), profiles.PROXY_DENSENET.block_layers):
        graphs = {alpha: SparseGraph(alpha=alpha).draw(layers) for alpha in (1.0, 0.7, 0.3)}
        counts = {
            alpha: sum(len(set(received) - {number}) for block in drawn for number, received in enumerate(block))
            for alpha, drawn in graphs.items()
        }
        assert f"{counts[0.7]} of {counts[1.0]} at alpha = 0.7 and {counts[0.3]} at 0.3" in note
    assert counts[0.3] == 0, "a chain, as the row's note says"
    assert "nothing is left but each layer's predecessor" in ABLATIONS.row(ms3d_ablations.SPARSER).note


def test_only_rows_that_differ_in_the_loss_are_disturbed():
    both = {ms3d_ablations.OCCLUDED, ms3d_ablations.NOISY}
    disturbed = [row.label for row in ABLATIONS.rows if row.on is None or both & {*row.on}]
    assert disturbed == [MS3D, ms3d_ablations.CROSS_ENTROPY, ms3d_ablations.ONE_BATCH]
    assert all(both <= {*(ABLATIONS.row(label).on or both)} for label in disturbed)


def test_on_the_benchmark_crops_are_mostly_whole_frames_as_the_ablations_say():
    for member in (KINETICS_MEMBER, stand_in("HMDB51"), stand_in("UCF-101")):
        frame = np.full((member.size, member.size, 3), 255, dtype=np.uint8)
        boxes = [true_box(member, number) for number in member.numbers("train")[:200]]
        crops = [PROXY_DATA["tailor"]._cut(frame, box) for box in boxes]
        areas = np.array([crop.shape[0] * crop.shape[1] / member.size**2 for crop in crops])
        assert np.mean(areas > 0.8) > 0.5 and areas.mean() < 0.95, member.name


def test_sampling_is_compared_where_the_camera_stands_still():
    column = next(i for i, column in enumerate(ABLATIONS.columns) if column.group == ms3d_ablations.UNTRIMMED)
    first, second = (cell(ABLATIONS, label, column).training for label in (MS3D, ms3d_ablations.UNIFORM))
    assert first.data.arguments["source"] == second.data.arguments["source"] == STILL_CAMERA
    assert first.data.resolved()["sampling"] == "variance_rate" and second.data.resolved()["sampling"] == "uniform"
    assert first.recipe == second.recipe
    smoke = cell(ABLATIONS, MS3D, column, "smoke").training.data.arguments["source"]
    assert smoke == stand_in("ActivityNet-200").tiny()


@pytest.mark.usefixtures("benchmark_cache")
def test_with_a_still_camera_rates_find_the_action_as_the_ablations_say():
    member = dataclasses.replace(STILL_CAMERA, num_train=16, num_val=16)
    data = Ms3dData(**{**PROXY_DATA, "source": member})
    data.prepare_data()
    rates, inside, length = data.rates("train"), [], []
    for position, number in enumerate(member.numbers("train")):
        plan, own = script(member, number), rates(position)
        inside.append(own[plan.first : plan.end].sum())
        length.append((plan.end - plan.first) / len(own))
    assert 0.85 < np.mean(inside) < 0.95 and 0.25 < np.mean(length) < 0.35, "nine tenths, three tenths"


@pytest.mark.usefixtures("benchmark_cache")
def test_on_the_benchmark_rates_are_nearly_uniform_as_the_ablations_say():
    member = dataclasses.replace(KINETICS_MEMBER, num_train=16, num_val=16)
    data = Ms3dData(**{**PROXY_DATA, "source": member})
    data.prepare_data()
    rates = data.rates("train")
    found = [rates(position) for position in range(member.num_train)]
    apart = [np.abs(own - 1 / len(own)).sum() / 2 for own in found]  # total variation
    assert 0.02 < np.mean(apart) < 0.15
    assert all(max(data.pathway_frames) > len(own) / 2 for own in found), "the fast pathway takes most of the steps"


def test_what_table_1s_note_says_of_the_result_is_in_the_result():
    evidence = read_evidence(REPOSITORY / "results" / "ms3d" / "table1.proxy.json")
    at_last: dict[str, list[float]] = {}
    for cell in evidence["cells"]:
        at_last.setdefault(cell["rows"][0], []).append(cell["curves"]["train/top1"][-1][1])
    best = max(at_last.pop(MS3D))
    assert at_last and all(best < min(values) for values in at_last.values()), "it learns its clips less well"
