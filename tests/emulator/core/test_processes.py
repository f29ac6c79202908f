"""Work in child processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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


def test_an_interrupt_of_a_worker_that_starts_prints_nothing(tmp_path: Path) -> None:
    """As Ctrl-C does in a terminal; this worker is still importing the main module."""
    script = tmp_path / "main.py"
    script.write_text(
        "import os, signal\n"
        "from emulator.core.processes import in_processes\n"
        "if __name__ == '__main__':\n"
        "    print(in_processes(abs, [1], 1, lambda *_: None))\n"
        "else:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("['its process ended (SIGINT)']\n", "")
