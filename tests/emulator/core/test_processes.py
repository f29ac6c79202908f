"""Work in child processes."""

import os
import signal
import sys

import pytest

from emulator.core.processes import in_processes


def squared(number: int) -> int:
    """Return the square; end the process for 3 and 5."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        sys.exit(7)
    return number**2


@pytest.mark.parametrize("processes", [1, 3])
def test_an_ended_process_costs_its_own_result_alone(processes: int) -> None:
    told: list[tuple[int, int]] = []
    found = in_processes(squared, [1, 3, 2, 5, 4], processes, lambda done, total: told.append((done, total)))
    assert found == [1, "its process ended (SIGKILL)", 4, "its process ended (exit code 7)", 16]
    assert told == [(done, 5) for done in range(6)]


def test_nothing_to_do_starts_nothing() -> None:
    assert in_processes(squared, [], 2, lambda *_: None) == []
