"""Work in child processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from emulator.core.processes import WorkerPool, in_processes


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


def place(argument: str) -> str:
    """Return the number of the process and a variable of its environment."""
    return f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')} {argument}"


def test_a_group_stays_together_and_work_is_added_between_results() -> None:
    before = dict(os.environ)
    found = []
    pool: WorkerPool[str, str]
    with WorkerPool(place, 1, {"OMP_NUM_THREADS": "3"}) as pool:
        sent = {pool.submit(f"{group}{index}", group): f"{group}{index}" for index in range(3) for group in "ab"}
        for number, result in pool.results():
            _, threads, argument = result.split()
            assert (threads, argument) == ("3", sent[number])
            found.append(argument)
            if argument == "a2":
                sent[pool.submit("c0", "c")] = "c0"
                sent[pool.submit("a3", "a")] = "a3"
    assert found == ["a0", "a1", "a2", "b0", "b1", "b2", "c0", "a3"]
    assert dict(os.environ) == before


def test_a_group_is_shared_when_nothing_else_is_left() -> None:
    pool: WorkerPool[str, str]
    with WorkerPool(place, 2) as pool:
        for index in range(40):
            pool.submit(str(index))
        assert len({result.split()[0] for _, result in pool.results()}) == 2


def squared_and_ended(number: int) -> int:
    """Return the square; end the process a moment later, when it is idle."""
    threading.Timer(0.05, os._exit, (9,)).start()
    return number**2


def test_a_worker_that_ends_while_idle_costs_nothing() -> None:
    pool: WorkerPool[int, int]
    with WorkerPool(squared_and_ended, 1) as pool:
        pool.submit(2)
        assert list(pool.results()) == [(0, 4)]
        time.sleep(1)
        pool.submit(3)
        assert list(pool.results()) == [(1, 9)]


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
