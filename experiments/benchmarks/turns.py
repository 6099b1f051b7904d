"""Time several functions in turns, so that other load on the machine hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

LEAST_TURNS = 5


@dataclass(frozen=True)
class Turn:
    """One call.

    Args:
        wall_ms: by the clock.
        cpu_ms: of all threads.
    """

    wall_ms: float
    cpu_ms: float


def take_turns(
    functions: Sequence[Callable[[], object]], *, budget_sec: float = 0.0, turns: int = LEAST_TURNS, warm_up: int = 1
) -> list[list[Turn]]:
    """Call each function in turn, for at least ``turns`` turns and about ``budget_sec``; each turn starts with another.

    Args:
        functions: what to time.
        budget_sec: how long to go on.
        turns: least number of turns.
        warm_up: turns before those that count.

    Returns:
        Per function its turns, in order; the same number for all.
    """
    if not functions:
        raise ValueError("nothing to time: functions is empty")
    times: list[list[Turn]] = [[] for _ in functions]
    end, number = time.perf_counter() + budget_sec, -warm_up
    while number < turns or time.perf_counter() < end:
        for place in range(len(functions)):
            index = (place + number) % len(functions)
            wall, cpu = time.perf_counter(), time.process_time()
            functions[index]()
            turn = Turn(1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu))
            if number >= 0:
                times[index].append(turn)
        number += 1
    return times


def median_cpu_ms(turns: Sequence[Turn]) -> float:
    """Return the median CPU time of a function's turns."""
    return median(turn.cpu_ms for turn in turns)


def median_wall_ms(turns: Sequence[Turn]) -> float:
    """Return the median wall time of a function's turns."""
    return median(turn.wall_ms for turn in turns)
