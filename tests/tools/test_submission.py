"""The submission file: from stored scores of a setting or an ensemble to the challenge's order."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.harness.cell import Options
from experiments.harness.store import Store
from experiments.harness.table_cells import TableCells
from experiments.tools.submission import rankings
from experiments.tools.submission import test_scores as scores_of
from experiments.vipriors_settings import LABELS
from experiments.vipriors_table4 import BOTH_INPUTS, TABLE
from tests.harness import fakes

OPTIONS = Options(profile="smoke", seeds=(0,))


def test_clips_are_ranked_in_the_lists_order_and_unscored_ones_have_no_class():
    scores = np.array([[0.1, 0.9, 0.5], [2.0, 2.0, 1.0], [np.nan, 0.0, 1.0]])
    assert rankings(scores, ["b", "a", "c"], ["a", "b", "c", "d"]) == [[0, 1, 2], [1, 2, 0], [], []]


def test_an_ensembles_scores_are_those_of_its_stored_members(tmp_path):
    store = Store(tmp_path)
    cells = TableCells(TABLE, OPTIONS, store, rows=(BOTH_INPUTS,), controls=False)
    with pytest.raises(ValueError, match=r"row 'RGB \+ Diff \(1, 2\)' has no scores for seed 0: run"):
        scores_of(TABLE, BOTH_INPUTS, OPTIONS, store)
    members = [np.random.default_rng(i).normal(size=(4, 4)) for i in (1, 2)]
    for i, scores in zip((1, 2), members, strict=True):
        cell = cells.evaluation(TABLE.row(LABELS[i]), TABLE.columns[0], 0)
        fakes.write_results(store, cell, scores, np.arange(4))
    found, ids = scores_of(TABLE, BOTH_INPUTS, OPTIONS, store)
    np.testing.assert_allclose(found, members[0] + members[1], rtol=1e-6)
    assert len(ids) == 4 and len({*ids}) == 4
