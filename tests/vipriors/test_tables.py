"""What the scripts ask for: 22 settings of three trainings, Table 4's sums as the facts read them."""

from __future__ import annotations

import pytest

from experiments import vipriors_ablations, vipriors_table1, vipriors_table2, vipriors_table3, vipriors_table4
from experiments.harness.cell import Evaluation, Options
from experiments.harness.resolve import evaluation
from experiments.vipriors_settings import LABELS, SETTINGS

PROXY = Options(seeds=(0,))


def cell(table, label: str, column: int = 0) -> Evaluation:
    return evaluation(table, table.row(label), table.columns[column], 0, PROXY)


def test_the_settings_are_the_printed_ones():
    of = {setting.id: (setting.network, setting.input, setting.interval, setting.augmentation) for setting in SETTINGS}
    assert list(of) == list(range(1, 23)) and len({*of.values()}) == 22
    assert of[11] == ("TSM", "RGB", 2, "centre") and of[22] == ("SlowFast", "Diff", 2, "concatenated")
    counted = {name: sum(name in values for values in of.values()) for name in ("TSM", "Diff", 2, "random crop")}
    assert counted == {"TSM": 5, "Diff": 7, 2: 9, "random crop": 3}
    assert [setting.published for setting in SETTINGS[:4]] == ["75.5", "74.6", "75.6", "74.3"]


def test_22_settings_are_tests_of_three_trainings_which_are_table_2s():
    cells = [cell(vipriors_table3.TABLE, label) for label in LABELS.values()]
    trainings = {c.training for c in cells}
    assert len(trainings) == 3 and len({*cells}) == 22
    labels = ("SlowFast+ELU+POOL+(3*3+3*1+1*3), R50, RGB", "SlowFast+ELU+POOL+(3*3+3*1+1*3), R50, Diff",
              "TSM(with shift), R50")  # fmt: skip
    assert trainings == {cell(vipriors_table2.TABLE, label).training for label in labels}
    assert {cell(vipriors_table4.TABLE, label, 1) for label in LABELS.values()} == {*cells}


def test_table_1s_best_row_is_table_2s_first_and_all_rows_share_phase_one():
    best = cell(vipriors_table1.TABLE, vipriors_table1.BEST)
    assert best == cell(vipriors_table2.TABLE, vipriors_table2.RGB[0])
    assert len({cell(vipriors_table1.TABLE, row.label).training.init for row in vipriors_table1.TABLE.rows}) == 1
    phase_one = {cell(vipriors_table2.TABLE, row.label).training.init for row in vipriors_table2.TABLE.rows}
    assert len(phase_one) == 4, "one per backbone"
    stops = {init.module.arguments["stop_at"] for init in phase_one}
    assert stops == {50.0, 45.0} and {init.seed for init in phase_one} == {0}


@pytest.mark.parametrize(
    ("label", "members", "total"),
    [
        (vipriors_table4.SLOWFAST, {1, 2, 3, 4, 5, 6, 8}, 7),
        (vipriors_table4.WITH_TSM, {*range(1, 11), 12, 13, 14}, 13),
        (vipriors_table4.TWICE, {*range(1, 23)}, 33),
        (vipriors_table4.FOUR_TIMES, {*range(1, 23)}, 58),
    ],
)
def test_table_4_adds_up_what_its_words_say(label, members, total):
    ensemble = vipriors_table4.TABLE.row(label).ensemble
    assert {int(name.split()[0]) for name, _ in ensemble} == members and sum(w for _, w in ensemble) == total


def test_the_search_looks_at_validation_alone_and_the_test_split_is_another():
    search = vipriors_table4.TABLE.row(vipriors_table4.SEARCHED).ensemble
    assert search.on == vipriors_table4.TABLE.columns[1].key and len(search.members) == 22
    subsets = [cell(vipriors_table4.TABLE, LABELS[1], i).data.resolved()["test_subset"] for i in (0, 1)]
    assert subsets == ["test", "val"]


def test_direct_training_has_no_phase_one_and_the_epochs_of_both():
    table = vipriors_ablations.TABLE
    for direct, staged in ((vipriors_ablations.DIRECT, vipriors_ablations.BEST),
                           (vipriors_ablations.SHIFTED_DIRECT, vipriors_ablations.SHIFTED)):  # fmt: skip
        first, second = cell(table, direct).training, cell(table, staged).training
        assert first.init is None and second.init is not None
        assert first.module.resolved() == second.module.resolved()
        assert len(first.recipe.stages) == 4 and first.recipe.stages[2:] == second.recipe.stages
        if staged == vipriors_ablations.BEST:
            assert first.recipe.epochs == second.init.recipe.epochs + second.recipe.epochs
    assert cell(table, vipriors_ablations.TEN_CLIPS).training == cell(table, vipriors_ablations.BEST).training


def test_what_the_ablations_leave_out_of_phase_two_they_leave_out_of_phase_one():
    forward, diff = (cell(vipriors_ablations.TABLE, row).training for row in (vipriors_ablations.FORWARD,
                                                                            vipriors_ablations.DIFF_OWN))  # fmt: skip
    assert forward.init is not None and forward.init.data.resolved()["playbacks"] == ("forward",)
    own, start = diff.module.resolved(), diff.init.module.resolved()
    assert own["residual"] and start["residual"]
    assert diff.data.resolved()["num_frames"] == diff.init.data.resolved()["num_frames"]


def test_in_table_4_one_setting_and_two_networks_on_frames_stand_against_the_ensembles():
    table = vipriors_table4.TABLE
    assert table.row(vipriors_table4.BEST_ALONE).ensemble.additions == 1
    members = [name for name, _ in table.row(vipriors_table4.TWO_RGB).ensemble]
    first, second = (cell(table, name).training for name in members)
    assert not first.module.resolved()["residual"] and not second.module.resolved()["residual"]
    assert first.init.fingerprint != second.init.fingerprint
