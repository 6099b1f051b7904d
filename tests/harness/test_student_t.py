"""Claims about Student's t, against scipy."""

from __future__ import annotations

import pytest
from scipy import stats

from experiments.harness.student_t import student_t_tail, student_t_upper

FREEDOMS = [1, 1.5, 2, 3, 4.7, 9, 30, 399, 3782, 14786, 1e6]


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("t", [-3.0, -0.1, 0.0, 1e-6, 0.5, 1.0, 1.96, 4.3, 12.7, 60.0])
def test_tail_equals_scipy(t, freedom):
    assert student_t_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("tail", [1e-9, 0.001, 0.025, 0.2, 0.5, 0.8, 0.975])
def test_upper_value_equals_scipy(tail, freedom):
    assert student_t_upper(tail, freedom) == pytest.approx(stats.t.isf(tail, freedom), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("freedom", [0, -1, float("inf"), float("nan")])
def test_impossible_degrees_of_freedom_are_refused(freedom):
    with pytest.raises(ValueError, match="degrees of freedom"):
        student_t_tail(1.0, freedom)


@pytest.mark.parametrize("tail", [0, 1, -0.1])
def test_impossible_probabilities_are_refused(tail):
    with pytest.raises(ValueError, match="tail"):
        student_t_upper(tail, 3)
