from __future__ import annotations

import pytest

from experiments.benchmarks.turns import Turn, median_cpu_ms, median_wall_ms, take_turns


def test_each_turn_starts_with_another_function_and_warm_up_does_not_count():
    called: list[str] = []
    times = take_turns([lambda name=name: called.append(name) for name in "abc"], turns=3, warm_up=1)
    assert [len(own) for own in times] == [3, 3, 3]
    assert "".join(called[3:]) == "abcbcacab" and sorted(called[:3]) == ["a", "b", "c"]
    assert all(turn.wall_ms >= 0 and turn.cpu_ms >= 0 for own in times for turn in own)


def test_a_budget_goes_on_beyond_the_least_number_of_turns():
    assert len(take_turns([lambda: None], budget_sec=0.05, turns=1)[0]) > 1


def test_nothing_to_time_is_refused():
    with pytest.raises(ValueError, match="functions is empty"):
        take_turns([])


def test_medians_are_of_one_kind_of_time():
    turns = [Turn(1.0, 10.0), Turn(2.0, 20.0), Turn(9.0, 90.0)]
    assert (median_wall_ms(turns), median_cpu_ms(turns)) == (2.0, 20.0)
